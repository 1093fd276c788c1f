//! Failed sign-ins, counted per account, so that passwords cannot be guessed at speed.
//!
//! In memory: a node forgets when it restarts, which costs an attacker more time than it gives.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::AuthError;

/// Failures of one account within [`WINDOW_SECONDS`] after which it has to wait.
const MAX_FAILURES: u32 = 10;
/// Counted from the first failure.
const WINDOW_SECONDS: i64 = 600;
/// Accounts that are watched at once: some 6 MB. Over it the oldest windows are forgotten first.
const MAX_ACCOUNTS: usize = 100_000;

/// The watch over all accounts.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<AccountKey, Window>>);

/// A digest, so that no address is kept and every key has the same size.
pub(crate) type AccountKey = [u8; 16];

struct Window {
    failures: u32,
    since: i64,
}

impl Attempts {
    /// Counts an attempt as failed until [`succeeded`](Self::succeeded) takes it back: counting first is what keeps
    /// a thousand guesses sent at the same moment from all passing.
    pub(crate) fn begin(&self, account: &str, now: Timestamp) -> Result<(), AuthError> {
        let now = now.as_second();
        let mut windows = self.lock();
        if windows.len() >= MAX_ACCOUNTS {
            forget(&mut windows, now);
        }
        match windows.entry(account_key(account)) {
            Entry::Vacant(place) => {
                place.insert(Window {
                    failures: 1,
                    since: now,
                });
            }
            Entry::Occupied(mut place) => {
                let window = place.get_mut();
                if is_over(window, now) {
                    *window = Window {
                        failures: 0,
                        since: now,
                    };
                }
                if window.failures >= MAX_FAILURES {
                    let left = window
                        .since
                        .saturating_add(WINDOW_SECONDS)
                        .saturating_sub(now)
                        .max(1);
                    return Err(AuthError::TooManyFailures {
                        retry_after_seconds: left.unsigned_abs(),
                    });
                }
                window.failures += 1;
            }
        }
        Ok(())
    }

    /// Takes back what [`begin`](Self::begin) counted. Earlier failures stay counted.
    pub(crate) fn succeeded(&self, account: &str) {
        if let Entry::Occupied(mut place) = self.lock().entry(account_key(account)) {
            place.get_mut().failures = place.get().failures.saturating_sub(1);
            if place.get().failures == 0 {
                place.remove();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountKey, Window>> {
        // Counters stay meaningful whatever a panicking thread was doing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(window: &Window, now: i64) -> bool {
    now.saturating_sub(window.since) >= WINDOW_SECONDS
}

/// Makes room: windows that are over, else those in the older half of the time span.
fn forget(windows: &mut HashMap<AccountKey, Window>, now: i64) {
    windows.retain(|_, window| !is_over(window, now));
    if windows.len() < MAX_ACCOUNTS {
        return;
    }
    let oldest = windows
        .values()
        .map(|window| window.since)
        .min()
        .unwrap_or(now);
    let middle = oldest.midpoint(now);
    windows.retain(|_, window| window.since > middle);
}

/// The key of an account or an address.
pub(crate) fn account_key(account: &str) -> AccountKey {
    let digest = Sha256::digest(account.as_bytes());
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn ten_failures_close_the_account_for_the_rest_of_the_window() {
        let attempts = Attempts::default();
        for _ in 0..MAX_FAILURES {
            attempts.begin("a@example.com", at(1000)).unwrap();
        }
        let refused = attempts.begin("a@example.com", at(1100)).unwrap_err();
        assert!(
            matches!(
                refused,
                AuthError::TooManyFailures {
                    retry_after_seconds: 500
                }
            ),
            "{refused:?}"
        );
        attempts.begin("b@example.com", at(1100)).unwrap();
        attempts.begin("a@example.com", at(1600)).unwrap();
    }

    #[test]
    fn successes_do_not_count() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            attempts.begin("a@example.com", at(1000)).unwrap();
            attempts.succeeded("a@example.com");
        }
    }

    #[test]
    fn the_watch_is_bounded() {
        let attempts = Attempts::default();
        for account in 0..MAX_ACCOUNTS + 10 {
            attempts.begin(&account.to_string(), at(1000)).unwrap();
        }
        assert!(attempts.lock().len() <= MAX_ACCOUNTS);
    }
}
