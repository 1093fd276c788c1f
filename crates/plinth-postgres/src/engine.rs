//! The engine: two pools, one catalog, and documents made by the server.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::TryStreamExt as _;
use futures_util::future::join;
use parking_lot::{Mutex, RwLock};
use plinth_sql::SqlError;
use plinth_sql::catalog::{AutoExpose, Catalog};
use plinth_sql::session::Session;
use plinth_sql::shape::{Answer, BodyFormat, Fetch, Filled, Read, StatementId, Write};
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Row, Statement};

use crate::connect::Address;
use crate::error::{EngineError, Result};
use crate::pool::{Lease, Pool};
use crate::render::{self, Rendered};
use crate::session::{self, Settings};

/// Connections for the product's own work and for scripts.
const SYSTEM_CONNECTIONS: usize = 8;
/// How long after a statement's own time its answer may come.
const GRACE: Duration = Duration::from_secs(2);
/// Longest look at the schema.
const REFRESH: Duration = Duration::from_secs(30);
/// Where the catalog is read: names come back with their schemas.
const SNAPSHOT: &str =
    "begin isolation level repeatable read read only; set local search_path = ''";
/// Rendered statements that are kept.
const RENDERED: usize = 4096;
/// How often a node looks whether the schema was changed by others. What policies and privileges say counts at once, because
/// the server applies them.
const LOOK: Duration = Duration::from_secs(1);
/// Largest body that is put together, in bytes.
const BODY_BYTES: usize = 256 * 1024 * 1024;

/// How to reach a server.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host/database`: whoever owns the application's schema. `bypassrls` and event triggers need a superuser.
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
    rendered: Mutex<HashMap<(StatementId, BodyFormat), Arc<Rendered>>>,
}

