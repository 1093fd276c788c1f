//! The writer's transactions: what several requests did becomes everyone's at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plinth_sql::SqlError;
use plinth_sql::ast::Statement;
use plinth_sql::catalog::Catalog;
use plinth_sql::session::{RowSet, Session};
use plinth_sql::shape::{Answer, Filled, Write};

use super::within::Pin;
use super::{Executor, fetch, row_set, script};
use crate::connection::{Conn, Params};
use crate::engine::Shared;
use crate::error::{EngineError, Result};
use crate::settings::SettingsMark;

/// The writer's side of the engine: an executor that may commit.
pub struct Tx {
    pub(crate) exec: Executor,
    shared: Arc<Shared>,
    committed: Arc<Catalog>,
    /// The session's settings as the transaction found them.
    began: SettingsMark,
    /// What the last commit took, its sync included.
    last_commit: Duration,
}

impl Tx {
    pub(crate) fn new(conn: Conn, shared: Arc<Shared>) -> Tx {
        let catalog = shared.catalog();
        Tx {
            exec: Executor::new(conn, catalog.clone()),
            shared,
            committed: catalog,
            began: SettingsMark::default(),
            last_commit: Duration::ZERO,
        }
    }

    /// Runs a write and writes its document.
    pub fn write(&mut self, write: &Filled<Write>) -> Result<Answer, EngineError> {
        fetch::write(&mut self.exec, write)
    }

    /// Runs one statement; parameters and rows in Postgres's text form. The same one is planned once.
    pub fn execute(
        &mut self,
        statement: &Arc<Statement>,
        params: &[Option<String>],
    ) -> Result<RowSet, EngineError> {
        let pin = Pin::Statement(Arc::clone(statement));
        let params = Params::texts(params);
        let done = self.exec.statement_within(&pin, statement, &params)?;
        row_set(done)
    }

    /// Runs a script within the open transaction; the spans of errors count from its start.
    pub fn script(&mut self, sql: &str) -> Result<Vec<SqlError>, EngineError> {
        script::within(&mut self.exec, sql)
    }

    /// Opens the transaction of a batch.
    pub(crate) fn begin(&mut self) -> Result<()> {
        let exec = &mut self.exec;
        self.shared.readers.writer_begins();
        let begun = exec.conn.sqlite().execute_batch("BEGIN IMMEDIATE");
        if let Err(error) = begun {
            self.shared.readers.writer_ends(false);
            return Err(error.into());
        }
        exec.catalog = self.committed.clone();
        exec.conn.use_catalog(&exec.catalog)?;
        exec.work().forget();
        self.shared.sequences.begin();
        self.began = exec.state().session.lock().settings.mark();
        Ok(())
    }

    /// Commits; then the catalog and the changes are everyone's.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let exec = &mut self.exec;
        exec.refuse_if_lost()?;
        let sqlite = exec.conn.sqlite();
        let dirty = self.shared.sequences.take_dirty();
        let saved = crate::store::save_sequences(&sqlite, &dirty).and_then(|()| {
            if Arc::ptr_eq(&exec.catalog, &self.committed) {
                Ok(())
            } else {
                crate::store::save(&sqlite, &self.committed, &exec.catalog)
            }
        });
        let began = Instant::now();
        let committed = saved.and_then(|()| Ok(sqlite.execute_batch("COMMIT")?));
        self.last_commit = began.elapsed();
        if let Err(error) = committed {
            for (name, value) in dirty {
                self.shared
                    .sequences
                    .set(&name, value.last, value.called, true);
            }
            return Err(error);
        }
        drop(sqlite);
        if !Arc::ptr_eq(&exec.catalog, &self.committed) {
            self.committed = exec.catalog.clone();
            self.shared.publish(&self.committed);
        }
        self.shared.readers.writer_ends(true);
        exec.work().forget();
        exec.state().session.lock().settings.commit();
        Ok(())
    }

    /// What the last commit took, its sync included.
    pub(crate) fn last_commit(&self) -> Duration {
        self.last_commit
    }

    /// Whether the log should be folded into the file soon.
    pub(crate) fn log_is_long(&self) -> bool {
        self.exec.conn.log_is_long()
    }

    /// Folds the log into the file.
    pub(crate) fn fold_log(&mut self) {
        self.shared.readers.writer_begins();
        if let Err(error) = self.exec.conn.fold_log() {
            tracing::warn!(%error, "the write-ahead log could not be folded in; it is tried again");
        }
        self.shared.readers.writer_ends(false);
    }

    /// Rolls everything back.
    pub(crate) fn abandon(&mut self) {
        let exec = &mut self.exec;
        if !exec.lost() {
            let rolled_back = exec.conn.sqlite().execute_batch("ROLLBACK");
            if let Err(error) = rolled_back {
                tracing::error!(%error, "a transaction could not be rolled back");
            }
        }
        self.shared.readers.writer_ends(false);
        exec.catalog = self.committed.clone();
        if let Err(error) = exec.conn.use_catalog(&exec.catalog) {
            tracing::error!(%error, "the catalog could not be restored");
        }
        exec.work().forget();
        exec.state().session.lock().settings.undo(&self.began);
    }

    /// Rolls everything back that will be run again.
    pub(crate) fn take_back(&mut self) {
        self.abandon();
        self.shared.sequences.take_back();
    }

    /// Begins a session on the writer.
    pub(crate) fn begin_session(&mut self, session: &Session) -> Result<()> {
        let exec = &mut self.exec;
        exec.work().notices.clear();
        let catalog = exec.catalog.clone();
        let now = (self.shared.clock)();
        exec.conn.begin_session(session, now, &catalog)
    }

    /// Gives the session's whole time to what comes next.
    pub(crate) fn renew_deadline(&self, session: &Session) {
        self.exec.conn.renew_deadline(session);
    }

    /// Ends it.
    pub(crate) fn end_session(&mut self) {
        self.exec.conn.end_session();
    }

    /// Closes the file: the write-ahead log is folded in.
    pub(crate) fn close(&mut self) {
        self.shared.readers.writer_begins();
        let folded = self
            .exec
            .conn
            .sqlite()
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = folded {
            tracing::warn!(%error, "the write-ahead log could not be folded in; it will be at the next start");
        }
    }
}
