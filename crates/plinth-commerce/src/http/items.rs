//! What carts and orders are made of, as clients name it: lines, a currency, a region, codes. Never a price.

use std::collections::BTreeSet;

use plinth_http::ApiError;
use serde::Deserialize;
use uuid::Uuid;

use super::body::invalid;
use crate::Commerce;
use crate::error::CommerceError;
use crate::model::catalog;
use crate::model::offers::{self, Market, Offer};
use crate::money::Currency;
use crate::price::{self, Quote};

/// Most lines of a cart or an order.
pub(crate) const MAX_LINES: usize = 200;
/// Most of one thing.
const MAX_QUANTITY: i64 = 1_000_000;
/// Most codes of discounts.
const MAX_CODES: usize = 10;
/// Longest code, and longest name of a region.
const MAX_CHARS: usize = 64;

/// A line that is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedLine {
    price_id: Option<Uuid>,
    product_id: Option<Uuid>,
    quantity: i64,
}

/// Lines as the catalogue takes them: a price or a product, and how many.
pub(crate) fn read_lines(lines: &[AskedLine]) -> Result<Vec<(Uuid, i64)>, ApiError> {
    if lines.len() > MAX_LINES {
        return Err(invalid(format!("lines has more than {MAX_LINES} entries")));
    }
    let mut seen = BTreeSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (place, line) in lines.iter().enumerate() {
        let ((Some(id), None) | (None, Some(id))) = (line.price_id, line.product_id) else {
            return Err(invalid(format!(
                "lines[{place}] needs either price_id or product_id"
            )));
        };
        if !(1..=MAX_QUANTITY).contains(&line.quantity) {
            return Err(invalid(format!(
                "lines[{place}].quantity must be from 1 to {MAX_QUANTITY}"
            )));
        }
        if !seen.insert(id) {
            return Err(invalid(format!(
                "lines[{place}] names what another line has already"
            )));
        }
        read.push((id, line.quantity));
    }
    Ok(read)
}

/// A currency's code.
pub(crate) fn read_currency(code: &str) -> Result<Currency, ApiError> {
    code.parse().map_err(|_| {
        let shown: String = code.chars().take(MAX_CHARS).collect();
        invalid(format!(
            "\"{shown}\" is no currency of ISO 4217, such as EUR"
        ))
    })
}

/// A region; empty when there is none.
pub(crate) fn read_region(region: Option<String>) -> Result<String, ApiError> {
    let region = region.unwrap_or_default();
    match region.chars().count() <= MAX_CHARS {
        true => Ok(region),
        false => Err(invalid("region is too long")),
    }
}

/// Codes of discounts.
pub(crate) fn read_codes(codes: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let codes = codes.unwrap_or_default();
    if codes.len() > MAX_CODES {
        return Err(invalid(format!("codes has more than {MAX_CODES} entries")));
    }
    let fits = |code: &String| (1..=MAX_CHARS).contains(&code.chars().count());
    if !codes.iter().all(fits) {
        return Err(invalid(format!(
            "each of codes has 1 to {MAX_CHARS} characters"
        )));
    }
    let different: BTreeSet<&String> = codes.iter().collect();
    if different.len() < codes.len() {
        return Err(invalid("codes has one twice"));
    }
    Ok(codes)
}

/// What these lines name, each once.
pub(crate) fn wanted(lines: &[(Uuid, i64)]) -> Vec<Uuid> {
    lines.iter().map(|(id, _)| *id).collect()
}

/// What these lines cost now.
pub(crate) async fn quote(
    commerce: &Commerce,
    lines: &[(Uuid, i64)],
    market: Market<'_>,
    codes: &[String],
) -> Result<Quote, CommerceError> {
    let offers = offers::read(commerce, &wanted(lines), market).await?;
    quote_of(commerce, lines, &offers, market, codes).await
}

/// What these lines cost by these offers, one for each.
///
/// # Errors
/// [`CommerceError::NoTaxRate`] for the first of which the region does not say how it is taxed, where the shop wants that to be said.
pub(crate) async fn quote_of(
    commerce: &Commerce,
    lines: &[(Uuid, i64)],
    offers: &[Offer],
    market: Market<'_>,
    codes: &[String],
) -> Result<Quote, CommerceError> {
    let untaxed = offers.iter().find(|offer| !offer.has_rate());
    if let Some(offer) = untaxed.filter(|_| commerce.config.require_tax_rate) {
        return Err(CommerceError::NoTaxRate {
            product: offer.product_id,
            region: market.region.to_owned(),
        });
    }
    let currency = market.currency;
    let discounts = match codes.is_empty() {
        true => Vec::new(),
        false => {
            let now = commerce.app.db.clock().now();
            catalog::discounts(commerce, codes, currency, now).await?
        }
    };
    let items = lines.iter().zip(offers);
    let items = items.map(|((_, quantity), offer)| offer.item(*quantity, currency));
    Ok(price::quote(currency, items.collect(), &discounts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: i64) -> AskedLine {
        AskedLine {
            price_id: None,
            product_id: Some(Uuid::from_u128(1)),
            quantity,
        }
    }

    #[test]
    fn quantities_are_bounded_and_things_named_once() {
        assert_eq!(read_lines(&[line(1)]).unwrap(), [(Uuid::from_u128(1), 1)]);
        for quantity in [0, -1, 1_000_001, i64::MIN, i64::MAX] {
            assert!(read_lines(&[line(quantity)]).is_err(), "{quantity}");
        }
        assert!(read_lines(&[line(1), line(2)]).is_err());
        let both = AskedLine {
            price_id: Some(Uuid::from_u128(2)),
            ..line(1)
        };
        assert!(read_lines(&[both]).is_err());
        let many: Vec<AskedLine> = (0..=MAX_LINES).map(|_| line(1)).collect();
        assert!(read_lines(&many).is_err());
    }

    #[test]
    fn codes_are_few_short_and_different() {
        let codes =
            |codes: &[&str]| read_codes(Some(codes.iter().map(|c| (*c).to_owned()).collect()));
        assert_eq!(codes(&["A", "B"]).unwrap(), ["A", "B"]);
        assert!(codes(&["A", "A"]).is_err());
        assert!(codes(&[""]).is_err());
        let long = "x".repeat(65);
        assert!(codes(&[long.as_str()]).is_err());
        assert!(codes(&["a"; 11]).is_err());
        assert!(read_codes(None).unwrap().is_empty());
    }
}
