//! One payment: what its provider says of it becomes what its order knows.
//!
//! Where we may die, and what is then: before the provider is asked, the row is due and it is asked; after it was asked and before the
//! answer is stored, it is asked again with the same key and says the same; after the order is stored, the row is captured and nothing
//! is left to do. Two at once ask with one key, and the second to store finds the order changed, the payment captured, and goes home.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{TURNS, next, now, refunds};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::{self, Event, Illegal, State};
use crate::model::actor::Actor;
use crate::model::idempotency::KeptKey;
use crate::model::orders::{self, Advanced, Change, Order};
use crate::model::payments::{self, Payment, PaymentState};
use crate::providers::{Payments, Told, Trouble, made_at};

/// How long a provider surely keeps what it answered to a key; Stripe says a day. After that a payment is looked for before it is begun.
const KEYS_HOLD: SignedDuration = SignedDuration::from_hours(20);

/// What became of a question about a payment.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// There was nothing to ask.
    Nothing,
    /// What the provider said was stored.
    Told(Told),
    /// What the provider said contradicts the row, in this way. Somebody must look at it.
    Contradicted(String),
    /// It did not say.
    Trouble(Trouble),
}

/// What a provider has to say of a payment.
enum Said {
    Told(Told),
    /// It knows of nothing, and nobody can pay what it does not know.
    Nothing,
}

/// Goes on with a payment, as far as it goes now.
pub(crate) async fn pay(commerce: &Commerce, id: Uuid) -> Result<(), CommerceError> {
    if let Some(payment) = payments::find(commerce, id).await? {
        ask(commerce, &payment).await?;
    }
    Ok(())
}

/// Stores that staff have the money, and keeps the answer with that. Gives the order as it is then.
pub(crate) async fn paid_by_hand(
    commerce: &Commerce,
    payment: &Payment,
    actor: Actor,
    kept: KeptKey,
) -> Result<Order, CommerceError> {
    let told = known_here(payment);
    store(commerce, payment, &told, actor, Some(&kept)).await?;
    let order = orders::find(commerce, payment.order_id).await?;
    order.ok_or(CommerceError::NoSuchOrder)
}

/// Asks the provider of a payment and stores what it says. The provider is asked to end one that its order no longer waits for.
pub(super) async fn ask(commerce: &Commerce, payment: &Payment) -> Result<Asked, CommerceError> {
    if !payment.state.is_under_way() {
        return Ok(Asked::Nothing);
    }
    let order = orders::find(commerce, payment.order_id).await?;
    let is_wanted = order.is_some_and(|order| order.state == State::Pending);
    let Some(provider) = commerce.providers.get(&payment.provider) else {
        let trouble = not_set_up(&payment.provider);
        return troubled(commerce, payment, trouble).await;
    };
    let waits_for_staff = provider.is_by_hand() && payment.provider_id.is_some();
    if is_wanted && waits_for_staff && payment.amount.amount > 0 {
        return Ok(Asked::Nothing);
    }
    let said = if is_wanted {
        begin_or_look(provider, payment, now(commerce)).await
    } else {
        stop(provider, payment).await
    };
    match said {
        Ok(Said::Told(told)) => settle(commerce, provider, payment, told).await,
        Ok(Said::Nothing) => {
            give_up(commerce, payment, PaymentState::Cancelled, None).await?;
            Ok(Asked::Nothing)
        }
        Err(trouble) => troubled(commerce, payment, trouble).await,
    }
}

/// Ends a payment of an order that is to end. Gives whether no money can come of it any more; if it has come, it is stored.
pub(super) async fn close(commerce: &Commerce, payment: &Payment) -> Result<bool, CommerceError> {
    let stopped = match commerce.providers.get(&payment.provider) {
        Some(provider) => (stop(provider, payment).await, Some(provider)),
        None => (Err(not_set_up(&payment.provider)), None),
    };
    match stopped {
        (Ok(Said::Told(told)), Some(provider)) => {
            let is_over = !told.state.is_under_way();
            let asked = settle(commerce, provider, payment, told).await?;
            Ok(is_over && matches!(asked, Asked::Told(_)))
        }
        // Who never had an answer has told nobody how to pay.
        (Err(_), _) if payment.provider_id.is_none() => {
            give_up(commerce, payment, PaymentState::Cancelled, None).await
        }
        (Ok(_), _) => give_up(commerce, payment, PaymentState::Cancelled, None).await,
        (Err(trouble), _) => {
            troubled(commerce, payment, trouble).await?;
            Ok(false)
        }
    }
}

