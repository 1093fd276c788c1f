//! `INSERT`, with its conflicts.

use std::collections::HashSet;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{
    ConflictAction, Expr, Insert, InsertSource, Names, OnConflict, Overriding, PolicyCommand,
    Query, SetExpr,
};
use plinth_sql::catalog::{Column, Privilege, Relation, RelationKind};
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use super::conflict::Unique;
use super::foreign_keys::{Event, Followed, StatementKind};
use super::row::{RowPolicies, RowRules, bound_row, policy_violation};
use super::trigger::Happening;
use super::update::Assigned;
use super::{Executed, Executor, no_target_column};
use crate::connection::{ParamValue, Params};
use crate::error::Result;
use crate::translate::{Plan, Translator};

/// What to do on a conflict, ready to run.
struct Conflict {
    arbiters: Vec<Unique>,
    update: Option<ConflictUpdate>,
}

struct ConflictUpdate {
    /// Over the existing row and then the excluded one: `WHERE`, then the new values.
    plan: Plan,
    assigned: Vec<Assigned>,
    has_where: bool,
    /// Over the existing row: policies that must let it through.
    existing: Vec<(Plan, Option<String>)>,
    rules: RowRules,
}

impl Executor {
    pub(crate) fn insert(&mut self, insert: &Insert, params: &Params) -> Result<Executed> {
        if let Some(expanded) = expand_records(insert, params) {
            return self.insert(&expanded, params);
        }
        if insert.with.is_some() && !matches!(insert.source, InsertSource::Query(_)) {
            return Err(SqlError::unsupported("WITH before INSERT … VALUES").into());
        }
        let role = self.role();
        let relation = self.writable(&insert.table, "insert into")?;
        let columns = self.target_columns(&relation, insert)?;
        let mut privileges = self.translator(&role, Params::NONE);
        privileges.require(
            &relation,
            Privilege::Insert,
            columns
                .iter()
                .map(|place| relation.columns[*place].name.as_str()),
        );
        privileges.check_now()?;
        drop(privileges);

        let returning = self.returning(
            &relation,
            insert.alias.as_deref(),
            &insert.returning,
            params,
            &role,
            &[],
        )?;
        let reads_back = !insert.returning.is_empty();
        let conflict = match &insert.on_conflict {
            Some(on_conflict) => {
                Some(self.conflict(&relation, insert, on_conflict, params, &role)?)
            }
            None => None,
        };
        let conflict_reads = conflict
            .as_ref()
            .is_some_and(|conflict| conflict.update.is_some())
            || insert
                .on_conflict
                .as_ref()
                .is_some_and(|on_conflict| on_conflict.target.is_some());
        let policies = RowPolicies {
            command: PolicyCommand::Insert,
            select: reads_back || conflict_reads,
        };
        let mut rules = self.row_rules(&relation, &role, Some(policies))?;
        rules.written.clone_from(&columns);
        let rows = self.source_rows(&relation, insert, &columns, params, &role)?;

        let mut done = Executed {
            returns_rows: reads_back,
            ..Executed::default()
        };
        let set: Vec<usize> = conflict
            .iter()
            .filter_map(|conflict| conflict.update.as_ref())
            .flat_map(|update| &update.assigned)
            .map(|assigned| assigned.place)
            .collect();
        let upserts = conflict
            .as_ref()
            .is_some_and(|conflict| conflict.update.is_some());
        let set: Arc<[usize]> = set.into();
        let mut events = Vec::new();
        self.before_statement(&relation, Happening::Insert)?;
        if upserts {
            self.before_statement(&relation, Happening::Update(&set))?;
        }
        let mut touched = HashSet::new();
        let mut written = Vec::new();
        for mut row in rows {
            if self.conn.out_of_time() {
                return Err(crate::EngineError::Timeout);
            }
            let changed = self.before_row(&relation, Happening::Insert, None, Some(row))?;
            let Some(changed) = changed else {
                continue;
            };
            row = changed;
            if let Some(conflict) = &conflict {
                // As in Postgres the proposed row must pass every rule, even when it is not inserted after all.
                let mut candidate = row.clone();
                self.check_row(&rules, &mut candidate)?;
                if let Some(key) = self.conflicting(&relation, conflict, &candidate)? {
                    let Some(update) = &conflict.update else {
                        continue;
                    };
                    if !touched.insert(key) {
                        return Err(SqlError::new("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
                            .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
                            .into());
                    }
                    let Some((old, new)) =
                        self.conflict_update(&relation, update, key, &candidate, params)?
                    else {
                        continue;
                    };
                    done.affected += 1;
                    if let Some(plan) = &returning {
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
                row = candidate;
            } else {
                self.check_row(&rules, &mut row)?;
            }
            let key = self.insert_row(&rules, &row)?;
            touched.insert(key);
            done.affected += 1;
            done.inserted += 1;
            events.push(Event {
                relation: relation.clone(),
                change: Followed::Insert(row.clone()),
            });
            written.push(row);
        }
        if upserts {
            events.push(Event::statement(&relation, StatementKind::Update(set)));
        }
        events.push(Event::statement(&relation, StatementKind::Insert));
        self.follow(events)?;
        if let Some(plan) = &returning {
            // After all foreign-key work, as Postgres answers; conflicts were answered as they came.
            for row in &written {
                done.rows.push(self.project(plan, params, row)?);
            }
            done.columns.clone_from(&plan.columns);
        }
        done.tag = format!("INSERT 0 {}", done.affected);
        Ok(done)
    }

    /// A table that may be written, or the error for what cannot.
    pub(crate) fn writable(
        &self,
        name: &plinth_sql::ast::ObjectName,
        verb: &str,
    ) -> Result<Arc<Relation>> {
        let role = self.role();
        let relation = self.translator(&role, Params::NONE).relation(name)?;
        match relation.kind {
            RelationKind::Table(_) => Ok(relation),
            RelationKind::View(_) => Err(SqlError::new(
                "0A000",
                format!(
                    "cannot {verb} view \"{}\": views are read-only on the embedded engine",
                    relation.name.name
                ),
            )
            .hint("Write to the table behind it.")
            .at(name.span)
            .into()),
        }
    }

    /// Places of the columns written, in the order of the values.
    fn target_columns(&self, relation: &Relation, insert: &Insert) -> Result<Vec<usize>> {
        if insert.columns.is_empty() {
            let width = source_width(insert).unwrap_or(relation.columns.len());
            if width > relation.columns.len() {
                return Err(SqlError::new(
                    "42601",
                    "INSERT has more expressions than target columns",
                )
                .into());
            }
            return Ok((0..width).collect());
        }
        let mut places = Vec::with_capacity(insert.columns.len());
        for name in &insert.columns {
            let place = relation
                .columns
                .iter()
                .position(|column| column.name == *name)
                .ok_or_else(|| no_target_column(name, &relation.name))?;
            if places.contains(&place) {
                return Err(SqlError::new(
                    "42701",
                    format!("column \"{name}\" specified more than once"),
                )
                .into());
            }
            places.push(place);
        }
        if let Some(width) = source_width(insert) {
            if width > places.len() {
                return Err(SqlError::new(
                    "42601",
                    "INSERT has more expressions than target columns",
                )
                .into());
            }
            if width < places.len() {
                return Err(SqlError::new(
                    "42601",
                    "INSERT has more target columns than expressions",
                )
                .into());
            }
        }
        Ok(places)
    }

    /// The rows to insert, in table order, defaults filled in.
    fn source_rows(
        &mut self,
        relation: &Arc<Relation>,
        insert: &Insert,
        columns: &[usize],
        params: &Params,
        role: &str,
    ) -> Result<Vec<Vec<Value>>> {
        match &insert.source {
            InsertSource::Default => Ok(vec![self.evaluate_row(
                relation,
                &[],
                &[],
                insert,
                params,
                role,
            )?]),
            InsertSource::Query(query) => {
                match (&query.body, query.with.as_ref().or(insert.with.as_ref())) {
                    (SetExpr::Values(rows), None)
                        if query.order_by.is_empty() && query.limit.is_none() =>
                    {
                        let mut evaluated = Vec::with_capacity(rows.len());
                        for row in rows {
                            if row.len() != columns.len() {
                                return Err(SqlError::new(
                                    "42601",
                                    "VALUES lists must all be the same length",
                                )
                                .into());
                            }
                            evaluated.push(
                                self.evaluate_row(relation, columns, row, insert, params, role)?,
                            );
                        }
                        Ok(evaluated)
                    }
                    _ => self.query_rows(relation, query, insert, columns, params, role),
                }
            }
        }
    }

    /// Rows of `INSERT … SELECT`, read to the end before the first is written.
    fn query_rows(
        &mut self,
        relation: &Arc<Relation>,
        query: &Query,
        insert: &Insert,
        columns: &[usize],
        params: &Params,
        role: &str,
    ) -> Result<Vec<Vec<Value>>> {
        for place in columns {
            check_explicit(&relation.columns[*place], insert.overriding)?;
        }
        let mut query = query.clone();
        if query.with.is_none() {
            query.with.clone_from(&insert.with);
        }
        let targets: Vec<ColumnType> = columns
            .iter()
            .map(|place| relation.columns[*place].ty.clone())
            .collect();
        let translate = |mut translator: Translator<'_>| -> Result<(Plan, bool), SqlError> {
            let out = translator.query(&query, Some(&targets))?;
            let again = translator.needs_barrier();
            Ok((translator.finish(out.sql, out.columns)?, again))
        };
        let mut first = self.translator(role, params);
        first.lower_barrier();
        let (mut plan, again) = translate(first)?;
        if again {
            plan = translate(self.translator(role, params))?.0;
        }
        if insert.columns.is_empty() && plan.columns.len() > relation.columns.len()
            || plan.columns.len() > columns.len()
        {
            return Err(
                SqlError::new("42601", "INSERT has more expressions than target columns").into(),
            );
        }
        if !insert.columns.is_empty() && plan.columns.len() < columns.len() {
            return Err(
                SqlError::new("42601", "INSERT has more target columns than expressions").into(),
            );
        }
        let read = self.conn.run(&plan, params, &[])?;
        let missing: Vec<usize> = (0..relation.columns.len())
            .filter(|place| !columns[..plan.columns.len()].contains(place))
            .collect();
        let defaults = self.defaults_plan(relation, &missing, params, role)?;
        let mut rows = Vec::with_capacity(read.len());
        for values in read {
            let mut row = vec![Value::Null; relation.columns.len()];
            for (place, value) in columns.iter().zip(values) {
                row[*place] = value;
            }
            if let Some((plan, places)) = &defaults {
                for (place, value) in places.iter().zip(self.project(plan, params, &[])?) {
                    row[*place] = value;
                }
            }
            rows.push(row);
        }
        Ok(rows)
    }

    fn defaults_plan(
        &self,
        relation: &Relation,
        missing: &[usize],
        params: &Params,
        role: &str,
    ) -> Result<Option<(Plan, Vec<usize>)>> {
        let mut translator = self.translator(role, params);
        let mut texts = Vec::new();
        let mut places = Vec::new();
        let mut columns = Vec::new();
        for place in missing {
            let column = &relation.columns[*place];
            if let Some(sql) = default_sql(&mut translator, column)? {
                texts.push(sql);
                places.push(*place);
                columns.push((column.name.clone(), column.ty.clone()));
            }
        }
        if texts.is_empty() {
            return Ok(None);
        }
        Ok(Some((
            translator.finish(format!("SELECT {}", texts.join(", ")), columns)?,
            places,
        )))
    }

    /// One row of `VALUES`. Constants and parameters are read here; only what computes goes to SQLite.
    fn evaluate_row(
        &mut self,
        relation: &Arc<Relation>,
        columns: &[usize],
        values: &[Expr],
        insert: &Insert,
        params: &Params,
        role: &str,
    ) -> Result<Vec<Value>> {
        let mut row = vec![Value::Null; relation.columns.len()];
        let mut written = vec![false; relation.columns.len()];
        let mut translator = self.translator(role, params);
        let mut texts = Vec::new();
        let mut places = Vec::new();
        let mut types = Vec::new();
        for (place, value) in columns.iter().zip(values) {
            let column = &relation.columns[*place];
            if matches!(value, Expr::Default) {
                continue;
            }
            if insert.overriding == Some(Overriding::User) && column.identity.is_some() {
                continue;
            }
            check_explicit(column, insert.overriding)?;
            written[*place] = true;
            match value {
                Expr::Null => {}
                Expr::String(text) => row[*place] = self.conn.input(&column.ty, text)?,
                Expr::Param(number) => {
                    match params.values.get((*number as usize).wrapping_sub(1)) {
                        Some(ParamValue::Text(Some(text))) => {
                            row[*place] = self.conn.input(&column.ty, text)?;
                        }
                        Some(ParamValue::Text(None)) => {}
                        _ => {
                            let ex = translator.expr(value)?;
                            texts.push(translator.assign(ex, &column.ty, &column.name)?.sql);
                            places.push(*place);
                            types.push((column.name.clone(), column.ty.clone()));
                        }
                    }
                }
                _ => {
                    let ex = translator.expr(value)?;
                    texts.push(translator.assign(ex, &column.ty, &column.name)?.sql);
                    places.push(*place);
                    types.push((column.name.clone(), column.ty.clone()));
                }
            }
        }
        // Defaults are the owner's text: they need no privileges of the caller, but sequences are used as the caller.
        for (place, column) in relation.columns.iter().enumerate() {
            if !written[place]
                && let Some(sql) = default_sql(&mut translator, column)?
            {
                texts.push(sql);
                places.push(place);
                types.push((column.name.clone(), column.ty.clone()));
            }
        }
        if !texts.is_empty() {
            let plan = translator.finish(format!("SELECT {}", texts.join(", ")), types)?;
            let computed = self.project(&plan, params, &[])?;
            for (place, value) in places.into_iter().zip(computed) {
                row[place] = value;
            }
        }
        Ok(row)
    }

    fn conflict(
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
            let (values, assigned) = super::update::assignments(translator, relation, assignments)?;
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
            let binds = translator.binds.clone();
            let fence = translator.finish(String::new(), Vec::new())?.fence;
            for check in found {
                let plan = Plan {
                    sql: format!("SELECT {}", check.sql),
                    binds: binds.clone(),
                    params: Vec::new(),
                    columns: vec![(String::new(), plinth_sql::types::Type::Bool.into())],
                    fence: fence.clone(),
                };
                checks.push((plan, check.policy));
            }
        }
        Ok(checks)
    }

    /// The stored row that a new one clashes with.
    fn conflicting(
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
    fn conflict_update(
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

/// Whether a value may be given for this column at all.
fn check_explicit(column: &Column, overriding: Option<Overriding>) -> Result<(), SqlError> {
    if column.generated.is_some() {
        return Err(SqlError::new(
            "428C9",
            format!(
                "cannot insert a non-DEFAULT value into column \"{}\"",
                column.name
            ),
        )
        .detail(format!("Column \"{}\" is a generated column.", column.name)));
    }
    if column
        .identity
        .as_ref()
        .is_some_and(|identity| identity.always)
        && overriding.is_none()
    {
        return Err(SqlError::new(
            "428C9",
            format!(
                "cannot insert a non-DEFAULT value into column \"{}\"",
                column.name
            ),
        )
        .detail(format!(
            "Column \"{}\" is an identity column defined as GENERATED ALWAYS.",
            column.name
        ))
        .hint("Use OVERRIDING SYSTEM VALUE to override."));
    }
    Ok(())
}

/// The SQLite text of a column's default; none when that is null.
pub(crate) fn default_sql(
    translator: &mut Translator<'_>,
    column: &Column,
) -> Result<Option<String>, SqlError> {
    if let Some(identity) = &column.identity {
        let name = format!("{}.{}", identity.sequence.schema, identity.sequence.name);
        return Ok(Some(format!(
            "pg_nextval({})",
            crate::names::literal(&name)
        )));
    }
    let Some(default) = &column.default else {
        return Ok(None);
    };
    if column.generated.is_some() {
        return Ok(None);
    }
    let ex = translator.stored_expr(default)?;
    Ok(Some(translator.assign(ex, &column.ty, &column.name)?.sql))
}

fn source_width(insert: &Insert) -> Option<usize> {
    match &insert.source {
        InsertSource::Default => Some(0),
        InsertSource::Query(query) => match &query.body {
            SetExpr::Values(rows) => rows.first().map(Vec::len),
            _ => None,
        },
    }
}

/// `VALUES (new.*)` with the fields of each record variable written out; none when there is nothing of the kind.
fn expand_records(insert: &Insert, params: &Params) -> Option<Insert> {
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
