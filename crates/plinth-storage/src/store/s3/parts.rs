//! Sending bytes in parts: one is on its way while the next one fills.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use plinth_db::Db;
use plinth_http::Room;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Claim, LARGE, S3, bounded};
use crate::error::StorageError;
use crate::store::digest::Digest;
use crate::store::{Part, Stored, UploadState, quoted, rows};

/// Bytes a part. Stores want at least 5 MiB, and some want all parts but the last to be of one size.
pub(super) const PART: usize = 8 * 1024 * 1024;
/// Parts a multipart upload may have, which bounds an object at 80 GB: larger parts would need more memory an upload.
const PARTS: usize = 10_000;
/// Bytes a piece of a part, so that a part need not be one allocation.
const BLOCK: usize = 1024 * 1024;
/// Room is taken in steps of this many bytes within the first piece, and a piece at a time after it.
const STEP: usize = 64 * 1024;
/// An upload that takes longer is announced once more, so that the sweeper lets it be.
const ANNOUNCED: Duration = Duration::from_hours(1);

/// An upload that is being received.
pub(in crate::store) struct Incoming {
    version: Uuid,
    size: u64,
    sending: Sending,
    target: Target,
}

/// What the bytes become.
enum Target {
    /// The version.
    Version,
    /// A part of somebody's multipart upload of that version.
    Part { upload: String, number: u16 },
}

/// What `storage.removals` says of bytes that are on their way.
struct Announced {
    db: Db,
    version: Uuid,
    upload: Option<String>,
    at: Instant,
}

/// Bytes on their way into one key.
pub(super) struct Sending {
    s3: Arc<S3>,
    key: Path,
    /// The multipart upload, once there is more than one part.
    pub(super) upload: Option<String>,
    /// What the store calls the parts it has.
    pub(super) parts: Vec<String>,
    filling: Blocks,
    /// What is filling has it, until it has arrived.
    room: Room,
    /// Bytes at the beginning of what is filling that the digest has seen.
    seen: usize,
    flight: Option<JoinHandle<Result<(Digest, String), StorageError>>>,
    /// Of everything that was sent; away while a part is.
    digest: Option<Digest>,
    /// The digest at the end of the last of `parts`, once one has arrived here.
    pub(super) mark: Option<String>,
    /// Until the bytes are in their place: the multipart upload ends when this is dropped, or else when the sweeper comes by. None of
    /// an upload that outlives this, whose own row names it.
    announced: Option<Announced>,
}

/// Bytes of one part, in pieces of our own: what is held is what is counted.
#[derive(Default)]
struct Blocks {
    full: Vec<Bytes>,
    open: BytesMut,
    length: usize,
}

impl Incoming {
    /// A new version, which has just been announced.
    pub(in crate::store) fn begin(s3: Arc<S3>, db: Db, version: Uuid) -> Incoming {
        Incoming {
            version,
            size: 0,
            sending: Sending::new(s3, Announced::new(db, version)),
            target: Target::Version,
        }
    }

    /// A part of an upload. Small ones go straight into it; a large one becomes a version that is copied into it.
    pub(in crate::store) fn part(
        s3: Arc<S3>,
        db: Db,
        id: Uuid,
        state: &UploadState,
        number: u16,
    ) -> Result<Incoming, StorageError> {
        let upload = state.upload.clone().ok_or(StorageError::NoSuchUpload)?;
        Ok(Incoming {
            version: id,
            size: 0,
            sending: Sending::new(s3, Announced::new(db, Uuid::now_v7())),
            target: Target::Part { upload, number },
        })
    }

    pub(in crate::store) fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::store) async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.sending.push(bytes).await?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Waits until everything is in its place.
    pub(in crate::store) async fn finish(mut self) -> Result<Stored, StorageError> {
        let digest = self.sending.finish().await?;
        Ok(Stored {
            version: self.version,
            size: self.size,
            etag: quoted(&digest.finish()),
            claim: crate::store::Claim::S3(Claim::new(&self.sending.s3, self.version, false)),
        })
    }

    /// Waits until a part is in its upload.
    pub(in crate::store) async fn finish_part(mut self) -> Result<Part, StorageError> {
        let Target::Part { upload, number } = &self.target else {
            return Err(StorageError::Internal(
                "a version was finished as a part".to_owned(),
            ));
        };
        let (number, size) = (*number, self.size);
        let s3 = Arc::clone(&self.sending.s3);
        let into = s3.key(self.version);
        let sent = if self.sending.upload.is_none() {
            self.sending.finish_into(&into, upload, number).await
        } else {
            let announced = self.sending.announced.as_ref();
            let copied = announced.map(|announced| (announced.db.clone(), announced.version));
            self.sending.finish().await?;
            let etag = s3.copy_part(&self.sending.key, None, &into, upload, number);
            let etag = etag.await;
            if let Some((db, version)) = copied {
                let removed = s3.remove(vec![version]).await;
                if let Err(error) = removed.and(rows::dismiss(&db, version).await) {
                    tracing::warn!(%error, "a part that was copied is removed later");
                }
            }
            etag
        };
        // An upload that its store does not know was ended by somebody.
        let etag = sent.map_err(|error| match error {
            StorageError::NoSuchKey => StorageError::NoSuchUpload,
            error => error,
        })?;
        Ok(Part { number, size, etag })
    }
}

