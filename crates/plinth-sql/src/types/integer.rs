//! `smallint`, `integer` and `bigint`: input, and arithmetic that refuses instead of wrapping.

use super::Type;
use super::fault::{division_by_zero, invalid_input, is_space, out_of_range, text_out_of_range};
use crate::SqlError;

/// Parses a `smallint`.
pub fn parse_int2(text: &str) -> Result<i16, SqlError> {
    let value = parse(text, &Type::Int2)?;
    i16::try_from(value).map_err(|_| text_out_of_range(Type::Int2, text))
}

/// Parses an `integer`.
pub fn parse_int4(text: &str) -> Result<i32, SqlError> {
    let value = parse(text, &Type::Int4)?;
    i32::try_from(value).map_err(|_| text_out_of_range(Type::Int4, text))
}

/// Parses a `bigint`.
pub fn parse_int8(text: &str) -> Result<i64, SqlError> {
    parse(text, &Type::Int8)
}

/// Holds `value` to the range of an integer type: `22003 integer out of range`.
pub fn checked(ty: &Type, value: i128) -> Result<i64, SqlError> {
    let fits = match ty {
        Type::Int2 => i16::try_from(value).is_ok(),
        Type::Int4 => i32::try_from(value).is_ok(),
        _ => i64::try_from(value).is_ok(),
    };
    match i64::try_from(value) {
        Ok(value) if fits => Ok(value),
        _ => Err(out_of_range(ty)),
    }
}

/// `a + b` in the integer type `ty`.
pub fn add(ty: &Type, a: i64, b: i64) -> Result<i64, SqlError> {
    checked(ty, i128::from(a) + i128::from(b))
}

/// `a - b` in the integer type `ty`.
pub fn sub(ty: &Type, a: i64, b: i64) -> Result<i64, SqlError> {
    checked(ty, i128::from(a) - i128::from(b))
}

/// `a * b` in the integer type `ty`.
pub fn mul(ty: &Type, a: i64, b: i64) -> Result<i64, SqlError> {
    checked(ty, i128::from(a) * i128::from(b))
}

/// `a / b`, cut towards zero, in the integer type `ty`.
pub fn div(ty: &Type, a: i64, b: i64) -> Result<i64, SqlError> {
    if b == 0 {
        return Err(division_by_zero());
    }
    checked(ty, i128::from(a) / i128::from(b))
}

/// `a % b`, with the sign of `a`.
pub fn rem(a: i64, b: i64) -> Result<i64, SqlError> {
    if b == 0 {
        return Err(division_by_zero());
    }
    Ok(a.wrapping_rem(b))
}

/// Digits with an optional sign and blanks around. As in Postgres, an overflow is noticed
/// before what follows the digits is looked at.
fn parse(text: &str, ty: &Type) -> Result<i64, SqlError> {
    let trimmed = text.trim_start_matches(is_space);
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let end = digits
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return Err(invalid_input(ty, text));
    }
    let mut value: i64 = 0;
    for digit in digits[..end].bytes() {
        // Counting downwards, so that the smallest value needs no special case.
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_sub(i64::from(digit - b'0')))
            .filter(|value| in_range(ty, *value, negative))
            .ok_or_else(|| text_out_of_range(ty, text))?;
    }
    if !digits[end..].chars().all(is_space) {
        return Err(invalid_input(ty, text));
    }
    if negative {
        Ok(value)
    } else {
        value
            .checked_neg()
            .ok_or_else(|| text_out_of_range(ty, text))
    }
}

/// Whether a value that was counted downwards still fits; the positive side is shorter by one.
fn in_range(ty: &Type, downwards: i64, negative: bool) -> bool {
    let lowest = match ty {
        Type::Int2 => i64::from(i16::MIN),
        Type::Int4 => i64::from(i32::MIN),
        _ => i64::MIN,
    };
    if negative {
        downwards >= lowest
    } else {
        downwards > lowest
    }
}
