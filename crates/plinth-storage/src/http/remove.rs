//! Removing objects.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{BucketId, Place, json as read_json};
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, Object, Who, object};

/// Most names in one request.
pub(crate) const MAX_NAMES: usize = 1000;

#[derive(Deserialize)]
struct Names {
    /// Exact names, whatever the word says.
    prefixes: Vec<String>,
}

/// `DELETE /object/{bucket}`: those of the names that are there and that the caller may remove.
pub(crate) async fn many(
    State(storage): State<Storage>,
    who: Who,
    BucketId(bucket): BucketId,
    body: Body,
) -> Result<Response, StorageError> {
    let Names { prefixes } = read_json(body).await?;
    if prefixes.is_empty() || prefixes.len() > MAX_NAMES {
        return Err(StorageError::InvalidRequest(format!(
            "body/prefixes must have 1 to {MAX_NAMES} items"
        )));
    }
    Bucket::find(&storage, &bucket).await?;
    let removed = object::remove(&storage, &who, &bucket, &prefixes).await?;
    let rows: Vec<Value> = removed.iter().map(Object::brief_json).collect();
    Ok(axum::Json(rows).into_response())
}

/// `DELETE /object/{bucket}/{path}`.
pub(crate) async fn one(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
) -> Result<Response, StorageError> {
    let names = [place.name];
    let removed = object::remove(&storage, &who, &place.bucket, &names).await?;
    if removed.is_empty() {
        return Err(StorageError::NoSuchKey);
    }
    Ok(axum::Json(json!({ "message": "Successfully deleted" })).into_response())
}
