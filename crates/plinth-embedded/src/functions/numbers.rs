//! Functions of numbers. Names begin with what they take: `n_` numeric, `f8_` double precision.

use std::f64::consts::PI;

use plinth_sql::SqlError;
use plinth_sql::types::float;
use plinth_sql::types::numeric::Numeric;

use super::arithmetic::underflow;
use super::call::{Args, Function, Out, strict};
use super::logarithm;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("n_abs", 1, |a| Ok(a.numeric(0)?.abs().into())),
    strict("n_ceil", 1, |a| Ok(a.numeric(0)?.ceil().into())),
    strict("n_floor", 1, |a| Ok(a.numeric(0)?.floor().into())),
    strict("n_round", 2, |a| Ok(a.numeric(0)?.round(a.int(1)?).into())),
    strict("n_trunc", 2, |a| Ok(a.numeric(0)?.trunc(a.int(1)?).into())),
    strict("n_sign", 1, |a| Ok(a.numeric(0)?.sign().into())),
    strict("n_sqrt", 1, |a| Ok(a.numeric(0)?.sqrt()?.into())),
    strict("n_exp", 1, |a| Ok(logarithm::exp(&a.numeric(0)?)?.into())),
    strict("n_ln", 1, |a| Ok(logarithm::ln(&a.numeric(0)?)?.into())),
    strict("n_log", 2, |a| {
        Ok(logarithm::log(&a.numeric(0)?, &a.numeric(1)?)?.into())
    }),
    strict("n_quotient", 2, |a| {
        Ok(a.numeric(0)?.div_trunc(&a.numeric(1)?)?.into())
    }),
    strict(
        "n_gcd",
        2,
        |a| Ok(gcd(a.numeric(0)?, a.numeric(1)?)?.into()),
    ),
    strict("n_lcm", 2, |a| {
        Ok(lcm(&a.numeric(0)?, &a.numeric(1)?)?.into())
    }),
    strict("n_scale", 1, |a| {
        Ok(finite(a.numeric(0)?)
            .map(|value| i64::from(value.scale()))
            .into())
    }),
    strict("n_min_scale", 1, |a| {
        Ok(finite(a.numeric(0)?)
            .map(|value| i64::from(value.min_scale()))
            .into())
    }),
    strict("n_trim_scale", 1, |a| Ok(a.numeric(0)?.trim_scale().into())),
    strict("n_factorial", 1, |a| factorial(a.int(0)?)),
    strict("n_bucket", 4, numeric_bucket),
    strict("f8_bucket", 4, float_bucket),
    strict("f8_abs", 1, |a| Ok(a.real(0)?.abs().into())),
    strict("f8_ceil", 1, |a| Ok(a.real(0)?.ceil().into())),
    strict("f8_floor", 1, |a| Ok(a.real(0)?.floor().into())),
    strict("f8_round", 1, |a| Ok(a.real(0)?.round_ties_even().into())),
    strict("f8_trunc", 1, |a| Ok(a.real(0)?.trunc().into())),
    strict("f8_sign", 1, |a| Ok(sign(a.real(0)?).into())),
    strict("f8_sqrt", 1, |a| square_root(a.real(0)?)),
    strict("f8_cbrt", 1, |a| Ok(a.real(0)?.cbrt().into())),
    strict("f8_exp", 1, |a| exponential(a.real(0)?)),
    strict("f8_ln", 1, |a| Ok(positive(a.real(0)?)?.ln().into())),
    strict("f8_log10", 1, |a| Ok(positive(a.real(0)?)?.log10().into())),
    strict("f8_degrees", 1, |a| {
        float::checked(a.real(0)? / (PI / 180.0), a.real(0)?.is_finite()).map(Out::Real)
    }),
    strict("f8_radians", 1, |a| Ok((a.real(0)? * (PI / 180.0)).into())),
    strict("f8_sin", 1, |a| Ok(not_infinite(a.real(0)?)?.sin().into())),
    strict("f8_cos", 1, |a| Ok(not_infinite(a.real(0)?)?.cos().into())),
    strict("f8_tan", 1, |a| Ok(not_infinite(a.real(0)?)?.tan().into())),
    strict("f8_cot", 1, |a| {
        Ok((1.0 / not_infinite(a.real(0)?)?.tan()).into())
    }),
    strict("f8_asin", 1, |a| Ok(unit(a.real(0)?)?.asin().into())),
    strict("f8_acos", 1, |a| Ok(unit(a.real(0)?)?.acos().into())),
    strict("f8_atan", 1, |a| Ok(a.real(0)?.atan().into())),
    strict("f8_atan2", 2, |a| Ok(a.real(0)?.atan2(a.real(1)?).into())),
    strict("f8_sinh", 1, |a| Ok(a.real(0)?.sinh().into())),
    strict("f8_cosh", 1, |a| Ok(a.real(0)?.cosh().into())),
    strict("f8_tanh", 1, |a| Ok(a.real(0)?.tanh().into())),
];

fn finite(value: Numeric) -> Option<Numeric> {
    value.is_finite().then_some(value)
}

