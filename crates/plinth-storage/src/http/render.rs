//! Images: the routes of `http::download` once more, with what is to be done to the image.
//!
//! The source is looked up under the same rights as for a download, each time; only then is it asked whether the result is
//! there already. In a signed URL the token says what is to be done, and the query nothing.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;

use super::request::{Parameters, Place};
use crate::Storage;
use crate::delivery::{self, Delivery, not_modified};
use crate::error::StorageError;
use crate::images::{self, Transform};
use crate::model::{Object, Who, object};

const TRANSFORMATIONS: HeaderName = HeaderName::from_static("x-transformations");

/// The routes, relative to `/storage/v1`.
pub(crate) fn router() -> Router<Storage> {
    Router::new()
        .route(
            "/render/image/authenticated/{bucket}/{*path}",
            get(authenticated),
        )
        .route("/render/image/public/{bucket}/{*path}", get(public))
        .route("/render/image/sign/{bucket}/{*path}", get(signed))
}

/// `GET /render/image/authenticated/{bucket}/{path}`.
async fn authenticated(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
    query: Parameters,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let transform = Transform::from_query(&text.unwrap_or_default(), storage.images.config())?;
    let how = Delivery {
        is_private: true,
        ..asked(&query)
    };
    let find = || object::find_brief(&storage, &who, &place.bucket, &place.name);
    found(&storage, find, transform, &headers, &how).await
}

/// `GET /render/image/public/{bucket}/{path}`.
async fn public(
    State(storage): State<Storage>,
    place: Place,
    query: Parameters,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let transform = Transform::from_query(&text.unwrap_or_default(), storage.images.config())?;
    let find = || object::find_public_brief(&storage, &place.bucket, &place.name);
    found(&storage, find, transform, &headers, &asked(&query)).await
}

/// `GET /render/image/sign/{bucket}/{path}?token=`: whoever made the token has been asked already.
async fn signed(
    State(storage): State<Storage>,
    place: Place,
    query: Parameters,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let token = query.get("token").unwrap_or_default();
    let granted = storage.signer.verify_download(token, &place.url())?;
    let claim = granted.transformations.unwrap_or_default();
    let transform = Transform::from_claim(&claim, storage.images.config())?;
    let system = Who::system(None);
    let how = Delivery {
        end: Some(granted.end),
        ..asked(&query)
    };
    let find = || object::find_brief(&storage, &system, &place.bucket, &place.name);
    found(&storage, find, transform, &headers, &how).await
}

/// Whether the body is sent is the router's to say.
fn asked(query: &Parameters) -> Delivery {
    Delivery {
        download: query.get("download").map(str::to_owned),
        ..Delivery::default()
    }
}

/// Finds the source and sends what is made of it. One that is replaced between the two is found again.
async fn found<F: Future<Output = Result<Object, StorageError>>>(
    storage: &Storage,
    find: impl Fn() -> F,
    transform: Transform,
    headers: &HeaderMap,
    how: &Delivery,
) -> Result<Response, StorageError> {
    let object = find().await?;
    match deliver(storage, &object, transform, headers, how).await {
        Err(StorageError::NoSuchKey) => {
            let again = find().await?;
            if again.version == object.version {
                return Err(StorageError::NoSuchKey);
            }
            deliver(storage, &again, transform, headers, how).await
        }
        answered => answered,
    }
}

async fn deliver(
    storage: &Storage,
    object: &Object,
    transform: Transform,
    headers: &HeaderMap,
    how: &Delivery,
) -> Result<Response, StorageError> {
    let recipe = transform.recipe(headers);
    // The object as it goes out: another entity, with a tag and a type of its own.
    let mut shown = object.clone();
    shown.etag = images::etag(object.version, &recipe);
    if not_modified(&shown, headers) {
        let mut unchanged = answer_headers(&shown, transform, how);
        unchanged.remove(CONTENT_TYPE);
        return Ok(answer(StatusCode::NOT_MODIFIED, unchanged, Body::empty()));
    }
    let limit = storage.images.config().source_bytes;
    let load = async {
        match storage.store.bytes(object.version, limit).await {
            Err(StorageError::TooLarge) => Err(StorageError::InvalidRequest(format!(
                "The image is larger than {limit} bytes"
            ))),
            loaded => loaded,
        }
    };
    let rendered = storage.images.render(object.version, recipe, load).await?;
    rendered
        .kind
        .content_type()
        .clone_into(&mut shown.content_type);
    let mut headers = answer_headers(&shown, transform, how);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(rendered.bytes.len()));
    let body = storage.images.body(rendered)?;
    Ok(answer(StatusCode::OK, headers, body))
}

fn answer_headers(shown: &Object, transform: Transform, how: &Delivery) -> HeaderMap {
    let mut headers = delivery::headers(shown, how);
    // Results are small, and sent whole.
    headers.remove(ACCEPT_RANGES);
    if transform.is_negotiated() {
        headers.append(VARY, HeaderValue::from(ACCEPT));
    }
    if let Ok(text) = HeaderValue::try_from(transform.claim()) {
        headers.insert(TRANSFORMATIONS, text);
    }
    headers
}

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
