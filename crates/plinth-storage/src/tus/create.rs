//! `POST`: an upload begins, perhaps with its first bytes.

use axum::body::{Body, HttpBody as _};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::asker::{Asked, Way};
use super::checksum::Checksum;
use super::error::TusError;
use super::headers::{self, UPLOAD_CHECKSUM, UPLOAD_CONCAT, X_UPSERT};
use super::upload::{self, NewUpload, Upload};
use super::writer::{self, Sent, Writer};
use super::{PATH, SIGNED_PATH, describe, location, metadata, say_expiry};
use crate::Storage;
use crate::error::StorageError;
use crate::model::object::Upsert;
use crate::model::{Bucket, NewObject, Who, object};

/// Makes an upload of an object that the caller may make and that the bucket takes.
pub(super) async fn create(asked: &Asked, body: &mut Option<Body>) -> Result<Response, TusError> {
    let (storage, head) = (&asked.storage, asked.headers());
    if head.contains_key(UPLOAD_CONCAT) {
        return Err(TusError::Concatenation);
    }
    let length = headers::new_length(head)?.known();
    let said = metadata::text(head)?;
    let mut object = metadata::object(said, headers::flag(head, X_UPSERT)?, length)?;
    let asker = asked.asker(&format!("{}/{}", object.bucket, object.name))?;
    let granted = asker.granted;
    if let Some(granted) = &granted {
        let name = object.name.as_str();
        object.upsert = object::may_replace(storage, granted, &object.bucket, name).await?;
    }
    let carries_bytes = headers::carries_bytes(head);
    if !carries_bytes && body.as_ref().is_some_and(|body| !body.is_end_stream()) {
        return Err(TusError::ContentType);
    }
    let checksum = headers::text(head, UPLOAD_CHECKSUM)?;
    let checksum = checksum.map(Checksum::parse).transpose()?;
    let announced = headers::body_length(head)?.filter(|_| carries_bytes);
    let most = admit(storage, &asker.who, &object, announced).await?;

    storage.unfinished.check_beginning(&storage.config)?;
    let new = NewUpload {
        bucket: object.bucket,
        name: object.name.as_str().to_owned(),
        owner: asker.owner,
        upsert: object.upsert != Upsert::Nothing,
        length,
        metadata: said.to_owned(),
    };
    if !carries_bytes && length != Some(0) {
        let upload = upload::insert(storage, new, None).await?;
        return Ok(created(asked, &upload, false));
    }
    let lease = Uuid::new_v4();
    let upload = upload::insert(storage, new, Some(lease)).await?;
    let writer = Writer {
        storage: storage.clone(),
        who: asker.who,
        granted,
        held: writer::lock(storage, upload.id)?,
        upload,
        lease,
        most,
        is_first: true,
    };
    let bytes = body.take().filter(|_| carries_bytes);
    let sent = bytes.map(|body| Sent { body, checksum });
    let upload = writer.work(sent).await?;
    Ok(created(asked, &upload, true))
}

/// Asks the policies and the bucket's rules. Gives the number of bytes that the upload may have.
async fn admit(
    storage: &Storage,
    who: &Who,
    object: &NewObject,
    announced: Option<u64>,
) -> Result<u64, TusError> {
    let bucket = Bucket::find(storage, &object.bucket).await?;
    object::may_put(storage, who, object).await?;
    let limit = bucket.limit(storage);
    let most = object.declared_length.unwrap_or(limit);
    if most > limit || announced.is_some_and(|bytes| bytes > most) {
        return Err(StorageError::TooLarge.into());
    }
    check_type(&bucket, object)?;
    Ok(most)
}

/// What only makes a folder appear has no type, as long as it holds nothing.
pub(super) fn check_type(bucket: &Bucket, object: &NewObject) -> Result<(), StorageError> {
    if object.name.is_folder_placeholder() && object.declared_length == Some(0) {
        return Ok(());
    }
    bucket.check_type(&object.content_type)
}

fn created(asked: &Asked, upload: &Upload, has_moved: bool) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    let headers = response.headers_mut();
    let storage = &asked.storage;
    let configured = storage.config.public_url.as_deref();
    let base = location::base(configured, &storage.app.public_url, asked.headers());
    let path = match asked.way {
        Way::Key => PATH,
        Way::Signature => SIGNED_PATH,
    };
    let url = format!("{base}{path}/{}", upload.upload_id().encode());
    if let Ok(url) = HeaderValue::try_from(url) {
        headers.insert(LOCATION, url);
    }
    match has_moved {
        true => describe(upload, headers),
        false => say_expiry(upload, headers),
    }
    response
}