fn gcd(mut a: Numeric, mut b: Numeric) -> Result<Numeric, SqlError> {
    if !a.is_finite() || !b.is_finite() {
        return Ok(Numeric::nan());
    }
    // Both at the larger scale, which is the result's.
    let scale = i64::from(a.scale().max(b.scale()));
    while !b.is_zero() {
        let rest = a.rem(&b)?;
        a = std::mem::replace(&mut b, rest);
    }
    Ok(a.abs().round(scale))
}

fn lcm(a: &Numeric, b: &Numeric) -> Result<Numeric, SqlError> {
    if !a.is_finite() || !b.is_finite() {
        return Ok(Numeric::nan());
    }
    let scale = i64::from(a.scale().max(b.scale()));
    if a.is_zero() || b.is_zero() {
        return Ok(Numeric::zero().round(scale));
    }
    let common = gcd(a.clone(), b.clone())?;
    Ok(a.div_trunc(&common)?.mul(b)?.abs().round(scale))
}

/// Postgres goes on to 32177!, which has 131,072 digits; ours ends where a call takes a few milliseconds.
const MAX_FACTORIAL: i64 = 5000;

fn factorial(n: i64) -> Result<Out, SqlError> {
    if n < 0 {
        return Err(SqlError::new(
            "22003",
            "factorial of a negative number is undefined",
        ));
    }
    if n > MAX_FACTORIAL {
        return Err(SqlError::new("22003", "value overflows numeric format"));
    }
    let mut product = Numeric::from(1);
    for factor in 2..=n {
        product = product.mul(&Numeric::from(factor))?;
    }
    Ok(product.into())
}

fn bucket_fault(message: &str) -> SqlError {
    SqlError::new("2201G", message)
}

fn numeric_bucket(args: &Args<'_>) -> Result<Out, SqlError> {
    let (value, low, high, count) = (
        args.numeric(0)?,
        args.numeric(1)?,
        args.numeric(2)?,
        args.int(3)?,
    );
    if count <= 0 {
        return Err(bucket_fault("count must be greater than zero"));
    }
    if value.is_nan() || low.is_nan() || high.is_nan() {
        return Err(bucket_fault(
            "operand, lower bound, and upper bound cannot be NaN",
        ));
    }
    if !low.is_finite() || !high.is_finite() {
        return Err(bucket_fault("lower and upper bounds must be finite"));
    }
    if low == high {
        return Err(bucket_fault("lower bound cannot equal upper bound"));
    }
    let rising = low < high;
    let (before, behind) = if rising {
        (value < low, value >= high)
    } else {
        (value > low, value <= high)
    };
    if before {
        return Ok(Out::Int(0));
    }
    if behind {
        return Ok(Out::Int(count + 1));
    }
    let (above, width) = (value.sub(&low)?.abs(), high.sub(&low)?.abs());
    let place = above
        .mul(&Numeric::from(count))?
        .div_trunc(&width)?
        .to_i64()?;
    Ok(Out::Int(place + 1))
}

fn float_bucket(args: &Args<'_>) -> Result<Out, SqlError> {
    let (value, low, high, count) = (args.real(0)?, args.real(1)?, args.real(2)?, args.int(3)?);
    if count <= 0 {
        return Err(bucket_fault("count must be greater than zero"));
    }
    if !low.is_finite() || !high.is_finite() {
        return Err(bucket_fault("lower and upper bounds must be finite"));
    }
    let (before, behind) = match low.partial_cmp(&high) {
        Some(std::cmp::Ordering::Less) => (value < low, value >= high),
        Some(std::cmp::Ordering::Greater) => (value > low, value <= high),
        _ => return Err(bucket_fault("lower bound cannot equal upper bound")),
    };
    if before {
        return Ok(Out::Int(0));
    }
    if behind {
        return Ok(Out::Int(count + 1));
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "count is a 32-bit integer"
    )]
    let place = (count as f64 * ((value - low) / (high - low))) as i64;
    Ok(Out::Int(place.min(count - 1) + 1))
}

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn square_root(value: f64) -> Result<Out, SqlError> {
    if value < 0.0 {
        return Err(SqlError::new(
            "2201F",
            "cannot take square root of a negative number",
        ));
    }
    Ok(value.sqrt().into())
}

fn exponential(value: f64) -> Result<Out, SqlError> {
    let result = float::checked(value.exp(), value.is_finite())?;
    if result == 0.0 && value.is_finite() {
        return Err(underflow());
    }
    Ok(result.into())
}

fn positive(value: f64) -> Result<f64, SqlError> {
    if value == 0.0 {
        return Err(SqlError::new("2201E", "cannot take logarithm of zero"));
    }
    if value < 0.0 {
        return Err(SqlError::new(
            "2201E",
            "cannot take logarithm of a negative number",
        ));
    }
    Ok(value)
}

fn out_of_range() -> SqlError {
    SqlError::new("22003", "input is out of range")
}

fn not_infinite(value: f64) -> Result<f64, SqlError> {
    if value.is_infinite() {
        Err(out_of_range())
    } else {
        Ok(value)
    }
}

fn unit(value: f64) -> Result<f64, SqlError> {
    if (-1.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(out_of_range())
    }
}
