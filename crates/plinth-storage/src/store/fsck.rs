//! Comparing rows with bytes: `plinth storage check`.
//!
//! Rows are read page by page in the order of their versions, bytes corner by corner, so however many there are, a few thousand
//! names are held at once. It works beside a running server: what looks wrong is looked at again before it is called so, and
//! bytes that are young may be an upload whose row is about to come.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use plinth_db::{Db, Param, Row, Session};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::folder::{self, Corner, Folder, Found};
use super::s3::Listed;
use super::{Store, StoreConfig, rows};
use crate::error::StorageError;

/// Questions asked of an S3 store at a time.
const ABREAST: usize = 16;

/// Something that is not as it should be, or that is at least worth a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// A row whose bytes are nowhere.
    MissingBytes {
        /// The row's bucket.
        bucket: String,
        /// The row's name.
        name: String,
        /// What it names its bytes by; rows that were made by SQL may not.
        version: Option<String>,
    },
    /// A row that says another number of bytes than there are.
    SizeDiffers {
        /// The row's bucket.
        bucket: String,
        /// The row's name.
        name: String,
        /// What it names its bytes by.
        version: String,
        /// Bytes in the row.
        row_bytes: u64,
        /// Bytes in the store.
        store_bytes: u64,
    },
    /// Bytes that no row names.
    OrphanBytes {
        /// Their version, or the upload's id.
        version: String,
        /// How many; of an unfinished upload nobody counts.
        bytes: Option<u64>,
        /// Whether they are removed now.
        repaired: bool,
    },
    /// Bytes that a row names and that never got to their place. They can be read all the same.
    Unplaced {
        /// Their version.
        version: String,
        /// Whether they are in their place now.
        repaired: bool,
    },
    /// Bytes that no row names yet: an upload may be under way. Nothing is wrong.
    Young {
        /// Their version.
        version: String,
        /// How many.
        bytes: u64,
    },
    /// Something that we did not put there. It is left alone, and nothing is wrong.
    Stranger {
        /// Where it is.
        path: String,
    },
}

/// How a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FsckOptions {
    /// What can be mended is mended.
    pub repair: bool,
    /// Bytes that no row names are only noted as long as they are younger: they may belong to a request that runs, and such a
    /// request may take an hour. Less is for a store that nobody uploads to.
    pub older_than: Duration,
}

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows whose bytes are as they say.
    pub whole: u64,
    /// Rows whose bytes are nowhere.
    pub missing: u64,
    /// Rows that say another number of bytes than there are.
    pub size_differs: u64,
    /// Versions and uploads that no row names.
    pub orphans: u64,
    /// Versions on their way to their place.
    pub unplaced: u64,
    /// What is mended of all that.
    pub repaired: u64,
    /// Nothing was removed, because rows without bytes, or bytes without rows, were more than what fits together: the store or
    /// the database is probably the wrong one, or not all of it is there.
    pub refused: bool,
}

/// The check could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FsckError(String);

impl From<StorageError> for FsckError {
    fn from(error: StorageError) -> FsckError {
        FsckError(error.to_string())
    }
}

impl Checked {
    /// What is wrong now.
    pub fn problems(&self) -> u64 {
        let found = self.missing + self.size_differs + self.orphans + self.unplaced;
        found.saturating_sub(self.repaired)
    }
}

/// A row, as far as it matters here.
#[derive(Clone, Debug)]
struct Named {
    id: Uuid,
    bucket: String,
    name: String,
    version: Option<String>,
    size: Option<u64>,
}

/// A check that goes on.
struct Check<'a, F> {
    db: &'a Db,
    store: &'a Store,
    options: FsckOptions,
    /// Bytes that no row names are only counted now.
    counts: bool,
    checked: Checked,
    on: F,
}

/// Compares all rows with all bytes. With [`FsckOptions::repair`], bytes that no row names are removed, interrupted moves are
/// finished, and rows whose bytes are nowhere are deleted. Nothing is removed or deleted when either are more than the rows that
/// have their bytes. `on` hears of each finding.
///
/// # Errors
/// When the database or the store cannot be read to the end.
pub async fn check_store(
    db: &Db,
    config: &StoreConfig,
    options: FsckOptions,
    on: impl FnMut(Finding) + Send,
) -> Result<Checked, FsckError> {
    let store = match Store::attach(config).await {
        Ok(store) => store,
        // An application that has never run has no folder yet, and no rows.
        Err(_) if is_empty(db).await? => return Ok(Checked::default()),
        Err(error) => return Err(error.into()),
    };
    let check = Check {
        db,
        store: &store,
        options,
        counts: false,
        checked: Checked::default(),
        on,
    };
    Ok(check.run().await?)
}

async fn is_empty(db: &Db) -> Result<bool, StorageError> {
    let rows = db
        .query(
            &Session::system(),
            "select o.id from storage.objects o limit 1",
            Vec::new(),
        )
        .await?;
    Ok(rows.is_empty())
}