impl Engine {
    /// Connects, looks whether the server will do, and reads its catalog.
    pub async fn open(options: Options) -> Result<Engine, EngineError> {
        let address = Address::parse(&options.url)?;
        // Its password is set when the database has been prepared; a server that asks for none can be used at once.
        let requests = address.with_login(crate::setup::LOGIN, "");
        let engine = Engine(Arc::new(Shared {
            requests: RwLock::new(Pool::new(requests, options.connections, options.wait)),
            system: Pool::new(address, SYSTEM_CONNECTIONS, options.wait),
            options,
            catalog: RwLock::default(),
            fingerprint: tokio::sync::Mutex::default(),
            versions: AtomicU64::new(0),
            rendered: Mutex::default(),
        }));
        crate::setup::check_server(&engine).await?;
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
            client.batch_execute(SNAPSHOT).await?;
            let version = self.0.versions.fetch_add(1, Ordering::Relaxed) + 1;
            let rule = self.0.options.auto_expose;
            // Boxed, as are all large futures: whoever awaits holds room for them.
            let catalog = Box::pin(crate::introspect::catalog(client, version, rule)).await?;
            client.batch_execute("commit").await?;
            Ok(Some((found, catalog)))
        };
        let read = in_time(&look, read).await;
        let Some((found, catalog)) = self.finish(lease, read)? else {
            return Ok(false);
        };
        *self.0.catalog.write() = Arc::new(catalog);
        *known = found;
        Ok(true)
    }

    /// Looks from time to time whether the schema was changed by others, as long as the engine is in use.
    pub(crate) fn follow(&self) {
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            let mut reachable = true;
            let mut opened = 0;
            loop {
                tokio::time::sleep(LOOK).await;
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
        let exposed = crate::setup::expose_apart(&lease.client).await;
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
        match self.read_once(session, filled).await {
            Err(EngineError::Unavailable(_)) => self.read_once(session, filled).await,
            other => other,
        }
    }

    async fn read_once(&self, session: &Session, filled: &Filled<Read>) -> Result<Answer> {
        let Filled { what: read, values } = filled;
        let rendered = self.rendered(&read.fetch, read.format)?;
        let count = read.count.as_ref().map(render::count);
        let begin = match count {
            Some(_) => "begin isolation level repeatable read read only",
            None => "begin read only",
        };
        let lease = self.pool_for(session).lend().await?;
        let work = async {
            let total = match &count {
                Some(count) => Some(total(&lease, session, count, values).await?),
                None => None,
            };
            let rows = run_last(&lease, session, &rendered, values, "commit").await?;
            Ok((rows, total))
        };
        let done = in_time(session, within(&lease, session, begin, work)).await;
        // That a read may not write (25006) says nothing about the server.
        let (rows, total) = self.finish(lease, done)?;
        let (body, _) = document(&rendered, read.format, &rows)?;
        Ok(Answer {
            body,
            rows: rows.affected,
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
        let Filled {
            what: write,
            values,
        } = filled;
        let rendered = self.rendered(&write.fetch, write.format)?;
        let lease = self.pool_for(session).lend().await?;
        let conditional = write.max_affected.is_some() || write.exactly_one;
        let end = if write.rollback { "rollback" } else { "commit" };
        let work = async {
            if !conditional {
                return run_last(&lease, session, &rendered, values, end).await;
            }
            let rows = run(&lease, session, &rendered, values).await?;
            check_affected(write, rows.affected)?;
            lease.client.batch_execute(end).await?;
            Ok(rows)
        };
        let done = in_time(session, within(&lease, session, "begin", work)).await;
        let rows = self.finish_write(lease, done).await?;
        let (body, inserted) = document(&rendered, write.format, &rows)?;
        Ok(Answer {
            body,
            rows: rows.affected,
            total: None,
            inserted,
        })
    }

    /// The same after what may have written. A server that takes no writes was the primary when we connected; the next
    /// connection finds the new one.
    pub(crate) async fn finish_write<T>(&self, lease: Lease, done: Result<T>) -> Result<T> {
        if done.as_ref().err().is_some_and(refuses_writes) && is_standby(&lease).await {
            lease.discard();
            let message = "the database has become a standby".to_owned();
            return Err(EngineError::Unavailable(message));
        }
        self.finish(lease, done)
    }

    /// Gives a connection back after its work, or away when it is of no more use.
    pub(crate) fn finish<T>(&self, lease: Lease, done: Result<T>) -> Result<T> {
        match done {
            Ok(done) => {
                lease.settle();
                Ok(done)
            }
            Err(error @ EngineError::Unavailable(_)) => {
                lease.discard();
                Err(error)
            }
            Err(error) => Err(self.seen(error)),
        }
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

    /// An error that says the schema is another than we planned with has the catalog read again, beside the answer.
    fn seen(&self, error: EngineError) -> EngineError {
        if matches!(error.code(), Some("42P01" | "42703" | "42883" | "3F000")) {
            let engine = self.clone();
            tokio::spawn(async move {
                if let Err(error) = engine.refresh().await {
                    tracing::warn!(%error, "the catalog could not be read again");
                }
            });
        }
        error
    }

    fn rendered(&self, fetch: &Fetch, format: BodyFormat) -> Result<Arc<Rendered>> {
        let Some(id) = fetch.id else {
            return Ok(Arc::new(render::fetch(fetch, format)?));
        };
        if let Some(known) = self.0.rendered.lock().get(&(id, format)) {
            return Ok(known.clone());
        }
        let rendered = Arc::new(render::fetch(fetch, format)?);
        let mut kept = self.0.rendered.lock();
        if kept.len() >= RENDERED {
            kept.clear();
        }
        kept.insert((id, format), rendered.clone());
        Ok(rendered)
    }
}

/// Waits for work on a server that ends statements itself when their time is over; one that does not answer then has
/// frozen, or is cut off.
pub(crate) async fn in_time<T>(
    session: &Session,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(session.timeout + GRACE, work).await {
        Ok(done) => done,
        Err(_) => Err(EngineError::Unavailable(
            "the database did not answer in time".to_owned(),
        )),
    }
}

/// What a statement gave.
struct Ran {
    rows: Vec<Row>,
    affected: u64,
}

/// Begins a transaction, enters the session and does the work, all sent at once where the work allows it. The first thing
/// that fails is the error: what follows only finds the transaction aborted.
async fn within<T>(
    lease: &Lease,
    session: &Session,
    begin: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let beginning = lease.client.batch_execute(begin);
    let entering = enter(lease, session);
    let (opened, (entered, done)) = join(beginning, join(entering, work)).await;
    opened?;
    entered?;
    done
}

/// Puts the session's settings in place for the open transaction.
async fn enter(lease: &Lease, session: &Session) -> Result<()> {
    let settings = Settings::of(session, lease.pooled());
    let parameters = [
        (&settings.names as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
        (&settings.values as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
    ];
    // Whatever comes behind it must find it done, so it is one message.
    match lease.prepared(session::ENTER) {
        Some(statement) => {
            lease
                .client
                .query(&statement, &[&settings.names, &settings.values])
                .await?;
        }
        None => {
            lease
                .client
                .query_typed(session::ENTER, &parameters)
                .await?;
        }
    }
    Ok(())
}

/// Runs a statement as what its transaction ends with, the end sent behind it without a wait.
async fn run_last(
    lease: &Lease,
    session: &Session,
    rendered: &Rendered,
    values: &[Option<String>],
    end: &str,
) -> Result<Ran> {
    let prepared = prepare(lease, session, &rendered.sql).await?;
    let ran = run_prepared(lease, prepared.as_ref(), rendered, values);
    let (ran, ended) = join(ran, lease.client.batch_execute(end)).await;
    let ran = ran?;
    ended?;
    Ok(ran)
}

/// Runs a statement in the open transaction.
async fn run(
    lease: &Lease,
    session: &Session,
    rendered: &Rendered,
    values: &[Option<String>],
) -> Result<Ran> {
    let prepared = prepare(lease, session, &rendered.sql).await?;
    run_prepared(lease, prepared.as_ref(), rendered, values).await
}

/// A statement made ready, once for each connection and role; none behind a pooler, where the next connection is another.
///
/// A role's own, because the server plans a statement anew whenever another role runs it: its policies are another's.
async fn prepare(lease: &Lease, session: &Session, sql: &str) -> Result<Option<Statement>> {
    if lease.pooled() {
        return Ok(None);
    }
    let named: Arc<str> = format!("/* {} */ {sql}", session.role.replace("*/", "")).into();
    Ok(Some(match lease.prepared(&named) {
        Some(statement) => statement,
        None => lease.prepare(&named).await?,
    }))
}

async fn run_prepared(
    lease: &Lease,
    prepared: Option<&Statement>,
    rendered: &Rendered,
    values: &[Option<String>],
) -> Result<Ran> {
    let texts = rendered
        .params
        .iter()
        .map(|argument| Text(argument.text(values)));
    let stream = match prepared {
        Some(statement) => lease.client.query_raw(statement, texts).await?,
        None => {
            let typed = texts.map(|text| (text, Type::UNKNOWN));
            lease.client.query_typed_raw(&rendered.sql, typed).await?
        }
    };
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.as_mut().try_next().await? {
        rows.push(row);
    }
    Ok(Ran {
        rows,
        affected: stream.rows_affected().unwrap_or_default(),
    })
}

/// What a count gives.
async fn total(
    lease: &Lease,
    session: &Session,
    rendered: &Rendered,
    values: &[Option<String>],
) -> Result<u64> {
    let ran = run(lease, session, rendered, values).await?;
    let total: Option<i64> = match ran.rows.first() {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    Ok(total
        .and_then(|total| u64::try_from(total).ok())
        .unwrap_or_default())
}

/// The body that rows are the entries of, and how many were inserted.
fn document(rendered: &Rendered, format: BodyFormat, ran: &Ran) -> Result<(Vec<u8>, u64)> {
    let mut inserted = 0;
    if rendered.tells_inserted {
        for row in &ran.rows {
            inserted += u64::from(row.try_get::<_, Option<bool>>(1)?.unwrap_or_default());
        }
    } else if rendered.inserts {
        inserted = ran.affected;
    }
    let mut body = Vec::new();
    if !rendered.returns_rows {
        return Ok((body, inserted));
    }
    let is_csv = format == BodyFormat::Csv;
    body.extend_from_slice(match &rendered.header {
        Some(header) => header.as_bytes(),
        None => b"[",
    });
    let mut first = true;
    for row in &ran.rows {
        let Some(entry) = row.try_get::<_, Option<&str>>(0)? else {
            continue;
        };
        match (is_csv, std::mem::replace(&mut first, false)) {
            (true, _) => body.push(b'\n'),
            (false, false) => body.push(b','),
            (false, true) => {}
        }
        if body.len() + entry.len() > BODY_BYTES {
            return Err(SqlError::new("54000", "the answer is too large")
                .hint("Ask for fewer rows at once.")
                .into());
        }
        body.extend_from_slice(entry.as_bytes());
    }
    if !is_csv {
        body.push(b']');
    }
    Ok((body, inserted))
}

/// Refuses what a write asked not to do.
fn check_affected(write: &Write, affected: u64) -> Result<()> {
    if let Some(limit) = write.max_affected
        && affected > limit
    {
        return Err(SqlError::new(
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
        )
        .detail(format!("The query affects {affected} rows"))
        .into());
    }
    if write.exactly_one && affected != 1 {
        return Err(SqlError::new(
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
        )
        .detail(format!("The result contains {affected} rows"))
        .into());
    }
    Ok(())
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
    let looked = tokio::time::timeout(GRACE, look).await;
    looked.is_ok_and(|standby| standby.unwrap_or(true))
}

/// A value in PostgreSQL's text form, for a parameter of any type.
#[derive(Debug)]
struct Text<'a>(Option<&'a str>);

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = self.0 else {
            return Ok(IsNull::Yes);
        };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}
