//! `date_trunc`, `extract` and `date_part`.

use super::calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_timestamp, in_range, timestamp_from_parts,
};
use super::date_math::{monday, start_of_month};
use super::{INFINITY, UNIX_EPOCH, is_finite};
use crate::SqlError;
use crate::types::Type;
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;

/// A part of a point in time or an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Postgres's own")]
pub enum Field {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Dow,
    Isodow,
    Doy,
    Isoyear,
    Julian,
    Epoch,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Field {
    /// The field of this name: `22023 unit "x" not recognized for type …` if there is none.
    pub fn parse(name: &str, ty: &Type) -> Result<Field, SqlError> {
        let lower = name.to_ascii_lowercase();
        Ok(match lower.get(..10).unwrap_or(&lower) {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Field::Microseconds,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Field::Milliseconds,
            "s" | "sec" | "secs" | "second" | "seconds" => Field::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Field::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Field::Hour,
            "d" | "day" | "days" => Field::Day,
            "w" | "week" | "weeks" => Field::Week,
            "mon" | "mons" | "month" | "months" => Field::Month,
            "qtr" | "quarter" => Field::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Field::Year,
            "dec" | "decs" | "decade" | "decades" => Field::Decade,
            "c" | "cent" | "century" | "centuries" => Field::Century,
            "mil" | "mils" | "millennium" | "millennia" => Field::Millennium,
            "dow" => Field::Dow,
            "isodow" => Field::Isodow,
            "doy" => Field::Doy,
            "isoyear" => Field::Isoyear,
            "j" | "jd" | "julian" => Field::Julian,
            "epoch" => Field::Epoch,
            "timezone" => Field::Timezone,
            "timezone_h" => Field::TimezoneHour,
            "timezone_m" => Field::TimezoneMinute,
            _ => {
                return Err(not_recognized(name, ty));
            }
        })
    }
}

fn not_recognized(name: &str, ty: &Type) -> SqlError {
    SqlError::new(
        "22023",
        format!(
            "unit \"{}\" not recognized for type {ty}",
            name.to_ascii_lowercase()
        ),
    )
}

fn not_supported(name: &str, ty: &Type) -> SqlError {
    SqlError::new(
        "0A000",
        format!(
            "unit \"{}\" not supported for type {ty}",
            name.to_ascii_lowercase()
        ),
    )
}

/// `date_trunc(name, timestamp)`; `ty` is `timestamp` or `timestamptz`, for messages.
pub fn date_trunc(name: &str, timestamp: i64, ty: &Type) -> Result<i64, SqlError> {
    if !is_finite(timestamp) {
        return Ok(timestamp);
    }
    let field = Field::parse(name, ty)?;
    if field > Field::Millennium {
        return Err(not_recognized(name, ty));
    }
    let civil = civil_from_timestamp(timestamp);
    let years = |size: i64, first: i64| {
        start_of_month((civil.year - first).div_euclid(size) * size + first, 1)
    };
    let truncated = match field {
        Field::Week => timestamp_from_parts(monday(civil.days()), 0),
        Field::Month => start_of_month(civil.year, civil.month),
        Field::Quarter => start_of_month(civil.year, (civil.month - 1) / 3 * 3 + 1),
        Field::Year => start_of_month(civil.year, 1),
        Field::Decade => years(10, 0),
        Field::Century => years(100, 1),
        Field::Millennium => years(1000, 1),
        _ => in_range(timestamp - timestamp.rem_euclid(unit_micros(field))),
    };
    truncated.ok_or_else(|| SqlError::new("22008", "timestamp out of range"))
}

/// `date_trunc(name, interval)`.
pub fn date_trunc_interval(name: &str, interval: &Interval) -> Result<Interval, SqlError> {
    let field = Field::parse(name, &Type::Interval)?;
    let months = |size: i32| Interval {
        months: interval.months / size * size,
        ..Interval::default()
    };
    Ok(match field {
        Field::Millennium => months(12_000),
        Field::Century => months(1200),
        Field::Decade => months(120),
        Field::Year => months(12),
        Field::Quarter => months(3),
        Field::Month => months(1),
        Field::Day => Interval {
            micros: 0,
            ..*interval
        },
        Field::Microseconds | Field::Milliseconds | Field::Second | Field::Minute | Field::Hour => {
            Interval {
                micros: interval.micros - interval.micros % unit_micros(field),
                ..*interval
            }
        }
        Field::Week => {
            let fault = not_supported(name, &Type::Interval);
            return Err(fault.detail("Months usually have fractional weeks."));
        }
        _ => return Err(not_recognized(name, &Type::Interval)),
    })
}

/// `extract(name from timestamp)` with the scale Postgres gives it; `None` is NULL (a part of an infinity).
/// `ty` is `date`, `timestamp` or `timestamptz`; a date is passed as its midnight.
pub fn extract(name: &str, timestamp: i64, ty: &Type) -> Result<Option<Numeric>, SqlError> {
    let field = Field::parse(name, ty)?;
    let clock = matches!(
        field,
        Field::Microseconds | Field::Milliseconds | Field::Second | Field::Minute | Field::Hour
    );
    let zone = matches!(
        field,
        Field::Timezone | Field::TimezoneHour | Field::TimezoneMinute
    );
    let finite = is_finite(timestamp);
    if (zone && (*ty == Type::Date || (finite && *ty == Type::Timestamp)))
        || (clock && *ty == Type::Date)
    {
        return Err(not_supported(name, ty));
    }
    if !finite {
        let grows = matches!(
            field,
            Field::Year
                | Field::Decade
                | Field::Century
                | Field::Millennium
                | Field::Isoyear
                | Field::Julian
                | Field::Epoch
        );
        return Ok(grows.then(|| Numeric::infinity(timestamp != INFINITY)));
    }
    let civil = civil_from_timestamp(timestamp);
    let micros = civil.micros % (60 * MICROS_PER_SECOND);
    let whole = |value: i64| Numeric::from(value);
    Ok(Some(match field {
        Field::Microseconds => whole(micros),
        Field::Milliseconds => Numeric::from_scaled(i128::from(micros), 3),
        Field::Second => Numeric::from_scaled(i128::from(micros), 6),
        Field::Minute => whole(civil.minute()),
        Field::Hour => whole(civil.hour()),
        Field::Day => whole(civil.day),
        Field::Week => whole(civil.iso_week().1),
        Field::Month => whole(civil.month),
        Field::Quarter => whole((civil.month - 1) / 3 + 1),
        Field::Year => whole(shown_year(civil.year)),
        Field::Isoyear => whole(shown_year(civil.iso_week().0)),
        Field::Decade => whole(civil.year.div_euclid(10)),
        Field::Century => whole(counted(civil.year, 100)),
        Field::Millennium => whole(counted(civil.year, 1000)),
        Field::Dow => whole(civil.weekday()),
        Field::Isodow => whole((civil.weekday() + 6) % 7 + 1),
        Field::Doy => whole(civil.day_of_year()),
        Field::Julian => julian(&civil, ty)?,
        Field::Epoch if *ty == Type::Date => whole((timestamp - UNIX_EPOCH) / MICROS_PER_SECOND),
        Field::Epoch => Numeric::from_scaled(i128::from(timestamp) - i128::from(UNIX_EPOCH), 6),
        Field::Timezone | Field::TimezoneHour | Field::TimezoneMinute => whole(0),
    }))
}

/// `extract(name from time)`.
pub fn extract_time(name: &str, micros: i64) -> Result<Numeric, SqlError> {
    let field = Field::parse(name, &Type::Time)?;
    let in_minute = i128::from(micros % (60 * MICROS_PER_SECOND));
    Ok(match field {
        Field::Microseconds => Numeric::from(in_minute),
        Field::Milliseconds => Numeric::from_scaled(in_minute, 3),
        Field::Second => Numeric::from_scaled(in_minute, 6),
        Field::Minute => Numeric::from(micros / (60 * MICROS_PER_SECOND) % 60),
        Field::Hour => Numeric::from(micros / (3600 * MICROS_PER_SECOND)),
        Field::Epoch => Numeric::from_scaled(i128::from(micros), 6),
        _ => return Err(not_supported(name, &Type::Time)),
    })
}

/// `extract(name from interval)`.
pub fn extract_interval(name: &str, interval: &Interval) -> Result<Numeric, SqlError> {
    let field = Field::parse(name, &Type::Interval)?;
    let in_minute = i128::from(interval.micros % (60 * MICROS_PER_SECOND));
    let years = interval.months / 12;
    Ok(match field {
        Field::Microseconds => Numeric::from(in_minute),
        Field::Milliseconds => Numeric::from_scaled(in_minute, 3),
        Field::Second => Numeric::from_scaled(in_minute, 6),
        Field::Minute => Numeric::from(interval.micros / (60 * MICROS_PER_SECOND) % 60),
        Field::Hour => Numeric::from(interval.micros / (3600 * MICROS_PER_SECOND)),
        Field::Day => Numeric::from(interval.days),
        Field::Month => Numeric::from(interval.months % 12),
        Field::Quarter => Numeric::from(interval.months % 12 / 3 + 1),
        Field::Year => Numeric::from(years),
        Field::Decade => Numeric::from(years / 10),
        Field::Century => Numeric::from(years / 100),
        Field::Millennium => Numeric::from(years / 1000),
        Field::Epoch => Numeric::from_scaled(epoch_micros(interval), 6),
        _ => return Err(not_supported(name, &Type::Interval)),
    })
}

/// A year counts 365.25 days here, a month beside it 30.
fn epoch_micros(interval: &Interval) -> i128 {
    let quarter_days = i128::from(interval.months / 12) * 1461
        + i128::from(interval.months % 12) * 120
        + i128::from(interval.days) * 4;
    quarter_days * i128::from(MICROS_PER_DAY / 4) + i128::from(interval.micros)
}

fn unit_micros(field: Field) -> i64 {
    match field {
        Field::Microseconds => 1,
        Field::Milliseconds => 1000,
        Field::Second => MICROS_PER_SECOND,
        Field::Minute => 60 * MICROS_PER_SECOND,
        Field::Hour => 3600 * MICROS_PER_SECOND,
        _ => MICROS_PER_DAY,
    }
}

/// Years before Christ are negative, and there is no year 0.
fn shown_year(astronomical: i64) -> i64 {
    if astronomical > 0 {
        astronomical
    } else {
        astronomical - 1
    }
}

/// Centuries and millennia count from 1 both ways.
fn counted(astronomical: i64, size: i64) -> i64 {
    if astronomical > 0 {
        (astronomical + size - 1) / size
    } else {
        -((size - astronomical) / size)
    }
}

fn julian(civil: &Civil, ty: &Type) -> Result<Numeric, SqlError> {
    let day = Numeric::from(civil.days() + 2_451_545);
    if *ty == Type::Date {
        return Ok(day);
    }
    day.add(&Numeric::from(civil.micros).div(&Numeric::from(MICROS_PER_DAY))?)
}
