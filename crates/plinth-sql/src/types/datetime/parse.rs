//! Input of the four date and time types.

use super::calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, date_in_range, in_range, timestamp_from_parts,
};
use super::decode::{Decoded, Fault, decode};
use super::tokens::split;
use super::words::is_keyword;
use super::{DATE_INFINITY, DATE_NEGATIVE_INFINITY, INFINITY, NEGATIVE_INFINITY, UNIX_EPOCH};
use crate::SqlError;
use crate::types::Type;

/// Parses a date. `now` is the current timestamp, for `today` and its kin.
pub fn parse_date(text: &str, now: i64) -> Result<i32, SqlError> {
    let today = now.div_euclid(MICROS_PER_DAY);
    let days = match read(text, &Type::Date, false)? {
        Decoded::Infinity => return Ok(DATE_INFINITY),
        Decoded::NegativeInfinity => return Ok(DATE_NEGATIVE_INFINITY),
        Decoded::Epoch => UNIX_EPOCH / MICROS_PER_DAY,
        Decoded::Now => today,
        Decoded::Day(days) => today + days,
        Decoded::Point { civil, .. } => day_of(&civil, today),
    };
    date_in_range(days)
        .ok_or_else(|| SqlError::new("22008", format!("date out of range: \"{text}\"")))
}

/// Parses a time of day, in microseconds; a date or zone beside it is read and dropped.
pub fn parse_time(text: &str, now: i64) -> Result<i64, SqlError> {
    match read(text, &Type::Time, true)? {
        Decoded::Now => Ok(now.rem_euclid(MICROS_PER_DAY)),
        Decoded::Point {
            civil,
            has_time: true,
            ..
        } => Ok(civil.micros),
        _ => Err(refuse(Fault::Syntax, text, &Type::Time)),
    }
}

/// Parses a `timestamp`; an offset is read and dropped.
pub fn parse_timestamp(text: &str, now: i64) -> Result<i64, SqlError> {
    parse_moment(text, now, &Type::Timestamp)
}

/// Parses a `timestamptz`; without an offset the text is UTC.
pub fn parse_timestamptz(text: &str, now: i64) -> Result<i64, SqlError> {
    parse_moment(text, now, &Type::Timestamptz)
}

fn parse_moment(text: &str, now: i64, ty: &Type) -> Result<i64, SqlError> {
    let today = now.div_euclid(MICROS_PER_DAY);
    let timestamp = match read(text, ty, false)? {
        Decoded::Infinity => return Ok(INFINITY),
        Decoded::NegativeInfinity => return Ok(NEGATIVE_INFINITY),
        Decoded::Epoch => Some(UNIX_EPOCH),
        Decoded::Now => Some(now),
        Decoded::Day(days) => timestamp_from_parts(today + days, 0),
        Decoded::Point { civil, offset, .. } => {
            let east = if *ty == Type::Timestamptz {
                offset.unwrap_or(0)
            } else {
                0
            };
            let local = day_of(&civil, today)
                .checked_mul(MICROS_PER_DAY)
                .and_then(|day| day.checked_add(civil.micros));
            local
                .and_then(|local| local.checked_sub(east * MICROS_PER_SECOND))
                .and_then(in_range)
        }
    };
    timestamp.ok_or_else(|| SqlError::new("22008", format!("timestamp out of range: \"{text}\"")))
}

/// `22008 date/time field value out of range: "2024-13-01"`.
pub(super) fn field_out_of_range(text: &str) -> SqlError {
    SqlError::new(
        "22008",
        format!("date/time field value out of range: \"{text}\""),
    )
}

fn read(text: &str, ty: &Type, time_only: bool) -> Result<Decoded, SqlError> {
    split(text, is_keyword)
        .ok_or(Fault::Syntax)
        .and_then(|tokens| decode(&tokens, time_only))
        .map_err(|fault| refuse(fault, text, ty))
}

fn refuse(fault: Fault, text: &str, ty: &Type) -> SqlError {
    match fault {
        // `date_in` and its kin quote the whole type name, but times drop "without time zone".
        Fault::Syntax => {
            let name = match ty {
                Type::Timestamp => "timestamp".to_owned(),
                Type::Time => "time".to_owned(),
                other => other.to_string(),
            };
            SqlError::new(
                "22007",
                format!("invalid input syntax for type {name}: \"{text}\""),
            )
        }
        Fault::Range => field_out_of_range(text),
        Fault::MonthOrDayRange => {
            field_out_of_range(text).hint("Perhaps you need a different \"datestyle\" setting.")
        }
        Fault::OffsetRange => SqlError::new(
            "22009",
            format!("time zone displacement out of range: \"{text}\""),
        ),
        Fault::Other(fault) => fault,
    }
}

/// The day of a point; a relative one has its distance from today in `day`.
fn day_of(civil: &Civil, today: i64) -> i64 {
    if civil.year == i64::MIN {
        today + civil.day
    } else {
        civil.days()
    }
}
