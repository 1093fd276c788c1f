//! What a run has compared, told in one line: what passed is seen, and so is how much that was.

use std::sync::{Mutex, PoisonError};

/// What the seeds of a run have given. Whoever compares adds to it.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Sum>);

/// What one seed has given.
#[derive(Clone, Copy, Default)]
pub(crate) struct Compared {
    /// Answers of one engine that were held against the other's.
    pub(crate) answers: usize,
    pub(crate) differences: usize,
    /// Those of the differences that are leaks; none where the owner asks, from whom nothing is kept.
    pub(crate) leaks: Option<usize>,
}

#[derive(Default)]
struct Sum {
    /// The first and the last seed.
    seeds: Option<(u64, u64)>,
    of_all: Compared,
}

impl Tally {
    /// A seed has been compared.
    pub(crate) fn add(&self, seed: u64, compared: Compared) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = sum.seeds.unwrap_or((seed, seed));
        sum.seeds = Some((first.min(seed), last.max(seed)));
        let all = &mut sum.of_all;
        all.answers += compared.answers;
        all.differences += compared.differences;
        if let Some(more) = compared.leaks {
            *all.leaks.get_or_insert_default() += more;
        }
    }

    /// `seeds 1–60, 5100 requests compared, 0 differences, 0 leaks`; nothing when no seed was.
    pub(crate) fn told(&self, what: &str) -> Option<String> {
        let sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = sum.seeds?;
        let Compared {
            answers,
            differences,
            leaks,
        } = sum.of_all;
        let mut told =
            format!("seeds {first}–{last}, {answers} {what} compared, {differences} differences");
        if let Some(leaks) = leaks {
            told += &format!(", {leaks} leaks");
        }
        Some(told)
    }
}
