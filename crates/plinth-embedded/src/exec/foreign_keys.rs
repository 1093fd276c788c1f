//! Foreign keys: checks of new references, actions on referenced rows, and what waits for the commit.
//!
//! All of it is the database's own work: policies and privileges of the caller do not count here, as in Postgres.

use std::collections::VecDeque;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Deferrable, ForeignKeyAction};
use plinth_sql::catalog::{ForeignKey, Relation};
use plinth_sql::types::Type;
use rusqlite::types::Value;

use super::Executor;
use super::kept::MatchKey;
use super::row::{bound_row, same};
use super::trigger::Happening;
use super::update::all_columns;
use crate::connection::{Params, quoted_table, text_of};
use crate::error::Result;
use crate::translate::{Ex, Plan, stored_columns};

/// A change whose consequences are still to come.
pub(crate) struct Event {
    pub(crate) relation: Arc<Relation>,
    pub(crate) change: Followed,
}

/// What was changed.
pub(crate) enum Followed {
    Insert(Arc<Vec<Value>>),
    Update {
        old: Vec<Value>,
        new: Vec<Value>,
        /// The columns that the statement sets.
        set: Arc<[usize]>,
    },
    Delete(Vec<Value>),
    /// All rows of a statement.
    Statement(StatementKind),
}

/// The kind of a statement that has ended.
pub(crate) enum StatementKind {
    Insert,
    Update(Arc<[usize]>),
    Delete,
}

impl StatementKind {
    fn happening(&self) -> Happening<'_> {
        match self {
            StatementKind::Insert => Happening::Insert,
            StatementKind::Update(set) => Happening::Update(set),
            StatementKind::Delete => Happening::Delete,
        }
    }
}

impl Event {
    /// The end of a statement.
    pub(crate) fn statement(relation: &Arc<Relation>, kind: StatementKind) -> Event {
        Event {
            relation: relation.clone(),
            change: Followed::Statement(kind),
        }
    }
}

/// A foreign key of `child` that points at some table.
pub(crate) struct Incoming {
    child: Arc<Relation>,
    constraint: String,
    key: ForeignKey,
    deferrable: Deferrable,
}

impl Executor {
    /// Does what follows the changes of a statement: foreign keys and triggers, change by change in the order in which they
    /// were made; what an action changes joins the end of the queue, as in Postgres.
    pub(crate) fn follow(&mut self, events: Vec<Event>) -> Result<()> {
        let mut queue = VecDeque::from(events);
        while let Some(event) = queue.pop_front() {
            if self.conn.out_of_time() {
                return Err(crate::EngineError::Timeout);
            }
            let relation = event.relation;
            match event.change {
                Followed::Statement(set) => {
                    let what = set.happening();
                    self.after_statement(&relation, what)?;
                }
                Followed::Insert(new) => {
                    self.check_references(&relation, None, &new)?;
                    self.after_row(&relation, Happening::Insert, None, Some(&new))?;
                }
                Followed::Update { old, new, set } => {
                    for incoming in self.incoming(&relation).iter() {
                        let places = places(&relation, &incoming.key.foreign_columns);
                        if places.iter().any(|place| !same(&old[*place], &new[*place])) {
                            let action = incoming.key.on_update;
                            self.act(&relation, incoming, action, &old, Some(&new), &mut queue)?;
                        }
                    }
                    self.check_references(&relation, Some(&old), &new)?;
                    let what = Happening::Update(&set);
                    self.after_row(&relation, what, Some(&old), Some(&new))?;
                }
                Followed::Delete(old) => {
                    for incoming in self.incoming(&relation).iter() {
                        let action = incoming.key.on_delete;
                        self.act(&relation, incoming, action, &old, None, &mut queue)?;
                    }
                    self.after_row(&relation, Happening::Delete, Some(&old), None)?;
                }
            }
        }
        Ok(())
    }

