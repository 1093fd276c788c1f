//! What can go wrong between a caller and the database.

use plinth_embedded::EngineError;
use plinth_sql::SqlError;

/// An error of the database. Only [`Error::Sql`] is for the caller's eyes in full.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// What Postgres would say.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Too much is waiting already.
    #[error("the database is busy; try again in {retry_after_seconds} s")]
    Busy {
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// The statement ran longer than the session allows (57014).
    #[error("canceling statement due to statement timeout")]
    Timeout,
    /// The database is shutting down.
    #[error("the database is closed")]
    Closed,
    /// There is no room left on the disk.
    #[error("no space left on the disk")]
    DiskFull,
    /// The disk is failing.
    #[error("the disk refused a write: {0}")]
    Disk(String),
    /// The database server cannot be reached, or cannot serve now.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database server refuses us until somebody changes what the text names.
    #[error("{0}")]
    Setup(String),
    /// A fault of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Whether it is for want of a database server: it cannot be reached, or refuses us. The engine's log tells of that once for all
    /// requests, so nobody else needs to, and the next try may find it mended.
    pub fn is_away(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Setup(_))
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Error {
        match error {
            EngineError::Sql(error) => Error::Sql(*error),
            EngineError::Busy => Error::Busy {
                retry_after_seconds: 1,
            },
            EngineError::Timeout => Error::Timeout,
            EngineError::Closed => Error::Closed,
            EngineError::DiskFull => Error::DiskFull,
            EngineError::Disk(text) => Error::Disk(text),
            EngineError::Internal(text) => Error::Internal(text),
        }
    }
}

impl From<plinth_postgres::EngineError> for Error {
    fn from(error: plinth_postgres::EngineError) -> Error {
        use plinth_postgres::EngineError;
        match error {
            EngineError::Sql(error) => Error::Sql(*error),
            EngineError::Busy => Error::Busy {
                retry_after_seconds: 1,
            },
            EngineError::Timeout => Error::Timeout,
            EngineError::Closed => Error::Closed,
            EngineError::Unavailable(text) | EngineError::Standby(text) => Error::Unavailable(text),
            EngineError::Setup(text) => Error::Setup(text),
            EngineError::Internal(text) => Error::Internal(text),
        }
    }
}

/// Errors of a transaction's work travel through the engine in its own type.
impl From<Error> for EngineError {
    fn from(error: Error) -> EngineError {
        match error {
            Error::Sql(error) => EngineError::Sql(Box::new(error)),
            Error::Busy { .. } => EngineError::Busy,
            Error::Timeout => EngineError::Timeout,
            Error::Closed => EngineError::Closed,
            Error::DiskFull => EngineError::DiskFull,
            Error::Disk(text) => EngineError::Disk(text),
            // The engine in a file knows neither.
            Error::Unavailable(text) | Error::Setup(text) | Error::Internal(text) => {
                EngineError::Internal(text)
            }
        }
    }
}
