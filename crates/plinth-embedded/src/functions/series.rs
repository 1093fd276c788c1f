//! `generate_series` as JSON arrays, one entry a row.

use std::fmt::Write as _;

use plinth_sql::SqlError;
use plinth_sql::types::{Type, datetime};

use super::call::{Args, Function, MANY, Out, strict, utf8};
use super::cast::code;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("series_int", MANY, integers),
    strict("series_num", MANY, numerics),
    strict("series_ts", 4, timestamps),
];

/// Rows that one series may have: the whole of it is one text of SQLite's.
const MAX_ROWS: usize = 10_000_000;

fn too_long() -> SqlError {
    SqlError::new(
        "54000",
        format!("a series cannot have more than {MAX_ROWS} rows"),
    )
}

fn no_step() -> SqlError {
    SqlError::new("22023", "step size cannot equal zero")
}

/// `series_int(start, stop, step?)`.
fn integers(args: &Args<'_>) -> Result<Out, SqlError> {
    let (start, end) = (args.int(0)?, args.int(1)?);
    let step = if args.len() > 2 { args.int(2)? } else { 1 };
    if step == 0 {
        return Err(no_step());
    }
    let distance = (i128::from(end) - i128::from(start)) / i128::from(step);
    let rows = match usize::try_from(distance + 1) {
        // The quotient is cut towards zero: going the wrong way may give 0 instead of less.
        Ok(rows) if (step > 0) == (end >= start) || end == start => rows,
        _ => 0,
    };
    if rows > MAX_ROWS {
        return Err(too_long());
    }
    let mut out = String::with_capacity(rows * 4 + 2);
    out.push('[');
    let mut value = start;
    for row in 0..rows {
        if row > 0 {
            out.push(',');
        }
        let _infallible = write!(out, "{value}");
        value = value.saturating_add(step);
    }
    out.push(']');
    Ok(out.into())
}

/// `series_num(start, stop, step?)`.
fn numerics(args: &Args<'_>) -> Result<Out, SqlError> {
    let (start, end) = (args.numeric(0)?, args.numeric(1)?);
    let step = if args.len() > 2 {
        args.numeric(2)?
    } else {
        1i64.into()
    };
    for (name, value) in [("start", &start), ("stop", &end), ("step", &step)] {
        if !value.is_finite() {
            let what = if name == "step" {
                "step size"
            } else {
                &format!("{name} value")
            };
            let kind = if value.is_nan() { "NaN" } else { "infinity" };
            return Err(SqlError::new("22023", format!("{what} cannot be {kind}")));
        }
    }
    if step.is_zero() {
        return Err(no_step());
    }
    let mut out = String::from("[");
    let mut value = start;
    let mut rows = 0;
    while if step.is_negative() {
        value >= end
    } else {
        value <= end
    } {
        if rows == MAX_ROWS {
            return Err(too_long());
        }
        let comma = if rows > 0 { "," } else { "" };
        let _infallible = write!(out, "{comma}\"{value}\"");
        value = value.add(&step)?;
        rows += 1;
    }
    out.push(']');
    Ok(out.into())
}

/// `series_ts(start, stop, step, type)`.
fn timestamps(args: &Args<'_>) -> Result<Out, SqlError> {
    let (start, end, step) = (args.int(0)?, args.int(1)?, args.interval(2)?);
    let zone = if code(args, 3)? == Type::Timestamptz {
        "+00"
    } else {
        ""
    };
    let direction = step.key();
    if direction == 0 {
        return Err(no_step());
    }
    let mut out = vec![b'['];
    let mut value = start;
    let mut rows = 0;
    while if direction < 0 {
        value >= end
    } else {
        value <= end
    } {
        if rows == MAX_ROWS {
            return Err(too_long());
        }
        if rows > 0 {
            out.push(b',');
        }
        out.push(b'"');
        datetime::write_timestamp(value, b' ', zone, &mut out);
        out.push(b'"');
        rows += 1;
        if !datetime::is_finite(value) {
            return Err(too_long());
        }
        value = datetime::timestamp_plus_interval(value, &step)?;
    }
    out.push(b']');
    Ok(utf8(out))
}
