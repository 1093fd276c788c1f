//! Refunds: asked for by staff, written down before the provider hears of them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use plinth_http::ApiError;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::acts::{TURNS, check_reason};
use super::body::{self, invalid};
use super::once::{Answer, Failure, StaffWrite, Stored, once};
use super::orders::{PROVIDER_WAIT, actable};
use super::who::{Staff, Who};
use super::{Id, render};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::{self, Event};
use crate::model::idempotency::Held;
use crate::model::orders::{self, Advanced, Change, Order};
use crate::model::payments;
use crate::model::refunds::{self, Refund};
use crate::money::Money;
use crate::work;

/// What `POST /orders/{id}/refunds` reads.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    /// All that is left where it is not there. A null is a mistake of the client's, and must not give everything back.
    #[serde(default, deserialize_with = "body::present")]
    amount: Option<i64>,
    reason: Option<String>,
    #[serde(default)]
    restock: bool,
}

/// `POST /orders/{id}/refunds`.
pub(crate) async fn create(
    State(commerce): State<Commerce>,
    Id(id): Id,
    StaffWrite(write): StaffWrite,
) -> Result<Response, ApiError> {
    let asked: New = write.optional_json()?;
    check_reason(asked.reason.as_deref())?;
    if asked.amount.is_some_and(|amount| amount <= 0) {
        return Err(invalid("amount must be above zero"));
    }
    let work = move |commerce: Commerce, who: Who, held: Held| async move {
        create_once(&commerce, &who, &held, id, &asked).await
    };
    once(commerce, write, None, work).await
}

async fn create_once(
    commerce: &Commerce,
    who: &Who,
    held: &Held,
    id: Uuid,
    asked: &New,
) -> Result<Answer, Failure> {
    for _ in 0..TURNS {
        let order = actable(commerce, who, id).await?;
        let amount = asked.amount.unwrap_or_else(|| order.amounts(0).left());
        let amounts = order.amounts(amount);
        // Says first whether so much may go back at all.
        let step = machine::step(
            order.state,
            Event::AskRefund,
            &order.provider,
            amounts,
            asked.restock,
        );
        let step = step.map_err(CommerceError::from)?;
        let refund = planned(commerce, &order, amount, asked).await?;
        let change = Change {
            actor: who.actor(),
            details: json!({ "refund": refund.id, "amount": amount, "reason": refund.reason }),
            kept: Some(Stored::Refund(refund.id).kept(held, StatusCode::CREATED)),
            refund: Some(refund.clone()),
            ..Change::default()
        };
        match orders::advance(commerce, &order, step, change).await? {
            Advanced::Done(_) => {
                ask_provider(commerce, refund.id).await;
                let value = render::stored_refund(commerce, refund.id).await?;
                return Ok(Answer::created(value));
            }
            Advanced::Conflict => {}
        }
    }
    Err(CommerceError::Busy.into())
}

/// The refund, of the payment that has so much left.
async fn planned(
    commerce: &Commerce,
    order: &Order,
    amount: i64,
    asked: &New,
) -> Result<Refund, CommerceError> {
    let payments = payments::of_order(commerce, order.id).await?;
    let given = refunds::of_order(commerce, order.id).await?;
    let now = commerce.app.db.clock().now();
    let amount = Money::new(amount, order.currency);
    let plan = work::plan(&payments, &given, amount, now);
    let plan = plan.ok_or_else(|| {
        CommerceError::RefundRefused(
            "no single payment has so much left: refund what came with each".to_owned(),
        )
    })?;
    Ok(Refund {
        reason: asked.reason.clone(),
        restock: asked.restock,
        ..plan
    })
}

/// `GET /orders/{id}/refunds`.
pub(crate) async fn list(
    State(commerce): State<Commerce>,
    Id(id): Id,
    Staff(who): Staff,
) -> Result<Response, ApiError> {
    let order = actable(&commerce, &who, id).await?;
    let found = refunds::of_order(&commerce, order.id).await?;
    let shown: Vec<_> = found.iter().map(render::refund).collect();
    Ok(axum::Json(json!({ "refunds": shown })).into_response())
}

/// Goes on with all refunds of an order that are under way, within the time that a request may wait.
pub(super) async fn ask_for_refunds(commerce: &Commerce, order: Uuid) -> Result<(), CommerceError> {
    for refund in refunds::of_order(commerce, order).await? {
        if refund.state.is_under_way() {
            ask_provider(commerce, refund.id).await;
        }
    }
    Ok(())
}

/// Whatever comes of it is in the rows; what does not come, the worker asks for.
async fn ask_provider(commerce: &Commerce, refund: Uuid) {
    match tokio::time::timeout(PROVIDER_WAIT, work::refund(commerce, refund)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(refund.id = %refund, %error, "a refund goes on without its request");
        }
        Err(_) => {
            tracing::info!(refund.id = %refund, "a provider is slow: a refund goes on without its request");
        }
    }
}
