//! What is done with an order that is there: paid again, cancelled, fulfilled, marked paid.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use plinth_http::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::body::invalid;
use super::once::{Answer, Failure, StaffWrite, Stored, Write, once};
use super::orders::{actable, ask_provider, may_pay, new_payment};
use super::refunds::ask_for_refunds;
use super::who::Who;
use super::{Id, orders as shop, render};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::{self, Event, Illegal, State as OrderState};
use crate::model::idempotency::Held;
use crate::model::orders::{self, Advanced, Change, Order};
use crate::model::payments::{self, PaymentState};
use crate::work::{self, Ended};

/// How often a step is decided anew because others have changed the order meanwhile.
pub(super) const TURNS: usize = 20;
/// Most attempts to pay one order. Each costs the shop a call to its provider.
const MAX_PAYMENTS: usize = 20;
/// Longest reason.
pub(super) const REASON_CHARS: usize = 500;

/// A body without members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /orders/{id}/pay`: another attempt, when no other is under way.
pub(crate) async fn pay(
    State(commerce): State<Commerce>,
    Id(id): Id,
    write: Write,
) -> Result<Response, ApiError> {
    let Nothing {} = write.optional_json()?;
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        pay_once(&commerce, &who, &held, id).await
    };
    once(commerce, write, None, work).await
}

async fn pay_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    id: Uuid,
) -> Result<Answer, Failure> {
    for _ in 0..TURNS {
        let order = actable(commerce, who, id).await?;
        let to_customer = may_pay(who, &order);
        let payments = payments::of_order(commerce, id).await?;
        let open = payments.iter().rfind(|one| one.state.is_under_way());
        if let Some(open) = open.filter(|_| order.state == OrderState::Pending) {
            // Whoever asks again gets the same one, so nobody pays twice.
            if open.state == PaymentState::Created {
                ask_provider(commerce, open.id).await;
            }
            return now_shown(commerce, id, to_customer).await;
        }
        // Before the rest, so that whoever has paid is told so.
        let step = next_step(&order, Event::Pay)?;
        if payments.len() >= MAX_PAYMENTS {
            return Err(too_many().into());
        }
        let payment = new_payment(commerce, &order)?;
        let (payment_id, state) = (payment.id, payment.state);
        let change = Change {
            actor: who.actor(),
            payment: Some(payment),
            details: json!({ "payment": payment_id }),
            kept: Some(Stored::Order(id).kept(held, StatusCode::OK)),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(_) => {
                if state == PaymentState::Created {
                    ask_provider(commerce, payment_id).await;
                }
                return now_shown(commerce, id, to_customer).await;
            }
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy.into())
}

/// What `POST /orders/{id}/cancel` reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    reason: Option<String>,
}

/// `POST /orders/{id}/cancel`.
pub(crate) async fn cancel(
    State(commerce): State<Commerce>,
    Id(id): Id,
    write: Write,
) -> Result<Response, ApiError> {
    let Cancel { reason } = write.optional_json()?;
    check_reason(reason.as_deref())?;
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        let details = json!({ "reason": reason });
        cancel_once(&commerce, &who, &held, id, details).await
    };
    once(commerce, write, None, work).await
}

async fn cancel_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    id: Uuid,
    details: Value,
) -> Result<Answer, Failure> {
    let order = actable(commerce, who, id).await?;
    let to_customer = may_pay(who, &order);
    if order.state == OrderState::Paid {
        // It may be packed already.
        who.must_be_staff()?;
    }
    let kept = Stored::Order(id).kept(held, StatusCode::OK);
    let actor = who.actor();
    let (event, even_paid) = (Event::Cancel, who.is_staff);
    let ended = work::end(commerce, id, event, actor, &details, Some(&kept), even_paid);
    match ended.await? {
        Ended::Done(_) => {
            ask_for_refunds(commerce, id).await?;
            now_shown(commerce, id, to_customer).await
        }
        Ended::NotYet => Err(CommerceError::PaymentUnderWay.into()),
    }
}

/// `POST /orders/{id}/fulfil`: the goods have gone out.
pub(crate) async fn fulfil(
    State(commerce): State<Commerce>,
    Id(id): Id,
    StaffWrite(write): StaffWrite,
) -> Result<Response, ApiError> {
    let Nothing {} = write.optional_json()?;
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        fulfil_once(&commerce, &who, &held, id).await
    };
    once(commerce, write, None, work).await
}

async fn fulfil_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    id: Uuid,
) -> Result<Answer, Failure> {
    for _ in 0..TURNS {
        let order = actable(commerce, who, id).await?;
        let step = next_step(&order, Event::Fulfil)?;
        let change = Change {
            actor: who.actor(),
            kept: Some(Stored::Order(id).kept(held, StatusCode::OK)),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(order) => {
                let value = shop::shown(commerce, &order, may_pay(who, &order)).await?;
                return Ok(Answer::ok(value));
            }
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy.into())
}

/// `POST /orders/{id}/paid`: staff have the money.
pub(crate) async fn paid(
    State(commerce): State<Commerce>,
    Id(id): Id,
    StaffWrite(write): StaffWrite,
) -> Result<Response, ApiError> {
    let Nothing {} = write.optional_json()?;
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        paid_once(&commerce, &who, &held, id).await
    };
    once(commerce, write, None, work).await
}

/// The payment is captured once, whoever says so how often: what a repeat finds is the order as it is.
async fn paid_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    id: Uuid,
) -> Result<Answer, Failure> {
    let order = actable(commerce, who, id).await?;
    let is_by_hand = match commerce.providers.get(&order.provider) {
        Some(provider) => provider.is_by_hand(),
        None => false,
    };
    if !is_by_hand {
        let provider = order.provider;
        return Err(CommerceError::NotByHand { provider }.into());
    }
    if order.state != OrderState::Pending {
        // The machine would take it for money that came twice.
        return Err(never(&order, Event::Capture).into());
    }
    let payments = payments::of_order(commerce, id).await?;
    let open = payments.iter().rfind(|one| one.state.is_under_way());
    let Some(open) = open else {
        return Err(never(&order, Event::Capture).into());
    };
    let kept = Stored::Order(id).kept(held, StatusCode::OK);
    let order = work::paid_by_hand(commerce, open, who.actor(), kept).await?;
    let value = shop::shown(commerce, &order, may_pay(who, &order)).await?;
    Ok(Answer::ok(value))
}

/// A step that moves no money by itself.
fn next_step(order: &Order, event: Event) -> Result<machine::Step, CommerceError> {
    let amounts = order.amounts(0);
    Ok(machine::step(
        order.state,
        event,
        &order.provider,
        amounts,
        false,
    )?)
}

fn never(order: &Order, event: Event) -> CommerceError {
    let state = order.state;
    Illegal::Never { state, event }.into()
}

/// The order as it is after all that.
async fn now_shown(commerce: &Commerce, id: Uuid, to_customer: bool) -> Result<Answer, Failure> {
    let order = orders::find(commerce, id).await?;
    let order = order.ok_or(CommerceError::NoSuchOrder)?;
    let payments = payments::of_order(commerce, id).await?;
    let value = render::order_with(&order, payments.last(), to_customer);
    Ok(Answer::ok(value))
}

/// A reason that people give.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), ApiError> {
    let is_long = reason.is_some_and(|text| text.chars().count() > REASON_CHARS);
    match is_long {
        true => Err(invalid(format!(
            "reason has more than {REASON_CHARS} characters"
        ))),
        false => Ok(()),
    }
}

fn too_many() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "commerce_too_many_attempts",
        format!("This order was tried to be paid {MAX_PAYMENTS} times"),
    )
}
