//! `ln`, `log`, `exp` and fractional powers of `numeric`, to as many digits as Postgres shows.
//!
//! Everything is fixed-point: values rounded to a working scale that has some digits more than the result.

use plinth_sql::SqlError;
use plinth_sql::types::numeric::Numeric;

/// Significant digits that a result has at least.
const SIGNIFICANT: i64 = 16;
/// Digits after the point that a result has at most.
const MAX_SCALE: i64 = 1000;
/// Digits that the errors of all steps together stay below.
const GUARD: i64 = 20;
/// Above this `exp` overflows, below its negative it is zero.
const MAX_EXPONENT: f64 = 6000.0;

/// `ln(x)`.
pub(super) fn ln(x: &Numeric) -> Result<Numeric, SqlError> {
    if x.is_nan() {
        return Ok(Numeric::nan());
    }
    check_positive(x)?;
    if !x.is_finite() {
        return Ok(x.clone());
    }
    let scale = (SIGNIFICANT - weight_of_ln(x)?)
        .max(i64::from(x.scale()))
        .clamp(0, MAX_SCALE);
    Ok(ln_at(x, scale + GUARD)?.round(scale))
}

/// `log(base, x)`.
pub(super) fn log(base: &Numeric, x: &Numeric) -> Result<Numeric, SqlError> {
    if base.is_nan() || x.is_nan() {
        return Ok(Numeric::nan());
    }
    check_positive(base)?;
    check_positive(x)?;
    match (base.is_finite(), x.is_finite()) {
        (false, false) => return Ok(Numeric::nan()),
        (false, true) => return Ok(Numeric::zero()),
        (true, false) => return Ok(x.clone()),
        (true, true) => {}
    }
    let weight = weight_of_ln(x)? - weight_of_ln(base)?;
    let scale = (SIGNIFICANT - weight)
        .max(i64::from(x.scale()))
        .max(i64::from(base.scale()))
        .clamp(0, MAX_SCALE);
    let working = scale + GUARD;
    Ok(ln_at(x, working)?.div(&ln_at(base, working)?)?.round(scale))
}

/// `exp(x)`.
pub(super) fn exp(x: &Numeric) -> Result<Numeric, SqlError> {
    if !x.is_finite() {
        return Ok(if x.is_negative() {
            Numeric::zero()
        } else {
            x.clone()
        });
    }
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    let digits = (x.to_f64()? * std::f64::consts::LOG10_E).clamp(-2000.0, 2000.0) as i64;
    let scale = (SIGNIFICANT - digits)
        .max(i64::from(x.scale()))
        .clamp(0, MAX_SCALE);
    exp_at(x, scale)
}

/// `x ^ y`.
pub(super) fn power(x: &Numeric, y: &Numeric) -> Result<Numeric, SqlError> {
    let rough = x.pow(y)?;
    let exact =
        !x.is_finite() || !y.is_finite() || y.trunc(0) == *y || x.is_zero() || x.is_negative();
    if exact || !rough.is_finite() {
        return Ok(rough);
    }
    // The rough result went through floats; only its scale is kept.
    let scale = i64::from(rough.scale());
    let whole_digits = i64::try_from(rough.to_string().len()).unwrap_or(0);
    let exponent = ln_at(x, scale + whole_digits + GUARD)?.mul(y)?;
    exp_at(&exponent, scale)
}

fn check_positive(x: &Numeric) -> Result<(), SqlError> {
    if x.is_zero() {
        return Err(SqlError::new("2201E", "cannot take logarithm of zero"));
    }
    if x.is_negative() {
        return Err(SqlError::new(
            "2201E",
            "cannot take logarithm of a negative number",
        ));
    }
    Ok(())
}

/// `x = mantissa * 10^exponent` with a mantissa of one digit before the point, cut to `digits` digits.
fn split(x: &Numeric, digits: i64) -> Result<(Numeric, i64), SqlError> {
    let text = x.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let all = format!("{whole}{fraction}");
    let zeros = all.bytes().take_while(|digit| *digit == b'0').count();
    let significant = &all[zeros..];
    let kept = &significant[..significant
        .len()
        .min(usize::try_from(digits).unwrap_or(usize::MAX).max(1))];
    let exponent = i64::try_from(whole.len()).unwrap_or(0) - i64::try_from(zeros).unwrap_or(0) - 1;
    let mantissa = format!(
        "{}.{}",
        kept.get(..1).unwrap_or("0"),
        kept.get(1..).unwrap_or("")
    );
    Ok((mantissa.parse()?, exponent))
}

