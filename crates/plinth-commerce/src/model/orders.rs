//! Orders: how they are placed, read and changed.
//!
//! Everything that decides stands in `price` and `machine`. Here it is stored: [`place`], [`place_at_once`] and [`advance`] each are one statement.

use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param, Session};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::actor::Actor;
use super::idempotency::{Begun, Claim, Found, KeptKey};
use super::payments::Payment;
use super::refunds::Refund;
use super::{Time, call, currency, of_rows, run, text, unreadable};
use crate::Commerce;
use crate::error::CommerceError;
use crate::machine::{Amounts, State, Step};
use crate::money::Currency;

/// An order as its rows have it. Amounts are of its currency.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    /// For people. Zero before it is placed.
    pub(crate) number: i64,
    pub(crate) customer_id: Option<Uuid>,
    pub(crate) user_id: Option<Uuid>,
    /// SHA-256, in hexadecimal, of what a guest shows to reach it.
    pub(crate) secret_digest: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) currency: Currency,
    pub(crate) region: String,
    pub(crate) state: State,
    /// Counts changes.
    pub(crate) version: i64,
    pub(crate) subtotal: i64,
    pub(crate) discount: i64,
    pub(crate) tax: i64,
    pub(crate) total: i64,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    /// Of what was captured: what has been asked to go back.
    pub(crate) refunding: i64,
    /// Of what was captured: what the order has not earned.
    pub(crate) owed: i64,
    pub(crate) provider: String,
    pub(crate) placed_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// When it gives its stock back, should it not be paid.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) metadata: Value,
    pub(crate) lines: Vec<OrderLine>,
}

/// A line of an order, with copies of what the product was called and cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OrderLine {
    /// From one.
    pub(crate) position: i32,
    pub(crate) product_id: Uuid,
    pub(crate) price_id: Uuid,
    pub(crate) name: String,
    pub(crate) quantity: i64,
    pub(crate) unit_amount: i64,
    pub(crate) discount: i64,
    pub(crate) tax_ppm: i64,
    pub(crate) tax_included: bool,
    pub(crate) tax: i64,
    pub(crate) total: i64,
}

/// An order to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    /// Pending, of version 1.
    pub(crate) order: Order,
    /// The cart that it is made of, which is ordered then.
    pub(crate) cart: Option<Uuid>,
    /// Discounts that it uses.
    pub(crate) codes: Vec<String>,
    /// The first attempt to be paid.
    pub(crate) payment: Payment,
    /// Who places it.
    pub(crate) actor: Actor,
    /// The answer that is kept with it. The order's number and time are not known before, so the answer has not got them: whoever sees
    /// this answer again reads the order.
    pub(crate) kept: Option<KeptKey>,
}

/// What changes with a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// Who did it.
    pub(crate) actor: Actor,
    /// What the entry in the books stands for (`capture:PAYMENT`); wanted where the step has postings. It is booked once.
    pub(crate) reference: Option<String>,
    /// A payment's row, as it becomes or new.
    pub(crate) payment: Option<Payment>,
    /// A refund's row, as it becomes or new.
    pub(crate) refund: Option<Refund>,
    /// An object with more about it.
    pub(crate) details: Value,
    /// The answer that is kept with it.
    pub(crate) kept: Option<KeptKey>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Advanced {
    /// It is done, or was done before by the same reference. The order as it is now.
    Done(Order),
    /// The order has changed since it was read, or its payment or refund has: read them and decide again.
    Conflict,
}

/// Which orders a list has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    /// Only older ones than this.
    pub(crate) before: Option<Uuid>,
    /// At most so many.
    pub(crate) limit: i64,
}

/// Columns that [`Columns`] wants.
const COLUMNS: &str = "id, number, customer_id, user_id, secret_digest, email, currency, region, state, version, \
    subtotal, discount, tax, total, captured, refunded, refunding, owed, provider, placed_at, updated_at, expires_at, metadata, \
    (select coalesce(jsonb_agg(to_jsonb(l) order by l.position), '[]'::jsonb) \
       from commerce.order_lines l where l.order_id = orders.id) as lines";

