//! Running statements: reads as one SQLite statement, writes row by row with everything Postgres does to a row.

mod conflict;
mod ddl;
mod deferred;
mod delete;
mod document;
mod expression;
pub(crate) mod fetch;
mod foreign_keys;
mod function;
mod infer;
mod insert;
mod kept;
mod past;
pub(crate) mod plpgsql;
mod row;
pub(crate) mod script;
mod session;
pub(crate) mod transaction;
mod trigger;
mod update;
mod within;

pub(crate) use deferred::Deferred;
pub(crate) use function::call;
#[cfg(test)]
pub(crate) use infer::Inference;
pub(crate) use kept::Kept;
pub(crate) use row::bound_row;
pub(crate) use session::is_harmless;
pub use transaction::Tx;

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Names, Query, Statement, Transaction};
use plinth_sql::catalog::{Catalog, QName};
use plinth_sql::session::{RowColumn, RowSet};
use plinth_sql::shape::StatementId;
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use crate::connection::{Conn, Params, text_of};
use crate::error::{EngineError, Result};
use crate::settings::SettingsMark;
use crate::state::{ConnState, Work};
use crate::translate::{self, Calls, Plan, calls_of};

/// Runs statements on one connection, for the session that the connection is in.
///
/// It is made anew for each function that a statement calls, so what must outlive it is in the connection's
/// [`ConnState`].
#[derive(Clone)]
pub(crate) struct Executor {
    pub(crate) conn: Conn,
    /// The catalog as it will be when the transaction commits.
    pub(crate) catalog: Arc<Catalog>,
    /// It asks for no privileges and runs nothing: it finds what else is wrong with a statement, which Postgres tells first.
    is_judge: bool,
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
    settings: SettingsMark,
    changes: usize,
    deferred: usize,
}

impl Executor {
    pub(crate) fn new(conn: Conn, catalog: Arc<Catalog>) -> Executor {
        Executor {
            conn,
            catalog,
            is_judge: false,
        }
    }

    /// An executor for what is called on a connection while a statement runs on it.
    pub(crate) fn within(conn: Conn) -> Executor {
        let catalog = conn.state.catalog.read().clone();
        Executor::new(conn, catalog)
    }

    /// Runs one statement in a savepoint of its own.
    pub(crate) fn statement(&mut self, statement: &Statement, params: &Params) -> Result<Executed> {
        if only_reads(statement) {
            return self.run(statement, params, None);
        }
        self.marked(|exec, _| exec.run(statement, params, None))
    }

