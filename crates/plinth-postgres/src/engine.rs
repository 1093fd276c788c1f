//! The engine: two pools, one catalog, and documents made by the server.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use plinth_sql::SqlError;
use plinth_sql::catalog::{AutoExpose, Catalog};
use plinth_sql::session::Session;
use plinth_sql::shape::{Answer, BodyFormat, Count, Fetch, Filled, Read, StatementId, Write};
use tokio::sync::{Notify, watch};

use crate::batch::{Batch, Ran};
use crate::body::document;
use crate::connect::Address;
use crate::error::{EngineError, Result};
use crate::outage::Outage;
use crate::pool::{Lease, Pool};
use crate::render::{self, Rendered};
use crate::session::{self, Settings};
use crate::suspects::{self, Suspects};

/// Connections for the product's own work. Scripts and locks among nodes have some of their own.
const SYSTEM_CONNECTIONS: usize = 8;
/// How long after a statement's own time its answer may come.
const GRACE: Duration = Duration::from_secs(2);
/// Longest look at the schema.
const REFRESH: Duration = Duration::from_secs(30);
/// Where the catalog is read.
const SNAPSHOT: &str = "begin isolation level repeatable read read only";
/// So that names come back with their schemas.
const NO_PATH: &str = "set local search_path = ''";
/// Rendered statements that are kept.
const RENDERED: usize = 4096;
/// How often a node looks whether the schema was changed by others. What policies and privileges say counts at once, because
/// the server applies them.
const LOOK: Duration = Duration::from_millis(800);
/// The pause between two looks at least, which is added to the above.
const SHORTEST_LOOK: Duration = Duration::from_millis(200);

/// How to reach a server.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host/database`: whoever owns the application's schema.
    pub url: String,
    /// Most connections for requests.
    pub connections: usize,
    /// Longest wait for a connection that others have.
    pub wait: Duration,
    /// Which tables of `public` the API roles may reach without explicit grants.
    pub auto_expose: AutoExpose,
}

/// A database on a server. Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    /// As whom the URL names.
    pub(crate) system: Pool,
    /// As a login that is nobody by itself.
    pub(crate) requests: RwLock<Pool>,
    pub(crate) options: Options,
    catalog: RwLock<Arc<Catalog>>,
    /// What the catalog was read at; the lock is held while it is read anew.
    fingerprint: tokio::sync::Mutex<String>,
    versions: AtomicU64,
    /// Tells of each catalog by its version.
    changes: watch::Sender<u64>,
    /// Something suggests that the schema has changed.
    suspicion: Notify,
    rendered: Mutex<HashMap<(StatementId, BodyFormat), Arc<Rendered>>>,
    pub(crate) outage: Outage,
    pub(crate) suspects: Suspects,
}

impl Engine {
    /// Connects, looks whether the server will do, and reads its catalog. Where hosts answer and none takes writes, it waits a
    /// while for one that does.
    pub async fn open(options: Options) -> Result<Engine, EngineError> {
        let address = Address::parse(&options.url)?;
        // Its password is set when the database has been prepared; a server that asks for none can be used at once.
        let requests = address.with_login(crate::setup::AUTHENTICATOR, "");
        let engine = Engine(Arc::new(Shared {
            requests: RwLock::new(Pool::new(requests, options.connections, options.wait)),
            system: Pool::new(address, SYSTEM_CONNECTIONS, options.wait),
            options,
            catalog: RwLock::default(),
            fingerprint: tokio::sync::Mutex::default(),
            versions: AtomicU64::new(0),
            changes: watch::channel(0).0,
            suspicion: Notify::new(),
            rendered: Mutex::default(),
            outage: Outage::default(),
            suspects: Suspects::default(),
        }));
        crate::setup::wait_for_primary(&engine).await?;
        engine.refresh().await?;
        Ok(engine)
    }

