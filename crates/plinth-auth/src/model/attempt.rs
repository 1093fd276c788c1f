//! Counts of what was tried lately: so many in so long, for all nodes together.
//!
//! Each step is one statement by itself, outside of the transactions of accounts: counting and judging cannot come apart,
//! and a count that many want at once makes nobody run a transaction again. The time is the database's `now()`, because
//! the clocks of nodes may differ.

use plinth_db::{Db, Error, Param, Session};
use sha2::{Digest, Sha256};

use super::read;

/// How much of a digest makes a key.
const KEY_BYTES: usize = 16;
/// A count that ends later than one which begins now, by more than this, was begun by a clock that ran ahead, or while the
/// settings asked for longer: it begins anew. Below it lies what a statement waited for another one.
const LEEWAY_SECONDS: i64 = 60;

/// So many in so long, counted from the first.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// A digest, so that no address is kept and every key has the same size.
    key: String,
    most: u32,
    seconds: i64,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Taken {
    /// It is counted and may go on.
    Counted,
    /// There were enough, and nothing has changed.
    Refused { retry_after_seconds: u64 },
}

impl Window {
    /// For what this names: another text for everything that is counted by itself.
    pub(crate) fn new(what: &str, most: u32, seconds: i64) -> Window {
        let digest = Sha256::digest(what.as_bytes());
        Window {
            key: hex::encode(&digest[..KEY_BYTES]),
            most,
            seconds,
        }
    }
}

/// Counts an attempt, unless there were enough: of a thousand at the same moment no more than may.
pub(crate) async fn take(db: &Db, window: &Window) -> Result<Taken, Error> {
    let seconds = window.seconds;
    let is_over = format!(
        "a.tries = 0 or a.ends_at <= now() or a.ends_at > excluded.ends_at + interval '{LEEWAY_SECONDS} seconds'"
    );
    let sql = format!(
        "insert into auth.attempts as a (key, tries, ends_at) values ($1, 1, now() + interval '{seconds} seconds') \
         on conflict (key) do update set \
           tries = case when {is_over} then 1 else a.tries + 1 end, \
           ends_at = case when {is_over} then excluded.ends_at else a.ends_at end \
         where {is_over} or a.tries < $2::bigint"
    );
    let params = vec![Param::from(&window.key), window.most.into()];
    if window.most > 0 && change(db, &sql, params).await? > 0 {
        return Ok(Taken::Counted);
    }
    // The window may have ended since.
    let retry_after_seconds = seconds_left(db, window).await?.unwrap_or(1);
    Ok(Taken::Refused {
        retry_after_seconds,
    })
}

/// Takes back what [`take`] counted. Earlier attempts stay counted.
pub(crate) async fn take_back(db: &Db, window: &Window) -> Result<(), Error> {
    // The row stays until it is swept: to remove it at the last one would take a second statement, and others between the two.
    let sql = "update auth.attempts set tries = tries - 1 where key = $1 and tries > 0";
    change(db, sql, vec![Param::from(&window.key)]).await?;
    Ok(())
}

/// How long there is nothing more to be counted, at least 1; none when there is.
pub(crate) async fn seconds_left(db: &Db, window: &Window) -> Result<Option<u64>, Error> {
    if window.most == 0 {
        return Ok(Some(window.seconds.unsigned_abs().max(1)));
    }
    let longest = window.seconds.saturating_add(LEEWAY_SECONDS);
    let sql = format!(
        "select a.ends_at, now() as asked_at from auth.attempts a where a.key = $1 and a.tries >= $2::bigint \
         and a.ends_at > now() and a.ends_at <= now() + interval '{longest} seconds'"
    );
    let params = vec![Param::from(&window.key), window.most.into()];
    let rows = read(db, &sql, params).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let (ends, asked) = (row.timestamp("ends_at")?, row.timestamp("asked_at")?);
    let left = ends.as_second().saturating_sub(asked.as_second());
    Ok(Some(left.max(1).unsigned_abs()))
}

/// Removes counts that are over, and of more than `most_rows` others those that forbid least.
pub(crate) async fn forget(db: &Db, most_rows: i64) -> Result<(), Error> {
    // No index on the time: it would cost every attempt, and the table is small.
    let over = "delete from auth.attempts where ends_at <= now() or tries = 0";
    change(db, over, Vec::new()).await?;
    let beyond = "delete from auth.attempts where key in \
        (select a.key from auth.attempts a order by a.tries desc, a.ends_at desc, a.key offset $1::bigint)";
    change(db, beyond, vec![most_rows.into()]).await?;
    Ok(())
}