/// Stores what a provider says of a payment, if that is what the row says, too.
pub(super) async fn settle(
    commerce: &Commerce,
    provider: &dyn Payments,
    payment: &Payment,
    told: Told,
) -> Result<Asked, CommerceError> {
    if let Some(why) = contradiction(provider, payment, &told) {
        tracing::error!(payment.id = %payment.id, order.id = %payment.order_id, provider = provider.name(), provider.id = told.provider_id,
            why, "what the provider says of a payment contradicts what it was asked for");
        let is_same = payment
            .provider_id
            .as_ref()
            .is_none_or(|id| *id == told.provider_id);
        if is_same && payment.state.is_under_way() {
            // Of another payment not even the id is taken.
            let is_marked = told.payment == Some(payment.id);
            let id = is_marked.then_some(told.provider_id);
            postpone(commerce, payment, id, Some(why.clone()), None).await?;
        }
        return Ok(Asked::Contradicted(why));
    }
    store(commerce, payment, &told, Actor::Provider, None).await?;
    Ok(Asked::Told(told))
}

/// Begins it with the key of its row, finds it begun, or reads it.
async fn begin_or_look(
    provider: &dyn Payments,
    payment: &Payment,
    now: Timestamp,
) -> Result<Said, Trouble> {
    if payment.amount.amount == 0 {
        // No provider takes nothing.
        return Ok(Said::Told(known_here(payment)));
    }
    let told = match &payment.provider_id {
        Some(id) => provider.look(id).await?,
        None if is_fresh(payment.id, now) => provider.begin(payment).await?,
        None => match provider.find(payment).await? {
            Some(told) => told,
            None => provider.begin(payment).await?,
        },
    };
    Ok(Said::Told(told))
}

/// Has the provider end it, or say what it has become.
async fn stop(provider: &dyn Payments, payment: &Payment) -> Result<Said, Trouble> {
    if provider.is_by_hand() {
        return Ok(Said::Nothing);
    }
    let id = match &payment.provider_id {
        Some(id) => id.clone(),
        None if payment.amount.amount == 0 => return Ok(Said::Nothing),
        None => match provider.find(payment).await? {
            Some(told) => told.provider_id,
            None => return Ok(Said::Nothing),
        },
    };
    provider.cancel(&id).await.map(Said::Told)
}

/// Whether an answer that was lost can still be had with the key alone.
pub(super) fn is_fresh(id: Uuid, now: Timestamp) -> bool {
    made_at(id).is_some_and(|at| now.duration_since(at) < KEYS_HOLD)
}

/// Captured, as nobody outside knows.
fn known_here(payment: &Payment) -> Told {
    Told {
        provider_id: payment.id.to_string(),
        state: PaymentState::Captured,
        amount: payment.amount,
        client_secret: None,
        failure: None,
        live: None,
        payment: Some(payment.id),
    }
}

fn not_set_up(provider: &str) -> Trouble {
    Trouble::Later {
        after: None,
        why: format!("the provider {provider} is not set up"),
    }
}

/// In what a provider's answer is not about this row.
fn contradiction(provider: &dyn Payments, payment: &Payment, told: &Told) -> Option<String> {
    if told.live.is_some_and(|live| !provider.is_mode(live)) {
        return Some("it is of the other mode: real money and tests are mixed up".to_owned());
    }
    if told.payment.is_some_and(|marked| marked != payment.id) {
        return Some("it is marked as another payment's".to_owned());
    }
    match &payment.provider_id {
        Some(known) if *known != told.provider_id => {
            return Some(format!("it is a second one beside {known}"));
        }
        _ => {}
    }
    // Nothing came of it, so it does not matter of how much.
    if told.state == PaymentState::Cancelled || told.amount == payment.amount {
        return None;
    }
    Some(format!(
        "it is of {}, not of {}",
        told.amount, payment.amount
    ))
}

