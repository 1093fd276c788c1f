//! Transactions of several statements, and single statements with text in and out.

use std::sync::Arc;
use std::time::Duration;

use plinth_sql::SqlError;
use plinth_sql::ast::Statement;
use plinth_sql::session::{RowSet, Session};
use tokio::runtime::Handle;
use tokio_postgres::SimpleQueryMessage;

use crate::engine::{Engine, in_time, refuses_writes};
use crate::error::{self, EngineError, Result};
use crate::pool::Lease;
use crate::session::{RESET, Settings};
use crate::{script, suspects, text};

/// How often a transaction that met another one is tried before it is given up.
const TRIES: u32 = 30;
/// The longest pause before the next try; a part of it by chance, so that two that met do not meet again.
const PAUSE: Duration = Duration::from_millis(20);

/// One transaction. Its methods wait for the server, so its work has a thread of its own.
pub struct Tx {
    pub(crate) lease: Lease,
    engine: Engine,
    runtime: Handle,
    /// It changed the schema, or may have.
    pub(crate) changed: bool,
    /// It met another transaction, and nothing but running it again will help.
    conflict: bool,
    /// It ran a script, which may have set what outlasts it.
    scripted: bool,
    /// The server went away, or takes no writes any more.
    lost: Option<EngineError>,
    /// Longest a statement may take.
    session: Session,
}

impl Engine {
    /// Runs `work` in one transaction, as if no other ran beside it; it runs again when others did.
    pub async fn transaction<T, E, F>(&self, session: &Session, work: F) -> Result<T, E>
    where
        F: Fn(&mut Tx) -> Result<T, E> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<EngineError> + Send + 'static,
    {
        let work = Arc::new(work);
        for attempt in 1.. {
            let begun = self.begin(session).await;
            self.0.outage.note(&begun);
            let mut tx = begun?;
            let running = work.clone();
            let ran = tokio::task::spawn_blocking(move || {
                let result = running(&mut tx);
                (tx, result)
            });
            let (tx, result) = ran
                .await
                .map_err(|error| EngineError::Internal(error.to_string()))?;
            let Tx {
                mut lease,
                conflict,
                changed,
                scripted,
                lost,
                ..
            } = tx;
            let mut conflict = conflict;
            let result = match result {
                Ok(value) if !conflict => {
                    let end = match scripted {
                        true => format!("commit; {RESET}"),
                        false => "commit".to_owned(),
                    };
                    if scripted {
                        lease.use_up();
                    }
                    let committed = async { Ok(lease.client.batch_execute(&end).await?) };
                    let committed = in_time(&lease, session, committed).await;
                    conflict = committed.as_ref().err().is_some_and(is_conflict);
                    let finished = self.finish_write(lease, committed).await;
                    self.0.outage.note(&finished);
                    match finished {
                        Ok(()) => {
                            if changed {
                                self.refresh().await?;
                            }
                            return Ok(value);
                        }
                        Err(error) => Err(E::from(error)),
                    }
                }
                other => {
                    // Left unsettled, it is rolled back by whoever gets it next; a lost one is of no use to anybody.
                    if let Some(error) = lost {
                        self.0.outage.note::<()>(&Err(error));
                        lease.discard();
                    }
                    other
                }
            };
            if !conflict || attempt >= TRIES {
                return result;
            }
            tokio::time::sleep(PAUSE.mul_f64(chance())).await;
        }
        Err(EngineError::Busy.into())
    }

    /// Runs one statement; parameters and rows in PostgreSQL's text form.
    pub async fn query(
        &self,
        session: &Session,
        statement: &Statement,
        params: &[Option<String>],
    ) -> Result<RowSet, EngineError> {
        let sql = text::filled(statement, params)?;
        let messages = self.query_text(session, statement, &sql).await;
        self.0.outage.note(&messages);
        let set = text::results(messages?).into_iter().nth(2);
        Ok(tagged(set.unwrap_or_default(), &sql))
    }

    async fn query_text(
        &self,
        session: &Session,
        statement: &Statement,
        sql: &str,
    ) -> Result<Vec<SimpleQueryMessage>> {
        let lease = self.pool_for(session).lend().await?;
        let settings = Settings::of(session, lease.pooled()).as_sql(true)?;
        let whole = format!("begin; {settings}; {sql}\n; commit");
        let ran = async {
            let named = || suspects::of_statement(statement);
            let ran = lease.client.simple_query(&whole).await;
            ran.map_err(|error| self.failed(error, session, named))
        };
        let ran = in_time(&lease, session, ran).await;
        self.finish_write(lease, ran).await
    }

