//! Powers and square roots.

use super::magnitude::Magnitude;
use super::{Kind, MAX_DISPLAY_SCALE, MAX_WHOLE_DIGITS, MIN_SIGNIFICANT_DIGITS, Numeric, overflow};
use crate::SqlError;
use crate::types::fault::out_of_range;

fn domain(message: &str) -> SqlError {
    SqlError::new("2201F", message)
}

impl Numeric {
    /// The square root, to at least 16 significant digits.
    pub fn sqrt(&self) -> Result<Numeric, SqlError> {
        if self.negative {
            return Err(domain("cannot take square root of a negative number"));
        }
        if !self.is_finite() {
            return Ok(self.clone());
        }
        let root_digits = self.leading_group().0 * 2 + 1;
        let scale = (MIN_SIGNIFICANT_DIGITS - root_digits).max(i64::from(self.scale));
        let scale = u32::try_from(scale.clamp(0, MAX_DISPLAY_SCALE)).unwrap_or(0);
        Ok(self.sqrt_at(scale))
    }

    fn sqrt_at(&self, scale: u32) -> Numeric {
        // One digit more than shown, then rounded: a root is never exactly half way between two decimals.
        let wanted = (i64::from(scale) + 1) * 2 - i64::from(self.scale);
        let digits = match usize::try_from(wanted) {
            Ok(up) => self.digits.shl10(up),
            Err(_) => self.digits.shr10(usize::try_from(-wanted).unwrap_or(0)),
        };
        Numeric::finite(false, digits.isqrt().shr10_half_up(1), scale)
    }

    /// `self ^ exponent`. Whole exponents are computed in decimal; others through `double precision`, so
    /// that digits after the sixteenth may differ from Postgres's.
    pub fn pow(&self, exponent: &Numeric) -> Result<Numeric, SqlError> {
        if !self.is_finite() || !exponent.is_finite() {
            return self.special_power(exponent);
        }
        if self.is_zero() && exponent.negative {
            return Err(domain("zero raised to a negative power is undefined"));
        }
        match exponent.whole() {
            Some(exponent) => self.whole_power(exponent),
            None if self.negative => Err(domain(
                "a negative number raised to a non-integer power yields a complex result",
            )),
            None => self.float_power(exponent),
        }
    }

    /// The value if it is whole and within 32 bits.
    fn whole(&self) -> Option<i32> {
        let cut = self.trunc(0);
        if cut != *self {
            return None;
        }
        i32::try_from(self.to_i64().ok()?).ok()
    }

