//! What an order costs: lines, discounts, tax. Pure; the only prices are those of the catalog.
//!
//! In this order, each rounded once, half up:
//!
//! 1. Each line costs its unit price times its quantity.
//! 2. Discounts lower the sum: percentages of what is left, one after the other by their codes, then fixed amounts, never
//!    below zero. Each is spread over the lines in proportion to what is left of them, by largest remainder, so that the
//!    parts are exactly the whole.
//! 3. Each line is taxed at its rate, on what is left of it: added where prices are net, found within where they are gross.
//!
//! The order in which a customer names codes changes nothing.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::money::{Currency, Money, MoneyError, WHOLE_PPM};

/// Ten times the price: above every tax that there is, and far below what could overflow.
const MAX_TAX_PPM: i64 = 10 * WHOLE_PPM;

/// One thing to be bought, as the catalog has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) product: Uuid,
    /// Which of its prices.
    pub(crate) price: Uuid,
    /// The product's name.
    pub(crate) name: String,
    /// How many.
    pub(crate) quantity: i64,
    /// What one costs.
    pub(crate) unit: Money,
    /// How it is taxed where the order goes.
    pub(crate) tax: TaxRate,
}

/// How a class of products is taxed in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaxRate {
    /// Parts per million of the net price, [`MAX_TAX_PPM`] at most.
    pub(crate) ppm: i64,
    /// Whether prices have it in them.
    pub(crate) included: bool,
}

/// What a code takes off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Discount {
    /// A part.
    Percent {
        /// Its code.
        code: String,
        /// Parts per million.
        ppm: i64,
    },
    /// An amount.
    Fixed {
        /// Its code.
        code: String,
        /// At most this much.
        amount: Money,
    },
}

/// A line with what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What is bought.
    pub(crate) item: Item,
    /// This line's part of all discounts.
    pub(crate) discount: i64,
    /// Its tax.
    pub(crate) tax: i64,
    /// What is to be paid for it: discount taken off, tax in it.
    pub(crate) total: i64,
}

/// What all of it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quote {
    /// Of every amount in here.
    pub(crate) currency: Currency,
    /// In the order of the items.
    pub(crate) lines: Vec<Line>,
    /// Unit prices times quantities.
    pub(crate) subtotal: i64,
    /// The sum of the lines' discounts.
    pub(crate) discount: i64,
    /// The sum of the lines' taxes.
    pub(crate) tax: i64,
    /// The sum of the lines' totals.
    pub(crate) total: i64,
}

/// Why there is no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PriceError {
    /// Nothing is bought.
    #[error("there is nothing to buy")]
    Empty,
    /// None, or less than none.
    #[error("a quantity of {quantity} cannot be bought")]
    Quantity {
        /// Of this product.
        product: Uuid,
        /// As it was asked for.
        quantity: i64,
    },
    /// A sum is larger than an amount can be.
    #[error("the order's sum is larger than an amount can be")]
    Overflow,
    /// A price or a fixed discount of another currency.
    #[error("the order is in {wanted}, and something of it is in {found}")]
    MixedCurrency {
        /// The order's.
        wanted: Currency,
        /// The other.
        found: Currency,
    },
    /// A price below zero.
    #[error("a price is below zero")]
    NegativePrice {
        /// Of this product.
        product: Uuid,
    },
    /// Below zero, or above every bound.
    #[error("a tax of {ppm} parts per million is no tax")]
    TaxRate {
        /// Of this product.
        product: Uuid,
        /// The rate.
        ppm: i64,
    },
    /// Makes things dearer, or takes off more than everything.
    #[error("the discount {code} is no part of a price")]
    Discount {
        /// Its code.
        code: String,
    },
    /// The same code again.
    #[error("the discount {code} is named twice")]
    DiscountTwice {
        /// The code.
        code: String,
    },
}

impl From<MoneyError> for PriceError {
    fn from(error: MoneyError) -> PriceError {
        match error {
            MoneyError::Overflow => PriceError::Overflow,
            MoneyError::Mixed(wanted, found) => PriceError::MixedCurrency { wanted, found },
        }
    }
}

/// What these items cost with these discounts.
///
/// `total` is never negative, and is the sum of the lines' totals; so are the other sums. Fails rather than guesses.
pub(crate) fn quote(
    currency: Currency,
    items: Vec<Item>,
    discounts: &[Discount],
) -> Result<Quote, PriceError> {
    if items.is_empty() {
        return Err(PriceError::Empty);
    }
    let none = Money::new(0, currency);
    let costs = items
        .iter()
        .map(|item| cost(item, none))
        .collect::<Result<Vec<Money>, PriceError>>()?;
    let subtotal = sum(none, &costs)?;
    let left = discounted(none, costs.clone(), discounts)?;
    let lines = items
        .into_iter()
        .zip(costs.iter().zip(&left))
        .map(|(item, (cost, left))| line(item, *cost, *left))
        .collect::<Result<Vec<Line>, PriceError>>()?;
    let total_of = |part: fn(&Line) -> i64| {
        let parts: Vec<Money> = lines
            .iter()
            .map(|line| Money::new(part(line), currency))
            .collect();
        sum(none, &parts).map(|sum| sum.amount)
    };
    let (discount, tax, total) = (
        total_of(|line| line.discount)?,
        total_of(|line| line.tax)?,
        total_of(|line| line.total)?,
    );
    Ok(Quote {
        currency,
        lines,
        subtotal: subtotal.amount,
        discount,
        tax,
        total,
    })
}