impl<F: FnMut(Finding) + Send> Check<'_, F> {
    async fn run(mut self) -> Result<Checked, StorageError> {
        self.rows(false).await?;
        if self.options.repair {
            // Counted before the first is removed: to a database that is lost, older or another's, all bytes are nobody's.
            self.counts = true;
            self.bytes().await?;
            self.counts = false;
            let orphans = std::mem::take(&mut self.checked.orphans);
            // A store that has hardly any of the bytes is another store, or a disk that is not mounted.
            self.checked.refused = self.checked.missing.max(orphans) > self.checked.whole;
        }
        self.bytes().await?;
        if self.removes() && self.checked.missing > 0 {
            self.rows(true).await?;
        }
        Ok(self.checked)
    }

    /// Whether what does not fit goes.
    fn removes(&self) -> bool {
        self.options.repair && !self.checked.refused
    }

    /// Bytes to rows.
    async fn bytes(&mut self) -> Result<(), StorageError> {
        match self.store.folder() {
            Some(folder) => self.folder(folder).await,
            None => self.bucket().await,
        }
    }

    /// Tells of what is found among the bytes, once they are not only counted.
    fn tell(&mut self, finding: Finding) {
        if !self.counts {
            (self.on)(finding);
        }
    }

    /// Rows to bytes. The second time, when everything was counted, rows without bytes are deleted.
    async fn rows(&mut self, delete: bool) -> Result<(), StorageError> {
        for unnamed in [true, false] {
            let mut after = match unnamed {
                true => Uuid::nil().to_string(),
                false => String::new(),
            };
            loop {
                let page = page(self.db, unnamed, &after).await?;
                let Some(last) = page.last() else {
                    break;
                };
                after = match &last.version {
                    Some(version) => version.clone(),
                    None => last.id.to_string(),
                };
                self.compare(page, delete).await?;
            }
        }
        Ok(())
    }

    async fn compare(&mut self, page: Vec<Named>, delete: bool) -> Result<(), StorageError> {
        let found = look(self.store, &page).await?;
        for (row, found) in page.into_iter().zip(found) {
            if delete {
                if found.is_none() && self.is_missing(&row).await? {
                    delete_row(self.db, &row).await?;
                    self.checked.repaired += 1;
                }
                continue;
            }
            self.checked.rows += 1;
            match (found, row.size) {
                (Some(found), Some(size)) if found.size != size => {
                    self.checked.size_differs += 1;
                    (self.on)(Finding::SizeDiffers {
                        bucket: row.bucket,
                        name: row.name,
                        version: row.version.unwrap_or_default(),
                        row_bytes: size,
                        store_bytes: found.size,
                    });
                }
                (Some(found), _) => {
                    self.checked.whole += 1;
                    if !found.placed && found.age >= self.options.older_than {
                        self.unplaced(&row).await?;
                    }
                }
                (None, _) => {
                    if self.is_missing(&row).await? {
                        self.checked.missing += 1;
                        (self.on)(Finding::MissingBytes {
                            bucket: row.bucket,
                            name: row.name,
                            version: row.version,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the row is still there as it was read, and still without bytes: it may have been replaced meanwhile.
    async fn is_missing(&self, row: &Named) -> Result<bool, StorageError> {
        let sql = "select o.id from storage.objects o where o.id = $1 and o.version is not distinct from $2";
        let params = vec![row.id.into(), row.version.as_ref().into()];
        let rows = self.db.query(&Session::system(), sql, params).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let found = look(self.store, std::slice::from_ref(row)).await?;
        Ok(found.iter().all(Option::is_none))
    }

    async fn unplaced(&mut self, row: &Named) -> Result<(), StorageError> {
        let version = row.version.clone().unwrap_or_default();
        let mut repaired = false;
        if self.options.repair
            && let (Some(folder), Ok(version)) = (self.store.folder(), version.parse::<Uuid>())
        {
            folder::place(folder, version).await?;
            repaired = true;
        }
        self.checked.unplaced += 1;
        self.checked.repaired += u64::from(repaired);
        (self.on)(Finding::Unplaced { version, repaired });
        Ok(())
    }

    /// Bytes to rows, in a folder.
    async fn folder(&mut self, folder: &Arc<Folder>) -> Result<(), StorageError> {
        let corners = (0..=u8::MAX).map(Corner::Shard).chain([Corner::Incoming]);
        for corner in corners {
            let listing = folder::list(folder, corner).await?;
            for path in listing.strangers {
                self.tell(Finding::Stranger { path });
            }
            for versions in listing.versions.chunks(rows::BATCH) {
                let unnamed = self.unnamed(versions).await?;
                let found = folder::look(folder, unnamed.clone()).await?;
                for (version, found) in unnamed.into_iter().zip(found) {
                    // Gone since it was listed.
                    let Some(found) = found else { continue };
                    self.bytes_without_row(version, found.size, found.age)
                        .await?;
                }
            }
        }
        let listing = folder::list(folder, Corner::Uploads).await?;
        for path in listing.strangers {
            self.tell(Finding::Stranger { path });
        }
        for uploads in listing.versions.chunks(rows::BATCH) {
            let unnamed = self.unnamed(uploads).await?;
            let known = rows::uploads(self.db, &unnamed).await?;
            for upload in unnamed {
                let age = folder::age(folder, Corner::Uploads, upload).await?;
                // Gone since it was listed, or it may belong to a request that runs.
                let is_old = age.is_some_and(|age| age >= self.options.older_than);
                if is_old && !known.contains(&upload) {
                    self.orphan(upload, None).await?;
                }
            }
        }
        Ok(())
    }

    /// Bytes to rows, in a bucket.
    async fn bucket(&mut self) -> Result<(), StorageError> {
        let Some(listed) = self.store.listed() else {
            return Ok(());
        };
        let mut pages = listed.try_chunks(rows::BATCH);
        while let Some(page) = pages.next().await {
            let page: Vec<Listed> = page.map_err(|error| error.1)?;
            let versions: Vec<Uuid> = page.iter().filter_map(|listed| listed.version).collect();
            let unnamed = self.unnamed(&versions).await?;
            for listed in page {
                match listed.version {
                    None => self.tell(Finding::Stranger { path: listed.key }),
                    Some(version) if unnamed.contains(&version) => {
                        self.bytes_without_row(version, listed.size, listed.age)
                            .await?;
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Those that no row names and that are not about to be removed anyway, in their order.
    async fn unnamed(&self, versions: &[Uuid]) -> Result<Vec<Uuid>, StorageError> {
        let named = rows::named(self.db, versions).await?;
        let unnamed: Vec<Uuid> = versions
            .iter()
            .filter(|version| !named.contains(version))
            .copied()
            .collect();
        let announced = rows::announced(self.db, &unnamed).await?;
        Ok(unnamed
            .into_iter()
            .filter(|version| !announced.contains(version))
            .collect())
    }

    async fn bytes_without_row(
        &mut self,
        version: Uuid,
        bytes: u64,
        age: Duration,
    ) -> Result<(), StorageError> {
        if age < self.options.older_than {
            let version = version.to_string();
            self.tell(Finding::Young { version, bytes });
            return Ok(());
        }
        self.orphan(version, Some(bytes)).await
    }

    async fn orphan(&mut self, version: Uuid, bytes: Option<u64>) -> Result<(), StorageError> {
        let repaired = self.removes() && !self.counts;
        if repaired {
            self.store.remove(version).await?;
        }
        self.checked.orphans += 1;
        self.checked.repaired += u64::from(repaired);
        self.tell(Finding::OrphanBytes {
            version: version.to_string(),
            bytes,
            repaired,
        });
        Ok(())
    }
}

/// Looks for the bytes of rows.
async fn look(store: &Store, page: &[Named]) -> Result<Vec<Option<Found>>, StorageError> {
    // A version that is no UUID was not made here, so its bytes are not here.
    let versions: Vec<Option<Uuid>> = page
        .iter()
        .map(|row| row.version.as_deref()?.parse().ok())
        .collect();
    if let Some(folder) = store.folder() {
        let ours = versions.iter().flatten().copied().collect();
        let mut found = folder::look(folder, ours).await?.into_iter();
        return Ok(versions
            .iter()
            .map(|version| version.and_then(|_| found.next().flatten()))
            .collect());
    }
    let asked = stream::iter(versions).map(|version| async move {
        let Some(version) = version else {
            return Ok(None);
        };
        Ok(store.size(version).await?.map(|size| Found {
            size,
            age: Duration::ZERO,
            placed: true,
        }))
    });
    asked.buffered(ABREAST).try_collect().await
}

/// Rows behind `after`: those without a version by their id, the others by their version.
async fn page(db: &Db, unnamed: bool, after: &str) -> Result<Vec<Named>, StorageError> {
    let columns = "o.id, o.bucket_id, o.name, o.version, o.metadata ->> 'size' as size";
    let (condition, order) = match unnamed {
        true => ("o.version is null and o.id > $1::uuid", "o.id"),
        false => ("o.version > $1", "o.version"),
    };
    let sql = format!(
        "select {columns} from storage.objects o where {condition} order by {order} limit {}",
        rows::BATCH
    );
    let rows = db
        .query(&Session::system(), &sql, vec![Param::from(after)])
        .await?;
    rows.iter().map(|row| Ok(Named::read(row)?)).collect()
}

impl Named {
    fn read(row: Row<'_>) -> Result<Named, plinth_db::Error> {
        Ok(Named {
            id: row.uuid("id")?,
            bucket: row.get("bucket_id").unwrap_or_default().to_owned(),
            name: row.get("name").unwrap_or_default().to_owned(),
            version: row.get("version").map(str::to_owned),
            size: row.get("size").and_then(|size| size.parse().ok()),
        })
    }
}

async fn delete_row(db: &Db, row: &Named) -> Result<(), StorageError> {
    let sql = "delete from storage.objects where id = $1 and version is not distinct from $2";
    let params = vec![row.id.into(), row.version.as_ref().into()];
    db.query(&Session::system(), sql, params).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