    /// Checks that existing rows satisfy a foreign key that is being added.
    pub(crate) fn validate_foreign_key(
        &self,
        child: &Arc<Relation>,
        constraint: &str,
        key: &ForeignKey,
    ) -> Result<()> {
        let sql = format!("SELECT {} FROM {}", all_columns(child), quoted_table(child));
        let sqlite = self.conn.sqlite();
        let mut statement = sqlite.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(child.columns.len());
            for place in 0..child.columns.len() {
                values.push(row.get(place)?);
            }
            if !self.finds_parent(child, key, &values)? {
                let mut error = self.missing(child, constraint, key, &values);
                error.message = format!(
                    "insert or update on table \"{}\" violates foreign key constraint \"{constraint}\"",
                    child.name.name
                );
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Foreign keys that point at a table, in the order of their names, as Postgres fires them.
    fn incoming(&self, relation: &Relation) -> Arc<Vec<Incoming>> {
        let kept = self
            .state()
            .kept
            .lock()
            .incoming(&self.catalog, relation.oid);
        if let Some(kept) = kept {
            return kept;
        }
        let mut found = Vec::new();
        for child in self.catalog.relations.values() {
            let Some(table) = child.table() else { continue };
            for constraint in &table.constraints {
                if let plinth_sql::catalog::ConstraintKind::ForeignKey(key) = &constraint.kind
                    && key.foreign_table == relation.name
                {
                    found.push(Incoming {
                        child: child.clone(),
                        constraint: constraint.name.clone(),
                        key: key.clone(),
                        deferrable: constraint.deferrable,
                    });
                }
            }
        }
        found.sort_by_key(|incoming| incoming.child.oid);
        let found = Arc::new(found);
        let mut kept = self.state().kept.lock();
        kept.keep_incoming(&self.catalog, relation.oid, found.clone());
        found
    }

    fn check_references(
        &mut self,
        relation: &Arc<Relation>,
        old: Option<&[Value]>,
        row: &[Value],
    ) -> Result<()> {
        let constraints = relation
            .table()
            .into_iter()
            .flat_map(|table| &table.constraints);
        for constraint in constraints {
            let plinth_sql::catalog::ConstraintKind::ForeignKey(key) = &constraint.kind else {
                continue;
            };
            let (name, deferrable) = (&constraint.name, constraint.deferrable);
            let columns = places(relation, &key.columns);
            if old.is_some_and(|old| columns.iter().all(|place| same(&old[*place], &row[*place]))) {
                continue;
            }
            if deferrable == Deferrable::InitiallyDeferred {
                self.defer_reference(relation, name, key, row);
            } else if !self.finds_parent(relation, key, row)? {
                return Err(self.missing(relation, name, key, row).into());
            }
        }
        Ok(())
    }

    /// Whether the row's reference is null (which needs no parent) or finds one.
    pub(super) fn finds_parent(
        &self,
        child: &Arc<Relation>,
        key: &ForeignKey,
        row: &[Value],
    ) -> Result<bool> {
        let nulls = places(child, &key.columns)
            .iter()
            .filter(|place| row[**place] == Value::Null)
            .count();
        if nulls > 0 {
            return Ok(!key.match_full || nulls == key.columns.len());
        }
        let Some(parent) = self.catalog.relations.get(&key.foreign_table).cloned() else {
            return Ok(false);
        };
        let pairs: Vec<(&str, &str)> = key
            .foreign_columns
            .iter()
            .map(String::as_str)
            .zip(key.columns.iter().map(String::as_str))
            .collect();
        Ok(!self.matching(&parent, child, &pairs, row, true)?.is_empty())
    }

    /// Keys of the rows in `table` whose columns equal columns of a row of `other`. A null equals a null: where it must
    /// not, the caller has looked for nulls.
    pub(super) fn matching(
        &self,
        table: &Arc<Relation>,
        other: &Arc<Relation>,
        pairs: &[(&str, &str)],
        row: &[Value],
        one: bool,
    ) -> Result<Vec<i64>> {
        let place =
            |of: &Relation, name: &str| of.columns.iter().position(|known| known.name == name);
        let mut places = Vec::with_capacity(pairs.len());
        for (mine, theirs) in pairs {
            let (Some(mine), Some(theirs)) = (place(table, mine), place(other, theirs)) else {
                return Ok(Vec::new());
            };
            places.push((mine, theirs, row.get(theirs) == Some(&Value::Null)));
        }
        let key = MatchKey {
            table: table.oid,
            other: other.oid,
            places,
            one,
        };
        let kept = self.state().kept.lock().matches(&self.catalog, &key);
        let plan = match kept {
            Some(plan) => plan,
            None => {
                let Some(plan) = self.match_plan(table, other, pairs, row, one)? else {
                    return Ok(Vec::new());
                };
                let plan = Arc::new(plan);
                let mut kept = self.state().kept.lock();
                kept.keep_match(&self.catalog, key, plan.clone());
                plan
            }
        };
        self.keys_of(&plan, row)
    }

    fn match_plan(
        &self,
        table: &Arc<Relation>,
        other: &Arc<Relation>,
        pairs: &[(&str, &str)],
        row: &[Value],
        one: bool,
    ) -> Result<Option<Plan>> {
        let mut translator = self.translator("postgres", Params::NONE);
        let stored = stored_columns(table, "t0");
        let bound = bound_row(&mut translator, other, 0);
        let mut terms = Vec::with_capacity(pairs.len());
        for (mine, theirs) in pairs {
            let left = stored.iter().find(|column| column.name == **mine);
            let place = bound.iter().position(|column| column.name == **theirs);
            let (Some(left), Some(place)) = (left, place) else {
                return Ok(None);
            };
            let right = &bound[place];
            if row.get(place) == Some(&Value::Null) {
                terms.push(format!("{} IS NULL", left.sql));
                continue;
            }
            let left = Ex::new(left.sql.clone(), left.ty.clone());
            let right = Ex::new(right.sql.clone(), right.ty.clone());
            terms.push(translator.compare("=", left, right)?.sql);
        }
        translator.allow(table);
        let limit = if one { " LIMIT 1" } else { "" };
        let sql = format!(
            "SELECT t0.rowid FROM {} AS t0 WHERE {}{limit}",
            quoted_table(table),
            terms.join(" AND ")
        );
        let columns = vec![("rowid".into(), Type::Int8.into())];
        Ok(Some(translator.finish(sql, columns)?))
    }

    /// What becomes of the rows that refer to a row that was changed or deleted.
    fn act(
        &mut self,
        parent: &Arc<Relation>,
        incoming: &Incoming,
        action: ForeignKeyAction,
        old: &[Value],
        new: Option<&Vec<Value>>,
        queue: &mut VecDeque<Event>,
    ) -> Result<()> {
        let referenced = places(parent, &incoming.key.foreign_columns);
        if referenced.iter().any(|place| old[*place] == Value::Null) {
            return Ok(());
        }
        match action {
            ForeignKeyAction::NoAction if incoming.deferrable == Deferrable::InitiallyDeferred => {
                let (child, key) = (&incoming.child, &incoming.key);
                self.defer_referenced(parent, child, &incoming.constraint, key, old);
                Ok(())
            }
            ForeignKeyAction::NoAction | ForeignKeyAction::Restrict => {
                let (child, key) = (incoming.child.clone(), incoming.key.clone());
                self.refuse_if_referenced(parent, &child, &incoming.constraint, &key, old)
            }
            ForeignKeyAction::Cascade => match new {
                None => self.cascade_delete(parent, incoming, old, queue),
                Some(new) => {
                    let values: Vec<Value> =
                        referenced.iter().map(|place| new[*place].clone()).collect();
                    self.set_children(parent, incoming, old, &incoming.key.columns, &values, queue)
                }
            },
            ForeignKeyAction::SetNull => {
                let columns = self.set_columns(incoming, new.is_none());
                let values = vec![Value::Null; columns.len()];
                self.set_children(parent, incoming, old, &columns, &values, queue)
            }
            ForeignKeyAction::SetDefault => {
                let columns = self.set_columns(incoming, new.is_none());
                let mut values = Vec::with_capacity(columns.len());
                for column in &columns {
                    values.push(self.default_value(&incoming.child, column)?);
                }
                self.set_children(parent, incoming, old, &columns, &values, queue)?;
                // The default may be the very key that is going.
                let (child, key) = (incoming.child.clone(), incoming.key.clone());
                self.refuse_if_referenced(parent, &child, &incoming.constraint, &key, old)
            }
        }
    }

    fn set_columns(&self, incoming: &Incoming, delete: bool) -> Vec<String> {
        if delete && !incoming.key.on_delete_columns.is_empty() {
            incoming.key.on_delete_columns.clone()
        } else {
            incoming.key.columns.clone()
        }
    }

    fn default_value(&self, relation: &Relation, column: &str) -> Result<Value> {
        let Some(column) = relation.column(column) else {
            return Ok(Value::Null);
        };
        let mut translator = self.translator("postgres", Params::NONE);
        let Some(sql) = super::insert::default_sql(&mut translator, column)? else {
            return Ok(Value::Null);
        };
        let plan = translator.finish(
            format!("SELECT {sql}"),
            vec![(column.name.clone(), column.ty.clone())],
        )?;
        Ok(self
            .project(&plan, Params::NONE, &[])?
            .into_iter()
            .next()
            .unwrap_or(Value::Null))
    }

    fn referring(
        &self,
        parent: &Arc<Relation>,
        incoming: &Incoming,
        old: &[Value],
    ) -> Result<Vec<i64>> {
        let pairs: Vec<(&str, &str)> = incoming
            .key
            .columns
            .iter()
            .map(String::as_str)
            .zip(incoming.key.foreign_columns.iter().map(String::as_str))
            .collect();
        self.matching(&incoming.child, parent, &pairs, old, false)
    }

    fn cascade_delete(
        &mut self,
        parent: &Arc<Relation>,
        incoming: &Incoming,
        old: &[Value],
        queue: &mut VecDeque<Event>,
    ) -> Result<()> {
        let what = Happening::Delete;
        self.before_statement(&incoming.child, what)?;
        let mut gone = Vec::new();
        for key in self.referring(parent, incoming, old)? {
            let Some(row) = self.stored_row(&incoming.child, key)? else {
                continue;
            };
            let kept = self.before_row(&incoming.child, what, Some(&row), None)?;
            if kept.is_none() {
                continue;
            }
            if self.delete_row(&incoming.child, key, &row)? {
                gone.push(row);
            }
        }
        queue.extend(gone.into_iter().map(|old| Event {
            relation: incoming.child.clone(),
            change: Followed::Delete(old),
        }));
        queue.push_back(Event::statement(&incoming.child, StatementKind::Delete));
        Ok(())
    }

    fn set_children(
        &mut self,
        parent: &Arc<Relation>,
        incoming: &Incoming,
        old: &[Value],
        columns: &[String],
        values: &[Value],
        queue: &mut VecDeque<Event>,
    ) -> Result<()> {
        let rules = self.row_rules(&incoming.child, "postgres", None)?;
        let places = places(&incoming.child, columns);
        let what = Happening::Update(&places);
        self.before_statement(&incoming.child, what)?;
        let mut changed = Vec::new();
        for key in self.referring(parent, incoming, old)? {
            let Some(row) = self.stored_row(&incoming.child, key)? else {
                continue;
            };
            let mut new = row.clone();
            for (place, value) in places.iter().zip(values) {
                new[*place] = value.clone();
            }
            let given = self.before_row(&incoming.child, what, Some(&row), Some(new))?;
            let Some(mut new) = given else {
                continue;
            };
            self.check_row(&rules, &mut new)?;
            self.update_row(&rules, key, &row, &new)?;
            changed.push((row, new));
        }
        let set: Arc<[usize]> = places.into();
        queue.extend(changed.into_iter().map(|(old, new)| Event {
            relation: incoming.child.clone(),
            change: Followed::Update {
                old,
                new,
                set: set.clone(),
            },
        }));
        queue.push_back(Event::statement(
            &incoming.child,
            StatementKind::Update(set),
        ));
        Ok(())
    }

    /// `23503` when rows still refer to an old key that no row of the parent has any more.
    pub(super) fn refuse_if_referenced(
        &self,
        parent: &Arc<Relation>,
        child: &Arc<Relation>,
        constraint: &str,
        key: &ForeignKey,
        old: &[Value],
    ) -> Result<()> {
        let own: Vec<(&str, &str)> = key
            .foreign_columns
            .iter()
            .map(|name| (name.as_str(), name.as_str()))
            .collect();
        if !self.matching(parent, parent, &own, old, true)?.is_empty() {
            return Ok(());
        }
        let pairs: Vec<(&str, &str)> = key
            .columns
            .iter()
            .map(String::as_str)
            .zip(key.foreign_columns.iter().map(String::as_str))
            .collect();
        if self.matching(child, parent, &pairs, old, true)?.is_empty() {
            return Ok(());
        }
        let mut error = SqlError::new(
            "23503",
            format!(
                "update or delete on table \"{}\" violates foreign key constraint \"{constraint}\" on table \"{}\"",
                parent.name.name, child.name.name
            ),
        )
        .detail(if self.may_show(&self.role(), parent, key.foreign_columns.iter().map(|column| Some(column.as_str()))) {
            format!(
                "Key ({})=({}) is still referenced from table \"{}\".",
                key.foreign_columns.join(", "),
                key_text(parent, &key.foreign_columns, old),
                child.name.name
            )
        } else {
            format!("Key is still referenced from table \"{}\".", child.name.name)
        });
        error.table = Some(child.name.name.clone());
        error.constraint = Some(constraint.to_owned());
        Err(error.into())
    }

    /// `23503` of a reference that finds nothing.
    pub(super) fn missing(
        &self,
        child: &Relation,
        constraint: &str,
        key: &ForeignKey,
        row: &[Value],
    ) -> SqlError {
        let mut error = SqlError::new(
            "23503",
            format!(
                "insert or update on table \"{}\" violates foreign key constraint \"{constraint}\"",
                child.name.name
            ),
        );
        error = if key.match_full
            && places(child, &key.columns)
                .iter()
                .any(|place| row[*place] == Value::Null)
        {
            error.detail("MATCH FULL does not allow mixing of null and nonnull key values.")
        } else if !self.may_show(
            &self.role(),
            child,
            key.columns.iter().map(|column| Some(column.as_str())),
        ) {
            error.detail(format!(
                "Key is not present in table \"{}\".",
                key.foreign_table.name
            ))
        } else {
            error.detail(format!(
                "Key ({})=({}) is not present in table \"{}\".",
                key.columns.join(", "),
                key_text(child, &key.columns, row),
                key.foreign_table.name
            ))
        };
        error.table = Some(child.name.name.clone());
        error.constraint = Some(constraint.to_owned());
        error
    }
}

pub(super) fn places(relation: &Relation, columns: &[String]) -> Vec<usize> {
    columns
        .iter()
        .filter_map(|name| {
            relation
                .columns
                .iter()
                .position(|column| column.name == *name)
        })
        .collect()
}

fn key_text(relation: &Relation, columns: &[String], row: &[Value]) -> String {
    let texts: Vec<String> = places(relation, columns)
        .into_iter()
        .map(|place| {
            text_of(&relation.columns[place].ty.ty, &row[place])
                .ok()
                .flatten()
                .unwrap_or_else(|| "null".to_owned())
        })
        .collect();
    texts.join(", ")
}
