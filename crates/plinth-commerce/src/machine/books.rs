//! What the books say of an order, and the entries that bring them there.
//!
//! Debit is positive, credit negative, and every entry sums to zero. The accounts: what a provider holds for us
//! (`clearing:PROVIDER`, an asset), what we owe customers (`customer_credit`) and the tax office (`tax_payable`), both
//! liabilities, and what we have earned (`revenue`, income).

use serde::Serialize;

use super::{Amounts, State};

/// What sales have brought, without tax.
pub(crate) const REVENUE: &str = "revenue";
/// Tax that customers have paid and the tax office has not got yet.
pub(crate) const TAX_PAYABLE: &str = "tax_payable";
/// Money that belongs to customers.
pub(crate) const CUSTOMER_CREDIT: &str = "customer_credit";

/// The account of what a provider holds for us.
pub(crate) fn clearing(provider: &str) -> String {
    format!("clearing:{provider}")
}

/// One side of an entry, in the order's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Posting {
    /// The account's code.
    pub(crate) account: String,
    /// Minor units; positive is debit, negative credit, zero does not occur.
    pub(crate) amount: i64,
}

/// The kinds of entries; docs/orders.md says what each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Books {
    /// No money changes its place.
    None,
    /// The total has come: revenue, and tax.
    Sale,
    /// Money has come that belongs to the customer.
    Credit,
    /// What had been earned belongs to the customer again.
    Reversal,
    /// Money has gone back: first what we owed, then what had been earned, tax in proportion.
    Return,
}

/// Where the money of one order is, all its postings together. `held` is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    /// With providers.
    pub(crate) held: i64,
    /// Of it: earned, without tax.
    pub(crate) revenue: i64,
    /// Of it: the tax office's.
    pub(crate) tax: i64,
    /// Of it: the customer's.
    pub(crate) owed: i64,
}

impl Amounts {
    /// What the books say of an order in this state with these sums.
    ///
    /// Of what is held, an order that was sold has earned its total at most, and any other nothing; the rest is the customer's.
    /// None of the four is negative.
    pub(crate) fn balance(self, state: State) -> Balance {
        let held = self.held();
        let earned = match state {
            State::Paid | State::Fulfilled => held.min(self.total),
            State::Pending | State::Cancelled | State::Expired | State::Refunded => 0,
        };
        let tax = tax_in(earned, self);
        Balance {
            held,
            revenue: earned - tax,
            tax,
            owed: held - earned,
        }
    }
}

/// The entry that leads from one balance to the other. What has come or gone, came to or went from this provider.
pub(super) fn difference(provider: &str, before: Balance, after: Balance) -> Vec<Posting> {
    [
        (clearing(provider), after.held - before.held),
        (REVENUE.to_owned(), before.revenue - after.revenue),
        (TAX_PAYABLE.to_owned(), before.tax - after.tax),
        (CUSTOMER_CREDIT.to_owned(), before.owed - after.owed),
    ]
    .into_iter()
    .filter(|(_, amount)| *amount != 0)
    .map(|(account, amount)| Posting { account, amount })
    .collect()
}

/// The tax in a part of the order's total, half up: none in nothing, all of it in all.
///
/// It grows with the part and never faster than it, so that each posting of a refund is on its own side.
fn tax_in(part: i64, amounts: Amounts) -> i64 {
    let (part, tax, total) = (
        i128::from(part),
        i128::from(amounts.tax),
        i128::from(amounts.total),
    );
    if total == 0 {
        return 0;
    }
    let share = (2 * part * tax + total) / (2 * total);
    // Neither the part nor the tax is larger than the total, so the share is not larger than the tax.
    i64::try_from(share).unwrap_or(amounts.tax)
}
