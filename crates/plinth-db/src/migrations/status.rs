//! What has run, compared with what is there.

use std::collections::BTreeMap;

use super::{MigrationError, MigrationFile, checksum};
use crate::{Db, Error, Session};

/// A migration and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Its version.
    pub version: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: FileState,
}

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It ran, and the file is as it was.
    Applied,
    /// It has not run.
    Pending,
    /// It ran, and the file was edited since.
    Edited,
    /// It ran, and the file is gone.
    Missing,
}

/// Every migration that is there or has run, in order of version as text.
pub async fn status(db: &Db, files: &[MigrationFile]) -> Result<Vec<FileStatus>, Error> {
    let applied = applied(db).await?;
    let mut all: BTreeMap<&str, FileStatus> = BTreeMap::new();
    for (version, (name, _)) in &applied {
        let state = FileState::Missing;
        all.insert(
            version,
            FileStatus {
                version: version.clone(),
                name: name.clone(),
                state,
            },
        );
    }
    for file in files {
        let state = match applied.get(&file.version) {
            None => FileState::Pending,
            // Without a checksum the row came from another tool: nothing to compare with.
            Some((_, Some(known))) if *known != checksum(&file.sql) => FileState::Edited,
            Some(_) => FileState::Applied,
        };
        let status = FileStatus {
            version: file.version.clone(),
            name: file.name.clone(),
            state,
        };
        all.insert(&file.version, status);
    }
    Ok(all.into_values().collect())
}

/// Where the migration of this version stands.
pub(super) fn state_of(statuses: &[FileStatus], version: &str) -> Option<FileState> {
    let known = statuses.iter().find(|known| known.version == version)?;
    Some(known.state)
}

/// A file that was edited after it had been applied is an error: what it says now would never run.
pub(super) fn refuse_edited(
    files: &[MigrationFile],
    statuses: &[FileStatus],
) -> Result<(), MigrationError> {
    let is_edited =
        |file: &&MigrationFile| state_of(statuses, &file.version) == Some(FileState::Edited);
    match files.iter().find(is_edited) {
        Some(file) => Err(MigrationError::Edited {
            path: file.path.clone(),
        }),
        None => Ok(()),
    }
}

/// Name and checksum of what has run, by version.
async fn applied(db: &Db) -> Result<BTreeMap<String, (String, Option<String>)>, Error> {
    let rows = db
        .query(
            &Session::system(),
            "select m.version, m.name, f.checksum
               from supabase_migrations.schema_migrations m
               left join plinth.migration_files f on f.version = m.version",
            Vec::new(),
        )
        .await?;
    rows.iter()
        .map(|row| {
            let name = row.get("name").unwrap_or_default().to_owned();
            Ok((
                row.text("version")?,
                (name, row.get("checksum").map(str::to_owned)),
            ))
        })
        .collect()
}
