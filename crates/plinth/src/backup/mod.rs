//! Backups: one file with everything that cannot be made again from the application's folder, and the way back.
//!
//! A backup is a `.tar.zst` with `plinth.db`, the files of the application under `media/` and, last, `manifest.json`, which says
//! how long the database is and which SHA-256 it has, and how many files there are. An archive without its manifest was cut off. The master key is not in it: a backup goes to more
//! places than a key should.

mod archive;
mod create;
mod media;
mod restore;

use std::fs::File;
use std::path::Path;

use anyhow::Context;

pub(crate) use create::{before_upgrade, create, default_name};
pub(crate) use restore::{Wanted, restore};

/// What is being done, for whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// `copying`, `checking`, …
    pub doing: &'static str,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 when nobody knows.
    pub total: u64,
}

/// Hears of each step.
pub(crate) type OnStep<'a> = &'a mut dyn FnMut(Step);

/// A file that is removed unless it is kept: nothing half done stays behind.
struct Unfinished<'a>(&'a Path);

impl Unfinished<'_> {
    /// It is whole, or has another name now.
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_file(self.0);
    }
}

/// Makes a rename last: the folder's entry is on the disk, too.
fn sync_folder_of(path: &Path) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync {}", folder.display()))
}
