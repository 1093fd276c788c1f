//! `numeric`: decimal numbers of any size that keep every digit and their display scale.
//!
//! `1.50` and `1.5` are equal and print differently. Results carry the scale Postgres gives them.

mod arith;
mod compare;
mod convert;
mod magnitude;
mod power;
mod text;

use std::cmp::Ordering;

use magnitude::Magnitude;

pub use compare::compare_text;

use crate::SqlError;

/// Digits before the decimal point that Postgres can store.
const MAX_WHOLE_DIGITS: usize = 131_072;
/// Digits after the decimal point that Postgres can store.
const MAX_SCALE: u32 = 16_383;
/// The scale division and roots stop at, unless an operand has more.
const MAX_DISPLAY_SCALE: i64 = 1000;
/// Division and roots give at least this many significant digits, to be no worse than `double precision`.
const MIN_SIGNIFICANT_DIGITS: i64 = 16;

/// A decimal number, an infinity or not-a-number.
#[derive(Clone, Debug)]
pub struct Numeric {
    kind: Kind,
    /// Never true for zero and not-a-number.
    negative: bool,
    /// The value times `10^scale`; zero for the specials.
    digits: Magnitude,
    scale: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Finite,
    Infinite,
    NaN,
}

impl Numeric {
    /// `0`.
    pub fn zero() -> Numeric {
        Numeric::finite(false, Magnitude::default(), 0)
    }

    /// Not a number: equal to itself and above everything.
    pub fn nan() -> Numeric {
        Numeric {
            kind: Kind::NaN,
            ..Numeric::zero()
        }
    }

    /// `Infinity` or `-Infinity`.
    pub fn infinity(negative: bool) -> Numeric {
        Numeric {
            kind: Kind::Infinite,
            negative,
            ..Numeric::zero()
        }
    }

    /// Neither infinite nor not-a-number.
    pub fn is_finite(&self) -> bool {
        self.kind == Kind::Finite
    }

    /// Not a number.
    pub fn is_nan(&self) -> bool {
        self.kind == Kind::NaN
    }

    /// Exactly zero.
    pub fn is_zero(&self) -> bool {
        self.is_finite() && self.digits.is_zero()
    }

    /// Below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Digits shown after the decimal point.
    pub fn scale(&self) -> u32 {
        self.scale
    }

    /// The smallest scale that keeps every digit.
    pub fn min_scale(&self) -> u32 {
        if self.digits.is_zero() {
            return 0;
        }
        let zeros = u32::try_from(self.digits.trailing_zeros()).unwrap_or(u32::MAX);
        self.scale.saturating_sub(zeros)
    }

    /// Without zeros at the end of the fraction.
    #[must_use]
    pub fn trim_scale(&self) -> Numeric {
        self.trunc(i64::from(self.min_scale()))
    }

    fn finite(negative: bool, digits: Magnitude, scale: u32) -> Numeric {
        let negative = negative && !digits.is_zero();
        Numeric {
            kind: Kind::Finite,
            negative,
            digits,
            scale,
        }
    }

    /// Refuses what Postgres cannot store.
    fn bounded(self) -> Result<Numeric, SqlError> {
        let whole = self
            .digits
            .digit_count()
            .saturating_sub(self.scale as usize);
        if whole > MAX_WHOLE_DIGITS || self.scale > MAX_SCALE {
            return Err(overflow());
        }
        Ok(self)
    }

    /// The digits as if the scale were `scale`, which must not be smaller than it is.
    fn digits_at(&self, scale: u32) -> Magnitude {
        self.digits.shl10((scale - self.scale) as usize)
    }

    /// The exponent of the leading digit: 2 for 100, -1 for 0.5. `None` for zero.
    fn exponent(&self) -> Option<i64> {
        let count = i64::try_from(self.digits.digit_count()).unwrap_or(i64::MAX);
        (count > 0).then(|| count - 1 - i64::from(self.scale))
    }
}

fn overflow() -> SqlError {
    SqlError::new("22003", "value overflows numeric format")
}

impl Ord for Numeric {
    /// By value: `1.5 = 1.50`, not-a-number last.
    fn cmp(&self, other: &Numeric) -> Ordering {
        let rank = |n: &Numeric| match (n.kind, n.negative) {
            (Kind::Infinite, true) => 0,
            (Kind::Finite, _) => 1,
            (Kind::Infinite, false) => 2,
            (Kind::NaN, _) => 3,
        };
        if !self.is_finite() || !other.is_finite() {
            return rank(self).cmp(&rank(other));
        }
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (negative, _) => {
                let order = self.exponent().cmp(&other.exponent()).then_with(|| {
                    let scale = self.scale.max(other.scale);
                    self.digits_at(scale).cmp(&other.digits_at(scale))
                });
                if negative { order.reverse() } else { order }
            }
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Numeric) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Numeric) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}

#[cfg(test)]
mod tests;
