//! The routes, relative to `/auth/v1`.

mod admin;
mod body;
mod caller;
mod error;
mod links;
mod logout;
mod mail;
mod mailbox;
mod redirect;
mod session;
mod settings;
mod signup;
mod token;
mod unavailable;
mod user;
mod verify;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use crate::AuthApp;

pub use mailbox::mailbox;

/// What [`router`] answers in earnest, by method and pattern.
pub const ROUTES: &[(&str, &str)] = &[
    ("POST", "/signup"),
    ("POST", "/token"),
    ("POST", "/otp"),
    ("POST", "/magiclink"),
    ("POST", "/recover"),
    ("POST", "/resend"),
    ("GET", "/reauthenticate"),
    ("GET", "/verify"),
    ("POST", "/verify"),
    ("GET", "/user"),
    ("PUT", "/user"),
    ("POST", "/logout"),
    ("GET", "/settings"),
    ("GET", "/health"),
    ("GET", "/.well-known/jwks.json"),
    ("POST", "/invite"),
    ("POST", "/admin/generate_link"),
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
        .route("/otp", post(mail::otp))
        .route("/magiclink", post(mail::otp))
        .route("/recover", post(mail::recover))
        .route("/resend", post(mail::resend))
        .route("/reauthenticate", get(mail::reauthenticate))
        .route("/verify", get(verify::by_link).post(verify::by_code))
        .route("/user", get(user::show).put(user::update))
        .route("/logout", post(logout::logout))
        .route("/settings", get(settings::settings))
        .route("/health", get(settings::health))
        .route("/.well-known/jwks.json", get(settings::jwks))
        .route("/invite", post(links::invite))
        .route("/admin/generate_link", post(links::generate))
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
