//! What happened, in order: kept so that a round which lost something can say what, and when it was acknowledged.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lost numbers that are shown of each writer.
const SHOWN: usize = 3;

/// Filled by all writers and by the round.
pub(crate) struct History {
    began: Instant,
    events: Mutex<Vec<(Duration, String)>>,
    acknowledged: Mutex<Vec<Acknowledgement>>,
}

/// How a number came to count.
#[derive(Clone, Copy)]
struct Acknowledgement {
    writer: usize,
    number: u64,
    /// When the request that was acknowledged began, and when its answer came.
    asked: Duration,
    answered: Duration,
    node: usize,
    tries: u64,
    status: u16,
}

impl History {
    pub(crate) fn new() -> History {
        History {
            began: Instant::now(),
            events: Mutex::default(),
            acknowledged: Mutex::default(),
        }
    }

    /// Something happens now.
    pub(crate) fn note(&self, what: impl Into<String>) {
        let now = self.began.elapsed();
        lock(&self.events).push((now, what.into()));
    }

    /// A writer was told that its number counts.
    pub(crate) fn acknowledged(
        &self,
        (writer, number): (usize, u64),
        asked: Instant,
        (node, tries, status): (usize, u64, u16),
    ) {
        lock(&self.acknowledged).push(Acknowledgement {
            writer,
            number,
            asked: asked.saturating_duration_since(self.began),
            answered: self.began.elapsed(),
            node,
            tries,
            status,
        });
    }

    /// What happened, and how the numbers that a writer misses were acknowledged.
    pub(crate) fn of_lost(&self, lost: &[(usize, Vec<u64>)]) -> String {
        let mut told = String::from("what happened, in seconds:\n");
        for (at, what) in lock(&self.events).iter() {
            told += &format!("{:9.3} {what}\n", at.as_secs_f64());
        }
        let acknowledged = lock(&self.acknowledged);
        for (writer, numbers) in lost {
            let all: Vec<&Acknowledgement> = acknowledged
                .iter()
                .filter(|one| one.writer == *writer && numbers.contains(&one.number))
                .collect();
            told += &format!("writer {writer} misses {}:\n", numbers.len());
            let tail = all.len().saturating_sub(SHOWN);
            for (place, one) in all.iter().enumerate() {
                if place < SHOWN || place >= tail {
                    told += &format!("  {one}\n");
                }
            }
        }
        told
    }
}

impl fmt::Display for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "number {} asked at {:.3}, answered {} at {:.3} by node {} at try {}",
            self.number,
            self.asked.as_secs_f64(),
            self.status,
            self.answered.as_secs_f64(),
            self.node + 1,
            self.tries
        )
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
