//! One sync of a folder for everybody who waits for one.
//!
//! Files that end at the same moment each want their name on disk. A sync that begins after they all asked is enough for all.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A folder that is synced for many at once.
pub(super) struct SharedSync {
    folder: File,
    /// Those who wait for a sync that has not begun.
    next: Mutex<Option<Arc<Round>>>,
    /// Held while a sync goes on.
    syncing: Mutex<()>,
}

/// One sync, and how it went once it is over.
#[derive(Default)]
struct Round(Mutex<Option<Result<(), Failure>>>);

/// An error that several are told.
#[derive(Clone)]
struct Failure {
    kind: io::ErrorKind,
    message: String,
}

impl SharedSync {
    pub(super) fn new(folder: File) -> SharedSync {
        SharedSync {
            folder,
            next: Mutex::default(),
            syncing: Mutex::default(),
        }
    }

    /// Waits for a sync that began after this call.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_by(|| self.folder.sync_all())
    }

    fn sync_by(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let round = Arc::clone(lock(&self.next).get_or_insert_default());
        // The first of a round gets its lock and does the work; the others find it done.
        let mut done = lock(&round.0);
        let result = match &*done {
            Some(result) => result.clone(),
            None => {
                let _turn = lock(&self.syncing);
                // From here on, whoever comes waits for the next one.
                lock(&self.next).take();
                let result = work().map_err(|error| Failure {
                    kind: error.kind(),
                    message: error.to_string(),
                });
                done.insert(result).clone()
            }
        };
        result.map_err(|failure| io::Error::new(failure.kind, failure.message))
    }
}

/// What the locks guard stays true whatever a panicking thread was doing: a round without a result is done by the next in it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Of any folder.
    fn shared() -> SharedSync {
        SharedSync::new(File::open(std::env::temp_dir()).unwrap())
    }

    #[test]
    fn those_who_come_meanwhile_share_the_next_one() {
        const FOLLOWERS: usize = 8;
        let shared = shared();
        let syncs = AtomicUsize::new(0);
        let count = || {
            syncs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        let (began, has_begun) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let (shared, count) = (&shared, &count);
            scope.spawn(move || {
                shared
                    .sync_by(|| {
                        began.send(()).unwrap();
                        goes_on.recv().unwrap();
                        count()
                    })
                    .unwrap();
            });
            has_begun.recv().unwrap();
            for _ in 0..FOLLOWERS {
                scope.spawn(move || shared.sync_by(count).unwrap());
            }
            // All of them hold the round that comes next, besides the shelf where they found it.
            let waiting = || lock(&shared.next).as_ref().map_or(0, Arc::strong_count);
            while waiting() < FOLLOWERS + 1 {
                thread::sleep(Duration::from_millis(1));
            }
            go_on.send(()).unwrap();
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn everybody_hears_of_a_failure_and_the_next_sync_is_another() {
        let shared = shared();
        let full = shared.sync_by(|| Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        shared.sync().unwrap();
    }
}
