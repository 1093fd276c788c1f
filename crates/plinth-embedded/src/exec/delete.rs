//! `DELETE` and `TRUNCATE`.

use std::collections::HashSet;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Delete, PolicyCommand, Truncate};
use plinth_sql::catalog::{Privilege, Relation};
use rusqlite::types::Value;

use super::foreign_keys::{Event, Followed, StatementKind};
use super::trigger::Happening;
use super::update::{Target, TargetText, target_columns};
use super::{Executed, Executor};
use crate::connection::Params;
use crate::error::Result;
use crate::translate::{Plan, Translator};

/// A delete, ready to run.
pub(crate) struct DeletePlan {
    relation: Arc<Relation>,
    target: Target,
    pub(super) returning: Option<Plan>,
}

impl DeletePlan {
    /// The plans that the statement's parameters go to.
    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        [&self.target.plan].into_iter().chain(&self.returning)
    }

    /// Whether it holds at any time: no constant like `'now'` is in it.
    pub(super) fn is_timeless(&self) -> bool {
        self.target.plan.timeless && self.returning.as_ref().is_none_or(|plan| plan.timeless)
    }
}

impl Executor {
    pub(crate) fn plan_delete(&self, delete: &Delete, params: &Params) -> Result<DeletePlan> {
        let role = self.role();
        let relation = self.writable(&delete.table, "delete from")?;
        let target = self.target(
            &relation,
            params,
            &role,
            PolicyCommand::Delete,
            &delete.returning,
            |translator, source| read_target(translator, &relation, source, delete),
            delete.alias.as_deref(),
        )?;
        let returning = self.returning(
            &relation,
            delete.alias.as_deref(),
            &delete.returning,
            params,
            &role,
            &target.others,
        )?;
        Ok(DeletePlan {
            relation,
            target,
            returning,
        })
    }

    pub(crate) fn run_delete(&mut self, plan: &DeletePlan, params: &Params) -> Result<Executed> {
        let DeletePlan {
            relation,
            target,
            returning,
        } = plan;
        let width = relation.columns.len();
        let what = Happening::Delete;
        self.before_statement(relation, what)?;
        let triggered = self.has_row_triggers(relation, what);
        let read = self.conn.run(&target.plan, params, &[])?;
        let mut seen = HashSet::new();
        let mut deleted = Vec::new();
        let mut shown = Vec::new();
        for mut row in read {
            if self.conn.out_of_time() {
                return Err(crate::EngineError::Timeout);
            }
            let Value::Integer(key) = row.remove(0) else {
                continue;
            };
            if !seen.insert(key) {
                continue;
            }
            let mut old = row;
            let rest = old.split_off(width);
            if triggered {
                if !self.still_there(relation, key, &old, "deleted")? {
                    continue;
                }
                if self.before_row(relation, what, Some(&old), None)?.is_none() {
                    continue;
                }
            }
            if self.delete_row(relation, key, &old)? {
                let mut whole = old.clone();
                whole.extend(rest);
                shown.push(whole);
                deleted.push(old);
            }
        }
        let mut events: Vec<Event> = deleted
            .into_iter()
            .map(|old| Event {
                relation: relation.clone(),
                change: Followed::Delete(old),
            })
            .collect();
        events.push(Event::statement(relation, StatementKind::Delete));
        self.follow(events)?;
        self.executed("DELETE", returning.as_ref(), params, shown.into_iter())
    }

    pub(crate) fn truncate(&mut self, truncate: &Truncate) -> Result<Executed> {
        let role = self.role();
        let mut tables: Vec<Arc<Relation>> = Vec::new();
        for name in &truncate.tables {
            tables.push(self.writable(name, "truncate")?);
        }
        let mut place = 0;
        while place < tables.len() {
            let table = tables[place].clone();
            let mut translator = self.translator(&role, Params::NONE);
            translator.require(&table, Privilege::Truncate, std::iter::empty());
            translator.check_now()?;
            let catalog = self.catalog.clone();
            for child in catalog.relations.values() {
                let refers = child
                    .foreign_keys()
                    .any(|(_, key)| key.foreign_table == table.name);
                if !refers || tables.iter().any(|known| known.oid == child.oid) {
                    continue;
                }
                if !truncate.cascade {
                    return Err(SqlError::new(
                        "0A000",
                        "cannot truncate a table referenced in a foreign key constraint",
                    )
                    .detail(format!(
                        "Table \"{}\" references \"{}\".",
                        child.name.name, table.name.name
                    ))
                    .hint(format!(
                        "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                        child.name.name
                    ))
                    .into());
                }
                self.notice(SqlError::new(
                    "00000",
                    format!("truncate cascades to table \"{}\"", child.name.name),
                ));
                tables.push(child.clone());
            }
            place += 1;
        }
        for table in &tables {
            self.before_statement(table, Happening::Truncate)?;
        }
        for table in &tables {
            self.refuse_pending("TRUNCATE", Some(table.clone()))?;
            self.empty_table(table)?;
            if truncate.restart_identity {
                let owned: Vec<_> = self
                    .catalog
                    .sequences
                    .values()
                    .filter(|sequence| {
                        sequence
                            .owned_by
                            .as_ref()
                            .is_some_and(|(owner, _)| *owner == table.name)
                    })
                    .cloned()
                    .collect();
                for sequence in owned {
                    let start = sequence.options.start.unwrap_or(1);
                    self.sequences().set(&sequence.name, start, false, true);
                }
            }
        }
        for table in &tables {
            self.after_statement(table, Happening::Truncate)?;
        }
        Ok(Executed {
            tag: "TRUNCATE TABLE".into(),
            ..Executed::default()
        })
    }
}

fn read_target(
    translator: &mut Translator<'_>,
    relation: &Arc<Relation>,
    source: &str,
    delete: &Delete,
) -> Result<TargetText, SqlError> {
    let with = match &delete.with {
        Some(with) => format!("{} ", translator.with(with)?),
        None => String::new(),
    };
    translator.require(relation, Privilege::Delete, std::iter::empty());
    let mut from = vec![source.to_owned()];
    for item in &delete.using {
        from.push(translator.from_item(item)?);
    }
    let condition = match &delete.selection {
        Some(selection) => format!(
            " WHERE {}",
            translator.condition_expr(selection, "WHERE")?.sql
        ),
        None => String::new(),
    };
    let (texts, columns, others) = target_columns(translator, relation);
    let sql = format!(
        "{with}SELECT {} FROM {}{condition}",
        texts.join(", "),
        from.join(", ")
    );
    Ok(TargetText {
        sql,
        columns,
        assigned: Vec::new(),
        others,
    })
}
