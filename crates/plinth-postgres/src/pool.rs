//! Connections that wait for work, and those that are lent.
//!
//! A connection is lent for one transaction. Whoever has finished it says so; one that was left in the middle (its
//! caller went away, or an answer never came) is rolled back before anybody else gets it, or nobody does. One on which the server
//! does not answer goes on [leaving](crate::leaving), and counts until it has left.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;

use crate::EngineError;
use crate::connect::{Address, Connected};
use crate::error::Result;
use crate::fence::Origin;
use crate::leaving::{Leaving, Room};
use crate::outage::Seldom;
use crate::wire::{Notices, Wire, is_on_this_server_alone};

/// How long a connection that was left in the middle keeps its place in the pool, so that others wait for it rather than open
/// another one: as long as a statement may take by default, and a little.
const CLEANING: Duration = Duration::from_secs(10);
/// Statements kept ready on a connection, of some 100 KiB each on the server.
const PREPARED: usize = 256;

/// Connections of one login. Cheap to clone; clones share them.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    address: Address,
    idle: Mutex<Vec<Conn>>,
    room: Arc<Semaphore>,
    /// Connections at once.
    most: usize,
    /// Longest wait for a connection that others have.
    wait: Duration,
    leaving: Leaving,
    /// Callers for whom there was none in time.
    refused: Mutex<Seldom>,
}

/// A connection, and what is known of it.
pub(crate) struct Conn {
    pub(crate) client: Client,
    pub(crate) notices: Notices,
    wire: Wire,
    origin: Option<Origin>,
    host: Arc<str>,
    prepared: Mutex<Prepared>,
}

/// The names of what a connection has prepared.
#[derive(Default)]
struct Prepared {
    names: HashMap<Arc<str>, Arc<str>>,
    /// Names given so far.
    given: u64,
    /// Statements that may be prepared or not, because their message failed.
    doubtful: usize,
    /// The version of the catalog with which they were prepared: the server found their parameters' types then, for good.
    catalog: u64,
}

/// A connection that is lent.
pub(crate) struct Lease {
    conn: Option<Conn>,
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
    /// No transaction is open on it.
    settled: bool,
    /// Nobody shall have it after this.
    used_up: bool,
}

impl Pool {
    /// An empty pool for at most so many connections, and how long to wait for one.
    pub(crate) fn new(address: Address, most: usize, wait: Duration) -> Pool {
        Pool(Arc::new(Shared {
            address,
            idle: Mutex::default(),
            room: Arc::new(Semaphore::new(most)),
            most,
            wait,
            leaving: Leaving::default(),
            refused: Mutex::default(),
        }))
    }

    /// Where it leads.
    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// A connection, for one transaction.
    pub(crate) async fn lend(&self) -> Result<Lease> {
        let permit = tokio::time::timeout(self.0.wait, self.0.room.clone().acquire_owned());
        let permit = match permit.await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(EngineError::Closed),
            Err(_) => {
                if let Some(refused) = self.0.refused.lock().count(Instant::now()) {
                    tracing::warn!(
                        refused,
                        waited_ms = self.0.wait.as_millis(),
                        "all connections are in use; raise `[database] connections`, or look for what keeps them"
                    );
                }
                return Err(EngineError::Busy);
            }
        };
        let idle = loop {
            let popped = self.0.idle.lock().pop();
            match popped {
                Some(conn) if !conn.wire.is_open() || !self.leads_on(&conn) => {}
                other => break other,
            }
        };
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        conn.notices.lock().clear();
        Ok(Lease {
            conn: Some(conn),
            pool: self.clone(),
            permit: Some(permit),
            settled: false,
            used_up: false,
        })
    }

    /// A new one, for whom a place was kept. Those that are lent and those that leave are never more than the pool may have.
    async fn connect(&self) -> Result<Conn> {
        let lent = self.0.most - self.0.room.available_permits();
        let room = Room {
            leaving: &self.0.leaving,
            most: self.0.most - lent,
        };
        let Connected {
            client,
            notices,
            origin,
            wire,
            host,
        } = self.0.address.connect_where(Some(room)).await?;
        Ok(Conn {
            client,
            notices,
            wire,
            origin,
            host,
            prepared: Mutex::default(),
        })
    }

    /// Forgets the connections that wait: the server behind them has changed its part.
    pub(crate) fn forget_idle(&self) {
        self.0.idle.lock().clear();
    }

    /// Closes what waits; what is lent closes when it is given back.
    pub(crate) fn close(&self) {
        self.0.room.close();
        self.forget_idle();
    }

    /// Whether no other primary has taken over from the one that a connection leads to.
    fn leads_on(&self, conn: &Conn) -> bool {
        self.0.address.fence.is_current(conn.origin)
    }

    /// Waits, beside everything else, until the server has answered on a connection that nobody needs any more, or is gone.
    fn see_off(&self, conn: Conn) {
        if !conn.wire.is_open() {
            return;
        }
        let leaver = self.0.leaving.count(conn.host.clone());
        tokio::spawn(async move {
            // Asked although nobody wants to know: from a host that is gone, something that was sent brings an end.
            let _ended = conn.drive(conn.client.batch_execute("rollback")).await;
            drop(leaver);
        });
    }

    fn give_back(&self, conn: Conn) {
        if conn.wire.is_open() && !self.0.room.is_closed() {
            self.0.idle.lock().push(conn);
        }
    }
}