/// Runs a statement that writes. Gives the number of rows that it changed.
async fn change(db: &Db, sql: &str, params: Vec<Param>) -> Result<u64, Error> {
    let changed = db.query(&Session::system(), sql, params).await?;
    Ok(changed.affected)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use jiff::SignedDuration;
    use plinth_db::migrations::apply_system;
    use plinth_db::{AutoExpose, Clock, Durability, OpenOptions};
    use tokio::task::JoinSet;

    use super::*;

    /// A fresh database with a clock that tests move.
    struct Counts {
        db: Db,
        clock: Clock,
        folder: PathBuf,
    }

    impl Counts {
        async fn start() -> Counts {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("plinth-attempts-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let clock = Clock::fixed("2026-01-02T03:04:05.123456Z".parse().unwrap());
            let db = Db::open(OpenOptions {
                path: folder.join("plinth.db"),
                clock: clock.clone(),
                auto_expose: AutoExpose::Protected,
                durability: Durability::Synced,
            })
            .unwrap();
            apply_system(&db, &[plinth_db::base_module(), crate::module()])
                .await
                .unwrap();
            Counts { db, clock, folder }
        }

        fn pass(&self, seconds: i64) {
            self.clock.advance(SignedDuration::from_secs(seconds));
        }

        async fn is_counted(&self, window: &Window) {
            let taken = take(&self.db, window).await.unwrap();
            assert_eq!(taken, Taken::Counted, "{window:?}");
        }

        async fn is_refused(&self, window: &Window, retry_after_seconds: u64) {
            let refused = Taken::Refused {
                retry_after_seconds,
            };
            let taken = take(&self.db, window).await.unwrap();
            assert_eq!(taken, refused, "{window:?}");
        }

        /// The counts of these, none for those that have no row.
        async fn tries(&self, windows: &[&Window]) -> Vec<Option<i64>> {
            let sql = "select a.key, a.tries from auth.attempts a";
            let rows = read(&self.db, sql, Vec::new()).await.unwrap();
            let tries_of = |window: &&Window| {
                let key = Some(window.key.as_str());
                let row = rows.iter().find(|row| row.get("key") == key);
                row.map(|row| row.int("tries").unwrap())
            };
            windows.iter().map(tries_of).collect()
        }
    }

    impl Drop for Counts {
        fn drop(&mut self) {
            let _best_effort = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[tokio::test]
    async fn a_window_is_full_until_it_is_over() {
        let counts = Counts::start().await;
        let window = Window::new("a@example.com", 3, 600);
        for _ in 0..3 {
            assert_eq!(seconds_left(&counts.db, &window).await.unwrap(), None);
            counts.is_counted(&window).await;
        }
        counts.pass(100);
        counts.is_refused(&window, 500).await;
        counts
            .is_counted(&Window::new("b@example.com", 3, 600))
            .await;
        counts.pass(499);
        counts.is_refused(&window, 1).await;
        counts.pass(1);
        counts.is_counted(&window).await;
        assert_eq!(counts.tries(&[&window]).await, [Some(1)]);
    }

    #[tokio::test]
    async fn what_is_taken_back_does_not_count() {
        let counts = Counts::start().await;
        let window = Window::new("a@example.com", 3, 600);
        counts.is_counted(&window).await;
        counts.is_counted(&window).await;
        for _ in 0..10 {
            counts.is_counted(&window).await;
            take_back(&counts.db, &window).await.unwrap();
        }
        counts.is_counted(&window).await;
        counts.is_refused(&window, 600).await;

        // Where nothing is left, the next one begins a window.
        let window = Window::new("b@example.com", 1, 600);
        counts.is_counted(&window).await;
        counts.pass(300);
        for _ in 0..2 {
            take_back(&counts.db, &window).await.unwrap();
        }
        counts.is_counted(&window).await;
        counts.is_refused(&window, 600).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_at_one_moment_no_more_than_may_are_counted() {
        let counts = Counts::start().await;
        let mut asked = JoinSet::new();
        for _ in 0..200 {
            let (db, window) = (counts.db.clone(), Window::new("a@example.com", 10, 600));
            asked.spawn(async move { take(&db, &window).await.unwrap() });
        }
        let taken = asked.join_all().await;
        let counted = taken.iter().filter(|taken| **taken == Taken::Counted);
        assert_eq!(counted.count(), 10);
    }

    #[tokio::test]
    async fn nothing_fits_where_nothing_may() {
        let counts = Counts::start().await;
        let window = Window::new("letters", 0, 3600);
        counts.is_refused(&window, 3600).await;
        // What lasts no time is over at once.
        let window = Window::new("a@example.com", 1, 0);
        counts.is_counted(&window).await;
        counts.is_counted(&window).await;
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_closes_nothing() {
        let counts = Counts::start().await;
        let window = Window::new("a@example.com", 1, 600);
        counts.pass(86_400);
        counts.is_counted(&window).await;
        counts.is_refused(&window, 600).await;
        counts.pass(-86_400);
        assert_eq!(seconds_left(&counts.db, &window).await.unwrap(), None);
        counts.is_counted(&window).await;
        counts.is_refused(&window, 600).await;
        // By less than a statement may have waited: it is the same window.
        counts.pass(-5);
        counts.is_refused(&window, 605).await;
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten_and_so_is_what_is_too_much() {
        let counts = Counts::start().await;
        let windows = ["a", "b", "c", "d", "e"].map(|name| Window::new(name, 10, 600));
        let [over, back, often, earlier, later] = &windows;
        counts.is_counted(over).await;
        counts.pass(300);
        counts.is_counted(back).await;
        take_back(&counts.db, back).await.unwrap();
        counts.is_counted(often).await;
        counts.is_counted(often).await;
        counts.pass(1);
        counts.is_counted(earlier).await;
        counts.pass(1);
        counts.is_counted(later).await;
        counts.pass(298);
        let all = [over, back, often, earlier, later];
        forget(&counts.db, 3).await.unwrap();
        let left = [None, None, Some(2), Some(1), Some(1)];
        assert_eq!(counts.tries(&all).await, left);
        forget(&counts.db, 2).await.unwrap();
        let left = [None, None, Some(2), None, Some(1)];
        assert_eq!(counts.tries(&all).await, left);
    }
}
