//! `POST /webhooks/{provider}`: what a provider tells, unasked.
//!
//! Anybody can call, so nothing is believed but the signature, and of a signed message nothing but which object to read again at the
//! provider. It is stored before it is answered and acted on afterwards, so a provider that sends twice, late or in another order
//! changes nothing.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use plinth_http::ApiError;
use serde_json::json;

use super::body;
use crate::Commerce;
use crate::error::CommerceError;
use crate::model::events::{self, EventState};
use crate::providers::{BadSignature, Payments, WebhookEvent};

/// How much of a stranger's text an error repeats.
const SHOWN_CHARS: usize = 60;

/// `POST /webhooks/{provider}`.
pub(crate) async fn receive(
    State(commerce): State<Commerce>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Some(provider) = commerce.providers.get(&name) else {
        return Err(no_provider(&name));
    };
    // The signature is over these very bytes.
    let bytes = body::bytes(body).await?;
    let now = commerce.app.db.clock().now();
    let event = match provider.verify_webhook(&headers, &bytes, now) {
        Ok(event) => event,
        Err(BadSignature::NoWebhooks) => return Err(no_provider(&name)),
        Err(reason) => {
            tracing::warn!(provider = provider.name(), %reason, "a webhook was refused");
            return Err(CommerceError::BadSignature(reason.to_string()).into());
        }
    };
    if event.object_id.is_some() {
        let text = String::from_utf8_lossy(&bytes);
        let state = state_of(provider, &event);
        let is_new = events::store(&commerce, provider.name(), &event, &text, state).await?;
        if is_new {
            commerce.worker.notify_one();
        }
    }
    Ok(axum::Json(json!({ "received": true })).into_response())
}

/// A message of the other mode is kept for people to see and not acted on: whoever set up its endpoint has mixed up real money and tests.
/// What it is about is not asked for, since this key knows nothing of it.
fn state_of(provider: &dyn Payments, event: &WebhookEvent) -> EventState {
    match event.live.is_none_or(|live| provider.is_mode(live)) {
        true => EventState::Stored,
        false => {
            tracing::error!(
                provider = provider.name(),
                event.id,
                "a message is of the other mode: real money and tests are mixed up"
            );
            EventState::Failed
        }
    }
}

/// Also for one that sends nothing.
fn no_provider(name: &str) -> ApiError {
    let shown: String = name.chars().take(SHOWN_CHARS).collect();
    CommerceError::NoSuchProvider(shown).into()
}
