//! Numeric arithmetic: sums, products, quotients, rounding, and the modifier `numeric(p, s)`.

use super::magnitude::Magnitude;
use super::{Kind, MAX_DISPLAY_SCALE, MAX_SCALE, MIN_SIGNIFICANT_DIGITS, Numeric};
use crate::SqlError;
use crate::types::fault::division_by_zero;

/// `round(n, d)` and `trunc(n, d)` take `d` no further than this either way, as in Postgres.
const MAX_ROUND_SCALE: i64 = 2000;

impl Numeric {
    /// `self + other`, with the larger scale.
    pub fn add(&self, other: &Numeric) -> Result<Numeric, SqlError> {
        if !self.is_finite() || !other.is_finite() {
            return Ok(match (self.kind, other.kind) {
                (Kind::NaN, _) | (_, Kind::NaN) => Numeric::nan(),
                (Kind::Infinite, Kind::Infinite) if self.negative != other.negative => {
                    Numeric::nan()
                }
                (Kind::Infinite, _) => self.clone(),
                _ => other.clone(),
            });
        }
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.digits_at(scale), other.digits_at(scale));
        let sum = if self.negative == other.negative {
            Numeric::finite(self.negative, a.add(&b), scale)
        } else if a >= b {
            Numeric::finite(self.negative, a.sub(&b), scale)
        } else {
            Numeric::finite(other.negative, b.sub(&a), scale)
        };
        sum.bounded()
    }

    /// `self - other`, with the larger scale.
    pub fn sub(&self, other: &Numeric) -> Result<Numeric, SqlError> {
        self.add(&other.neg())
    }

    /// `self * other`; the scales add up.
    pub fn mul(&self, other: &Numeric) -> Result<Numeric, SqlError> {
        if self.is_nan() || other.is_nan() {
            return Ok(Numeric::nan());
        }
        if !self.is_finite() || !other.is_finite() {
            if self.is_zero() || other.is_zero() {
                return Ok(Numeric::nan());
            }
            return Ok(Numeric::infinity(self.negative != other.negative));
        }
        let product = Numeric::finite(
            self.negative != other.negative,
            self.digits.mul(&other.digits),
            self.scale + other.scale,
        );
        let product = if product.scale > MAX_SCALE {
            product.round_to(MAX_SCALE)
        } else {
            product
        };
        product.bounded()
    }

    /// `self / other`, rounded to the scale Postgres chooses for a quotient.
    pub fn div(&self, other: &Numeric) -> Result<Numeric, SqlError> {
        if let Some(special) = self.special_quotient(other)? {
            return Ok(special);
        }
        self.div_at(other, self.quotient_scale(other)).bounded()
    }

    /// `div(a, b)`: the quotient cut to a whole number.
    pub fn div_trunc(&self, other: &Numeric) -> Result<Numeric, SqlError> {
        if let Some(special) = self.special_quotient(other)? {
            return Ok(special);
        }
        let scale = self.scale.max(other.scale);
        let quotient = self.digits_at(scale).div_rem(&other.digits_at(scale)).0;
        Ok(Numeric::finite(
            self.negative != other.negative,
            quotient,
            0,
        ))
    }

    /// `self % other`, with the sign of `self` and the larger scale.
    pub fn rem(&self, other: &Numeric) -> Result<Numeric, SqlError> {
        if self.is_nan() || other.is_nan() {
            return Ok(Numeric::nan());
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        if !self.is_finite() {
            return Ok(Numeric::nan());
        }
        if !other.is_finite() {
            return Ok(self.clone());
        }
        let scale = self.scale.max(other.scale);
        let rest = self.digits_at(scale).div_rem(&other.digits_at(scale)).1;
        Ok(Numeric::finite(self.negative, rest, scale))
    }

    /// `-self`.
    #[must_use]
    pub fn neg(&self) -> Numeric {
        let mut out = self.clone();
        out.negative = !self.negative && !self.is_zero() && !self.is_nan();
        out
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(&self) -> Numeric {
        Numeric {
            negative: false,
            ..self.clone()
        }
    }

    /// -1, 0 or 1 (not-a-number stays).
    #[must_use]
    pub fn sign(&self) -> Numeric {
        if self.is_nan() {
            return Numeric::nan();
        }
        let one = Magnitude::from_u128(u128::from(!self.is_zero()));
        Numeric::finite(self.negative, one, 0)
    }

    /// Rounded to `scale` digits after the point (before it when negative), halves away from zero.
    #[must_use]
    pub fn round(&self, scale: i64) -> Numeric {
        self.rescaled(scale, Magnitude::shr10_half_up)
    }

    /// Cut to `scale` digits after the point (before it when negative).
    #[must_use]
    pub fn trunc(&self, scale: i64) -> Numeric {
        self.rescaled(scale, Magnitude::shr10)
    }

    /// The smallest whole number that is not below.
    #[must_use]
    pub fn ceil(&self) -> Numeric {
        let cut = self.trunc(0);
        if self.is_finite() && !self.negative && cut != *self {
            cut.away_from_zero()
        } else {
            cut
        }
    }

    /// The largest whole number that is not above.
    #[must_use]
    pub fn floor(&self) -> Numeric {
        let cut = self.trunc(0);
        if self.is_finite() && self.negative && cut != *self {
            Numeric::finite(true, cut.digits.add(&Magnitude::from_u128(1)), 0)
        } else {
            cut
        }
    }

    /// What `numeric(precision, scale)` keeps of a value: `22003 numeric field overflow` when it is too large.
    pub fn apply_typmod(&self, precision: i32, scale: i32) -> Result<Numeric, SqlError> {
        let refuse = |why: String| {
            let detail = format!("A field with precision {precision}, scale {scale} {why}.");
            Err(SqlError::new("22003", "numeric field overflow").detail(detail))
        };
        match self.kind {
            Kind::NaN => return Ok(self.clone()),
            Kind::Infinite => return refuse("cannot hold an infinite value".to_owned()),
            Kind::Finite => {}
        }
        let rounded = self.round(i64::from(scale));
        let most = i64::from(precision) - i64::from(scale);
        if rounded.exponent().is_some_and(|exponent| exponent >= most) {
            let limit = if most == 0 {
                "1".to_owned()
            } else {
                format!("10^{most}")
            };
            return refuse(format!("must round to an absolute value less than {limit}"));
        }
        Ok(rounded)
    }

    fn away_from_zero(&self) -> Numeric {
        Numeric::finite(self.negative, self.digits.add(&Magnitude::from_u128(1)), 0)
    }

    fn rescaled(&self, scale: i64, cut: fn(&Magnitude, usize) -> Magnitude) -> Numeric {
        if !self.is_finite() {
            return self.clone();
        }
        let scale = scale.clamp(-MAX_ROUND_SCALE, MAX_ROUND_SCALE.max(i64::from(self.scale)));
        let shown = u32::try_from(scale).unwrap_or(0);
        let dropped = i64::from(self.scale) - scale;
        let Ok(dropped) = usize::try_from(dropped) else {
            return Numeric::finite(self.negative, self.digits_at(shown), shown);
        };
        let digits = cut(&self.digits, dropped);
        let lost_whole_digits = usize::try_from(-scale).unwrap_or(0);
        Numeric::finite(self.negative, digits.shl10(lost_whole_digits), shown)
    }

    /// Rounded to a scale that is known to be in range.
    pub(super) fn round_to(&self, scale: u32) -> Numeric {
        match self.scale.checked_sub(scale) {
            Some(dropped) => Numeric::finite(
                self.negative,
                self.digits.shr10_half_up(dropped as usize),
                scale,
            ),
            None => Numeric::finite(self.negative, self.digits_at(scale), scale),
        }
    }

    /// The quotient of finite values, halves away from zero, at exactly this scale.
    pub(super) fn div_at(&self, other: &Numeric, scale: u32) -> Numeric {
        let shift = i64::from(scale) + i64::from(other.scale) - i64::from(self.scale);
        let up = usize::try_from(shift).unwrap_or(0);
        let down = usize::try_from(-shift).unwrap_or(0);
        let divisor = other.digits.shl10(down);
        let (quotient, rest) = self.digits.shl10(up).div_rem(&divisor);
        let half_or_more = rest.add(&rest) >= divisor;
        let quotient = if half_or_more {
            quotient.add(&Magnitude::from_u128(1))
        } else {
            quotient
        };
        Numeric::finite(self.negative != other.negative, quotient, scale)
    }

    fn special_quotient(&self, other: &Numeric) -> Result<Option<Numeric>, SqlError> {
        if self.is_nan() || other.is_nan() {
            return Ok(Some(Numeric::nan()));
        }
        if other.is_zero() {
            return Err(division_by_zero());
        }
        Ok(match (self.kind, other.kind) {
            (Kind::Infinite, Kind::Infinite) => Some(Numeric::nan()),
            (Kind::Infinite, _) => Some(Numeric::infinity(self.negative != other.negative)),
            (_, Kind::Infinite) => Some(Numeric::zero()),
            _ => None,
        })
    }

    /// Enough digits for 16 significant ones, counted as Postgres does: in groups of four from the decimal
    /// point, taking the quotient for one group shorter when the leading groups do not decide.
    fn quotient_scale(&self, other: &Numeric) -> u32 {
        let (weight, first) = self.leading_group();
        let (other_weight, other_first) = other.leading_group();
        let quotient_weight = weight - other_weight - i64::from(first <= other_first);
        let wanted = (MIN_SIGNIFICANT_DIGITS - quotient_weight * 4)
            .max(i64::from(self.scale))
            .max(i64::from(other.scale))
            .clamp(0, MAX_DISPLAY_SCALE);
        u32::try_from(wanted).unwrap_or(0)
    }

    /// Position (0 = the units' group) and value of the first non-zero group of four digits.
    pub(super) fn leading_group(&self) -> (i64, u64) {
        let Some(exponent) = self.exponent() else {
            return (0, 0);
        };
        let weight = exponent.div_euclid(4);
        let count = usize::try_from(exponent - weight * 4 + 1).unwrap_or(1);
        let digits = self.digits.digit_count();
        let first = self.digits.leading(count);
        // A number such as 0.5 has fewer digits than its leading group.
        let missing = u32::try_from(count.saturating_sub(digits)).unwrap_or(0);
        (weight, first * 10u64.pow(missing))
    }
}
