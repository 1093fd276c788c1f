//! One writer at work on an upload: appends what a request brings, and makes the upload an object when all is there.
//!
//! It runs as a task of its own. A client that goes away in the middle takes its request with it, but what it has sent
//! counts, and must still be synced and written down.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;
use plinth_http::request_id;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use super::asker::Asker;
use super::checksum::Checksum;
use super::chunk::Chunk;
use super::error::TusError;
use super::location::UploadId;
use super::locks::Held;
use super::metadata;
use super::upload::{self, Lease, Term, Upload};
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, Who, object};
use crate::sign;
use crate::store::UploadState;

/// How long the answer to a writer's last statement may be behind the answer to another statement.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A writer that holds an upload's lock and lease.
pub(super) struct Writer {
    pub(super) storage: Storage,
    /// Whose rights count when the upload becomes an object.
    pub(super) who: Who,
    /// What the signed URL grants by which the last request came.
    pub(super) granted: Option<sign::Upload>,
    pub(super) upload: Upload,
    pub(super) lease: Uuid,
    /// Bytes that the upload may have in all.
    pub(super) most: u64,
    /// The client does not know the upload's URL before this request has gone well, so what goes wrong ends the upload.
    pub(super) is_first: bool,
    pub(super) held: Held,
}

/// What a request brings.
pub(super) struct Sent {
    pub(super) body: Body,
    pub(super) checksum: Option<Checksum>,
}

/// Takes the lock of an upload in this node, or says that somebody has it.
pub(super) fn lock(storage: &Storage, id: Uuid) -> Result<Held, TusError> {
    let held = storage.locks.take(id);
    Ok(held.ok_or(StorageError::Locked)?)
}

/// Takes lock and lease of an upload that `check` finds nothing amiss with. `most` is how many bytes it may have where the
/// client has not said yet how many there will be.
pub(super) async fn claim(
    storage: &Storage,
    asker: Asker,
    asked: UploadId,
    most: u64,
    check: impl Fn(&mut Upload) -> Result<(), TusError> + Send + Sync + 'static,
) -> Result<Writer, TusError> {
    let held = lock(storage, asked.id)?;
    let lease = Uuid::new_v4();
    let upload = upload::claim(storage, asked, asker.owner, lease, check).await?;
    Ok(Writer {
        storage: storage.clone(),
        who: asker.who,
        granted: asker.granted,
        lease,
        most: upload.length.unwrap_or(most),
        is_first: false,
        upload,
        held,
    })
}

impl Writer {
    /// Does the work whether or not somebody waits for it. Gives the upload as it is then.
    pub(super) async fn work(self, sent: Option<Sent>) -> Result<Upload, TusError> {
        let (reply, answer) = oneshot::channel();
        let work = async move {
            let done = self.run(sent).await;
            if let Err(Err(error)) = reply.send(done) {
                tracing::warn!(%error, "an upload failed whose client had gone away");
            }
        };
        tokio::spawn(request_id::carried(work.in_current_span()));
        answer.await.unwrap_or_else(|_| {
            let cause = "the writer of an upload ended without a word".to_owned();
            Err(StorageError::Internal(cause).into())
        })
    }

    async fn run(mut self, sent: Option<Sent>) -> Result<Upload, TusError> {
        let (storage, id, lease) = (self.storage.clone(), self.upload.id, self.lease);
        let done = tokio::select! {
            // The work itself ends the lease when it is done.
            biased;
            done = self.advance(sent) => done,
            lost = keep_lease(&storage, id, lease) => Err(lost),
        };
        if done.is_err() {
            let ended = match self.is_first {
                true => self.discard().await,
                false => upload::release(&storage, id, lease)
                    .await
                    .map_err(Into::into),
            };
            // Whoever comes next waits for the lease to end by itself, and the sweeper for the upload; nothing worse.
            if let Err(error) = ended {
                tracing::warn!(%error, "an upload that failed could not be put in order");
            }
        }
        done.map(|()| self.upload)
    }

    async fn advance(&mut self, sent: Option<Sent>) -> Result<(), TusError> {
        let was_whole = self.upload.is_whole();
        if let Some(sent) = sent {
            self.append(sent).await?;
        }
        if self.upload.is_finished {
            return Ok(upload::release(&self.storage, self.upload.id, self.lease).await?);
        }
        if !self.upload.is_whole() {
            return Ok(self.record(Lease::Ended).await?);
        }
        if !was_whole {
            // First this, so that what the store does next begins from what the row says.
            self.record(Lease::Kept).await?;
        }
        self.finish(was_whole && !self.is_first).await
    }

    /// Takes what a request brings; the row is still to be told.
    async fn append(&mut self, sent: Sent) -> Result<(), TusError> {
        let Sent { body, checksum } = sent;
        let left = self.most.saturating_sub(self.upload.offset());
        // Under a checksum nothing counts before all of it does.
        let counts_at_once = checksum.is_none();
        let mut chunk = Chunk::new(body, left, checksum, Arc::clone(&self.held.pulse));
        if left == 0 {
            while chunk.next().await.is_some() {}
            return self.judge(chunk).await;
        }
        let mut state = self.upload.state.clone();
        let (storage, id, lease) = (&self.storage, self.upload.id, self.lease);
        let before = state.offset();
        let saved = |state: UploadState| async move {
            // What says only where bytes will be counts for nobody, and must be found again by whoever removes them.
            match counts_at_once || state.offset() == before {
                true => upload::record(storage, id, lease, &state, Lease::Kept).await,
                false => Ok(()),
            }
        };
        let appended = storage
            .store
            .append(id, &mut state, &mut chunk, left, saved)
            .await;
        // It counts once the row says so. Until then it is what a discard has to know.
        self.upload.state = state;
        match appended {
            Ok(bytes) => {
                storage.unfinished.add(bytes);
                self.judge(chunk).await
            }
            Err(error) => {
                // A disk may be full after many bytes that are safe.
                if counts_at_once {
                    self.record(Lease::Kept).await?;
                }
                Err(error.into())
            }
        }
    }

