//! The store in a folder of this machine.
//!
//! ```text
//! media/
//!   lock                the process that has the folder
//!   objects/xx/VERSION  bytes whose row is committed; xx are the last two digits of the version
//!   incoming/VERSION    bytes that are being written, or whose row is about to be committed
//!   uploads/ID/bytes    an upload in several requests
//!   uploads/ID/00001-…  a part of an upload in numbered parts, by its number and digest: of several, the one that the rows
//!                       name is joined
//! ```
//!
//! An upload is written and synced in `incoming/`, its row is committed, and then it is renamed to its place. The rename needs
//! no sync: whichever of the two names a power cut leaves, the next start finds the file and asks whether a row names it. Files
//! only ever move towards `objects/`; so whoever reads looks there first and last, and whoever removes looks there last.
//!
//! The names in the folder are our own UUIDs. A link that somebody put there is never followed.

mod look;
mod open;
mod read;
mod recover;
mod remove;
#[cfg(unix)]
mod together;
mod upload;
mod write;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::{Stored, absent};
use crate::error::StorageError;
pub(crate) use look::{Corner, Found, age, list, look};
pub(super) use read::{FileReading, find};
pub(super) use recover::recover;
pub(crate) use recover::{Recovered, place, tidy};
pub(super) use remove::remove;
pub(super) use upload::{abandon_upload, append, begin_parts, finish_upload, join_parts};
pub(super) use write::Incoming;

/// An open folder.
pub(crate) struct Folder {
    root: PathBuf,
    /// The folder itself, from which files are opened.
    #[cfg(target_os = "linux")]
    handle: File,
    /// `incoming/`, held open to be synced.
    #[cfg(unix)]
    incoming: together::SharedSync,
    /// Held, so that no other process takes the folder; none for a mere look at it.
    #[expect(dead_code, reason = "it is held, not used")]
    lock: Option<File>,
}

/// What [`Stored`] bytes in a folder need to get into their place.
#[derive(Debug)]
pub(super) struct Claim {
    folder: Arc<Folder>,
    version: Uuid,
    home: Home,
    /// Whether `uploads/VERSION` goes when they are kept.
    upload: bool,
}

/// Where bytes are before they are in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// `incoming/VERSION`.
    Incoming,
    /// `uploads/VERSION/bytes`.
    Upload,
}

impl Folder {
    /// Whether somebody wants every file to stay for now.
    pub(crate) fn is_held(&self) -> bool {
        super::hold::is_held(&self.root)
    }
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Folder({})", self.root.display())
    }
}

impl Claim {
    /// Moves the bytes into their place. When that fails they can still be read where they are, and recovery tries again.
    pub(super) async fn keep(self) {
        let moved = blocking(move || -> io::Result<()> {
            match self.folder.put_in_place(self.version, self.home) {
                // Somebody deleted the object already.
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
            if self.upload {
                self.folder.remove_upload(self.version)?;
            }
            Ok(())
        });
        match moved.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "stored bytes could not be moved to their place; they are served from where they are");
            }
            Err(error) => tracing::error!(%error, "moving stored bytes failed"),
        }
    }

    /// No row will name the bytes. An upload in several requests stays: finishing it can be tried again.
    pub(super) async fn discard(self) {
        if self.home == Home::Upload {
            return;
        }
        let removed = blocking(move || remove_file(&self.folder.incoming_path(self.version)));
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "bytes that no row names could not be removed yet");
            }
            Err(error) => tracing::error!(%error, "removing bytes failed"),
        }
    }
}

/// Makes a new version of the same bytes: another name for the same file, since files never change.
pub(super) async fn copy(
    folder: &Arc<Folder>,
    version: Uuid,
    copy: Uuid,
    etag: &str,
) -> Result<Stored, StorageError> {
    let here = Arc::clone(folder);
    let size = blocking(move || here.link(version, copy)).await?;
    let size = size.map_err(|error| absent("copying", &error))?;
    Ok(Stored {
        version: copy,
        size,
        etag: etag.to_owned(),
        claim: super::Claim::Folder(Claim {
            folder: Arc::clone(folder),
            version: copy,
            home: Home::Incoming,
            upload: false,
        }),
    })
}

