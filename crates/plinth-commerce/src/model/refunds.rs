//! Refunds: money on its way back to a customer.
//!
//! A refund is written down by the step that asks for it (`orders::advance` with `Change::refund`), before the provider hears of it.

use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Time, call, currency, of_rows, take, text};
use crate::Commerce;
use crate::error::CommerceError;
use crate::money::Money;

/// A refund as its row has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refund {
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    /// The payment whose money it gives back.
    pub(crate) payment_id: Uuid,
    pub(crate) amount: Money,
    pub(crate) reason: Option<String>,
    /// Whether the goods come back, too.
    pub(crate) restock: bool,
    pub(crate) state: RefundState,
    /// Its id at the provider, once the provider has told it.
    pub(crate) provider_id: Option<String>,
    /// Why it came to nothing.
    pub(crate) failure: Option<String>,
    /// What the provider knows it by, however often it is asked.
    pub(crate) idempotency_key: String,
    /// How often the provider was asked.
    pub(crate) attempts: i32,
    /// When the provider is to be asked again; none when there is nothing to ask.
    pub(crate) due_at: Option<Timestamp>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundState {
    /// On disk here; nobody knows whether the provider knows of it.
    Created,
    /// The provider knows of it.
    Pending,
    /// The money has gone back.
    Succeeded,
    /// It came to nothing.
    Failed,
}

/// Columns that [`Columns`] wants.
const COLUMNS: &str = "id, order_id, payment_id, amount, currency, reason, restock, state, provider_id, failure, \
                       idempotency_key, attempts, due_at";

/// The same as an array.
const FIELDS: [&str; 13] = [
    "id",
    "order_id",
    "payment_id",
    "amount",
    "currency",
    "reason",
    "restock",
    "state",
    "provider_id",
    "failure",
    "idempotency_key",
    "attempts",
    "due_at",
];

/// A row as it is in the table.
#[derive(Deserialize)]
struct Columns {
    id: Uuid,
    order_id: Uuid,
    payment_id: Uuid,
    amount: i64,
    currency: String,
    reason: Option<String>,
    restock: bool,
    state: RefundState,
    provider_id: Option<String>,
    failure: Option<String>,
    idempotency_key: String,
    attempts: i32,
    due_at: Option<Time>,
}

/// One refund.
pub(crate) async fn find(commerce: &Commerce, id: Uuid) -> Result<Option<Refund>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known("where id = $1", 1));
    let found = fetch(commerce, &FIND, vec![Param::from(id)]);
    Ok(found.await?.pop())
}

/// The refund of a payment by this provider that the provider knows by this id.
pub(crate) async fn by_provider_id(
    commerce: &Commerce,
    provider: &str,
    provider_id: &str,
) -> Result<Option<Refund>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| {
        let rest = "where provider_id = $2
            and exists (select 1 from commerce.payments p where p.id = payment_id and p.provider = $1)";
        known(rest, 2)
    });
    let params = vec![Param::from(provider), Param::from(provider_id)];
    Ok(fetch(commerce, &FIND, params).await?.pop())
}

/// All refunds of an order, the first one first.
pub(crate) async fn of_order(
    commerce: &Commerce,
    order: Uuid,
) -> Result<Vec<Refund>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known("where order_id = $1 order by id", 1));
    fetch(commerce, &FIND, vec![Param::from(order)]).await
}

/// Refunds in the order of their ids, after one: how a reconciler goes through all of them.
pub(crate) async fn page(
    commerce: &Commerce,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Refund>, CommerceError> {
    static FIND: LazyLock<Known> =
        LazyLock::new(|| known("where id > $1::uuid order by id limit $2::bigint", 2));
    let params = vec![Param::from(after.unwrap_or_default()), Param::from(limit)];
    fetch(commerce, &FIND, params).await
}

/// Writes down what became of a refund where the order does not change. Gives false when it is final already, which only a
/// step of the order takes back.
pub(crate) async fn note(commerce: &Commerce, refund: &Refund) -> Result<bool, CommerceError> {
    let sql = "select to_jsonb(commerce.note_refund($1::jsonb)) as answer";
    call(commerce, sql, refund.document()).await
}

/// Refunds of which the provider is to be asked now. Whoever gets one has it to himself for [`super::LEASE_SECONDS`].
pub(crate) async fn due(
    commerce: &Commerce,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Refund>, CommerceError> {
    let taken: Vec<Columns> = take(commerce, "take_refunds", now, limit).await?;
    of_rows(taken)
}

fn known(rest: &str, params: usize) -> Known {
    let sql = format!("select {COLUMNS} from commerce.refunds {rest}");
    Known::new(&sql, &FIELDS, params)
}

async fn fetch(
    commerce: &Commerce,
    known: &Known,
    params: Vec<Param>,
) -> Result<Vec<Refund>, CommerceError> {
    let rows: Vec<Columns> = super::fetch(commerce, known, params).await?;
    of_rows(rows)
}

impl Refund {
    /// As the functions of the schema take it.
    pub(super) fn document(&self) -> Value {
        json!({
            "id": self.id,
            "order_id": self.order_id,
            "payment_id": self.payment_id,
            "amount": self.amount.amount,
            "currency": self.amount.currency.code(),
            "reason": self.reason,
            "restock": self.restock,
            "state": self.state,
            "provider_id": self.provider_id,
            "failure": self.failure,
            "idempotency_key": self.idempotency_key,
            "attempts": self.attempts,
            "due_at": text(self.due_at),
        })
    }
}

impl RefundState {
    /// As rows and answers have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            RefundState::Created => "created",
            RefundState::Pending => "pending",
            RefundState::Succeeded => "succeeded",
            RefundState::Failed => "failed",
        }
    }

    /// Whether it is not known yet what becomes of it.
    pub(crate) fn is_under_way(self) -> bool {
        match self {
            RefundState::Created | RefundState::Pending => true,
            RefundState::Succeeded | RefundState::Failed => false,
        }
    }
}

impl TryFrom<Columns> for Refund {
    type Error = Error;

    fn try_from(columns: Columns) -> Result<Refund, Error> {
        Ok(Refund {
            amount: Money {
                amount: columns.amount,
                currency: currency(&columns.currency)?,
            },
            id: columns.id,
            order_id: columns.order_id,
            payment_id: columns.payment_id,
            reason: columns.reason,
            restock: columns.restock,
            state: columns.state,
            provider_id: columns.provider_id,
            failure: columns.failure,
            idempotency_key: columns.idempotency_key,
            attempts: columns.attempts,
            due_at: columns.due_at.map(|Time(at)| at),
        })
    }
}
