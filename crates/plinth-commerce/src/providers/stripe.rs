//! `stripe`: Payment Intents and refunds of Stripe, or of whoever answers like it at `stripe_api_url`.
//!
//! Card data never comes here: the customer's browser confirms the intent with its client secret, in a frame of Stripe's. Intents and
//! refunds are marked with the ids of their rows (`metadata`), by which an answer that was lost is found again.
//! Source: docs.stripe.com/api, version [`api::VERSION`].

mod amount;
mod api;
mod signature;

use std::collections::HashMap;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::Timestamp;
use plinth_db::keys::Secret;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{BadSignature, Kind, Payments, Told, ToldRefund, Trouble, WebhookEvent, made_at};
use crate::StripeConfig;
use crate::model::payments::{Payment, PaymentState};
use crate::model::refunds::{Refund, RefundState};
use crate::money::Money;
use api::{Api, path_id};

/// What objects are marked with: members of `metadata`, and how forms name those.
const PAYMENT_MARK: &str = "plinth_payment";
const PAYMENT_FIELD: &str = "metadata[plinth_payment]";
const REFUND_MARK: &str = "plinth_refund";
const REFUND_FIELD: &str = "metadata[plinth_refund]";
const ORDER_FIELD: &str = "metadata[plinth_order]";
/// Objects in one page of a list; Stripe gives no more.
const PAGE: &str = "100";
/// Pages of a list that are looked at before a lost answer counts as never given. Only where there is no search.
const PAGES: usize = 20;
/// How much earlier than our row its intent may have been made, by their clock, in seconds.
const CLOCKS_DIFFER_SECONDS: i64 = 600;

/// Stripe, as one account of it.
pub(super) struct Stripe {
    api: Api,
    webhook_secrets: Vec<Secret>,
    live: bool,
}

/// A Payment Intent, as far as it matters here.
#[derive(Deserialize)]
struct Intent {
    id: String,
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

/// A refund, as far as it matters here.
#[derive(Deserialize)]
struct Returned {
    id: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    failure_reason: Option<String>,
    payment_intent: Option<Value>,
    metadata: Option<HashMap<String, Value>>,
}

/// Why an attempt came to nothing.
#[derive(Deserialize)]
struct Reason {
    code: Option<String>,
    message: Option<String>,
}

/// One page of a list, or of what a search found.
#[derive(Deserialize)]
struct Page<T> {
    data: Vec<T>,
    has_more: Option<bool>,
}

/// A message.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    object: EventObject,
}

#[derive(Deserialize)]
struct EventObject {
    id: Option<String>,
    /// Charges and disputes name theirs.
    payment_intent: Option<Value>,
}

impl Stripe {
    /// Refuses what could not work, or would take money where none is meant.
    pub(super) fn open(config: &StripeConfig) -> Result<Stripe, String> {
        let key = config.secret_key.expose();
        if config.live && key.contains("_test_") {
            return Err(
                "commerce.live is true, and stripe_secret_key is a key for tests".to_owned(),
            );
        }
        if !config.live && key.contains("_live_") {
            return Err(
                "stripe_secret_key is a key for real money, and commerce.live is false".to_owned(),
            );
        }
        Ok(Stripe {
            api: Api::open(&config.api_url, config.secret_key.clone())?,
            webhook_secrets: config.webhook_secrets.clone(),
            live: config.live,
        })
    }

    async fn make(&self, payment: &Payment) -> Result<Intent, Trouble> {
        let form = [
            ("amount", amount::theirs(payment.amount)?.to_string()),
            (
                "currency",
                payment.amount.currency.code().to_ascii_lowercase(),
            ),
            (PAYMENT_FIELD, payment.id.to_string()),
            (ORDER_FIELD, payment.order_id.to_string()),
        ];
        let key = Some(payment.idempotency_key.as_str());
        self.api.post("/v1/payment_intents", &form, key).await
    }

