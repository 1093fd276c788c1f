//! Paths and methods that are not there.

use axum::http::StatusCode;
use plinth_http::ApiError;

pub(crate) async fn not_found() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this path",
    )
    .hint("GET /commerce/v1/openapi.json lists what there is.")
}

pub(crate) async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path has no such method",
    )
}
