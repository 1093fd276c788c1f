//! Sample rows, loaded once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::apply::FileError;
use super::{MigrationError, checksum, session};
use crate::{Db, Param, Session};

/// The row of `plinth.migration_files` that remembers the seed. No migration can claim it: versions are digits.
const SEED_VERSION: &str = "seed";

/// Sample rows as they lie on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Where they lie.
    pub path: PathBuf,
    /// What they say.
    pub sql: String,
}

/// `seed.sql`, else `supabase/seed.sql`.
pub fn find_seed(dir: &Path) -> Result<Option<Seed>, MigrationError> {
    let candidates = [dir.join("seed.sql"), dir.join("supabase").join("seed.sql")];
    let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
        return Ok(None);
    };
    match fs::read_to_string(&path) {
        Ok(sql) => Ok(Some(Seed { path, sql })),
        Err(cause) => Err(MigrationError::Unreadable { path, cause }),
    }
}

/// Loads the sample rows in one transaction, unless that was done before. True when it was done now.
pub async fn apply_seed(db: &Db, seed: &Seed) -> Result<bool, MigrationError> {
    let known = db
        .query(
            &Session::system(),
            "select 1 as found from plinth.migration_files where version = $1",
            vec![Param::from(SEED_VERSION)],
        )
        .await?;
    if !known.is_empty() {
        return Ok(false);
    }
    let work_seed = Arc::new(seed.clone());
    let done: Result<(), FileError> = db
        .transaction(&session(), move |tx| {
            tx.script(&work_seed.sql)?;
            tx.query(
                "insert into plinth.migration_files (version, name, checksum) values ($1, $1, $2)",
                &[
                    Param::from(SEED_VERSION),
                    Param::from(checksum(&work_seed.sql)),
                ],
            )?;
            Ok(())
        })
        .await;
    match done {
        Ok(()) => Ok(true),
        Err(FileError(MigrationError::Database(error))) => {
            Err(MigrationError::in_file(&seed.path, &seed.sql, error))
        }
        Err(FileError(error)) => Err(error),
    }
}
