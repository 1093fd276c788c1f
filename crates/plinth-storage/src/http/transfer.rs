//! Moving and copying.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{is_true, json as read_json, text};
use super::upload::{kept_cache_control, kept_type, key, metadata_header};
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, NewObject, Who, object};
use crate::names::ObjectName;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    bucket_id: String,
    source_key: String,
    destination_key: String,
    destination_bucket: Option<String>,
    /// Of copies: what the new object says of itself, instead of what the old one does.
    metadata: Option<Served>,
    /// Of copies: whether custom metadata comes along.
    copy_metadata: Option<bool>,
}

#[derive(Deserialize)]
struct Served {
    #[serde(rename = "cacheControl")]
    cache_control: Option<String>,
    mimetype: Option<String>,
}

impl Transfer {
    fn destination(&self) -> &str {
        self.destination_bucket
            .as_deref()
            .unwrap_or(&self.bucket_id)
    }
}

/// `POST /object/move`.
pub(crate) async fn rename(
    State(storage): State<Storage>,
    who: Who,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: Transfer = read_json(body).await?;
    let name = ObjectName::parse(&asked.destination_key)?;
    let source = object::find_brief(&storage, &who, &asked.bucket_id, &asked.source_key).await?;
    if asked.destination() != asked.bucket_id {
        let bucket = Bucket::find(&storage, asked.destination()).await?;
        bucket.check_type(&source.content_type)?;
        if source.size > bucket.limit(&storage) {
            return Err(StorageError::TooLarge);
        }
    }
    let from = (asked.bucket_id.as_str(), asked.source_key.as_str());
    object::rename(&storage, &who, from, (asked.destination(), &name)).await?;
    Ok(axum::Json(json!({ "message": "Successfully moved" })).into_response())
}

/// `POST /object/copy`.
pub(crate) async fn copy(
    State(storage): State<Storage>,
    who: Who,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: Transfer = read_json(body).await?;
    let name = ObjectName::parse(&asked.destination_key)?;
    let source = object::find(&storage, &who, &asked.bucket_id, &asked.source_key).await?;
    let bucket = Bucket::find(&storage, asked.destination()).await?;

    let given = text(&headers, "x-metadata")
        .map(metadata_header)
        .transpose()?;
    let user_metadata = match given {
        Some(given) => given,
        None if asked.copy_metadata == Some(false) => None,
        None => source.user_metadata.clone(),
    };
    let served = asked.metadata.as_ref();
    let mimetype = served.and_then(|served| kept_type(served.mimetype.as_deref()?));
    let cache_control =
        served.and_then(|served| kept_cache_control(served.cache_control.as_deref()?));
    let to = NewObject {
        bucket: asked.destination().to_owned(),
        name,
        upsert: is_true(&headers, "x-upsert").into(),
        content_type: mimetype.unwrap_or(&source.content_type).to_owned(),
        cache_control: cache_control.unwrap_or(&source.cache_control).to_owned(),
        user_metadata,
        declared_length: Some(source.size),
    };
    bucket.check_type(&to.content_type)?;
    if source.size > bucket.limit(&storage) {
        return Err(StorageError::TooLarge);
    }
    let made = object::copy(&storage, &who, &source, &to).await?;
    let mut body = made.row_json();
    if let Value::Object(body) = &mut body {
        body.insert("Id".to_owned(), json!(made.id));
        body.insert("Key".to_owned(), json!(key(&made)));
    }
    Ok(axum::Json(body).into_response())
}
