//! `stripe`: Payment Intents and refunds of Stripe, or of whoever answers like it at `stripe_api_url`.
//!
//! Card data never comes here: the customer's browser confirms the intent with its client secret, in a frame of Stripe's. Intents and
//! refunds are marked with the ids of their rows (`metadata`), by which an answer that was lost is found again.
//! Source: docs.stripe.com/api, version [`api::VERSION`].

mod amount;
mod api;
mod objects;
mod signature;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::Timestamp;
use plinth_db::keys::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    BadSignature, Kind, Payments, Refunds, Told, ToldDispute, ToldRefund, Trouble, WebhookEvent,
    made_at,
};
use crate::StripeConfig;
use crate::model::payments::Payment;
use crate::model::refunds::Refund;
use crate::money::Money;
use api::{Api, path_id};
use objects::{Disputed, Intent, PAYMENT_MARK, Page, Returned, best};

/// How forms name what objects are marked with.
const PAYMENT_FIELD: &str = "metadata[plinth_payment]";
const REFUND_FIELD: &str = "metadata[plinth_refund]";
const ORDER_FIELD: &str = "metadata[plinth_order]";
/// Objects in one page of a list; Stripe gives no more.
const PAGE: &str = "100";
/// Pages of a list that are looked at. What is in no more of them counts as not known rather than as not there.
const PAGES: usize = 20;
/// A refund has no mode of its own (docs.stripe.com/api/refunds/object has no `livemode`), so its intent comes with it, which has one.
const WITH_INTENT: (&str, &str) = ("expand[]", "payment_intent");
const EACH_WITH_INTENT: (&str, &str) = ("expand[]", "data.payment_intent");
/// How much earlier than our row its intent may have been made, by their clock, in seconds.
const CLOCKS_DIFFER_SECONDS: i64 = 600;

/// Stripe, as one account of it.
pub(super) struct Stripe {
    api: Api,
    webhook_secrets: Vec<Secret>,
    live: bool,
}

/// A message.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    livemode: Option<bool>,
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    object: EventObject,
}

#[derive(Deserialize)]
struct EventObject {
    id: Option<String>,
    /// Charges name theirs.
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

    /// All of a list, page after page.
    async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        id: fn(&T) -> &str,
    ) -> Result<Vec<T>, Trouble> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..PAGES {
            let after = all.last().map(|last| id(last).to_owned());
            let mut query = query.to_vec();
            if let Some(after) = &after {
                query.push(("starting_after", after.as_str()));
            }
            let page: Page<T> = self.api.get(path, &query).await?;
            let is_last = page.has_more != Some(true) || page.data.is_empty();
            all.extend(page.data);
            if is_last {
                return Ok(all);
            }
        }
        Err(Trouble::later(format!(
            "there are too many to look through at {path}"
        )))
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
            "du" | "dp" => Some(Kind::Dispute),
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
        let query = [
            ("payment_intent", path_id(payment_id)?),
            ("limit", PAGE),
            EACH_WITH_INTENT,
        ];
        let page: Page<Returned> = self.api.get("/v1/refunds", &query).await?;
        let all_seen = page.has_more != Some(true);
        let mut found = page.data.into_iter();
        match found.find(|returned| returned.mark() == Some(refund.id)) {
            Some(returned) => returned.told().map(Some),
            None if all_seen => Ok(None),
            // Rather never than twice.
            None => Err(Trouble::later("there are too many refunds to look through")),
        }
    }

    async fn look_refund(&self, provider_id: &str) -> Result<ToldRefund, Trouble> {
        let path = format!("/v1/refunds/{}", path_id(provider_id)?);
        let returned: Returned = self.api.get(&path, &[WITH_INTENT]).await?;
        returned.told()
    }

    async fn refunds_since(
        &self,
        since: Timestamp,
        after: Option<&str>,
    ) -> Result<Refunds, Trouble> {
        let since = since.as_second().to_string();
        let mut query = vec![
            ("limit", PAGE),
            ("created[gte]", since.as_str()),
            EACH_WITH_INTENT,
        ];
        if let Some(after) = after {
            query.push(("starting_after", after));
        }
        let page: Page<Returned> = self.api.get("/v1/refunds", &query).await?;
        let after = match page.has_more {
            Some(true) => page.data.last().map(|last| last.id().to_owned()),
            _ => None,
        };
        Ok(Refunds {
            refunds: page.data.into_iter().filter_map(readable).collect(),
            after,
        })
    }

    async fn look_dispute(&self, provider_id: &str) -> Result<ToldDispute, Trouble> {
        let path = format!("/v1/disputes/{}", path_id(provider_id)?);
        let disputed: Disputed = self.api.get(&path, &[]).await?;
        disputed.told()
    }

    async fn open_disputes(&self, since: Timestamp) -> Result<Vec<ToldDispute>, Trouble> {
        let since = since.as_second().to_string();
        let query = [("limit", PAGE), ("created[gte]", since.as_str())];
        let all: Vec<Disputed> = self.all("/v1/disputes", &query, Disputed::id).await?;
        let open = all.into_iter().filter(Disputed::is_open);
        open.map(Disputed::told).collect()
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
            live: event.livemode,
        })
    }
}

/// An account may be used for more than this shop: one refund that means nothing here is not to keep the rest of a list from being read.
fn readable(returned: Returned) -> Option<ToldRefund> {
    let id = returned.id().to_owned();
    match returned.told() {
        Ok(told) => Some(told),
        Err(trouble) => {
            tracing::warn!(provider = "stripe", provider.id = id, %trouble, "a refund in a list cannot be read");
            None
        }
    }
}

impl Stripe {
    /// The intent, refund or dispute that a message is about, itself or by way of a charge.
    fn object_of(&self, event: &Event) -> Option<String> {
        let EventObject { id, payment_intent } = &event.data.object;
        let by_the_way = payment_intent.as_ref().and_then(Value::as_str);
        let known = |id: &&str| self.kind_of(id).is_some() && path_id(id).is_ok();
        let mut candidates = [id.as_deref(), by_the_way].into_iter().flatten();
        candidates.find(known).map(str::to_owned)
    }
}

#[cfg(test)]
pub(super) mod tests;
