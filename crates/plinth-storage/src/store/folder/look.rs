//! What is in the folder, for whoever compares it with the rows.

use std::fs::{self, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::{Folder, blocking, is_gone, relative_place};
use crate::error::StorageError;
use crate::store::away;

/// A part of the folder that is listed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Corner {
    /// `objects/xx`: a 256th of all versions.
    Shard(u8),
    /// `incoming`.
    Incoming,
    /// `uploads`: one folder an upload.
    Uploads,
}

/// What is in a corner.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Ascending.
    pub versions: Vec<Uuid>,
    /// What we did not put there, as paths within the folder.
    pub strangers: Vec<String>,
}

/// A version that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Bytes.
    pub size: u64,
    /// Since it was last written, renamed or linked.
    pub age: Duration,
    /// In its place, or still on the way there.
    pub placed: bool,
}

/// Lists a corner.
pub(crate) async fn list(folder: &Arc<Folder>, corner: Corner) -> Result<Listing, StorageError> {
    let here = Arc::clone(folder);
    let listed = blocking(move || here.list(corner)).await?;
    listed.map_err(|error| away("listing the folder", &error))
}

/// Looks for versions, each wherever it may be.
pub(crate) async fn look(
    folder: &Arc<Folder>,
    versions: Vec<Uuid>,
) -> Result<Vec<Option<Found>>, StorageError> {
    let here = Arc::clone(folder);
    let looked = blocking(move || -> io::Result<Vec<Option<Found>>> {
        versions
            .into_iter()
            .map(|version| here.look(version))
            .collect()
    });
    looked
        .await?
        .map_err(|error| away("looking at files", &error))
}

/// Since when something directly beneath a corner has been as it is; none when it is gone.
pub(crate) async fn age(
    folder: &Arc<Folder>,
    corner: Corner,
    version: Uuid,
) -> Result<Option<Duration>, StorageError> {
    let here = Arc::clone(folder);
    match blocking(move || here.age_in(corner, version)).await? {
        Ok(age) => Ok(Some(age)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(away("looking at files", &error)),
    }
}

impl Folder {
    fn list(&self, corner: Corner) -> io::Result<Listing> {
        let within = match corner {
            Corner::Shard(shard) => format!("objects/{shard:02x}"),
            Corner::Incoming => "incoming".to_owned(),
            Corner::Uploads => "uploads".to_owned(),
        };
        let mut listing = Listing::default();
        let entries = match fs::read_dir(self.root.join(&within)) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(listing),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            match version_of(&name.to_string_lossy(), corner) {
                Some(version) => listing.versions.push(version),
                None => listing
                    .strangers
                    .push(format!("{within}/{}", name.to_string_lossy())),
            }
        }
        listing.versions.sort_unstable();
        listing.strangers.sort_unstable();
        Ok(listing)
    }

    fn look(&self, version: Uuid) -> io::Result<Option<Found>> {
        for (place, path) in self.places(version).iter().enumerate() {
            match fs::symlink_metadata(path) {
                Ok(about) if about.is_file() => {
                    return Ok(Some(Found {
                        size: about.len(),
                        age: untouched(&about),
                        // The first and the last of the places.
                        placed: place == 0 || place == 3,
                    }));
                }
                Ok(_) => {
                    return Err(io::Error::other(
                        "there is something else where a file should be",
                    ));
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Since when a file or folder directly beneath `corner` has been as it is.
    pub(super) fn age_in(&self, corner: Corner, version: Uuid) -> io::Result<Duration> {
        let path: PathBuf = match corner {
            Corner::Shard(_) => self.place(version),
            Corner::Incoming => self.incoming_path(version),
            Corner::Uploads => self.upload_folder(version),
        };
        Ok(untouched(&fs::symlink_metadata(path)?))
    }
}

/// A name as we write it, in the corner where we write it.
fn version_of(name: &str, corner: Corner) -> Option<Uuid> {
    let version: Uuid = name.parse().ok()?;
    let ours = version.to_string() == name;
    let at_home = match corner {
        Corner::Shard(shard) => {
            relative_place(version).starts_with(&format!("objects/{shard:02x}/"))
        }
        Corner::Incoming | Corner::Uploads => true,
    };
    (ours && at_home).then_some(version)
}

/// Since the file was written, renamed or linked, whichever came last: a copy is a new name for an old file.
fn untouched(about: &Metadata) -> Duration {
    let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    #[cfg(unix)]
    let touched = {
        let seconds = std::os::unix::fs::MetadataExt::ctime(about);
        let changed = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        written.max(SystemTime::UNIX_EPOCH + changed)
    };
    #[cfg(not(unix))]
    let touched = written.max(about.created().unwrap_or(SystemTime::UNIX_EPOCH));
    // A file of the future is as young as can be.
    SystemTime::now()
        .duration_since(touched)
        .unwrap_or(Duration::ZERO)
}
