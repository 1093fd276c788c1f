//! Checks of foreign keys that wait for the commit.
//!
//! What waits knows its tables by their identity and its key by the places of its columns: all of them may be renamed while
//! it waits. Whatever would move the places is refused, as in Postgres.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{AlterAction, ObjectKind, ObjectName, Statement};
use plinth_sql::catalog::apply::Effect;
use plinth_sql::catalog::{Catalog, ForeignKey, Relation};
use rusqlite::types::Value;

use super::Executor;
use super::foreign_keys::places;
use crate::error::Result;

/// A check that waits until the request is about to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Deferred {
    /// The table whose row was written.
    table: u32,
    key: WaitingKey,
    /// The row as it was when its check was put off.
    row: Vec<Value>,
    what: Check,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The row refers to another, which must be there.
    Reference,
    /// The row is gone, and nothing may refer to it any more.
    Referenced,
}

/// A foreign key that may be renamed while its checks wait.
#[derive(Clone, Debug)]
struct WaitingKey {
    child: u32,
    constraint: String,
    places: Vec<usize>,
}

impl WaitingKey {
    fn new(child: &Relation, constraint: &str, key: &ForeignKey) -> WaitingKey {
        WaitingKey {
            child: child.oid,
            constraint: constraint.to_owned(),
            places: places(child, &key.columns),
        }
    }

    /// The key as it is now; none when it is gone.
    fn now(&self, catalog: &Catalog) -> Option<(Arc<Relation>, String, ForeignKey)> {
        let child = table(catalog, self.child)?;
        let found = child
            .foreign_keys()
            .filter(|(name, key)| {
                *name == self.constraint || places(child, &key.columns) == self.places
            })
            .max_by_key(|(name, _)| *name == self.constraint);
        let (name, key) = found?;
        Some((child.clone(), name.to_owned(), key.clone()))
    }
}

impl Executor {
    /// Puts off the check that a row finds what it refers to.
    pub(super) fn defer_reference(
        &self,
        child: &Relation,
        constraint: &str,
        key: &ForeignKey,
        row: &[Value],
    ) {
        self.work().deferred.push(Deferred {
            table: child.oid,
            key: WaitingKey::new(child, constraint, key),
            row: row.to_vec(),
            what: Check::Reference,
        });
    }

    /// Puts off the check that nothing refers to an old row any more.
    pub(super) fn defer_referenced(
        &self,
        parent: &Relation,
        child: &Relation,
        constraint: &str,
        key: &ForeignKey,
        old: &[Value],
    ) {
        self.work().deferred.push(Deferred {
            table: parent.oid,
            key: WaitingKey::new(child, constraint, key),
            row: old.to_vec(),
            what: Check::Referenced,
        });
    }

    /// Makes the checks that waited.
    pub(crate) fn check_deferred(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.work().deferred);
        for waiting in waiting {
            let Some((child, constraint, key)) = waiting.key.now(&self.catalog) else {
                continue;
            };
            match waiting.what {
                Check::Reference => {
                    self.check_reference(&child, &constraint, &key, &waiting.row)?;
                }
                Check::Referenced => {
                    if let Some(parent) = table(&self.catalog, waiting.table).cloned() {
                        let old = &waiting.row;
                        self.refuse_if_referenced(&parent, &child, &constraint, &key, old)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The row may have changed or gone since. What counts is whether any row has its key now.
    fn check_reference(
        &self,
        child: &Arc<Relation>,
        constraint: &str,
        key: &ForeignKey,
        row: &[Value],
    ) -> Result<()> {
        let own: Vec<(&str, &str)> = key
            .columns
            .iter()
            .map(|name| (name.as_str(), name.as_str()))
            .collect();
        let held = !self.matching(child, child, &own, row, true)?.is_empty();
        if held && !self.finds_parent(child, key, row)? {
            return Err(self.missing(child, constraint, key, row).into());
        }
        Ok(())
    }

    /// `55006` for a change of the schema that would pull a table away from under checks that wait.
    pub(super) fn refuse_while_waiting(
        &self,
        statement: &Statement,
        effects: &[Effect],
    ) -> Result<()> {
        if self.work().deferred.is_empty() {
            return Ok(());
        }
        let path = self.search_path();
        let named = |name: &ObjectName| self.catalog.relation(name, &path).cloned();
        match statement {
            Statement::AlterTable(alter)
                if alter.object == ObjectKind::Table && !alter.actions.iter().all(renames) =>
            {
                self.refuse_pending("ALTER TABLE", named(&alter.name))
            }
            Statement::CreateIndex(create) => {
                self.refuse_pending("CREATE INDEX", named(&create.table))
            }
            _ => effects.iter().try_for_each(|effect| match effect {
                Effect::DropTable(gone) => self.refuse_pending("DROP TABLE", Some(gone.clone())),
                _ => Ok(()),
            }),
        }
    }

    /// `55006` when checks of this table's rows wait.
    pub(super) fn refuse_pending(&self, verb: &str, table: Option<Arc<Relation>>) -> Result<()> {
        let Some(table) = table else { return Ok(()) };
        let work = self.work();
        if !work
            .deferred
            .iter()
            .any(|waiting| waiting.table == table.oid)
        {
            return Ok(());
        }
        Err(SqlError::new(
            "55006",
            format!(
                "cannot {verb} \"{}\" because it has pending trigger events",
                table.name.name
            ),
        )
        .into())
    }
}

/// What only gives another name moves no column.
fn renames(action: &AlterAction) -> bool {
    matches!(
        action,
        AlterAction::RenameTo(_)
            | AlterAction::RenameColumn { .. }
            | AlterAction::RenameConstraint { .. }
            | AlterAction::SetSchema(_)
    )
}

fn table(catalog: &Catalog, oid: u32) -> Option<&Arc<Relation>> {
    let mut all = catalog.relations.values();
    all.find(|relation| relation.oid == oid)
}
