//! Who may use a route: anybody with a key, a signed-in user, or an administrator.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use plinth_http::{Caller, GateError};
use uuid::Uuid;

use crate::AuthApp;
use crate::error::AuthError;
use crate::model::user::{self, User};

/// Anybody who holds an API key. A token beside it is not looked at: clients refresh with their expired one in place.
pub(crate) struct Key;

/// A signed-in user, whose account and session still exist.
pub(crate) struct Bearer {
    pub(crate) user: User,
    /// None in tokens that were not made here.
    pub(crate) session_id: Option<Uuid>,
}

/// `service_role`, or a role that administers.
pub(crate) struct Admin;

/// Why a caller is turned away: by the gate in its own shape, or by this service in ours.
pub(crate) enum Refusal {
    Gate(GateError),
    Auth(AuthError),
}

const ADMIN_ROLES: [&str; 2] = ["service_role", "supabase_admin"];

impl FromRequestParts<AuthApp> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AuthApp) -> Result<Key, Refusal> {
        let bearer = if parts.headers.contains_key("apikey") {
            parts.headers.remove(AUTHORIZATION)
        } else {
            None
        };
        let caller = Caller::from_request_parts(parts, state).await;
        if let Some(bearer) = bearer {
            parts.headers.insert(AUTHORIZATION, bearer);
        }
        caller.map(|_| Key).map_err(Refusal::Gate)
    }
}

impl FromRequestParts<AuthApp> for Bearer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AuthApp) -> Result<Bearer, Refusal> {
        let caller = resolve(parts, state).await?;
        if !carries_token(&parts.headers) {
            return Err(AuthError::NoAuthorization.into());
        }
        let claim = |name: &str| caller.claims.get(name).and_then(serde_json::Value::as_str);
        let id = claim("sub").ok_or_else(|| AuthError::BadJwt("missing sub claim".to_owned()))?;
        let id: Uuid = id
            .parse()
            .map_err(|_| AuthError::BadJwt("sub claim is not a UUID".to_owned()))?;
        let session_id = claim("session_id").map(str::parse::<Uuid>).transpose();
        let session_id = session_id
            .map_err(|_| AuthError::BadJwt("session_id claim is not a UUID".to_owned()))?;

        let found = user::find_bearer(&state.app.db, id, session_id)
            .await
            .map_err(AuthError::from)?;
        let found = found.ok_or(AuthError::BearerGone)?;
        if !found.session_exists {
            return Err(AuthError::BearerSessionGone.into());
        }
        if found.user.is_banned(state.app.db.clock().now()) {
            return Err(AuthError::BearerBanned.into());
        }
        Ok(Bearer {
            user: found.user,
            session_id,
        })
    }
}

impl FromRequestParts<AuthApp> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AuthApp) -> Result<Admin, Refusal> {
        let caller = resolve(parts, state).await?;
        if ADMIN_ROLES.contains(&caller.role.as_str()) {
            return Ok(Admin);
        }
        Err(if parts.headers.contains_key(AUTHORIZATION) {
            AuthError::NotAdmin
        } else {
            AuthError::NoAuthorization
        }
        .into())
    }
}

async fn resolve(parts: &mut Parts, state: &AuthApp) -> Result<Caller, Refusal> {
    Caller::from_request_parts(parts, state)
        .await
        .map_err(|error| match error {
            GateError::Token(reason) => Refusal::Auth(AuthError::BadJwt(reason.to_string())),
            GateError::NoKey
            | GateError::UnknownKey
            | GateError::ExposedServiceKey
            | GateError::UnknownRole(_)
            | GateError::RoleNotGranted(_) => Refusal::Gate(error),
        })
}

/// Whether the bearer is a token; clients without a session put their API key there.
fn carries_token(headers: &HeaderMap) -> bool {
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    bearer
        .and_then(|text| text.trim().split_once(' '))
        .is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer") && !token.trim().starts_with("sb_")
        })
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Refusal {
        Refusal::Auth(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Gate(error) => error.into_response(),
            Refusal::Auth(error) => error.into_response(),
        }
    }
}
