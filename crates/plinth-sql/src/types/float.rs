//! `real` and `double precision`: shortest text that reads back the same, input, conversion to integers.

use super::Type;
use super::fault::{invalid_input, is_space, out_of_range};
use crate::SqlError;

/// Parses `double precision`: decimal or hexadecimal, `Infinity`, `inf`, `NaN`, blanks around.
pub fn parse_f64(text: &str) -> Result<f64, SqlError> {
    let (value, zero) = parse(text, &Type::Float8, |body| body.parse().ok())?;
    if value.is_infinite() || (value == 0.0 && !zero) {
        return if is_word(text) {
            Ok(value)
        } else {
            Err(too_large(&Type::Float8, text))
        };
    }
    Ok(value)
}

/// Parses `real`.
pub fn parse_f32(text: &str) -> Result<f32, SqlError> {
    // Straight to 32 bits: going through 64 would round twice.
    let (value, zero) = parse(text, &Type::Float4, |body| {
        body.parse::<f32>().ok().map(f64::from)
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "decimal input is an f32 already; hexadecimal is rounded here"
    )]
    let value = value as f32;
    if value.is_infinite() || (value == 0.0 && !zero) {
        return if is_word(text) {
            Ok(value)
        } else {
            Err(too_large(&Type::Float4, text))
        };
    }
    Ok(value)
}

/// `double precision` as Postgres writes it: `0.1`, `1e+20`, `-0`, `NaN`.
pub fn format_f64(value: f64) -> String {
    let mut out = Vec::with_capacity(24);
    write_f64(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// `real` as Postgres writes it.
pub fn format_f32(value: f32) -> String {
    let mut out = Vec::with_capacity(16);
    write_f32(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends `double precision`. Plain digits from 1e-4 up to below 1e15, otherwise with an exponent.
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    write(value, &shortest_f64(value), 15, out);
}

/// Appends `real`. Plain digits from 1e-4 up to below 1e6, otherwise with an exponent.
pub fn write_f32(value: f32, out: &mut Vec<u8>) {
    write(f64::from(value), &shortest_f32(value), 6, out);
}

/// The nearest integer, halves to the even one, within an integer type: `22003 integer out of range`.
pub fn to_integer(ty: &Type, value: f64) -> Result<i64, SqlError> {
    let rounded = value.round_ties_even();
    // 2^63 is the first value that does not fit; -2^63 does. Not-a-number fails both tests.
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return Err(out_of_range(ty));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    super::integer::checked(ty, i128::from(rounded as i64))
}

/// Refuses an arithmetic result that left the range: `22003 value out of range: overflow`.
pub fn checked(result: f64, operands_finite: bool) -> Result<f64, SqlError> {
    if result.is_infinite() && operands_finite {
        return Err(SqlError::new("22003", "value out of range: overflow"));
    }
    Ok(result)
}

/// A `real` from a wider value, as the cast does it.
pub fn narrow(value: f64) -> Result<f32, SqlError> {
    #[expect(clippy::cast_possible_truncation, reason = "checked below")]
    let narrow = value as f32;
    if narrow.is_infinite() && value.is_finite() {
        return Err(SqlError::new("22003", "value out of range: overflow"));
    }
    if narrow == 0.0 && value != 0.0 {
        return Err(SqlError::new("22003", "value out of range: underflow"));
    }
    Ok(narrow)
}

/// The value, and whether its digits say zero (so that an underflow can be told from a zero).
fn parse(
    text: &str,
    ty: &Type,
    read: impl Fn(&str) -> Option<f64>,
) -> Result<(f64, bool), SqlError> {
    let body = text.trim_matches(is_space);
    let unsigned = body.strip_prefix(['+', '-']).unwrap_or(body);
    let invalid = || invalid_input(ty, text);
    if let Some(hex) = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        let (value, zero) = parse_hex(hex).ok_or_else(invalid)?;
        return Ok((if body.starts_with('-') { -value } else { value }, zero));
    }
    let number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let word = ["inf", "infinity", "nan"]
        .iter()
        .any(|word| unsigned.eq_ignore_ascii_case(word));
    if !number && !word {
        return Err(invalid());
    }
    let value = read(body).ok_or_else(invalid)?;
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or("");
    Ok((
        value,
        number && mantissa.bytes().all(|b| matches!(b, b'0' | b'.')),
    ))
}

/// `1.8p3`: hexadecimal digits and a binary exponent, as C's `strtod` reads them.
fn parse_hex(text: &str) -> Option<(f64, bool)> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = whole.chars().chain(fraction.chars());
    let mut value = 0f64;
    for digit in digits {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let exponent = exponent.checked_sub(shift)?;
    Some((value * 2f64.powi(exponent), value == 0.0))
}

fn is_word(text: &str) -> bool {
    text.contains(['i', 'I'])
}

fn too_large(ty: &Type, text: &str) -> SqlError {
    SqlError::new(
        "22003",
        format!(
            "\"{}\" is out of range for type {ty}",
            text.trim_matches(is_space)
        ),
    )
}

/// The shortest digits that read back the same. Where Rust stops at a number exactly half way to the neighbour (which
/// reads back by the rule for ties), Postgres takes the next longer one.
fn shortest_f64(value: f64) -> String {
    let text = format!("{value:e}");
    let text = even_last_digit(text, 15, |digits| format!("{value:.digits$e}"));
    // Only whole numbers of this size have half-way points that short.
    if !(9e15..1e38).contains(&value.abs()) {
        return text;
    }
    let whole = |value: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, below 2^127"
        )]
        let whole = value.abs() as u128;
        whole
    };
    let is_half_way = |text: &str| {
        let Some(decimal) = whole_number(text) else {
            return false;
        };
        decimal.abs_diff(whole(value)) * 2
            == whole(if decimal > whole(value) {
                value.abs().next_up()
            } else {
                value.abs().next_down()
            })
            .abs_diff(whole(value))
            && decimal != whole(value)
    };
    longer(
        text,
        &is_half_way,
        |digits| format!("{value:.digits$e}"),
        |text| text.parse() == Ok(value),
    )
}

