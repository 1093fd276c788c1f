//! Forms: `POST` to a bucket, as browsers send it. The signature is among the fields and covers a policy, which says what
//! may be uploaded where; the path is not part of it.
//!
//! The library reads the file into memory to know its length, before it knows whether the signature is there at all. So files
//! are small here and few at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, HttpResponse, S3Request, S3Result, s3_error};

use super::auth::{self, Principal};
use super::ops::Operations;
use super::{BucketNames, Endpoint, FORM_FIELDS_BYTES, FORM_FILE_BYTES, bucket_of, signature};
use crate::Storage;
use crate::error::StorageError;

/// Longest wait for a place among the forms that are read, and longest a form may take.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(1);
/// Longest that a form may take to come to its file. What stands before it is small.
const BEGINNING: Duration = Duration::from_secs(10);
/// Largest form: its file, its fields, and as much again for what stands between them.
const LARGEST_BYTES: u64 = FORM_FILE_BYTES + 2 * FORM_FIELDS_BYTES as u64;

/// Whom the signature of a form proves, once it has been looked for.
#[derive(Clone, Default)]
pub(super) struct FormPrincipal(Arc<Mutex<Option<Principal>>>);

impl FormPrincipal {
    /// Whom a form acts as in its bucket. Only version 4 of the signature says a region, and only that one counts.
    pub(super) fn of<T>(request: &S3Request<T>, bucket: &str) -> S3Result<Principal> {
        let found = request.extensions.get::<FormPrincipal>();
        let found = found.and_then(|found| found.0.lock().clone());
        match found {
            Some(principal) if request.credentials.is_some() && request.region.is_some() => {
                principal.check_bucket(bucket)?;
                Ok(principal)
            }
            _ => Err(s3_error!(AccessDenied, "Signature is required")),
        }
    }
}

/// Finds the secret of a form's key. Sessions sign no forms: their token would be a field that nobody checks here.
struct FormAuth {
    storage: Storage,
    parts: Parts,
    found: FormPrincipal,
}

#[async_trait::async_trait]
impl S3Auth for FormAuth {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let candidate = auth::key(&self.storage, &self.parts, access_key).await?;
        let secret = candidate.secrets.first();
        let secret = secret.map(|secret| SecretKey::from(secret.expose()));
        *self.found.0.lock() = Some(candidate.principal);
        secret.ok_or_else(|| s3_error!(InvalidAccessKeyId))
    }
}

/// Answers a form.
pub(super) async fn post(
    endpoint: &Endpoint,
    parts: Parts,
    body: AxumBody,
) -> S3Result<HttpResponse> {
    if bucket_of(&parts.uri)?.is_none() {
        return Err(s3_error!(MethodNotAllowed));
    }
    let length = parts.headers.get(CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|bytes| bytes > LARGEST_BYTES) {
        signature::refuse(&parts, body);
        return Err(StorageError::TooLarge.into());
    }
    let storage = &endpoint.storage;
    let place = tokio::time::timeout(PATIENCE, storage.s3.forms.acquire()).await;
    let Ok(Ok(_place)) = place else {
        let busy = StorageError::Busy {
            retry_after_seconds: 1,
        };
        return Err(busy.into());
    };
    let found = FormPrincipal::default();
    let mut builder = S3ServiceBuilder::new(Operations::new(storage.clone()));
    builder.set_config(Arc::clone(&endpoint.config));
    builder.set_validation(BucketNames);
    builder.set_auth(FormAuth {
        storage: storage.clone(),
        parts: parts.clone(),
        found: found.clone(),
    });
    let begun = Arc::new(AtomicBool::new(false));
    let body = noting_file(body, Arc::clone(&begun));
    let mut request = s3s::HttpRequest::new(Body::http_body_unsync(body));
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.version_mut() = parts.version;
    *request.headers_mut() = parts.headers;
    request.extensions_mut().insert(found);
    let service = builder.build();
    let late = async {
        tokio::time::sleep(BEGINNING).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let answered = tokio::select! {
        answered = tokio::time::timeout(LONGEST, service.call(request)) => answered,
        () = late => return Err(StorageError::TooSlow.into()),
    };
    match answered {
        Ok(answered) => answered.map_err(|_| s3_error!(InternalError)),
        Err(_) => Err(StorageError::TooSlow.into()),
    }
}

/// The same body, and notes when its file begins. A field before it may pretend to be it; then the form has as long as any.
fn noting_file(body: AxumBody, begun: Arc<AtomicBool>) -> AxumBody {
    const NAME: &[u8] = b"name=\"file\"";
    // The end of what has come, as the name may come in two pieces.
    let mut seen: Vec<u8> = Vec::new();
    let stream = body.into_data_stream().inspect(move |piece| {
        let Ok(piece) = piece else { return };
        if begun.load(Ordering::Relaxed) {
            return;
        }
        seen.extend_from_slice(piece);
        if seen.windows(NAME.len()).any(|text| text == NAME) {
            begun.store(true, Ordering::Relaxed);
            seen = Vec::new();
        } else {
            let done = seen.len().saturating_sub(NAME.len() - 1);
            seen.drain(..done);
        }
    });
    AxumBody::from_stream(stream)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn the_beginning_of_a_file_is_noted_however_it_is_cut() {
        let form =
            b"--B\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc";
        for (text, begins) in [(&form[..], true), (&form[..40], false)] {
            for length in 1..text.len() {
                let pieces: Vec<_> = text
                    .chunks(length)
                    .map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)))
                    .collect();
                let begun = Arc::new(AtomicBool::new(false));
                let body = AxumBody::from_stream(stream::iter(pieces));
                let body = noting_file(body, Arc::clone(&begun));
                let read = plinth_http::read_body(body, 1000).await.unwrap();
                assert_eq!(read, text);
                assert_eq!(begun.load(Ordering::Relaxed), begins, "{length}");
            }
        }
    }
}
