//! Scripts: statement after statement, each in a transaction of its own unless the script says otherwise.

use plinth_sql::SqlError;
use plinth_sql::ast::{Span, Statement, Transaction};
use plinth_sql::session::{Outcome, RowSet, ScriptOptions, Session};

use super::{Executor, Tx, row_set};
use crate::connection::Params;
use crate::error::{EngineError, Result};

/// Where a script stands between its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every statement commits by itself.
    Autocommit,
    /// Inside `BEGIN`.
    Open,
    /// Inside `BEGIN`, after an error: only `ROLLBACK` gets out.
    Failed,
}

/// Runs a script by itself on the writer.
pub(crate) fn run(
    tx: &mut Tx,
    session: &Session,
    sql: &str,
    options: ScriptOptions,
    on: &mut dyn FnMut(Outcome),
) -> Result<()> {
    tx.begin_session(session)?;
    let one = options.single_transaction || options.check_only;
    let mut run = Run {
        state: State::Autocommit,
        savepoints: Vec::new(),
    };
    if one {
        tx.begin()?;
        run.state = State::Open;
    }
    let mut failed = false;
    for (place, range) in plinth_sql::parse::split(sql).into_iter().enumerate() {
        let text = &sql[range.clone()];
        tx.exec.work().notices.clear();
        // Each statement has the session's time for itself.
        tx.renew_deadline(session);
        let result = run
            .statement(tx, text)
            .map_err(|error| placed(error, range.start));
        let stop = result.is_err();
        failed |= stop;
        on(Outcome {
            statement: place,
            range,
            result,
            notices: std::mem::take(&mut tx.exec.work().notices),
        });
        if stop && (options.stop_on_error || one) {
            break;
        }
    }
    let finished = match run.state {
        State::Autocommit => Ok(()),
        State::Open if one && !failed && !options.check_only => {
            tx.exec.check_deferred().and_then(|()| tx.commit())
        }
        State::Open | State::Failed => {
            tx.abandon();
            Ok(())
        }
    };
    if finished.is_err() {
        tx.abandon();
    }
    tx.end_session();
    finished
}

/// Runs a script within the open transaction.
pub(crate) fn within(exec: &mut Executor, sql: &str) -> Result<Vec<SqlError>> {
    let mut notices = Vec::new();
    for range in plinth_sql::parse::split(sql) {
        exec.work().notices.clear();
        let statement = plinth_sql::parse::statement(&sql[range.clone()]);
        let done = statement
            .map_err(EngineError::from)
            .and_then(|statement| exec.statement(&statement, Params::NONE));
        notices.append(&mut exec.work().notices);
        done.map_err(|error| match error {
            EngineError::Sql(error) => shifted(*error, range.start).into(),
            other => other,
        })?;
    }
    Ok(notices)
}

struct Run {
    state: State,
    savepoints: Vec<(String, super::Mark)>,
}

impl Run {
    fn statement(&mut self, tx: &mut Tx, text: &str) -> Result<RowSet> {
        let statement = match plinth_sql::parse::statement(text) {
            Ok(statement) => statement,
            Err(error) => {
                self.fail();
                return Err(error.into());
            }
        };
        if let Statement::Transaction(transaction) = &statement {
            return self.transaction(tx, transaction);
        }
        match self.state {
            State::Failed => Err(aborted().into()),
            State::Open => {
                let done = tx.exec.statement(&statement, Params::NONE);
                if done.is_err() {
                    self.fail();
                }
                row_set(done?)
            }
            State::Autocommit => {
                tx.begin()?;
                let done = tx
                    .exec
                    .statement(&statement, Params::NONE)
                    .and_then(|done| tx.exec.check_deferred().map(|()| done))
                    .and_then(|done| tx.commit().map(|()| done));
                if done.is_err() {
                    tx.abandon();
                }
                row_set(done?)
            }
        }
    }

    fn fail(&mut self) {
        if self.state == State::Open {
            self.state = State::Failed;
        }
    }

    fn transaction(&mut self, tx: &mut Tx, transaction: &Transaction) -> Result<RowSet> {
        let tag = match (transaction, self.state) {
            (Transaction::Begin { .. }, State::Autocommit) => {
                tx.begin()?;
                self.state = State::Open;
                "BEGIN"
            }
            (Transaction::Begin { .. }, State::Open) => {
                tx.exec.notice(SqlError::new(
                    "25001",
                    "there is already a transaction in progress",
                ));
                "BEGIN"
            }
            (Transaction::Commit | Transaction::Rollback, State::Autocommit) => {
                tx.exec.notice(SqlError::new(
                    "25P01",
                    "there is no transaction in progress",
                ));
                if *transaction == Transaction::Commit {
                    "COMMIT"
                } else {
                    "ROLLBACK"
                }
            }
            (Transaction::Commit, State::Open) => {
                self.savepoints.clear();
                self.state = State::Autocommit;
                let done = tx.exec.check_deferred().and_then(|()| tx.commit());
                if done.is_err() {
                    tx.abandon();
                }
                done?;
                "COMMIT"
            }
            (Transaction::Rollback, _) | (Transaction::Commit, State::Failed) => {
                self.savepoints.clear();
                self.state = State::Autocommit;
                tx.abandon();
                "ROLLBACK"
            }
            (Transaction::Savepoint(name), State::Open) => {
                let mark = tx.exec.mark()?;
                self.savepoints.push((name.clone(), mark));
                "SAVEPOINT"
            }
            (Transaction::Release(name), State::Open) => {
                let place = self.place(name)?;
                let mut gone = self.savepoints.split_off(place);
                if !gone.is_empty() {
                    tx.exec.keep(gone.remove(0).1)?;
                }
                "RELEASE"
            }
            (Transaction::RollbackTo(name), State::Open | State::Failed) => {
                let place = self.place(name)?;
                let mut gone = self.savepoints.split_off(place);
                if !gone.is_empty() {
                    tx.exec.undo(gone.remove(0).1)?;
                }
                let mark = tx.exec.mark()?;
                self.savepoints.push((name.clone(), mark));
                self.state = State::Open;
                "ROLLBACK"
            }
            (
                Transaction::Savepoint(_) | Transaction::Release(_) | Transaction::RollbackTo(_),
                State::Autocommit,
            ) => {
                return Err(SqlError::new(
                    "25P01",
                    "SAVEPOINT can only be used in transaction blocks",
                )
                .into());
            }
            (_, State::Failed) => return Err(aborted().into()),
        };
        Ok(RowSet {
            tag: tag.to_owned(),
            ..RowSet::default()
        })
    }

    fn place(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|(known, _)| known == name)
            .ok_or_else(|| {
                SqlError::new("3B001", format!("savepoint \"{name}\" does not exist")).into()
            })
    }
}

fn aborted() -> SqlError {
    SqlError::new(
        "25P02",
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

/// An engine's error as a statement's outcome, counted from the start of the script.
fn placed(error: EngineError, start: usize) -> SqlError {
    shifted(error.into_sql(), start)
}

fn shifted(mut error: SqlError, start: usize) -> SqlError {
    let start = u32::try_from(start).unwrap_or(u32::MAX);
    if let Some(span) = &mut error.span {
        *span = Span {
            start: span.start.saturating_add(start),
            end: span.end.saturating_add(start),
        };
    }
    error
}
