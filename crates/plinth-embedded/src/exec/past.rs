//! The rows as they were before a statement: what Postgres shows in all of a statement's parts, whatever the statement itself
//! changes.

use std::sync::Arc;

use plinth_sql::catalog::Relation;

use super::row::{changed_places, insert_text};
use super::{Executor, Mark};
use crate::changes::{Change, ChangeKind};
use crate::connection::quoted_table;
use crate::error::{EngineError, Result};

impl Executor {
    /// Whether rows were changed since in any relation that is looked at.
    pub(super) fn changed_since(&self, mark: &Mark, looked_at: impl Fn(&Relation) -> bool) -> bool {
        let work = self.work();
        let mut later = work.changes.iter().skip(mark.changes);
        later.any(|change| looked_at(&change.table))
    }

    /// Looks at the rows as they were at the mark; what was done to them since is undone for that long. A schema that is
    /// another by now is not: then the rows are looked at as they are.
    ///
    /// What the transaction has noted beside its rows (deferred checks, numbers of sequences, settings) stays as it is.
    pub(super) fn as_of<T>(
        &mut self,
        mark: &Mark,
        look: impl FnOnce(&mut Executor) -> Result<T>,
    ) -> Result<T> {
        if !Arc::ptr_eq(&self.catalog, &mark.catalog) {
            return look(self);
        }
        let known = self.work().changes.len();
        self.take_rows_back(mark)?;
        let seen = look(self)?;
        if self.work().changes.len() > known {
            // A function changed rows while it looked: that comes last.
            self.take_rows_back(mark)?;
        }
        let later = self.work().changes[mark.changes..].to_vec();
        for change in &later {
            self.redo(change)?;
        }
        Ok(seen)
    }

    fn take_rows_back(&self, mark: &Mark) -> Result<()> {
        let sqlite = self.conn.sqlite();
        let mut back = sqlite.prepare_cached(&format!("ROLLBACK TO {}", mark.name))?;
        back.execute([])?;
        Ok(())
    }

    /// Does again to the file what was done to a row.
    fn redo(&self, change: &Change) -> Result<()> {
        let table = &change.table;
        let sqlite = self.conn.sqlite();
        let done = match (change.kind, &change.old, &change.new) {
            (ChangeKind::Insert, _, Some(new)) => sqlite
                .prepare_cached(&insert_text(table))?
                .execute(rusqlite::params_from_iter(new.iter()))?,
            (ChangeKind::Update, Some(old), Some(new)) => {
                drop(sqlite);
                match changed_places(old, new).as_slice() {
                    [] => 1,
                    changed => self.write_values(table, change.key, new, changed)?,
                }
            }
            (ChangeKind::Delete, ..) => sqlite
                .prepare_cached(&format!(
                    "DELETE FROM {} WHERE rowid = ?1",
                    quoted_table(table)
                ))?
                .execute([change.key])?,
            (ChangeKind::Truncate, ..) => {
                sqlite.execute(&format!("DELETE FROM {}", quoted_table(table)), [])?;
                1
            }
            (ChangeKind::Insert | ChangeKind::Update, ..) => 0,
        };
        if done != 1 {
            return Err(EngineError::Internal("a change could not be redone".into()));
        }
        Ok(())
    }
}
