//! What is known of an object, without its bytes.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::download::{Reader, reader};
use super::request::{Anybody, Place};
use crate::Storage;
use crate::error::StorageError;
use crate::model::object::{self, millis};
use crate::model::{Object, Who};

/// `GET /object/info/{bucket}/{path}`.
pub(crate) async fn either(
    State(storage): State<Storage>,
    Anybody(who): Anybody,
    place: Place,
) -> Result<Response, StorageError> {
    let Reader { who, .. } = reader(&storage, who, &place).await?;
    let found = object::find(&storage, &who, &place.bucket, &place.name).await?;
    Ok(info(&found))
}

/// `GET /object/info/authenticated/{bucket}/{path}`.
pub(crate) async fn authenticated(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
) -> Result<Response, StorageError> {
    let found = object::find(&storage, &who, &place.bucket, &place.name).await?;
    Ok(info(&found))
}

/// `GET /object/info/public/{bucket}/{path}`.
pub(crate) async fn public(
    State(storage): State<Storage>,
    place: Place,
) -> Result<Response, StorageError> {
    let found = object::find_public(&storage, &place.bucket, &place.name).await?;
    Ok(info(&found))
}

fn info(object: &Object) -> Response {
    axum::Json(json!({
        "id": object.id,
        "name": object.name,
        "version": object.version,
        "bucket_id": object.bucket_id,
        "size": object.size,
        "content_type": object.content_type,
        "cache_control": object.cache_control,
        "etag": object.etag,
        "metadata": object.user_metadata.clone().unwrap_or_else(|| json!({})),
        "last_modified": millis(object.updated_at),
        "created_at": millis(object.created_at),
    }))
    .into_response()
}
