//! Rows: what is for sale, carts, orders and their money, and what was answered to whom.
//!
//! Whatever changes an order is one statement that calls one function of the schema (`migrations/`): one round
//! trip, all of it or nothing, on both engines. What it should become has been decided before, by `price` and `machine`.

pub(crate) mod actor;
pub(crate) mod carts;
pub(crate) mod catalog;
pub(crate) mod comparisons;
pub(crate) mod differences;
pub(crate) mod disputes;
pub(crate) mod events;
pub(crate) mod idempotency;
pub(crate) mod ledger;
pub(crate) mod offers;
pub(crate) mod orders;
pub(crate) mod payments;
pub(crate) mod refunds;

use std::borrow::Cow;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param, Rows, Session};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::Commerce;
use crate::error::CommerceError;
use crate::money::Currency;

/// How long one node keeps others from a piece of work that it has taken up: longer than a provider may take to answer.
pub(crate) const LEASE_SECONDS: i64 = 60;

/// Runs one statement as the service.
async fn run(commerce: &Commerce, sql: &str, params: Vec<Param>) -> Result<Rows, Error> {
    let session = Session::system();
    commerce.app.db.query(&session, sql, params).await
}

/// Runs a known read as the service.
async fn fetch<T: DeserializeOwned>(
    commerce: &Commerce,
    known: &Known,
    params: Vec<Param>,
) -> Result<Vec<T>, Error> {
    let session = Session::system();
    commerce.app.db.fetch(&session, known, params).await
}

/// Calls a function of the schema that takes one document and gives one.
async fn call<T: DeserializeOwned>(
    commerce: &Commerce,
    sql: &str,
    document: Value,
) -> Result<T, CommerceError> {
    let called = run(commerce, sql, vec![Param::from(document)]).await;
    answer(&called.map_err(refused)?)
}

/// What a function gave.
fn answer<T: DeserializeOwned>(rows: &Rows) -> Result<T, CommerceError> {
    let Some(row) = rows.first() else {
        return Err(unreadable("a function gave no row").into());
    };
    let answer = row.json("answer")?;
    serde_json::from_value(answer).map_err(|error| unreadable(&error.to_string()).into())
}

/// Calls a function of the schema that lends what is due: whoever gets something has it to himself for [`LEASE_SECONDS`].
async fn take<T: DeserializeOwned>(
    commerce: &Commerce,
    function: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<T>, CommerceError> {
    let sql = format!("select commerce.{function}($1::jsonb) as answer");
    let document = json!({
        "now": now.to_string(),
        "until": leased_until(now).to_string(),
        "limit": limit,
    });
    call(commerce, &sql, document).await
}

/// Rows as what they stand for.
fn of_rows<C, T>(rows: Vec<C>) -> Result<Vec<T>, CommerceError>
where
    T: TryFrom<C, Error = Error>,
{
    let read: Result<Vec<T>, Error> = rows.into_iter().map(T::try_from).collect();
    Ok(read?)
}

/// Why a function stopped half-way, and nothing of it was done.
fn refused(error: Error) -> CommerceError {
    /// What is left of a product that was wanted.
    #[derive(Deserialize)]
    struct Short {
        product: uuid::Uuid,
        wanted: i64,
        available: i64,
    }

    let Error::Sql(sql) = &error else {
        return error.into();
    };
    let detail = sql.detail.as_deref().unwrap_or_default();
    match sql.code.as_str() {
        "PL001" => CommerceError::TurnLost,
        "PL002" => CommerceError::DiscountUsedUp {
            code: detail.to_owned(),
        },
        "PL003" => match serde_json::from_str::<Short>(detail) {
            Ok(short) => CommerceError::OutOfStock {
                product: short.product,
                wanted: short.wanted,
                left: short.available,
            },
            Err(_) => error.into(),
        },
        "PL004" => CommerceError::RefundRefused(detail.to_owned()),
        "PL005" => CommerceError::PaymentUnderWay,
        _ => error.into(),
    }
}

/// Rows of ours that are not what they must be: a fault of ours, or of somebody who wrote them by hand.
fn unreadable(why: &str) -> Error {
    Error::Internal(format!("rows of the shop cannot be read: {why}"))
}

/// A currency's code as rows have it.
fn currency(code: &str) -> Result<Currency, Error> {
    code.parse()
        .map_err(|_| unreadable(&format!("{code} is no currency")))
}

/// A time in a document.
#[derive(Clone, Copy)]
struct Time(Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Time, D::Error> {
        let text = <Cow<'de, str>>::deserialize(reader)?;
        text.parse().map(Time).map_err(serde::de::Error::custom)
    }
}

/// A time as documents have it.
fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|at| at.to_string())
}

/// Texts as an array of Postgres's: `{"a","b"}`.
fn array<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let quoted = |text: T| {
        let text = text.as_ref().replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{text}\"")
    };
    let all: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("{{{}}}", all.join(","))
}

/// The time that a lease which is taken now ends.
fn leased_until(now: Timestamp) -> Timestamp {
    now.saturating_add(jiff::SignedDuration::from_secs(LEASE_SECONDS))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_quote_what_is_in_them() {
        assert_eq!(array(["a", "b c"]), r#"{"a","b c"}"#);
        assert_eq!(array([r#"q"\"#]), r#"{"q\"\\"}"#);
        assert_eq!(array(Vec::<String>::new()), "{}");
    }

    #[test]
    fn times_are_read_as_documents_of_both_engines_have_them() {
        let read = |text: &str| serde_json::from_str::<Time>(text).unwrap().0;
        let at: Timestamp = "2026-01-02T03:04:05.123456Z".parse().unwrap();
        assert_eq!(read(r#""2026-01-02T03:04:05.123456+00:00""#), at);
    }
}
