//! Uploads that end without their callers: expired ones, and those of buckets that go.

use plinth_db::{Param, Session};

use super::upload::{COLUMNS, Upload};
use crate::Storage;
use crate::error::StorageError;

/// Expired uploads that are removed in one round.
const SWEPT_AT_ONCE: i64 = 100;

/// Removes uploads that have expired.
///
/// # Errors
/// When the database fails. What the store does not remove is tried again in the next round.
pub(crate) async fn sweep(storage: &Storage) -> Result<(), StorageError> {
    let sql = format!(
        "select {COLUMNS} from storage.s3_multipart_uploads where expires_at <= now() order by expires_at limit {SWEPT_AT_ONCE}"
    );
    let rows = storage
        .app
        .db
        .query(&Session::system(), &sql, Vec::new())
        .await?;
    for row in rows.iter() {
        let upload = Upload::read(row)?;
        remove_logged(storage, &upload).await?;
    }
    Ok(())
}

/// Ends all claims: at the start of a process that has its store for itself, when whoever had one is gone.
///
/// # Errors
/// When the database fails.
pub(crate) async fn end_claims(storage: &Storage) -> Result<(), StorageError> {
    let sql = "update storage.s3_multipart_uploads set completing_at = null where completing_at is not null";
    let system = Session::system();
    storage.app.db.query(&system, sql, Vec::new()).await?;
    Ok(())
}

/// Ends every upload into a bucket that is emptied or removed.
///
/// # Errors
/// When the database fails.
pub(crate) async fn abort_all(storage: &Storage, bucket: &str) -> Result<(), StorageError> {
    let mut after = String::new();
    loop {
        let sql = format!(
            "select {COLUMNS} from storage.s3_multipart_uploads
              where bucket_id = $1 and id collate \"C\" > $2 order by id collate \"C\" limit {SWEPT_AT_ONCE}"
        );
        let params = vec![Param::from(bucket), Param::from(&after)];
        let rows = storage
            .app
            .db
            .query(&Session::system(), &sql, params)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows.iter() {
            let upload = Upload::read(row)?;
            after = upload.id.to_string();
            remove_logged(storage, &upload).await?;
        }
    }
}

/// Removes an upload, unless it is being completed. That its bytes cannot be removed now keeps no others.
pub(super) async fn remove_logged(storage: &Storage, upload: &Upload) -> Result<(), StorageError> {
    let Some(_claim) = upload.claim(storage).await? else {
        return Ok(());
    };
    match upload.remove(storage).await {
        Err(error @ StorageError::Database(_)) => Err(error),
        Err(error) => {
            tracing::warn!(upload.id = %upload.id, %error, "the parts of an upload cannot be removed now");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
