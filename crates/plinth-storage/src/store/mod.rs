//! Where the bytes of objects are: in a folder, or in a bucket of an S3-compatible store.
//!
//! Bytes are kept by version, a UUID that is drawn for each upload, and never change once they are written. Which version an
//! object has is a row's to say, so bytes and metadata change together in one transaction, and no name that a user chose is
//! ever a path or a key. What is [`Stored`] is on disk but belongs to nobody yet; [`Store::keep`] puts it into its place once
//! its row is committed. Memory is bounded: no body is held as a whole.

mod digest;
pub(crate) mod folder;
pub(crate) mod fsck;
pub(crate) mod hold;
mod reading;
pub(crate) mod rows;
pub(crate) mod s3;
#[cfg(test)]
mod stage;
mod state;
pub(crate) mod sweep;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use plinth_db::Db;
use plinth_http::request_id;
use uuid::Uuid;

use crate::error::StorageError;
pub(crate) use digest::joined as joined_etag;
use folder::{FileReading, Folder, Recovered};
pub(crate) use reading::Reading;
use reading::{Source, within};
use s3::S3;
pub use s3::{S3Config, S3Credentials};
pub(crate) use state::{Part, UploadState};

/// Where the bytes of objects are.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// In this folder, which is made when it is not there.
    Folder(PathBuf),
    /// In a bucket of an S3-compatible store.
    S3(S3Config),
}

/// A store. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub(crate) struct Store(Kind);

#[derive(Clone)]
enum Kind {
    Folder(Arc<Folder>),
    S3(Arc<S3>),
}

/// What a store says of bytes that it sends to a client itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SaidByStore<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) cache_control: &'a str,
    pub(crate) disposition: Option<&'a str>,
}

/// Bytes that are written and synced and that no row names yet: see [`Store::commit`].
///
/// Dropping it removes nothing, because a commit may be under way while its caller is dropped. The sweeper asks for a row once
/// enough time has gone by; so does the next start.
#[must_use = "bytes that nobody keeps are removed later"]
#[derive(Debug)]
pub(crate) struct Stored {
    /// What a row names them by.
    pub version: Uuid,
    /// How many.
    pub size: u64,
    /// Their fingerprint, quoted as in the header.
    pub etag: String,
    claim: Claim,
}

/// What there is to do about stored bytes when they are kept or dropped.
#[derive(Debug)]
enum Claim {
    Folder(folder::Claim),
    S3(s3::Claim),
}

/// An upload that is being received.
pub(crate) struct Incoming(Receiving);

enum Receiving {
    Folder(folder::Incoming),
    S3(s3::Incoming),
}

impl Store {
    /// Makes or opens it. A folder belongs to one process: a second one is refused.
    pub(crate) async fn open(config: &StoreConfig) -> Result<Store, StorageError> {
        Ok(Store(match config {
            StoreConfig::Folder(path) => Kind::Folder(Folder::open(path.clone()).await?),
            StoreConfig::S3(config) => Kind::S3(Arc::new(S3::open(config)?)),
        }))
    }

    /// The same for a look at a store that another process may have open: nothing is made, nothing is locked.
    pub(crate) async fn attach(config: &StoreConfig) -> Result<Store, StorageError> {
        Ok(Store(match config {
            StoreConfig::Folder(path) => Kind::Folder(Folder::attach(path.clone()).await?),
            StoreConfig::S3(config) => Kind::S3(Arc::new(S3::open(config)?)),
        }))
    }

    /// Finishes what a crash interrupted. Once, before the first request.
    pub(crate) async fn recover(&self, db: &Db) -> Result<Recovered, StorageError> {
        match &self.0 {
            Kind::Folder(folder) => folder::recover(folder, db).await,
            // Rows in `storage.removals` were written before the bytes; the sweeper does the rest.
            Kind::S3(_) => Ok(Recovered::default()),
        }
    }

    /// Begins to receive bytes whose number nobody knows yet.
    pub(crate) async fn begin(&self, db: &Db) -> Result<Incoming, StorageError> {
        let version = Uuid::now_v7();
        Ok(Incoming(match &self.0 {
            Kind::Folder(folder) => {
                Receiving::Folder(folder::Incoming::begin(Arc::clone(folder), version))
            }
            Kind::S3(s3) => {
                rows::announce(db, version, None).await?;
                Receiving::S3(s3::Incoming::begin(Arc::clone(s3), db.clone(), version))
            }
        }))
    }

