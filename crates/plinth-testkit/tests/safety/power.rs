//! Power cuts, simulated: of a recorded run any moment may be the last. See [`plinth_testkit::disk`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plinth_db::Durability;
use plinth_testkit::disk::{Disk, Unsynced};
use plinth_testkit::random::Random;
use plinth_testkit::temp::TempDir;

use crate::orders::{faults, open, place, reopen};

const CUTS: u64 = 100;
/// Enough that the log is copied into the database file several times on the way.
const ORDERS: u64 = 600;
const WRITERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_survive_power_cuts() {
    let (disk, faults) = cut(Durability::Synced).await;
    assert!(disk.syncs() > 100, "{} syncs", disk.syncs());
    assert!(faults.is_empty(), "{} of {CUTS}: {faults:#?}", faults.len());
}

/// The proof that the test above can fail: without syncs nearly every cut loses something.
#[tokio::test(flavor = "multi_thread")]
async fn without_syncs_the_same_test_fails() {
    let (_, faults) = cut(Durability::Unsynced).await;
    assert!(faults.len() > 50, "{} of {CUTS}: {faults:#?}", faults.len());
}

/// Records a run, cuts it a hundred times, and says what was wrong after which cut.
async fn cut(durability: Durability) -> (Disk, Vec<String>) {
    let folder = TempDir::new("power").unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    let db = open(folder.path(), durability).await;
    let begin = disk.length();
    let next = Arc::new(AtomicU64::new(1));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (db, disk, next) = (db.clone(), disk.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let id = next.fetch_add(1, Ordering::SeqCst);
                    if id > ORDERS {
                        break;
                    }
                    place(&db, id).await.unwrap();
                    disk.mark(id);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let end = disk.length();
    db.close().await;
    let mut random = Random::new(0xdead_0ff5);
    let mut wrong = Vec::new();
    for number in 0..CUTS {
        let span = u64::try_from(end - begin).unwrap();
        let moment = begin + usize::try_from(random.below(span)).unwrap();
        let unsynced = match number % 4 {
            0 => Unsynced::Lost,
            1 => Unsynced::Kept,
            _ => Unsynced::Torn,
        };
        let after = TempDir::new("power-cut").unwrap();
        disk.after_power_cut(moment, unsynced, &mut random, after.path())
            .unwrap();
        let acknowledged = disk.marks(moment);
        if let Some(fault) = look(&after, &acknowledged).await {
            wrong.push(format!("cut {number} at {moment}, {unsynced:?}: {fault}"));
        }
    }
    (disk, wrong)
}

/// What is wrong with what a cut left.
async fn look(folder: &TempDir, acknowledged: &[u64]) -> Option<String> {
    let file = folder.path().join("plinth.db");
    if !file.is_file() {
        return Some("the database is gone".to_owned());
    }
    if let Err(error) = plinth_db::backup::check(&file) {
        return Some(error.to_string());
    }
    let db = reopen(folder.path(), Durability::Synced);
    let found = match faults(&db, acknowledged).await {
        Ok(found) => found,
        Err(error) => Some(error.to_string()),
    };
    db.close().await;
    found
}
