//! What can go wrong between us and a server.

use plinth_sql::SqlError;
use plinth_sql::ast::Span;
use tokio_postgres::error::{DbError, ErrorPosition, Severity, SqlState};

/// An error of the engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// What the server says of a statement. Boxed, because results are everywhere and this is large.
    #[error(transparent)]
    Sql(#[from] Box<SqlError>),
    /// No connection became free in time.
    #[error("all connections to the database are in use")]
    Busy,
    /// The statement ran longer than its session allows.
    #[error("canceling statement due to statement timeout")]
    Timeout,
    /// The engine is closed.
    #[error("the engine is closed")]
    Closed,
    /// The server cannot be reached, or cannot serve now: it starts, stops, or has become a standby.
    #[error("{0}")]
    Unavailable(String),
    /// Hosts answer and none takes writes now, as while a standby takes over, or a server starts.
    #[error("{0}")]
    Standby(String),
    /// The server refuses us until somebody changes a setting, which the text names.
    #[error("{0}")]
    Setup(String),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

/// The crate's result.
pub(crate) type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    /// The error as the outcome of a statement.
    pub(crate) fn into_sql(self) -> SqlError {
        match self {
            EngineError::Sql(error) => *error,
            EngineError::Timeout => {
                SqlError::new("57014", "canceling statement due to statement timeout")
            }
            EngineError::Busy => {
                SqlError::new("53300", "all connections to the database are in use")
            }
            EngineError::Closed => SqlError::new("57P01", "the database is closed"),
            EngineError::Unavailable(text) | EngineError::Standby(text) => {
                SqlError::new("08006", text)
            }
            EngineError::Setup(text) => SqlError::new("08004", text),
            EngineError::Internal(text) => SqlError::new("XX000", text),
        }
    }

    /// A commit that counts on this server, and that no standby has although one should.
    pub(crate) fn not_on_a_standby() -> EngineError {
        let message = "the commit has not reached a standby, as this server is set to wait for; it may or may not last";
        EngineError::Unavailable(message.to_owned())
    }

    /// Whether it is for want of a server that can serve now.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, EngineError::Unavailable(_) | EngineError::Standby(_))
    }

    /// Whether the server refuses us until somebody changes a setting. While we serve, that is as bad as a server that is away, and ends
    /// as suddenly.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, EngineError::Setup(_))
    }

    /// The SQLSTATE, where the server gave one.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            EngineError::Sql(error) => Some(&error.code),
            _ => None,
        }
    }
}

impl From<SqlError> for EngineError {
    fn from(error: SqlError) -> EngineError {
        EngineError::Sql(Box::new(error))
    }
}

impl From<tokio_postgres::Error> for EngineError {
    fn from(error: tokio_postgres::Error) -> EngineError {
        let Some(said) = error.as_db_error() else {
            // Everything else is the connection: refused, reset, timed out, closed in the middle.
            return EngineError::Unavailable(with_causes(&error));
        };
        let code = said.code();
        if *code == SqlState::QUERY_CANCELED {
            return EngineError::Timeout;
        }
        let unavailable = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ];
        // With a fatal one the connection is over, whatever the reason; poolers have reasons of their own, and leave out the form of
        // the word that no language changes.
        let is_over = match said.parsed_severity() {
            Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
            None => said.severity() == "FATAL",
        };
        if is_over || unavailable.contains(code) {
            return EngineError::Unavailable(said.message().to_owned());
        }
        sql_error(said).into()
    }
}

/// An error or a notice with all its parts.
pub(crate) fn sql_error(said: &DbError) -> SqlError {
    SqlError {
        code: said.code().code().to_owned(),
        message: said.message().to_owned(),
        detail: said.detail().map(str::to_owned),
        hint: said.hint().map(str::to_owned),
        span: None,
        table: said.table().map(str::to_owned),
        column: said.column().map(str::to_owned),
        constraint: said.constraint().map(str::to_owned),
    }
}

/// The same for an error in a message whose first `before` bytes are ours, and the rest stands at `start` of the source: the server
/// counts characters, from 1.
pub(crate) fn placed(
    error: tokio_postgres::Error,
    text: &str,
    before: usize,
    start: usize,
) -> EngineError {
    let position = match error.as_db_error().and_then(DbError::position) {
        Some(ErrorPosition::Original(position)) => *position as usize,
        _ => 0,
    };
    let mut error = EngineError::from(error);
    if position > 0
        && let EngineError::Sql(said) = &mut error
    {
        let byte = text
            .char_indices()
            .nth(position - 1)
            .map_or(text.len(), |(byte, _)| byte);
        let at = u32::try_from(start + byte.saturating_sub(before)).unwrap_or(u32::MAX);
        said.span = Some(Span {
            start: at,
            end: at.saturating_add(1),
        });
    }
    error
}

/// An error with what caused it, which the outermost text leaves out.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
