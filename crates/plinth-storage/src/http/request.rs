//! What clients send: who they are, which object they mean, JSON bodies, and bodies that are files.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use plinth_http::{BodyError, Caller, read_body, request_settings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::StorageError;
use crate::model::Who;
use crate::{PREFIX, Storage};

/// Largest JSON body: a thousand names of 1,024 bytes, with room for their quotes.
const JSON_BYTES: usize = 2 << 20;
/// Longest silence of a client in the middle of a file.
const SILENCE: Duration = Duration::from_mins(1);
/// Longest time that a file may take in one request. Whoever needs more has resumable uploads.
const WHOLE: Duration = Duration::from_hours(1);

impl FromRequestParts<Storage> for Who {
    type Rejection = StorageError;

    async fn from_request_parts(parts: &mut Parts, storage: &Storage) -> Result<Who, StorageError> {
        let caller = Caller::of(&storage.app, &parts.headers)?;
        Ok(Who::caller(storage, &caller, settings(parts)))
    }
}

/// A caller, or nobody where no key came along. A key that opens nothing is refused nevertheless.
pub(crate) struct Anybody(pub(crate) Option<Who>);

impl FromRequestParts<Storage> for Anybody {
    type Rejection = StorageError;

    async fn from_request_parts(
        parts: &mut Parts,
        storage: &Storage,
    ) -> Result<Anybody, StorageError> {
        let headers = &parts.headers;
        if !headers.contains_key(AUTHORIZATION) && !headers.contains_key("apikey") {
            return Ok(Anybody(None));
        }
        Who::from_request_parts(parts, storage)
            .await
            .map(|who| Anybody(Some(who)))
    }
}

/// `service_role`, or a role that administers.
pub(crate) struct Admin(pub(crate) Who);

/// Whether no policy binds this role.
pub(crate) fn is_admin(role: &str) -> bool {
    matches!(role, "service_role" | "supabase_admin")
}

impl FromRequestParts<Storage> for Admin {
    type Rejection = StorageError;

    async fn from_request_parts(
        parts: &mut Parts,
        storage: &Storage,
    ) -> Result<Admin, StorageError> {
        let who = Who::from_request_parts(parts, storage).await?;
        if is_admin(&who.session.role) {
            Ok(Admin(who))
        } else {
            Err(StorageError::WrongRole)
        }
    }
}

/// What SQL sees of the request. What a router noted beside it stays where it is: to copy that costs more than all else.
fn settings(parts: &Parts) -> plinth_db::Ambient {
    let (mut seen, ()) = axum::http::Request::new(()).into_parts();
    seen.method.clone_from(&parts.method);
    seen.uri.clone_from(&parts.uri);
    seen.headers.clone_from(&parts.headers);
    request_settings(Arc::new(seen), PREFIX)
}

/// `{bucket}/{*path}` of a path.
pub(crate) struct Place {
    pub(crate) bucket: String,
    pub(crate) name: String,
}

impl Place {
    /// Such a place, if there can be one.
    pub(super) fn checked(bucket: String, name: String) -> Result<Place, StorageError> {
        check_id(&bucket)?;
        if name.contains('\0') {
            // No database has such a name, and not every one says so.
            return Err(StorageError::InvalidKey(name.replace('\0', "\u{fffd}")));
        }
        Ok(Place { bucket, name })
    }

    /// As signed URLs name it.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.bucket, self.name)
    }
}

impl FromRequestParts<Storage> for Place {
    type Rejection = StorageError;

    async fn from_request_parts(parts: &mut Parts, s: &Storage) -> Result<Place, StorageError> {
        let read = Path::<(String, String)>::from_request_parts(parts, s).await;
        let Path((bucket, name)) = read.map_err(|_| unreadable())?;
        Place::checked(bucket, name)
    }
}

/// `{bucket}` of a path.
pub(crate) struct BucketId(pub(crate) String);

impl FromRequestParts<Storage> for BucketId {
    type Rejection = StorageError;

