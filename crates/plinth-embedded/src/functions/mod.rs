//! The SQLite functions, aggregates and collations that translated statements call.
//!
//! Every connection registers all of them before anything else. A function that fails raises a whole
//! [`SqlError`]; SQLite carries texts only, so it travels as one ([`raise`]) and is read back by [`raised`].
//! None panics, and none runs SQL but those of `user`.

mod aggregate;
mod arithmetic;
mod array;
mod array_functions;
mod call;
mod cast;
mod collation;
mod datetime;
mod format;
mod hash;
mod json;
mod json_sets;
mod logarithm;
mod misc;
mod numbers;
mod pattern;
mod regexp;
mod series;
mod session;
mod statistics;
#[cfg(test)]
mod tests;
mod text;
mod user;

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::Span;
use rusqlite::{Connection, Error, ffi};
use serde_json::{Value, json};

use crate::state::ConnState;
use call::{Function, register_pure, register_stateful};

pub(crate) use collation::register_enum;
pub(crate) use user::{row_text, unpack};

/// Registers everything.
pub(crate) fn register(connection: &Connection, state: &Arc<ConnState>) -> rusqlite::Result<()> {
    for function in pure() {
        register_pure(connection, function)?;
    }
    for table in [cast::FUNCTIONS, datetime::STATEFUL] {
        for function in table {
            register_stateful(connection, function, state, true)?;
        }
    }
    for function in session::FUNCTIONS {
        register_stateful(connection, function, state, false)?;
    }
    user::register(connection, state)?;
    aggregate::register(connection)?;
    statistics::register(connection)?;
    collation::register(connection)
}

/// Everything that looks at its arguments alone.
fn pure() -> impl Iterator<Item = &'static Function> {
    [
        arithmetic::FUNCTIONS,
        array::FUNCTIONS,
        array_functions::FUNCTIONS,
        datetime::FUNCTIONS,
        format::FUNCTIONS,
        hash::FUNCTIONS,
        json::FUNCTIONS,
        json_sets::FUNCTIONS,
        misc::FUNCTIONS,
        numbers::FUNCTIONS,
        pattern::FUNCTIONS,
        regexp::FUNCTIONS,
        series::FUNCTIONS,
        text::FUNCTIONS,
        user::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

/// Begins every text that carries a [`SqlError`]; no message of SQLite's own holds it.
const MARK: &str = "\u{1}plinth:";

/// A [`SqlError`] on its way through SQLite.
#[expect(
    clippy::needless_pass_by_value,
    reason = "errors are handed over, as `map_err` does"
)]
pub(crate) fn raise(error: SqlError) -> Error {
    let span = error.span.map(|span| [span.start, span.end]);
    let carried = json!({
        "code": error.code,
        "message": error.message,
        "detail": error.detail,
        "hint": error.hint,
        "span": span,
        "table": error.table,
        "column": error.column,
        "constraint": error.constraint,
    });
    Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_ERROR),
        Some(format!("{MARK}{carried}")),
    )
}

/// The [`SqlError`] that one of our functions raised, if this is one.
pub(crate) fn raised(error: &Error) -> Option<SqlError> {
    let Error::SqliteFailure(_, Some(text)) = error else {
        return None;
    };
    let at = text.find(MARK)?;
    let carried: Value = serde_json::from_str(&text[at + MARK.len()..]).ok()?;
    let part = |name: &str| carried.get(name).and_then(Value::as_str).map(str::to_owned);
    let place = |at: usize| {
        carried
            .get("span")?
            .get(at)?
            .as_u64()
            .and_then(|at| u32::try_from(at).ok())
    };
    Some(SqlError {
        code: part("code")?,
        message: part("message")?,
        detail: part("detail"),
        hint: part("hint"),
        span: place(0)
            .zip(place(1))
            .map(|(start, end)| Span { start, end }),
        table: part("table"),
        column: part("column"),
        constraint: part("constraint"),
    })
}
