//! Failed sign-ins, counted per account, so that passwords cannot be guessed at speed.
//!
//! In the database: an account has its guesses at all nodes together, and a restart forgets none.

use std::time::Duration;

use plinth_db::{Db, Error};

use crate::error::AuthError;
use crate::model::attempt::{self, Taken, Window};

/// Failures of one account within [`WINDOW_SECONDS`] after which it has to wait.
const MAX_FAILURES: u32 = 10;
/// Counted from the first failure.
const WINDOW_SECONDS: i64 = 600;
/// Counts that are kept from one round to the next: some 15 MB. Beyond it the lowest are forgotten first, so that nobody
/// makes room for more guesses by guessing elsewhere.
const MAX_ROWS: i64 = 100_000;
/// How often counts that are over are removed.
const ROUND: Duration = Duration::from_mins(1);

/// Counts an attempt as failed until [`succeeded`] takes it back: counting first is what keeps a thousand guesses sent at
/// the same moment from all passing.
pub(crate) async fn begin(db: &Db, account: &str) -> Result<(), AuthError> {
    match attempt::take(db, &window(account)).await? {
        Taken::Counted => Ok(()),
        Taken::Refused {
            retry_after_seconds,
        } => Err(AuthError::TooManyFailures {
            retry_after_seconds,
        }),
    }
}

/// Takes back what [`begin`] counted. Earlier failures stay counted.
///
/// Whoever was right is not refused because this fails: what stays counted ends with its window.
pub(crate) async fn succeeded(db: &Db, account: &str) {
    if let Err(error) = attempt::take_back(db, &window(account)).await {
        tell(&error, "a sign-in that succeeded stays counted as failed");
    }
}

/// Removes counts that are over, the letters' too, until it is dropped.
pub(crate) async fn run_sweeper(db: &Db) {
    loop {
        if let Err(error) = attempt::forget(db, MAX_ROWS).await {
            tell(&error, "counts that are over cannot be removed");
        }
        tokio::time::sleep(ROUND).await;
    }
}

fn window(account: &str) -> Window {
    Window::new(account, MAX_FAILURES, WINDOW_SECONDS)
}

/// That the database is away its engine tells, once for everything.
fn tell(error: &Error, what: &str) {
    if error.is_away() {
        tracing::debug!(%error, "{what}");
    } else {
        tracing::warn!(%error, "{what}");
    }
}
