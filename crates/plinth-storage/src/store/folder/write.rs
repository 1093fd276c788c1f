//! Writing files as they arrive.
//!
//! A request fills one batch while another thread hashes and writes the one before, so the network, the processor and the disk
//! work at the same time. A thread is taken for a batch and given back: a client that sends slowly holds none. Large files are
//! synced as they grow, so that the last sync is short and the page cache stays clean.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Folder, Home, blocking, open, remove_file, sync_folder};
use crate::error::StorageError;
use crate::store::digest::Digest;
use crate::store::{Part, Stored, away, quoted};

/// Bytes handed to a thread at once.
const BATCH: usize = 512 * 1024;
/// Bytes after which a sync begins beside the writing.
const SYNC_EVERY: u64 = 64 * 1024 * 1024;

/// A file that is being received.
pub(in crate::store) struct Incoming {
    version: Uuid,
    size: u64,
    batch: Vec<u8>,
    /// The batch before, to be filled again.
    spare: Vec<u8>,
    work: Work,
    unsynced: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
    /// Whether it is a part of an upload, whose folder goes when somebody ends the upload.
    is_part: bool,
}

enum Work {
    Idle(Box<Writer>),
    Busy(JoinHandle<(Box<Writer>, Vec<u8>, io::Result<()>)>),
    /// It failed; nothing more can be done with it.
    Over,
}

/// The file itself, on whichever thread works on it.
pub(super) struct Writer {
    folder: Arc<Folder>,
    path: PathBuf,
    /// Made by the first write: small uploads are over with one visit to a thread.
    file: Option<File>,
    pub(super) digest: Digest,
    /// Whether the file goes when this is dropped.
    temporary: bool,
}

impl Incoming {
    /// A new version, in `incoming/`.
    pub(in crate::store) fn begin(folder: Arc<Folder>, version: Uuid) -> Incoming {
        let path = folder.incoming_path(version);
        Incoming::writing(version, 0, Writer::new(folder, path))
    }

    /// A part of an upload, beside its place until it is whole.
    pub(in crate::store) fn part(folder: Arc<Folder>, id: Uuid, number: u16) -> Incoming {
        // Two requests may send the same part at once: each writes a file of its own, and the last one counts.
        let name = format!("{number:05}.{}", Uuid::now_v7());
        let path = folder.upload_folder(id).join(name);
        Incoming {
            is_part: true,
            ..Incoming::writing(id, 0, Writer::new(folder, path))
        }
    }

    /// The rest of an upload of which `size` bytes are there.
    pub(super) fn appending(id: Uuid, size: u64, writer: Writer) -> Incoming {
        Incoming::writing(id, size, writer)
    }

    fn writing(version: Uuid, size: u64, writer: Writer) -> Incoming {
        Incoming {
            version,
            size,
            batch: Vec::new(),
            spare: Vec::new(),
            work: Work::Idle(Box::new(writer)),
            unsynced: 0,
            syncing: None,
            is_part: false,
        }
    }

    pub(in crate::store) fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::store) async fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // Copied, so that what is held is what is counted, whatever the pieces were parts of.
            let (now, later) = rest.split_at(rest.len().min(BATCH - self.batch.len()));
            self.batch.extend_from_slice(now);
            self.size += now.len() as u64;
            rest = later;
            if self.batch.len() == BATCH {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Waits until everything is on disk, in `incoming/`.
    pub(in crate::store) async fn finish(mut self) -> Result<Stored, StorageError> {
        let (version, size) = (self.version, self.size);
        let (folder, etag) = self.end(Writer::finish).await?;
        Ok(Stored {
            version,
            size,
            etag: quoted(&etag),
            claim: crate::store::Claim::Folder(super::Claim {
                folder,
                version,
                home: Home::Incoming,
                upload: false,
            }),
        })
    }

    /// Waits until a part is on disk, in its place.
    pub(in crate::store) async fn finish_part(mut self, number: u16) -> Result<Part, StorageError> {
        let (id, size) = (self.version, self.size);
        let etag = self
            .end(move |writer| writer.finish_part(id, number))
            .await?;
        Ok(Part { number, size, etag })
    }

    /// Waits until everything so far is on disk, and gives the digest of it.
    pub(super) async fn checkpoint(&mut self) -> Result<Digest, StorageError> {
        let mut writer = self.idle().await?;
        self.synced().await?;
        let mut batch = std::mem::take(&mut self.batch);
        let (writer, batch, done) = blocking(move || {
            let done = writer.write(&batch).and_then(|()| writer.sync());
            batch.clear();
            (writer, batch, done)
        })
        .await?;
        self.batch = batch;
        let digest = writer.digest.clone();
        self.work = Work::Idle(writer);
        match done {
            Ok(()) => Ok(digest),
            Err(error) => Err(self.failed("writing", &error)),
        }
    }

    /// The last batch, and what ends the file.
    async fn end<T: Send + 'static>(
        &mut self,
        finish: impl FnOnce(Writer) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let mut writer = self.idle().await?;
        self.synced().await?;
        let batch = std::mem::take(&mut self.batch);
        let ended = blocking(move || {
            writer.write(&batch)?;
            finish(*writer)
        })
        .await?;
        ended.map_err(|error| self.failed("writing", &error))
    }

    /// Hands the batch to a thread once the one before is done.
    async fn flush(&mut self) -> Result<(), StorageError> {
        let mut writer = self.idle().await?;
        self.unsynced += self.batch.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            // Never more than two such stretches wait for the disk.
            self.synced().await?;
            self.syncing = writer
                .begin_sync()
                .map_err(|error| self.failed("syncing", &error))?;
        }
        let batch = std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare));
        self.work = Work::Busy(tokio::task::spawn_blocking(move || {
            let done = writer.write(&batch);
            (writer, batch, done)
        }));
        Ok(())
    }

    /// The writer, once it has nothing to do.
    async fn idle(&mut self) -> Result<Box<Writer>, StorageError> {
        match std::mem::replace(&mut self.work, Work::Over) {
            Work::Idle(writer) => Ok(writer),
            Work::Busy(task) => {
                let (writer, mut batch, done) = task.await.map_err(|error| {
                    StorageError::Internal(format!("writing a file failed: {error}"))
                })?;
                done.map_err(|error| self.failed("writing", &error))?;
                batch.clear();
                self.spare = batch;
                Ok(writer)
            }
            Work::Over => Err(StorageError::Internal(
                "an upload that failed was written on".to_owned(),
            )),
        }
    }

    /// Waits for the sync that goes on. A failure is told to one of those who sync a file, so nobody may miss it.
    async fn synced(&mut self) -> Result<(), StorageError> {
        self.unsynced = 0;
        let Some(syncing) = self.syncing.take() else {
            return Ok(());
        };
        let synced = syncing.await.map_err(io::Error::other).flatten();
        synced.map_err(|error| self.failed("syncing", &error))
    }

    fn failed(&self, doing: &str, error: &io::Error) -> StorageError {
        if self.is_part && error.kind() == io::ErrorKind::NotFound {
            return StorageError::NoSuchUpload;
        }
        away(doing, error)
    }
}

