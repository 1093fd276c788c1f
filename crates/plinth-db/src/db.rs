//! The database: an enum over the engines, behind one set of verbs.

use std::path::PathBuf;
use std::sync::Arc;

use plinth_embedded::{Durability, Engine, Tx};
use plinth_sql::catalog::{AutoExpose, Catalog};
use plinth_sql::session::{Outcome, ScriptOptions, Session};
use plinth_sql::shape::{Answer, Filled, Read, Write};
use tokio::sync::oneshot;

use crate::{Clock, Error, Param, Rows};

/// How to open a database.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The file; it and its folder (mode 0700) are made when absent.
    pub path: PathBuf,
    /// Where the time comes from.
    pub clock: Clock,
    /// Which tables of `public` the API roles may reach without explicit grants.
    pub auto_expose: AutoExpose,
    /// When a commit counts.
    pub durability: Durability,
}

/// A database. Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub struct Db {
    engine: Engine,
    clock: Clock,
}

/// One write transaction, as `Db::transaction` hands it to its work.
pub struct Transaction<'a> {
    tx: &'a mut Tx,
    clock: &'a Clock,
}

impl Db {
    /// Opens or creates. Blocks; called once at the start.
    pub fn open(options: OpenOptions) -> Result<Db, Error> {
        let clock = options.clock.clone();
        let engine = Engine::open(plinth_embedded::Options {
            path: options.path,
            clock: Arc::new(move || clock.now().as_microsecond()),
            auto_expose: options.auto_expose,
            durability: options.durability,
        })?;
        Ok(Db {
            engine,
            clock: options.clock,
        })
    }

    /// The current snapshot of the schema.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.engine.catalog()
    }

    /// The clock that `now()` reads.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs a read in one snapshot.
    pub async fn read(
        &self,
        session: &Session,
        read: impl Into<Filled<Read>>,
    ) -> Result<Answer, Error> {
        let filled = read.into();
        if !filled.what.read_only {
            let read = Arc::unwrap_or_clone(filled.what);
            let write = Write {
                fetch: read.fetch,
                format: read.format,
                max_affected: None,
                exactly_one: false,
                rollback: false,
            };
            let values = filled.values;
            let what = Arc::new(write);
            return self.write(session, Filled { what, values }).await;
        }
        // Most reads are over before another thread would have begun with them.
        if let Some(answer) = self.engine.read_at_once(session, &filled)? {
            return Ok(answer);
        }
        let (engine, session) = (self.engine.clone(), session.clone());
        blocking(move || Ok(engine.read(&session, &filled)?)).await
    }

    /// Runs a write, all of it or nothing.
    pub async fn write(
        &self,
        session: &Session,
        write: impl Into<Filled<Write>>,
    ) -> Result<Answer, Error> {
        let filled = write.into();
        self.on_writer(session, move |tx| Ok(tx.write(&filled)?))
            .await
    }

    /// Runs one statement, reading or writing.
    pub async fn query(
        &self,
        session: &Session,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<Rows, Error> {
        let statement = plinth_sql::parse::statement(sql)?;
        let params: Vec<Option<String>> = params.into_iter().map(|param| param.0).collect();
        if self.engine.only_reads(&statement) {
            let (engine, session) = (self.engine.clone(), session.clone());
            return blocking(move || Ok(engine.query(&session, &statement, &params)?.into())).await;
        }
        self.on_writer(session, move |tx| {
            Ok(tx.execute(&statement, &params)?.into())
        })
        .await
    }

    /// Runs `work` in one write transaction; an `Err` rolls back (to commit although the request fails, return
    /// `Ok(Err(…))`). The work may run more than once, so it must only describe what is done: random values and
    /// the results of waiting are drawn before.
    pub async fn transaction<T, E, F>(&self, session: &Session, work: F) -> Result<T, E>
    where
        F: Fn(&mut Transaction<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let clock = self.clock.clone();
        self.on_writer(session, move |tx| {
            work(&mut Transaction { tx, clock: &clock })
        })
        .await
    }

    /// Runs a script statement by statement, each in a transaction of its own unless the script opens one.
    /// `on` hears of each statement in order, from another thread.
    pub async fn script(
        &self,
        session: &Session,
        sql: String,
        options: ScriptOptions,
        on: impl FnMut(Outcome) + Send + 'static,
    ) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.engine
            .submit_script(session.clone(), sql, options, Box::new(on), move |done| {
                let _gone = reply.send(done);
            })?;
        Ok(answer.await.map_err(|_| Error::Closed)??)
    }

    /// Writes that wait for others before them.
    pub fn waiting_writes(&self) -> usize {
        self.engine.waiting_writes()
    }

    /// Waits for what is being written, then closes the file.
    pub async fn close(self) {
        let engine = self.engine;
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "closing the database failed");
        }
    }

    async fn on_writer<T, E>(
        &self,
        session: &Session,
        work: impl Fn(&mut Tx) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.engine
            .submit(
                session.clone(),
                work,
                |error| E::from(Error::from(error)),
                move |result| {
                    // The caller may have gone away; its write counts all the same.
                    let _gone = reply.send(result);
                },
            )
            .map_err(|error| E::from(Error::from(error)))?;
        answer.await.unwrap_or_else(|_| Err(E::from(Error::Closed)))
    }
}

impl Transaction<'_> {
    /// Runs one statement.
    pub fn query(&mut self, sql: &str, params: &[Param]) -> Result<Rows, Error> {
        let statement = plinth_sql::parse::statement(sql)?;
        let params: Vec<Option<String>> = params.iter().map(|param| param.0.clone()).collect();
        Ok(self.tx.execute(&statement, &params)?.into())
    }

    /// Runs a whole script within this transaction; the spans of errors count from the start of `sql`.
    /// Gives back the notices.
    pub fn script(&mut self, sql: &str) -> Result<Vec<plinth_sql::SqlError>, Error> {
        Ok(self.tx.script(sql)?)
    }

    /// When the transaction began.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Internal(error.to_string())),
    }
}
