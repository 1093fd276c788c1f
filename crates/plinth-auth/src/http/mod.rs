//! The routes, relative to `/auth/v1`.

mod admin;
mod body;
mod caller;
mod error;
mod logout;
mod session;
mod settings;
mod signup;
mod token;
mod unavailable;
mod user;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use crate::AuthApp;

/// What [`router`] answers in earnest, by method and pattern.
pub const ROUTES: &[(&str, &str)] = &[
    ("POST", "/signup"),
    ("POST", "/token"),
    ("GET", "/user"),
    ("PUT", "/user"),
    ("POST", "/logout"),
    ("GET", "/settings"),
    ("GET", "/health"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("GET", "/admin/users/{id}"),
    ("PUT", "/admin/users/{id}"),
    ("DELETE", "/admin/users/{id}"),
];

/// The service. Routes that clients know and that are not served yet say so with a code.
pub fn router(app: AuthApp) -> Router {
    let served = Router::new()
        .route("/signup", post(signup::signup))
        .route("/token", post(token::token))
        .route("/user", get(user::show).put(user::update))
        .route("/logout", post(logout::logout))
        .route("/settings", get(settings::settings))
        .route("/health", get(settings::health))
        .route("/.well-known/jwks.json", get(settings::jwks))
        .route("/admin/users", get(admin::list).post(admin::create))
        .route(
            "/admin/users/{id}",
            get(admin::show).put(admin::update).delete(admin::delete),
        );
    unavailable::add(served)
        .fallback(unavailable::not_found)
        .method_not_allowed_fallback(unavailable::method_not_allowed)
        .layer(from_fn(error::shape))
        .with_state(app)
}