    /// By Stripe's search, which knows everything that is older than a minute; by its list where the account has no search.
    async fn search(&self, payment: &Payment) -> Result<Option<Intent>, Trouble> {
        let query = format!("metadata['{PAYMENT_MARK}']:'{}'", payment.id);
        let query = [("query", query.as_str())];
        let found: Result<Page<Intent>, Trouble> =
            self.api.get("/v1/payment_intents/search", &query).await;
        match found {
            Ok(Page { data, .. }) => Ok(best(data, payment.id)),
            Err(Trouble::Refused { .. }) => self.page_through(payment).await,
            Err(trouble) => Err(trouble),
        }
    }

    async fn page_through(&self, payment: &Payment) -> Result<Option<Intent>, Trouble> {
        let begun =
            made_at(payment.id).map(|at| (at.as_second() - CLOCKS_DIFFER_SECONDS).to_string());
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let mut query = vec![("limit", PAGE)];
            if let Some(begun) = &begun {
                query.push(("created[gte]", begun.as_str()));
            }
            if let Some(after) = &after {
                query.push(("starting_after", after.as_str()));
            }
            let page: Page<Intent> = self.api.get("/v1/payment_intents", &query).await?;
            after = match page.has_more {
                Some(true) => page.data.last().map(|intent| intent.id.clone()),
                _ => None,
            };
            let found = best(page.data, payment.id);
            if found.is_some() || after.is_none() {
                return Ok(found);
            }
        }
        Err(Trouble::later(
            "there are too many payments to look through",
        ))
    }
}

