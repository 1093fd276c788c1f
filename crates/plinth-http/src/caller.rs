//! Who is calling.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{App, Claims, GateError, gate};

/// Who is calling: a role and what the token says. As an extractor it refuses whom [`Caller::of`] refuses.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `anon`, `authenticated`, `service_role`, or whatever role the token names.
    pub role: String,
    /// The token's claims; for keys, just the role.
    pub claims: Arc<Map<String, Value>>,
    /// The same as JSON text, as `request.jwt.claims` holds it.
    pub claims_json: Arc<plinth_db::Claims>,
    /// The token, when there was one.
    pub token: Option<String>,
    /// What let the caller in.
    pub via: KeyKind,
    /// A secret key was sent, perhaps beside a token that counts before it.
    secret_key: bool,
}

/// What let a caller in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `sb_publishable_…`.
    Publishable,
    /// `sb_secret_…`.
    Secret,
    /// A token, of a user or of the older kind of key.
    Token,
    /// Nothing, on a route that is open.
    None,
}

impl Caller {
    /// Who sent these headers: refuses those without a valid key, tokens for roles that callers may not have, and
    /// service keys in browsers.
    pub fn of(app: &App, headers: &HeaderMap) -> Result<Caller, GateError> {
        let caller = app.gate.resolve(headers, false)?;
        gate::check_origin(app.mode, headers, &caller)?;
        gate::check_role(&app.db.catalog(), &caller.role)?;
        Ok(caller)
    }

    /// The signed-in user: the claim `sub`.
    pub fn user_id(&self) -> Option<Uuid> {
        self.claims.get("sub")?.as_str()?.parse().ok()
    }

    /// Whether signing in might help where something is not allowed.
    pub fn is_anonymous(&self) -> bool {
        self.role == "anon"
    }

    pub(crate) fn by_key(kind: KeyKind) -> Caller {
        let role = if kind == KeyKind::Secret {
            "service_role"
        } else {
            "anon"
        };
        let Claims { map, json } = Claims::of_role(role);
        let secret_key = kind == KeyKind::Secret;
        Caller {
            role: role.to_owned(),
            claims: map,
            claims_json: json,
            token: None,
            via: kind,
            secret_key,
        }
    }

    pub(crate) fn by_token(token: &str, claims: Claims) -> Caller {
        Caller {
            role: claims.text("role").unwrap_or("anon").to_owned(),
            claims: claims.map,
            claims_json: claims.json,
            token: Some(token.to_owned()),
            via: KeyKind::Token,
            secret_key: false,
        }
    }

    /// Remembers that a secret key came along with the token.
    pub(crate) fn also_holding(mut self, secret_key: bool) -> Caller {
        self.secret_key = secret_key;
        self
    }

    /// Whether the request carried a key that opens everything.
    pub(crate) fn holds_service_key(&self) -> bool {
        self.secret_key || self.role == "service_role"
    }
}

impl<S> FromRequestParts<S> for Caller
where
    App: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = GateError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Caller, GateError> {
        Caller::of(&App::from_ref(state), &parts.headers)
    }
}