    /// Does something after a mark, which is kept when it succeeds and gone back to when it fails.
    fn marked<T>(&mut self, work: impl FnOnce(&mut Executor, &Mark) -> Result<T>) -> Result<T> {
        let mark = self.mark()?;
        match work(self, &mark) {
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
        if self.is_judge {
            return Err(EngineError::Internal("a judge runs nothing".into()));
        }
        if self.lost() {
            return Err(EngineError::Internal("the transaction is gone".into()));
        }
        Ok(())
    }

    /// Runs a statement. It may leave something behind when it fails, so whoever calls this has a savepoint.
    fn run(
        &mut self,
        statement: &Statement,
        params: &Params,
        id: Option<StatementId>,
    ) -> Result<Executed> {
        self.refuse_unless_runnable(statement)?;
        match statement {
            Statement::Query(query) => self.query(query, params),
            Statement::Insert(insert) => {
                let plan = self.plan_insert(insert, params, id)?;
                self.run_insert(&plan, params)
            }
            Statement::Update(update) => {
                let plan = self.plan_update(update, params)?;
                self.run_update(&plan, params)
            }
            Statement::Delete(delete) => {
                let plan = self.plan_delete(delete, params)?;
                self.run_delete(&plan, params)
            }
            Statement::Truncate(truncate) => self.truncate(truncate),
            Statement::Set(set) => self.set(set),
            Statement::Show(name) => self.show(name),
            Statement::NoOp(what) => {
                self.notice(SqlError::new(
                    "00000",
                    format!("{what} has no effect on the embedded engine"),
                ));
                Ok(Executed {
                    tag: what.clone(),
                    ..Executed::default()
                })
            }
            Statement::Transaction(transaction) => Err(transaction_refused(transaction).into()),
            Statement::Do { language, body } => self.run_block(language, body),
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

    fn refuse_unless_runnable(&self, statement: &Statement) -> Result<()> {
        self.refuse_if_lost()?;
        if self.conn.out_of_time() {
            return Err(EngineError::Timeout);
        }
        if self.state().read_only
            && let Some(verb) = written_by(statement)
        {
            return Err(SqlError::new(
                "25006",
                format!("cannot execute {verb} in a read-only transaction"),
            )
            .into());
        }
        Ok(())
    }

    fn query(&mut self, query: &Query, params: &Params) -> Result<Executed> {
        let plan = self.plan_query(query, params, false)?;
        let rows = self.conn.run(&plan, params, &[])?;
        self.follow_catalog();
        Ok(selected(plan.columns, rows))
    }

    /// The plan of a query: a document's, or one that is run as it stands.
    fn plan_query(&self, query: &Query, params: &Params, of_document: bool) -> Result<Plan> {
        let role = self.role();
        let mut translator = self.translator(&role, params);
        translator.lower_barrier();
        let calls = match of_document {
            true => calls_of(&translator, query),
            false => Calls::InPlace,
        };
        translator.calls.clone_from(&calls);
        let mut out = translator.query(query, None)?;
        if translator.needs_barrier() {
            translator = self.translator(&role, params);
            translator.calls = calls;
            out = translator.query(query, None)?;
        }
        Ok(translator.finish(out.sql, out.columns)?)
    }

    /// `DO`.
    fn run_block(&mut self, language: &str, body: &str) -> Result<Executed> {
        if language != "plpgsql" {
            return Err(SqlError::unsupported(format!("DO with language {language}")).into());
        }
        let body = plinth_sql::parse::plpgsql(body).map_err(|mut error| {
            error.span = None;
            error
        })?;
        self.run_do(&body)?;
        Ok(Executed {
            tag: "DO".to_owned(),
            ..Executed::default()
        })
    }

    /// A function that was called may have changed the schema.
    pub(crate) fn follow_catalog(&mut self) {
        let catalog = self.state().catalog.read().clone();
        self.catalog = catalog;
    }

    /// A translator for the session as it is now.
    pub(crate) fn translator(&self, role: &str, params: &Params) -> translate::Translator<'_> {
        let path = self.path_as_set();
        let mut translator = translate::Translator::new(&self.catalog, role, &path, params.types());
        if let Some(names) = &params.names {
            translator.name_variables(names);
        }
        {
            let session = self.conn.state.session.lock();
            translator.now = session.now;
            translator.row_security_off = !session.settings.row_security();
        }
        translator.raise_barrier();
        translator.defining = self.is_judge;
        translator
    }

    /// The role in effect.
    pub(crate) fn role(&self) -> String {
        self.conn.state.session.lock().settings.role().to_owned()
    }

    /// What SQL functions share.
    pub(crate) fn state(&self) -> &Arc<ConnState> {
        &self.conn.state
    }

    /// Where names without a schema are looked for: what is open to the role of the path that is set.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let session = self.state().session.lock();
        let settings = &session.settings;
        self.catalog
            .open_path(settings.role(), settings.search_path())
    }

    /// The search path as it was set.
    pub(crate) fn path_as_set(&self) -> Vec<String> {
        self.state().session.lock().settings.search_path().to_vec()
    }

    /// What the transaction has gathered so far.
    pub(crate) fn work(&self) -> parking_lot::MutexGuard<'_, Work> {
        self.conn.state.work.lock()
    }

    /// Tells the caller something that is no error.
    pub(crate) fn notice(&self, notice: SqlError) {
        self.work().notices.push(notice);
    }

    /// Whether SQLite itself gave up the transaction (an interrupt, a full disk).
    pub(crate) fn lost(&self) -> bool {
        self.conn.sqlite().is_autocommit()
    }

