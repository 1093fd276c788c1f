//! Uploads in several requests: bytes appended to a file, or numbered parts that are joined.

use std::fs;
use std::io::{self, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::Instant;
use uuid::Uuid;

use super::write::Writer;
use super::{Claim, Folder, Home, Incoming, blocking, is_gone, open, remove_file, sync_folder};
use crate::error::StorageError;
use crate::store::digest::Digest;
use crate::store::{Part, Stored, UploadState, away};

/// Bytes after which an upload's state is saved.
const SAVE_BYTES: u64 = 32 * 1024 * 1024;
/// The same in time, for slow clients: no more than this is sent again after a crash.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// See [`Store::append`](crate::store::Store::append).
pub(in crate::store) async fn append<E, F>(
    folder: &Arc<Folder>,
    id: Uuid,
    state: &mut UploadState,
    mut body: Pin<&mut impl Stream<Item = Result<Bytes, E>>>,
    limit: u64,
    mut saved: impl FnMut(UploadState) -> F,
) -> Result<(), StorageError>
where
    F: Future<Output = Result<(), StorageError>>,
{
    let (offset, digest) = (state.offset, state.digest()?);
    let here = Arc::clone(folder);
    let writer = blocking(move || here.open_upload(id, offset, digest)).await?;
    let writer = writer.map_err(|error| no_upload("opening an upload", &error))?;
    let mut incoming = Incoming::appending(id, offset, writer);
    let end = offset.saturating_add(limit);
    let (mut over, mut saved_at) = (false, Instant::now());
    // A body that breaks off has still brought what it brought.
    while let Some(Ok(mut bytes)) = body.next().await {
        let room = end - incoming.size();
        if bytes.len() as u64 > room {
            over = true;
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        incoming.write(&bytes).await?;
        if over {
            break;
        }
        let fresh = incoming.size() - state.offset;
        if fresh >= SAVE_BYTES || (fresh > 0 && saved_at.elapsed() >= SAVE_EVERY) {
            advance(&mut incoming, state).await?;
            saved(state.clone()).await?;
            saved_at = Instant::now();
        }
    }
    advance(&mut incoming, state).await?;
    if over {
        Err(StorageError::TooLarge)
    } else {
        Ok(())
    }
}

/// Makes what arrived safe, and says so in the state.
async fn advance(incoming: &mut Incoming, state: &mut UploadState) -> Result<(), StorageError> {
    let digest = incoming.checkpoint().await?;
    state.offset = incoming.size();
    state.digest = digest.save();
    Ok(())
}

/// See [`Store::finish_upload`](crate::store::Store::finish_upload).
pub(in crate::store) async fn finish_upload(
    folder: &Arc<Folder>,
    id: Uuid,
    size: u64,
    etag: String,
) -> Result<Stored, StorageError> {
    let here = Arc::clone(folder);
    let done = blocking(move || here.complete_upload(id, size)).await?;
    done.map_err(|error| no_upload("finishing an upload", &error))?;
    Ok(stored(folder, id, Home::Upload, size, etag))
}

/// See [`Store::abandon_upload`](crate::store::Store::abandon_upload).
pub(in crate::store) async fn abandon_upload(
    folder: &Arc<Folder>,
    id: Uuid,
) -> Result<(), StorageError> {
    let here = Arc::clone(folder);
    let removed = blocking(move || here.remove_upload(id)).await?;
    removed.map_err(|error| away("removing an upload", &error))
}

/// See [`Store::begin_parts`](crate::store::Store::begin_parts).
pub(in crate::store) async fn begin_parts(
    folder: &Arc<Folder>,
    id: Uuid,
) -> Result<(), StorageError> {
    let here = Arc::clone(folder);
    let made = blocking(move || here.make_upload(id)).await?;
    made.map_err(|error| away("making an upload", &error))
}

/// See [`Store::join_parts`](crate::store::Store::join_parts).
pub(in crate::store) async fn join_parts(
    folder: &Arc<Folder>,
    id: Uuid,
    parts: &[Part],
    etag: String,
) -> Result<Stored, StorageError> {
    let size = parts.iter().map(|part| part.size).sum();
    let (here, parts) = (Arc::clone(folder), parts.to_vec());
    let joined = blocking(move || here.join(id, &parts)).await?;
    joined.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => StorageError::InvalidRequest(error.to_string()),
        _ => no_upload("joining parts", &error),
    })?;
    Ok(stored(folder, id, Home::Incoming, size, etag))
}