impl Sending {
    fn new(s3: Arc<S3>, announced: Announced) -> Sending {
        Sending {
            key: s3.key(announced.version),
            s3,
            upload: None,
            parts: Vec::new(),
            filling: Blocks::default(),
            room: Room::default(),
            seen: 0,
            flight: None,
            digest: Some(Digest::default()),
            mark: None,
            announced: Some(announced),
        }
    }

    /// Goes on with an upload: its parts, and the bytes behind them, which its digest has seen and which have this room. It
    /// outlives this.
    pub(super) fn resume(
        s3: Arc<S3>,
        key: Path,
        state: &UploadState,
        digest: Digest,
        tail: &[u8],
        room: Room,
    ) -> Sending {
        let mut filling = Blocks::default();
        filling.push(tail);
        Sending {
            s3,
            key,
            upload: state.upload.clone(),
            parts: state.parts.clone(),
            filling,
            room,
            seen: tail.len(),
            flight: None,
            digest: Some(digest),
            mark: None,
            announced: None,
        }
    }

    /// Takes bytes. A part that is full goes on its way once the one before has arrived.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // A full part is sent when more comes, so that the last one is never empty.
            if self.filling.length == PART {
                self.send().await?;
            }
            let (now, later) = rest.split_at(rest.len().min(PART - self.filling.length));
            let held = room_for(self.filling.length + now.len());
            self.s3.buffers.grow(&mut self.room, held).await?;
            self.filling.push(now);
            rest = later;
        }
        Ok(())
    }

    /// Sends a part that is full and waits until it has arrived.
    pub(super) async fn settle(&mut self) -> Result<(), StorageError> {
        if self.filling.length == PART {
            self.send().await?;
        }
        self.land().await
    }

    /// Waits for the part that is on its way.
    async fn land(&mut self) -> Result<(), StorageError> {
        let Some(flight) = self.flight.take() else {
            return Ok(());
        };
        let (digest, etag) = flight
            .await
            .map_err(|error| StorageError::Internal(format!("sending a part failed: {error}")))??;
        self.mark = Some(digest.save());
        self.digest = Some(digest);
        self.parts.push(etag);
        Ok(())
    }

    /// Sends what is filling as the next part.
    async fn send(&mut self) -> Result<(), StorageError> {
        self.land().await?;
        if self.parts.len() == PARTS {
            return Err(StorageError::TooLarge);
        }
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => {
                let upload = self.s3.begin_multipart(&self.key).await?;
                self.upload.insert(upload).clone()
            }
        };
        self.announce().await?;
        let digest = self.take_digest()?;
        let (blocks, seen) = (self.filling.take(), std::mem::take(&mut self.seen));
        let (s3, key, index) = (Arc::clone(&self.s3), self.key.clone(), self.parts.len());
        let room = std::mem::take(&mut self.room);
        self.flight = Some(tokio::spawn(async move {
            let _until_it_has_arrived = room;
            let (digest, etag) = tokio::join!(
                hash(digest, blocks.clone(), seen),
                s3.put_part(&key, &upload, index, blocks)
            );
            let digest = digest?;
            Ok::<_, StorageError>((digest, etag?))
        }));
        Ok(())
    }

    /// Sees to it that whoever sweeps knows of what the store has, and lets it be for now.
    async fn announce(&mut self) -> Result<(), StorageError> {
        match &mut self.announced {
            Some(announced) => announced.renew(self.upload.as_deref()).await,
            None => Ok(()),
        }
    }

    /// The rest, and the digest of everything. The key holds the bytes then.
    async fn finish(&mut self) -> Result<Digest, StorageError> {
        self.announce().await?;
        if self.upload.is_none() {
            let digest = self.take_digest()?;
            let (blocks, seen) = (self.filling.take(), self.seen);
            let payload: PutPayload = blocks.iter().cloned().collect();
            let (digest, put) = tokio::join!(
                hash(digest, blocks, seen),
                bounded("writing", LARGE, self.s3.objects.put(&self.key, payload))
            );
            put?;
            return digest;
        }
        if self.filling.length > 0 {
            self.send().await?;
        }
        self.land().await?;
        let upload = self.upload.clone().ok_or(StorageError::NoSuchUpload)?;
        self.s3.complete(&self.key, &upload, &self.parts).await?;
        self.announced = None;
        self.take_digest()
    }

    /// Everything, which is one part, as a part of another upload. Gives what the store calls it.
    async fn finish_into(
        &mut self,
        key: &Path,
        upload: &str,
        number: u16,
    ) -> Result<String, StorageError> {
        let digest = self.take_digest()?;
        let blocks = self.filling.take();
        let index = usize::from(number).saturating_sub(1);
        let (digest, etag) = tokio::join!(
            hash(digest, blocks.clone(), 0),
            self.s3.put_part(key, upload, index, blocks)
        );
        let (digest, etag) = (digest?, etag?);
        // A store that gives parts no name is one in memory.
        Ok(if etag.is_empty() {
            digest.finish()
        } else {
            etag
        })
    }

    /// What is left behind the last part, with the digest of everything. Nothing may be on its way.
    pub(super) async fn rest(&mut self) -> Result<(Vec<Bytes>, usize, Digest), StorageError> {
        let length = self.filling.length;
        let (blocks, seen) = (
            self.filling.take(),
            std::mem::replace(&mut self.seen, length),
        );
        let digest = hash(self.take_digest()?, blocks.clone(), seen).await?;
        Ok((blocks, length, digest))
    }

    fn take_digest(&mut self) -> Result<Digest, StorageError> {
        self.digest.take().ok_or_else(|| {
            StorageError::Internal("an upload that failed was written on".to_owned())
        })
    }
}

