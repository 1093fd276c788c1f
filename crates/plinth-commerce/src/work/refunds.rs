//! One refund: what its provider says of it becomes what its order knows.
//!
//! As with payments, dying anywhere leaves a row that is due and a key by which the provider knows what it did. A key is forgotten there
//! after a day, and a second refund would be money lost; so after that a refund is looked for before it is asked for.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::payments::is_fresh;
use super::{TURNS, next, now};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::{self, Event, Illegal};
use crate::model::actor::Actor;
use crate::model::orders::{self, Advanced, Change, Order};
use crate::model::payments::{self, Payment, PaymentState};
use crate::model::refunds::{self, Refund, RefundState};
use crate::money::Money;
use crate::providers::{Payments, ToldRefund, Trouble};

/// What became of a question about a refund.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// There was nothing to ask.
    Nothing,
    /// What the provider said was stored.
    Told(ToldRefund),
    /// What the provider said contradicts the row, in this way. Somebody must look at it.
    Contradicted(String),
    /// It did not say.
    Trouble(Trouble),
}

/// Goes on with a refund, as far as it goes now.
pub(crate) async fn refund(commerce: &Commerce, id: Uuid) -> Result<(), CommerceError> {
    if let Some(refund) = refunds::find(commerce, id).await? {
        ask(commerce, &refund).await?;
    }
    Ok(())
}

/// A refund of `amount` from the payment of an order that has so much left. None when no payment has: what came with two of them goes back
/// with two refunds.
pub(crate) fn plan(
    payments: &[Payment],
    refunds: &[Refund],
    amount: Money,
    now: Timestamp,
) -> Option<Refund> {
    let left = |payment: &Payment| {
        let given = refunds
            .iter()
            .filter(|refund| refund.payment_id == payment.id)
            .filter(|refund| refund.state != RefundState::Failed)
            .fold(0_i64, |sum, refund| {
                sum.saturating_add(refund.amount.amount)
            });
        payment.amount.amount.saturating_sub(given)
    };
    let payment = payments.iter().find(|payment| {
        payment.state == PaymentState::Captured
            && payment.amount.currency == amount.currency
            && left(payment) >= amount.amount
    })?;
    Some(of(payment, amount, now))
}

/// The refund of money that its order does not want.
pub(super) fn unwanted(payment: &Payment, amount: i64, now: Timestamp) -> Refund {
    let amount = Money::new(amount, payment.amount.currency);
    Refund {
        reason: Some("The payment came when its order did not want it any more".to_owned()),
        ..of(payment, amount, now)
    }
}

fn of(payment: &Payment, amount: Money, now: Timestamp) -> Refund {
    let id = Uuid::now_v7();
    Refund {
        id,
        order_id: payment.order_id,
        payment_id: payment.id,
        amount,
        reason: None,
        restock: false,
        state: RefundState::Created,
        provider_id: None,
        failure: None,
        idempotency_key: format!("refund-{id}"),
        attempts: 0,
        due_at: Some(now),
    }
}

/// Asks the provider for a refund, or of it, and stores what it says.
pub(super) async fn ask(commerce: &Commerce, refund: &Refund) -> Result<Asked, CommerceError> {
    if !refund.state.is_under_way() {
        return Ok(Asked::Nothing);
    }
    let payment = payments::find(commerce, refund.payment_id).await?;
    let payment = payment.ok_or(CommerceError::NotFound { what: "payment" })?;
    let Some(provider) = commerce.providers.get(&payment.provider) else {
        let trouble = Trouble::Later {
            after: None,
            why: format!("the provider {} is not set up", payment.provider),
        };
        return troubled(commerce, refund, &payment.provider, trouble).await;
    };
    match make_or_look(provider, refund, &payment, now(commerce)).await {
        Ok(told) => settle(commerce, provider, refund, told).await,
        Err(trouble) => troubled(commerce, refund, provider.name(), trouble).await,
    }
}

async fn make_or_look(
    provider: &dyn Payments,
    refund: &Refund,
    payment: &Payment,
    now: Timestamp,
) -> Result<ToldRefund, Trouble> {
    let Some(payment_id) = &payment.provider_id else {
        return Err(Trouble::Later {
            after: None,
            why: "the payment has no id at its provider".to_owned(),
        });
    };
    match &refund.provider_id {
        Some(id) if !provider.is_by_hand() => provider.look_refund(id).await,
        _ if is_fresh(refund.id, now) => provider.refund(refund, payment_id).await,
        _ => match provider.find_refund(refund, payment_id).await? {
            Some(told) => Ok(told),
            None => provider.refund(refund, payment_id).await,
        },
    }
}

