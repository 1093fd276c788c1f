//! What Stripe answers, as far as it matters here, and what that says in our words. Pure.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::super::{Told, ToldDispute, ToldRefund, Trouble};
use super::amount;
use super::api::path_id;
use crate::model::payments::PaymentState;
use crate::model::refunds::RefundState;
use crate::money::Money;

/// What objects are marked with: members of `metadata`.
pub(super) const PAYMENT_MARK: &str = "plinth_payment";
const REFUND_MARK: &str = "plinth_refund";

/// A Payment Intent.
#[derive(Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    amount: i64,
    amount_received: Option<i64>,
    currency: String,
    status: String,
    client_secret: Option<String>,
    livemode: bool,
    created: Option<i64>,
    last_payment_error: Option<Reason>,
    metadata: Option<HashMap<String, Value>>,
}

/// A refund. It does not say itself whether its money is real: its intent does, where the question has it expanded.
#[derive(Deserialize)]
pub(super) struct Returned {
    id: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    failure_reason: Option<String>,
    payment_intent: Option<Value>,
    metadata: Option<HashMap<String, Value>>,
}

/// A dispute.
#[derive(Deserialize)]
pub(super) struct Disputed {
    id: String,
    amount: i64,
    currency: String,
    status: String,
    reason: Option<String>,
    payment_intent: Option<Value>,
    livemode: bool,
}

/// Why an attempt came to nothing.
#[derive(Deserialize)]
struct Reason {
    code: Option<String>,
    message: Option<String>,
}

/// One page of a list, or of what a search found.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: Option<bool>,
}

impl Intent {
    pub(super) fn told(self) -> Result<Told, Trouble> {
        let state = match self.status.as_str() {
            // After a failed attempt, too: the customer may try again with the same intent.
            "requires_payment_method" | "requires_confirmation" => PaymentState::Pending,
            "processing" | "requires_capture" => PaymentState::Pending,
            "requires_action" => PaymentState::ActionRequired,
            "succeeded" => PaymentState::Captured,
            "canceled" => PaymentState::Cancelled,
            status => return Err(nonsense("status", status)),
        };
        // What came may be less than what was to come.
        let amount = match (state, self.amount_received) {
            (PaymentState::Captured, Some(received)) => received,
            _ => self.amount,
        };
        Ok(Told {
            amount: money(amount, &self.currency)?,
            payment: marked(self.metadata.as_ref(), PAYMENT_MARK),
            provider_id: id(&self.id)?,
            state,
            client_secret: self.client_secret,
            failure: self.last_payment_error.map(Reason::text),
            live: Some(self.livemode),
        })
    }
}

impl Returned {
    pub(super) fn told(self) -> Result<ToldRefund, Trouble> {
        // Some ways of paying leave it out, and then it is done.
        let state = match self.status.as_deref() {
            Some("pending" | "requires_action") => RefundState::Pending,
            Some("succeeded") | None => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            Some(status) => return Err(nonsense("status", status)),
        };
        let intent = self.payment_intent.as_ref();
        Ok(ToldRefund {
            amount: money(self.amount, &self.currency)?,
            refund: marked(self.metadata.as_ref(), REFUND_MARK),
            provider_id: id(&self.id)?,
            state,
            payment_id: intent.and_then(named),
            live: intent.and_then(|intent| intent["livemode"].as_bool()),
            failure: self.failure_reason,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The row that it was made for.
    pub(super) fn mark(&self) -> Option<Uuid> {
        marked(self.metadata.as_ref(), REFUND_MARK)
    }
}

impl Disputed {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether nobody has decided it. A status that we have not heard of is for people to look at.
    pub(super) fn is_open(&self) -> bool {
        let closed = ["won", "lost", "warning_closed", "prevented"];
        !closed.contains(&self.status.as_str())
    }

    pub(super) fn told(self) -> Result<ToldDispute, Trouble> {
        Ok(ToldDispute {
            amount: money(self.amount, &self.currency)?,
            provider_id: id(&self.id)?,
            payment_id: self.payment_intent.as_ref().and_then(named),
            status: self.status,
            reason: self.reason,
            live: self.livemode,
        })
    }
}

impl Reason {
    fn text(self) -> String {
        let text = self.message.or(self.code);
        text.unwrap_or_else(|| "The payment failed".to_owned())
    }
}

/// Of intents with the same mark, of which at most one was ever shown to anybody: the one that matters.
pub(super) fn best(intents: Vec<Intent>, payment: Uuid) -> Option<Intent> {
    let rank = |intent: &Intent| match intent.status.as_str() {
        "succeeded" => 3,
        "processing" | "requires_action" | "requires_capture" => 2,
        "canceled" => 0,
        _ => 1,
    };
    let ours = intents
        .into_iter()
        .filter(|intent| marked(intent.metadata.as_ref(), PAYMENT_MARK) == Some(payment));
    ours.max_by_key(|intent| (rank(intent), intent.created.map(std::cmp::Reverse)))
}

fn marked(metadata: Option<&HashMap<String, Value>>, name: &str) -> Option<Uuid> {
    metadata?.get(name)?.as_str()?.parse().ok()
}

/// The id of what an answer names: by that alone, or expanded.
fn named(object: &Value) -> Option<String> {
    let id = object.as_str().or_else(|| object["id"].as_str());
    id.map(str::to_owned)
}

fn id(said: &str) -> Result<String, Trouble> {
    let id = path_id(said).map_err(|_| nonsense("id", said))?;
    Ok(id.to_owned())
}

fn money(amount: i64, currency: &str) -> Result<Money, Trouble> {
    amount::ours(amount, currency).ok_or_else(|| nonsense("currency", currency))
}

fn nonsense(what: &str, said: &str) -> Trouble {
    let said: String = said.chars().take(50).collect();
    Trouble::later(format!("an answer with the {what} {said:?}"))
}