/// Stores what was said of a payment, with its order when that changes, too. `kept` is stored together with the step, if there is one.
///
/// The order is read before the payment: what somebody else stores after that makes the order another, and the step is refused.
async fn store(
    commerce: &Commerce,
    known: &Payment,
    told: &Told,
    actor: Actor,
    kept: Option<&KeptKey>,
) -> Result<(), CommerceError> {
    for _ in 0..TURNS {
        let order = orders::find(commerce, known.order_id).await?;
        let order = order.ok_or(CommerceError::NoSuchOrder)?;
        let payment = payments::find(commerce, known.id).await?;
        let payment = payment.ok_or(CommerceError::NotFound { what: "payment" })?;
        if payment.state == PaymentState::Captured || !is_taken(&payment, told) {
            return Ok(());
        }
        let becomes = becomes(&payment, told, now(commerce));
        let Some(event) = event(&order, &payment, told) else {
            payments::note(commerce, &becomes).await?;
            return Ok(());
        };
        if event == Event::Capture && order.state != State::Pending && is_by_hand(&payment, told) {
            // Nothing has come; somebody only said so, too late. It is not ours to give back.
            let state = order.state;
            return Err(Illegal::Never { state, event }.into());
        }
        let amounts = order.amounts(payment.amount.amount);
        let step = match machine::step(order.state, event, &payment.provider, amounts, false) {
            Ok(step) => step,
            Err(illegal) => return unbooked(commerce, &payment, told, illegal).await,
        };
        let due = step.refund_due;
        let change = Change {
            actor,
            reference: Some(format!("capture:{}", payment.id)),
            refund: (due > 0).then(|| refunds::unwanted(&becomes, due, now(commerce))),
            payment: Some(becomes),
            kept: kept.cloned(),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(_) => {
                if due > 0 {
                    commerce.worker.notify_one();
                }
                return Ok(());
            }
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy)
}

/// Whether the row takes an answer, as `commerce.save_payment` has it: what has ended goes on only by news. An answer that was long on its
/// way is none.
fn is_taken(payment: &Payment, told: &Told) -> bool {
    payment.state.is_under_way()
        || told.state == payment.state
        || told.state == PaymentState::Captured
        || payment.provider_id.as_ref() != Some(&told.provider_id)
}

/// What happens to the order; none when only the payment's row changes.
fn event(order: &Order, payment: &Payment, told: &Told) -> Option<Event> {
    if told.state == PaymentState::Captured {
        return Some(Event::Capture);
    }
    if order.state != State::Pending {
        return None;
    }
    let has_failed = told.failure.is_some() && told.failure != payment.failure;
    let is_asked = told.state == PaymentState::ActionRequired && payment.state != told.state;
    match (has_failed, is_asked) {
        (true, _) => Some(Event::PaymentFailed),
        (false, true) => Some(Event::ActionRequired),
        (false, false) => None,
    }
}

/// The row after an answer.
fn becomes(payment: &Payment, told: &Told, now: Timestamp) -> Payment {
    let attempts = payment.attempts.saturating_add(1);
    let is_asked_again = told.state.is_under_way() && !is_by_hand(payment, told);
    Payment {
        state: told.state,
        provider_id: Some(told.provider_id.clone()),
        client_secret: told
            .client_secret
            .clone()
            .or_else(|| payment.client_secret.clone()),
        failure: told.failure.clone(),
        attempts,
        due_at: is_asked_again.then(|| next(now, attempts, None)),
        ..payment.clone()
    }
}

/// What is known there by its row's id is known nowhere else.
fn is_by_hand(payment: &Payment, told: &Told) -> bool {
    told.provider_id == payment.id.to_string()
}

/// No answer: asked again later. A refusal ends a payment that the provider never made.
async fn troubled(
    commerce: &Commerce,
    payment: &Payment,
    trouble: Trouble,
) -> Result<Asked, CommerceError> {
    tracing::warn!(payment.id = %payment.id, order.id = %payment.order_id, provider = payment.provider, %trouble, "a payment does not get on");
    match &trouble {
        Trouble::Refused { message, .. } if payment.provider_id.is_none() => {
            let message = Some(message.clone());
            give_up(commerce, payment, PaymentState::Failed, message).await?;
        }
        Trouble::Refused { message, .. } => {
            let message = Some(message.clone());
            postpone(commerce, payment, None, message, None).await?;
        }
        Trouble::Later { after, .. } => {
            let failure = payment.failure.clone();
            postpone(commerce, payment, None, failure, *after).await?;
        }
    }
    Ok(Asked::Trouble(trouble))
}

/// The provider knows nothing of it and will not. Gives whether that is so still: it may have been captured meanwhile.
async fn give_up(
    commerce: &Commerce,
    payment: &Payment,
    state: PaymentState,
    failure: Option<String>,
) -> Result<bool, CommerceError> {
    let becomes = Payment {
        state,
        failure,
        attempts: payment.attempts.saturating_add(1),
        due_at: None,
        ..payment.clone()
    };
    payments::note(commerce, &becomes).await
}

/// Asked again later, with what is known of it now.
async fn postpone(
    commerce: &Commerce,
    payment: &Payment,
    provider_id: Option<String>,
    failure: Option<String>,
    after: Option<Duration>,
) -> Result<(), CommerceError> {
    let attempts = payment.attempts.saturating_add(1);
    let becomes = Payment {
        provider_id: provider_id.or_else(|| payment.provider_id.clone()),
        failure,
        attempts,
        due_at: Some(next(now(commerce), attempts, after)),
        ..payment.clone()
    };
    payments::note(commerce, &becomes).await?;
    Ok(())
}

/// Money has moved and the machine knows no step for it, which its tests say cannot be. Kept due, and said loudly.
async fn unbooked(
    commerce: &Commerce,
    payment: &Payment,
    told: &Told,
    illegal: Illegal,
) -> Result<(), CommerceError> {
    tracing::error!(payment.id = %payment.id, order.id = %payment.order_id, provider.id = told.provider_id, %illegal,
        "money of a payment has no place in the books");
    let (id, why) = (Some(told.provider_id.clone()), Some(illegal.to_string()));
    postpone(commerce, payment, id, why, None).await
}

#[cfg(test)]
mod tests;