    /// Receives a whole body. Over the limit it stops at once and leaves nothing behind.
    pub(crate) async fn receive<E>(
        &self,
        db: &Db,
        body: impl Stream<Item = Result<Bytes, E>>,
        limit: u64,
    ) -> Result<Stored, StorageError>
    where
        E: Into<StorageError>,
    {
        let mut body = pin!(body);
        let mut incoming = self.begin(db).await?;
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(Into::<StorageError>::into)?;
            if incoming.size().saturating_add(bytes.len() as u64) > limit {
                return Err(StorageError::TooLarge);
            }
            incoming.write(bytes).await?;
        }
        incoming.finish().await
    }

    /// Commits the row that names stored bytes, and keeps the bytes or removes them as it went.
    ///
    /// `work` is the transaction. It goes on to its end when the caller goes away: a client that hangs up while its row is
    /// being committed must not cost the row its bytes.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        stored: Stored,
        work: impl Future<Output = Result<T, StorageError>> + Send + 'static,
    ) -> Result<T, StorageError> {
        let store = self.clone();
        let work = async move {
            let done = work.await;
            let unsettled = done.as_ref().err().is_some_and(may_have_committed);
            if done.is_ok() {
                store.keep(stored).await;
            } else if !unsettled {
                store.discard(stored).await;
            }
            // Whether the rest was committed nobody knows. The sweeper asks once it is settled.
            done
        };
        let done = tokio::spawn(request_id::carried(work)).await;
        done.map_err(|error| {
            StorageError::Internal(format!("committing an object failed: {error}"))
        })?
    }

    /// The row is committed: the bytes go to their place. A reader finds them before, during and after.
    pub(crate) async fn keep(&self, stored: Stored) {
        match stored.claim {
            Claim::Folder(claim) => claim.keep().await,
            Claim::S3(claim) => claim.keep().await,
        }
    }

    /// No row will ever name the bytes: they are removed now rather than by the sweeper.
    pub(crate) async fn discard(&self, stored: Stored) {
        match stored.claim {
            Claim::Folder(claim) => claim.discard().await,
            Claim::S3(claim) => claim.discard().await,
        }
    }

    /// Reads a version, or a range of it that ends where the bytes end. [`StorageError::NoSuchKey`] when it is not there,
    /// which also happens when it was replaced a moment ago: find the row again then.
    pub(crate) async fn read(
        &self,
        version: Uuid,
        range: Option<Range<u64>>,
    ) -> Result<Reading, StorageError> {
        match &self.0 {
            Kind::Folder(folder) => {
                let (file, size) = folder::find(folder, version).await?;
                let range = within(range, size)?;
                let source = Source::File(FileReading::new(file, range.clone()));
                Ok(Reading {
                    size,
                    range,
                    source,
                })
            }
            Kind::S3(s3) => {
                let (stream, size, range) = s3.read(version, range).await?;
                let source = Source::Remote(stream);
                Ok(Reading {
                    size,
                    range,
                    source,
                })
            }
        }
    }

    /// Reads a small version whole; `TooLarge` when it is larger than `limit`.
    pub(crate) async fn bytes(&self, version: Uuid, limit: u64) -> Result<Bytes, StorageError> {
        let mut reading = self.read(version, None).await?;
        if reading.size() > limit {
            return Err(StorageError::TooLarge);
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(reading.size()).unwrap_or(0));
        while let Some(bytes) = reading.next().await {
            let bytes = bytes.map_err(|error| away("reading", &error))?;
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Makes a new version of the same bytes. `etag` is that of the source's row: nothing is read again for it.
    pub(crate) async fn copy(
        &self,
        db: &Db,
        version: Uuid,
        etag: &str,
    ) -> Result<Stored, StorageError> {
        let copy = Uuid::now_v7();
        match &self.0 {
            Kind::Folder(folder) => folder::copy(folder, version, copy, etag).await,
            Kind::S3(s3) => {
                rows::announce(db, copy, None).await?;
                s3::copy(s3, version, copy, etag).await
            }
        }
    }

    /// Removes the bytes of a version, wherever they are. That they are not there is fine.
    pub(crate) async fn remove(&self, version: Uuid) -> Result<(), StorageError> {
        self.remove_all(vec![version]).await
    }

    /// The same for many. When it returns, they are gone for good, also after a power cut.
    pub(crate) async fn remove_all(&self, versions: Vec<Uuid>) -> Result<(), StorageError> {
        match &self.0 {
            Kind::Folder(folder) => folder::remove(folder, versions).await,
            Kind::S3(s3) => s3.remove(versions).await,
        }
    }

    /// Ends what a killed server had begun to send in parts, to become this version.
    pub(crate) async fn end_parts(&self, version: Uuid, upload: &str) -> Result<(), StorageError> {
        match &self.0 {
            Kind::Folder(_) => Ok(()),
            Kind::S3(s3) => s3.end_parts(version, upload).await,
        }
    }

    /// A URL from which a client can fetch a version itself for some time; none where the bytes are in a folder.
    pub(crate) async fn redirect(
        &self,
        version: Uuid,
        lifetime: Duration,
        said: SaidByStore<'_>,
    ) -> Result<Option<String>, StorageError> {
        match &self.0 {
            Kind::Folder(_) => Ok(None),
            Kind::S3(s3) => s3.redirect(version, lifetime, said).await,
        }
    }

    /// Appends to an upload; gives the number of bytes taken.
    ///
    /// `saved` is called whenever more bytes are safe; written into the upload's row there, the state is what a killed server
    /// or another node goes on from. When this returns, however it ends, `state` is true. A body that breaks off is no error:
    /// what arrived counts. Over `limit` what fits counts, and the answer is `TooLarge`.
    pub(crate) async fn append<E, F>(
        &self,
        id: Uuid,
        state: &mut UploadState,
        body: impl Stream<Item = Result<Bytes, E>>,
        limit: u64,
        saved: impl FnMut(UploadState) -> F,
    ) -> Result<u64, StorageError>
    where
        F: Future<Output = Result<(), StorageError>>,
    {
        let before = state.offset;
        let body = pin!(body);
        let appended = match &self.0 {
            Kind::Folder(folder) => folder::append(folder, id, state, body, limit, saved).await,
            Kind::S3(s3) => s3::append(s3, id, state, body, limit, saved).await,
        };
        appended.map(|()| state.offset - before)
    }

    /// Makes an upload's bytes a version, whose name is the upload's. It may be called again for the same upload, after a
    /// crash or when the commit was refused.
    pub(crate) async fn finish_upload(
        &self,
        db: &Db,
        id: Uuid,
        state: UploadState,
    ) -> Result<Stored, StorageError> {
        let digest = state.digest()?;
        let etag = quoted(&digest.finish());
        match &self.0 {
            Kind::Folder(folder) => folder::finish_upload(folder, id, state.offset, etag).await,
            Kind::S3(s3) => {
                rows::announce(db, id, None).await?;
                s3::finish_upload(s3, id, state, etag).await
            }
        }
    }

    /// Removes what an upload has left. The upload may have become an object: that stays.
    pub(crate) async fn abandon_upload(
        &self,
        id: Uuid,
        state: UploadState,
    ) -> Result<(), StorageError> {
        match &self.0 {
            Kind::Folder(folder) => folder::abandon_upload(folder, id).await,
            Kind::S3(s3) => s3.abandon_upload(id, &state).await,
        }
    }

    /// Removes what an upload that has become an object has left beside it, in case that whoever kept the object had no time to.
    pub(crate) async fn clear_upload(&self, id: Uuid) -> Result<(), StorageError> {
        match &self.0 {
            // What is left there may be the object's bytes, which recovery puts into their place.
            Kind::Folder(_) => Ok(()),
            Kind::S3(s3) => s3.clear_upload(id).await,
        }
    }

    /// Begins an upload in numbered parts.
    pub(crate) async fn begin_parts(&self, id: Uuid) -> Result<UploadState, StorageError> {
        match &self.0 {
            Kind::Folder(folder) => {
                folder::begin_parts(folder, id).await?;
                Ok(UploadState::default())
            }
            Kind::S3(s3) => s3.begin_parts(id).await,
        }
    }

    /// Receives one part; a part of the same number is replaced by it. Parts may arrive side by side.
    pub(crate) async fn put_part<E>(
        &self,
        db: &Db,
        id: Uuid,
        state: &UploadState,
        number: u16,
        body: impl Stream<Item = Result<Bytes, E>>,
        limit: u64,
    ) -> Result<Part, StorageError>
    where
        E: Into<StorageError>,
    {
        let mut body = pin!(body);
        let mut receiving = match &self.0 {
            Kind::Folder(folder) => {
                Receiving::Folder(folder::Incoming::part(Arc::clone(folder), id, number))
            }
            Kind::S3(s3) => {
                let s3 = Arc::clone(s3);
                Receiving::S3(s3::Incoming::part(s3, db.clone(), id, state, number)?)
            }
        };
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(Into::<StorageError>::into)?;
            if receiving.size().saturating_add(bytes.len() as u64) > limit {
                return Err(StorageError::TooLarge);
            }
            receiving.write(bytes).await?;
        }
        match receiving {
            Receiving::Folder(part) => part.finish_part(number).await,
            Receiving::S3(part) => part.finish_part().await,
        }
    }

    /// Joins parts, in this order, to a version whose name is the upload's.
    pub(crate) async fn join_parts(
        &self,
        db: &Db,
        id: Uuid,
        state: UploadState,
        parts: &[Part],
    ) -> Result<Stored, StorageError> {
        let ascending = parts.windows(2).all(|two| two[0].number < two[1].number);
        if parts.is_empty() || !ascending {
            return Err(StorageError::InvalidRequest(
                "the parts must be named in ascending order, and at least one".to_owned(),
            ));
        }
        let etag = quoted(&digest::joined(parts.iter().map(|part| part.etag.as_str())));
        match &self.0 {
            Kind::Folder(folder) => folder::join_parts(folder, id, parts, etag).await,
            Kind::S3(s3) => {
                rows::announce(db, id, None).await?;
                s3::join_parts(s3, id, &state, parts, etag).await
            }
        }
    }

    /// Where the file of a version lies now, whether it is kept already or not; none where the bytes are not in a folder.
    pub(crate) fn local_path(&self, version: Uuid) -> Option<PathBuf> {
        self.folder()?.path_of(version)
    }

    /// The folder, where that is what it is.
    pub(crate) fn folder(&self) -> Option<&Arc<Folder>> {
        match &self.0 {
            Kind::Folder(folder) => Some(folder),
            Kind::S3(_) => None,
        }
    }

    /// How many bytes a version has; none when it is not there.
    pub(crate) async fn size(&self, version: Uuid) -> Result<Option<u64>, StorageError> {
        match &self.0 {
            Kind::Folder(folder) => {
                let found = folder::look(folder, vec![version]).await?;
                Ok(found.into_iter().flatten().map(|found| found.size).next())
            }
            Kind::S3(s3) => s3.size(version).await,
        }
    }

    /// All versions in an S3 store with their sizes and ages, in ascending order; none for a folder.
    pub(crate) fn listed(&self) -> Option<BoxStream<'static, Result<s3::Listed, StorageError>>> {
        match &self.0 {
            Kind::Folder(_) => None,
            Kind::S3(s3) => Some(s3.list()),
        }
    }
}