/// The exponent of the leading digit of `ln(x)`, as Postgres estimates it.
fn weight_of_ln(x: &Numeric) -> Result<i64, SqlError> {
    let near_one = Numeric::from_scaled(9, 1) <= *x && *x <= Numeric::from_scaled(11, 1);
    if near_one {
        let rest = x.sub(&Numeric::from(1))?.abs();
        return if rest.is_zero() {
            Ok(0)
        } else {
            Ok(split(&rest, 1)?.1)
        };
    }
    let (mantissa, exponent) = split(x, 17)?;
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let ln = mantissa.to_f64()?.ln() + exponent as f64 * std::f64::consts::LN_10;
    #[expect(clippy::cast_possible_truncation, reason = "a small number")]
    Ok(ln.abs().log10() as i64)
}

/// `ln(x)` of a positive number, to `scale` digits but for the last few.
fn ln_at(x: &Numeric, scale: i64) -> Result<Numeric, SqlError> {
    let (mut mantissa, exponent) = split(x, scale + GUARD)?;
    // ln(m * 2^h * 10^e) = ln m + h ln 2 + e ln 10, with m close to one.
    let (two, limit) = (Numeric::from(2), Numeric::from_scaled(142, 2));
    let mut halvings = 0i64;
    while mantissa > limit {
        mantissa = mantissa.round(scale + GUARD).div(&two)?;
        halvings += 1;
    }
    let one = Numeric::from(1);
    let ratio = mantissa
        .sub(&one)?
        .round(scale)
        .div(&mantissa.add(&one)?)?
        .round(scale);
    let mut sum = atanh_twice(&ratio, scale)?;
    if halvings != 0 || exponent != 0 {
        let third = one.round(scale).div(&Numeric::from(3))?.round(scale);
        let ninth = one.round(scale).div(&Numeric::from(9))?.round(scale);
        let ln2 = atanh_twice(&third, scale)?;
        let ln10 = ln2
            .mul(&Numeric::from(3))?
            .add(&atanh_twice(&ninth, scale)?)?;
        sum = sum
            .add(&ln2.mul(&Numeric::from(halvings))?)?
            .add(&ln10.mul(&Numeric::from(exponent))?)?;
    }
    Ok(sum.round(scale))
}

/// `2 (y + y³/3 + y⁵/5 + …)`, which is `ln((1 + y) / (1 - y))`.
fn atanh_twice(y: &Numeric, scale: i64) -> Result<Numeric, SqlError> {
    let square = y.mul(y)?.round(scale);
    let (mut power, mut sum, mut divisor) = (y.clone(), y.clone(), 1i64);
    loop {
        power = power.mul(&square)?.round(scale);
        if power.is_zero() {
            return sum.mul(&Numeric::from(2));
        }
        divisor += 2;
        sum = sum.add(&power.div(&Numeric::from(divisor))?.round(scale))?;
    }
}

/// `exp(x)` rounded to `scale` digits.
fn exp_at(x: &Numeric, scale: i64) -> Result<Numeric, SqlError> {
    let estimate = x.to_f64()?;
    if estimate >= MAX_EXPONENT {
        return Err(SqlError::new("22003", "value overflows numeric format"));
    }
    if estimate <= -MAX_EXPONENT {
        return Ok(Numeric::zero().round(scale));
    }
    // exp(x) = exp(x / 2^n) ^ (2^n). The squarings cost n bits, and a large result needs its whole digits too.
    let mut halvings = 0u32;
    while estimate.abs() / 2f64.powi(i32::try_from(halvings).unwrap_or(0)) > 0.01 {
        halvings += 1;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 6000")]
    let whole_digits = (estimate.max(0.0) * std::f64::consts::LOG10_E) as i64;
    let working = scale + whole_digits * 2 + GUARD + i64::from(halvings);
    let part = Numeric::from(1i64 << halvings);
    // Rounding up to the scale first makes the quotient exact enough.
    let y = x
        .round(working.max(i64::from(x.scale())))
        .div(&part)?
        .round(working);
    let (mut term, mut sum) = (
        Numeric::from(1).round(working),
        Numeric::from(1).round(working),
    );
    for n in 1i64.. {
        term = term
            .mul(&y)?
            .round(working)
            .div(&Numeric::from(n))?
            .round(working);
        if term.is_zero() {
            break;
        }
        sum = sum.add(&term)?;
    }
    for _ in 0..halvings {
        sum = sum.mul(&sum)?.round(working);
    }
    Ok(sum.round(scale))
}
