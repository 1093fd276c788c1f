//! The operators of numbers, which refuse to overflow where SQLite would turn to floats or NULL.

use plinth_sql::SqlError;
use plinth_sql::types::Type;
use plinth_sql::types::fault::division_by_zero;
use plinth_sql::types::{float, integer};

use super::call::{Args, Function, Out, strict};
use super::logarithm;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("i2_add", 2, |a| {
        integer::add(&Type::Int2, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i2_sub", 2, |a| {
        integer::sub(&Type::Int2, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i2_mul", 2, |a| {
        integer::mul(&Type::Int2, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i2_div", 2, |a| {
        integer::div(&Type::Int2, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i2_mod", 2, remainder),
    strict("i2_neg", 1, |a| {
        integer::sub(&Type::Int2, 0, a.int(0)?).map(Out::Int)
    }),
    strict("i2_abs", 1, |a| absolute(&Type::Int2, a)),
    strict("i4_add", 2, |a| {
        integer::add(&Type::Int4, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i4_sub", 2, |a| {
        integer::sub(&Type::Int4, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i4_mul", 2, |a| {
        integer::mul(&Type::Int4, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i4_div", 2, |a| {
        integer::div(&Type::Int4, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i4_mod", 2, remainder),
    strict("i4_neg", 1, |a| {
        integer::sub(&Type::Int4, 0, a.int(0)?).map(Out::Int)
    }),
    strict("i4_abs", 1, |a| absolute(&Type::Int4, a)),
    strict("i8_add", 2, |a| {
        integer::add(&Type::Int8, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i8_sub", 2, |a| {
        integer::sub(&Type::Int8, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i8_mul", 2, |a| {
        integer::mul(&Type::Int8, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i8_div", 2, |a| {
        integer::div(&Type::Int8, a.int(0)?, a.int(1)?).map(Out::Int)
    }),
    strict("i8_mod", 2, remainder),
    strict("i8_neg", 1, |a| {
        integer::sub(&Type::Int8, 0, a.int(0)?).map(Out::Int)
    }),
    strict("i8_abs", 1, |a| absolute(&Type::Int8, a)),
    strict("i4_gcd", 2, |a| checked_gcd(&Type::Int4, a)),
    strict("i8_gcd", 2, |a| checked_gcd(&Type::Int8, a)),
    strict("i4_lcm", 2, |a| checked_lcm(&Type::Int4, a)),
    strict("i8_lcm", 2, |a| checked_lcm(&Type::Int8, a)),
    strict("n_add", 2, |a| {
        Ok(a.numeric(0)?.add(&a.numeric(1)?)?.into())
    }),
    strict("n_sub", 2, |a| {
        Ok(a.numeric(0)?.sub(&a.numeric(1)?)?.into())
    }),
    strict("n_mul", 2, |a| {
        Ok(a.numeric(0)?.mul(&a.numeric(1)?)?.into())
    }),
    strict("n_div", 2, |a| {
        Ok(a.numeric(0)?.div(&a.numeric(1)?)?.into())
    }),
    strict("n_mod", 2, |a| {
        Ok(a.numeric(0)?.rem(&a.numeric(1)?)?.into())
    }),
    strict("n_pow", 2, |a| {
        Ok(logarithm::power(&a.numeric(0)?, &a.numeric(1)?)?.into())
    }),
    strict("n_neg", 1, |a| Ok(a.numeric(0)?.neg().into())),
    strict("f4_add", 2, |a| sum4(a.real(0)?, a.real(1)?)),
    strict("f4_sub", 2, |a| sum4(a.real(0)?, -a.real(1)?)),
    strict("f4_mul", 2, |a| single(product(a.real(0)?, a.real(1)?)?)),
    strict("f4_div", 2, |a| single(quotient(a.real(0)?, a.real(1)?)?)),
    strict("f8_add", 2, |a| sum(a.real(0)?, a.real(1)?)),
    strict("f8_sub", 2, |a| sum(a.real(0)?, -a.real(1)?)),
    strict("f8_mul", 2, |a| {
        product(a.real(0)?, a.real(1)?).map(Out::Real)
    }),
    strict("f8_div", 2, |a| {
        quotient(a.real(0)?, a.real(1)?).map(Out::Real)
    }),
    strict("f8_pow", 2, |a| {
        power(a.real(0)?, a.real(1)?).map(Out::Real)
    }),
];

fn remainder(args: &Args<'_>) -> Result<Out, SqlError> {
    integer::rem(args.int(0)?, args.int(1)?).map(Out::Int)
}

fn absolute(ty: &Type, args: &Args<'_>) -> Result<Out, SqlError> {
    integer::checked(ty, i128::from(args.int(0)?).abs()).map(Out::Int)
}

fn checked_gcd(ty: &Type, args: &Args<'_>) -> Result<Out, SqlError> {
    integer::checked(ty, gcd(args.int(0)?.into(), args.int(1)?.into())).map(Out::Int)
}

fn checked_lcm(ty: &Type, args: &Args<'_>) -> Result<Out, SqlError> {
    let (a, b) = (i128::from(args.int(0)?), i128::from(args.int(1)?));
    if a == 0 || b == 0 {
        return Ok(Out::Int(0));
    }
    // Two 64-bit numbers multiply within 128 bits.
    integer::checked(ty, (a / gcd(a, b) * b).abs()).map(Out::Int)
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

fn sum(a: f64, b: f64) -> Result<Out, SqlError> {
    float::checked(a + b, a.is_finite() && b.is_finite()).map(Out::Real)
}

/// Sums of 32-bit floats are exact enough in 64 bits that rounding once more gives the 32-bit sum.
fn sum4(a: f64, b: f64) -> Result<Out, SqlError> {
    single(a + b)
}

fn product(a: f64, b: f64) -> Result<f64, SqlError> {
    let product = float::checked(a * b, a.is_finite() && b.is_finite())?;
    if product == 0.0 && a != 0.0 && b != 0.0 {
        return Err(underflow());
    }
    Ok(product)
}

fn quotient(a: f64, b: f64) -> Result<f64, SqlError> {
    if b == 0.0 && !a.is_nan() {
        return Err(division_by_zero());
    }
    let quotient = float::checked(a / b, a.is_finite())?;
    if quotient == 0.0 && a != 0.0 && b.is_finite() {
        return Err(underflow());
    }
    Ok(quotient)
}

/// A 32-bit result, kept in 64.
fn single(value: f64) -> Result<Out, SqlError> {
    float::narrow(value).map(|value| Out::Real(value.into()))
}

/// `a ^ b` of floats, with Postgres's refusals.
pub(super) fn power(a: f64, b: f64) -> Result<f64, SqlError> {
    if a == 0.0 && b < 0.0 {
        return Err(SqlError::new(
            "2201F",
            "zero raised to a negative power is undefined",
        ));
    }
    if a < 0.0 && b.is_finite() && b.fract() != 0.0 {
        return Err(SqlError::new(
            "2201F",
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let result = float::checked(a.powf(b), a.is_finite() && b.is_finite())?;
    if result == 0.0 && a != 0.0 && a.is_finite() && b.is_finite() {
        return Err(underflow());
    }
    Ok(result)
}

pub(super) fn underflow() -> SqlError {
    SqlError::new("22003", "value out of range: underflow")
}
