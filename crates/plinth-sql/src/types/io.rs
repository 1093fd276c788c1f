//! The doors of this module: text to the stored form of a value, and back to text or JSON.
//!
//! | type | stored as |
//! |---|---|
//! | boolean | `Int` 0 or 1 |
//! | smallint, integer, bigint | `Int` |
//! | numeric | `Text`, as it prints |
//! | real, double precision | `Real`; a real is rounded to 32 bits; not-a-number is refused, SQLite has none |
//! | text, varchar, char, name, enum, regclass | `Text`; char(n) padded with blanks |
//! | uuid, bytea | `Blob` |
//! | date | `Int`, days since 2000-01-01 |
//! | time, timestamp, timestamptz | `Int`, microseconds of the day or since 2000-01-01 |
//! | interval | `Text`, `months days micros` |
//! | json | `Text`, as given |
//! | jsonb | `Text`, as it prints |
//! | arrays | `Text`, JSON of the elements' text forms |

use super::interval::Interval;
use super::json::write_json_string;
use super::numeric::Numeric;
use super::text::{Fit, apply_length};
use super::{
    ColumnType, Type, array, boolean, bytea, datetime, float, integer, interval, json, uuid,
};
use crate::SqlError;
use crate::catalog::QName;

/// A value as the engine stores it.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A float.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A borrowed [`Stored`], so that reading rows copies nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StoredRef<'a> {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A float.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl Stored {
    /// Borrows it.
    pub fn as_ref(&self) -> StoredRef<'_> {
        match self {
            Stored::Null => StoredRef::Null,
            Stored::Int(value) => StoredRef::Int(*value),
            Stored::Real(value) => StoredRef::Real(*value),
            Stored::Text(value) => StoredRef::Text(value),
            Stored::Blob(value) => StoredRef::Blob(value),
        }
    }
}

/// The labels of an enum, in order; `None` if there is no such enum.
pub type EnumLabels<'a> = &'a dyn Fn(&QName) -> Option<Vec<String>>;

/// Reads a text as a value of a type, with its modifier as an assignment applies it. `now` is the current timestamp
/// (microseconds since 2000-01-01), for `now`, `today` and their kin.
pub fn input(
    ty: &ColumnType,
    text: &str,
    enums: EnumLabels<'_>,
    now: i64,
) -> Result<Stored, SqlError> {
    let digits = ty.modifier.map(|(digits, _)| digits);
    let rounded = |micros: i64| {
        Stored::Int(digits.map_or(micros, |digits| datetime::round_micros(micros, digits)))
    };
    Ok(match &ty.ty {
        Type::Bool => Stored::Int(i64::from(boolean::parse(text)?)),
        Type::Int2 => Stored::Int(integer::parse_int2(text)?.into()),
        Type::Int4 => Stored::Int(integer::parse_int4(text)?.into()),
        Type::Int8 => Stored::Int(integer::parse_int8(text)?),
        Type::Numeric => Stored::Text(numeric(text, ty.modifier)?),
        Type::Float4 => Stored::Real(number(float::parse_f32(text)?.into())?),
        Type::Float8 => Stored::Real(number(float::parse_f64(text)?)?),
        Type::Text | Type::Unknown => Stored::Text(plain(text)?.to_owned()),
        Type::Name => Stored::Text(truncated_name(plain(text)?).to_owned()),
        Type::Varchar | Type::Bpchar => Stored::Text(apply_length(plain(text)?, ty, Fit::Assign)?),
        Type::Regclass => Stored::Text(text.to_owned()),
        Type::Uuid => Stored::Blob(uuid::parse(text)?.to_vec()),
        Type::Date => Stored::Int(datetime::parse_date(text, now)?.into()),
        Type::Time => rounded(datetime::parse_time(text, now)?),
        Type::Timestamp => rounded(datetime::parse_timestamp(text, now)?),
        Type::Timestamptz => rounded(datetime::parse_timestamptz(text, now)?),
        Type::Interval => {
            let value = interval::parse(text)?;
            Stored::Text(
                digits
                    .map_or(value, |digits| value.apply_typmod(digits))
                    .to_storage(),
            )
        }
        Type::Json => {
            json::validate(text)?;
            Stored::Text(text.to_owned())
        }
        Type::Jsonb => Stored::Text(json::normalize(text)?),
        Type::Bytea => Stored::Blob(bytea::parse(text)?),
        Type::Enum(name) => {
            let known = enums(name).is_some_and(|labels| labels.iter().any(|label| label == text));
            if !known {
                return Err(invalid_label(&ty.ty, text));
            }
            Stored::Text(text.to_owned())
        }
        Type::Array(element) => {
            let element = ColumnType {
                ty: (**element).clone(),
                modifier: ty.modifier,
            };
            Stored::Text(array::literal_to_storage(text, &|text| {
                canonical(&element, text, enums, now)
            })?)
        }
        Type::Row(_) | Type::Record => {
            return Err(SqlError::new(
                "0A000",
                format!("input of a composite type {} is not implemented", ty.ty),
            ));
        }
        Type::Void | Type::Trigger => {
            return Err(SqlError::new(
                "0A000",
                format!("cannot accept a value of type {}", ty.ty),
            ));
        }
    })
}

