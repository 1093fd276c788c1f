//! The mailbox of `plinth dev`: letters are kept to be looked at and go nowhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Older letters are forgotten.
const KEPT: usize = 100;

/// A letter that was "sent".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Counts from 1 since the start.
    pub number: u64,
    /// The address.
    pub to: String,
    /// The subject line.
    pub subject: String,
    /// The body.
    pub html: String,
}

/// The newest letters. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Mutex<VecDeque<Sent>>>);

impl Outbox {
    /// Newest first.
    pub fn letters(&self) -> Vec<Sent> {
        self.lock().iter().rev().cloned().collect()
    }

    pub(super) fn put(&self, to: &str, subject: &str, html: &str) {
        let mut letters = self.lock();
        let number = letters.back().map_or(1, |last| last.number + 1);
        if letters.len() == KEPT {
            letters.pop_front();
        }
        letters.push_back(Sent {
            number,
            to: to.to_owned(),
            subject: subject.to_owned(),
            html: html.to_owned(),
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