/// As [`shortest_f64`]; an `f64` holds every half-way point of an `f32` exactly.
#[expect(clippy::float_cmp, reason = "both sides are exact")]
fn shortest_f32(value: f32) -> String {
    let text = format!("{value:e}");
    let text = even_last_digit(text, 6, |digits| format!("{value:.digits$e}"));
    // Elsewhere no short decimal lies exactly half way.
    if !(1e5..1e20).contains(&value.abs()) {
        return text;
    }
    let exact = f64::from(value);
    let is_half_way = |text: &str| {
        let decimal: f64 = text.parse().unwrap_or(exact);
        let neighbour = if decimal > exact {
            value.next_up()
        } else {
            value.next_down()
        };
        decimal != exact && (decimal - exact) * 2.0 == f64::from(neighbour) - exact
    };
    longer(
        text,
        &is_half_way,
        |digits| format!("{value:.digits$e}"),
        |text| text.parse() == Ok(value),
    )
}

/// A value may lie exactly between two shortest texts (1624365.25 as a `real`). Rust may take the odd one, Postgres takes
/// the even. It takes a text of nearly all the type's digits for that.
fn even_last_digit(
    text: String,
    least_digits: usize,
    with_digits: impl Fn(usize) -> String,
) -> String {
    let mantissa = text.split('e').next().unwrap_or("");
    let have = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let Some(last) = mantissa.bytes().last() else {
        return text;
    };
    if have < least_digits || last % 2 == 0 || last == b'.' {
        return text;
    }
    // The exact value has one digit more, a five.
    let exact = with_digits(40);
    let exact = exact.split('e').next().unwrap_or("").trim_end_matches('0');
    if exact.len() != mantissa.len() + 1 || !exact.ends_with('5') {
        return text;
    }
    format!(
        "{}{}{}",
        &mantissa[..mantissa.len() - 1],
        char::from(last - 1),
        &text[mantissa.len()..]
    )
}

/// `text`, or the next longer form that reads back the same and is not half way.
fn longer(
    text: String,
    is_half_way: &dyn Fn(&str) -> bool,
    with_digits: impl Fn(usize) -> String,
    reads_back: impl Fn(&str) -> bool,
) -> String {
    if !is_half_way(&text) {
        return text;
    }
    let have = text
        .bytes()
        .take_while(|b| *b != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    (have..18)
        .map(with_digits)
        .find(|candidate| reads_back(candidate) && !is_half_way(candidate))
        .unwrap_or(text)
}

/// The size of a `d.ddde±x` that is whole, if it fits.
fn whole_number(scientific: &str) -> Option<u128> {
    let (mantissa, exponent) = scientific.trim_start_matches('-').split_once('e')?;
    let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = exponent
        .parse::<usize>()
        .ok()?
        .checked_sub(fraction.len())?;
    let digits: u128 = format!("{first}{fraction}").parse().ok()?;
    digits.checked_mul(10u128.checked_pow(u32::try_from(zeros).ok()?)?)
}

/// Lays out Rust's shortest `d.ddde±x` as C's `%g` would with `plain_below` digits of room.
fn write(value: f64, scientific: &str, plain_below: i32, out: &mut Vec<u8>) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mantissa = match mantissa.strip_prefix('-') {
        Some(mantissa) => {
            out.push(b'-');
            mantissa
        }
        None => mantissa,
    };
    if exponent < -4 || exponent >= plain_below {
        out.extend_from_slice(mantissa.as_bytes());
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        out.extend_from_slice(format!("{:02}", exponent.abs()).as_bytes());
        return;
    }
    let digits = mantissa.bytes().filter(|b| *b != b'.');
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(
            out.len() + usize::try_from(-exponent - 1).unwrap_or(0),
            b'0',
        );
        out.extend(digits);
        return;
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    let mut count = 0;
    for digit in digits {
        if count == whole {
            out.push(b'.');
        }
        out.push(digit);
        count += 1;
    }
    out.resize(out.len() + whole.saturating_sub(count), b'0');
}
