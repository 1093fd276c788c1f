//! `INSERT`: planned once, then run row by row.

mod plan;
mod upsert;
mod values;

pub(crate) use plan::{InsertPlan, default_sql};

use std::collections::HashSet;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Insert, InsertSource, Query, SetExpr};
use plinth_sql::shape::StatementId;

use super::foreign_keys::{Event, Followed, StatementKind};
use super::trigger::Happening;
use super::{Executed, Executor};
use crate::connection::Params;
use crate::error::Result;

impl Executor {
    /// The plan of an insert. One with an id is planned once for each role, as long as the schema stays.
    pub(crate) fn plan_insert(
        &mut self,
        insert: &Insert,
        params: &Params,
        id: Option<StatementId>,
    ) -> Result<Arc<InsertPlan>> {
        let role = self.role();
        if let Some(expanded) = expand_records(insert, params) {
            return Ok(Arc::new(self.plan_new_insert(&expanded, params, &role)?));
        }
        let id = id.filter(|_| !self.is_judge);
        if let Some(id) = id {
            let kept = self.state().kept.lock().insert(&self.catalog, id, &role);
            if let Some(plan) = kept {
                return Ok(plan);
            }
        }
        let plan = Arc::new(self.plan_new_insert(insert, params, &role)?);
        if let Some(id) = id.filter(|_| plan.is_timeless()) {
            let mut kept = self.state().kept.lock();
            kept.keep_insert(&self.catalog, id, &role, plan.clone());
        }
        Ok(plan)
    }

    pub(crate) fn run_insert(&mut self, plan: &InsertPlan, params: &Params) -> Result<Executed> {
        let InsertPlan {
            relation,
            returning,
            conflict,
            rules,
            ..
        } = plan;
        let rows = self.source_rows(plan, params)?;
        let mut done = Executed {
            returns_rows: returning.is_some(),
            ..Executed::default()
        };
        let upsert = conflict
            .as_ref()
            .and_then(|conflict| conflict.update.as_ref());
        let set: Arc<[usize]> = upsert
            .iter()
            .flat_map(|update| &update.assigned)
            .map(|assigned| assigned.place)
            .collect();
        let mut events = Vec::with_capacity(rows.len() + 2);
        self.before_statement(relation, Happening::Insert)?;
        if upsert.is_some() {
            self.before_statement(relation, Happening::Update(&set))?;
        }
        let mut touched = HashSet::new();
        for row in rows {
            if self.conn.out_of_time() {
                return Err(crate::EngineError::Timeout);
            }
            let row = self.with_defaults(row, params)?;
            let changed = self.before_row(relation, Happening::Insert, None, Some(row))?;
            let Some(mut row) = changed else {
                continue;
            };
            // As in Postgres the proposed row must pass every rule, even when it is not inserted after all.
            self.check_row(rules, &mut row)?;
            if let Some(conflict) = conflict
                && let Some(key) = self.conflicting(relation, conflict, &row)?
            {
                let Some(update) = &conflict.update else {
                    continue;
                };
                if !touched.insert(key) {
                    return Err(SqlError::new("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
                        .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
                        .into());
                }
                let Some((old, new)) = self.conflict_update(relation, update, key, &row, params)?
                else {
                    continue;
                };
                done.affected += 1;
                if let Some(plan) = returning {
                    done.rows.push(self.project(plan, params, &new)?);
                }
                events.push(Event {
                    relation: relation.clone(),
                    change: Followed::Update {
                        old,
                        new,
                        set: set.clone(),
                    },
                });
                continue;
            }
            let row = Arc::new(row);
            let key = self.insert_row(rules, &row)?;
            if conflict.is_some() {
                touched.insert(key);
            }
            done.affected += 1;
            done.inserted += 1;
            if let Some(plan) = returning {
                done.rows.push(self.project(plan, params, &row)?);
            }
            events.push(Event {
                relation: relation.clone(),
                change: Followed::Insert(row),
            });
        }
        if upsert.is_some() {
            events.push(Event::statement(relation, StatementKind::Update(set)));
        }
        events.push(Event::statement(relation, StatementKind::Insert));
        self.follow(events)?;
        if let Some(plan) = returning {
            done.columns.clone_from(&plan.columns);
        }
        done.tag = format!("INSERT 0 {}", done.affected);
        Ok(done)
    }
}

/// `VALUES (new.*)` with the fields of each record variable written out; none when there is nothing of the kind.
pub(super) fn expand_records(insert: &Insert, params: &Params) -> Option<Insert> {
    let names = params.names.as_ref()?;
    let InsertSource::Query(query) = &insert.source else {
        return None;
    };
    let SetExpr::Values(rows) = &query.body else {
        return None;
    };
    let fields = |value: &Expr| match value {
        Expr::Wildcard(reference) => match reference.parts.as_slice() {
            [name] => names.fields(name).map(|fields| (name.clone(), fields)),
            _ => None,
        },
        _ => None,
    };
    if !rows.iter().flatten().any(|value| fields(value).is_some()) {
        return None;
    }
    let rows = rows
        .iter()
        .map(|row| {
            let expand = |value: &Expr| match fields(value) {
                Some((name, fields)) => fields
                    .iter()
                    .map(|field| Expr::qualified(&name, field))
                    .collect(),
                None => vec![value.clone()],
            };
            row.iter().flat_map(expand).collect()
        })
        .collect();
    let mut expanded = insert.clone();
    expanded.source = InsertSource::Query(Box::new(Query {
        body: SetExpr::Values(rows),
        ..query.as_ref().clone()
    }));
    Some(expanded)
}
