//! Dates, times and intervals: operators and functions.
//!
//! Dates are days and timestamps microseconds since 2000-01-01, intervals their stored text.

use plinth_sql::SqlError;
use plinth_sql::types::interval::Interval;
use plinth_sql::types::numeric::Numeric;
use plinth_sql::types::{Type, datetime, integer};

use super::call::{Args, Function, Out, StatefulFunction, strict};
use super::cast::code;
use crate::state::ConnState;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("date_add", 2, |a| {
        Ok(datetime::add_days(a.date(0)?, a.int(1)?)?.into())
    }),
    strict("date_sub", 2, |a| {
        Ok(datetime::add_days(a.date(0)?, a.int(1)?.saturating_neg())?.into())
    }),
    strict("date_diff", 2, |a| {
        integer::checked(
            &Type::Int4,
            datetime::date_minus_date(a.date(0)?, a.date(1)?)?.into(),
        )
        .map(Out::Int)
    }),
    strict("ts_add", 2, |a| {
        datetime::timestamp_plus_interval(a.int(0)?, &a.interval(1)?).map(Out::Int)
    }),
    strict("ts_sub", 2, |a| {
        datetime::timestamp_minus_interval(a.int(0)?, &a.interval(1)?).map(Out::Int)
    }),
    strict("ts_diff", 2, |a| {
        Ok(datetime::timestamp_minus(a.int(0)?, a.int(1)?)?.into())
    }),
    strict("time_add", 2, |a| {
        Ok(datetime::time_plus_interval(a.int(0)?, &a.interval(1)?).into())
    }),
    strict("time_sub", 2, |a| {
        Ok(datetime::time_plus_interval(a.int(0)?, &a.interval(1)?.neg()?).into())
    }),
    strict("time_diff", 2, |a| {
        Ok(Interval {
            micros: a.int(0)? - a.int(1)?,
            ..Interval::default()
        }
        .into())
    }),
    strict("iv_add", 2, |a| {
        Ok(a.interval(0)?.add(&a.interval(1)?)?.into())
    }),
    strict("iv_sub", 2, |a| {
        Ok(a.interval(0)?.sub(&a.interval(1)?)?.into())
    }),
    strict("iv_mul", 2, |a| Ok(a.interval(0)?.mul(a.real(1)?)?.into())),
    strict("iv_div", 2, |a| Ok(a.interval(0)?.div(a.real(1)?)?.into())),
    strict("iv_neg", 1, |a| Ok(a.interval(0)?.neg()?.into())),
    strict("iv_justify_hours", 1, |a| {
        Ok(a.interval(0)?.justify_hours()?.into())
    }),
    strict("iv_justify_days", 1, |a| {
        Ok(a.interval(0)?.justify_days()?.into())
    }),
    strict("iv_justify", 1, |a| Ok(a.interval(0)?.justify()?.into())),
    strict("ts_from_zone", 2, |a| {
        datetime::at_time_zone(a.int(0)?, a.text(1)?, true).map(Out::Int)
    }),
    strict("ts_to_zone", 2, |a| {
        datetime::at_time_zone(a.int(0)?, a.text(1)?, false).map(Out::Int)
    }),
    strict("pg_extract", 3, |a| Ok(part(a, &code(a, 2)?)?.into())),
    strict("pg_date_part", 3, date_part),
    strict("pg_date_trunc", 3, date_trunc),
    strict("pg_date_trunc_zone", 3, date_trunc_zone),
    strict("pg_age", 2, |a| {
        Ok(datetime::age(a.int(0)?, a.int(1)?)?.into())
    }),
    strict("pg_isfinite", 2, is_finite),
    strict("pg_date_bin", 3, date_bin),
    strict("pg_make_date", 3, |a| {
        Ok(datetime::make_date(a.int(0)?, a.int(1)?, a.int(2)?)?.into())
    }),
    strict("pg_make_time", 3, |a| {
        datetime::make_time(a.int(0)?, a.int(1)?, a.real(2)?).map(Out::Int)
    }),
    strict("pg_make_timestamp", 6, make_timestamp),
    strict("pg_make_interval", 7, make_interval),
    strict("pg_epoch_to_timestamp", 1, |a| from_epoch(a.real(0)?)),
    strict("pg_to_date", 2, |a| {
        Ok(datetime::to_date(a.text(0)?, a.text(1)?)?.into())
    }),
    strict("pg_to_timestamp", 2, |a| {
        datetime::to_timestamp(a.text(0)?, a.text(1)?).map(Out::Int)
    }),
    strict("pg_to_char", 3, to_char),
];

/// What depends on the start of the transaction.
pub(super) const STATEFUL: &[StatefulFunction] = &[strict("pg_age_today", 1, age_today)];

/// `age(t)`: from `t` to today's midnight.
fn age_today(args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let now = state.session.lock().now;
    let midnight = now - now.rem_euclid(datetime::MICROS_PER_DAY);
    Ok(datetime::age(midnight, args.int(0)?)?.into())
}

/// `extract(field from value)`.
fn part(args: &Args<'_>, ty: &Type) -> Result<Option<Numeric>, SqlError> {
    let field = args.text(0)?;
    match ty {
        Type::Date => datetime::extract(field, datetime::date_to_timestamp(args.date(1)?)?, ty),
        Type::Time => datetime::extract_time(field, args.int(1)?).map(Some),
        Type::Interval => datetime::extract_interval(field, &args.interval(1)?).map(Some),
        _ => datetime::extract(field, args.int(1)?, ty),
    }
}

