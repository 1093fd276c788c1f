//! Disputes: customers who have asked their banks for the money.
//!
//! What comes of one is settled between shop, bank and provider. It is written down with its order, so that staff see it, and listed while it
//! is open. It changes neither the order nor the books: docs/orders.md says what is left to the shop.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::now;
use crate::Commerce;
use crate::error::CommerceError;
use crate::model;
use crate::model::differences::Difference;
use crate::model::events::{EventState, StoredEvent};
use crate::model::payments::{self, Payment};
use crate::providers::{Payments, ToldDispute};

/// How old an open dispute may be: longer than banks take to decide.
const OLDEST: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What a message about a dispute is called among the events of an order; none for one of which staff need not hear.
pub(super) fn happened(kind: &str) -> Option<&'static str> {
    match kind {
        "charge.dispute.created" => Some("dispute_created"),
        "charge.dispute.funds_withdrawn" => Some("dispute_funds_withdrawn"),
        "charge.dispute.funds_reinstated" => Some("dispute_funds_reinstated"),
        "charge.dispute.closed" => Some("dispute_closed"),
        _ => None,
    }
}

/// Writes down with its order what a message was about, and gives what became of the message.
pub(super) async fn note(
    commerce: &Commerce,
    provider: &dyn Payments,
    message: &StoredEvent,
    happened: &str,
    told: &ToldDispute,
) -> Result<EventState, CommerceError> {
    let Some(payment) = payment(commerce, provider, told).await? else {
        return Ok(EventState::Ignored);
    };
    if !provider.is_mode(told.live) {
        tracing::error!(payment.id = %payment.id, order.id = %payment.order_id, provider = provider.name(), provider.id = told.provider_id,
            "a dispute is of the other mode: real money and tests are mixed up");
        return Ok(EventState::Failed);
    }
    let details = json!({
        "message": message.event_id,
        "dispute": told.provider_id,
        "amount": told.amount.amount,
        "currency": told.amount.currency.code(),
        "status": told.status,
        "reason": told.reason,
    });
    model::disputes::note(commerce, payment.order_id, happened, details).await?;
    Ok(EventState::Handled)
}

/// When the oldest dispute may have begun that is still open.
pub(super) fn oldest(commerce: &Commerce) -> Timestamp {
    now(commerce)
        .checked_sub(OLDEST)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Of open disputes those that are about payments of ours. Here nothing mends them.
pub(super) async fn ours(
    commerce: &Commerce,
    provider: &dyn Payments,
    open: &[ToldDispute],
) -> Result<Vec<Difference>, CommerceError> {
    let mut ours = Vec::new();
    for told in open {
        if let Some(payment) = payment(commerce, provider, told).await? {
            ours.push(difference(&payment, told));
        }
    }
    Ok(ours)
}

async fn payment(
    commerce: &Commerce,
    provider: &dyn Payments,
    told: &ToldDispute,
) -> Result<Option<Payment>, CommerceError> {
    match &told.payment_id {
        Some(id) => payments::by_provider_id(commerce, provider.name(), id).await,
        None => Ok(None),
    }
}

fn difference(payment: &Payment, told: &ToldDispute) -> Difference {
    let ToldDispute {
        provider_id,
        amount,
        status,
        ..
    } = told;
    Difference {
        what: "dispute".to_owned(),
        id: payment.id,
        order_id: payment.order_id,
        provider: payment.provider.clone(),
        ours: payment.state.as_str().to_owned(),
        theirs: format!("{provider_id} of {amount}: {status}"),
        mended: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_hear_of_what_begins_ends_and_costs_money() {
        assert_eq!(happened("charge.dispute.created"), Some("dispute_created"));
        assert_eq!(happened("charge.dispute.closed"), Some("dispute_closed"));
        for kind in ["charge.dispute.updated", "charge.succeeded", ""] {
            assert_eq!(happened(kind), None, "{kind}");
        }
    }
}
