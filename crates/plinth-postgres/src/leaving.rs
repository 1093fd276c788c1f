//! Connections that were given up while the server was still at work for them.
//!
//! That we close our end ends nothing there: a backend that waits for a standby or for its disk, or that is frozen, notices only when it
//! next has something to say to us. Were such a connection forgotten, each new request would open another one, up to the
//! server's `max_connections`. So it stays open and counts against its pool until the server has answered on it, or is gone.
//!
//! - It counts for its own host alone. After a failover, what hangs on the old primary takes no room on the new one.
//! - The server is not asked to cancel what runs. Its `statement_timeout` has done so already, and what goes on in spite of it would go on
//!   after a second request, too; while a commit that waits for a standby would become visible without one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::{EngineError, Result};

/// How long room is waited for. A connection that broke has left within a moment; one that hangs, hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many leave, by host. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Leaving(Arc<Shared>);

#[derive(Default)]
struct Shared {
    hosts: Mutex<HashMap<Arc<str>, usize>>,
    fewer: Notify,
}

/// One connection that leaves, until this is dropped.
pub(crate) struct Leaver {
    leaving: Leaving,
    host: Arc<str>,
}

/// How many connections that leave may be at a host where another one is to be opened.
pub(crate) struct Room<'a> {
    pub(crate) leaving: &'a Leaving,
    pub(crate) most: usize,
}

impl Leaving {
    /// Counts one more.
    pub(crate) fn count(&self, host: Arc<str>) -> Leaver {
        *self.0.hosts.lock().entry(host.clone()).or_default() += 1;
        Leaver {
            leaving: self.clone(),
            host,
        }
    }

    fn at(&self, host: &str) -> usize {
        self.0.hosts.lock().get(host).copied().unwrap_or_default()
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        let shared = &self.leaving.0;
        let mut hosts = shared.hosts.lock();
        if let Some(count) = hosts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                hosts.remove(&self.host);
            }
        }
        drop(hosts);
        shared.fewer.notify_waiters();
    }
}

impl Room<'_> {
    /// Waits a moment until there is room at the host.
    pub(crate) async fn wait_at(&self, host: &str) -> Result<()> {
        let there_is_room = async {
            loop {
                let fewer = self.leaving.0.fewer.notified();
                if self.leaving.at(host) <= self.most {
                    return;
                }
                fewer.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, there_is_room).await;
        waited.map_err(|_| {
            EngineError::Unavailable(format!(
                "the database at {host} does not answer on {} connections; no more are opened until it does",
                self.leaving.at(host)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_host_has_its_own_room() {
        let leaving = Leaving::default();
        let room = Room {
            leaving: &leaving,
            most: 0,
        };
        let hung = leaving.count("old:5432".into());
        assert!(room.wait_at("old:5432").await.is_err());
        room.wait_at("new:5432").await.unwrap();
        drop(hung);
        room.wait_at("old:5432").await.unwrap();
    }
}
