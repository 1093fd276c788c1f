//! Resumable uploads: TUS 1.0.0 under `/upload/resumable`, and the same for holders of a signed URL under `…/sign`.
//!
//! An upload is a row (`upload`) and bytes that the store appends to. Policies are asked when it begins and again when it
//! becomes an object, then with the rights of whoever sends its last bytes. Only its owner learns that it exists. Errors
//! are a line of text with their true status (`error`).

mod asker;
mod checksum;
mod chunk;
mod create;
mod error;
mod headers;
mod location;
mod locks;
mod metadata;
mod resume;
mod sweep;
mod upload;
mod writer;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use plinth_http::discard_body;

use crate::Storage;
use asker::{Asked, Way};
use error::TusError;
use headers::{
    EXTENSIONS, TUS_CHECKSUM_ALGORITHM, TUS_COMPLETE, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE,
    TUS_VERSION, UPLOAD_EXPIRES, UPLOAD_OFFSET, VERSION,
};
use upload::Upload;

pub(crate) use locks::Locks;
pub(crate) use sweep::sweep;
pub(crate) use upload::end_leases;

/// Where uploads begin.
const PATH: &str = "/upload/resumable";
/// The same with a signed URL's token in place of a key.
const SIGNED_PATH: &str = "/upload/resumable/sign";

/// The routes. Each takes every method, because a `POST` may stand for another one.
pub(crate) fn router() -> Router<Storage> {
    Router::new()
        .route("/upload/resumable", any(begin))
        .route("/upload/resumable/", any(begin))
        .route("/upload/resumable/{id}", any(go_on))
        .route("/upload/resumable/sign", any(begin_signed))
        .route("/upload/resumable/sign/", any(begin_signed))
        .route("/upload/resumable/sign/{id}", any(go_on_signed))
}

async fn begin(State(storage): State<Storage>, request: Request) -> Response {
    answer(storage, Way::Key, Place::Beginning, request).await
}

async fn begin_signed(State(storage): State<Storage>, request: Request) -> Response {
    answer(storage, Way::Signature, Place::Beginning, request).await
}

async fn go_on(State(storage): State<Storage>, request: Request) -> Response {
    answer(storage, Way::Key, Place::Upload, request).await
}

async fn go_on_signed(State(storage): State<Storage>, request: Request) -> Response {
    answer(storage, Way::Signature, Place::Upload, request).await
}

/// What a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where uploads are made.
    Beginning,
    /// One of them.
    Upload,
}

/// Every answer says which protocol it is of. None is for a cache: each is true for a moment.
async fn answer(storage: Storage, way: Way, place: Place, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asked = Asked {
        storage,
        way,
        parts: Arc::new(parts),
    };
    let mut body = Some(body);
    let answered = choose(&asked, place, &mut body).await;
    if answered.is_err()
        && let Some(body) = body
    {
        // A client that is still sending would only see its connection end.
        discard_body(body).await;
    }
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // An error's text repeats names that a client made up.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn choose(
    asked: &Asked,
    place: Place,
    body: &mut Option<Body>,
) -> Result<Response, TusError> {
    let method = headers::method(&asked.parts.method, asked.headers())?;
    if method == Method::OPTIONS {
        return Ok(capabilities(&asked.storage));
    }
    let is_known = match place {
        Place::Beginning => method == Method::POST,
        Place::Upload => [Method::HEAD, Method::PATCH, Method::DELETE].contains(&method),
    };
    if !is_known {
        return Err(TusError::Method);
    }
    headers::require_version(asked.headers())?;
    match method {
        Method::POST => create::create(asked, body).await,
        Method::PATCH => resume::patch(asked, body).await,
        Method::DELETE => resume::delete(asked).await,
        _ => resume::head(asked).await,
    }
}

/// What is served, for whoever asks.
fn capabilities(storage: &Storage) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
    headers.insert(TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS));
    headers.insert(TUS_MAX_SIZE, storage.config.upload_bytes.into());
    headers.insert(
        TUS_CHECKSUM_ALGORITHM,
        HeaderValue::from_static(checksum::ALGORITHMS),
    );
    response
}

/// How far an upload is, and how long it may take.
fn describe(upload: &Upload, headers: &mut HeaderMap) {
    headers.insert(UPLOAD_OFFSET, upload.offset().into());
    if upload.is_finished {
        headers.insert(TUS_COMPLETE, HeaderValue::from_static("1"));
    } else {
        say_expiry(upload, headers);
    }
}

fn say_expiry(upload: &Upload, headers: &mut HeaderMap) {
    let date = headers::http_date(upload.expires_at);
    if let Some(Ok(date)) = date.map(HeaderValue::try_from) {
        headers.insert(UPLOAD_EXPIRES, date);
    }
}