/// The same as an array.
const FIELDS: [&str; 24] = [
    "id",
    "number",
    "customer_id",
    "user_id",
    "secret_digest",
    "email",
    "currency",
    "region",
    "state",
    "version",
    "subtotal",
    "discount",
    "tax",
    "total",
    "captured",
    "refunded",
    "refunding",
    "owed",
    "provider",
    "placed_at",
    "updated_at",
    "expires_at",
    "metadata",
    "lines",
];

/// Rows as they are in the tables.
#[derive(Deserialize)]
struct Columns {
    id: Uuid,
    number: i64,
    customer_id: Option<Uuid>,
    user_id: Option<Uuid>,
    secret_digest: Option<String>,
    email: Option<String>,
    currency: String,
    region: String,
    state: State,
    version: i64,
    subtotal: i64,
    discount: i64,
    tax: i64,
    total: i64,
    captured: i64,
    refunded: i64,
    refunding: i64,
    owed: i64,
    provider: String,
    placed_at: Time,
    updated_at: Time,
    expires_at: Option<Time>,
    metadata: Value,
    lines: Vec<OrderLine>,
}

/// What came of an attempt to take a key and place an order in one turn.
#[derive(Debug)]
pub(crate) enum AtOnce {
    /// The key is not this request's, or it is and nothing was placed: something costs something else by now.
    Begun(Begun),
    /// The key is held. The order is placed, with its answer, or was refused.
    Placed(Result<Order, CommerceError>),
}

/// What the functions give that place an order.
#[derive(Deserialize)]
struct Told {
    refused: Option<String>,
    product: Option<Uuid>,
    wanted: Option<i64>,
    available: Option<i64>,
    number: Option<i64>,
    customer_id: Option<Uuid>,
    placed_at: Option<Time>,
}

/// Places an order: its rows, its stock, the use of its discounts, the intent to be paid and the answer, together or not at all.
pub(crate) async fn place(
    commerce: &Commerce,
    placement: Placement,
) -> Result<Order, CommerceError> {
    let sql = "select commerce.place($1::jsonb) as answer";
    let told: Told = call(commerce, sql, placement.document()).await?;
    told.order(placement.order)
}

/// The same in one turn with taking the key of its request, if all still costs what it was reckoned with: `offers` is of
/// [`offers::document`](super::offers::document).
///
/// # Errors
/// Of a statement that was undone: the key is not held.
pub(crate) async fn place_at_once(
    commerce: &Commerce,
    claim: &Claim,
    offers: Value,
    placement: Placement,
) -> Result<AtOnce, CommerceError> {
    /// What the function gives.
    #[derive(Deserialize)]
    struct Answer {
        begun: Found,
        placed: Option<Told>,
    }

    let mut document = placement.document();
    document["begin"] = claim.document();
    document["offers"] = offers;
    let sql = "select commerce.place_at_once($1::jsonb) as answer";
    let answer: Answer = call(commerce, sql, document).await?;
    Ok(match answer.placed {
        Some(placed) => AtOnce::Placed(placed.order(placement.order)),
        None => AtOnce::Begun(answer.begun.begun(&claim.held)),
    })
}

/// Takes a step that was decided on this very order.
///
/// # Errors
/// Among others [`CommerceError::TurnLost`] when the answer that was to be kept with it is not this request's to give any more.
pub(crate) async fn advance(
    commerce: &Commerce,
    order: &Order,
    step: Step,
    change: Change,
) -> Result<Advanced, CommerceError> {
    /// What the function gives.
    #[derive(Deserialize)]
    struct Done {
        #[serde(default)]
        gone: bool,
        #[serde(default)]
        conflict: bool,
        #[serde(default)]
        repeated: bool,
        version: Option<i64>,
        updated_at: Option<Time>,
    }

    let document = change.document(order, &step)?;
    let sql = "select commerce.advance($1::jsonb) as answer";
    let done: Done = call(commerce, sql, document).await?;
    if done.conflict || done.gone {
        return Ok(Advanced::Conflict);
    }
    if done.repeated {
        let there = find(commerce, order.id).await?;
        return Ok(there.map_or(Advanced::Conflict, Advanced::Done));
    }
    let (Some(version), Some(Time(updated_at))) = (done.version, done.updated_at) else {
        return Err(unreadable("an order was changed without a version").into());
    };
    Ok(Advanced::Done(Order {
        state: step.to,
        version,
        captured: step.captured,
        refunded: step.refunded,
        refunding: step.refunding,
        owed: step.owed,
        updated_at,
        ..order.clone()
    }))
}

