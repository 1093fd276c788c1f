//! What things cost: prices with their products and tax, read from the catalog, or remembered from when they were read last.
//!
//! What is remembered is not believed: an order that is reckoned from it is placed by a statement that first looks whether all of it still holds.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use plinth_db::{Known, Param};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{array, fetch};
use crate::Commerce;
use crate::error::CommerceError;
use crate::money::{Currency, Money};
use crate::price::{Item, TaxRate};

/// Offers that are remembered at most, of some 200 bytes each and their names.
const REMEMBERED: usize = 4_096;
/// Longest name that is remembered, in bytes.
const REMEMBERED_NAME: usize = 512;

/// A price with its product and their tax.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Offer {
    pub(crate) price_id: Uuid,
    pub(crate) product_id: Uuid,
    amount: i64,
    name: String,
    /// None where the region has no rate for it.
    ppm: Option<i64>,
    included: bool,
}

/// Where things are sold: a currency and a region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Market<'a> {
    pub(crate) currency: Currency,
    pub(crate) region: &'a str,
}

/// Offers that were read before, by what was asked for.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<HashMap<Place, HashMap<Uuid, Offer>>>);

/// A [`Market`] that is kept.
type Place = (Currency, String);

/// What things cost now, in the order in which they are wanted: prices by their id, or products by theirs, which cost what their
/// newest price in this currency says.
///
/// # Errors
/// [`CommerceError::NotForSale`] for the first that is not known, not active, or not sold in this currency.
pub(crate) async fn read(
    commerce: &Commerce,
    wanted: &[Uuid],
    market: Market<'_>,
) -> Result<Vec<Offer>, CommerceError> {
    static OFFERS: LazyLock<Known> = LazyLock::new(|| {
        let sql = "select price.id as price_id, price.product_id, price.amount, product.name, rate.ppm,
                          coalesce(rate.included, false) as included
            from commerce.prices price
            join commerce.products product on product.id = price.product_id
            left join commerce.tax_rates rate on rate.region = $3 and rate.tax_class = product.tax_class
            where price.id in (
                select id from commerce.prices where id = any($1::uuid[])
                union all
                select id from commerce.prices where product_id = any($1::uuid[]) and currency = $2
              )
              and price.currency = $2 and price.active and product.active
            order by price.created_at desc, price.id desc";
        let fields = [
            "price_id",
            "product_id",
            "amount",
            "name",
            "ppm",
            "included",
        ];
        Known::new(sql, &fields, 3)
    });
    let Market { currency, region } = market;
    let params = vec![
        Param::from(array(wanted.iter().map(Uuid::to_string))),
        Param::from(currency.code()),
        Param::from(region),
    ];
    let offers: Vec<Offer> = fetch(commerce, &OFFERS, params).await?;
    let offered = |id: &Uuid| {
        let by_price = offers.iter().find(|offer| offer.price_id == *id);
        let by_product = || offers.iter().find(|offer| offer.product_id == *id);
        let found = by_price.or_else(by_product).cloned();
        found.ok_or(CommerceError::NotForSale { id: *id, currency })
    };
    wanted.iter().map(offered).collect()
}

/// The same as it was when it was read last, if it is remembered.
///
/// # Errors
/// Those of [`read`].
pub(crate) async fn recall(
    commerce: &Commerce,
    wanted: &[Uuid],
    market: Market<'_>,
) -> Result<Vec<Offer>, CommerceError> {
    if let Some(offers) = commerce.offers.find(wanted, market) {
        return Ok(offers);
    }
    let offers = read(commerce, wanted, market).await?;
    commerce.offers.keep(wanted, market, &offers);
    Ok(offers)
}

/// Offers and what was asked for, as the function that places an order compares them.
pub(crate) fn document(wanted: &[Uuid], offers: &[Offer]) -> Value {
    let offers = wanted.iter().zip(offers).map(|(id, offer)| {
        json!({
            "price_id": offer.price_id,
            "product_id": offer.product_id,
            "amount": offer.amount,
            "name": offer.name,
            "ppm": offer.ppm,
            "included": offer.included,
            // A product that is asked for costs what its newest price says.
            "newest": *id != offer.price_id,
        })
    });
    offers.collect()
}

