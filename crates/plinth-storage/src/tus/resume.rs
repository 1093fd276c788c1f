//! `HEAD`, `PATCH` and `DELETE`: an upload goes on, or ends.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::asker::Asked;
use super::checksum::Checksum;
use super::describe;
use super::error::TusError;
use super::headers::{self, UPLOAD_CHECKSUM, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_METADATA};
use super::upload::{self, Upload};
use super::writer::{self, Sent};
use crate::error::StorageError;
use crate::model::Bucket;

/// How far the upload is.
pub(super) async fn head(asked: &Asked) -> Result<Response, TusError> {
    let storage = &asked.storage;
    let id = asked.upload_id()?;
    let asker = asked.asker(&id.url)?;
    let mut upload = upload::find(storage, &id, &asker.owner).await?;
    // A client that lost its connection asks before the server has noticed.
    if storage.locks.end_silent(id.id).await {
        upload = upload::find(storage, &id, &asker.owner).await?;
    }
    if upload.is_whole() && !upload.is_finished {
        // A client that hears of all its bytes takes its upload for an object, so it must be one first.
        let writer = writer::claim(storage, asker, id, 0, |_| Ok(())).await?;
        upload = writer.work(None).await?;
    }
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    describe(&upload, headers);
    match upload.length {
        Some(length) => headers.insert(UPLOAD_LENGTH, length.into()),
        None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    if !upload.metadata.is_empty()
        && let Ok(metadata) = HeaderValue::try_from(upload.metadata)
    {
        headers.insert(UPLOAD_METADATA, metadata);
    }
    Ok(response)
}

/// Further bytes; with the last of them the upload becomes an object.
pub(super) async fn patch(asked: &Asked, body: &mut Option<Body>) -> Result<Response, TusError> {
    let (storage, head) = (&asked.storage, asked.headers());
    let id = asked.upload_id()?;
    let asker = asked.asker(&id.url)?;
    if !headers::carries_bytes(head) {
        return Err(TusError::ContentType);
    }
    let next = Next {
        offset: headers::offset(head)?,
        length: headers::late_length(head)?,
        announced: headers::body_length(head)?,
    };
    let checksum = headers::text(head, UPLOAD_CHECKSUM)?;
    let checksum = checksum.map(Checksum::parse).transpose()?;

    let known = upload::find(storage, &id, &asker.owner).await?;
    storage.unfinished.check_going_on(&storage.config)?;
    let most = match known.length {
        Some(length) => length,
        None => Bucket::find(storage, &known.bucket).await?.limit(storage),
    };
    let check = move |upload: &mut Upload| next.fit(upload, most);
    let writer = writer::claim(storage, asker, id, most, check).await?;
    let sent = body.take().map(|body| Sent { body, checksum });
    let upload = writer.work(sent).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    describe(&upload, response.headers_mut());
    Ok(response)
}

/// Ends an upload and removes what it has.
pub(super) async fn delete(asked: &Asked) -> Result<Response, TusError> {
    let storage = &asked.storage;
    let id = asked.upload_id()?;
    let asker = asked.asker(&id.url)?;
    upload::find(storage, &id, &asker.owner).await?;
    let unfinished = |upload: &mut Upload| match upload.is_finished {
        true => Err(TusError::Finished),
        false => Ok(()),
    };
    let writer = writer::claim(storage, asker, id, 0, unfinished).await?;
    let (upload_id, lease) = (writer.upload.id, writer.lease);
    if let Err(error) = writer.discard().await {
        // Without this the next try would find it locked.
        let _best_effort = upload::release(storage, upload_id, lease).await;
        return Err(error);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a `PATCH` says of itself.
#[derive(Clone, Copy)]
struct Next {
    offset: u64,
    /// Of the upload, where it was deferred.
    length: Option<u64>,
    /// Of the body.
    announced: Option<u64>,
}

impl Next {
    /// Whether this goes on where the upload is, and within its length. `most` bounds a length that comes only now.
    fn fit(self, upload: &mut Upload, most: u64) -> Result<(), TusError> {
        let at = upload.offset();
        if self.offset != at {
            return Err(TusError::Offset { at });
        }
        match (upload.length, self.length) {
            (Some(known), Some(said)) if known != said => {
                let problem = "the upload has another length";
                return Err(TusError::header(UPLOAD_LENGTH, problem));
            }
            (None, Some(said)) if said < at => {
                let problem = "the upload has more bytes already";
                return Err(TusError::header(UPLOAD_LENGTH, problem));
            }
            (None, Some(said)) if said > most => return Err(StorageError::TooLarge.into()),
            (None, said) => upload.length = said,
            (Some(_), _) => {}
        }
        let left = upload.length.unwrap_or(most).saturating_sub(at);
        match self.announced {
            Some(bytes) if bytes > left => Err(StorageError::TooLarge.into()),
            _ => Ok(()),
        }
    }
}
