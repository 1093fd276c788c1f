//! Running statements: reads as one SQLite statement, writes row by row with everything Postgres does to a row.

mod conflict;
mod ddl;
mod delete;
pub(crate) mod fetch;
mod foreign_keys;
mod function;
mod infer;
mod insert;
mod row;
pub(crate) mod script;
mod session;
mod update;

#[cfg(test)]
pub(crate) use infer::Inference;

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Names, Query, Statement, Transaction};
use plinth_sql::catalog::{Catalog, QName};
use plinth_sql::session::{RowColumn, RowSet, Session};
use plinth_sql::shape::{Answer, Write};
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use crate::changes::Change;
use crate::connection::{Conn, ParamValue, text_of, text_params};
use crate::engine::Shared;
use crate::error::{EngineError, Result};
use crate::state::ConnState;
use crate::translate;

/// The writer's side of the engine: one connection, the catalog as it will be when the transaction commits.
pub struct Tx {
    pub(crate) conn: Conn,
    shared: Arc<Shared>,
    pub(crate) catalog: Arc<Catalog>,
    committed: Arc<Catalog>,
    pub(crate) search_path: Vec<String>,
    pub(crate) changes: Vec<Change>,
    /// Checks of deferred constraints, made before the request is kept.
    pub(crate) deferred: Vec<foreign_keys::Deferred>,
    pub(crate) notices: Vec<SqlError>,
    savepoints: usize,
    /// Results of functions that run by themselves, by name: what `FROM f(…)` reads instead of calling.
    pub(crate) materialized: Vec<translate::Materialized>,
    /// Depth of functions that run by themselves.
    pub(crate) calls: usize,
    /// Names of those functions and of their arguments, which are `$1`, `$2`, ….
    pub(crate) arguments: Vec<(String, Vec<Option<String>>)>,
}

/// What a statement came to.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    pub(crate) columns: Vec<(String, ColumnType)>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) affected: u64,
    pub(crate) inserted: u64,
    pub(crate) tag: String,
    pub(crate) returns_rows: bool,
}

/// A place to come back to.
pub(crate) struct Mark {
    name: String,
    catalog: Arc<Catalog>,
    changes: usize,
    deferred: usize,
}

impl Tx {
    pub(crate) fn new(conn: Conn, shared: Arc<Shared>) -> Tx {
        let catalog = shared.catalog();
        Tx {
            conn,
            shared,
            committed: catalog.clone(),
            catalog,
            search_path: translate::default_search_path(),
            changes: Vec::new(),
            deferred: Vec::new(),
            notices: Vec::new(),
            savepoints: 0,
            materialized: Vec::new(),
            calls: 0,
            arguments: Vec::new(),
        }
    }

    /// Runs a write and writes its document.
    pub fn write(&mut self, write: &Write) -> Result<Answer, EngineError> {
        fetch::write(self, write)
    }

    /// Runs one statement; parameters and rows in Postgres's text form.
    pub fn execute(
        &mut self,
        statement: &Statement,
        params: &[Option<String>],
    ) -> Result<RowSet, EngineError> {
        let done = self.statement(statement, &text_params(params))?;
        row_set(done)
    }

    /// Runs a script within the open transaction; the spans of errors count from its start.
    pub fn script(&mut self, sql: &str) -> Result<Vec<SqlError>, EngineError> {
        script::within(self, sql)
    }

    /// Runs one statement in a savepoint of its own.
    pub(crate) fn statement(
        &mut self,
        statement: &Statement,
        params: &[ParamValue],
    ) -> Result<Executed> {
        if only_reads(statement) {
            return self.run(statement, params);
        }
        let mark = self.mark()?;
        match self.run(statement, params) {
            Ok(done) => {
                self.keep(mark)?;
                Ok(done)
            }
            Err(error) => {
                if !self.lost() {
                    self.undo(mark)?;
                }
                Err(error)
            }
        }
    }