fn stored(folder: &Arc<Folder>, id: Uuid, home: Home, size: u64, etag: String) -> Stored {
    Stored {
        version: id,
        size,
        etag,
        claim: crate::store::Claim::Folder(Claim {
            folder: Arc::clone(folder),
            version: id,
            home,
            upload: true,
        }),
    }
}

/// An upload without its file was ended by somebody.
fn no_upload(doing: &str, error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::NoSuchUpload,
        _ => away(doing, error),
    }
}

impl Folder {
    /// `uploads/ID`, for good.
    fn make_upload(&self, id: Uuid) -> io::Result<()> {
        let upload = self.upload_folder(id);
        open::make_private_folder(&upload)?;
        sync_folder(&self.root.join("uploads"))
    }

    /// The file of an upload, exactly as long as its state says: what came after that was never acknowledged.
    fn open_upload(self: Arc<Folder>, id: Uuid, offset: u64, digest: Digest) -> io::Result<Writer> {
        let path = self.upload_path(id);
        if offset == 0 {
            self.make_upload(id)?;
        } else if fs::symlink_metadata(&path)?.len() < offset {
            return Err(io::Error::other(
                "the file of an upload is shorter than its row says",
            ));
        }
        let mut file = open::open_or_make(&path)?;
        if offset == 0 {
            sync_folder(&self.upload_folder(id))?;
        }
        if file.metadata()?.len() > offset {
            file.set_len(offset)?;
        }
        file.seek(SeekFrom::Start(offset))?;
        Ok(Writer::resume(self, path, file, digest))
    }

    /// The file of an upload is whole. It stays where it is until its row is committed.
    fn complete_upload(&self, id: Uuid, size: u64) -> io::Result<()> {
        let path = self.upload_path(id);
        if size == 0 && path.symlink_metadata().is_err() {
            self.make_upload(id)?;
        }
        let file = match fs::symlink_metadata(&path) {
            // An earlier attempt came further than it could say.
            Err(error) if is_gone(&error) && size > 0 => open::open_file(&self.place(id))?,
            _ => open::open_or_make(&path)?,
        };
        match file.metadata()?.len() {
            length if length < size => {
                return Err(io::Error::other(
                    "the file of an upload is shorter than its row says",
                ));
            }
            length if length > size => file.set_len(size)?,
            _ => {}
        }
        file.sync_all()?;
        match sync_folder(&self.upload_folder(id)) {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// One file of all parts, in `incoming/`. The parts stay until the row is committed, so it can be tried again.
    fn join(&self, id: Uuid, parts: &[Part]) -> io::Result<()> {
        let whole = self.incoming_path(id);
        // Of an earlier attempt.
        remove_file(&whole)?;
        let joined = self.join_into(id, parts, &whole);
        if joined.is_err() {
            let _best_effort = remove_file(&whole);
        }
        joined
    }

    fn join_into(&self, id: Uuid, parts: &[Part], whole: &std::path::Path) -> io::Result<()> {
        let mut to = open::new_file(whole)?;
        for part in parts {
            if !part.etag.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(changed(part));
            }
            let mut from = match open::open_file(&self.part_path(id, part.number, &part.etag)) {
                Err(error) if is_gone(&error) && self.upload_folder(id).is_dir() => {
                    return Err(changed(part));
                }
                opened => opened?,
            };
            // Within the kernel, and by sharing blocks where the file system can.
            if io::copy(&mut from, &mut to)? != part.size {
                return Err(changed(part));
            }
        }
        to.sync_all()?;
        self.sync_incoming()
    }
}

/// Somebody has sent another part of this number meanwhile.
fn changed(part: &Part) -> io::Error {
    let text = format!("part {} has changed meanwhile", part.number);
    io::Error::new(io::ErrorKind::InvalidData, text)
}
