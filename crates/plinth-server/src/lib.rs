//! Puts the services' routers together and serves them.
//!
//! From the outside in, a request passes: its id and its line in the log, the net under panics, CORS, the bounds on
//! its head, and (in development) the check of its host name. Then it reaches the service its path names. Who may
//! call is each service's own question, answered by `plinth_http::Caller`.

mod cors;
mod guard;
mod listen;
mod log;
mod refusal;
mod routes;

pub use listen::{ListenError, bind, serve};
pub use log::{REQUEST_SECONDS, REQUESTS, REQUESTS_IN_FLIGHT};
pub use routes::routes;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use plinth_db::Session;
use plinth_http::{ApiError, App, internal_error, request_id};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

/// The routers of the services, each relative to its own prefix.
pub struct Services {
    /// What they share.
    pub app: App,
    /// `/rest/v1`.
    pub rest: Router,
    /// `/auth/v1`.
    pub auth: Router,
    /// `/dev/mail`, where letters are kept to be looked at; for development only.
    pub mailbox: Option<Router>,
}

/// Everything that is served, under one router.
pub fn router(services: Services) -> Router {
    let Services {
        app,
        rest,
        auth,
        mailbox,
    } = services;
    let development = match mailbox {
        Some(mailbox) => Router::new().nest_service("/dev/mail", mailbox),
        None => Router::new(),
    };
    Router::new()
        .route("/", get(welcome))
        .route("/health", get(health))
        .with_state(app.clone())
        // As services, so that `/rest/v1` and `/rest/v1/` are the same place.
        .nest_service("/rest/v1", rest.layer(from_fn(log::note_route)))
        .nest_service("/auth/v1", auth.layer(from_fn(log::note_route)))
        .merge(development)
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(app, guard::check))
        .layer(from_fn(cors::allow))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(log::request))
        .layer(from_fn(request_id::with_request_id))
}

async fn welcome(State(app): State<App>) -> Response {
    let body = json!({
        "name": "Plinth",
        "version": env!("CARGO_PKG_VERSION"),
        "rest": format!("{}/rest/v1", app.public_url),
        "auth": format!("{}/auth/v1", app.public_url),
    });
    axum::Json(body).into_response()
}

/// Healthy is who can read its database.
async fn health(State(app): State<App>) -> Result<Response, ApiError> {
    app.db
        .query(&Session::role("anon"), "select 1", Vec::new())
        .await?;
    Ok(axum::Json(json!({ "status": "ok" })).into_response())
}

async fn not_found() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is nothing at this path",
    )
    .hint("Tables are under /rest/v1, sign-up and sign-in under /auth/v1.")
}

async fn method_not_allowed() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path has no such method",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn panicked(cause: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    internal_error(format_args!("panic: {}", text.unwrap_or("without a text"))).into_response()
}
