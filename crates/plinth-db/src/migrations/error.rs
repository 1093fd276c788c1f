//! What can go wrong with migrations.

use std::io;
use std::path::PathBuf;

use plinth_sql::SqlError;

use super::Position;
use crate::Error;

/// An error that names the file and, where it can, the place in it.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The folder or a file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable {
        /// What was read.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// A file name does not start with digits.
    #[error(
        "{}: a migration's name starts with its version in digits, as in 0001_tables.sql or 20250101120000_tables.sql; rename the file",
        path.display()
    )]
    NoVersion {
        /// The file.
        path: PathBuf,
    },
    /// Two files claim one version.
    #[error("{} and {} both have version {version}; rename one of them", first.display(), second.display())]
    DuplicateVersion {
        /// The version.
        version: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A file was changed after it had been applied.
    #[error(
        "{}: this migration has been applied and was edited since; put the file back as it was and make the change in a new migration",
        path.display()
    )]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// A statement failed; nothing of its file stays (unless the file runs without a transaction).
    #[error("{}", render(path, *position, error))]
    Sql {
        /// The file.
        path: PathBuf,
        /// Where in it, when known.
        position: Option<Position>,
        /// What Postgres would say.
        error: Box<SqlError>,
    },
    /// The database was made by another version of one of our modules.
    #[error(
        "the database carries another form of the system migration {module}/{version}; it was made by a different build: use that build, start from a fresh data folder, or name another database in `[database] url`"
    )]
    ForeignSystem {
        /// The module.
        module: &'static str,
        /// Its migration.
        version: &'static str,
    },
    /// The database was prepared by a newer version of the product.
    #[error(
        "the database was prepared by a newer plinth, whose system migration {module}/{version} this one ({}) does not know: run that version of plinth or a later one, start from a fresh data folder, or name another database in `[database] url`",
        env!("CARGO_PKG_VERSION")
    )]
    NewerSystem {
        /// The module.
        module: String,
        /// Its migration.
        version: String,
    },
    /// The database could not do its part.
    #[error("{}: {cause}", path.display())]
    Failed {
        /// The file, or the module's name.
        path: PathBuf,
        /// Why. Not its source, because its text is in this one's already.
        cause: Error,
    },
    /// The bookkeeping could not be read or written.
    #[error(transparent)]
    Database(#[from] Error),
}

impl MigrationError {
    /// An error of the database while `path` ran; SQL errors get their place in `sql`.
    pub(super) fn in_file(path: &std::path::Path, sql: &str, error: Error) -> MigrationError {
        match error {
            Error::Sql(error) => MigrationError::Sql {
                path: path.to_owned(),
                position: error
                    .span
                    .map(|span| super::position(sql, span.start as usize)),
                error: Box::new(error),
            },
            cause => MigrationError::Failed {
                path: path.to_owned(),
                cause,
            },
        }
    }

    /// True when a file was edited after it had been applied.
    pub fn is_edited(&self) -> bool {
        matches!(self, MigrationError::Edited { .. })
    }
}

/// `file.sql:12:5: message (SQLSTATE) detail: … hint: …`.
pub(super) fn render(
    path: &std::path::Path,
    position: Option<Position>,
    error: &SqlError,
) -> String {
    let place = position.map_or_else(String::new, |Position { line, column }| {
        format!(":{line}:{column}")
    });
    let detail = error
        .detail
        .as_ref()
        .map_or_else(String::new, |detail| format!(" detail: {detail}"));
    let hint = error
        .hint
        .as_ref()
        .map_or_else(String::new, |hint| format!(" hint: {hint}"));
    format!(
        "{}{place}: {} ({}){detail}{hint}",
        path.display(),
        error.message,
        error.code
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use plinth_sql::ast::Span;
    use std::path::Path;

    #[test]
    fn sql_error_names_file_line_and_column() {
        let sql = "create table a (id int);\ncreate tabel b ();\n";
        let error = SqlError::new("42601", "syntax error at or near \"tabel\"")
            .at(Span { start: 32, end: 37 })
            .hint("Write table.");
        let error =
            MigrationError::in_file(Path::new("migrations/0001_a.sql"), sql, Error::Sql(error));
        assert_eq!(
            error.to_string(),
            "migrations/0001_a.sql:2:8: syntax error at or near \"tabel\" (42601) hint: Write table."
        );
    }

    #[test]
    fn a_newer_database_says_what_to_run_and_what_to_set() {
        let error = MigrationError::NewerSystem {
            module: "base".to_owned(),
            version: "0999".to_owned(),
        };
        let told = error.to_string();
        for part in [
            "base/0999",
            env!("CARGO_PKG_VERSION"),
            "or a later one",
            "`[database] url`",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let away = Error::Unavailable("gone".to_owned());
        let error = MigrationError::in_file(Path::new("0001_a.sql"), "", away);
        assert_eq!(
            error.to_string(),
            "0001_a.sql: the database is not available: gone"
        );
        assert!(std::error::Error::source(&error).is_none());
    }
}
