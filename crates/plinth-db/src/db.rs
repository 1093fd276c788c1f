//! The database: an enum over the engines, behind one set of verbs.

use std::path::PathBuf;
use std::sync::Arc;

use plinth_embedded::Durability;
use plinth_postgres::{Options as ServerOptions, Target as ServerTarget};
use plinth_sql::catalog::{AutoExpose, Catalog};
use plinth_sql::session::{Outcome, ScriptOptions, Session};
use plinth_sql::shape::{Answer, Filled, Read, Write};
use tokio::sync::oneshot;

use crate::parsed;
use crate::policy_scans::{PolicyScan, missing_indexes};
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

/// What holds the data.
#[derive(Clone)]
enum Engine {
    Embedded(plinth_embedded::Engine),
    Postgres(plinth_postgres::Engine),
}

/// One write transaction, as `Db::transaction` hands it to its work.
pub struct Transaction<'a> {
    tx: Tx<'a>,
    clock: &'a Clock,
}

enum Tx<'a> {
    Embedded(&'a mut plinth_embedded::Tx),
    Postgres(&'a mut plinth_postgres::Tx),
}

/// The right to prepare a database that several nodes share. On one file, one process has it anyway.
pub struct Setup(Option<plinth_postgres::Setup>);

/// The right to do something that one node at a time may do.
pub struct Alone(
    #[expect(dead_code, reason = "it is held, not used")] Option<plinth_postgres::Alone>,
);

impl Setup {
    /// The system's own migrations are in place: requests may come.
    ///
    /// `request_password` is for the login that requests connect to a server as; all nodes must give the same.
    pub async fn finish(self, request_password: &str) -> Result<(), Error> {
        match self.0 {
            Some(setup) => Ok(setup.finish(request_password).await?),
            None => Ok(()),
        }
    }
}

impl Db {
    /// Opens or creates. Blocks; called once at the start.
    pub fn open(options: OpenOptions) -> Result<Db, Error> {
        let clock = options.clock.clone();
        let engine = plinth_embedded::Engine::open(plinth_embedded::Options {
            path: options.path,
            clock: Arc::new(move || clock.now().as_microsecond()),
            auto_expose: options.auto_expose,
            durability: options.durability,
        })?;
        Ok(Db {
            engine: Engine::Embedded(engine),
            clock: options.clock,
        })
    }

    /// Connects to a database on a PostgreSQL server. Its `now()` is the server's, whatever the clock says.
    pub async fn connect(options: ServerOptions, clock: Clock) -> Result<Db, Error> {
        let engine = plinth_postgres::Engine::open(options).await?;
        Ok(Db {
            engine: Engine::Postgres(engine),
            clock,
        })
    }

    /// Waits for the right to prepare the database, which one node has at a time.
    pub async fn set_up(&self) -> Result<Setup, Error> {
        match &self.engine {
            Engine::Embedded(_) => Ok(Setup(None)),
            Engine::Postgres(engine) => Ok(Setup(Some(engine.set_up().await?))),
        }
    }

    /// Waits until no other node does what this names; while the value lives, none does. On one file there is no other.
    pub async fn alone(&self, name: &str) -> Result<Alone, Error> {
        match &self.engine {
            Engine::Embedded(_) => Ok(Alone(None)),
            Engine::Postgres(engine) => Ok(Alone(Some(Box::pin(engine.alone(name)).await?))),
        }
    }

    /// The current snapshot of the schema.
    pub fn catalog(&self) -> Arc<Catalog> {
        match &self.engine {
            Engine::Embedded(engine) => engine.catalog(),
            Engine::Postgres(engine) => engine.catalog(),
        }
    }

    /// Waits until the schema is another than in the snapshot of this version. On one file nobody but us changes it, and this
    /// waits for good.
    pub async fn schema_after(&self, version: u64) {
        match &self.engine {
            Engine::Embedded(_) => std::future::pending::<()>().await,
            Engine::Postgres(engine) => engine.catalog_after(version).await,
        }
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
        let engine = match &self.engine {
            Engine::Embedded(engine) => engine,
            Engine::Postgres(engine) if filled.what.read_only => {
                // Boxed, here and below: a request to the engine in a file should not carry room for this.
                return Ok(Box::pin(engine.read(session, &filled)).await?);
            }
            Engine::Postgres(_) => return Box::pin(self.write(session, as_write(filled))).await,
        };
        if !filled.what.read_only {
            return self.write(session, as_write(filled)).await;
        }
        // Most reads are over before another thread would have begun with them.
        if let Some(answer) = engine.read_at_once(session, &filled)? {
            return Ok(answer);
        }
        let (engine, session) = (engine.clone(), session.clone());
        blocking(move || Ok(engine.read(&session, &filled)?)).await
    }

    /// Runs a write, all of it or nothing.
    pub async fn write(
        &self,
        session: &Session,
        write: impl Into<Filled<Write>>,
    ) -> Result<Answer, Error> {
        let filled = write.into();
        match &self.engine {
            Engine::Embedded(engine) => {
                on_writer(engine, session, move |tx| Ok(tx.write(&filled)?)).await
            }
            Engine::Postgres(engine) => Ok(Box::pin(engine.write(session, &filled)).await?),
        }
    }

    /// Runs one statement, reading or writing.
    pub async fn query(
        &self,
        session: &Session,
        sql: &str,
        params: Vec<Param>,
    ) -> Result<Rows, Error> {
        let statement = parsed::statement(sql)?;
        let params: Vec<Option<String>> = params.into_iter().map(|param| param.0).collect();
        let engine = match &self.engine {
            Engine::Embedded(engine) => engine,
            Engine::Postgres(engine) => {
                return Ok(Box::pin(engine.query(session, &statement, &params))
                    .await?
                    .into());
            }
        };
        if engine.only_reads(&statement) {
            let (engine, session) = (engine.clone(), session.clone());
            return blocking(move || Ok(engine.query(&session, &statement, &params)?.into())).await;
        }
        on_writer(engine, session, move |tx| {
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
        match &self.engine {
            Engine::Embedded(engine) => {
                on_writer(engine, session, move |tx| {
                    work(&mut Transaction {
                        tx: Tx::Embedded(tx),
                        clock: &clock,
                    })
                })
                .await
            }
            Engine::Postgres(engine) => {
                let work = move |tx: &mut plinth_postgres::Tx| {
                    work(&mut Transaction {
                        tx: Tx::Postgres(tx),
                        clock: &clock,
                    })
                    .map_err(Either::Work)
                };
                let done = Box::pin(engine.transaction(session, work)).await;
                done.map_err(|error| match error {
                    Either::Work(error) => error,
                    Either::Engine(error) => E::from(Error::from(error)),
                })
            }
        }
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
        let engine = match &self.engine {
            Engine::Embedded(engine) => engine,
            Engine::Postgres(engine) => {
                return Ok(Box::pin(engine.script(session, &sql, options, on)).await?);
            }
        };
        let (reply, answer) = oneshot::channel();
        engine.submit_script(session.clone(), sql, options, Box::new(on), move |done| {
            let _gone = reply.send(done);
        })?;
        Ok(answer.await.map_err(|_| Error::Closed)??)
    }

    /// Policies that read whole tables, which will be slow once those have many rows.
    pub async fn policy_scans(&self) -> Result<Vec<PolicyScan>, Error> {
        let (for_a_row, keys_are_indexed) = match &self.engine {
            Engine::Embedded(engine) => {
                let engine = engine.clone();
                let found = blocking(move || Ok(engine.policy_scans()?)).await?;
                (found, true)
            }
            // A server has statistics, by which its plans change as tables grow: what it would do today says little.
            Engine::Postgres(_) => (Vec::new(), false),
        };
        let for_a_list = missing_indexes(&self.catalog(), keys_are_indexed);
        let for_a_row = for_a_row.into_iter().map(PolicyScan::ForARow);
        let for_a_list = for_a_list.into_iter().map(PolicyScan::ForAList);
        Ok(for_a_row.chain(for_a_list).collect())
    }

    /// Whether the data are on a server, which has tools and an owner of its own, and may have other nodes. For messages to whoever runs us
    /// and for what others must hear of first; no request is answered by it.
    pub fn is_on_server(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Which database on which server it is; none for a file. For whoever asks whether a URL names the same one.
    pub fn server_target(&self) -> Option<ServerTarget> {
        match &self.engine {
            Engine::Embedded(_) => None,
            Engine::Postgres(engine) => Some(engine.target()),
        }
    }

    /// What the data take on a server, in bytes; none for a file, which can be looked at.
    pub async fn bytes_on_server(&self) -> Result<Option<u64>, Error> {
        if !self.is_on_server() {
            return Ok(None);
        }
        let size = "select pg_database_size(current_database())::text as bytes";
        let rows = self.query(&Session::system(), size, Vec::new()).await?;
        let bytes = rows
            .iter()
            .next()
            .and_then(|row| row.get("bytes")?.parse().ok());
        Ok(bytes)
    }

    /// Writes that wait for others before them.
    pub fn waiting_writes(&self) -> usize {
        match &self.engine {
            Engine::Embedded(engine) => engine.waiting_writes(),
            Engine::Postgres(_) => 0,
        }
    }

    /// Waits for what is being written, then closes the file or the connections.
    pub async fn close(self) {
        let engine = match self.engine {
            Engine::Embedded(engine) => engine,
            Engine::Postgres(engine) => return engine.close(),
        };
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "closing the database failed");
        }
    }
}

async fn on_writer<T, E>(
    engine: &plinth_embedded::Engine,
    session: &Session,
    work: impl Fn(&mut plinth_embedded::Tx) -> Result<T, E> + Send + Sync + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    engine
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

/// What ended a transaction: its work, or the engine.
enum Either<E> {
    Work(E),
    Engine(plinth_postgres::EngineError),
}

impl<E> From<plinth_postgres::EngineError> for Either<E> {
    fn from(error: plinth_postgres::EngineError) -> Either<E> {
        Either::Engine(error)
    }
}

/// A read that calls what may write.
fn as_write(Filled { what, values }: Filled<Read>) -> Filled<Write> {
    let read = Arc::unwrap_or_clone(what);
    let what = Arc::new(Write {
        fetch: read.fetch,
        format: read.format,
        max_affected: None,
        exactly_one: false,
        rollback: false,
    });
    Filled { what, values }
}

impl Transaction<'_> {
    /// Runs one statement.
    pub fn query(&mut self, sql: &str, params: &[Param]) -> Result<Rows, Error> {
        let statement = parsed::statement(sql)?;
        let params: Vec<Option<String>> = params.iter().map(|param| param.0.clone()).collect();
        Ok(match &mut self.tx {
            Tx::Embedded(tx) => tx.execute(&statement, &params)?.into(),
            Tx::Postgres(tx) => tx.execute(&statement, &params)?.into(),
        })
    }

    /// Runs a whole script within this transaction; the spans of errors count from the start of `sql`.
    /// Gives back the notices.
    pub fn script(&mut self, sql: &str) -> Result<Vec<plinth_sql::SqlError>, Error> {
        Ok(match &mut self.tx {
            Tx::Embedded(tx) => tx.script(sql)?,
            Tx::Postgres(tx) => tx.script(sql)?,
        })
    }

    /// The same for a script of the product's own: roles belong to a whole server, where they may be already.
    pub(crate) fn setup_script(&mut self, sql: &str) -> Result<(), Error> {
        match &mut self.tx {
            Tx::Embedded(tx) => tx.script(sql)?,
            Tx::Postgres(tx) => tx.setup_script(sql)?,
        };
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};

    use serde_json::{Value, json};

    use super::*;
    use crate::Known;

    #[tokio::test]
    async fn a_short_read_runs_on_its_callers_thread_and_a_long_one_moves_to_another() {
        const LONG: &str = "with recursive c(i) as (select 1 union all select i + 1 from c where i < 300000) select count(*) as n from c";
        let folder = std::env::temp_dir().join(format!("plinth-db-reads-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&folder);
        let threads: Arc<Mutex<Vec<ThreadId>>> = Arc::default();
        let noting = Arc::clone(&threads);
        let engine = plinth_embedded::Engine::open(plinth_embedded::Options {
            path: folder.join("plinth.db"),
            // Every read asks for the time when it begins, on the thread where it runs.
            clock: Arc::new(move || {
                noting.lock().unwrap().push(thread::current().id());
                0
            }),
            auto_expose: AutoExpose::Protected,
            durability: Durability::Synced,
        });
        let db = Db {
            engine: Engine::Embedded(engine.unwrap()),
            clock: Clock::system(),
        };
        let read = async |sql: &str| -> (Vec<Value>, Vec<ThreadId>) {
            threads.lock().unwrap().clear();
            let known = Known::new(sql, &["n"], 0);
            let rows = db.fetch(&Session::system(), &known, Vec::new()).await;
            (rows.unwrap(), threads.lock().unwrap().clone())
        };
        let here = thread::current().id();
        let (rows, ran_on) = read("select 1 as n").await;
        assert_eq!((rows, ran_on), (vec![json!({ "n": 1 })], vec![here]));
        let (rows, ran_on) = read(LONG).await;
        assert_eq!(rows, [json!({ "n": 300_000 })]);
        // It began here, where others would have had to wait for it.
        assert_eq!((ran_on.len(), ran_on[0]), (2, here));
        assert_ne!(ran_on[1], here);
        db.close().await;
        std::fs::remove_dir_all(folder).unwrap();
    }
}