    async fn from_request_parts(parts: &mut Parts, s: &Storage) -> Result<BucketId, StorageError> {
        let read = Path::<String>::from_request_parts(parts, s).await;
        let Path(id) = read.map_err(|_| unreadable())?;
        check_id(&id)?;
        Ok(BucketId(id))
    }
}

/// Buckets have no slash in their names: `a/b` with `c` would be `a` with `b/c` to a signed URL.
pub(crate) fn check_id(bucket: &str) -> Result<(), StorageError> {
    match bucket.contains(['/', '\0']) {
        true => Err(StorageError::NoSuchBucket),
        false => Ok(()),
    }
}

/// Percent signs that stand for no text.
pub(super) fn unreadable() -> StorageError {
    StorageError::InvalidRequest("The path is not UTF-8".to_owned())
}

/// Query parameters; of a repeated one the last counts. Unknown ones are ignored.
pub(crate) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// Those of a request.
    pub(super) fn of(parts: &Parts) -> Result<Parameters, StorageError> {
        let read = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let Query(map) = read.map_err(|error| StorageError::InvalidRequest(error.to_string()))?;
        Ok(Parameters(map))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number, or what stands in for it.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, StorageError> {
        let Some(text) = self.get(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let bad = |_| StorageError::InvalidParameter(name.to_owned());
        text.parse().map(Some).map_err(bad)
    }
}

impl FromRequestParts<Storage> for Parameters {
    type Rejection = StorageError;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Storage,
    ) -> Result<Parameters, StorageError> {
        Parameters::of(parts)
    }
}

/// Reads a JSON object into a request.
pub(crate) async fn json<T: DeserializeOwned>(body: Body) -> Result<T, StorageError> {
    let read = read_body(body, JSON_BYTES).await;
    let bytes = read.map_err(|error| match error {
        BodyError::TooLarge { .. } => StorageError::TooLarge,
        BodyError::Incomplete => StorageError::Incomplete,
        BodyError::TooSlow => StorageError::TooSlow,
        BodyError::NoRoom(busy) => busy.into(),
    })?;
    parse(&bytes)
}

/// By way of an object: a struct would also be read from an array of its fields.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StorageError> {
    let bad = |error: serde_json::Error| StorageError::InvalidRequest(format!("body: {error}"));
    let object: Map<String, Value> = serde_json::from_slice(bytes).map_err(bad)?;
    serde_json::from_value(Value::Object(object)).map_err(bad)
}

/// A file as it arrives, chunk by chunk. It ends with an error when the client falls silent or goes away. What has ended may be
/// asked again: there is nothing more.
pub(crate) fn file(body: Body) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + Unpin {
    let chunks = body.into_data_stream();
    let end = Instant::now() + WHOLE;
    let chunks = stream::unfold(Some(chunks), move |chunks| async move {
        let mut chunks = chunks?;
        let deadline = end.min(Instant::now() + SILENCE);
        match tokio::time::timeout_at(deadline, chunks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(chunks))),
            Ok(Some(Err(_))) => Some((Err(StorageError::Incomplete), None)),
            Err(_) => Some((Err(StorageError::TooSlow), None)),
        }
    });
    Box::pin(chunks.fuse())
}

/// A header's text, when it has one that can be read.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a header says `true`.
pub(crate) fn is_true(headers: &HeaderMap, name: &str) -> bool {
    text(headers, name).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Request {
        prefix: Option<String>,
    }

    #[tokio::test]
    async fn a_file_that_has_ended_stays_so() {
        let mut file = file(Body::from("a"));
        assert!(matches!(file.next().await, Some(Ok(_))));
        assert!(file.next().await.is_none());
        assert!(file.next().await.is_none());
    }

    #[test]
    fn only_objects_are_read() {
        let read = parse::<Request>(br#"{"prefix":"a","more":[1]}"#).unwrap();
        assert_eq!(read.prefix.as_deref(), Some("a"));
        for bad in ["", "[]", "null", r#"["a"]"#, r#"{"prefix":1}"#] {
            assert!(parse::<Request>(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
