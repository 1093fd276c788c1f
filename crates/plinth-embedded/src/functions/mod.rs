//! The SQLite functions, aggregates and collations that translated statements call.
//!
//! Every connection registers all of them before anything else. A function that fails raises a whole
//! [`SqlError`], carried through SQLite as an error value and taken out again by [`raised`].

use plinth_sql::SqlError;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Error};

use crate::state::ConnState;
use std::sync::Arc;

/// Registers everything.
pub(crate) fn register(connection: &Connection, state: &Arc<ConnState>) -> rusqlite::Result<()> {
    let _ = (connection, state);
    Ok(())
}

/// A [`SqlError`] on its way through SQLite.
pub(crate) fn raise(error: SqlError) -> Error {
    Error::UserFunctionError(Box::new(error))
}

/// The [`SqlError`] that one of our functions raised, if this is one.
pub(crate) fn raised(error: &Error) -> Option<SqlError> {
    let _ = error;
    None
}

/// Registers the collations of an enum.
pub(crate) fn register_enum(connection: &Connection, known: &plinth_sql::catalog::EnumType) -> rusqlite::Result<()> {
    let _ = (connection, known);
    Ok(())
}
