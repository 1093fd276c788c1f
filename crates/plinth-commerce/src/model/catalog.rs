//! What is in the store, and the codes that make it cheaper. What things cost is in `offers`.

use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::idempotency::KeptKey;
use super::{Time, answer, array, fetch, refused, run, unreadable};
use crate::Commerce;
use crate::error::CommerceError;
use crate::money::{Currency, Money};
use crate::price::Discount;

/// What is in the store of a product, as the database and answers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) product_id: Uuid,
    pub(crate) on_hand: i64,
    /// How many of them belong to orders already.
    pub(crate) reserved: i64,
}

/// A code's row.
#[derive(Deserialize)]
struct CodeRow {
    code: String,
    kind: String,
    ppm: Option<i64>,
    amount: Option<i64>,
    currency: Option<String>,
    starts_at: Option<Time>,
    ends_at: Option<Time>,
    max_uses: Option<i64>,
    uses: i64,
    active: bool,
}

/// What these codes take off an order of this currency now.
///
/// # Errors
/// [`CommerceError::UnknownDiscount`] for a code that does not hold, whyever: nobody should find out codes by trying.
/// [`CommerceError::DiscountUsedUp`] for one that would.
pub(crate) async fn discounts(
    commerce: &Commerce,
    codes: &[String],
    currency: Currency,
    now: Timestamp,
) -> Result<Vec<Discount>, CommerceError> {
    static CODES: LazyLock<Known> = LazyLock::new(|| {
        let sql =
            "select code, kind, ppm, amount, currency, starts_at, ends_at, max_uses, uses, active
                   from commerce.discounts where code = any($1::text[])";
        let fields = [
            "code",
            "kind",
            "ppm",
            "amount",
            "currency",
            "starts_at",
            "ends_at",
            "max_uses",
            "uses",
            "active",
        ];
        Known::new(sql, &fields, 1)
    });
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let params = vec![Param::from(array(codes))];
    let rows: Vec<CodeRow> = fetch(commerce, &CODES, params).await?;
    let discount = |code: &String| {
        let row = rows.iter().find(|row| row.code == *code);
        let holds = |row: &&CodeRow| row.holds(currency, now);
        match row.filter(holds) {
            None => Err(CommerceError::UnknownDiscount { code: code.clone() }),
            Some(row) if row.max_uses.is_some_and(|most| row.uses >= most) => {
                Err(CommerceError::DiscountUsedUp { code: code.clone() })
            }
            Some(row) => Ok(row.discount(currency)?),
        }
    };
    codes.iter().map(discount).collect()
}

impl CodeRow {
    fn holds(&self, currency: Currency, now: Timestamp) -> bool {
        let begun = self.starts_at.is_none_or(|Time(at)| at <= now);
        let ended = self.ends_at.is_some_and(|Time(at)| at <= now);
        let fits = self
            .currency
            .as_deref()
            .is_none_or(|code| code == currency.code());
        self.active && begun && !ended && fits
    }

    fn discount(&self, currency: Currency) -> Result<Discount, Error> {
        let code = self.code.clone();
        match (self.kind.as_str(), self.ppm, self.amount) {
            ("percent", Some(ppm), _) => Ok(Discount::Percent { code, ppm }),
            ("fixed", _, Some(amount)) => Ok(Discount::Fixed {
                code,
                amount: Money::new(amount, currency),
            }),
            _ => Err(unreadable(&format!("the code {code} takes nothing off"))),
        }
    }
}

/// Says how many of a product are in the store, from when on it is counted. The answer is kept with that, and what this gives is its body:
/// how many are reserved is known no sooner.
///
/// # Errors
/// [`CommerceError::StockReserved`] when orders have more than that already; [`CommerceError::NoSuchProduct`].
pub(crate) async fn set_stock(
    commerce: &Commerce,
    product: Uuid,
    on_hand: i64,
    kept: &KeptKey,
) -> Result<Stock, CommerceError> {
    let document = json!({
        "product_id": product,
        "on_hand": on_hand,
        "kept": kept.document(),
    });
    let sql = "select commerce.set_stock($1::jsonb) as answer";
    let set = run(commerce, sql, vec![Param::from(document)]).await;
    let rows = set.map_err(|error| match &error {
        Error::Sql(sql) if sql.code == "23514" => CommerceError::StockReserved { product },
        Error::Sql(sql) if sql.code == "23503" => CommerceError::NoSuchProduct { product },
        _ => refused(error),
    })?;
    answer(&rows)
}
