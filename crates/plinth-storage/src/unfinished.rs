//! The bytes of uploads that are not finished, bounded: whoever begins and never ends would fill the disk, or the bill.
//!
//! Of all together it is only known about how many there are: they are counted with each round of the sweeper, and what this
//! process receives is added until the next one. Other nodes' bytes are seen a round later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plinth_db::{Db, Session};

use crate::Config;
use crate::error::StorageError;

/// Largest uploads that one owner may have begun at a time, by their bytes, and what everybody may have however small those are.
const OF_ONE: u64 = 50;
const LEAST_OF_ONE_BYTES: u64 = 1 << 30;
/// The same for all owners together.
const OF_ALL: u64 = 200;
const LEAST_OF_ALL_BYTES: u64 = 50 << 30;
/// What is beyond that for uploads that have begun, so that they come to their end: a part of it.
const RESERVE: u64 = 4;

/// What all hold. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<AtomicU64>);

/// What one owner may hold.
pub(crate) fn bytes_of_one(config: &Config) -> u64 {
    config
        .upload_bytes
        .saturating_mul(OF_ONE)
        .max(LEAST_OF_ONE_BYTES)
}

impl Unfinished {
    /// Whether an upload may begin.
    ///
    /// # Errors
    /// [`StorageError::StoreFull`].
    pub(crate) fn check_beginning(&self, config: &Config) -> Result<(), StorageError> {
        self.check(bytes_of_all(config))
    }

    /// Whether one that has begun may go on.
    ///
    /// # Errors
    /// [`StorageError::StoreFull`].
    pub(crate) fn check_going_on(&self, config: &Config) -> Result<(), StorageError> {
        let all = bytes_of_all(config);
        self.check(all.saturating_add(all / RESERVE))
    }

    /// Bytes have arrived.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes have become an object, or are gone.
    pub(crate) fn remove(&self, bytes: u64) {
        let less = |held: u64| Some(held.saturating_sub(bytes));
        // Never fails: there is always a next value.
        let _before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Counts anew.
    pub(crate) async fn measure(&self, db: &Db) -> Result<(), StorageError> {
        let resumable = "select coalesce(sum((store_state ->> 'offset')::bigint), 0)::bigint as bytes \
                         from storage.uploads where finished_at is null";
        let parts = "select coalesce(sum(in_progress_size), 0)::bigint as bytes from storage.s3_multipart_uploads";
        let mut held = 0;
        for sql in [resumable, parts] {
            let rows = db.query(&Session::system(), sql, Vec::new()).await?;
            let bytes = rows.first().map(|row| row.int("bytes")).transpose()?;
            held += u64::try_from(bytes.unwrap_or(0)).unwrap_or(0);
        }
        self.0.store(held, Ordering::Relaxed);
        Ok(())
    }

    fn check(&self, most: u64) -> Result<(), StorageError> {
        match self.0.load(Ordering::Relaxed) > most {
            true => Err(StorageError::StoreFull),
            false => Ok(()),
        }
    }
}

fn bytes_of_all(config: &Config) -> u64 {
    config
        .upload_bytes
        .saturating_mul(OF_ALL)
        .max(LEAST_OF_ALL_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_may_go_on_for_longer() {
        let unfinished = Unfinished::default();
        unfinished.add(100);
        assert!(unfinished.check(100).is_ok());
        unfinished.add(1);
        assert!(matches!(
            unfinished.check(100),
            Err(StorageError::StoreFull)
        ));
        assert!(unfinished.check(125).is_ok());
        unfinished.remove(1);
        assert!(unfinished.check(100).is_ok());
        // What was counted anew meanwhile may be less.
        unfinished.remove(1000);
        assert!(unfinished.check(0).is_ok());
    }
}