    /// The current snapshot of the schema.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.read().clone()
    }

    /// Reads the catalog anew if the schema has changed. True when it had.
    pub async fn refresh(&self) -> Result<bool, EngineError> {
        let mut known = self.0.fingerprint.lock().await;
        let lease = self.0.system.lend().await?;
        let look = Session {
            timeout: REFRESH,
            ..Session::system()
        };
        let read = async {
            let client = &lease.client;
            let found = client
                .query_typed(crate::introspect::FINGERPRINT, &[])
                .await?;
            let found: String = match found.first() {
                Some(row) => row.try_get(0)?,
                None => String::new(),
            };
            if *known == found {
                return Ok(None);
            }
            let begin = match lease.pooled() {
                // Constants are printed as the connection is set, which has been others'.
                true => {
                    let settings = Settings::of(&look, true).as_sql(true)?;
                    format!("{SNAPSHOT}; {settings}; {NO_PATH}")
                }
                false => format!("{SNAPSHOT}; {NO_PATH}"),
            };
            client.batch_execute(&begin).await?;
            let version = self.0.versions.fetch_add(1, Ordering::Relaxed) + 1;
            let rule = self.0.options.auto_expose;
            // Boxed, as are all large futures: whoever awaits holds room for them.
            let catalog = Box::pin(crate::introspect::catalog(client, version, rule)).await?;
            client.batch_execute("commit").await?;
            Ok(Some((found, catalog)))
        };
        let read = in_time(&lease, &look, read).await;
        let Some((found, catalog)) = self.finish(lease, read)? else {
            return Ok(false);
        };
        let version = catalog.version;
        *self.0.catalog.write() = Arc::new(catalog);
        *known = found;
        self.0.changes.send_replace(version);
        Ok(true)
    }

    /// Waits until the catalog is another than the one of this version.
    pub async fn catalog_after(&self, version: u64) {
        let mut changes = self.0.changes.subscribe();
        // It cannot be closed: we hold what sends.
        let _closed = changes.wait_for(|known| *known != version).await.is_err();
    }

    /// Looks from time to time whether the schema was changed by others, as long as the engine is in use.
    pub(crate) fn follow(&self) {
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut reachable = true;
            let mut opened = 0;
            loop {
                // Errors that suggest a change can be had at will, so they do not make us look all the time.
                tokio::time::sleep(SHORTEST_LOOK).await;
                let Some(known) = shared.upgrade() else {
                    return;
                };
                let _due_or_told = tokio::time::timeout(LOOK, known.suspicion.notified()).await;
                drop(known);
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                match Engine(shared).follow_others(&mut opened).await {
                    Ok(()) => reachable = true,
                    Err(EngineError::Closed) => return,
                    Err(error) if reachable => {
                        reachable = false;
                        tracing::warn!(%error, "the database's schema cannot be followed; it is tried again");
                    }
                    Err(_) => {}
                }
            }
        });
    }

    /// What others did to the schema becomes known, and the rule for open tables applies to it.
    ///
    /// `opened` is the version of the catalog that the rule was last applied to.
    async fn follow_others(&self, opened: &mut u64) -> Result<()> {
        self.refresh().await?;
        if self.catalog().version == *opened {
            return Ok(());
        }
        let lease = self.0.system.lend().await?;
        let exposed = lease.drive(crate::setup::expose_apart(&lease.client)).await;
        self.finish(lease, exposed)?;
        self.refresh().await?;
        *opened = self.catalog().version;
        Ok(())
    }

    /// Runs a read in one snapshot. Where a connection broke it is run again, once: nothing comes of a read.
    pub async fn read(
        &self,
        session: &Session,
        filled: &Filled<Read>,
    ) -> Result<Answer, EngineError> {
        let done = match self.read_once(session, filled).await {
            Err(EngineError::Unavailable(_)) => self.read_once(session, filled).await,
            other => other,
        };
        self.0.outage.note(&done);
        done
    }

    async fn read_once(&self, session: &Session, filled: &Filled<Read>) -> Result<Answer> {
        let Filled { what: read, values } = filled;
        let lease = self.pool_for(session).lend().await?;
        let rendered = self.rendered(&lease, &read.fetch, read.format, values)?;
        let mut batch = Batch::begin(
            &lease,
            session,
            self.catalog().version,
            match read.count {
                Some(_) => "begin isolation level repeatable read read only",
                None => "begin read only",
            },
        )?;
        let count = match &read.count {
            Some(count) => Some(batch.execute(&*self.counting(&lease, count, values)?, values)?),
            None => None,
        };
        let place = batch.execute(&rendered, values)?;
        batch.push("commit");
        let sent = async {
            let named = || suspects::of_fetch(&read.fetch);
            let sent = batch.send().await;
            sent.map_err(|error| self.failed(error, session, named))
        };
        let done = in_time(&lease, session, sent).await;
        // That a read may not write (25006) says nothing about the server.
        let mut all = self.finish(lease, done)?;
        let total = match count.and_then(|place| all.get(place)) {
            Some(counted) => counted
                .rows
                .first()
                .and_then(|row| row.get(0)?.parse().ok()),
            None => None,
        };
        let ran = take(&mut all, place);
        let (body, _) = document(&rendered, read.format, &ran)?;
        Ok(Answer {
            body,
            rows: ran.affected,
            total,
            inserted: 0,
        })
    }

    /// Runs a write, all of it or nothing.
    pub async fn write(
        &self,
        session: &Session,
        filled: &Filled<Write>,
    ) -> Result<Answer, EngineError> {
        let done = self.write_once(session, filled).await;
        self.0.outage.note(&done);
        done
    }

    async fn write_once(&self, session: &Session, filled: &Filled<Write>) -> Result<Answer> {
        let Filled {
            what: write,
            values,
        } = filled;
        let lease = self.pool_for(session).lend().await?;
        let rendered = self.rendered(&lease, &write.fetch, write.format, values)?;
        let conditional = write.max_affected.is_some() || write.exactly_one;
        let end = if write.rollback { "rollback" } else { "commit" };
        let mut batch = Batch::begin(&lease, session, self.catalog().version, "begin")?;
        let place = batch.execute(&rendered, values)?;
        if !conditional {
            batch.push(end);
        }
        let work = async {
            let named = || suspects::of_fetch(&write.fetch);
            let sent = batch.send().await;
            let mut all = sent.map_err(|error| self.failed(error, session, named))?;
            let ran = take(&mut all, place);
            if conditional {
                write.check_affected(ran.affected)?;
                lease.client.batch_execute(end).await?;
            }
            Ok(ran)
        };
        let done = in_time(&lease, session, work).await;
        let ran = self.finish_write(lease, done).await?;
        let (body, inserted) = document(&rendered, write.format, &ran)?;
        Ok(Answer {
            body,
            rows: ran.affected,
            total: None,
            inserted,
        })
    }

    /// Gives a connection back after its work, or away when it is of no more use.
    pub(crate) fn finish<T>(&self, lease: Lease, done: Result<T>) -> Result<T> {
        match done {
            Ok(_) if !lease.is_believed() => {
                lease.discard();
                let message = "an old primary answered, and another one has taken over".to_owned();
                Err(EngineError::Unavailable(message))
            }
            Ok(done) => {
                lease.settle();
                Ok(done)
            }
            Err(error @ EngineError::Unavailable(_)) => {
                lease.discard();
                Err(error)
            }
            // Something that ran on this connection threw away what was prepared; nothing has come of the request.
            Err(error) if error.code() == Some("26000") => {
                lease.discard();
                Err(EngineError::Unavailable(error.to_string()))
            }
            Err(error) => Err(self.seen(error)),
        }
    }

    /// The same after what may have written. A server that takes no writes was the primary when we connected; the next
    /// connection finds the new one.
    pub(crate) async fn finish_write<T>(&self, lease: Lease, done: Result<T>) -> Result<T> {
        if done.is_ok() && lease.is_on_this_server_alone() {
            lease.settle();
            return Err(EngineError::not_on_a_standby());
        }
        if done.as_ref().err().is_some_and(refuses_writes) && is_standby(&lease).await {
            lease.discard();
            let message = "the database has become a standby".to_owned();
            return Err(EngineError::Unavailable(message));
        }
        self.finish(lease, done)
    }

    /// Connections of those that a session may use: the owner's, or those that are nobody.
    pub(crate) fn pool_for(&self, session: &Session) -> Pool {
        match session.role == session::OWNER {
            true => self.0.system.clone(),
            false => self.0.requests.read().clone(),
        }
    }

    /// Closes the connections.
    pub fn close(&self) {
        self.0.system.close();
        self.0.requests.read().close();
    }

    /// An error that says the schema is another than we planned with has the catalog looked at sooner.
    fn seen(&self, error: EngineError) -> EngineError {
        if matches!(error.code(), Some("42P01" | "42703" | "42883" | "3F000")) {
            self.0.suspicion.notify_one();
        }
        error
    }

    fn rendered(
        &self,
        lease: &Lease,
        fetch: &Fetch,
        format: BodyFormat,
        values: &[Option<String>],
    ) -> Result<Arc<Rendered>> {
        let inline = inline(lease, values);
        self.kept(fetch.id, format, inline, || {
            render::fetch(fetch, format, inline)
        })
    }

    fn counting(
        &self,
        lease: &Lease,
        count: &Count,
        values: &[Option<String>],
    ) -> Result<Arc<Rendered>> {
        let inline = inline(lease, values);
        self.kept(count.id, BodyFormat::None, inline, || {
            render::count(count, inline)
        })
    }

    /// What was rendered before, where nothing of the request's own is in it.
    fn kept(
        &self,
        id: Option<StatementId>,
        format: BodyFormat,
        inline: Option<&[Option<String>]>,
        make: impl FnOnce() -> Result<Rendered, SqlError>,
    ) -> Result<Arc<Rendered>> {
        let (Some(id), None) = (id, inline) else {
            return Ok(Arc::new(make()?));
        };
        if let Some(known) = self.0.rendered.lock().get(&(id, format)) {
            return Ok(known.clone());
        }
        let rendered = Arc::new(make()?);
        let mut kept = self.0.rendered.lock();
        if kept.len() >= RENDERED {
            kept.clear();
        }
        kept.insert((id, format), rendered.clone());
        Ok(rendered)
    }
}

