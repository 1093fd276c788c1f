//! Removing bytes that no object has any more.
//!
//! Whatever road a row goes, a trigger writes its version into `storage.removals`; an S3 store also has the versions there that
//! are being written. The bytes go first and the row of the removal after them, so a crash in between costs a second attempt
//! and nothing else. Nodes take turns.

use std::collections::HashSet;
use std::time::Duration;

use plinth_db::{Db, Error, Session};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Recovered, folder, rows};
use crate::Storage;
use crate::error::StorageError;

/// Versions removed between two looks at the table.
const BATCH: i64 = 200;
/// How often everything is looked for.
const ROUND: Duration = Duration::from_mins(1);
/// The same after a look that failed.
const ANOTHER_TRY: Duration = Duration::from_secs(10);
/// How long what becomes superfluous is gathered before it is removed.
const GATHER: Duration = Duration::from_millis(500);

/// Finishes what a crash interrupted: once, before the first request.
pub(crate) async fn recover(storage: &Storage) -> Result<Recovered, StorageError> {
    if storage.store.folder().is_some() {
        // No other process has the folder. Leases of one that was killed would lock its clients out.
        crate::tus::end_leases(storage).await?;
        crate::s3::end_claims(storage).await?;
    }
    storage.store.recover(&storage.app.db).await
}

/// Sweeps until it is dropped: what is due whenever somebody says that something is, everything each [`ROUND`].
pub(crate) async fn run(storage: &Storage) {
    let told = |error: StorageError| match error {
        // That the database is away its engine tells, once for everything.
        StorageError::Database(cause) if cause.is_away() => {
            tracing::debug!(error = %cause, "superfluous files cannot be removed");
        }
        error => tracing::error!(%error, "superfluous files cannot be removed"),
    };
    loop {
        let wait = match sweep(storage).await {
            Ok(_) => ROUND,
            Err(error) => {
                told(error);
                ANOTHER_TRY
            }
        };
        let next_round = Instant::now() + wait;
        // What an earlier run or another node left has nobody who wakes us. Where we are woken again and again a timeout alone never ends the
        // wait: it looks at the time only when there is nothing else.
        while Instant::now() < next_round
            && tokio::time::timeout_at(next_round, storage.sweeper.notified())
                .await
                .is_ok()
        {
            // Under load each upload that replaces another wakes us: once for many will do.
            tokio::time::sleep(GATHER).await;
            if let Err(error) = remove_due(storage).await {
                told(error);
            }
        }
    }
}

/// One round. Gives the number of versions whose bytes are gone.
pub(crate) async fn sweep(storage: &Storage) -> Result<usize, StorageError> {
    let removed = remove_due(storage).await?;
    if let Some(folder) = storage.store.folder() {
        folder::tidy(folder, &storage.app.db).await?;
    }
    crate::tus::sweep(storage).await?;
    crate::s3::sweep(storage).await?;
    storage.unfinished.measure(&storage.app.db).await?;
    Ok(removed)
}

/// Removes what is due.
async fn remove_due(storage: &Storage) -> Result<usize, StorageError> {
    let db = &storage.app.db;
    if due(db).await?.is_empty() || is_held(storage) {
        return Ok(0);
    }
    let _nobody_else = db.alone("storage sweep").await?;
    let mut removed = 0;
    loop {
        let due = due(db).await?;
        if due.is_empty() || is_held(storage) {
            return Ok(removed);
        }
        let gone = remove(storage, &due).await?;
        for version in &gone {
            storage.images.forget(*version).await;
        }
        removed += gone.len();
        // What has come meanwhile wakes us again. Waiting until nothing comes would keep all else that is to be swept waiting, too.
        if i64::try_from(due.len()).is_ok_and(|found| found < BATCH) {
            return Ok(removed);
        }
    }
}

/// Whether a backup is being made of the folder.
fn is_held(storage: &Storage) -> bool {
    storage
        .store
        .folder()
        .is_some_and(|folder| folder.is_held())
}

/// What is to be removed.
struct Due {
    version: String,
    /// What was to become the version, as the store calls it.
    upload: Option<String>,
}

/// What is due longest.
async fn due(db: &Db) -> Result<Vec<Due>, StorageError> {
    let rows = db
        .query(
            &Session::system(),
            "select r.version, r.upload from storage.removals r where r.due_at <= now() order by r.due_at, r.version limit $1::bigint",
            vec![BATCH.into()],
        )
        .await?;
    let due = |row: plinth_db::Row<'_>| {
        Ok(Due {
            version: row.text("version")?,
            upload: row.get("upload").map(str::to_owned),
        })
    };
    Ok(rows.iter().map(due).collect::<Result<_, Error>>()?)
}

/// Removes the bytes of these versions and then what says so. Gives those whose bytes are gone.
async fn remove(storage: &Storage, due: &[Due]) -> Result<Vec<Uuid>, StorageError> {
    let db = &storage.app.db;
    // What another service left in the table's rows is no version of ours and has no bytes here.
    let ours = due.iter().filter_map(|due| {
        let version: Uuid = due.version.parse().ok()?;
        Some((version, due.upload.as_deref()))
    });
    let ours: Vec<(Uuid, Option<&str>)> = ours.collect();
    let versions: Vec<Uuid> = ours.iter().map(|(version, _)| *version).collect();
    // A row that was brought back by SQL has its bytes as long as they are there.
    let named: HashSet<Uuid> = rows::named(db, &versions).await?;
    let gone: Vec<Uuid> = versions
        .into_iter()
        .filter(|version| !named.contains(version))
        .collect();
    storage.store.remove_all(gone.clone()).await?;
    for (version, upload) in ours {
        if let Some(upload) = upload {
            storage.store.end_parts(version, upload).await?;
        }
    }
    let due: Vec<String> = due.iter().map(|due| due.version.clone()).collect();
    db.transaction(&Session::system(), move |tx| -> Result<(), Error> {
        for version in &due {
            // An upload that is tried again meanwhile has announced its version anew.
            tx.query(
                "delete from storage.removals where version = $1 and due_at <= now()",
                &[version.into()],
            )?;
        }
        Ok(())
    })
    .await?;
    Ok(gone)
}