#[async_trait]
impl Payments for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn check_amount(&self, total: Money) -> Result<(), String> {
        match amount::theirs(total) {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "{total} cannot be paid by card: of {}, only round sums can",
                total.currency.code()
            )),
        }
    }

    fn kind_of(&self, provider_id: &str) -> Option<Kind> {
        let (prefix, _) = provider_id.split_once('_')?;
        match prefix {
            "pi" => Some(Kind::Payment),
            // Refunds of some ways of paying have a prefix of their own.
            "re" | "pyr" => Some(Kind::Refund),
            _ => None,
        }
    }

    async fn begin(&self, payment: &Payment) -> Result<Told, Trouble> {
        match self.make(payment).await {
            Ok(intent) => intent.told(),
            // Another version of ours may have said the same in other words, under the same key.
            Err(Trouble::Refused { code, message }) if code == api::OTHER_WORDS => {
                let found = self.find(payment).await?;
                found.ok_or_else(|| Trouble::later(message))
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn find(&self, payment: &Payment) -> Result<Option<Told>, Trouble> {
        let found = self.search(payment).await?;
        found.map(Intent::told).transpose()
    }

    async fn look(&self, provider_id: &str) -> Result<Told, Trouble> {
        let path = format!("/v1/payment_intents/{}", path_id(provider_id)?);
        let intent: Intent = self.api.get(&path, &[]).await?;
        intent.told()
    }

    async fn cancel(&self, provider_id: &str) -> Result<Told, Trouble> {
        let path = format!("/v1/payment_intents/{}/cancel", path_id(provider_id)?);
        match self.api.post::<Intent>(&path, &[], None).await {
            Ok(intent) => intent.told(),
            // It has been paid, or is cancelled already. What it is now says which.
            Err(Trouble::Refused { .. }) => self.look(provider_id).await,
            Err(trouble) => Err(trouble),
        }
    }

    async fn refund(&self, refund: &Refund, payment_id: &str) -> Result<ToldRefund, Trouble> {
        let form = [
            ("payment_intent", path_id(payment_id)?.to_owned()),
            ("amount", amount::theirs(refund.amount)?.to_string()),
            (REFUND_FIELD, refund.id.to_string()),
            (ORDER_FIELD, refund.order_id.to_string()),
        ];
        let key = Some(refund.idempotency_key.as_str());
        match self.api.post::<Returned>("/v1/refunds", &form, key).await {
            Ok(returned) => returned.told(),
            Err(Trouble::Refused { code, message }) if code == api::OTHER_WORDS => {
                let found = self.find_refund(refund, payment_id).await?;
                found.ok_or_else(|| Trouble::later(message))
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn find_refund(
        &self,
        refund: &Refund,
        payment_id: &str,
    ) -> Result<Option<ToldRefund>, Trouble> {
        let query = [("payment_intent", path_id(payment_id)?), ("limit", PAGE)];
        let page: Page<Returned> = self.api.get("/v1/refunds", &query).await?;
        let all_seen = page.has_more != Some(true);
        let ours = |returned: &Returned| marked(returned.metadata.as_ref(), REFUND_MARK);
        let mut found = page.data.into_iter();
        match found.find(|returned| ours(returned) == Some(refund.id)) {
            Some(returned) => returned.told().map(Some),
            None if all_seen => Ok(None),
            // Rather never than twice.
            None => Err(Trouble::later("there are too many refunds to look through")),
        }
    }

    async fn look_refund(&self, provider_id: &str) -> Result<ToldRefund, Trouble> {
        let path = format!("/v1/refunds/{}", path_id(provider_id)?);
        let returned: Returned = self.api.get(&path, &[]).await?;
        returned.told()
    }

    fn is_mode(&self, live: bool) -> bool {
        self.live == live
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, BadSignature> {
        let header = headers
            .get("stripe-signature")
            .ok_or(BadSignature::Missing)?;
        let header = header.to_str().map_err(|_| BadSignature::Malformed)?;
        signature::verify(header, body, &self.webhook_secrets, now)?;
        let event: Event = serde_json::from_slice(body).map_err(|_| BadSignature::NoEvent)?;
        let object_id = self.object_of(&event);
        Ok(WebhookEvent {
            id: event.id,
            kind: event.kind,
            object_id,
        })
    }
}

impl Stripe {
    /// The intent or the refund that a message is about, itself or by way of a charge.
    fn object_of(&self, event: &Event) -> Option<String> {
        let EventObject { id, payment_intent } = &event.data.object;
        let by_the_way = payment_intent.as_ref().and_then(Value::as_str);
        let known = |id: &&str| self.kind_of(id).is_some() && path_id(id).is_ok();
        let mut candidates = [id.as_deref(), by_the_way].into_iter().flatten();
        candidates.find(known).map(str::to_owned)
    }
}

impl Intent {
    fn told(self) -> Result<Told, Trouble> {
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
            amount: amount::ours(amount, &self.currency)
                .ok_or_else(|| nonsense("currency", &self.currency))?,
            payment: marked(self.metadata.as_ref(), PAYMENT_MARK),
            provider_id: path_id(&self.id)
                .map_err(|_| nonsense("id", &self.id))?
                .to_owned(),
            state,
            client_secret: self.client_secret,
            failure: self.last_payment_error.map(Reason::text),
            live: Some(self.livemode),
        })
    }
}

impl Returned {
    fn told(self) -> Result<ToldRefund, Trouble> {
        // Some ways of paying leave it out, and then it is done.
        let state = match self.status.as_deref() {
            Some("pending" | "requires_action") => RefundState::Pending,
            Some("succeeded") | None => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            Some(status) => return Err(nonsense("status", status)),
        };
        Ok(ToldRefund {
            amount: amount::ours(self.amount, &self.currency)
                .ok_or_else(|| nonsense("currency", &self.currency))?,
            refund: marked(self.metadata.as_ref(), REFUND_MARK),
            provider_id: path_id(&self.id)
                .map_err(|_| nonsense("id", &self.id))?
                .to_owned(),
            state,
            failure: self.failure_reason,
            payment_id: self
                .payment_intent
                .and_then(|id| id.as_str().map(str::to_owned)),
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
fn best(intents: Vec<Intent>, payment: Uuid) -> Option<Intent> {
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

fn nonsense(what: &str, said: &str) -> Trouble {
    let said: String = said.chars().take(50).collect();
    Trouble::later(format!("an answer with the {what} {said:?}"))
}

#[cfg(test)]
pub(super) mod tests;
