//! Who moves the money: one trait, two implementations.
//!
//! A provider is told of an intent that is on disk already, by a key that never changes, and may be asked again whatever became of
//! the first question. What it answers is only reported here; what follows from it is decided by `machine` and carried out by
//! `work`. Nothing in here touches the database.

mod manual;
mod stripe;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Config;
use crate::model::payments::{Payment, PaymentState};
use crate::model::refunds::{Refund, RefundState};
use crate::money::Money;
use manual::Manual;
use stripe::Stripe;

/// A provider of payments.
///
/// Each question may be asked any number of times, by several nodes at once: it moves money once, by the key of the row that it is
/// about.
#[async_trait]
pub(crate) trait Payments: Send + Sync {
    /// As rows and routes name it.
    fn name(&self) -> &'static str;

    /// Refuses sums that cannot be paid here, in words for whoever orders.
    fn check_amount(&self, _total: Money) -> Result<(), String> {
        Ok(())
    }

    /// Whether people say that money has come, so that there is nobody to ask.
    fn is_by_hand(&self) -> bool {
        false
    }

    /// Whether an object of this id is a payment, a refund or a dispute.
    fn kind_of(&self, provider_id: &str) -> Option<Kind>;

    /// Makes the payment there, or finds it made: the key says which it is.
    async fn begin(&self, payment: &Payment) -> Result<Told, Trouble>;

    /// Looks for the payment by what it was marked with: an answer that was lost longer ago than keys are kept there.
    async fn find(&self, payment: &Payment) -> Result<Option<Told>, Trouble>;

    /// Reads a payment.
    async fn look(&self, provider_id: &str) -> Result<Told, Trouble>;

    /// Ends a payment that has not been made. What comes back says what it is now, which may well be captured.
    async fn cancel(&self, provider_id: &str) -> Result<Told, Trouble>;

    /// Gives money of a payment back, or finds it given back: the key says which it is.
    async fn refund(&self, refund: &Refund, payment_id: &str) -> Result<ToldRefund, Trouble>;

    /// Looks for the refund by what it was marked with.
    async fn find_refund(
        &self,
        refund: &Refund,
        payment_id: &str,
    ) -> Result<Option<ToldRefund>, Trouble>;

    /// Reads a refund.
    async fn look_refund(&self, provider_id: &str) -> Result<ToldRefund, Trouble>;

    /// Refunds of whatever payments that were made since then, whoever made them: a page, the newest first, after the refund of this id.
    async fn refunds_since(
        &self,
        since: Timestamp,
        after: Option<&str>,
    ) -> Result<Refunds, Trouble>;

    /// Reads a dispute.
    async fn look_dispute(&self, provider_id: &str) -> Result<ToldDispute, Trouble>;

    /// Disputes of whatever payments that began since then and that nobody has decided.
    async fn open_disputes(&self, since: Timestamp) -> Result<Vec<ToldDispute>, Trouble>;

    /// Whether this mode (real money or not) is the one that is meant.
    fn is_mode(&self, live: bool) -> bool;

    /// Reads a message from the provider, if it is from the provider. What it says about money is not believed: only which object is
    /// to be read again.
    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<WebhookEvent, BadSignature>;
}

/// What an object at a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Payment,
    Refund,
    Dispute,
}

/// What a provider says of a payment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// Its id there.
    pub(crate) provider_id: String,
    pub(crate) state: PaymentState,
    /// What came, once something has; before that, what is to come.
    pub(crate) amount: Money,
    /// With what the customer's browser goes on.
    pub(crate) client_secret: Option<String>,
    /// Why the last attempt came to nothing.
    pub(crate) failure: Option<String>,
    /// Whether it is real money; none where there is no other.
    pub(crate) live: Option<bool>,
    /// The row that it was made for, as it is marked there.
    pub(crate) payment: Option<Uuid>,
}

