//! Answers: orders, carts, payments and refunds as clients read them. Digests and keys are in none.

use jiff::Timestamp;
use plinth_http::ApiError;
use serde_json::{Value, json};
use uuid::Uuid;

use super::once::Failure;
use super::orders::may_pay;
use super::who::Who;
use crate::Commerce;
use crate::model::orders::{self, Order};
use crate::model::payments::{self, Payment};
use crate::model::refunds::{self, Refund};
use crate::price::{Line, Quote};

/// An order without its payment, as lists have it.
pub(crate) fn order(order: &Order) -> Value {
    json!({
        "id": order.id,
        "number": order.number,
        "user_id": order.user_id,
        "email": order.email,
        "state": order.state,
        "currency": order.currency.code(),
        "region": order.region,
        "subtotal": order.subtotal,
        "discount": order.discount,
        "tax": order.tax,
        "total": order.total,
        "captured": order.captured,
        "refunded": order.refunded,
        "provider": order.provider,
        "metadata": order.metadata,
        "placed_at": order.placed_at.to_string(),
        "updated_at": order.updated_at.to_string(),
        "expires_at": order.expires_at.map(|at| at.to_string()),
        "lines": order.lines,
    })
}

/// An order with its latest payment. `to_customer`: whoever reads it may pay.
pub(crate) fn order_with(this: &Order, latest: Option<&Payment>, to_customer: bool) -> Value {
    let mut value = order(this);
    value["payment"] = json!(latest.map(|latest| payment(latest, to_customer)));
    value
}

fn payment(payment: &Payment, to_customer: bool) -> Value {
    let may_be_paid = payment.state.is_under_way();
    let secret = payment.client_secret.as_ref();
    json!({
        "id": payment.id,
        "provider": payment.provider,
        "state": payment.state,
        "amount": payment.amount.amount,
        "currency": payment.amount.currency.code(),
        "client_secret": secret.filter(|_| to_customer && may_be_paid),
        "failure": payment.failure,
    })
}

/// A refund.
pub(crate) fn refund(refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "order_id": refund.order_id,
        "payment_id": refund.payment_id,
        "amount": refund.amount.amount,
        "currency": refund.amount.currency.code(),
        "reason": refund.reason,
        "restock": refund.restock,
        "state": refund.state,
        "failure": refund.failure,
    })
}

/// What a cart would cost.
pub(crate) fn quote(quote: &Quote) -> Value {
    let lines: Vec<Value> = quote.lines.iter().zip(1..).map(line).collect();
    json!({
        "subtotal": quote.subtotal,
        "discount": quote.discount,
        "tax": quote.tax,
        "total": quote.total,
        "lines": lines,
    })
}

fn line((line, position): (&Line, i32)) -> Value {
    json!({
        "position": position,
        "product_id": line.item.product,
        "price_id": line.item.price,
        "name": line.item.name,
        "quantity": line.item.quantity,
        "unit_amount": line.item.unit.amount,
        "discount": line.discount,
        "tax_ppm": line.item.tax.ppm,
        "tax_included": line.item.tax.included,
        "tax": line.tax,
        "total": line.total,
    })
}

/// An error's body.
pub(crate) fn error(error: &ApiError) -> Value {
    json!({
        "code": error.code,
        "message": error.message,
        "details": error.details,
        "hint": error.hint,
    })
}

/// The answer to whoever places an order, with what the database gave the order.
pub(crate) fn placed(mut body: Value, number: i64, at: Timestamp) -> Value {
    let at = at.to_string();
    body["number"] = json!(number);
    body["placed_at"] = json!(at);
    body["updated_at"] = json!(at);
    body
}

/// An order as it is now, for whoever placed it, or for whom `asks` says.
pub(crate) async fn stored_order(
    commerce: &Commerce,
    id: Uuid,
    asks: Option<&Who>,
) -> Result<Value, Failure> {
    let found = orders::find(commerce, id).await?;
    let this = found.ok_or_else(super::not_found)?;
    let payments = payments::of_order(commerce, id).await?;
    let to_customer = asks.is_none_or(|who| may_pay(who, &this));
    Ok(order_with(&this, payments.last(), to_customer))
}

/// A refund as it is now.
pub(crate) async fn stored_refund(commerce: &Commerce, id: Uuid) -> Result<Value, Failure> {
    let found = refunds::find(commerce, id).await?;
    Ok(refund(&found.ok_or_else(super::not_found)?))
}
