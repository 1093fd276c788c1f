//! What clients ask about the service itself: `GET /settings`, `/health` and `/.well-known/jwks.json`.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::caller::Key;
use crate::AuthApp;

/// Names that clients look for; none is served yet.
const PROVIDERS: [&str; 24] = [
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "snapchat",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "kakao",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "spotify",
    "slack",
    "slack_oidc",
    "workos",
    "twitch",
    "twitter",
    "phone",
    "zoom",
];

pub(crate) async fn settings(State(auth): State<AuthApp>, _: Key) -> Json<Value> {
    let mut external = Map::from_iter([
        (
            "anonymous_users".to_owned(),
            json!(auth.config.anonymous_sign_ins),
        ),
        ("email".to_owned(), json!(true)),
    ]);
    external.extend(
        PROVIDERS
            .iter()
            .map(|name| ((*name).to_owned(), json!(false))),
    );
    Json(json!({
        "external": external,
        "disable_signup": auth.config.disable_signup,
        "mailer_autoconfirm": auth.config.autoconfirm,
        "phone_autoconfirm": false,
        "sms_provider": "",
        "saml_enabled": false,
        "saml_private_key_next_configured": false,
        "passkeys_enabled": false,
    }))
}

pub(crate) async fn health(_: Key) -> Json<Value> {
    Json(json!({
        "version": concat!("v", env!("CARGO_PKG_VERSION")),
        "name": "Plinth Auth",
        "description": "Accounts, sessions and tokens of a Plinth server",
    }))
}

/// Public keys only, and HS256 has none: clients then ask `GET /user` instead of verifying by themselves.
pub(crate) async fn jwks() -> impl IntoResponse {
    (
        [(CACHE_CONTROL, "public, max-age=600")],
        Json(json!({ "keys": [] })),
    )
}