    /// SQLite gives a transaction up on a full disk or an interrupt: nothing more may happen in its name.
    fn refuse_if_lost(&self) -> Result<()> {
        if self.lost() {
            return Err(EngineError::Internal("the transaction is gone".into()));
        }
        Ok(())
    }

    fn run(&mut self, statement: &Statement, params: &[ParamValue]) -> Result<Executed> {
        self.refuse_if_lost()?;
        if self.conn.out_of_time() {
            return Err(EngineError::Timeout);
        }
        match statement {
            Statement::Query(query) => self.query(query, params),
            Statement::Insert(insert) => self.insert(insert, params),
            Statement::Update(update) => self.update(update, params),
            Statement::Delete(delete) => self.delete(delete, params),
            Statement::Truncate(truncate) => self.truncate(truncate),
            Statement::Set(set) => self.set(set),
            Statement::Show(name) => self.show(name),
            Statement::NoOp(what) => {
                self.notices.push(SqlError::new(
                    "00000",
                    format!("{what} has no effect on the embedded engine"),
                ));
                Ok(Executed {
                    tag: what.clone(),
                    ..Executed::default()
                })
            }
            Statement::Transaction(transaction) => Err(transaction_refused(transaction).into()),
            Statement::Do { language, .. } => {
                Err(SqlError::unsupported(format!("DO with language {language}")).into())
            }
            Statement::Unsupported { what, hint, span } => {
                let error = SqlError::unsupported(what).at(*span);
                Err(match hint {
                    Some(hint) => error.hint(hint.clone()),
                    None => error,
                }
                .into())
            }
            Statement::CreateTable(_)
            | Statement::AlterTable(_)
            | Statement::CreateIndex(_)
            | Statement::CreateView(_)
            | Statement::CreateSequence(_)
            | Statement::AlterSequence(_)
            | Statement::CreateSchema(_)
            | Statement::CreateEnum(_)
            | Statement::AlterEnum(_)
            | Statement::CreateFunction(_)
            | Statement::CreateTrigger(_)
            | Statement::CreatePolicy(_)
            | Statement::AlterPolicy(_)
            | Statement::CreateRole(_)
            | Statement::AlterRole(_)
            | Statement::Drop(_)
            | Statement::Comment(_)
            | Statement::Grant(_)
            | Statement::AlterDefaultPrivileges(_) => self.ddl(statement),
        }
    }

    fn query(&mut self, query: &Query, params: &[ParamValue]) -> Result<Executed> {
        if let Some(done) = self.materialize_calls(query, params)? {
            return Ok(done);
        }
        let role = self.role();
        let mut translator = self.translator(&role, params);
        translator.lower_barrier();
        let mut out = translator.query(query, None)?;
        if translator.needs_barrier() {
            translator = self.translator(&role, params);
            out = translator.query(query, None)?;
        }
        let plan = translator.finish(out.sql, out.columns)?;
        let rows = self.conn.run(&plan, params, &[])?;
        self.follow_search_path();
        Ok(selected(plan.columns, rows))
    }

    /// `set_config('search_path', …)` means what `SET search_path` does.
    fn follow_search_path(&mut self) {
        let written = self
            .conn
            .state
            .session
            .lock()
            .settings
            .remove("search_path");
        if let Some(path) = written {
            self.search_path = session::search_path(&[path]);
        }
    }

