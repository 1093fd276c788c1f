//! What can go wrong in the engine.

use plinth_sql::SqlError;

/// An error of the engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// What Postgres would say. Boxed, because results are everywhere and this is large.
    #[error(transparent)]
    Sql(#[from] Box<SqlError>),
    /// Too many writes wait already.
    #[error("too many writes are waiting")]
    Busy,
    /// The statement ran longer than its session allows.
    #[error("canceling statement due to statement timeout")]
    Timeout,
    /// The engine is closed.
    #[error("the engine is closed")]
    Closed,
    /// There is no room left on the disk.
    #[error("no space left on the disk")]
    DiskFull,
    /// The disk is failing.
    #[error("{0}")]
    Disk(String),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl EngineError {
    /// The error as a statement inside the database sees it.
    pub(crate) fn into_sql(self) -> SqlError {
        match self {
            EngineError::Sql(error) => *error,
            EngineError::Timeout => {
                SqlError::new("57014", "canceling statement due to statement timeout")
            }
            EngineError::Busy => SqlError::new("53300", "the database is busy"),
            EngineError::Closed => SqlError::new("57P01", "the database is closed"),
            EngineError::DiskFull => SqlError::new("53100", "no space left on the disk"),
            EngineError::Disk(text) => SqlError::new("58030", text),
            EngineError::Internal(text) => SqlError::new("XX000", text),
        }
    }
}

/// The crate's result.
pub(crate) type Result<T, E = EngineError> = std::result::Result<T, E>;

impl From<SqlError> for EngineError {
    fn from(error: SqlError) -> EngineError {
        EngineError::Sql(Box::new(error))
    }
}

/// Errors of SQLite. Those that our own functions raised carry a whole [`SqlError`] in their text; see
/// `functions::raise`.
impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> EngineError {
        use rusqlite::ErrorCode;
        if let Some(raised) = crate::functions::raised(&error) {
            return raised.into();
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => EngineError::DiskFull,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                EngineError::Disk(error.to_string())
            }
            Some(ErrorCode::OperationInterrupted) => EngineError::Timeout,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => EngineError::Busy,
            Some(ErrorCode::TooBig) => {
                SqlError::new("54000", "value or statement is too large").into()
            }
            _ => EngineError::Internal(without_statement(&error)),
        }
    }
}

/// What SQLite says, without the statement: constants of users may stand in it.
pub(crate) fn without_statement(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::EngineError;

    #[test]
    fn a_fault_does_not_show_the_statement() {
        let sqlite = rusqlite::Connection::open_in_memory().unwrap();
        let error = sqlite.prepare("SELECT 'a secret', x").unwrap_err();
        let shown = EngineError::from(error).into_sql();
        assert_eq!(shown.code, "XX000");
        assert_eq!(shown.message, "no such column: x");
    }
}
