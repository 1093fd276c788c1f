//! Routes about the service itself, and those that clients know and that this server does not serve.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use plinth_db::Session;
use serde_json::json;

use super::request::Admin;
use crate::Storage;
use crate::error::StorageError;

/// `GET /status`: alive.
pub(crate) async fn status() -> StatusCode {
    StatusCode::OK
}

/// `GET /version`.
pub(crate) async fn version() -> Response {
    ([(CONTENT_TYPE, "text/plain")], env!("CARGO_PKG_VERSION")).into_response()
}

/// `GET /health`: can read its rows.
pub(crate) async fn health(State(storage): State<Storage>) -> Result<Response, StorageError> {
    let session = Session::role("anon");
    let asked = storage.app.db.query(&session, "select 1", Vec::new());
    asked.await?;
    Ok(axum::Json(json!({ "healthy": true })).into_response())
}

/// `DELETE /cdn/…`: there is no cache in front that could be out of date; thumbnails are kept by version and never are.
pub(crate) async fn purge(_: Admin) -> Response {
    axum::Json(json!({ "message": "success" })).into_response()
}

/// `/vector/…`.
pub(crate) async fn vector() -> StorageError {
    StorageError::FeatureNotEnabled("Vector storage")
}

/// `/iceberg/…`.
pub(crate) async fn iceberg() -> StorageError {
    StorageError::FeatureNotEnabled("Iceberg storage")
}

pub(crate) async fn not_found(method: Method, uri: Uri) -> Response {
    let shown: String = uri.path().chars().take(200).collect();
    let body = json!({
        "statusCode": "404",
        "error": "Not Found",
        "message": format!("Route {method}:{shown} not found"),
        "code": "NoSuchRoute",
    });
    (StatusCode::NOT_FOUND, axum::Json(body)).into_response()
}
