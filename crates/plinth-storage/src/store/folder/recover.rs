//! Bytes that a crash, or a client that hung up, left on their way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use plinth_db::Db;
use uuid::Uuid;

use super::look::{Corner, list};
use super::{Folder, Home, blocking, is_gone, remove_file};
use crate::error::StorageError;
use crate::store::{away, rows};

/// A file that nobody has touched for so long belongs to no request any more.
const SETTLED: Duration = Duration::from_hours(1);

/// What was done about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// A row named them: they are in their place now.
    pub placed: usize,
    /// No row did.
    pub removed: usize,
}

/// At the start, when nobody writes: everything in `incoming/` goes to its place or away.
pub(in crate::store) async fn recover(
    folder: &Arc<Folder>,
    db: &Db,
) -> Result<Recovered, StorageError> {
    settle(folder, db, Duration::ZERO).await
}

/// While requests run: the same for what is old enough.
pub(crate) async fn tidy(folder: &Arc<Folder>, db: &Db) -> Result<Recovered, StorageError> {
    settle(folder, db, SETTLED).await
}

/// Moves one version into its place, from wherever it is on its way.
pub(crate) async fn place(folder: &Arc<Folder>, version: Uuid) -> Result<(), StorageError> {
    let here = Arc::clone(folder);
    let placed = blocking(move || match here.put_in_place(version, Home::Incoming) {
        Err(error) if is_gone(&error) => here.put_in_place(version, Home::Upload),
        done => done,
    });
    match placed.await? {
        // Somebody else was quicker.
        Err(error) if !is_gone(&error) => Err(away("moving a file", &error)),
        _ => Ok(()),
    }
}

async fn settle(
    folder: &Arc<Folder>,
    db: &Db,
    older_than: Duration,
) -> Result<Recovered, StorageError> {
    let mut recovered = Recovered::default();
    for corner in [Corner::Incoming, Corner::Uploads] {
        let versions = list(folder, corner).await?.versions;
        for versions in versions.chunks(rows::BATCH) {
            let (here, versions) = (Arc::clone(folder), versions.to_vec());
            let old = blocking(move || here.older(corner, versions, older_than)).await?;
            let named = rows::named(db, &old).await?;
            let (named, mut unnamed): (Vec<Uuid>, Vec<Uuid>) =
                old.into_iter().partition(|version| named.contains(version));
            if corner == Corner::Uploads {
                // Uploads have rows of their own and end with them.
                let going_on = rows::uploads(db, &unnamed).await?;
                unnamed.retain(|upload| !going_on.contains(upload));
            }
            let here = Arc::clone(folder);
            let settled = blocking(move || here.settle(corner, &named, &unnamed)).await?;
            let settled = settled.map_err(|error| away("tidying the folder", &error))?;
            recovered.placed += settled.placed;
            recovered.removed += settled.removed;
        }
    }
    if recovered != Recovered::default() {
        let Recovered { placed, removed } = recovered;
        tracing::info!(
            placed,
            removed,
            "interrupted uploads were put in their place or removed"
        );
    }
    Ok(recovered)
}

impl Folder {
    fn older(&self, corner: Corner, versions: Vec<Uuid>, than: Duration) -> Vec<Uuid> {
        let is_old = |version: &Uuid| self.age_in(corner, *version).is_ok_and(|age| age >= than);
        versions.into_iter().filter(is_old).collect()
    }

    fn settle(&self, corner: Corner, named: &[Uuid], unnamed: &[Uuid]) -> io::Result<Recovered> {
        let home = match corner {
            Corner::Uploads => Home::Upload,
            Corner::Incoming | Corner::Shard(_) => Home::Incoming,
        };
        let mut recovered = Recovered::default();
        for version in named {
            match self.put_in_place(*version, home) {
                Ok(()) => recovered.placed += 1,
                // Its request was quicker, or it was joined from parts and is in its place.
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
            if home == Home::Upload {
                self.remove_upload(*version)?;
            }
        }
        for version in unnamed {
            match home {
                Home::Incoming => remove_file(&self.incoming_path(*version))?,
                Home::Upload => self.remove_upload(*version)?,
            }
            recovered.removed += 1;
        }
        self.sync_incoming()?;
        Ok(recovered)
    }
}