    /// A savepoint.
    pub(crate) fn mark(&mut self) -> Result<Mark> {
        self.refuse_if_lost()?;
        let name = {
            let mut work = self.work();
            work.savepoints += 1;
            format!("p{}", work.savepoints)
        };
        self.conn
            .sqlite()
            .prepare_cached(&format!("SAVEPOINT {name}"))?
            .execute([])?;
        let settings = self.state().session.lock().settings.mark();
        let work = self.work();
        Ok(Mark {
            name,
            catalog: self.catalog.clone(),
            settings,
            changes: work.changes.len(),
            deferred: work.deferred.len(),
        })
    }

    /// Keeps what was done since the mark.
    pub(crate) fn keep(&mut self, mark: Mark) -> Result<()> {
        self.work().savepoints -= 1;
        self.conn
            .sqlite()
            .prepare_cached(&format!("RELEASE {}", mark.name))?
            .execute([])?;
        Ok(())
    }

    /// Undoes what was done since the mark.
    pub(crate) fn undo(&mut self, mark: Mark) -> Result<()> {
        self.conn
            .sqlite()
            .prepare_cached(&format!("ROLLBACK TO {}", mark.name))?
            .execute([])?;
        {
            let mut work = self.work();
            work.changes.truncate(mark.changes);
            work.deferred.truncate(mark.deferred);
        }
        self.state().session.lock().settings.undo(&mark.settings);
        if !Arc::ptr_eq(&self.catalog, &mark.catalog) {
            self.catalog = mark.catalog.clone();
            self.conn.use_catalog(&mark.catalog)?;
        }
        self.keep(mark)
    }

    /// Makes a new catalog the transaction's.
    pub(crate) fn set_catalog(&mut self, catalog: Catalog) -> Result<()> {
        self.catalog = Arc::new(catalog);
        self.conn.use_catalog(&self.catalog)
    }

    /// Sequences, shared with the functions.
    pub(crate) fn sequences(&self) -> &crate::state::Sequences {
        &self.state().sequences
    }
}

/// Runs one reading statement on a reader.
pub(crate) fn query_rows(
    conn: &Conn,
    catalog: &Arc<Catalog>,
    role: &str,
    statement: &Statement,
    params: &Params,
) -> Result<RowSet> {
    let Statement::Query(query) = statement else {
        return Err(SqlError::new(
            "25006",
            "cannot execute this statement in a read-only transaction",
        )
        .into());
    };
    let types = params.types();
    let now = conn.state.session.lock().now;
    let plan = translate::query(
        catalog,
        role,
        &translate::default_search_path(),
        types,
        query,
        now,
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

/// The verb of a statement that writes.
fn written_by(statement: &Statement) -> Option<&'static str> {
    Some(match statement {
        Statement::Query(_)
        | Statement::Set(_)
        | Statement::Show(_)
        | Statement::Do { .. }
        | Statement::NoOp(_)
        | Statement::Transaction(_)
        | Statement::Unsupported { .. } => return None,
        Statement::Insert(_) => "INSERT",
        Statement::Update(_) => "UPDATE",
        Statement::Delete(_) => "DELETE",
        Statement::Truncate(_) => "TRUNCATE TABLE",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::AlterTable(_) => "ALTER TABLE",
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::CreateView(_) => "CREATE VIEW",
        Statement::CreateSequence(_) => "CREATE SEQUENCE",
        Statement::AlterSequence(_) => "ALTER SEQUENCE",
        Statement::CreateSchema(_) => "CREATE SCHEMA",
        Statement::CreateEnum(_) => "CREATE TYPE",
        Statement::AlterEnum(_) => "ALTER TYPE",
        Statement::CreateFunction(_) => "CREATE FUNCTION",
        Statement::CreateTrigger(_) => "CREATE TRIGGER",
        Statement::CreatePolicy(_) => "CREATE POLICY",
        Statement::AlterPolicy(_) => "ALTER POLICY",
        Statement::CreateRole(_) => "CREATE ROLE",
        Statement::AlterRole(_) => "ALTER ROLE",
        Statement::Drop(_) => "DROP",
        Statement::Comment(_) => "COMMENT",
        Statement::Grant(_) => "GRANT",
        Statement::AlterDefaultPrivileges(_) => "ALTER DEFAULT PRIVILEGES",
    })
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
