//! Removing versions for good.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::{Folder, blocking, is_gone, remove_file, sync_folder};
use crate::error::StorageError;
use crate::store::away;

/// See [`Store::remove_all`](crate::store::Store::remove_all).
pub(in crate::store) async fn remove(
    folder: &Arc<Folder>,
    versions: Vec<Uuid>,
) -> Result<(), StorageError> {
    let here = Arc::clone(folder);
    let removed = blocking(move || here.remove_now(&versions)).await?;
    removed.map_err(|error| away("removing files", &error))
}

impl Folder {
    fn remove_now(&self, versions: &[Uuid]) -> io::Result<()> {
        let mut touched = BTreeSet::new();
        for version in versions {
            // In the order in which files move: one that is being moved now is found in the next place.
            remove_file(&self.incoming_path(*version))?;
            self.remove_upload(*version)?;
            let place = self.place(*version);
            remove_file(&place)?;
            touched.extend(place.parent().map(std::path::Path::to_path_buf));
        }
        for folder in touched {
            match sync_folder(&folder) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
        }
        self.sync_incoming()
    }
}
