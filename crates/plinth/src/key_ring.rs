//! The keys of an application that is open: what they are now, who is let in by them, and how a rotation reaches both.
//!
//! A node that rotates knows it at once. The others see that the schema has changed (a rotation says so in a comment, see
//! `plinth_db::keys`) and read the keys anew, before the new ones sign and the old ones end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use plinth_db::keys::{self, KeyError, Keys, MasterKey, Rotated, Which};
use plinth_db::{Clock, Db};
use plinth_http::{Gate, GateKeys};
use tokio::sync::{Mutex, watch};

use crate::control::Owner;

/// The pause before keys that could not be read are asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// The keys in use.
pub(crate) struct KeyRing {
    /// Lets callers in by them.
    pub gate: Arc<Gate>,
    keys: watch::Sender<Keys>,
    /// What opens those that are stored. The keys of local development are not, and nothing changes them.
    master: Option<MasterKey>,
    /// Held while the keys are read or changed, so that nothing older comes after something newer.
    changing: Mutex<()>,
}

impl KeyRing {
    /// The well-known keys of local development.
    pub(crate) fn local(clock: &Clock) -> KeyRing {
        KeyRing::new(Keys::local(), None, clock)
    }

    /// Keys that are stored, and what opens them.
    pub(crate) fn stored((keys, master): (Keys, MasterKey), clock: &Clock) -> KeyRing {
        KeyRing::new(keys, Some(master), clock)
    }

    fn new(keys: Keys, master: Option<MasterKey>, clock: &Clock) -> KeyRing {
        KeyRing {
            gate: Arc::new(Gate::new(&GateKeys::from(&keys), clock.clone())),
            keys: watch::channel(keys).0,
            master,
            changing: Mutex::new(()),
        }
    }

    /// The keys as they are now.
    pub(crate) fn now(&self) -> Keys {
        self.keys.borrow().clone()
    }

    /// Replaces keys; the old ones count for so many seconds more.
    pub(crate) async fn rotate(
        &self,
        db: &Db,
        which: Which,
        keep_old_seconds: i64,
    ) -> anyhow::Result<Rotated> {
        let Some(master) = &self.master else {
            bail!(
                "`plinth dev` has the keys of every local Supabase project, which are not changed; the keys of `plinth serve` can be, once `plinth dev` has stopped"
            );
        };
        let _alone = self.changing.lock().await;
        let rotated = keys::rotate(db, master, which, keep_old_seconds)
            .await
            .context("replacing the keys failed")?;
        self.put(rotated.keys.clone());
        tracing::info!(?which, until = %rotated.until, "keys were replaced; the old ones count until their end");
        Ok(rotated)
    }

    /// Reads the keys anew and deletes those whose end has come.
    async fn refresh(&self, db: &Db, master: &MasterKey) -> Result<(), KeyError> {
        let _alone = self.changing.lock().await;
        // Keys that somebody threw away count until this process ends: whoever did it wants new ones, which a start makes.
        if let Some(keys) = keys::refresh(db, master).await? {
            self.put(keys);
        }
        Ok(())
    }

    /// What was checked with keys that stay the same need not be checked anew.
    fn put(&self, keys: Keys) {
        if *self.keys.borrow() != keys {
            self.gate.replace(&GateKeys::from(&keys));
            self.keys.send_replace(keys);
        }
    }
}

/// Follows what other nodes do to the keys, and sees to it that old ones are gone when they have ended. Until it is dropped.
pub(crate) async fn follow(owner: Arc<Owner>) {
    let ring = &owner.keys;
    let Some(master) = &ring.master else {
        return;
    };
    let mut changes = ring.keys.subscribe();
    let mut is_read = true;
    loop {
        // Before the keys are read, so that a change meanwhile is not missed.
        let version = owner.db.catalog().version;
        match ring.refresh(&owner.db, master).await {
            Ok(()) => is_read = true,
            Err(error) => {
                if is_read {
                    tracing::warn!(%error, "the keys cannot be read anew; it is tried again");
                }
                is_read = false;
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        }
        let next_end = changes.borrow_and_update().next_end();
        tokio::select! {
            () = owner.db.schema_after(version) => {}
            () = pass(next_end, owner.db.clock()) => {}
            _ = changes.changed() => {}
        }
    }
}

/// Waits for this second since 1970; for good when there is none.
async fn pass(second: Option<i64>, clock: &Clock) {
    let Some(second) = second else {
        return std::future::pending().await;
    };
    let left = second.saturating_sub(clock.now().as_second());
    // One at least: where the clock is set back meanwhile, this is asked again and again.
    let left = u64::try_from(left).unwrap_or_default().max(1);
    tokio::time::sleep(Duration::from_secs(left)).await;
}