/// `date_part`, which takes a date for its midnight.
fn date_part(args: &Args<'_>) -> Result<Out, SqlError> {
    let value = match code(args, 2)? {
        Type::Date => {
            let midnight = datetime::date_to_timestamp(args.date(1)?)?;
            datetime::extract(args.text(0)?, midnight, &Type::Timestamp)?
        }
        ty => part(args, &ty)?,
    };
    Ok(value.map(|value| value.to_f64()).transpose()?.into())
}

fn date_trunc(args: &Args<'_>) -> Result<Out, SqlError> {
    match code(args, 2)? {
        Type::Interval => {
            Ok(datetime::date_trunc_interval(args.text(0)?, &args.interval(1)?)?.into())
        }
        ty => datetime::date_trunc(args.text(0)?, args.int(1)?, &ty).map(Out::Int),
    }
}

/// `date_trunc(field, timestamptz, zone)`: midnights and months of that zone.
fn date_trunc_zone(args: &Args<'_>) -> Result<Out, SqlError> {
    let zone = args.text(2)?;
    let local = datetime::at_time_zone(args.int(1)?, zone, false)?;
    let truncated = datetime::date_trunc(args.text(0)?, local, &Type::Timestamptz)?;
    datetime::at_time_zone(truncated, zone, true).map(Out::Int)
}

fn is_finite(args: &Args<'_>) -> Result<Out, SqlError> {
    Ok(match code(args, 1)? {
        Type::Date => datetime::is_finite_date(args.date(0)?),
        Type::Interval => true,
        _ => datetime::is_finite(args.int(0)?),
    }
    .into())
}

/// `date_bin(stride, timestamp, origin)`.
fn date_bin(args: &Args<'_>) -> Result<Out, SqlError> {
    let (stride, timestamp, origin) = (args.interval(0)?, args.int(1)?, args.int(2)?);
    if !datetime::is_finite(timestamp) {
        return Ok(Out::Int(timestamp));
    }
    if !datetime::is_finite(origin) {
        return Err(SqlError::new("22008", "origin out of range"));
    }
    if stride.months != 0 {
        return Err(SqlError::new(
            "0A000",
            "timestamps cannot be binned into intervals containing months or years",
        ));
    }
    let stride =
        i128::from(stride.days) * i128::from(datetime::MICROS_PER_DAY) + i128::from(stride.micros);
    if stride <= 0 {
        return Err(SqlError::new("22008", "stride must be greater than zero"));
    }
    let offset = i128::from(timestamp) - i128::from(origin);
    let binned = i128::from(timestamp) - offset.rem_euclid(stride);
    i64::try_from(binned)
        .map(Out::Int)
        .map_err(|_| SqlError::new("22008", "timestamp out of range"))
}

fn make_timestamp(args: &Args<'_>) -> Result<Out, SqlError> {
    let date = (args.int(0)?, args.int(1)?, args.int(2)?);
    let time = (args.int(3)?, args.int(4)?, args.real(5)?);
    datetime::make_timestamp(date, time).map(Out::Int)
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`.
fn make_interval(args: &Args<'_>) -> Result<Out, SqlError> {
    let fault = || SqlError::new("22008", "interval out of range");
    let small = |value: i128| i32::try_from(value).map_err(|_| fault());
    let int = |place: usize| args.int(place).map(i128::from);
    let seconds = args.real(6)? * 1e6;
    if !(-9.2e18..9.2e18).contains(&seconds) {
        return Err(fault());
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    let micros = (int(4)? * 3600 + int(5)? * 60) * i128::from(datetime::MICROS_PER_SECOND)
        + seconds.round_ties_even() as i128;
    let interval = Interval {
        months: small(int(0)? * 12 + int(1)?)?,
        days: small(int(2)? * 7 + int(3)?)?,
        micros: i64::try_from(micros).map_err(|_| fault())?,
    };
    Ok(interval.into())
}

/// `to_timestamp(seconds since 1970)`.
fn from_epoch(seconds: f64) -> Result<Out, SqlError> {
    if seconds.is_infinite() {
        return Ok(Out::Int(if seconds > 0.0 {
            datetime::INFINITY
        } else {
            datetime::NEGATIVE_INFINITY
        }));
    }
    let fault = || {
        SqlError::new(
            "22008",
            format!(
                "timestamp out of range: \"{}\"",
                plinth_sql::types::float::format_f64(seconds)
            ),
        )
    };
    let micros = ((seconds - 946_684_800.0) * 1e6).round_ties_even();
    if !(-9.2e18..9.2e18).contains(&micros) {
        return Err(fault());
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    let timestamp = micros as i64;
    // Adding nothing checks the range.
    datetime::timestamp_plus_interval(timestamp, &Interval::default())
        .map(Out::Int)
        .map_err(|_| fault())
}

/// Significant digits that a float's text can be trusted for.
const FLOAT4_DIGITS: usize = 6;
const FLOAT8_DIGITS: usize = 15;

/// `to_char(value, template)`; the third argument names the type.
fn to_char(args: &Args<'_>) -> Result<Out, SqlError> {
    let template = args.text(1)?;
    let ty = code(args, 2)?;
    Ok(match ty {
        Type::Timestamp => datetime::to_char_timestamp(args.int(0)?, template, false)?.into(),
        Type::Timestamptz => datetime::to_char_timestamp(args.int(0)?, template, true)?.into(),
        Type::Interval => datetime::to_char_interval(&args.interval(0)?, template)?.into(),
        Type::Float4 | Type::Float8 => {
            let digits = if ty == Type::Float4 {
                FLOAT4_DIGITS
            } else {
                FLOAT8_DIGITS
            };
            datetime::to_char_number(&Numeric::from_f64(args.real(0)?), template, Some(digits))?
                .into()
        }
        _ => datetime::to_char_number(&args.numeric(0)?, template, None)?.into(),
    })
}
