//! Which primary counts, when an old one still thinks it does.
//!
//! A primary that froze, or was cut off, and wakes up after another one has taken over does not know of it, and may for
//! some moments acknowledge what will be thrown away, until whoever keeps the cluster has stopped it. But every promotion begins a new timeline, whose number is larger. So whoever has seen
//! the new primary refuses the old one, and believes nothing that the old one says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::EngineError;
use crate::error::Result;

/// The identity of the data, which a copy keeps, and the timeline. `pg_walfile_name` begins with the timeline in
/// hexadecimal, and fails on a standby.
const ASK: &str = "select (select system_identifier from pg_control_system())::text, \
                   substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/// How long the newest primary must have said nothing before an older one is believed again. One that has only just woken
/// up is stopped sooner by whoever keeps the cluster; and a cluster that was really put back must not be refused for ever.
const SILENCE: Duration = Duration::from_secs(30);

/// The newest timeline that was seen. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Fence(Arc<Mutex<Option<Newest>>>);

struct Newest {
    origin: Origin,
    /// When it answered last.
    heard: Instant,
}

/// Where a connection leads: which data, and since how many promotions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    system: u64,
    timeline: u32,
}

impl Fence {
    /// Lets a new connection in, unless a later primary of the same data has been seen. None from servers that do not
    /// tell: some that are rented have no such functions.
    pub(crate) async fn admit(&self, client: &Client) -> Result<Option<Origin>> {
        // As one message: a server that is refused for its age afterwards may know no other protocol.
        let asked = match client.simple_query(ASK).await {
            Ok(messages) => messages,
            Err(error) => {
                let not_here = [
                    SqlState::UNDEFINED_FUNCTION,
                    SqlState::FEATURE_NOT_SUPPORTED,
                    SqlState::INSUFFICIENT_PRIVILEGE,
                ];
                return match error.code() {
                    Some(code) if not_here.contains(code) => Ok(None),
                    _ => Err(error.into()),
                };
            }
        };
        let told = asked.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Origin::read(row.get(0)?, row.get(1)?),
            _ => None,
        });
        let Some(origin) = told else {
            return Ok(None);
        };
        match self.sees(origin, Instant::now()) {
            true => Ok(Some(origin)),
            false => {
                tracing::warn!(
                    timeline = origin.timeline,
                    "an old primary still takes writes; it is kept out, because another one has taken over"
                );
                Err(EngineError::Unavailable(
                    "the database is an old primary: another one has taken over".to_owned(),
                ))
            }
        }
    }

    /// Whether nothing later has been seen than where a connection leads.
    pub(crate) fn is_current(&self, origin: Option<Origin>) -> bool {
        let newest = self.0.lock();
        let both = origin.zip(newest.as_ref());
        both.is_none_or(|(origin, newest)| !origin.is_older(newest.origin))
    }

    /// Notes that an answer came from there; false when it is not to be believed.
    pub(crate) fn hears(&self, origin: Option<Origin>) -> bool {
        let mut newest = self.0.lock();
        let Some((origin, newest)) = origin.zip(newest.as_mut()) else {
            return true;
        };
        if origin == newest.origin {
            newest.heard = Instant::now();
        }
        !origin.is_older(newest.origin)
    }

    /// Remembers what is new; false for what is old. Other data, as after a restore from a dump, are new.
    fn sees(&self, origin: Origin, now: Instant) -> bool {
        let mut newest = self.0.lock();
        if let Some(known) = newest.as_ref()
            && origin.is_older(known.origin)
        {
            if now.saturating_duration_since(known.heard) < SILENCE {
                return false;
            }
            tracing::error!(
                from = known.origin.timeline,
                to = origin.timeline,
                "the database has gone back to an older timeline: what was written since the newer one began is lost"
            );
        }
        *newest = Some(Newest { origin, heard: now });
        true
    }
}

impl Origin {
    fn is_older(self, other: Origin) -> bool {
        self.system == other.system && self.timeline < other.timeline
    }

    fn read(system: &str, timeline: &str) -> Option<Origin> {
        Some(Origin {
            system: system.parse().ok()?,
            timeline: u32::from_str_radix(timeline, 16).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(system: u64, timeline: u32) -> Origin {
        Origin { system, timeline }
    }

    #[test]
    fn an_old_primary_is_refused_once_the_new_one_was_seen() {
        let (fence, now) = (Fence::default(), Instant::now());
        assert!(fence.sees(origin(1, 4), now));
        assert!(fence.is_current(Some(origin(1, 4))));
        assert!(fence.sees(origin(1, 5), now));
        assert!(!fence.sees(origin(1, 4), now));
        assert!(!fence.is_current(Some(origin(1, 4))));
        assert!(fence.is_current(Some(origin(1, 5))));
        assert!(fence.is_current(None));
        assert!(!fence.hears(Some(origin(1, 4))));
        assert!(fence.hears(Some(origin(1, 5))));
        assert!(fence.hears(None));
    }

    #[test]
    fn a_cluster_that_was_put_back_is_believed_in_the_end() {
        let (fence, now) = (Fence::default(), Instant::now());
        assert!(fence.sees(origin(1, 5), now));
        assert!(!fence.sees(origin(1, 4), now + SILENCE / 2));
        assert!(fence.sees(origin(1, 4), now + SILENCE));
        assert!(fence.is_current(Some(origin(1, 4))));
    }

    #[test]
    fn other_data_begin_anew() {
        let (fence, now) = (Fence::default(), Instant::now());
        assert!(fence.sees(origin(1, 9), now));
        assert!(fence.sees(origin(2, 1), now));
        assert!(fence.is_current(Some(origin(2, 1))));
    }

    #[test]
    fn timelines_are_hexadecimal() {
        assert_eq!(Origin::read("7301", "0000001A"), Some(origin(7301, 26)));
        assert_eq!(Origin::read("7301", "x"), None);
    }
}
