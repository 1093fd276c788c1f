//! Who is asking: a user, a guest with a secret, staff, or the service key.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use plinth_db::Session;
use plinth_http::{ApiError, Caller, request_settings};
use serde_json::Value;
use uuid::Uuid;

use super::guest;
use crate::model::actor::Actor;
use crate::{Commerce, PREFIX};

/// The header that carries a guest's secret.
pub(crate) const SECRET: &str = "x-commerce-secret";
/// Longest secret that is looked at; ours have 43 characters.
const SECRET_CHARS: usize = 200;
/// `app_metadata.commerce_role` of whoever runs the shop. Only the service can set it.
const STAFF: [&str; 2] = ["staff", "admin"];

/// A caller, as this service sees him.
#[derive(Clone)]
pub(crate) struct Who {
    /// What policies read.
    pub(crate) session: Session,
    /// Who is signed in.
    pub(crate) user: Option<Uuid>,
    /// The address that the session was opened with.
    pub(crate) email: Option<String>,
    /// Whether he runs the shop: staff, or the service key.
    pub(crate) is_staff: bool,
    /// SHA-256 of the secret that came along.
    pub(crate) secret_digest: Option<String>,
    /// Whose idempotency keys these are.
    scope: String,
    is_anonymous: bool,
}

impl Who {
    /// Who sent this request.
    pub(crate) fn of(commerce: &Commerce, parts: &Parts) -> Result<Who, ApiError> {
        let caller = Caller::of(&commerce.app, &parts.headers)?;
        let settings = request_settings(Arc::new(parts.clone()), PREFIX);
        let is_service = caller.role == "service_role";
        let is_anonymous = caller.is_anonymous();
        let user = caller.user_id().filter(|_| !is_service && !is_anonymous);
        let secret_digest = secret(parts)?.map(guest::digest);
        let email = user.and_then(|_| text_claim(&caller, "email"));
        Ok(Who {
            session: caller.session(&commerce.app.limits, settings),
            email,
            is_staff: is_service || (caller.role == "authenticated" && has_staff_role(&caller)),
            scope: scope(&caller, user, secret_digest.as_deref()),
            user,
            secret_digest,
            is_anonymous,
        })
    }

    /// Whether a cart or an order is his own, by account or by secret. What belongs to an account no secret opens.
    pub(crate) fn owns(&self, user: Option<Uuid>, secret_digest: Option<&str>) -> bool {
        match (user, secret_digest) {
            (Some(owner), _) => self.user == Some(owner),
            (None, Some(stored)) => self
                .secret_digest
                .as_deref()
                .is_some_and(|sent| guest::is_same(stored, sent)),
            (None, None) => false,
        }
    }

    /// Whose idempotency keys these are, for this method and path.
    pub(crate) fn scope(&self, method: &str, path: &str) -> String {
        format!("{} {method} {path}", self.scope)
    }

    /// Whether others share the scope of his idempotency keys: nothing tells one visitor from another.
    pub(crate) fn shares_scope(&self) -> bool {
        self.user.is_none() && !self.is_staff && self.secret_digest.is_none()
    }

    /// By whom an event of an order was caused, as its history has it.
    pub(crate) fn actor(&self) -> Actor {
        match self.is_staff {
            true => Actor::Staff(self.user),
            false => Actor::Customer,
        }
    }

    /// Refuses whoever does not run the shop.
    pub(crate) fn must_be_staff(&self) -> Result<(), ApiError> {
        if self.is_staff {
            return Ok(());
        }
        // Signing in may help whoever has not.
        let status = match self.is_anonymous {
            true => StatusCode::UNAUTHORIZED,
            false => StatusCode::FORBIDDEN,
        };
        let error = ApiError::new(status, "commerce_staff_only", "Only staff may do this");
        Err(error.hint(
            "Staff have \"commerce_role\": \"staff\" in their app_metadata, which the service key can set.",
        ))
    }
}

impl FromRequestParts<Commerce> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, commerce: &Commerce) -> Result<Who, ApiError> {
        Who::of(commerce, parts)
    }
}

/// Staff, or the service key. Refused before anything of the body is read.
pub(crate) struct Staff(pub(crate) Who);

impl FromRequestParts<Commerce> for Staff {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, commerce: &Commerce) -> Result<Staff, ApiError> {
        let who = Who::of(commerce, parts)?;
        who.must_be_staff()?;
        Ok(Staff(who))
    }
}

/// Keys of a user belong to the user, those of a guest to the secret, and others to everybody with the same key of the project.
fn scope(caller: &Caller, user: Option<Uuid>, secret_digest: Option<&str>) -> String {
    match (user, secret_digest) {
        (Some(user), _) => format!("user:{user}"),
        (None, Some(digest)) if caller.role != "service_role" => format!("guest:{digest}"),
        (None, _) => {
            // Tokens of other makers may name people by other texts than ours.
            let subject = caller.claims.get("sub").and_then(|sub| sub.as_str());
            let subject = subject.map(guest::digest).unwrap_or_default();
            format!("{}:{:?}:{subject}", caller.role, caller.via)
        }
    }
}

fn has_staff_role(caller: &Caller) -> bool {
    let metadata = caller.claims.get("app_metadata");
    let role = metadata.and_then(|metadata| metadata.get("commerce_role")?.as_str());
    role.is_some_and(|role| STAFF.contains(&role))
}

fn text_claim(caller: &Caller, name: &str) -> Option<String> {
    let text = caller.claims.get(name).and_then(Value::as_str)?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn secret(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let Some(value) = parts.headers.get(SECRET) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    match text.len() {
        0 => Ok(None),
        1..=SECRET_CHARS => Ok(Some(text)),
        _ => Err(super::body::invalid(
            "X-Commerce-Secret is no secret of ours",
        )),
    }
}
