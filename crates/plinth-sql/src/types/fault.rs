//! The errors that several types share, worded as Postgres words them.

use std::fmt;

use crate::SqlError;

/// `22P02 invalid input syntax for type integer: "abc"`.
pub(crate) fn invalid_input(ty: impl fmt::Display, text: &str) -> SqlError {
    SqlError::new(
        "22P02",
        format!("invalid input syntax for type {ty}: \"{text}\""),
    )
}

/// `22003 value "99999999999" is out of range for type integer`.
pub(crate) fn text_out_of_range(ty: impl fmt::Display, text: &str) -> SqlError {
    SqlError::new(
        "22003",
        format!("value \"{text}\" is out of range for type {ty}"),
    )
}

/// `22003 integer out of range`.
pub fn out_of_range(what: impl fmt::Display) -> SqlError {
    SqlError::new("22003", format!("{what} out of range"))
}

/// `22012 division by zero`.
pub fn division_by_zero() -> SqlError {
    SqlError::new("22012", "division by zero")
}

/// `54001`: a value is nested deeper than this project's bound.
pub(crate) fn too_deep() -> SqlError {
    SqlError::new("54001", "stack depth limit exceeded")
}

/// What C's `isspace` accepts, which the number types skip around a value.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}
