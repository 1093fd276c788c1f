//! Numeric to and from text.

use std::fmt;
use std::str::FromStr;

use super::magnitude::Magnitude;
use super::{Kind, MAX_SCALE, MAX_WHOLE_DIGITS, Numeric, overflow};
use crate::SqlError;
use crate::types::Type;
use crate::types::fault::{invalid_input, is_space};

impl FromStr for Numeric {
    type Err = SqlError;

    /// Digits with sign, point and exponent, blanks around; `NaN`, `Infinity`, `inf`.
    fn from_str(text: &str) -> Result<Numeric, SqlError> {
        let trimmed = text.trim_matches(is_space);
        let invalid = || invalid_input(Type::Numeric, text);
        let (negative, body) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        if body.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return parse_finite(negative, body.as_bytes()).unwrap_or_else(|| Err(invalid()));
        }
        if body.eq_ignore_ascii_case("infinity") || body.eq_ignore_ascii_case("inf") {
            return Ok(Numeric::infinity(negative));
        }
        if trimmed.eq_ignore_ascii_case("nan") {
            return Ok(Numeric::nan());
        }
        Err(invalid())
    }
}

/// `None` when it is not a number; an error when it is one that Postgres cannot store.
fn parse_finite(negative: bool, body: &[u8]) -> Option<Result<Numeric, SqlError>> {
    let digits_end = |bytes: &[u8]| {
        bytes
            .iter()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(bytes.len())
    };
    let whole_end = digits_end(body);
    let (whole, mut rest) = body.split_at(whole_end);
    let mut fraction: &[u8] = &[];
    if let [b'.', tail @ ..] = rest {
        let end = digits_end(tail);
        (fraction, rest) = tail.split_at(end);
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', tail @ ..] => parse_exponent(tail)?,
        _ => return None,
    };
    let mut digits = Vec::with_capacity(whole.len() + fraction.len());
    digits.extend_from_slice(whole);
    digits.extend_from_slice(fraction);
    Some(assemble(
        negative,
        &digits,
        i64::try_from(fraction.len()).unwrap_or(i64::MAX),
        exponent,
    ))
}

/// The digits after `e`; far too large ones are cut to a value that is refused later.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', tail @ ..] => (true, tail),
        [b'+', tail @ ..] | tail => (false, tail),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |sum, digit| {
        (sum * 10 + i64::from(digit - b'0')).min(1_000_000_000_000)
    });
    Some(if negative { -value } else { value })
}

fn assemble(
    negative: bool,
    digits: &[u8],
    fraction: i64,
    exponent: i64,
) -> Result<Numeric, SqlError> {
    // Half of the largest C int, where Postgres stops looking.
    if exponent.abs() >= 1_073_741_823 {
        return Err(overflow());
    }
    let scale = fraction - exponent;
    let leading_zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[leading_zeros..];
    let significant = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let too_large = i64::try_from(MAX_WHOLE_DIGITS).unwrap_or(i64::MAX);
    if scale > i64::from(MAX_SCALE) || (significant > 0 && significant - scale > too_large) {
        return Err(overflow());
    }
    let magnitude = Magnitude::from_digits(digits);
    if let Ok(scale) = u32::try_from(scale) {
        return Ok(Numeric::finite(negative, magnitude, scale));
    }
    let zeros = usize::try_from(-scale).unwrap_or(usize::MAX);
    Ok(Numeric::finite(negative, magnitude.shl10(zeros), 0))
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        match self.kind {
            Kind::NaN => out.extend_from_slice(b"NaN"),
            Kind::Infinite if self.negative => out.extend_from_slice(b"-Infinity"),
            Kind::Infinite => out.extend_from_slice(b"Infinity"),
            Kind::Finite => {
                if self.negative {
                    out.push(b'-');
                }
                let scale = self.scale as usize;
                self.digits.write_digits(scale + 1, &mut out);
                if scale > 0 {
                    out.insert(out.len() - scale, b'.');
                }
            }
        }
        f.pad(&String::from_utf8_lossy(&out))
    }
}