    async fn begin(&self, session: &Session) -> Result<Tx> {
        let lease = self.pool_for(session).lend().await?;
        let settings = Settings::of(session, lease.pooled()).as_sql(true)?;
        let begin = format!("begin isolation level serializable; {settings}");
        let opened = async { Ok(lease.client.batch_execute(&begin).await?) };
        if let Err(error) = in_time(&lease, session, opened).await {
            return self.finish(lease, Err(error));
        }
        Ok(Tx {
            lease,
            engine: self.clone(),
            runtime: Handle::current(),
            changed: false,
            conflict: false,
            scripted: false,
            lost: None,
            session: session.clone(),
        })
    }
}

impl Tx {
    /// Runs one statement; parameters and rows in PostgreSQL's text form. When it fails, what was done before it stands.
    pub fn execute(
        &mut self,
        statement: &Statement,
        params: &[Option<String>],
    ) -> Result<RowSet, EngineError> {
        let sql = text::filled(statement, params)?;
        let runtime = self.runtime.clone();
        runtime.block_on(self.kept_apart(statement, &sql))
    }

    /// Runs a script within the transaction; the spans of errors count from its start. Gives back the notices.
    pub fn script(&mut self, sql: &str) -> Result<Vec<SqlError>, EngineError> {
        let runtime = self.runtime.clone();
        self.scripted = true;
        let result = runtime.block_on(script::within(self, sql));
        self.note(&result);
        result
    }

    /// The same for one of our own scripts, which names roles: those belong to the server, and another database may have
    /// made them.
    pub fn setup_script(&mut self, sql: &str) -> Result<Vec<SqlError>, EngineError> {
        let runtime = self.runtime.clone();
        self.changed = true;
        let result = runtime.block_on(crate::roles::setup_script(self, sql));
        self.note(&result);
        result
    }

    /// One statement in a savepoint of its own.
    async fn kept_apart(&mut self, statement: &Statement, sql: &str) -> Result<RowSet> {
        let whole = format!("savepoint plinth; {sql}\n; release savepoint plinth");
        let ran = async {
            let named = || suspects::of_statement(statement);
            let ran = self.lease.client.simple_query(&whole).await;
            ran.map_err(|error| self.engine.failed(error, &self.session, named))
        };
        let ran = in_time(&self.lease, &self.session, ran).await;
        let result = match ran {
            Ok(messages) => {
                let set = text::results(messages)
                    .into_iter()
                    .nth(1)
                    .unwrap_or_default();
                Ok(tagged(set, sql))
            }
            Err(error) => {
                if !is_conflict(&error) && error.code().is_some() {
                    let back = "rollback to savepoint plinth; release savepoint plinth";
                    let back = async { Ok(self.lease.client.batch_execute(back).await?) };
                    in_time(&self.lease, &self.session, back).await?;
                }
                Err(error)
            }
        };
        self.note(&result);
        result
    }

    /// The statement as it stands, its errors placed in the script around it.
    pub(crate) async fn plain(&mut self, sql: &str, start: usize) -> Result<RowSet> {
        let ran = async {
            let ran = self.lease.client.simple_query(sql).await;
            ran.map_err(|error| error::placed(error, sql, 0, start))
        };
        let messages = in_time(&self.lease, &self.session, ran).await?;
        let set = text::results(messages).pop().unwrap_or_default();
        Ok(tagged(set, sql))
    }

    fn note<T>(&mut self, result: &Result<T>) {
        let Err(error) = result else {
            return;
        };
        self.conflict |= is_conflict(error);
        if error.is_away() || refuses_writes(error) {
            self.lost = Some(error.clone());
        }
    }
}

/// A result with the tag that the server gave it.
pub(crate) fn tagged(set: RowSet, sql: &str) -> RowSet {
    RowSet {
        tag: text::tag(sql, set.affected),
        ..set
    }
}

/// Whether a transaction failed only because others ran beside it.
fn is_conflict(error: &EngineError) -> bool {
    matches!(error.code(), Some("40001" | "40P01"))
}

/// Between 0 and 1.
fn chance() -> f64 {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    f64::from(nanos % 1000) / 1000.0
}