    async fn record(&self, then: Lease) -> Result<(), StorageError> {
        let Upload { id, state, .. } = &self.upload;
        upload::record(&self.storage, *id, self.lease, state, then).await
    }

    /// Whether what arrived is what was meant. A client that sends more than it said has another file in mind, or none: its
    /// upload ends, and nothing is left behind.
    async fn judge(&self, chunk: Chunk) -> Result<(), TusError> {
        if chunk.is_too_long() {
            if !self.upload.is_finished {
                self.discard().await?;
            }
            return Err(StorageError::TooLarge.into());
        }
        match chunk.holds() {
            true => Ok(()),
            false => Err(StorageError::Checksum.into()),
        }
    }

    /// Makes the upload an object. `is_again`: an earlier writer may have got as far as the commit and not been able to say so.
    async fn finish(&mut self, is_again: bool) -> Result<(), TusError> {
        let is_there = is_again && is_object(&self.storage, &self.upload).await?;
        if !is_there && let Err(error) = self.put().await {
            // What may go well another time is tried again with the next request; the bytes are all there.
            if !is_final(&error) {
                return Err(error);
            }
            // A commit of which nobody heard in time would be refused a second time.
            if !is_object(&self.storage, &self.upload).await? {
                self.discard().await?;
                return Err(error);
            }
        }
        self.storage.unfinished.remove(self.upload.offset());
        let finished = upload::finish(&self.storage, &mut self.upload, self.lease).await;
        if let Err(error) = finished {
            // It is an object all the same. Whoever asks next finds that out.
            tracing::warn!(%error, "an upload became an object and its row could not say so");
        }
        Ok(())
    }

    async fn put(&self) -> Result<(), TusError> {
        let (storage, upload) = (&self.storage, &self.upload);
        let mut object = metadata::object(&upload.metadata, upload.upsert, upload.length)?;
        if let Some(granted) = self.granted.as_ref().filter(|_| upload.upsert) {
            // What was there when the upload began may have given way to somebody else's.
            let name = object.name.as_str();
            object.upsert = object::may_replace(storage, granted, &object.bucket, name).await?;
        }
        // The bucket's rules may have changed since the upload began.
        let bucket = Bucket::find(storage, &object.bucket).await?;
        if upload.offset() > bucket.limit(storage) {
            return Err(StorageError::TooLarge.into());
        }
        super::create::check_type(&bucket, &object)?;
        let stored = storage
            .store
            .finish_upload(&storage.app.db, upload.id, upload.state.clone())
            .await?;
        object::put(storage, &self.who, &object, stored).await?;
        Ok(())
    }

    /// Ends the upload: its bytes first, so that the row is there as long as they are.
    pub(super) async fn discard(&self) -> Result<(), TusError> {
        abandon(&self.storage, &self.upload).await?;
        Ok(upload::delete(&self.storage, self.upload.id, self.lease).await?)
    }
}

/// Removes what an upload has in the store. One that has become an object, whatever its row says, stays; only what it left beside itself
/// goes.
pub(super) async fn abandon(storage: &Storage, upload: &Upload) -> Result<(), StorageError> {
    if is_object(storage, upload).await? {
        return storage.store.clear_upload(upload.id).await;
    }
    let state = upload.state.clone();
    storage.store.abandon_upload(upload.id, state).await
}

/// Whether the upload has become an object, which its row may not know.
async fn is_object(storage: &Storage, upload: &Upload) -> Result<bool, StorageError> {
    if upload.is_finished || !upload.is_whole() {
        return Ok(upload.is_finished);
    }
    Ok(object::find_version(storage, upload.id).await?.is_some())
}

/// Renews the lease as long as it is awaited; ends when the lease is lost, or may be.
async fn keep_lease(storage: &Storage, id: Uuid, lease: Uuid) -> TusError {
    let term = Term::of(storage);
    let mut renewed_at = Instant::now();
    loop {
        tokio::time::sleep(term.renewal).await;
        let asked_at = Instant::now();
        let renewed = tokio::time::timeout(term.renewal, upload::renew(storage, id, lease)).await;
        match renewed {
            Ok(Ok(true)) => renewed_at = asked_at,
            Ok(Ok(false)) => {
                // Perhaps it is the work that has ended it, and is about to say so.
                tokio::time::sleep(LAST_WORD).await;
                return StorageError::Locked.into();
            }
            // There is time for another try.
            Ok(Err(_)) | Err(_) if renewed_at.elapsed() + 2 * term.renewal < term.lease => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return StorageError::Locked.into(),
        }
    }
}

/// Whether trying again would end the same way.
fn is_final(error: &TusError) -> bool {
    match error {
        TusError::Storage(error) => {
            !matches!(
                error,
                StorageError::Busy { .. } | StorageError::StoreFull | StorageError::Locked
            ) && !error.is_ours()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_change_is_tried_again() {
        for passing in [
            StorageError::StoreFull,
            StorageError::Busy {
                retry_after_seconds: 1,
            },
            StorageError::StoreAway(String::new()),
            StorageError::CheckAway(String::new()),
            StorageError::Internal(String::new()),
        ] {
            assert!(!is_final(&passing.into()));
        }
        for lasting in [
            StorageError::AlreadyExists,
            StorageError::AccessDenied(String::new()),
            StorageError::NoSuchBucket,
            StorageError::NoSuchUpload,
            StorageError::Rejected(String::new()),
        ] {
            assert!(is_final(&lasting.into()));
        }
    }
}
