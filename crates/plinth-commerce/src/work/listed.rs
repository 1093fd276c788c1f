//! Refunds as a provider lists them: all of the last weeks, whoever made them, and whatever age their payments have.
//!
//! So is found what no message told of: a refund that people made on the provider's pages, and one that came back long after it was made. One
//! question is for a hundred refunds, which asking about every payment would not be.

use jiff::{SignedDuration, Timestamp};

use super::{now, refunds};
use crate::Commerce;
use crate::error::CommerceError;
use crate::model;
use crate::model::differences::Difference;
use crate::model::payments::Payment;
use crate::model::refunds::{Refund, RefundState};
use crate::providers::{Payments, ToldRefund};

/// When the weeks began that are compared.
pub(super) fn since(commerce: &Commerce) -> Timestamp {
    let window = SignedDuration::try_from(commerce.config.reconcile_window).unwrap_or_default();
    now(commerce)
        .checked_sub(window)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Compares what a list says of a refund with what is known here, and mends what can be. Gives in what they differed.
pub(super) async fn compare(
    commerce: &Commerce,
    provider: &dyn Payments,
    told: ToldRefund,
) -> Result<Option<Difference>, CommerceError> {
    match known(commerce, provider, &told).await? {
        // It is asked for by itself, or will come to something there first.
        Some(row) if row.state.is_under_way() || told.state.is_under_way() => Ok(None),
        Some(row) => compare_final(commerce, provider, &row, &told).await,
        None => unknown(commerce, provider, told).await,
    }
}

/// The row of a refund.
async fn known(
    commerce: &Commerce,
    provider: &dyn Payments,
    told: &ToldRefund,
) -> Result<Option<Refund>, CommerceError> {
    let name = provider.name();
    let known = model::refunds::by_provider_id(commerce, name, &told.provider_id).await?;
    match (known, told.refund) {
        (Some(row), _) => Ok(Some(row)),
        // Our own call may not have returned: the mark says whose it is.
        (None, Some(marked)) => model::refunds::find(commerce, marked).await,
        (None, None) => Ok(None),
    }
}

/// A refund that is final here, beside what the provider says of it.
pub(super) async fn compare_final(
    commerce: &Commerce,
    provider: &dyn Payments,
    row: &Refund,
    told: &ToldRefund,
) -> Result<Option<Difference>, CommerceError> {
    if is_same(row, told) {
        return Ok(None);
    }
    let theirs = format!("{}, {}", told.state.as_str(), told.amount);
    refunds::settle(commerce, provider, row, told.clone()).await?;
    let is_now = model::refunds::find(commerce, row.id).await?;
    let mended = is_now.is_some_and(|row| is_same(&row, told));
    Ok(Some(of_refund(row, provider.name(), theirs, mended)))
}

/// Nothing came of one that failed, so it does not matter of how much.
fn is_same(row: &Refund, told: &ToldRefund) -> bool {
    row.state == told.state && (row.state == RefundState::Failed || row.amount == told.amount)
}

/// Takes up a refund that people made at the provider, as a message of it would have it.
async fn unknown(
    commerce: &Commerce,
    provider: &dyn Payments,
    told: ToldRefund,
) -> Result<Option<Difference>, CommerceError> {
    let name = provider.name();
    let (Some(payment_id), false) = (&told.payment_id, told.state == RefundState::Failed) else {
        return Ok(None);
    };
    let payment = model::payments::by_provider_id(commerce, name, payment_id).await?;
    // One whose money is not booked yet is asked for first.
    let Some(payment) = payment.filter(|payment| !payment.state.is_under_way()) else {
        return Ok(None);
    };
    taken_up(commerce, provider, &payment, told).await.map(Some)
}

async fn taken_up(
    commerce: &Commerce,
    provider: &dyn Payments,
    payment: &Payment,
    told: ToldRefund,
) -> Result<Difference, CommerceError> {
    let (name, state, amount) = (provider.name(), told.state, told.amount);
    let id = told.provider_id.clone();
    let theirs = format!("refund {id} of {amount}: {}", state.as_str());
    let theirs = match refunds::adopt(commerce, provider, told).await {
        Ok(refunds::Asked::Contradicted(why)) => format!("{theirs}; {why}"),
        Ok(_) => theirs,
        Err(error) if error.may_pass() => return Err(error),
        // The order has no room for it. That is for people to look at, and no reason to compare nothing else.
        Err(error) => format!("{theirs}; {error}"),
    };
    let is_now = model::refunds::by_provider_id(commerce, name, &id).await?;
    let mended = is_now.is_some_and(|refund| refund.state == state && refund.amount == amount);
    let ours = "no such refund".to_owned();
    Ok(of_payment(payment, ours, theirs, mended))
}

/// A difference about a payment.
pub(super) fn of_payment(row: &Payment, ours: String, theirs: String, mended: bool) -> Difference {
    Difference {
        what: "payment".to_owned(),
        id: row.id,
        order_id: row.order_id,
        provider: row.provider.clone(),
        ours,
        theirs,
        mended,
    }
}

/// A difference about a refund.
pub(super) fn of_refund(row: &Refund, provider: &str, theirs: String, mended: bool) -> Difference {
    Difference {
        what: "refund".to_owned(),
        id: row.id,
        order_id: row.order_id,
        provider: provider.to_owned(),
        ours: said(row.state.as_str(), row.failure.as_ref()),
        theirs,
        mended,
    }
}

/// A state, and why it is that.
pub(super) fn said(state: &str, failure: Option<&String>) -> String {
    match failure {
        Some(failure) => format!("{state} ({failure})"),
        None => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::work::stage::eur;

    #[test]
    fn state_and_amount_are_compared() {
        use RefundState::{Failed, Succeeded};
        let same = |ours: (RefundState, i64), theirs: (RefundState, i64)| {
            let row = Refund {
                id: Uuid::nil(),
                order_id: Uuid::nil(),
                payment_id: Uuid::nil(),
                amount: eur(ours.1),
                reason: None,
                restock: false,
                state: ours.0,
                provider_id: Some("re_1".to_owned()),
                failure: None,
                idempotency_key: "key".to_owned(),
                attempts: 1,
                due_at: None,
            };
            let told = ToldRefund {
                provider_id: "re_1".to_owned(),
                state: theirs.0,
                amount: eur(theirs.1),
                failure: None,
                refund: None,
                payment_id: None,
                live: None,
            };
            is_same(&row, &told)
        };
        assert!(same((Succeeded, 5), (Succeeded, 5)));
        assert!(!same((Succeeded, 5), (Succeeded, 6)));
        assert!(!same((Succeeded, 5), (Failed, 5)));
        assert!(!same((Failed, 5), (Succeeded, 5)));
        assert!(same((Failed, 5), (Failed, 6)));
    }
}
