//! Amounts as Stripe counts them, which for some currencies is not in the minor units of ISO 4217.
//!
//! Source: docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies" and "Special cases".

use super::super::Trouble;
use crate::money::{Currency, Money};

/// Whole units that Stripe counts in hundredths all the same, from the time when they had them.
const AS_HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];
/// Counted in whole units, though it has a minor unit.
const AS_WHOLE: &str = "MGA";

/// Our amount in Stripe's counting. Refuses what cannot be said there.
pub(super) fn theirs(money: Money) -> Result<i64, Trouble> {
    let refused = || Trouble::Refused {
        code: "amount_not_payable".to_owned(),
        message: format!("Stripe cannot be told of {money}"),
    };
    let (times, per, step) = factors(money.currency);
    if money.amount % (per * step) != 0 {
        return Err(refused());
    }
    (money.amount / per).checked_mul(times).ok_or_else(refused)
}

/// Stripe's amount in ours. None for a currency that nobody knows, and for what has no meaning in it.
pub(super) fn ours(amount: i64, currency: &str) -> Option<Money> {
    let currency: Currency = currency.to_ascii_uppercase().parse().ok()?;
    let (times, per, _) = factors(currency);
    if amount % times != 0 {
        return None;
    }
    let amount = (amount / times).checked_mul(per)?;
    Some(Money { amount, currency })
}

/// Theirs = ours × the first ÷ the second; theirs must be a multiple of the third.
fn factors(currency: Currency) -> (i64, i64, i64) {
    let code = currency.code();
    if AS_HUNDREDTHS.contains(&code) {
        return (100, 1, 1);
    }
    if code == AS_WHOLE {
        return (1, 100, 1);
    }
    // Of thousandths the last digit must be zero.
    (1, 1, if currency.decimals() == 3 { 10 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money {
            amount,
            currency: code.parse().unwrap(),
        }
    }

    #[test]
    fn amounts_are_said_as_stripe_counts() {
        for (ours, code, said) in [
            (1234, "EUR", 1234),
            (1234, "JPY", 1234),
            (1230, "KWD", 1230),
            (12, "ISK", 1200),
            (12, "UGX", 1200),
            (1200, "MGA", 12),
        ] {
            assert_eq!(theirs(money(ours, code)), Ok(said), "{code}");
            assert_eq!(
                super::ours(said, &code.to_ascii_lowercase()),
                Some(money(ours, code))
            );
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        for (amount, code) in [(1234, "KWD"), (1250, "MGA"), (i64::MAX, "ISK")] {
            assert!(
                matches!(theirs(money(amount, code)), Err(Trouble::Refused { .. })),
                "{code}"
            );
        }
        assert_eq!(ours(1250, "isk"), None);
        assert_eq!(ours(1, "zzz"), None);
        assert_eq!(ours(i64::MAX, "mga"), None);
    }
}
