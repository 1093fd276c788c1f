//! `manual`: bank transfer, cash on delivery, an invoice. People see that money has come, and say so.

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::Timestamp;

use super::{
    BadSignature, Kind, Payments, Refunds, Told, ToldDispute, ToldRefund, Trouble, WebhookEvent,
};
use crate::model::payments::{Payment, PaymentState};
use crate::model::refunds::{Refund, RefundState};

/// Payments that nobody outside knows of. Their rows are the truth, so an object's id here is its row's.
pub(super) struct Manual;

#[async_trait]
impl Payments for Manual {
    fn name(&self) -> &'static str {
        "manual"
    }

    fn is_by_hand(&self) -> bool {
        true
    }

    fn kind_of(&self, _: &str) -> Option<Kind> {
        None
    }

    async fn begin(&self, payment: &Payment) -> Result<Told, Trouble> {
        Ok(Told {
            provider_id: payment.id.to_string(),
            state: PaymentState::Pending,
            amount: payment.amount,
            client_secret: None,
            failure: None,
            live: None,
            payment: Some(payment.id),
        })
    }

    async fn find(&self, payment: &Payment) -> Result<Option<Told>, Trouble> {
        self.begin(payment).await.map(Some)
    }

    async fn look(&self, _: &str) -> Result<Told, Trouble> {
        Err(nobody())
    }

    async fn cancel(&self, _: &str) -> Result<Told, Trouble> {
        Err(nobody())
    }

    /// Whoever asks for a refund gives the money back.
    async fn refund(&self, refund: &Refund, payment_id: &str) -> Result<ToldRefund, Trouble> {
        Ok(ToldRefund {
            provider_id: refund.id.to_string(),
            state: RefundState::Succeeded,
            amount: refund.amount,
            failure: None,
            refund: Some(refund.id),
            payment_id: Some(payment_id.to_owned()),
            live: None,
        })
    }

    async fn find_refund(
        &self,
        refund: &Refund,
        payment_id: &str,
    ) -> Result<Option<ToldRefund>, Trouble> {
        self.refund(refund, payment_id).await.map(Some)
    }

    async fn look_refund(&self, _: &str) -> Result<ToldRefund, Trouble> {
        Err(nobody())
    }

    async fn refunds_since(&self, _: Timestamp, _: Option<&str>) -> Result<Refunds, Trouble> {
        Err(nobody())
    }

    async fn look_dispute(&self, _: &str) -> Result<ToldDispute, Trouble> {
        Err(nobody())
    }

    /// No bank stands between those who pay by hand.
    async fn open_disputes(&self, _: Timestamp) -> Result<Vec<ToldDispute>, Trouble> {
        Ok(Vec::new())
    }

    fn is_mode(&self, _: bool) -> bool {
        true
    }

    fn verify_webhook(
        &self,
        _: &HeaderMap,
        _: &[u8],
        _: Timestamp,
    ) -> Result<WebhookEvent, BadSignature> {
        Err(BadSignature::NoWebhooks)
    }
}

fn nobody() -> Trouble {
    Trouble::Refused {
        code: "nobody_to_ask".to_owned(),
        message: "Payments by hand are known by their rows alone".to_owned(),
    }
}
