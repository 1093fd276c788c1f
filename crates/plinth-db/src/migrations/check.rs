//! What would run and what would be refused, changing nothing.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use plinth_sql::SqlError;

use super::error::render;
use super::status::{refuse_edited, state_of};
use super::{FileState, MigrationError, MigrationFile, Position, position, session, status};
use crate::{Db, Error, Transaction};

/// What a pending file would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedFile {
    /// Its version.
    pub version: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Statements that run.
    pub runs: usize,
    /// Statements that are refused, in order. One refused statement often brings others after it.
    pub refused: Vec<Refusal>,
    /// What statements said.
    pub notices: Vec<SqlError>,
}

/// A statement that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub position: Position,
    /// Why.
    pub error: SqlError,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&render(&self.path, Some(self.position), &self.error))
    }
}

/// Runs every pending file in one transaction that is rolled back, going on after refused statements.
pub async fn check(db: &Db, files: &[MigrationFile]) -> Result<Vec<CheckedFile>, MigrationError> {
    let statuses = status(db, files).await?;
    refuse_edited(files, &statuses)?;
    let pending: Arc<Vec<MigrationFile>> = Arc::new(
        files
            .iter()
            .filter(|file| state_of(&statuses, &file.version) == Some(FileState::Pending))
            .cloned()
            .collect(),
    );
    // The work ends with an "error" that carries the report, because an error is what rolls back.
    let end: Result<(), Rollback> = db
        .transaction(&session(), move |tx| {
            Err(Rollback(ControlFlow::Break(
                pending.iter().map(|file| try_file(tx, file)).collect(),
            )))
        })
        .await;
    match end {
        Err(Rollback(ControlFlow::Break(report))) => Ok(report),
        Err(Rollback(ControlFlow::Continue(error))) => Err(error.into()),
        Ok(()) => Ok(Vec::new()),
    }
}

struct Rollback(ControlFlow<Vec<CheckedFile>, Error>);

impl From<Error> for Rollback {
    fn from(error: Error) -> Rollback {
        Rollback(ControlFlow::Continue(error))
    }
}

fn try_file(tx: &mut Transaction<'_>, file: &MigrationFile) -> CheckedFile {
    let mut checked = CheckedFile {
        version: file.version.clone(),
        path: file.path.clone(),
        runs: 0,
        refused: Vec::new(),
        notices: Vec::new(),
    };
    for range in plinth_sql::parse::split(&file.sql) {
        let Some(statement) = file.sql.get(range.clone()) else {
            continue;
        };
        let indent = statement.len() - statement.trim_start().len();
        match tx.script(statement) {
            Ok(notices) => {
                checked.runs += 1;
                checked.notices.extend(notices);
            }
            Err(error) => {
                let error = match error {
                    Error::Sql(error) => error,
                    other => SqlError::new("XX000", other.to_string()),
                };
                let within = error.span.map_or(indent, |span| span.start as usize);
                let position = position(&file.sql, range.start + within);
                checked.refused.push(Refusal {
                    path: file.path.clone(),
                    position,
                    error,
                });
            }
        }
    }
    checked
}
