//! What Postgres would say: a SQLSTATE, a message and the parts clients read.

use std::fmt;

use crate::ast::Span;

/// An error of the dialect, with the fields of Postgres's own error messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlError {
    /// Five characters: `23505`.
    pub code: String,
    /// One line.
    pub message: String,
    /// `DETAIL`.
    pub detail: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
    /// Where in the source text.
    pub span: Option<Span>,
    /// The table concerned, without its schema.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The constraint that failed.
    pub constraint: Option<String>,
}

impl SqlError {
    /// An error with this SQLSTATE and message.
    pub fn new(code: &str, message: impl Into<String>) -> SqlError {
        SqlError {
            code: code.to_owned(),
            message: message.into(),
            ..SqlError::default()
        }
    }

    /// `42601`.
    pub fn syntax(message: impl Into<String>, span: Span) -> SqlError {
        SqlError::new("42601", message).at(span)
    }

    /// `0A000`: valid Postgres that is not done here, by name.
    pub fn unsupported(what: impl fmt::Display) -> SqlError {
        SqlError::new("0A000", format!("{what} is not supported"))
    }

    /// With a place.
    #[must_use]
    pub fn at(mut self, span: Span) -> SqlError {
        if span.end > 0 {
            self.span.get_or_insert(span);
        }
        self
    }

    /// With a `DETAIL`.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> SqlError {
        self.detail = Some(detail.into());
        self
    }

    /// With a `HINT`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> SqlError {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl std::error::Error for SqlError {}
