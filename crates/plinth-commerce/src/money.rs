//! Money: whole minor units of a currency of ISO 4217. No floating point anywhere.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The whole, in parts per million: how rates are written.
pub(crate) const WHOLE_PPM: i64 = 1_000_000;

/// A currency that people pay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Currency {
    code: &'static str,
    decimals: u32,
}

/// A text that names no currency we know: three capital letters of ISO 4217, in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no currency of ISO 4217")]
pub(crate) struct UnknownCurrency(pub(crate) String);

impl Currency {
    /// Three capital letters.
    pub(crate) fn code(self) -> &'static str {
        self.code
    }

    /// How many digits of the amount stand behind the point: 2 for cents, 0 where the smallest unit is the whole one.
    pub(crate) fn decimals(self) -> u32 {
        self.decimals
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Currency, UnknownCurrency> {
        CURRENCIES
            .iter()
            .flat_map(|(decimals, codes)| codes.iter().map(move |code| (*decimals, *code)))
            .find(|(_, code)| *code == text)
            .map(|(decimals, code)| Currency { code, decimals })
            .ok_or_else(|| UnknownCurrency(text.to_owned()))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code)
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// An amount of a currency, in its minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Money {
    /// Minor units.
    pub(crate) amount: i64,
    /// Of this currency.
    pub(crate) currency: Currency,
}

/// Why two amounts cannot be brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MoneyError {
    /// The answer is larger than an amount can be.
    #[error("the amount is larger than an amount can be")]
    Overflow,
    /// Two currencies.
    #[error("{0} and {1} do not go together")]
    Mixed(Currency, Currency),
}

impl Money {
    /// An amount of minor units.
    pub(crate) fn new(amount: i64, currency: Currency) -> Money {
        Money { amount, currency }
    }

    /// The sum.
    pub(crate) fn checked_add(self, other: Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        self.with(self.amount.checked_add(other.amount))
    }

    /// The difference.
    pub(crate) fn checked_sub(self, other: Money) -> Result<Money, MoneyError> {
        self.same_currency(other)?;
        self.with(self.amount.checked_sub(other.amount))
    }

    /// As much, so many times.
    pub(crate) fn mul_quantity(self, quantity: i64) -> Result<Money, MoneyError> {
        self.with(self.amount.checked_mul(quantity))
    }

    /// A part of it, half up (away from zero below zero).
    pub(crate) fn share(self, ppm: i64) -> Result<Money, MoneyError> {
        self.ratio(ppm, WHOLE_PPM)
    }

    /// `amount * of / whole`, half up (away from zero below zero). `whole` is positive, or nothing is the answer.
    pub(crate) fn ratio(self, of: i64, whole: i64) -> Result<Money, MoneyError> {
        let whole = i128::from(whole);
        if whole <= 0 {
            return self.with(None);
        }
        let product = i128::from(self.amount) * i128::from(of);
        let rounded = (product.abs() + whole / 2) / whole * product.signum();
        self.with(i64::try_from(rounded).ok())
    }

    fn same_currency(self, other: Money) -> Result<(), MoneyError> {
        match self.currency == other.currency {
            true => Ok(()),
            false => Err(MoneyError::Mixed(self.currency, other.currency)),
        }
    }

    fn with(self, amount: Option<i64>) -> Result<Money, MoneyError> {
        let amount = amount.ok_or(MoneyError::Overflow)?;
        Ok(Money { amount, ..self })
    }
}

/// `12.34 EUR`, `500 JPY`, `1.250 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount < 0 { "-" } else { "" };
        let digits = self.amount.unsigned_abs().to_string();
        let decimals = self.currency.decimals() as usize;
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, rest) = digits.split_at(digits.len() - decimals);
        let point = if decimals == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{rest} {}", self.currency)
    }
}

/// By the number of their decimals: the currencies of ISO 4217, list one, as of its amendment of January 2026.
///
/// Without funds codes (BOV, CHE, CHW, CLF, COU, MXV, USN, UYI, UYW), metals, bond units and codes for tests: nobody pays
/// with them. Source: the standard's maintenance agency.
const CURRENCIES: &[(u32, &[&str])] = &[
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND",
            "VUV", "XAF", "XOF", "XPF",
        ],
    ),
    (
        2,
        &[
            "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
            "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF",
            "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB",
            "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL",
            "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD",
            "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT",
            "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK",
            "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB",
            "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN",
            "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH",
            "USD", "UYU", "UZS", "VED", "VES", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, code.parse().unwrap())
    }

    #[test]
    fn amounts_are_shown_with_their_decimals() {
        for (amount, code, shown) in [
            (1234, "EUR", "12.34 EUR"),
            (5, "EUR", "0.05 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (0, "EUR", "0.00 EUR"),
            (500, "JPY", "500 JPY"),
            (0, "JPY", "0 JPY"),
            (1250, "KWD", "1.250 KWD"),
            (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
        ] {
            assert_eq!(money(amount, code).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_currency_is_refused() {
        // Lower case, a fund, a metal, one that is gone, none.
        for text in ["eur", "CLF", "XAU", "HRK", "EURO", "EU", "", "\u{20ac}"] {
            assert_eq!(
                text.parse::<Currency>(),
                Err(UnknownCurrency(text.to_owned()))
            );
        }
    }

    #[test]
    fn every_currency_stands_once() {
        let codes: Vec<&str> = CURRENCIES
            .iter()
            .flat_map(|(_, codes)| codes.iter().copied())
            .collect();
        let distinct: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(distinct.len(), codes.len());
        for code in codes {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(currency.code(), code);
            assert!(currency.decimals() <= 3);
            assert!(code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
        }
    }

    #[test]
    fn shares_are_rounded_half_up() {
        for (amount, ppm, share) in [
            (100, 190_000, 19),
            (50, 190_000, 10),
            (49, 190_000, 9),
            (-50, 190_000, -10),
            (1, 500_000, 1),
            (0, 500_000, 0),
            (i64::MAX, WHOLE_PPM, i64::MAX),
        ] {
            let got = money(amount, "EUR").share(ppm).unwrap();
            assert_eq!(got.amount, share, "{amount} {ppm}");
        }
        let more = money(i64::MAX, "EUR").share(WHOLE_PPM + 1);
        assert_eq!(more, Err(MoneyError::Overflow));
    }

    #[test]
    fn sums_are_checked() {
        let most = money(i64::MAX, "EUR");
        let one = money(1, "EUR");
        assert_eq!(most.checked_add(one), Err(MoneyError::Overflow));
        assert_eq!(
            money(i64::MIN, "EUR").checked_sub(one),
            Err(MoneyError::Overflow)
        );
        assert_eq!(most.mul_quantity(2), Err(MoneyError::Overflow));
        let yen = money(1, "JPY");
        assert_eq!(
            one.checked_add(yen),
            Err(MoneyError::Mixed(one.currency, yen.currency))
        );
        assert_eq!(one.mul_quantity(3).unwrap().to_string(), "0.03 EUR");
    }
}