/// Behind a pooler nothing can be prepared, so values are written into the statement.
fn inline<'a>(lease: &Lease, values: &'a [Option<String>]) -> Option<&'a [Option<String>]> {
    lease.pooled().then_some(values)
}

/// The answer at a place.
fn take(all: &mut [Ran], place: usize) -> Ran {
    all.get_mut(place).map(std::mem::take).unwrap_or_default()
}

/// Waits for work on a server that ends statements itself when their time is over; one that does not answer then has
/// frozen, or is cut off.
pub(crate) async fn in_time<T>(
    lease: &Lease,
    session: &Session,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(session.timeout + GRACE, lease.drive(work)).await {
        Ok(done) => done,
        Err(_) => Err(EngineError::Unavailable(
            "the database did not answer in time".to_owned(),
        )),
    }
}

/// Whether a write was refused because something only reads: the server, or a transaction.
pub(crate) fn refuses_writes(error: &EngineError) -> bool {
    error.code() == Some("25006")
}

/// Whether it is the server. One that does not say is of no use either.
pub(crate) async fn is_standby(lease: &Lease) -> bool {
    let look = async {
        lease.client.batch_execute("rollback").await?;
        let asked = lease
            .client
            .query_typed("select pg_is_in_recovery()", &[])
            .await?;
        asked.first().map_or(Ok(true), |row| row.try_get(0))
    };
    let looked = tokio::time::timeout(GRACE, lease.drive(look)).await;
    looked.is_ok_and(|standby| standby.unwrap_or(true))
}