    /// A translator for the session as it is now.
    pub(crate) fn translator(
        &self,
        role: &str,
        params: &[ParamValue],
    ) -> translate::Translator<'_> {
        let mut translator = translate::Translator::new(
            &self.catalog,
            role,
            &self.search_path,
            params.iter().map(ParamValue::ty).collect(),
        );
        translator.now = self.conn.state.session.lock().now;
        translator.materialized.clone_from(&self.materialized);
        if let Some((function, names)) = self.arguments.last() {
            translator.name_arguments(function, names);
        }
        translator.raise_barrier();
        translator
    }

    /// The role in effect.
    pub(crate) fn role(&self) -> String {
        self.conn.state.session.lock().role.clone()
    }

    /// What SQL functions share.
    pub(crate) fn state(&self) -> &Arc<ConnState> {
        &self.conn.state
    }

    // Transactions.

    /// Opens the transaction of a batch.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.conn.sqlite.execute_batch("BEGIN IMMEDIATE")?;
        self.catalog = self.committed.clone();
        self.conn.use_catalog(&self.catalog)?;
        self.changes.clear();
        self.deferred.clear();
        self.savepoints = 0;
        Ok(())
    }

    /// Commits; then the catalog and the changes are everyone's.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.refuse_if_lost()?;
        let dirty = self.shared.sequences.take_dirty();
        let saved = crate::store::save_sequences(&self.conn.sqlite, &dirty).and_then(|()| {
            if Arc::ptr_eq(&self.catalog, &self.committed) {
                Ok(())
            } else {
                crate::store::save(&self.conn.sqlite, &self.committed, &self.catalog)
            }
        });
        if let Err(error) = saved.and_then(|()| Ok(self.conn.sqlite.execute_batch("COMMIT")?)) {
            for (name, value) in dirty {
                self.shared
                    .sequences
                    .set(&name, value.last, value.called, true);
            }
            return Err(error);
        }
        if !Arc::ptr_eq(&self.catalog, &self.committed) {
            self.committed = self.catalog.clone();
            self.shared.publish(&self.committed);
        }
        self.changes.clear();
        Ok(())
    }

    /// Rolls everything back.
    pub(crate) fn abandon(&mut self) {
        if !self.lost() {
            let rolled_back = self.conn.sqlite.execute_batch("ROLLBACK");
            if let Err(error) = rolled_back {
                tracing::error!(%error, "a transaction could not be rolled back");
            }
        }
        self.catalog = self.committed.clone();
        if let Err(error) = self.conn.use_catalog(&self.catalog) {
            tracing::error!(%error, "the catalog could not be restored");
        }
        self.changes.clear();
        self.deferred.clear();
        self.savepoints = 0;
    }

    /// Whether SQLite itself gave up the transaction (an interrupt, a full disk).
    pub(crate) fn lost(&self) -> bool {
        self.conn.sqlite.is_autocommit()
    }

    /// A savepoint.
    pub(crate) fn mark(&mut self) -> Result<Mark> {
        self.refuse_if_lost()?;
        self.savepoints += 1;
        let name = format!("p{}", self.savepoints);
        self.conn
            .sqlite
            .prepare_cached(&format!("SAVEPOINT {name}"))?
            .execute([])?;
        Ok(Mark {
            name,
            catalog: self.catalog.clone(),
            changes: self.changes.len(),
            deferred: self.deferred.len(),
        })
    }

    /// Keeps what was done since the mark.
    pub(crate) fn keep(&mut self, mark: Mark) -> Result<()> {
        self.savepoints -= 1;
        self.conn
            .sqlite
            .prepare_cached(&format!("RELEASE {}", mark.name))?
            .execute([])?;
        Ok(())
    }

    /// Undoes what was done since the mark.
    pub(crate) fn undo(&mut self, mark: Mark) -> Result<()> {
        self.conn
            .sqlite
            .prepare_cached(&format!("ROLLBACK TO {}", mark.name))?
            .execute([])?;
        self.changes.truncate(mark.changes);
        self.deferred.truncate(mark.deferred);
        if !Arc::ptr_eq(&self.catalog, &mark.catalog) {
            self.catalog = mark.catalog.clone();
            self.conn.use_catalog(&mark.catalog)?;
        }
        self.keep(mark)
    }

    /// Begins a session on the writer.
    pub(crate) fn begin_session(&mut self, session: &Session) -> Result<()> {
        self.search_path = translate::default_search_path();
        self.notices.clear();
        self.materialized.clear();
        self.calls = 0;
        self.arguments.clear();
        let catalog = self.catalog.clone();
        self.conn
            .begin_session(session, (self.shared.clock)(), &catalog)
    }

    /// Gives the session's whole time to what comes next.
    pub(crate) fn renew_deadline(&self, session: &Session) {
        self.conn.renew_deadline(session);
    }

    /// Ends it.
    pub(crate) fn end_session(&mut self) {
        self.conn.end_session();
    }

    /// Makes a new catalog the transaction's.
    pub(crate) fn set_catalog(&mut self, catalog: Catalog) -> Result<()> {
        self.catalog = Arc::new(catalog);
        self.conn.use_catalog(&self.catalog)
    }

    /// Closes the file: the write-ahead log is folded in.
    pub(crate) fn close(&mut self) {
        let folded = self
            .conn
            .sqlite
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = folded {
            tracing::warn!(%error, "the write-ahead log could not be folded in; it will be at the next start");
        }
    }

    /// Sequences, shared with the functions.
    pub(crate) fn sequences(&self) -> &crate::state::Sequences {
        &self.shared.sequences
    }
}

