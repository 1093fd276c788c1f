//! Uploads in several requests, on whichever node each arrives: the state in the upload's row names all there is.
//!
//! An upload is a multipart upload of parts of 8 MiB. What is behind the last full part lies in an object beside it, its tail,
//! named by the number of parts before it. A tail is only ever replaced by a longer one with the same beginning, so whatever a
//! crash leaves, an older state still finds the bytes it names.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::{ObjectStoreExt, PutPayload};
use plinth_http::Room;
use uuid::Uuid;

use super::parts::{PART, Sending};
use super::{Claim, LARGE, S3, bounded};
use crate::error::StorageError;
use crate::store::{Part, Stored, UploadState};

/// See [`Store::append`](crate::store::Store::append).
pub(in crate::store) async fn append<E, F>(
    s3: &Arc<S3>,
    id: Uuid,
    state: &mut UploadState,
    mut body: Pin<&mut impl Stream<Item = Result<Bytes, E>>>,
    limit: u64,
    mut saved: impl FnMut(UploadState) -> F,
) -> Result<(), StorageError>
where
    F: Future<Output = Result<(), StorageError>>,
{
    let digest = state.digest()?;
    let room = s3.room_for_tail(state).await?;
    let tail = s3.read_tail(id, state).await?;
    let mut sending = Sending::resume(Arc::clone(s3), s3.key(id), state, digest, &tail, room);
    drop(tail);
    let (mut size, end) = (state.offset, state.offset.saturating_add(limit));
    let mut over = false;
    // A body that breaks off has still brought what it brought.
    while let Some(Ok(mut bytes)) = body.next().await {
        let room = end - size;
        if bytes.len() as u64 > room {
            over = true;
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        let pushed = sending.push(&bytes).await;
        size += bytes.len() as u64;
        let advanced = state.advance(&sending);
        pushed?;
        if over {
            break;
        }
        if advanced {
            saved(state.clone()).await?;
        }
    }
    let settled = sending.settle().await;
    state.advance(&sending);
    settled?;
    s3.put_tail(id, state, &mut sending).await?;
    if over {
        Err(StorageError::TooLarge)
    } else {
        Ok(())
    }
}

impl UploadState {
    /// Takes over what has arrived: everything up to the end of the last part is safe, and a multipart upload that was just
    /// begun has to be found again. True when there is news.
    fn advance(&mut self, sending: &Sending) -> bool {
        let begun = self.upload != sending.upload;
        self.upload.clone_from(&sending.upload);
        let Some(mark) = sending.mark.as_ref().filter(|mark| **mark != self.digest) else {
            return begun;
        };
        self.parts.clone_from(&sending.parts);
        self.tail = 0;
        self.offset = (self.parts.len() * PART) as u64;
        self.digest.clone_from(mark);
        true
    }
}

/// See [`Store::finish_upload`](crate::store::Store::finish_upload).
pub(in crate::store) async fn finish_upload(
    s3: &Arc<S3>,
    id: Uuid,
    state: UploadState,
    etag: String,
) -> Result<Stored, StorageError> {
    let size = state.offset;
    if let Err(error) = s3.complete_upload(id, &state).await
        // An earlier attempt came further than it could say: there is no upload any more, but there is the object.
        && !s3.is_there(id, size).await?
    {
        return Err(match error {
            StorageError::NoSuchKey => StorageError::NoSuchUpload,
            error => error,
        });
    }
    Ok(stored(s3, id, size, etag))
}

/// See [`Store::join_parts`](crate::store::Store::join_parts).
pub(in crate::store) async fn join_parts(
    s3: &Arc<S3>,
    id: Uuid,
    state: &UploadState,
    parts: &[Part],
    etag: String,
) -> Result<Stored, StorageError> {
    let upload = state.upload.as_deref().ok_or(StorageError::NoSuchUpload)?;
    let size = parts.iter().map(|part| part.size).sum();
    let key = s3.key(id);
    let in_a_row = (1..).zip(parts).all(|(number, part)| part.number == number);
    let completed = if in_a_row {
        let names: Vec<String> = parts.iter().map(|part| part.etag.clone()).collect();
        s3.complete(&key, upload, &names).await
    } else {
        s3.complete_with_gaps(&key, upload, parts).await
    };
    if let Err(error) = completed
        && !s3.is_there(id, size).await?
    {
        return Err(match error {
            StorageError::NoSuchKey => StorageError::NoSuchUpload,
            StorageError::StoreAway(text) if text.contains("EntityTooSmall") => {
                StorageError::InvalidRequest(
                    "every part but the last must have at least 5 MiB".to_owned(),
                )
            }
            StorageError::StoreAway(text) if text.contains("InvalidPart") => {
                StorageError::InvalidRequest("a part has changed meanwhile".to_owned())
            }
            error => error,
        });
    }
    Ok(stored(s3, id, size, etag))
}

fn stored(s3: &Arc<S3>, id: Uuid, size: u64, etag: String) -> Stored {
    Stored {
        version: id,
        size,
        etag,
        claim: crate::store::Claim::S3(Claim::new(s3, id, true)),
    }
}

impl S3 {
    /// Taken before the bytes behind the last part are read.
    async fn room_for_tail(&self, state: &UploadState) -> Result<Room, StorageError> {
        let mut room = Room::default();
        let bytes = usize::try_from(state.tail).unwrap_or(usize::MAX);
        self.buffers.grow(&mut room, bytes).await?;
        Ok(room)
    }

    /// The bytes behind the last part.
    async fn read_tail(&self, id: Uuid, state: &UploadState) -> Result<Bytes, StorageError> {
        if state.tail == 0 {
            return Ok(Bytes::new());
        }
        let key = self.tail(id, state.parts.len());
        // A later attempt may have made it longer.
        let read = self.objects.get_range(&key, 0..state.tail);
        match bounded("reading", LARGE, read).await {
            Ok(tail) if tail.len() as u64 == state.tail => Ok(tail),
            Ok(_) | Err(StorageError::NoSuchKey) => Err(StorageError::NoSuchUpload),
            Err(error) => Err(error),
        }
    }

    /// Puts what is behind the last part beside the upload, and says in the state that everything is safe.
    async fn put_tail(
        &self,
        id: Uuid,
        state: &mut UploadState,
        sending: &mut Sending,
    ) -> Result<(), StorageError> {
        let (blocks, length, digest) = sending.rest().await?;
        let offset = (sending.parts.len() * PART + length) as u64;
        if offset == state.offset {
            return Ok(());
        }
        let key = self.tail(id, sending.parts.len());
        let payload: PutPayload = blocks.into_iter().collect();
        bounded("writing", LARGE, self.objects.put(&key, payload)).await?;
        state.upload.clone_from(&sending.upload);
        state.parts.clone_from(&sending.parts);
        state.tail = length as u64;
        state.offset = offset;
        state.digest = digest.save();
        // The tail of before stays until the upload ends: the state that names it may still be the saved one.
        Ok(())
    }

    /// Makes an upload the object.
    async fn complete_upload(&self, id: Uuid, state: &UploadState) -> Result<(), StorageError> {
        let _room = self.room_for_tail(state).await?;
        let (key, tail) = (self.key(id), self.read_tail(id, state).await?);
        let Some(upload) = state.upload.as_deref().filter(|_| !state.parts.is_empty()) else {
            let put = self.objects.put(&key, PutPayload::from(tail));
            bounded("writing", LARGE, put).await?;
            return Ok(());
        };
        let mut parts = state.parts.clone();
        if !tail.is_empty() {
            let index = parts.len();
            parts.push(self.put_part(&key, upload, index, vec![tail]).await?);
        }
        self.complete(&key, upload, &parts).await
    }

    /// Whether a version of this size is there.
    async fn is_there(&self, version: Uuid, size: u64) -> Result<bool, StorageError> {
        Ok(self.size(version).await? == Some(size))
    }
}
