//! `ON CONFLICT`.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{ConflictAction, Insert, Names, OnConflict, PolicyCommand};
use plinth_sql::catalog::{Privilege, Relation};
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use super::super::Executor;
use super::super::conflict::Unique;
use super::super::row::{RowPolicies, RowRules, bound_row, policy_violation};
use super::super::trigger::Happening;
use super::super::update::{Assigned, assignments as read_assignments};
use crate::connection::Params;
use crate::error::Result;
use crate::translate::{Plan, Translator};

/// What to do on a conflict, ready to run.
pub(super) struct Conflict {
    pub(super) arbiters: Vec<Unique>,
    pub(super) update: Option<ConflictUpdate>,
}

pub(super) struct ConflictUpdate {
    /// Over the existing row and then the excluded one: `WHERE`, then the new values.
    plan: Plan,
    pub(super) assigned: Vec<Assigned>,
    has_where: bool,
    /// Over the existing row: policies that must let it through.
    existing: Vec<(Plan, Option<String>)>,
    rules: RowRules,
}

impl Conflict {
    /// The plan of what an update assigns.
    pub(super) fn plan(&self) -> Option<&Plan> {
        self.update.as_ref().map(|update| &update.plan)
    }

    /// Whether it holds at any time: no constant like `'now'` is in it.
    pub(super) fn is_timeless(&self) -> bool {
        self.update.as_ref().is_none_or(|update| {
            update.plan.timeless
                && update.existing.iter().all(|(plan, _)| plan.timeless)
                && update.rules.is_timeless()
        })
    }
}

impl Executor {
    pub(super) fn conflict(
        &self,
        relation: &Arc<Relation>,
        insert: &Insert,
        on_conflict: &OnConflict,
        params: &Params,
        role: &str,
    ) -> Result<Conflict> {
        let arbiters = self.arbiters(relation, on_conflict.target.as_ref())?;
        if on_conflict.target.is_some() {
            // Looking for a conflict reads the key.
            let mut reads = self.translator(role, params);
            for unique in &arbiters {
                let names = unique
                    .keys
                    .iter()
                    .chain(&unique.predicate)
                    .flat_map(|key| Names::of_expr(key).columns);
                let columns: Vec<String> = names
                    .filter_map(|column| column.parts.last().cloned())
                    .collect();
                reads.require(
                    relation,
                    Privilege::Select,
                    columns.iter().map(String::as_str),
                );
            }
            reads.check_now()?;
        }
        let ConflictAction::Update {
            assignments,
            selection,
        } = &on_conflict.action
        else {
            return Ok(Conflict {
                arbiters,
                update: None,
            });
        };
        let mut translator = self.translator(role, params);
        let width = relation.columns.len();
        let shown = insert
            .alias
            .clone()
            .unwrap_or_else(|| relation.name.name.clone());
        let existing = bound_row(&mut translator, relation, 0);
        let excluded = bound_row(&mut translator, relation, width);
        let read = |translator: &mut Translator<'_>| -> Result<
            (Vec<String>, Vec<Assigned>, Vec<(String, ColumnType)>),
            SqlError,
        > {
            let mut texts = Vec::new();
            let mut columns = Vec::new();
            if let Some(selection) = selection {
                texts.push(translator.condition_expr(selection, "WHERE")?.sql);
                columns.push(("where".to_owned(), plinth_sql::types::Type::Bool.into()));
            }
            let (values, assigned) = read_assignments(translator, relation, assignments)?;
            for (text, assigned) in values.into_iter().zip(&assigned) {
                texts.push(text);
                columns.push((String::new(), relation.columns[assigned.place].ty.clone()));
            }
            Ok((texts, assigned, columns))
        };
        let (texts, assigned, columns) = translator.in_rows(
            vec![
                (shown, Some(relation.clone()), existing),
                ("excluded".to_owned(), Some(relation.clone()), excluded),
            ],
            read,
        )?;
        translator.require(
            relation,
            Privilege::Update,
            assigned
                .iter()
                .map(|assigned| relation.columns[assigned.place].name.as_str()),
        );
        let plan = translator.finish(format!("SELECT {}", texts.join(", ")), columns)?;
        let existing = self.existing_row_checks(relation, role)?;
        let policies = RowPolicies {
            command: PolicyCommand::Update,
            select: true,
        };
        let mut rules = self.row_rules(relation, role, Some(policies))?;
        rules.written = assigned.iter().map(|assigned| assigned.place).collect();
        Ok(Conflict {
            arbiters,
            update: Some(ConflictUpdate {
                plan,
                assigned,
                has_where: selection.is_some(),
                existing,
                rules,
            }),
        })
    }

    /// What an existing row must pass before an upsert may update it: the `UPDATE` and the `SELECT` policies.
    fn existing_row_checks(
        &self,
        relation: &Arc<Relation>,
        role: &str,
    ) -> Result<Vec<(Plan, Option<String>)>> {
        let mut checks = Vec::new();
        for command in [PolicyCommand::Update, PolicyCommand::Select] {
            let mut translator = self.translator(role, Params::NONE);
            let over = bound_row(&mut translator, relation, 0);
            let found = translator.row_checks(relation, command, true, &over)?;
            if found.is_empty() {
                continue;
            }
            let verdict = vec![(String::new(), plinth_sql::types::Type::Bool.into())];
            let all = translator.finish(String::new(), verdict)?;
            for check in found {
                let plan = Plan {
                    sql: format!("SELECT {}", check.sql),
                    ..all.clone()
                };
                checks.push((plan, check.policy));
            }
        }
        Ok(checks)
    }

    /// The stored row that a new one clashes with.
    pub(super) fn conflicting(
        &self,
        relation: &Arc<Relation>,
        conflict: &Conflict,
        row: &[Value],
    ) -> Result<Option<i64>> {
        for unique in &conflict.arbiters {
            if let Some(key) = self
                .matching_rows(relation, unique, row)?
                .into_iter()
                .next()
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// `DO UPDATE` of one row; none when its `WHERE` says no.
    pub(super) fn conflict_update(
        &mut self,
        relation: &Arc<Relation>,
        update: &ConflictUpdate,
        key: i64,
        excluded: &[Value],
        params: &Params,
    ) -> Result<Option<(Vec<Value>, Vec<Value>)>> {
        let Some(old) = self.stored_row(relation, key)? else {
            return Ok(None);
        };
        for (plan, policy) in &update.existing {
            if self.project(plan, Params::NONE, &old)?.first() != Some(&Value::Integer(1)) {
                return Err(policy_violation(&relation.name, policy.as_deref(), true).into());
            }
        }
        let mut both = old.clone();
        both.extend_from_slice(excluded);
        let mut values = self.project(&update.plan, params, &both)?.into_iter();
        if update.has_where && values.next() != Some(Value::Integer(1)) {
            return Ok(None);
        }
        let mut new = old.clone();
        for (assigned, value) in update.assigned.iter().zip(values) {
            new[assigned.place] = value;
        }
        let set: Vec<usize> = update.assigned.iter().map(|one| one.place).collect();
        let what = Happening::Update(&set);
        let Some(mut new) = self.before_row(relation, what, Some(&old), Some(new))? else {
            return Ok(None);
        };
        self.check_row(&update.rules, &mut new)?;
        self.update_row(&update.rules, key, &old, &new)?;
        Ok(Some((old, new)))
    }
}
