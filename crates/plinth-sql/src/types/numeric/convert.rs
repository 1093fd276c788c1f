//! Numeric to and from the machine's numbers.

use super::magnitude::Magnitude;
use super::{Kind, Numeric};
use crate::SqlError;
use crate::types::fault::out_of_range;
use crate::types::{Type, float};

impl From<i64> for Numeric {
    fn from(value: i64) -> Numeric {
        Numeric::from(i128::from(value))
    }
}

impl From<i32> for Numeric {
    fn from(value: i32) -> Numeric {
        Numeric::from(i128::from(value))
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Numeric {
        Numeric::finite(value < 0, Magnitude::from_u128(value.unsigned_abs()), 0)
    }
}

impl Numeric {
    /// `value * 10^-scale`: `from_scaled(1_500_000, 6)` is `1.500000`.
    pub fn from_scaled(value: i128, scale: u32) -> Numeric {
        Numeric::finite(value < 0, Magnitude::from_u128(value.unsigned_abs()), scale)
    }

    /// From `double precision`: 15 significant digits, as Postgres casts.
    pub fn from_f64(value: f64) -> Numeric {
        from_float(value, &format!("{value:.14e}"))
    }

    /// From `real`: 6 significant digits, as Postgres casts.
    pub fn from_f32(value: f32) -> Numeric {
        from_float(f64::from(value), &format!("{value:.5e}"))
    }

    /// The nearest whole number, halves away from zero.
    pub fn to_i64(&self) -> Result<i64, SqlError> {
        self.to_integer(&Type::Int8)
    }

    /// The nearest whole number within an integer type: `22003 integer out of range`.
    pub fn to_integer(&self, ty: &Type) -> Result<i64, SqlError> {
        match self.kind {
            Kind::NaN => {
                return Err(SqlError::new(
                    "0A000",
                    format!("cannot convert NaN to {ty}"),
                ));
            }
            Kind::Infinite => {
                return Err(SqlError::new(
                    "0A000",
                    format!("cannot convert infinity to {ty}"),
                ));
            }
            Kind::Finite => {}
        }
        let whole = self
            .round(0)
            .digits
            .to_u128()
            .and_then(|whole| i128::try_from(whole).ok());
        let whole = whole.ok_or_else(|| out_of_range(ty))?;
        crate::types::integer::checked(ty, if self.negative { -whole } else { whole })
    }

    /// The nearest `double precision`.
    pub fn to_f64(&self) -> Result<f64, SqlError> {
        match (self.kind, self.negative) {
            (Kind::NaN, _) => Ok(f64::NAN),
            (Kind::Infinite, true) => Ok(f64::NEG_INFINITY),
            (Kind::Infinite, false) => Ok(f64::INFINITY),
            (Kind::Finite, _) => float::parse_f64(&self.to_string()),
        }
    }
}

fn from_float(value: f64, text: &str) -> Numeric {
    if value.is_nan() {
        return Numeric::nan();
    }
    if value.is_infinite() {
        return Numeric::infinity(value < 0.0);
    }
    // The text has a fixed number of digits; zeros at the end of the mantissa say nothing.
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    format!("{mantissa}e{exponent}")
        .parse()
        .unwrap_or_else(|_| Numeric::zero())
}