    fn whole_power(&self, exponent: i32) -> Result<Numeric, SqlError> {
        let scale = MIN_SIGNIFICANT_DIGITS
            .max(i64::from(self.scale))
            .min(MAX_DISPLAY_SCALE);
        let shown = u32::try_from(scale).unwrap_or(0);
        let one = Numeric::from(1);
        if exponent == 0 || self.is_zero() {
            let value = if exponent == 0 { one } else { Numeric::zero() };
            return Ok(value.round_to(shown));
        }
        // Leading digit's exponent of the result, to one place.
        let (count, lead) = (self.digits.digit_count(), self.digits.leading(17));
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let log10 =
            (lead as f64).log10() + (count.saturating_sub(17) as f64) - f64::from(self.scale);
        let weight = log10 * f64::from(exponent);
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        if weight > MAX_WHOLE_DIGITS as f64 {
            return Err(overflow());
        }
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        if weight < -(scale as f64) - 1.0 {
            return Ok(Numeric::zero().round_to(shown));
        }
        // Working digits: those shown, and some for the errors that up to 62 products add up to.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "weight is bounded above"
        )]
        let working = (weight.max(0.0) as usize) + shown as usize + 24;
        let raised = self.raise(exponent.unsigned_abs(), working);
        let result = if exponent > 0 {
            raised.normal().round_to(shown)
        } else {
            raised.reciprocal(working).normal().round_to(shown)
        };
        Numeric::finite(self.negative && exponent % 2 != 0, result.digits, shown).bounded()
    }

    /// `|self| ^ exponent` to `working` significant digits, by squaring.
    fn raise(&self, mut exponent: u32, working: usize) -> Scaled {
        let mut square = Scaled {
            digits: self.digits.clone(),
            scale: i64::from(self.scale),
        };
        let mut result = Scaled {
            digits: Magnitude::from_u128(1),
            scale: 0,
        };
        loop {
            if exponent % 2 == 1 {
                result = result.mul(&square, working);
            }
            exponent /= 2;
            if exponent == 0 {
                return result;
            }
            square = square.mul(&square, working);
        }
    }

    fn float_power(&self, exponent: &Numeric) -> Result<Numeric, SqlError> {
        let value = self.to_f64()?.powf(exponent.to_f64()?);
        if !value.is_finite() {
            return Err(out_of_range("value"));
        }
        if value == 0.0 {
            return Ok(Numeric::zero().round_to(16));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the exponents of a double"
        )]
        let weight = value.log10() as i64;
        let scale = (MIN_SIGNIFICANT_DIGITS - weight)
            .max(i64::from(self.scale))
            .max(i64::from(exponent.scale))
            .clamp(0, MAX_DISPLAY_SCALE);
        let scale = u32::try_from(scale).unwrap_or(0);
        if *exponent == Numeric::from_scaled(5, 1) {
            return Ok(self.sqrt_at(scale));
        }
        Ok(format!("{value:.16e}").parse::<Numeric>()?.round_to(scale))
    }

    fn special_power(&self, exponent: &Numeric) -> Result<Numeric, SqlError> {
        let one = Numeric::from(1);
        if self.is_nan() || exponent.is_nan() {
            let certain = exponent.is_zero() || *self == one;
            return Ok(if certain { one } else { Numeric::nan() });
        }
        if self.is_zero() && exponent.negative {
            return Err(domain("zero raised to a negative power is undefined"));
        }
        if *self == one || exponent.is_zero() {
            return Ok(one);
        }
        let odd = exponent.is_finite()
            && exponent.trunc(0) == *exponent
            && exponent.trunc(0).digits.is_odd();
        if exponent.kind == Kind::Infinite {
            let base = self.abs();
            let zero = self.is_zero() || (base > one) == exponent.negative;
            if base == one {
                return Ok(one);
            }
            return Ok(if zero {
                Numeric::zero()
            } else {
                Numeric::infinity(false)
            });
        }
        if self.negative && exponent.trunc(0) != *exponent {
            return Err(domain(
                "a negative number raised to a non-integer power yields a complex result",
            ));
        }
        if exponent.negative {
            return Ok(Numeric::zero());
        }
        Ok(Numeric::infinity(self.negative && odd))
    }
}

/// `digits * 10^-scale` with a scale of either sign, for intermediate results.
struct Scaled {
    digits: Magnitude,
    scale: i64,
}

impl Scaled {
    fn mul(&self, other: &Scaled, working: usize) -> Scaled {
        let digits = self.digits.mul(&other.digits);
        let scale = self.scale + other.scale;
        let excess = digits.digit_count().saturating_sub(working);
        Scaled {
            digits: digits.shr10_half_up(excess),
            scale: scale - i64::try_from(excess).unwrap_or(0),
        }
    }

    fn reciprocal(&self, working: usize) -> Scaled {
        let shift = working + self.digits.digit_count();
        let digits = Magnitude::from_u128(1).shl10(shift).div_rem(&self.digits).0;
        Scaled {
            digits,
            scale: i64::try_from(shift).unwrap_or(0) - self.scale,
        }
    }

    fn normal(self) -> Numeric {
        if let Ok(scale) = u32::try_from(self.scale) {
            return Numeric::finite(false, self.digits, scale);
        }
        let zeros = usize::try_from(-self.scale).unwrap_or(0);
        Numeric::finite(false, self.digits.shl10(zeros), 0)
    }
}
