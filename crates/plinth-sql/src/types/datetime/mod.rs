//! `date`, `time`, `timestamp` and `timestamptz`.
//!
//! Dates are days, timestamps microseconds since 2000-01-01, in the proleptic Gregorian calendar; the ends of the
//! integer ranges are the infinities. The session's time zone is always UTC, so a `timestamptz` reads and prints as
//! UTC, and only explicit offsets and zone names move it.

mod calendar;
mod date_math;
mod decode;
mod field;
mod parse;
mod pattern;
mod read_format;
mod to_char;
mod to_char_number;
mod tokens;
mod words;
mod write;
mod zone;

pub use calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, civil_from_timestamp,
    days_from_civil, days_in_month, is_leap_year, make_date, make_time, make_timestamp,
    timestamp_from_civil,
};
pub use date_math::{
    add_days, age, date_from_timestamp, date_minus_date, date_plus_interval, date_to_timestamp,
    round_micros, time_from_timestamp, time_plus_interval, timestamp_minus,
    timestamp_minus_interval, timestamp_plus_interval,
};
pub use field::{Field, date_trunc, date_trunc_interval, extract, extract_interval, extract_time};
pub use parse::{parse_date, parse_time, parse_timestamp, parse_timestamptz};
pub use read_format::{to_date, to_timestamp};
pub use to_char::{to_char_interval, to_char_timestamp};
pub use to_char_number::{to_char_float, to_char_number};
pub use write::{
    format_date, format_time, format_timestamp, format_timestamptz, write_date, write_time,
    write_timestamp,
};
pub use zone::{at_time_zone, zone_offset};

pub(super) use tokens::{Kind, Token, split as split_tokens};

/// `infinity` of dates.
pub const DATE_INFINITY: i32 = i32::MAX;
/// `-infinity` of dates.
pub const DATE_NEGATIVE_INFINITY: i32 = i32::MIN;
/// `infinity` of timestamps.
pub const INFINITY: i64 = i64::MAX;
/// `-infinity` of timestamps.
pub const NEGATIVE_INFINITY: i64 = i64::MIN;
/// 1970-01-01 00:00:00 as a timestamp.
pub const UNIX_EPOCH: i64 = -946_684_800 * MICROS_PER_SECOND;

/// A timestamp that is not an infinity.
pub fn is_finite(timestamp: i64) -> bool {
    timestamp != INFINITY && timestamp != NEGATIVE_INFINITY
}

/// A date that is not an infinity.
pub fn is_finite_date(date: i32) -> bool {
    date != DATE_INFINITY && date != DATE_NEGATIVE_INFINITY
}