/// One element's text as its type prints it.
fn canonical(
    ty: &ColumnType,
    text: &str,
    enums: EnumLabels<'_>,
    now: i64,
) -> Result<String, SqlError> {
    let stored = input(ty, text, enums, now)?;
    Ok(output(&ty.ty, stored.as_ref())?.unwrap_or_default())
}

/// `22P02 invalid input value for enum mood: "x"`.
pub fn invalid_label(ty: &Type, text: &str) -> SqlError {
    SqlError::new(
        "22P02",
        format!("invalid input value for enum {ty}: \"{text}\""),
    )
}

/// A value's text form; `None` is NULL.
pub fn output(ty: &Type, value: StoredRef<'_>) -> Result<Option<String>, SqlError> {
    if value == StoredRef::Null {
        return Ok(None);
    }
    if let (Type::Array(_), StoredRef::Text(stored)) = (ty, value) {
        return array::storage_to_literal(stored).map(Some);
    }
    let mut out = Vec::new();
    write_text(ty, value, &mut out)?;
    Ok(Some(String::from_utf8(out).unwrap_or_else(|fault| {
        String::from_utf8_lossy(fault.as_bytes()).into_owned()
    })))
}

/// Appends the text form of a value that is neither NULL nor an array.
fn write_text(ty: &Type, value: StoredRef<'_>, out: &mut Vec<u8>) -> Result<(), SqlError> {
    match (ty, value) {
        (Type::Bool, StoredRef::Int(value)) => {
            out.extend_from_slice(boolean::short(value != 0).as_bytes());
        }
        (Type::Date, StoredRef::Int(value)) => datetime::write_date(date(value), out),
        (Type::Time, StoredRef::Int(value)) => datetime::write_time(value, out),
        (Type::Timestamp, StoredRef::Int(value)) => datetime::write_timestamp(value, b' ', "", out),
        (Type::Timestamptz, StoredRef::Int(value)) => {
            datetime::write_timestamp(value, b' ', "+00", out);
        }
        (Type::Float4, StoredRef::Real(value)) => float::write_f32(single(value), out),
        (_, StoredRef::Real(value)) => float::write_f64(value, out),
        (Type::Interval, StoredRef::Text(stored)) => {
            let value = Interval::from_storage(stored).ok_or_else(|| corrupt(ty))?;
            out.extend_from_slice(value.to_string().as_bytes());
        }
        (Type::Uuid, StoredRef::Blob(bytes)) => {
            uuid::write(bytes.try_into().map_err(|_| corrupt(ty))?, out);
        }
        (_, StoredRef::Blob(bytes)) => {
            out.extend_from_slice(b"\\x");
            out.extend_from_slice(hex::encode(bytes).as_bytes());
        }
        (_, StoredRef::Int(value)) => write_int(value, out),
        (_, StoredRef::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (_, StoredRef::Null) => {}
    }
    Ok(())
}

/// Appends a value as JSON, by the rules of `to_json`: numbers bare (infinities as strings), JSON as it is, timestamps
/// with `T`, arrays as arrays, the rest as strings of the text form.
///
/// A stored value that does not fit its type (a damaged file) is written as a string or as `null`, never as broken JSON.
pub fn write_json(ty: &Type, value: StoredRef<'_>, out: &mut Vec<u8>) {
    match (ty, value) {
        (_, StoredRef::Null) => out.extend_from_slice(b"null"),
        (Type::Bool, StoredRef::Int(value)) => {
            out.extend_from_slice(boolean::long(value != 0).as_bytes());
        }
        (Type::Date, StoredRef::Int(value)) => {
            quoted(out, |out| datetime::write_date(date(value), out));
        }
        (Type::Time, StoredRef::Int(value)) => quoted(out, |out| datetime::write_time(value, out)),
        (Type::Timestamp, StoredRef::Int(value)) => {
            quoted(out, |out| datetime::write_timestamp(value, b'T', "", out));
        }
        (Type::Timestamptz, StoredRef::Int(value)) => {
            quoted(out, |out| {
                datetime::write_timestamp(value, b'T', "+00:00", out);
            });
        }
        (_, StoredRef::Int(value)) => write_int(value, out),
        (_, StoredRef::Real(value)) => {
            let write = |out: &mut Vec<u8>| match ty {
                Type::Float4 => float::write_f32(single(value), out),
                _ => float::write_f64(value, out),
            };
            if value.is_finite() {
                write(out);
            } else {
                quoted(out, write);
            }
        }
        (Type::Numeric, StoredRef::Text(text)) if is_json_number(text) => {
            out.extend_from_slice(text.as_bytes());
        }
        (Type::Json | Type::Jsonb, StoredRef::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (Type::Interval, StoredRef::Text(stored)) => match Interval::from_storage(stored) {
            Some(value) => write_json_string(out, &value.to_string()),
            None => write_json_string(out, stored),
        },
        (Type::Array(element), StoredRef::Text(stored)) => write_json_array(element, stored, out),
        (_, StoredRef::Text(text)) => write_json_string(out, text),
        (Type::Uuid, StoredRef::Blob(bytes)) => match bytes.try_into() {
            Ok(bytes) => quoted(out, |out| uuid::write(bytes, out)),
            Err(_) => out.extend_from_slice(b"null"),
        },
        (_, StoredRef::Blob(bytes)) => write_json_string(out, &bytea::format(bytes)),
    }
}

/// The elements are stored as text; numbers, booleans and JSON lose their quotes, timestamps get their `T`.
fn write_json_array(element: &Type, stored: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let written = array::write_storage_as_json(stored, out, &mut |text, out| {
        match text {
            None => out.extend_from_slice(b"null"),
            Some(text) => write_json_element(element, text, out),
        }
        Ok(())
    });
    if written.is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn write_json_element(ty: &Type, text: &str, out: &mut Vec<u8>) {
    match ty {
        Type::Bool => out.extend_from_slice(boolean::long(text == "t").as_bytes()),
        Type::Json | Type::Jsonb => out.extend_from_slice(text.as_bytes()),
        _ if ty.is_number() && is_json_number(text) => out.extend_from_slice(text.as_bytes()),
        Type::Timestamp | Type::Timestamptz if text.contains(':') => {
            let body = text.replacen(' ', "T", 1);
            let (body, era) = body
                .split_once(" BC")
                .map_or((body.as_str(), ""), |(body, _)| (body, " BC"));
            let offset = if *ty == Type::Timestamptz { ":00" } else { "" };
            write_json_string(out, &format!("{body}{offset}{era}"));
        }
        _ => write_json_string(out, text),
    }
}

/// Whether the text of a numeric or float is a number in JSON; the specials are not.
fn is_json_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn write_int(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn numeric(text: &str, modifier: Option<(i32, i32)>) -> Result<String, SqlError> {
    let value: Numeric = text.parse()?;
    Ok(match modifier {
        Some((precision, scale)) => value.apply_typmod(precision, scale)?.to_string(),
        None => value.to_string(),
    })
}

fn number(value: f64) -> Result<f64, SqlError> {
    if value.is_nan() {
        return Err(SqlError::unsupported(
            "NaN in a column of type real or double precision",
        ));
    }
    Ok(value)
}

/// Texts hold no zero character, as in Postgres.
fn plain(text: &str) -> Result<&str, SqlError> {
    if text.as_bytes().contains(&0) {
        return Err(SqlError::new(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(text)
}

/// Names keep 63 bytes.
fn truncated_name(text: &str) -> &str {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn date(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value > 0 {
        datetime::DATE_INFINITY
    } else {
        datetime::DATE_NEGATIVE_INFINITY
    })
}

fn single(value: f64) -> f32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "stored values were rounded to 32 bits"
    )]
    let value = value as f32;
    value
}

fn corrupt(ty: &Type) -> SqlError {
    SqlError::new(
        "XX001",
        format!("a stored value is not in the stored form of type {ty}"),
    )
}

#[cfg(test)]
mod tests;
