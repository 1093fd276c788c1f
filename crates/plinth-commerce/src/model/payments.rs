//! Payments: attempts to be paid for an order.

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

/// A payment as its row has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payment {
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) provider: String,
    pub(crate) amount: Money,
    pub(crate) state: PaymentState,
    /// Its id at the provider, once the provider has told it.
    pub(crate) provider_id: Option<String>,
    /// With what the customer's browser goes on; none once it has ended.
    pub(crate) client_secret: Option<String>,
    /// Why the last attempt came to nothing.
    pub(crate) failure: Option<String>,
    /// What the provider knows it by, however often it is asked.
    pub(crate) idempotency_key: String,
    /// How often the provider was asked.
    pub(crate) attempts: i32,
    /// When the provider is to be asked again; none when there is nothing to ask.
    pub(crate) due_at: Option<Timestamp>,
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentState {
    /// On disk here; nobody knows whether the provider knows of it.
    Created,
    /// The provider knows of it.
    Pending,
    /// The customer has to do something.
    ActionRequired,
    /// The money is ours. It stays so.
    Captured,
    /// It came to nothing; the customer may try again.
    Failed,
    /// It was called off.
    Cancelled,
}

/// Columns that [`Columns`] wants.
const COLUMNS: &str = "id, order_id, provider, amount, currency, state, provider_id, \
    (select s.client_secret from commerce.payment_secrets s where s.payment_id = payments.id) as client_secret, \
    failure, idempotency_key, attempts, due_at";

/// The same as an array.
const FIELDS: [&str; 12] = [
    "id",
    "order_id",
    "provider",
    "amount",
    "currency",
    "state",
    "provider_id",
    "client_secret",
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
    provider: String,
    amount: i64,
    currency: String,
    state: PaymentState,
    provider_id: Option<String>,
    client_secret: Option<String>,
    failure: Option<String>,
    idempotency_key: String,
    attempts: i32,
    due_at: Option<Time>,
}

/// One payment.
pub(crate) async fn find(commerce: &Commerce, id: Uuid) -> Result<Option<Payment>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known("where id = $1", 1));
    let found = fetch(commerce, &FIND, vec![Param::from(id)]);
    Ok(found.await?.pop())
}

/// The payment that a provider knows by this id.
pub(crate) async fn by_provider_id(
    commerce: &Commerce,
    provider: &str,
    provider_id: &str,
) -> Result<Option<Payment>, CommerceError> {
    static FIND: LazyLock<Known> =
        LazyLock::new(|| known("where provider = $1 and provider_id = $2", 2));
    let params = vec![Param::from(provider), Param::from(provider_id)];
    let found = fetch(commerce, &FIND, params);
    Ok(found.await?.pop())
}

/// All payments of an order, the first one first.
pub(crate) async fn of_order(
    commerce: &Commerce,
    order: Uuid,
) -> Result<Vec<Payment>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known("where order_id = $1 order by id", 1));
    let params = vec![Param::from(order)];
    fetch(commerce, &FIND, params).await
}

/// Payments in the order of their ids, after one: how a reconciler goes through all of them.
pub(crate) async fn page(
    commerce: &Commerce,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Payment>, CommerceError> {
    static FIND: LazyLock<Known> =
        LazyLock::new(|| known("where id > $1::uuid order by id limit $2::bigint", 2));
    let params = vec![Param::from(after.unwrap_or_default()), Param::from(limit)];
    fetch(commerce, &FIND, params).await
}

/// Writes down what became of a payment where the order does not change. Gives false when it has been captured meanwhile,
/// which nothing takes back, or has ended and this is no news. What pays it is forgotten when it ends.
pub(crate) async fn note(commerce: &Commerce, payment: &Payment) -> Result<bool, CommerceError> {
    let sql = "select to_jsonb(commerce.save_payment($1::jsonb)) as answer";
    call(commerce, sql, payment.document()).await
}

/// Payments of which the provider is to be asked now. Whoever gets one has it to himself for [`super::LEASE_SECONDS`].
pub(crate) async fn due(
    commerce: &Commerce,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Payment>, CommerceError> {
    let taken: Vec<Columns> = take(commerce, "take_payments", now, limit).await?;
    of_rows(taken)
}

fn known(rest: &str, params: usize) -> Known {
    let sql = format!("select {COLUMNS} from commerce.payments {rest}");
    Known::new(&sql, &FIELDS, params)
}

async fn fetch(
    commerce: &Commerce,
    known: &Known,
    params: Vec<Param>,
) -> Result<Vec<Payment>, CommerceError> {
    let rows: Vec<Columns> = super::fetch(commerce, known, params).await?;
    of_rows(rows)
}

impl Payment {
    /// As the functions of the schema take it.
    pub(super) fn document(&self) -> Value {
        json!({
            "id": self.id,
            "order_id": self.order_id,
            "provider": self.provider,
            "amount": self.amount.amount,
            "currency": self.amount.currency.code(),
            "state": self.state,
            "provider_id": self.provider_id,
            "client_secret": self.client_secret,
            "failure": self.failure,
            "idempotency_key": self.idempotency_key,
            "attempts": self.attempts,
            "due_at": text(self.due_at),
        })
    }
}

impl PaymentState {
    /// As rows and answers have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            PaymentState::Created => "created",
            PaymentState::Pending => "pending",
            PaymentState::ActionRequired => "action_required",
            PaymentState::Captured => "captured",
            PaymentState::Failed => "failed",
            PaymentState::Cancelled => "cancelled",
        }
    }

    /// Whether money may still come of it without anybody trying again.
    pub(crate) fn is_under_way(self) -> bool {
        match self {
            PaymentState::Created | PaymentState::Pending | PaymentState::ActionRequired => true,
            PaymentState::Captured | PaymentState::Failed | PaymentState::Cancelled => false,
        }
    }
}

impl TryFrom<Columns> for Payment {
    type Error = Error;

    fn try_from(columns: Columns) -> Result<Payment, Error> {
        Ok(Payment {
            amount: Money {
                amount: columns.amount,
                currency: currency(&columns.currency)?,
            },
            id: columns.id,
            order_id: columns.order_id,
            provider: columns.provider,
            state: columns.state,
            provider_id: columns.provider_id,
            client_secret: columns.client_secret,
            failure: columns.failure,
            idempotency_key: columns.idempotency_key,
            attempts: columns.attempts,
            due_at: columns.due_at.map(|Time(at)| at),
        })
    }
}