impl Folder {
    /// `objects/xx/VERSION`.
    fn place(&self, version: Uuid) -> PathBuf {
        self.root.join(relative_place(version))
    }

    /// `incoming/VERSION`.
    fn incoming_path(&self, version: Uuid) -> PathBuf {
        self.root.join("incoming").join(version.to_string())
    }

    /// `uploads/ID`.
    fn upload_folder(&self, id: Uuid) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    /// `uploads/ID/bytes`.
    fn upload_path(&self, id: Uuid) -> PathBuf {
        self.upload_folder(id).join("bytes")
    }

    /// Where a version is now.
    pub(super) fn path_of(&self, version: Uuid) -> Option<PathBuf> {
        let mut places = self.places(version).into_iter();
        places.find(|path| path.symlink_metadata().is_ok_and(|about| about.is_file()))
    }

    /// `uploads/ID/00001-MD5`.
    fn part_path(&self, id: Uuid, number: u16, etag: &str) -> PathBuf {
        self.upload_folder(id).join(format!("{number:05}-{etag}"))
    }

    fn home(&self, version: Uuid, home: Home) -> PathBuf {
        match home {
            Home::Incoming => self.incoming_path(version),
            Home::Upload => self.upload_path(version),
        }
    }

    /// Renames to the place. The folder of the two digits is made when the first version needs it.
    fn put_in_place(&self, version: Uuid, home: Home) -> io::Result<()> {
        let (from, to) = (self.home(version, home), self.place(version));
        match fs::rename(&from, &to) {
            Err(error) if is_gone(&error) && from.symlink_metadata().is_ok() => {}
            done => return done,
        }
        if let Some(parent) = to.parent() {
            open::make_private_folder(parent)?;
        }
        fs::rename(&from, &to)
    }

    /// Removes `uploads/ID` and what is in it.
    fn remove_upload(&self, id: Uuid) -> io::Result<()> {
        match fs::remove_dir_all(self.upload_folder(id)) {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives a version's file a second name in `incoming/`, or copies it where the disk cannot do that. Gives its size.
    fn link(&self, version: Uuid, copy: Uuid) -> io::Result<u64> {
        let to = self.incoming_path(copy);
        let (mut from, size) = self.open_anywhere(version)?;
        let linked = self
            .places(version)
            .iter()
            .any(|place| fs::hard_link(place, &to).is_ok());
        if !linked {
            let copied = open::new_file(&to).and_then(|mut file| {
                io::copy(&mut from, &mut file)?;
                file.sync_all()
            });
            if let Err(error) = copied {
                let _best_effort = remove_file(&to);
                return Err(error);
            }
        }
        if let Err(error) = self.sync_incoming() {
            let _best_effort = remove_file(&to);
            return Err(error);
        }
        Ok(size)
    }

    /// Where a version may be, in the order in which it moves, and its place once more at the beginning.
    fn places(&self, version: Uuid) -> [PathBuf; 4] {
        [
            self.place(version),
            self.incoming_path(version),
            self.upload_path(version),
            self.place(version),
        ]
    }

    /// What was made or removed in `incoming/` is so also after a power cut.
    fn sync_incoming(&self) -> io::Result<()> {
        #[cfg(test)]
        tests::full::check(&self.root)?;
        #[cfg(unix)]
        self.incoming.sync()?;
        Ok(())
    }
}

/// `objects/xx/VERSION`.
fn relative_place(version: Uuid) -> String {
    let name = version.to_string();
    let (_, last) = name.split_at(name.len() - 2);
    format!("objects/{last}/{name}")
}

/// Syncs a folder's entries, where folders can be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _entries_are_journaled = path;
    Ok(())
}

/// Removes a file; that it is not there is fine.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Work that may wait for the disk, away from the threads that serve requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StorageError::Internal(format!("work on files failed: {error}")))
}

#[cfg(test)]
mod tests;