/// What a provider says of a refund.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToldRefund {
    /// Its id there.
    pub(crate) provider_id: String,
    pub(crate) state: RefundState,
    pub(crate) amount: Money,
    /// Why it came to nothing.
    pub(crate) failure: Option<String>,
    /// The row that it was made for, as it is marked there. One that people made there has no mark.
    pub(crate) refund: Option<Uuid>,
    /// The payment that it is of, by its id there.
    pub(crate) payment_id: Option<String>,
    /// Whether that payment is of real money; none where it was not said, and then what was said of the payment itself counts.
    pub(crate) live: Option<bool>,
}

/// A page of a provider's list of refunds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refunds {
    /// One that cannot be read is left out.
    pub(crate) refunds: Vec<ToldRefund>,
    /// After which refund the next page begins; none when this is the last.
    pub(crate) after: Option<String>,
}

/// What a provider says of a dispute: a customer who has asked the bank for the money.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToldDispute {
    /// Its id there.
    pub(crate) provider_id: String,
    /// What is asked for. It may be less than was paid, and in another currency.
    pub(crate) amount: Money,
    /// How far it is, in the provider's words.
    pub(crate) status: String,
    /// What the customer says, in the provider's words.
    pub(crate) reason: Option<String>,
    /// The payment that it is about, by its id there.
    pub(crate) payment_id: Option<String>,
    /// Whether it is about real money.
    pub(crate) live: bool,
}

/// Why a provider did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// It will not, however often it is asked.
    #[error("refused ({code}): {message}")]
    Refused { code: String, message: String },
    /// Nobody knows whether it did. To be asked again with the same key.
    #[error("no answer that counts: {why}")]
    Later {
        /// As long as it wants to be left alone.
        after: Option<Duration>,
        why: String,
    },
}

impl Trouble {
    fn later(why: impl Into<String>) -> Trouble {
        Trouble::Later {
            after: None,
            why: why.into(),
        }
    }
}

/// A message from a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebhookEvent {
    /// Its id, by which one that comes twice is known.
    pub(crate) id: String,
    /// What it is about: `payment_intent.succeeded`.
    pub(crate) kind: String,
    /// The object to read again; none when it is about nothing of ours.
    pub(crate) object_id: Option<String>,
    /// Whether it is about real money; none where it does not say so.
    pub(crate) live: Option<bool>,
}

/// Why a message is not believed to be the provider's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSignature {
    #[error("the provider sends no messages")]
    NoWebhooks,
    #[error("the message is not signed")]
    Missing,
    #[error("the signature cannot be read")]
    Malformed,
    #[error("the message was signed too long ago, or by a clock that is ahead")]
    NotNow,
    #[error("the signature is not the provider's")]
    Wrong,
    #[error("the message is no event")]
    NoEvent,
}

/// When a row was made: its id says it. None for an id that came from elsewhere.
pub(crate) fn made_at(id: Uuid) -> Option<Timestamp> {
    let (seconds, _) = id.get_timestamp()?.to_unix();
    Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
}

/// The providers that are set up. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Providers(Arc<[Box<dyn Payments>]>);

impl Providers {
    /// `manual` is always there; `stripe` when it is configured.
    pub(crate) fn open(config: &Config) -> Result<Providers, String> {
        let mut all: Vec<Box<dyn Payments>> = vec![Box::new(Manual)];
        if let Some(stripe) = &config.stripe {
            all.push(Box::new(Stripe::open(stripe)?));
        }
        Ok(Providers(all.into()))
    }

    /// By name. A row may name one that is not set up any more.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn Payments> {
        let found = self.0.iter().find(|provider| provider.name() == name);
        found.map(|provider| &**provider)
    }

    /// All that are set up.
    pub(crate) fn all(&self) -> &[Box<dyn Payments>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_is_always_there_and_stripe_when_it_is_configured() {
        let providers = Providers::open(&Config::default()).unwrap();
        assert!(providers.get("manual").unwrap().is_by_hand());
        assert!(providers.get("stripe").is_none());
        let config = Config {
            stripe: Some(stripe::tests::config("http://127.0.0.1:1")),
            ..Config::default()
        };
        let providers = Providers::open(&config).unwrap();
        assert_eq!(providers.get("stripe").unwrap().name(), "stripe");
        assert!(!providers.get("stripe").unwrap().is_by_hand());
    }
}
