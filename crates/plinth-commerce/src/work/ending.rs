//! Orders that end before their goods go out: called off, or not paid in time.
//!
//! First the provider lets go of the payment, and only then the order gives its stock back. When we die in between, the payment is
//! cancelled and the order is still pending, and is met again. When money comes all the same, it is given back (`machine`, late captures).

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{TURNS, now, payments, refunds};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::{self, Event, State};
use crate::model;
use crate::model::actor::Actor;
use crate::model::idempotency::KeptKey;
use crate::model::orders::{self, Advanced, Change, Order};
use crate::money::Money;

/// An order whose payment could not be stopped is left alone for so long.
const AGAIN: Duration = Duration::from_mins(10);

/// What became of the end of an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    /// The order as it is now: ended, or paid just before.
    Done(Order),
    /// Its payment cannot be stopped now: the provider is at it, or does not answer.
    NotYet,
}

/// Ends an order by `Event::Cancel` or `Event::Expire`. One that has been paid gets its money back when it is cancelled, and goes on when
/// it was only to expire; where `even_paid` is not set, money that has come meanwhile keeps it from being cancelled. `kept` is stored
/// together with the step, if there is one.
pub(crate) async fn end(
    commerce: &Commerce,
    id: Uuid,
    event: Event,
    actor: Actor,
    details: &Value,
    kept: Option<&KeptKey>,
    even_paid: bool,
) -> Result<Ended, CommerceError> {
    for _ in 0..TURNS {
        let order = must_find(commerce, id).await?;
        let was_pending = order.state == State::Pending;
        if was_pending && !close_payments(commerce, id).await? {
            return Ok(Ended::NotYet);
        }
        // What was found at the provider may have changed it.
        let order = match was_pending {
            true => must_find(commerce, id).await?,
            false => order,
        };
        if event == Event::Expire && order.state != State::Pending {
            return Ok(Ended::Done(order));
        }
        if order.state == State::Paid && !even_paid {
            // It may be packed already.
            let state = order.state;
            return Err(machine::Illegal::Never { state, event }.into());
        }
        let step = machine::step(order.state, event, &order.provider, order.amounts(0), false)?;
        let due = step.refund_due;
        let refund = match due {
            0 => None,
            due => Some(give_back(commerce, &order, due).await?),
        };
        let change = Change {
            actor,
            reference: Some(format!("{event}:{id}")),
            refund,
            details: details.clone(),
            kept: kept.cloned(),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(order) => {
                if due > 0 {
                    commerce.worker.notify_one();
                }
                return Ok(Ended::Done(order));
            }
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy)
}

/// Ends an order whose time is over.
pub(super) async fn expire(commerce: &Commerce, id: Uuid) -> Result<(), CommerceError> {
    let (event, nothing) = (Event::Expire, Value::Null);
    let ended = end(commerce, id, event, Actor::System, &nothing, None, true).await?;
    if ended == Ended::NotYet {
        tracing::info!(order.id = %id, "the time of an order is over, and its payment cannot be stopped now");
        // The others have their turn before it is tried again.
        orders::postpone_expiry(commerce, id, now(commerce) + AGAIN).await?;
    }
    Ok(())
}

/// Ends every payment that is under way. Gives whether no money can come of any.
async fn close_payments(commerce: &Commerce, order: Uuid) -> Result<bool, CommerceError> {
    let mut are_closed = true;
    for payment in model::payments::of_order(commerce, order).await? {
        if payment.state.is_under_way() {
            are_closed &= payments::close(commerce, &payment).await?;
        }
    }
    Ok(are_closed)
}

/// The refund of all that a cancelled order had taken.
async fn give_back(
    commerce: &Commerce,
    order: &Order,
    amount: i64,
) -> Result<model::refunds::Refund, CommerceError> {
    let payments = model::payments::of_order(commerce, order.id).await?;
    let given = model::refunds::of_order(commerce, order.id).await?;
    let amount = Money::new(amount, order.currency);
    refunds::plan(&payments, &given, amount, now(commerce)).ok_or_else(|| {
        CommerceError::RefundRefused(
            "the money came with several payments; refund what came twice first".to_owned(),
        )
    })
}

async fn must_find(commerce: &Commerce, id: Uuid) -> Result<Order, CommerceError> {
    let order = orders::find(commerce, id).await?;
    order.ok_or(CommerceError::NoSuchOrder)
}
