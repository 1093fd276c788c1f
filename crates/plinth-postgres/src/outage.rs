//! What the log says while the database is away: once that it is, now and then how many were refused meanwhile, and once
//! that it is back. A line for each refused request would drown what else there is to read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::EngineError;

/// The pause between two lines about the same.
const PAUSE: Duration = Duration::from_secs(10);
/// As long as others were still refused just now, one that was answered does not mean that it is over.
const CALM: Duration = Duration::from_secs(2);

/// Whether the database is away, as far as requests have noticed.
#[derive(Default)]
pub(crate) struct Outage {
    /// Looked at by every request that was answered.
    is_on: AtomicBool,
    noted: Mutex<Option<Noted>>,
}

struct Noted {
    began: Instant,
    last: Instant,
    refused: u64,
    since_told: Seldom,
}

/// Counts what happens, and says at most once in a while how often it has.
#[derive(Default)]
pub(crate) struct Seldom {
    told: Option<Instant>,
    times: u64,
}

impl Seldom {
    /// Counts once more. How often it has happened since this was last told, when it is time to tell it again.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        if self.told.is_some_and(|told| now - told < PAUSE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

impl Outage {
    /// Notes how a request ended.
    pub(crate) fn note<T>(&self, done: &Result<T, EngineError>) {
        match done {
            Err(error) if error.is_away() || error.is_refusal() => self.refused(error),
            // These say nothing about the server.
            Err(EngineError::Busy | EngineError::Closed) => {}
            Ok(_) | Err(_) => self.answered(),
        }
    }

    fn refused(&self, cause: &EngineError) {
        let now = Instant::now();
        let mut noted = self.noted.lock();
        self.is_on.store(true, Ordering::Relaxed);
        let is_news = noted.is_none();
        let outage = noted.get_or_insert_with(|| Noted {
            began: now,
            last: now,
            refused: 0,
            since_told: Seldom::default(),
        });
        outage.last = now;
        outage.refused += 1;
        match outage.since_told.count(now) {
            Some(_) if is_news => {
                tracing::error!(error = %cause, "the database is away; requests get 503 until it is back");
            }
            Some(refused) => {
                tracing::error!(error = %cause, refused, "the database is still away");
            }
            None => {}
        }
    }

    fn answered(&self) {
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let mut noted = self.noted.lock();
        if noted.as_ref().is_none_or(|one| now - one.last < CALM) {
            return;
        }
        self.is_on.store(false, Ordering::Relaxed);
        if let Some(Noted { began, refused, .. }) = noted.take() {
            let seconds = (now - began).as_secs();
            tracing::warn!(refused, seconds, "the database is back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_once_and_then_seldom() {
        let (mut seldom, began) = (Seldom::default(), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(seldom.count(began), Some(1));
        assert_eq!(seldom.count(after(1)), None);
        assert_eq!(seldom.count(after(9)), None);
        assert_eq!(seldom.count(after(10)), Some(3));
        assert_eq!(seldom.count(after(11)), None);
    }
}