/// An upload that is not finished leaves nothing behind.
impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(flight) = self.flight.take() {
            flight.abort();
        }
        let (Some(upload), Some(_)) = (self.upload.take(), &self.announced) else {
            return;
        };
        let (s3, key) = (Arc::clone(&self.s3), self.key.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = s3.abort_multipart(&key, &upload).await {
                    tracing::warn!(%error, "the parts of a broken upload could not be removed");
                }
            });
        }
    }
}

impl Announced {
    fn new(db: Db, version: Uuid) -> Announced {
        Announced {
            db,
            version,
            upload: None,
            at: Instant::now(),
        }
    }

    /// Says it once more where that is long ago, or the upload is new.
    async fn renew(&mut self, upload: Option<&str>) -> Result<(), StorageError> {
        if self.upload.as_deref() != upload || self.at.elapsed() > ANNOUNCED {
            rows::announce(&self.db, self.version, upload).await?;
            self.upload = upload.map(str::to_owned);
            self.at = Instant::now();
        }
        Ok(())
    }
}

/// What so many bytes take.
fn room_for(length: usize) -> usize {
    let step = if length > BLOCK { BLOCK } else { STEP };
    length.next_multiple_of(step)
}

impl Blocks {
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.open.is_empty() && !self.full.is_empty() {
                // Large, as it turns out: to grow step by step would take twice the room.
                self.open.reserve(BLOCK);
            }
            let (now, later) = rest.split_at(rest.len().min(BLOCK - self.open.len()));
            self.open.extend_from_slice(now);
            if self.open.len() == BLOCK {
                self.full.push(self.open.split().freeze());
            }
            rest = later;
        }
        self.length += bytes.len();
    }

    fn take(&mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.full.push(self.open.split().freeze());
        }
        self.length = 0;
        std::mem::take(&mut self.full)
    }
}

impl S3 {
    /// Puts a part; gives what the store calls it, unquoted.
    pub(super) async fn put_part(
        &self,
        key: &Path,
        upload: &str,
        index: usize,
        blocks: Vec<Bytes>,
    ) -> Result<String, StorageError> {
        let (upload, payload) = (upload.to_owned(), blocks.into_iter().collect());
        let put = self.multipart.put_part(key, &upload, index, payload);
        let part = bounded("writing a part", LARGE, put).await?;
        Ok(part.content_id.trim_matches('"').to_owned())
    }

    /// Makes parts an object.
    pub(super) async fn complete(
        &self,
        key: &Path,
        upload: &str,
        parts: &[String],
    ) -> Result<(), StorageError> {
        let upload = upload.to_owned();
        let parts = parts
            .iter()
            .map(|etag| PartId {
                content_id: quoted(etag),
            })
            .collect();
        let complete = self.multipart.complete_multipart(key, &upload, parts);
        bounded("joining parts", LARGE, complete).await?;
        Ok(())
    }
}

/// Adds blocks to a digest, but for the bytes that it has seen, on a thread for work.
async fn hash(digest: Digest, blocks: Vec<Bytes>, seen: usize) -> Result<Digest, StorageError> {
    let hashed = tokio::task::spawn_blocking(move || {
        let (mut digest, mut skip) = (digest, seen);
        for block in blocks {
            let skipped = skip.min(block.len());
            skip -= skipped;
            digest.update(&block[skipped..]);
        }
        digest
    });
    hashed
        .await
        .map_err(|error| StorageError::Internal(format!("hashing failed: {error}")))
}
