//! Who writes which upload now, within this node. Other nodes are kept out by the lease in the upload's row.
//!
//! A connection that broke without a word looks like a slow client, and its upload stays locked while its client wants
//! to go on through another one. So a writer that has heard nothing for some seconds gives way when somebody asks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

/// Rounds of silence after which a writer gives way to whoever asks.
const SILENT_ROUNDS: u32 = 3;
/// Longest wait for a silent writer: it has to notice, and to sync what it has.
const GIVE_WAY: Duration = Duration::from_secs(4);

/// All writers of this node. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Locks(Arc<Mutex<HashMap<Uuid, Arc<Pulse>>>>);

/// The right to write one upload, until it is dropped.
pub(crate) struct Held {
    locks: Locks,
    id: Uuid,
    /// How the writer is doing.
    pub(crate) pulse: Arc<Pulse>,
}

/// How a writer is doing, and whether somebody waits for it.
#[derive(Default)]
pub(crate) struct Pulse {
    silent_rounds: AtomicU32,
    is_asked: AtomicBool,
    released: Notify,
}

impl Locks {
    /// The right to write, unless somebody has it.
    pub(crate) fn take(&self, id: Uuid) -> Option<Held> {
        let mut writers = self.lock();
        if writers.contains_key(&id) {
            return None;
        }
        let pulse = Arc::new(Pulse::default());
        writers.insert(id, Arc::clone(&pulse));
        drop(writers);
        Some(Held {
            locks: self.clone(),
            id,
            pulse,
        })
    }

    /// Asks a writer that has gone silent to give way, and waits until it has. Says whether there was one.
    pub(crate) async fn end_silent(&self, id: Uuid) -> bool {
        let Some(pulse) = self.writer(id) else {
            return false;
        };
        if pulse.silent_rounds.load(Ordering::Relaxed) < SILENT_ROUNDS {
            return false;
        }
        // Listening comes first, so that no release is missed.
        let released = pulse.released.notified();
        pulse.is_asked.store(true, Ordering::Relaxed);
        let is_still_there = self
            .writer(id)
            .is_some_and(|writer| Arc::ptr_eq(&writer, &pulse));
        if is_still_there {
            let _released_or_not = tokio::time::timeout(GIVE_WAY, released).await;
        }
        true
    }

    fn writer(&self, id: Uuid) -> Option<Arc<Pulse>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Pulse>>> {
        // Who writes stays true whatever a panicking thread was doing: its lock was released as it unwound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    /// Something has arrived.
    pub(crate) fn heard(&self) {
        self.silent_rounds.store(0, Ordering::Relaxed);
    }

    /// A round has passed in silence. Says how many there have been in a row.
    pub(crate) fn silent(&self) -> u32 {
        self.silent_rounds
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// Whether to give way.
    pub(crate) fn should_end(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
            && self.silent_rounds.load(Ordering::Relaxed) >= SILENT_ROUNDS
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.lock().remove(&self.id);
        self.pulse.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_one_writer() {
        let locks = Locks::default();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = locks.take(one);
        assert!(first.is_some());
        assert!(locks.take(one).is_none());
        assert!(locks.take(two).is_some());
        drop(first);
        assert!(locks.take(one).is_some());
    }

    #[tokio::test]
    async fn only_a_silent_writer_gives_way() {
        let locks = Locks::default();
        let id = Uuid::from_u128(1);
        assert!(!locks.end_silent(id).await);
        let held = locks.take(id).unwrap();
        assert!(!locks.end_silent(id).await);
        for _ in 0..SILENT_ROUNDS {
            held.pulse.silent();
        }
        assert!(!held.pulse.should_end());
        let waiting = locks.end_silent(id);
        let writer = async {
            while !held.pulse.should_end() {
                tokio::task::yield_now().await;
            }
            drop(held);
        };
        let (was_silent, ()) = tokio::join!(waiting, writer);
        assert!(was_silent && locks.take(id).is_some());
    }
}
