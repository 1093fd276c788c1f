//! Uploads whose time is over.

use uuid::Uuid;

use super::{upload, writer};
use crate::Storage;
use crate::error::StorageError;

/// Removes expired uploads, their bytes first. One round looks at so many; further ones wait for the next. Safe on several
/// nodes at once, and beside writers.
///
/// # Errors
/// When the database or the store fails; what is left is found again.
pub(crate) async fn sweep(storage: &Storage) -> Result<(), StorageError> {
    for upload in upload::expired(storage).await? {
        let Some(_held) = storage.locks.take(upload.id) else {
            continue;
        };
        let lease = Uuid::new_v4();
        if !upload::claim_expired(storage, upload.id, lease).await? {
            continue;
        }
        match writer::abandon(storage, &upload).await {
            Ok(()) => {}
            Err(error @ StorageError::StoreAway(_)) => return Err(error),
            // One that cannot be removed must not keep the others.
            Err(error) => {
                tracing::error!(%error, upload.id = %upload.id, "an expired upload could not be removed");
                continue;
            }
        }
        upload::delete(storage, upload.id, lease).await?;
    }
    Ok(())
}
