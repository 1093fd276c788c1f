//! What has happened in all histories together: those in which nobody pays would prove nothing.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

/// What must happen, and of how many histories in one at least. Chance makes each twice as frequent or more.
const LEAST: &[(&str, u64)] = &[
    ("place", 1),
    ("capture", 10),
    ("late_capture", 25),
    ("payment_failed", 250),
    ("cancel", 20),
    ("expire", 10),
    ("fulfil", 200),
    ("ask_refund", 250),
    ("refund", 20),
    ("refund_in_full", 500),
    (REQUEST_TWICE, 10),
    (MESSAGE_TWICE, 20),
];
/// A request came once more with its key.
pub(crate) const REQUEST_TWICE: &str = "request twice";
/// A message of the provider came once more.
pub(crate) const MESSAGE_TWICE: &str = "message twice";

/// How often what has happened: events of orders, and what came twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    pub(crate) fn add(&mut self, what: &str, times: u64) {
        *self.0.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn add_all(&mut self, others: &Counts) {
        for (what, times) in &others.0 {
            self.add(what, *times);
        }
    }

    /// Fails when something was missing from so many histories.
    pub(crate) fn suffice(&self, histories: u64) -> Result<()> {
        for (what, histories_each) in LEAST {
            let least = histories / histories_each;
            let found = self.0.get(*what).copied().unwrap_or(0);
            ensure!(
                found >= least,
                "{what}: {found} times in {histories} histories, and {least} are the least that proves something: {self:?}"
            );
        }
        Ok(())
    }
}
