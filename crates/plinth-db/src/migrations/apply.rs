//! Running what is pending.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plinth_sql::SqlError;

use super::status::{refuse_edited, state_of};
use super::{
    FileState, FileStatus, MigrationError, MigrationFile, checksum, session, status, text_array,
};
use crate::{Db, Error, Outcome, Param, PolicyScan, ScriptOptions, Transaction};

/// What [`apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Versions that ran now, in order.
    pub versions: Vec<String>,
    /// Versions that ran earlier and whose files are gone.
    pub missing: Vec<String>,
    /// Policies that read whole tables, when something ran.
    pub policy_scans: Vec<PolicyScan>,
}

/// What [`apply`] tells while it runs.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A file that ran earlier is gone.
    Missing {
        /// Its version.
        version: &'a str,
    },
    /// A file comes after newer ones have run.
    OutOfOrder(&'a MigrationFile),
    /// A file starts.
    Starting(&'a MigrationFile),
    /// A file has run.
    Finished(&'a MigrationFile, Duration),
    /// A statement had something to say.
    Notice(&'a MigrationFile, &'a SqlError),
    /// With what has been applied now, a policy reads a whole table.
    PolicyScan(&'a PolicyScan),
}

/// Runs what is pending, in order, one transaction a file, and stops at the first that fails. An edited file that
/// has been applied is an error before anything runs.
pub async fn apply(
    db: &Db,
    files: &[MigrationFile],
    mut progress: impl FnMut(Event<'_>),
) -> Result<Applied, MigrationError> {
    let mut applied = Applied::default();
    let mut statuses = status(db, files).await?;
    let is_pending = |known: &FileStatus| known.state == FileState::Pending;
    // Of several nodes one applies what is pending; the others find it done.
    let _alone = if statuses.iter().any(is_pending) {
        let alone = db.set_up().await?;
        statuses = status(db, files).await?;
        Some(alone)
    } else {
        None
    };
    refuse_edited(files, &statuses)?;
    for gone in statuses
        .iter()
        .filter(|known| known.state == FileState::Missing)
    {
        progress(Event::Missing {
            version: &gone.version,
        });
        applied.missing.push(gone.version.clone());
    }
    let newest = files
        .iter()
        .rposition(|file| state_of(&statuses, &file.version) == Some(FileState::Applied));
    for (place, file) in files.iter().enumerate() {
        if state_of(&statuses, &file.version) != Some(FileState::Pending) {
            continue;
        }
        if newest.is_some_and(|newest| place < newest) {
            progress(Event::OutOfOrder(file));
        }
        progress(Event::Starting(file));
        let started = Instant::now();
        let notices = if file.without_transaction() {
            run_freely(db, file).await?
        } else {
            run_whole(db, file).await?
        };
        for notice in &notices {
            progress(Event::Notice(file, notice));
        }
        progress(Event::Finished(file, started.elapsed()));
        applied.versions.push(file.version.clone());
    }
    if !applied.versions.is_empty() {
        // A look at the plans. What was applied is applied, whatever comes of it.
        applied.policy_scans = db.policy_scans().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the plans of the policies could not be looked at");
            Vec::new()
        });
        for scan in &applied.policy_scans {
            progress(Event::PolicyScan(scan));
        }
    }
    Ok(applied)
}

/// The file and its bookkeeping in one transaction.
async fn run_whole(db: &Db, file: &MigrationFile) -> Result<Vec<SqlError>, MigrationError> {
    let work_file = Arc::new(file.clone());
    db.transaction(&session(), move |tx| {
        let notices = tx.script(&work_file.sql).map_err(|error| {
            FileError(MigrationError::in_file(
                &work_file.path,
                &work_file.sql,
                error,
            ))
        })?;
        record(tx, &work_file)?;
        Ok(notices)
    })
    .await
    .map_err(|FileError(error)| with_path(error, file))
}

/// Statement by statement, then the bookkeeping. What ran before a failure stays.
async fn run_freely(db: &Db, file: &MigrationFile) -> Result<Vec<SqlError>, MigrationError> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let listener = Arc::clone(&heard);
    let options = ScriptOptions {
        stop_on_error: true,
        ..ScriptOptions::default()
    };
    let hear = move |outcome: Outcome| {
        let mut heard = listener.lock().unwrap_or_else(PoisonError::into_inner);
        heard.notices.extend(outcome.notices);
        heard.error = outcome.result.err();
    };
    db.script(&session(), file.sql.clone(), options, hear)
        .await
        .map_err(|error| MigrationError::in_file(&file.path, &file.sql, error))?;
    let Heard { notices, error } =
        std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(error) = error {
        return Err(MigrationError::in_file(
            &file.path,
            &file.sql,
            Error::Sql(error),
        ));
    }
    let work_file = Arc::new(file.clone());
    db.transaction(&session(), move |tx| record(tx, &work_file))
        .await
        .map_err(|FileError(error)| with_path(error, file))?;
    Ok(notices)
}

#[derive(Default)]
struct Heard {
    notices: Vec<SqlError>,
    /// Of the last statement that ran: the script stops at the first error.
    error: Option<SqlError>,
}

fn record(tx: &mut Transaction<'_>, file: &MigrationFile) -> Result<(), FileError> {
    let ranges = plinth_sql::parse::split(&file.sql);
    let statements = text_array(
        ranges
            .into_iter()
            .filter_map(|range| file.sql.get(range))
            .map(str::trim),
    );
    tx.query(
        "insert into supabase_migrations.schema_migrations (version, statements, name) values ($1, $2, $3)",
        &[Param::from(&file.version), Param::from(statements), Param::from(&file.name)],
    )?;
    tx.query(
        "insert into plinth.migration_files (version, name, checksum) values ($1, $2, $3)",
        &[
            Param::from(&file.version),
            Param::from(&file.name),
            Param::from(checksum(&file.sql)),
        ],
    )?;
    Ok(())
}

/// Carries a migration's error through the transaction, whose own errors know no file.
pub(super) struct FileError(pub(super) MigrationError);

impl From<Error> for FileError {
    fn from(error: Error) -> FileError {
        FileError(MigrationError::Database(error))
    }
}

/// A fault that only shows at commit (a deferred constraint) belongs to the file as well.
fn with_path(error: MigrationError, file: &MigrationFile) -> MigrationError {
    match error {
        MigrationError::Database(error) => MigrationError::in_file(&file.path, &file.sql, error),
        other => other,
    }
}
