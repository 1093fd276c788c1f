//! Copies of a database's file, taken while it is in use.
//!
//! Only the embedded engine has a file; a database on PostgreSQL is backed up with PostgreSQL's own tools.

use std::path::Path;

pub use plinth_embedded::backup::CopyProgress;

use crate::Error;

/// Copies the database `from` as it stands now into the empty file `to`, and syncs that. Blocks; writers go on.
pub fn copy(from: &Path, to: &Path, on: impl FnMut(CopyProgress)) -> Result<(), Error> {
    Ok(plinth_embedded::backup::copy(from, to, on)?)
}

/// Reads the whole file and finds any damage. Blocks; changes nothing.
pub fn check(file: &Path) -> Result<(), Error> {
    Ok(plinth_embedded::backup::check(file)?)
}

/// Whether opening this file would change its layout.
pub fn wants_upgrade(file: &Path) -> Result<bool, Error> {
    Ok(plinth_embedded::backup::wants_upgrade(file)?)
}