/// Stores what a provider says of a refund, if that is what the row says, too.
pub(super) async fn settle(
    commerce: &Commerce,
    provider: &dyn Payments,
    refund: &Refund,
    told: ToldRefund,
) -> Result<Asked, CommerceError> {
    if let Some(why) = contradiction(provider, refund, &told) {
        tracing::error!(refund.id = %refund.id, order.id = %refund.order_id, provider = provider.name(), provider.id = told.provider_id,
            why, "what the provider says of a refund contradicts what it was asked for");
        if refund.state.is_under_way() {
            postpone(commerce, refund, Some(why.clone()), None).await?;
        }
        return Ok(Asked::Contradicted(why));
    }
    store(commerce, provider.name(), refund, &told).await?;
    Ok(Asked::Told(told))
}

/// Takes up a refund that people made at the provider: money has gone back that our books do not know of. There is nothing to take up when
/// it is not of a payment of ours, or nothing came of it.
pub(super) async fn adopt(
    commerce: &Commerce,
    provider: &dyn Payments,
    told: ToldRefund,
) -> Result<Asked, CommerceError> {
    let Some(payment_id) = &told.payment_id else {
        return Ok(Asked::Nothing);
    };
    let payment = payments::by_provider_id(commerce, provider.name(), payment_id).await?;
    let Some(payment) = payment.filter(|_| told.state != RefundState::Failed) else {
        return Ok(Asked::Nothing);
    };
    // Whoever calls has found no row by its mark: a backup has been restored that is older than the refund.
    let told = ToldRefund {
        refund: None,
        ..told
    };
    if let Some(why) = other_mode(provider, &told) {
        // Before there is a row of it.
        tracing::error!(payment.id = %payment.id, order.id = %payment.order_id, provider = provider.name(), provider.id = told.provider_id,
            why, "a refund that people made at the provider is not taken up");
        return Ok(Asked::Contradicted(why));
    }
    for _ in 0..TURNS {
        let order = must_find(commerce, payment.order_id).await?;
        let known = refunds::by_provider_id(commerce, provider.name(), &told.provider_id).await?;
        if let Some(refund) = known {
            return settle(commerce, provider, &refund, told).await;
        }
        let amounts = order.amounts(told.amount.amount);
        let step = machine::step(
            order.state,
            Event::AskRefund,
            provider.name(),
            amounts,
            false,
        )?;
        let refund = Refund {
            reason: Some("Made at the provider".to_owned()),
            provider_id: Some(told.provider_id.clone()),
            ..of(&payment, told.amount, now(commerce))
        };
        let change = Change {
            actor: Actor::Provider,
            refund: Some(refund.clone()),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(_) => return settle(commerce, provider, &refund, told).await,
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy)
}

/// In what a provider's answer is not about this row.
fn contradiction(provider: &dyn Payments, refund: &Refund, told: &ToldRefund) -> Option<String> {
    if let Some(why) = other_mode(provider, told) {
        return Some(why);
    }
    if told.refund.is_some_and(|marked| marked != refund.id) {
        return Some("it is marked as another refund's".to_owned());
    }
    match &refund.provider_id {
        Some(known) if *known != told.provider_id => {
            return Some(format!("it is a second one beside {known}"));
        }
        _ => {}
    }
    if told.state == RefundState::Failed || told.amount == refund.amount {
        return None;
    }
    Some(format!(
        "it is of {}, not of {}",
        told.amount, refund.amount
    ))
}

/// The mode is that of the payment that was given back: providers say none of refunds. Where an answer leaves it out, the payment was looked at
/// when its money came, and a payment does not change its mode.
fn other_mode(provider: &dyn Payments, told: &ToldRefund) -> Option<String> {
    let is_other = told.live.is_some_and(|live| !provider.is_mode(live));
    is_other.then(|| {
        "it is of a payment of the other mode: real money and tests are mixed up".to_owned()
    })
}

/// Stores what was said of a refund, with its order when that changes, too.
///
/// The order is read before the refund: what somebody else stores after that makes the order another, and the step is refused.
async fn store(
    commerce: &Commerce,
    provider: &str,
    known: &Refund,
    told: &ToldRefund,
) -> Result<(), CommerceError> {
    for _ in 0..TURNS {
        let order = must_find(commerce, known.order_id).await?;
        let refund = must_find_refund(commerce, known.id).await?;
        let becomes = becomes(&refund, told, now(commerce));
        let Some((event, reference)) = event(&refund, told) else {
            if refund.state.is_under_way() {
                refunds::note(commerce, &becomes).await?;
            }
            return Ok(());
        };
        let amounts = order.amounts(refund.amount.amount);
        let step = match machine::step(order.state, event, provider, amounts, refund.restock) {
            Ok(step) => step,
            Err(illegal) => return unbooked(commerce, &refund, told, illegal).await,
        };
        let change = Change {
            actor: Actor::Provider,
            reference,
            refund: Some(becomes),
            details: details(&refund, told),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(_) => return Ok(()),
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy)
}

/// What happens to the order, and what it is booked as; none when only the refund's row changes, or nothing.
fn event(refund: &Refund, told: &ToldRefund) -> Option<(Event, Option<String>)> {
    use RefundState::{Created, Failed, Pending, Succeeded};
    match (refund.state, told.state) {
        (Created | Pending, Succeeded) => {
            Some((Event::Refund, Some(format!("refund:{}", refund.id))))
        }
        (Created | Pending, Failed) => Some((Event::RefundFailed, None)),
        // The customer's bank did not take it.
        (Succeeded, Failed) => Some((
            Event::RefundReturned,
            Some(format!("returned:{}", refund.id)),
        )),
        (Created | Pending | Succeeded | Failed, Created | Pending) => None,
        // The second was heard before the first: what failed in the end stays so.
        (Succeeded | Failed, Succeeded) | (Failed, Failed) => None,
    }
}

fn becomes(refund: &Refund, told: &ToldRefund, now: Timestamp) -> Refund {
    let attempts = refund.attempts.saturating_add(1);
    Refund {
        state: told.state,
        provider_id: Some(told.provider_id.clone()),
        failure: told.failure.clone(),
        attempts,
        due_at: told.state.is_under_way().then(|| next(now, attempts, None)),
        ..refund.clone()
    }
}

fn details(refund: &Refund, told: &ToldRefund) -> Value {
    json!({ "refund": refund.id, "amount": refund.amount.amount, "failure": told.failure })
}

/// No answer: asked again later. A refusal is the end of it.
async fn troubled(
    commerce: &Commerce,
    refund: &Refund,
    provider: &str,
    trouble: Trouble,
) -> Result<Asked, CommerceError> {
    tracing::warn!(refund.id = %refund.id, order.id = %refund.order_id, provider, %trouble, "a refund does not get on");
    match &trouble {
        // Never made there, so nothing has gone back.
        Trouble::Refused { message, .. } if refund.provider_id.is_none() => {
            refuse(commerce, provider, refund, message).await?;
        }
        Trouble::Refused { message, .. } => {
            postpone(commerce, refund, Some(message.clone()), None).await?;
        }
        Trouble::Later { after, .. } => {
            postpone(commerce, refund, refund.failure.clone(), *after).await?;
        }
    }
    Ok(Asked::Trouble(trouble))
}

/// Stores that the provider will not do it.
async fn refuse(
    commerce: &Commerce,
    provider: &str,
    known: &Refund,
    why: &str,
) -> Result<(), CommerceError> {
    for _ in 0..TURNS {
        let order = must_find(commerce, known.order_id).await?;
        let refund = must_find_refund(commerce, known.id).await?;
        // A webhook may have told meanwhile that it was made.
        if !refund.state.is_under_way() || refund.provider_id.is_some() {
            return Ok(());
        }
        let amounts = order.amounts(refund.amount.amount);
        let step = machine::step(
            order.state,
            Event::RefundFailed,
            provider,
            amounts,
            refund.restock,
        )?;
        let becomes = Refund {
            state: RefundState::Failed,
            failure: Some(why.to_owned()),
            attempts: refund.attempts.saturating_add(1),
            due_at: None,
            ..refund.clone()
        };
        let change = Change {
            actor: Actor::Provider,
            refund: Some(becomes),
            details: json!({ "refund": refund.id, "amount": refund.amount.amount, "failure": why }),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(_) => return Ok(()),
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy)
}

async fn postpone(
    commerce: &Commerce,
    refund: &Refund,
    failure: Option<String>,
    after: Option<Duration>,
) -> Result<(), CommerceError> {
    let attempts = refund.attempts.saturating_add(1);
    let becomes = Refund {
        failure,
        attempts,
        due_at: Some(next(now(commerce), attempts, after)),
        ..refund.clone()
    };
    refunds::note(commerce, &becomes).await?;
    Ok(())
}

/// Money has gone back and the machine knows no step for it, which its tests say cannot be. Kept due, and said loudly.
async fn unbooked(
    commerce: &Commerce,
    refund: &Refund,
    told: &ToldRefund,
    illegal: Illegal,
) -> Result<(), CommerceError> {
    tracing::error!(refund.id = %refund.id, order.id = %refund.order_id, provider.id = told.provider_id, %illegal,
        "money of a refund has no place in the books");
    postpone(commerce, refund, Some(illegal.to_string()), None).await
}

async fn must_find_refund(commerce: &Commerce, id: Uuid) -> Result<Refund, CommerceError> {
    let refund = refunds::find(commerce, id).await?;
    refund.ok_or(CommerceError::NotFound { what: "refund" })
}

async fn must_find(commerce: &Commerce, id: Uuid) -> Result<Order, CommerceError> {
    let order = orders::find(commerce, id).await?;
    order.ok_or(CommerceError::NoSuchOrder)
}

#[cfg(test)]
mod tests;