impl Conn {
    /// Does work that asks the server: nobody else moves the connection's bytes.
    pub(crate) async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        self.wire.drive(work).await
    }

    /// The name of what was prepared on this connection before.
    pub(crate) fn prepared(&self, key: &str) -> Option<Arc<str>> {
        self.prepared.lock().names.get(key).cloned()
    }

    /// Whether a commit just now was reported although a standby that should have it has not.
    pub(crate) fn is_on_this_server_alone(&self) -> bool {
        is_on_this_server_alone(&self.notices.lock())
    }

    /// A name that nothing on this connection has.
    pub(crate) fn new_name(&self) -> Arc<str> {
        let mut prepared = self.prepared.lock();
        prepared.given += 1;
        format!("plinth_{}", prepared.given).into()
    }

    /// Keeps the names of what has been prepared.
    pub(crate) fn keep_prepared(&self, names: Vec<(Arc<str>, Arc<str>)>) {
        if !names.is_empty() {
            self.prepared.lock().names.extend(names);
        }
    }

    /// Notes statements of which nobody knows whether they were prepared.
    pub(crate) fn doubt(&self, statements: usize) {
        self.prepared.lock().doubtful += statements;
    }

    /// Whether all that was prepared must be given up before anything runs that was planned with this version of the
    /// catalog. Then it is as if nothing had been.
    pub(crate) fn gives_up(&self, catalog: u64) -> bool {
        let mut prepared = self.prepared.lock();
        let held = prepared.names.len() + prepared.doubtful;
        let stale = prepared.catalog != catalog;
        if !stale && held < PREPARED {
            return false;
        }
        prepared.names.clear();
        prepared.doubtful = 0;
        prepared.catalog = catalog;
        held > 0
    }
}

impl Lease {
    /// Whether a pooler that hands out connections by transaction stands between.
    pub(crate) fn pooled(&self) -> bool {
        self.pool.address().pooled
    }

    /// Whether an answer counts that has come on it: not when another primary has taken over from the one that gave it.
    pub(crate) fn is_believed(&self) -> bool {
        self.pool.address().fence.hears(self.origin)
    }

    /// What was done with it outlasts the transaction: nobody gets it after this.
    pub(crate) fn use_up(&mut self) {
        self.used_up = true;
    }

    /// The transaction has ended, so another may begin.
    pub(crate) fn settle(mut self) {
        self.settled = true;
    }

    /// The server behind this connection has changed its part: neither this nor its like is of use any more.
    pub(crate) fn discard(mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.see_off(conn);
        }
        self.pool.forget_idle();
    }
}

impl Deref for Lease {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        // Only `discard` and `drop` take it, and both end the lease.
        match &self.conn {
            Some(conn) => conn,
            None => unreachable!("the lease has ended"),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else {
            return;
        };
        if self.settled {
            if !self.used_up {
                self.pool.give_back(conn);
            }
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // It keeps its place until it is clean, so that callers who leave cannot pile up work on the server.
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        runtime.spawn(async move {
            let rolled_back =
                tokio::time::timeout(CLEANING, conn.drive(conn.client.batch_execute("rollback")));
            match rolled_back.await {
                Ok(Ok(())) => pool.give_back(conn),
                Ok(Err(_)) => {}
                Err(_) => pool.see_off(conn),
            }
            drop(permit);
        });
    }
}