impl Offer {
    /// So many of it.
    pub(crate) fn item(&self, quantity: i64, currency: Currency) -> Item {
        Item {
            product: self.product_id,
            price: self.price_id,
            name: self.name.clone(),
            quantity,
            unit: Money::new(self.amount, currency),
            tax: TaxRate {
                ppm: self.ppm.unwrap_or(0),
                included: self.included,
            },
        }
    }

    /// Whether the region says how it is taxed.
    pub(crate) fn has_rate(&self) -> bool {
        self.ppm.is_some()
    }
}

impl Remembered {
    /// All that is wanted, or nothing.
    fn find(&self, wanted: &[Uuid], market: Market<'_>) -> Option<Vec<Offer>> {
        let known = self.0.lock().ok()?;
        let there = known.get(&market.place())?;
        wanted.iter().map(|id| there.get(id).cloned()).collect()
    }

    fn keep(&self, wanted: &[Uuid], market: Market<'_>, offers: &[Offer]) {
        let is_long = |offer: &Offer| offer.name.len() > REMEMBERED_NAME;
        if offers.iter().any(is_long) {
            return;
        }
        let Ok(mut known) = self.0.lock() else { return };
        let many: usize = known.values().map(|there| 1 + there.len()).sum();
        if many + 1 + offers.len() > REMEMBERED {
            // What a shop sells is little, or read again; starting over needs no bookkeeping of use.
            known.clear();
        }
        let there = known.entry(market.place()).or_default();
        let offers = wanted.iter().zip(offers);
        there.extend(offers.map(|(id, offer)| (*id, offer.clone())));
    }

    /// Some of it has changed.
    pub(crate) fn forget(&self, wanted: &[Uuid], market: Market<'_>) {
        let Ok(mut known) = self.0.lock() else { return };
        if let Some(there) = known.get_mut(&market.place()) {
            for id in wanted {
                there.remove(id);
            }
        }
    }
}

impl Market<'_> {
    fn place(&self) -> Place {
        (self.currency, self.region.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn market(region: &str) -> Market<'_> {
        Market {
            currency: "EUR".parse().unwrap(),
            region,
        }
    }

    fn offer(id: u128) -> Offer {
        Offer {
            price_id: Uuid::from_u128(id + 1_000_000),
            product_id: Uuid::from_u128(id),
            amount: 100,
            name: "tea".to_owned(),
            ppm: None,
            included: false,
        }
    }

    fn ids(ids: impl IntoIterator<Item = u128>) -> Vec<Uuid> {
        ids.into_iter().map(Uuid::from_u128).collect()
    }

    #[test]
    fn all_that_is_wanted_is_remembered_for_its_market_or_nothing() {
        let remembered = Remembered::default();
        remembered.keep(&ids([1, 2]), market(""), &[offer(1), offer(2)]);
        assert_eq!(
            remembered.find(&ids([2, 1]), market("")),
            Some(vec![offer(2), offer(1)])
        );
        assert_eq!(remembered.find(&ids([1, 3]), market("")), None);
        assert_eq!(remembered.find(&ids([1]), market("DE")), None);
        remembered.forget(&ids([1]), market(""));
        assert_eq!(remembered.find(&ids([1]), market("")), None);
        assert_eq!(remembered.find(&ids([2]), market("")), Some(vec![offer(2)]));
    }

    #[test]
    fn little_is_remembered() {
        let remembered = Remembered::default();
        for id in 0..10_000 {
            remembered.keep(&ids([id]), market(""), &[offer(id)]);
            let region = id.to_string();
            remembered.keep(&ids([id]), market(&region), &[offer(id)]);
            let known = remembered.0.lock().unwrap();
            let many: usize = known.values().map(|there| 1 + there.len()).sum();
            assert!(many <= REMEMBERED, "{many}");
        }
        let long = Offer {
            name: "x".repeat(REMEMBERED_NAME + 1),
            ..offer(1)
        };
        remembered.keep(&ids([77_777]), market(""), &[long]);
        assert_eq!(remembered.find(&ids([77_777]), market("")), None);
    }

    #[test]
    fn a_product_is_asked_for_by_itself_or_by_a_price() {
        let offers = [offer(1), offer(2)];
        let asked = [offers[0].product_id, offers[1].price_id];
        let said = document(&asked, &offers);
        assert_eq!(said[0]["newest"], true);
        assert_eq!(said[1]["newest"], false);
        assert_eq!(said[0]["ppm"], Value::Null);
    }
}
