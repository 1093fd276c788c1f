//! Arithmetic on dates, times and timestamps.

use super::calendar::{
    Civil, MICROS_PER_DAY, civil_from_days, civil_from_timestamp, date_in_range, days_from_civil,
    days_in_month, in_range, timestamp_from_civil, timestamp_from_parts,
};
use super::{
    DATE_INFINITY, DATE_NEGATIVE_INFINITY, INFINITY, NEGATIVE_INFINITY, is_finite, is_finite_date,
};
use crate::SqlError;
use crate::types::interval::Interval;

fn timestamp_out_of_range() -> SqlError {
    SqlError::new("22008", "timestamp out of range")
}

/// `timestamp + interval`: months first (the day is cut to the length of its month), then days, then time.
pub fn timestamp_plus_interval(timestamp: i64, interval: &Interval) -> Result<i64, SqlError> {
    if !is_finite(timestamp) {
        return Ok(timestamp);
    }
    let mut civil = civil_from_timestamp(timestamp);
    if interval.months != 0 {
        let months = civil.year * 12 + civil.month - 1 + i64::from(interval.months);
        (civil.year, civil.month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        civil.day = civil.day.min(days_in_month(civil.year, civil.month));
    }
    let days = civil.days() + i64::from(interval.days);
    timestamp_from_parts(days, civil.micros)
        .and_then(|moved| moved.checked_add(interval.micros))
        .and_then(in_range)
        .ok_or_else(timestamp_out_of_range)
}

/// `timestamp - interval`.
pub fn timestamp_minus_interval(timestamp: i64, interval: &Interval) -> Result<i64, SqlError> {
    timestamp_plus_interval(timestamp, &interval.neg()?)
}

/// `timestamp - timestamp`: days and time, never months.
pub fn timestamp_minus(a: i64, b: i64) -> Result<Interval, SqlError> {
    if !is_finite(a) || !is_finite(b) {
        return Err(SqlError::new(
            "22008",
            "cannot subtract infinite timestamps",
        ));
    }
    let micros = a
        .checked_sub(b)
        .ok_or_else(|| SqlError::new("22008", "interval out of range"))?;
    Interval {
        micros,
        ..Interval::default()
    }
    .justify_hours()
}

/// `age(a, b)`: years, months, days and time, as a person would count them.
pub fn age(a: i64, b: i64) -> Result<Interval, SqlError> {
    if !is_finite(a) || !is_finite(b) {
        return Err(SqlError::new("22008", "timestamp out of range"));
    }
    let (late, early) = (
        civil_from_timestamp(a.max(b)),
        civil_from_timestamp(a.min(b)),
    );
    let mut months = (late.year - early.year) * 12 + late.month - early.month;
    let mut days = late.day - early.day;
    let mut micros = late.micros - early.micros;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        // Borrow the month of the second argument, whichever is earlier.
        let lender = if a < b {
            civil_from_timestamp(a)
        } else {
            civil_from_timestamp(b)
        };
        days += days_in_month(lender.year, lender.month);
        months -= 1;
    }
    let part = |value: i64| {
        i32::try_from(value).map_err(|_| SqlError::new("22008", "interval out of range"))
    };
    let size = Interval {
        months: part(months)?,
        days: part(days)?,
        micros,
    };
    if a < b { size.neg() } else { Ok(size) }
}

/// `date ± integer`.
pub fn add_days(date: i32, days: i64) -> Result<i32, SqlError> {
    if !is_finite_date(date) {
        return Ok(date);
    }
    i64::from(date)
        .checked_add(days)
        .and_then(date_in_range)
        .ok_or_else(|| SqlError::new("22008", "date out of range"))
}

/// `date - date` in days.
pub fn date_minus_date(a: i32, b: i32) -> Result<i64, SqlError> {
    if !is_finite_date(a) || !is_finite_date(b) {
        return Err(SqlError::new("22008", "cannot subtract infinite dates"));
    }
    Ok(i64::from(a) - i64::from(b))
}

/// `date + interval`, a timestamp.
pub fn date_plus_interval(date: i32, interval: &Interval) -> Result<i64, SqlError> {
    timestamp_plus_interval(date_to_timestamp(date)?, interval)
}

/// Midnight of a date.
pub fn date_to_timestamp(date: i32) -> Result<i64, SqlError> {
    match date {
        DATE_INFINITY => Ok(INFINITY),
        DATE_NEGATIVE_INFINITY => Ok(NEGATIVE_INFINITY),
        _ => timestamp_from_parts(i64::from(date), 0)
            .ok_or_else(|| SqlError::new("22008", "date out of range for timestamp")),
    }
}

/// The day a timestamp falls on.
pub fn date_from_timestamp(timestamp: i64) -> i32 {
    match timestamp {
        INFINITY => DATE_INFINITY,
        NEGATIVE_INFINITY => DATE_NEGATIVE_INFINITY,
        // Timestamps span a tenth of the dates.
        _ => i32::try_from(timestamp.div_euclid(MICROS_PER_DAY)).unwrap_or(DATE_INFINITY),
    }
}

/// The time of day of a timestamp; infinities have none.
pub fn time_from_timestamp(timestamp: i64) -> Option<i64> {
    is_finite(timestamp).then(|| timestamp.rem_euclid(MICROS_PER_DAY))
}

/// `time ± interval`, around the clock; months and days of the interval do not count.
pub fn time_plus_interval(time: i64, interval: &Interval) -> i64 {
    (time + interval.micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY)
}

/// Rounds microseconds to `digits` digits of a second, halves away from zero: `timestamp(3)`, `time(0)`.
pub fn round_micros(micros: i64, digits: i32) -> i64 {
    if !is_finite(micros) || !(0..6).contains(&digits) {
        return micros;
    }
    let unit = 10i64.pow(6 - digits.unsigned_abs());
    let half = unit / 2;
    let rest = micros % unit;
    let cut = micros - rest;
    if rest.abs() < half {
        cut
    } else {
        cut.saturating_add(if micros < 0 { -unit } else { unit })
    }
}

/// The first moment of a civil year and month.
pub(super) fn start_of_month(year: i64, month: i64) -> Option<i64> {
    timestamp_from_civil(&Civil {
        year,
        month,
        day: 1,
        micros: 0,
    })
}

/// The Monday on or before a day.
pub(super) fn monday(days: i64) -> i64 {
    let (year, month, day) = civil_from_days(days);
    let civil = Civil {
        year,
        month,
        day,
        micros: 0,
    };
    days_from_civil(year, month, day) - (civil.weekday() + 6) % 7
}