impl Writer {
    fn new(folder: Arc<Folder>, path: PathBuf) -> Writer {
        Writer {
            folder,
            path,
            file: None,
            digest: Digest::default(),
            temporary: true,
        }
    }

    /// Goes on with a file that is there and stays there.
    pub(super) fn resume(folder: Arc<Folder>, path: PathBuf, file: File, digest: Digest) -> Writer {
        Writer {
            folder,
            path,
            file: Some(file),
            digest,
            temporary: false,
        }
    }

    /// Writes and hashes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        #[cfg(test)]
        self.fill_disk(bytes)?;
        self.file()?.write_all(bytes)?;
        self.digest.update(bytes);
        Ok(())
    }

    /// A disk that a test has made small takes what fits, and then no more.
    #[cfg(test)]
    fn fill_disk(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fitting = super::tests::full::fitting(&self.folder.root, bytes.len());
        if fitting == bytes.len() {
            return Ok(());
        }
        self.file()?.write_all(&bytes[..fitting])?;
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Syncs what is written, beside what comes.
    fn begin_sync(&self) -> io::Result<Option<JoinHandle<io::Result<()>>>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let file = file.try_clone()?;
        Ok(Some(tokio::task::spawn_blocking(move || file.sync_data())))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_data()
    }

    /// The whole file is on disk, and so is its name in `incoming/`. Gives the digest.
    fn finish(mut self) -> io::Result<(Arc<Folder>, String)> {
        self.file()?.sync_all()?;
        self.folder.sync_incoming()?;
        self.temporary = false;
        let digest = std::mem::take(&mut self.digest);
        Ok((Arc::clone(&self.folder), digest.finish()))
    }

    /// The whole part is on disk, under its number and digest. Gives the digest.
    ///
    /// The one of this number that came before stays: until the rows name this one, that one is the part.
    fn finish_part(mut self, id: Uuid, number: u16) -> io::Result<String> {
        self.file()?.sync_all()?;
        let etag = std::mem::take(&mut self.digest).finish();
        let place = self.folder.part_path(id, number, &etag);
        fs::rename(&self.path, &place)?;
        self.temporary = false;
        let upload = self.folder.upload_folder(id);
        let (this_number, mut others) = (format!("{number:05}-"), Vec::new());
        for entry in fs::read_dir(&upload)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(&this_number) && entry.path() != place {
                others.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        others.sort();
        others.pop();
        for (_, outdated) in others {
            remove_file(&outdated)?;
        }
        sync_folder(&upload)?;
        Ok(etag)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open::new_file(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

/// An upload that is not finished leaves nothing behind. A thread that is at work ends first and then comes by here.
impl Drop for Writer {
    fn drop(&mut self) {
        if !self.temporary || self.file.is_none() {
            return;
        }
        let (file, path) = (self.file.take(), self.path.clone());
        let remove = move || {
            drop(file);
            if let Err(error) = remove_file(&path) {
                tracing::warn!(%error, "the rest of a broken upload could not be removed yet");
            }
        };
        // Giving back the room of a large file takes time.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