/// Runs one reading statement on a reader.
pub(crate) fn query_rows(
    conn: &Conn,
    catalog: &Arc<Catalog>,
    role: &str,
    statement: &Statement,
    params: &[ParamValue],
) -> Result<RowSet> {
    let Statement::Query(query) = statement else {
        return Err(SqlError::new(
            "25006",
            "cannot execute this statement in a read-only transaction",
        )
        .into());
    };
    let types = params.iter().map(ParamValue::ty).collect();
    let plan = translate::query(
        catalog,
        role,
        &translate::default_search_path(),
        types,
        query,
    )?;
    let rows = conn.run(&plan, params, &[])?;
    row_set(selected(plan.columns, rows))
}

fn selected(columns: Vec<(String, ColumnType)>, rows: Vec<Vec<Value>>) -> Executed {
    let affected = rows.len() as u64;
    Executed {
        columns,
        rows,
        affected,
        inserted: 0,
        tag: format!("SELECT {affected}"),
        returns_rows: true,
    }
}

/// Rows in text form.
pub(crate) fn row_set(done: Executed) -> Result<RowSet> {
    let mut rows = Vec::with_capacity(done.rows.len());
    for row in &done.rows {
        let mut texts = Vec::with_capacity(row.len());
        for (value, (_, ty)) in row.iter().zip(&done.columns) {
            texts.push(text_of(&ty.ty, value)?);
        }
        rows.push(texts);
    }
    let columns = done
        .columns
        .into_iter()
        .map(|(name, ty)| RowColumn { name, ty: ty.ty })
        .collect();
    Ok(RowSet {
        columns,
        rows,
        affected: done.affected,
        tag: done.tag,
        returns_rows: done.returns_rows,
    })
}

/// Whether a statement only reads: a query that calls nothing but built-in functions that do not write. Users'
/// functions count as writing here, because only the catalog knows better.
pub(crate) fn only_reads(statement: &Statement) -> bool {
    let Statement::Query(query) = statement else {
        return false;
    };
    let changes = query
        .with
        .iter()
        .flat_map(|with| &with.ctes)
        .any(|cte| !matches!(*cte.body, Statement::Query(_)));
    !changes
        && Names::of_query(query)
            .functions
            .iter()
            .all(translate::is_harmless)
}

fn transaction_refused(transaction: &Transaction) -> SqlError {
    let what = match transaction {
        Transaction::Begin { .. } => "BEGIN",
        Transaction::Commit => "COMMIT",
        Transaction::Rollback => "ROLLBACK",
        Transaction::Savepoint(_) => "SAVEPOINT",
        Transaction::Release(_) => "RELEASE",
        Transaction::RollbackTo(_) => "ROLLBACK TO",
    };
    SqlError::new(
        "2D000",
        format!("{what} is not allowed inside this transaction"),
    )
    .hint(
        "Put `-- plinth: no-transaction` on the first line of a migration that commits by itself.",
    )
}

/// `42703` for a target column.
pub(crate) fn no_target_column(column: &str, table: &QName) -> SqlError {
    SqlError::new(
        "42703",
        format!(
            "column \"{column}\" of relation \"{}\" does not exist",
            table.name
        ),
    )
}
