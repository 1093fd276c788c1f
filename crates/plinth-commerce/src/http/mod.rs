//! The routes, relative to `/commerce/v1`.

mod acts;
mod body;
mod carts;
pub(crate) mod guest;
mod items;
mod once;
mod openapi;
mod orders;
mod other;
mod refunds;
mod render;
mod stock;
mod webhooks;
mod who;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query};
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post, put};
use plinth_http::ApiError;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Commerce;

/// What [`router`] answers in earnest, by method and pattern.
pub const ROUTES: &[(&str, &str)] = &[
    ("POST", "/carts"),
    ("GET", "/carts/{id}"),
    ("PATCH", "/carts/{id}"),
    ("DELETE", "/carts/{id}"),
    ("PUT", "/carts/{id}/lines"),
    ("POST", "/orders"),
    ("GET", "/orders"),
    ("GET", "/orders/{id}"),
    ("POST", "/orders/{id}/pay"),
    ("POST", "/orders/{id}/cancel"),
    ("POST", "/orders/{id}/fulfil"),
    ("POST", "/orders/{id}/paid"),
    ("POST", "/orders/{id}/refunds"),
    ("GET", "/orders/{id}/refunds"),
    ("PUT", "/products/{id}/stock"),
    ("POST", "/webhooks/{provider}"),
    ("GET", "/openapi.json"),
];

/// The service.
pub fn router(commerce: Commerce) -> Router {
    Router::new()
        .route("/carts", post(carts::create))
        .route(
            "/carts/{id}",
            get(carts::show).patch(carts::change).delete(carts::remove),
        )
        .route("/carts/{id}/lines", put(carts::set_lines))
        .route("/orders", get(orders::list).post(orders::place))
        .route("/orders/{id}", get(orders::show))
        .route("/orders/{id}/pay", post(acts::pay))
        .route("/orders/{id}/cancel", post(acts::cancel))
        .route("/orders/{id}/fulfil", post(acts::fulfil))
        .route("/orders/{id}/paid", post(acts::paid))
        .route(
            "/orders/{id}/refunds",
            get(refunds::list).post(refunds::create),
        )
        .route("/products/{id}/stock", put(stock::set))
        .route("/webhooks/{provider}", post(webhooks::receive))
        .route("/openapi.json", get(openapi::show))
        .fallback(other::not_found)
        .method_not_allowed_fallback(other::method_not_allowed)
        // Every handler reads its body within a bound of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(map_response(not_kept))
        .with_state(commerce)
}

/// Answers hold addresses and secrets, and a guest's request has nothing in it that caches know to be private.
async fn not_kept(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `{id}` of a path. What is no id is the id of nothing.
pub(crate) struct Id(pub(crate) Uuid);

impl FromRequestParts<Commerce> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, commerce: &Commerce) -> Result<Id, ApiError> {
        let read = Path::<String>::from_request_parts(parts, commerce).await;
        let id = read.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Id).ok_or_else(not_found)
    }
}

/// Query parameters, of which every one is known.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Commerce> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Commerce,
    ) -> Result<Parameters<T>, ApiError> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        let Query(read) = read.map_err(|error| body::invalid(error.to_string()))?;
        Ok(Parameters(read))
    }
}

/// It does not exist, or the caller may not know that it does.
pub(crate) fn not_found() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "commerce_not_found",
        "There is no such thing, or it is not yours",
    )
}