/// One order, whoever asks.
pub(crate) async fn find(commerce: &Commerce, id: Uuid) -> Result<Option<Order>, CommerceError> {
    read(commerce, &Session::system(), id).await
}

/// One order, if the policies show it to this session.
pub(crate) async fn read(
    commerce: &Commerce,
    session: &Session,
    id: Uuid,
) -> Result<Option<Order>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known("where id = $1", 1));
    let found = fetch(commerce, session, &FIND, vec![Param::from(id)]);
    Ok(found.await?.pop())
}

/// Orders that the policies show to this session, the newest first.
pub(crate) async fn list(
    commerce: &Commerce,
    session: &Session,
    filter: &Filter,
) -> Result<Vec<Order>, CommerceError> {
    static ALL: LazyLock<Known> = LazyLock::new(|| {
        let rest =
            "where ($1::text is null or state = $1::text) and ($2::uuid is null or id < $2::uuid)
                    order by id desc limit $3::bigint";
        known(rest, 3)
    });
    let params = vec![
        Param::from(filter.state.map(State::as_str)),
        Param::from(filter.before),
        Param::from(filter.limit),
    ];
    fetch(commerce, session, &ALL, params).await
}

/// Pending orders whose time to be paid is over.
pub(crate) async fn due_to_expire(
    commerce: &Commerce,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<Order>, CommerceError> {
    static DUE: LazyLock<Known> = LazyLock::new(|| {
        let rest = "where state = 'pending' and expires_at <= $1::timestamptz order by expires_at limit $2::bigint";
        known(rest, 2)
    });
    let params = vec![Param::from(now), Param::from(limit)];
    fetch(commerce, &Session::system(), &DUE, params).await
}

/// Leaves a pending order more time.
pub(crate) async fn postpone_expiry(
    commerce: &Commerce,
    id: Uuid,
    until: Timestamp,
) -> Result<(), CommerceError> {
    let sql = "update commerce.orders set expires_at = $2::timestamptz where id = $1::uuid and state = 'pending'";
    run(commerce, sql, vec![Param::from(id), Param::from(until)]).await?;
    Ok(())
}

fn known(rest: &str, params: usize) -> Known {
    let sql = format!("select {COLUMNS} from commerce.orders {rest}");
    Known::new(&sql, &FIELDS, params)
}

async fn fetch(
    commerce: &Commerce,
    session: &Session,
    known: &Known,
    params: Vec<Param>,
) -> Result<Vec<Order>, CommerceError> {
    let rows: Vec<Columns> = commerce.app.db.fetch(session, known, params).await?;
    of_rows(rows)
}

impl Order {
    /// Its money, as `machine` wants it, before an event that moves `moved`.
    pub(crate) fn amounts(&self, moved: i64) -> Amounts {
        Amounts {
            total: self.total,
            tax: self.tax,
            captured: self.captured,
            refunded: self.refunded,
            refunding: self.refunding,
            owed: self.owed,
            moved,
        }
    }
}

impl Told {
    /// The order that was to be placed, as it is now.
    fn order(self, pending: Order) -> Result<Order, CommerceError> {
        match self.refused.as_deref() {
            Some("cart_gone") => return Err(CommerceError::CartGone),
            Some("out_of_stock") => {
                return Err(CommerceError::OutOfStock {
                    product: self.product.unwrap_or_default(),
                    wanted: self.wanted.unwrap_or_default(),
                    left: self.available.unwrap_or_default(),
                });
            }
            Some(other) => return Err(unreadable(other).into()),
            None => {}
        }
        let (Some(number), Some(Time(at))) = (self.number, self.placed_at) else {
            return Err(unreadable("an order was placed without a number").into());
        };
        Ok(Order {
            number,
            customer_id: self.customer_id,
            placed_at: at,
            updated_at: at,
            ..pending
        })
    }
}

impl Placement {
    /// As the function of the schema takes it.
    fn document(&self) -> Value {
        let order = &self.order;
        json!({
            "order": {
                "id": order.id,
                "user_id": order.user_id,
                "secret_digest": order.secret_digest,
                "email": order.email,
                "currency": order.currency.code(),
                "region": order.region,
                "codes": self.codes,
                "subtotal": order.subtotal,
                "discount": order.discount,
                "tax": order.tax,
                "total": order.total,
                "provider": order.provider,
                "metadata": order.metadata,
                "expires_at": text(order.expires_at),
                "lines": order.lines,
            },
            // Should the customer be new.
            "customer_id": Uuid::now_v7(),
            "stock": stock(&order.lines),
            "cart": self.cart,
            "payment": self.payment.document(),
            "actor": self.actor.kind(),
            "staff": self.actor.staff(),
            "kept": self.kept.as_ref().map(KeptKey::document),
        })
    }
}

/// How much of each product all lines want together.
fn stock(lines: &[OrderLine]) -> Vec<Value> {
    let mut wanted: std::collections::BTreeMap<Uuid, i64> = std::collections::BTreeMap::new();
    for line in lines {
        let sum = wanted.entry(line.product_id).or_default();
        *sum = sum.saturating_add(line.quantity);
    }
    wanted
        .into_iter()
        .map(|(product, quantity)| json!({ "product_id": product, "quantity": quantity }))
        .collect()
}

impl Change {
    /// As the function of the schema takes it.
    fn document(&self, order: &Order, step: &Step) -> Result<Value, Error> {
        let booking = match &self.reference {
            _ if step.postings.is_empty() => None,
            Some(reference) => Some(json!({
                "id": Uuid::now_v7(),
                "kind": step.event.as_str(),
                "reference": reference,
                "currency": order.currency.code(),
                "postings": step.postings,
            })),
            None => return Err(unreadable("money moves without a reference")),
        };
        let details = match &self.details {
            Value::Null => json!({}),
            details => details.clone(),
        };
        Ok(json!({
            "order_id": order.id,
            "version": order.version,
            "event": step.event.as_str(),
            "to_state": step.to.as_str(),
            "captured": step.captured,
            "refunded": step.refunded,
            "refunding": step.refunding,
            "owed": step.owed,
            "stock": step.stock.as_str(),
            "transaction": booking,
            "payment": self.payment.as_ref().map(Payment::document),
            "refund": self.refund.as_ref().map(Refund::document),
            "actor": self.actor.kind(),
            "staff": self.actor.staff(),
            "details": details,
            "kept": self.kept.as_ref().map(KeptKey::document),
        }))
    }
}

impl TryFrom<Columns> for Order {
    type Error = Error;

    fn try_from(columns: Columns) -> Result<Order, Error> {
        Ok(Order {
            currency: currency(&columns.currency)?,
            id: columns.id,
            number: columns.number,
            customer_id: columns.customer_id,
            user_id: columns.user_id,
            secret_digest: columns.secret_digest,
            email: columns.email,
            region: columns.region,
            state: columns.state,
            version: columns.version,
            subtotal: columns.subtotal,
            discount: columns.discount,
            tax: columns.tax,
            total: columns.total,
            captured: columns.captured,
            refunded: columns.refunded,
            refunding: columns.refunding,
            owed: columns.owed,
            provider: columns.provider,
            placed_at: columns.placed_at.0,
            updated_at: columns.updated_at.0,
            expires_at: columns.expires_at.map(|Time(at)| at),
            metadata: columns.metadata,
            lines: columns.lines,
        })
    }
}
