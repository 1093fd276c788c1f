//! The answer to a sign-in or a refresh: both tokens and the user.

use axum::Json;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::AuthApp;
use crate::model::session::Session;
use crate::model::user::User;
use crate::tokens;

/// Signs an access token and answers the session.
pub(crate) fn answer(auth: &AuthApp, user: &User, session: &Session, now: Timestamp) -> Response {
    Json(fields(auth, user, session, now)).into_response()
}

/// What the answer says, for links that carry it in their fragment.
pub(crate) fn fields(auth: &AuthApp, user: &User, session: &Session, now: Timestamp) -> Value {
    let issued_at = now.as_second();
    let lifetime = auth.config.access_token_seconds;
    let expires_at = issued_at.saturating_add(lifetime);
    let issuer = format!("{}/auth/v1", auth.app.public_url);
    let claims = tokens::claims(user, session, &issuer, issued_at, expires_at);
    json!({
        "access_token": auth.app.gate.sign(&claims),
        "token_type": "bearer",
        "expires_in": lifetime,
        "expires_at": expires_at,
        "refresh_token": auth.refresh_key.token(session.id, session.counter),
        "user": user.to_json(),
    })
}