/// Unit price times quantity. `none` is nothing, in the order's currency.
fn cost(item: &Item, none: Money) -> Result<Money, PriceError> {
    let product = item.product;
    if item.quantity <= 0 {
        return Err(PriceError::Quantity {
            product,
            quantity: item.quantity,
        });
    }
    if item.unit.amount < 0 {
        return Err(PriceError::NegativePrice { product });
    }
    if !(0..=MAX_TAX_PPM).contains(&item.tax.ppm) {
        return Err(PriceError::TaxRate {
            product,
            ppm: item.tax.ppm,
        });
    }
    Ok(none.checked_add(item.unit.mul_quantity(item.quantity)?)?)
}

fn sum(none: Money, amounts: &[Money]) -> Result<Money, PriceError> {
    let mut sum = none;
    for amount in amounts {
        sum = sum.checked_add(*amount)?;
    }
    Ok(sum)
}

/// What is left of each line.
fn discounted(
    none: Money,
    mut left: Vec<Money>,
    discounts: &[Discount],
) -> Result<Vec<Money>, PriceError> {
    for discount in in_order(discounts)? {
        let sum = sum(none, &left)?;
        let off = taken_off(discount, sum)?;
        let parts = spread(off, sum, &left)?;
        left = left
            .iter()
            .zip(parts)
            .map(|(left, part)| left.checked_sub(part))
            .collect::<Result<Vec<Money>, MoneyError>>()?;
    }
    Ok(left)
}

/// Percentages before fixed amounts, each kind by its codes, none twice.
fn in_order(discounts: &[Discount]) -> Result<Vec<&Discount>, PriceError> {
    let mut seen = BTreeSet::new();
    for discount in discounts {
        let code = discount.code();
        if !seen.insert(code) {
            return Err(PriceError::DiscountTwice {
                code: code.to_owned(),
            });
        }
    }
    let mut ordered: Vec<&Discount> = discounts.iter().collect();
    ordered.sort_by_cached_key(|discount| {
        let is_fixed = matches!(discount, Discount::Fixed { .. });
        (is_fixed, discount.code().to_owned())
    });
    Ok(ordered)
}

/// How much a discount takes off a sum; never more than it.
fn taken_off(discount: &Discount, sum: Money) -> Result<Money, PriceError> {
    let bad = |code: &str| PriceError::Discount {
        code: code.to_owned(),
    };
    match discount {
        Discount::Percent { code, ppm } if !(0..=WHOLE_PPM).contains(ppm) => Err(bad(code)),
        Discount::Percent { ppm, .. } => Ok(sum.share(*ppm)?),
        Discount::Fixed { code, amount } if amount.amount < 0 => Err(bad(code)),
        Discount::Fixed { amount, .. } => {
            // A difference is taken only to compare the currencies.
            sum.checked_sub(*amount)?;
            Ok(Money::new(amount.amount.min(sum.amount), sum.currency))
        }
    }
}

/// Cuts `off` into one part for each line, in proportion to `left`, whose sum is `sum`.
///
/// By largest remainder, earlier lines first among equals. The parts are exactly `off` together, and none is larger than
/// its line: only lines that lost a fraction get one unit more, and such a line has room for it.
fn spread(off: Money, sum: Money, left: &[Money]) -> Result<Vec<Money>, PriceError> {
    if sum.amount == 0 {
        return Ok(left.iter().map(|_| off).collect());
    }
    let whole = i128::from(sum.amount);
    let shares: Vec<i128> = left
        .iter()
        .map(|line| i128::from(off.amount) * i128::from(line.amount))
        .collect();
    let mut parts: Vec<i128> = shares.iter().map(|share| share / whole).collect();
    let missing = i128::from(off.amount) - parts.iter().sum::<i128>();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by_key(|line| std::cmp::Reverse(shares[*line] % whole));
    let missing = usize::try_from(missing).map_err(|_| PriceError::Overflow)?;
    for line in by_remainder.into_iter().take(missing) {
        parts[line] += 1;
    }
    parts
        .into_iter()
        .map(|part| {
            let amount = i64::try_from(part).map_err(|_| PriceError::Overflow)?;
            Ok(Money::new(amount, off.currency))
        })
        .collect()
}

/// A line that costs `cost` and of which `left` is left.
fn line(item: Item, cost: Money, left: Money) -> Result<Line, PriceError> {
    let TaxRate { ppm, included } = item.tax;
    let (tax, total) = match included {
        // The part of a gross price that is tax.
        true => (left.ratio(ppm, WHOLE_PPM + ppm)?, left),
        false => {
            let tax = left.share(ppm)?;
            (tax, left.checked_add(tax)?)
        }
    };
    Ok(Line {
        item,
        discount: cost.checked_sub(left)?.amount,
        tax: tax.amount,
        total: total.amount,
    })
}

impl Discount {
    /// By which customers name it.
    pub(crate) fn code(&self) -> &str {
        match self {
            Discount::Percent { code, .. } | Discount::Fixed { code, .. } => code,
        }
    }
}

#[cfg(test)]
mod tests;
