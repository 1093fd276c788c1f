//! Carts: what somebody may be about to order.
//!
//! A cart holds no prices and reserves nothing: both come with the order.

use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::idempotency::KeptKey;
use super::{Time, call, currency, fetch, run};
use crate::Commerce;
use crate::error::CommerceError;
use crate::money::Currency;

/// Expired carts that are removed at once.
const SWEPT: i64 = 1_000;

/// A cart as its rows have it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cart {
    pub(crate) id: Uuid,
    pub(crate) user_id: Option<Uuid>,
    /// SHA-256, in hexadecimal, of what a guest shows to reach it.
    pub(crate) secret_digest: Option<String>,
    pub(crate) currency: Currency,
    pub(crate) region: String,
    /// Discounts that are to be used.
    pub(crate) codes: Vec<String>,
    pub(crate) state: CartState,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// In the order of their prices' ids.
    pub(crate) lines: Vec<CartLine>,
}

/// Whether a cart may still be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CartState {
    /// It may.
    Open,
    /// An order has been made of it.
    Ordered,
}

/// So many at this price, whatever it is by the time of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CartLine {
    pub(crate) price_id: Uuid,
    pub(crate) quantity: i64,
}

/// What changes in a cart; what is none stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CartChange {
    pub(crate) region: Option<String>,
    pub(crate) codes: Option<Vec<String>>,
    /// All lines, instead of those that there are.
    pub(crate) lines: Option<Vec<CartLine>>,
    pub(crate) expires_at: Option<Timestamp>,
}

/// Columns that [`Columns`] wants.
const COLUMNS: &str = "id, user_id, secret_digest, currency, region, to_json(codes) as codes, state, created_at, updated_at, \
    expires_at, (select coalesce(jsonb_agg(jsonb_build_object('price_id', l.price_id, 'quantity', l.quantity) order by l.price_id), \
       '[]'::jsonb) from commerce.cart_lines l where l.cart_id = carts.id) as lines";

/// The same as an array.
const FIELDS: [&str; 11] = [
    "id",
    "user_id",
    "secret_digest",
    "currency",
    "region",
    "codes",
    "state",
    "created_at",
    "updated_at",
    "expires_at",
    "lines",
];

/// Rows as they are in the tables.
#[derive(Deserialize)]
struct Columns {
    id: Uuid,
    user_id: Option<Uuid>,
    secret_digest: Option<String>,
    currency: String,
    region: String,
    codes: Vec<String>,
    state: CartState,
    created_at: Time,
    updated_at: Time,
    expires_at: Time,
    lines: Vec<CartLine>,
}

/// Makes a cart, with its lines, and keeps the answer with it.
pub(crate) async fn create(
    commerce: &Commerce,
    cart: &Cart,
    kept: &KeptKey,
) -> Result<(), CommerceError> {
    let document = json!({
        "id": cart.id,
        "user_id": cart.user_id,
        "secret_digest": cart.secret_digest,
        "currency": cart.currency.code(),
        "region": cart.region,
        "codes": cart.codes,
        "expires_at": cart.expires_at.to_string(),
        "lines": cart.lines,
        "kept": kept.document(),
    });
    let sql = "select to_jsonb(commerce.create_cart($1::jsonb)) as answer";
    let _made: Value = call(commerce, sql, document).await?;
    Ok(())
}

/// One cart, whoever asks, until it expires.
pub(crate) async fn find(commerce: &Commerce, id: Uuid) -> Result<Option<Cart>, CommerceError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| {
        let sql =
            format!("select {COLUMNS} from commerce.carts where id = $1 and expires_at > now()");
        Known::new(&sql, &FIELDS, 1)
    });
    let params = vec![Param::from(id)];
    let rows: Vec<Columns> = fetch(commerce, &FIND, params).await?;
    let carts: Result<Vec<Cart>, Error> = rows.into_iter().map(Cart::try_from).collect();
    Ok(carts?.pop())
}

/// Changes an open cart, and keeps the answer with that. Gives false when there is none, because it has been ordered, has expired or
/// never was.
pub(crate) async fn change(
    commerce: &Commerce,
    id: Uuid,
    change: &CartChange,
    kept: &KeptKey,
) -> Result<bool, CommerceError> {
    let document = json!({
        "id": id,
        "region": change.region,
        "codes": change.codes,
        "lines": change.lines,
        "expires_at": super::text(change.expires_at),
        "kept": kept.document(),
    });
    let sql = "select to_jsonb(commerce.change_cart($1::jsonb)) as answer";
    call(commerce, sql, document).await
}

/// Removes an open cart, and keeps the answer with that. Gives false when there is none.
pub(crate) async fn remove(
    commerce: &Commerce,
    id: Uuid,
    kept: &KeptKey,
) -> Result<bool, CommerceError> {
    let document = json!({ "id": id, "kept": kept.document() });
    let sql = "select to_jsonb(commerce.remove_cart($1::jsonb)) as answer";
    call(commerce, sql, document).await
}

/// Removes carts that have expired, some at a time. Gives how many.
pub(crate) async fn sweep(commerce: &Commerce, now: Timestamp) -> Result<u64, CommerceError> {
    let sql = "delete from commerce.carts where id in
                 (select id from commerce.carts where expires_at < $1::timestamptz order by expires_at limit $2::bigint)";
    let params = vec![Param::from(now), Param::from(SWEPT)];
    Ok(run(commerce, sql, params).await?.affected)
}

impl TryFrom<Columns> for Cart {
    type Error = Error;

    fn try_from(columns: Columns) -> Result<Cart, Error> {
        Ok(Cart {
            currency: currency(&columns.currency)?,
            id: columns.id,
            user_id: columns.user_id,
            secret_digest: columns.secret_digest,
            region: columns.region,
            codes: columns.codes,
            state: columns.state,
            created_at: columns.created_at.0,
            updated_at: columns.updated_at.0,
            expires_at: columns.expires_at.0,
            lines: columns.lines,
        })
    }
}