impl Incoming {
    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.0.size()
    }

    /// More bytes. They are written behind, so an error may be that of earlier ones.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.0.write(bytes).await
    }

    /// Waits until everything is on disk.
    pub(crate) async fn finish(self) -> Result<Stored, StorageError> {
        match self.0 {
            Receiving::Folder(incoming) => incoming.finish().await,
            Receiving::S3(incoming) => incoming.finish().await,
        }
    }
}

impl Receiving {
    fn size(&self) -> u64 {
        match self {
            Receiving::Folder(incoming) => incoming.size(),
            Receiving::S3(incoming) => incoming.size(),
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        match self {
            Receiving::Folder(incoming) => incoming.write(&bytes).await,
            Receiving::S3(incoming) => incoming.write(&bytes).await,
        }
    }
}

/// Whether a failed transaction may have been committed all the same: its end was not heard.
fn may_have_committed(error: &StorageError) -> bool {
    use plinth_db::Error;
    match error {
        StorageError::Database(cause) => !matches!(&**cause, Error::Sql(_) | Error::DiskFull),
        StorageError::Internal(_) => true,
        _ => false,
    }
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// What went wrong with a disk, for whoever asked for the bytes.
fn away(doing: &str, error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StorageError::StoreFull,
        _ => StorageError::StoreAway(format!("{doing}: {error}")),
    }
}

/// The same where the bytes may simply not be there.
fn absent(doing: &str, error: &io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::NoSuchKey,
        _ => away(doing, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(away("writing", &full), StorageError::StoreFull));
        let broken = io::Error::other("the cable");
        assert!(matches!(
            away("writing", &broken),
            StorageError::StoreAway(_)
        ));
    }
}
