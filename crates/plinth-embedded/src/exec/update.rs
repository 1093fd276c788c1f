//! `UPDATE`.

use std::collections::HashSet;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Assignment, Expr, PolicyCommand, SelectItem, Update};
use plinth_sql::catalog::{Privilege, Relation};
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::foreign_keys::{Event, Followed, StatementKind};
use super::row::{RowPolicies, RowRules, bound_row};
use super::trigger::Happening;
use super::{Executed, Executor, no_target_column};
use crate::connection::{Params, quoted_table};
use crate::error::Result;
use crate::names;
use crate::translate::{Bind, Item, ItemColumn, Plan, Translator};

/// A column that an assignment sets.
#[derive(Clone, Debug)]
pub(crate) struct Assigned {
    /// Its place in the table.
    pub(crate) place: usize,
}

/// The reading part of an `UPDATE` or `DELETE`: key, old row, new values, columns of other items.
pub(crate) struct Target {
    pub(crate) plan: Plan,
    pub(crate) assigned: Vec<Assigned>,
    /// Items beside the target, for `RETURNING`; their columns follow in the row.
    pub(crate) others: Vec<Item>,
}

/// An update, ready to run.
pub(crate) struct UpdatePlan {
    relation: Arc<Relation>,
    target: Target,
    rules: RowRules,
    pub(super) returning: Option<Plan>,
}

impl UpdatePlan {
    /// The plans that the statement's parameters go to.
    pub(super) fn plans(&self) -> impl Iterator<Item = &Plan> {
        [&self.target.plan].into_iter().chain(&self.returning)
    }

    /// Whether it holds at any time: no constant like `'now'` is in it.
    pub(super) fn is_timeless(&self) -> bool {
        self.target.plan.timeless
            && self.rules.is_timeless()
            && self.returning.as_ref().is_none_or(|plan| plan.timeless)
    }
}

impl Executor {
    pub(crate) fn plan_update(&self, update: &Update, params: &Params) -> Result<UpdatePlan> {
        let role = self.role();
        let relation = self.writable(&update.table, "update")?;
        let target = self.target(
            &relation,
            params,
            &role,
            PolicyCommand::Update,
            &update.returning,
            |translator, shown| read_target(translator, &relation, shown, update),
            update.alias.as_deref(),
        )?;
        let returning = self.returning(
            &relation,
            update.alias.as_deref(),
            &update.returning,
            params,
            &role,
            &target.others,
        )?;
        let reads = update.selection.is_some()
            || !update.returning.is_empty()
            || reads_columns(&update.assignments);
        let policies = RowPolicies {
            command: PolicyCommand::Update,
            select: reads,
        };
        let mut rules = self.row_rules(&relation, &role, Some(policies))?;
        rules.written = target
            .assigned
            .iter()
            .map(|assigned| assigned.place)
            .collect();
        Ok(UpdatePlan {
            relation,
            target,
            rules,
            returning,
        })
    }

    pub(crate) fn run_update(&mut self, plan: &UpdatePlan, params: &Params) -> Result<Executed> {
        let UpdatePlan {
            relation,
            target,
            rules,
            returning,
        } = plan;
        let width = relation.columns.len();
        let set = rules.written.clone();
        let what = Happening::Update(&set);
        self.before_statement(relation, what)?;
        let triggered = self.has_row_triggers(relation, what);
        let read = self.conn.run(&target.plan, params, &[])?;

        let mut seen = HashSet::new();
        let mut updated = Vec::new();
        let mut rests = Vec::new();
        for mut row in read {
            if self.conn.out_of_time() {
                return Err(crate::EngineError::Timeout);
            }
            let Value::Integer(key) = row.remove(0) else {
                continue;
            };
            // A row that joins several times is updated once.
            if !seen.insert(key) {
                continue;
            }
            let rest = row.split_off(width);
            let old = row;
            let mut new = old.clone();
            for (assigned, value) in target.assigned.iter().zip(&rest) {
                new[assigned.place] = value.clone();
            }
            if triggered {
                if !self.still_there(relation, key, &old, "updated")? {
                    continue;
                }
                let changed = self.before_row(relation, what, Some(&old), Some(new))?;
                let Some(changed) = changed else {
                    continue;
                };
                new = changed;
                if !self.still_there(relation, key, &old, "updated")? {
                    continue;
                }
            }
            self.check_row(rules, &mut new)?;
            self.update_row(rules, key, &old, &new)?;
            updated.push((old, new));
            rests.push(rest[target.assigned.len()..].to_vec());
        }
        let set: Arc<[usize]> = set.clone().into();
        let mut events: Vec<Event> = updated
            .iter()
            .map(|(old, new)| Event {
                relation: relation.clone(),
                change: Followed::Update {
                    old: old.clone(),
                    new: new.clone(),
                    set: set.clone(),
                },
            })
            .collect();
        events.push(Event::statement(relation, StatementKind::Update(set)));
        self.follow(events)?;
        let shown = updated.into_iter().zip(rests).map(|((_, mut new), rest)| {
            new.extend(rest);
            new
        });
        self.executed("UPDATE", returning.as_ref(), params, shown)
    }

    /// Plans the reading part behind the policies of the command, and of `SELECT` when columns are read.
    pub(crate) fn target(
        &self,
        relation: &Arc<Relation>,
        params: &Params,
        role: &str,
        command: PolicyCommand,
        returning: &[SelectItem],
        read: impl Fn(&mut Translator<'_>, &str) -> Result<TargetText, SqlError>,
        alias: Option<&str>,
    ) -> Result<Target> {
        let shown = alias.unwrap_or(&relation.name.name);
        let mut commands = vec![command];
        let mut barrier = false;
        loop {
            let mut translator = self.translator(role, params);
            if !barrier {
                translator.lower_barrier();
            }
            let source = translator.target_table(relation, shown, &commands)?;
            let text = read(&mut translator, &source)?;
            let policed = self.catalog.row_security_applies(role, relation);
            if policed
                && commands.len() == 1
                && (translator.reads(relation) || !returning.is_empty())
            {
                commands.push(PolicyCommand::Select);
                continue;
            }
            if translator.needs_barrier() && !barrier {
                barrier = true;
                continue;
            }
            let plan = translator.finish(text.sql, text.columns)?;
            return Ok(Target {
                plan,
                assigned: text.assigned,
                others: text.others,
            });
        }
    }

    /// The `RETURNING` list over the row in memory: the target's columns first, then those of other items.
    pub(crate) fn returning(
        &self,
        relation: &Arc<Relation>,
        alias: Option<&str>,
        items: &[SelectItem],
        params: &Params,
        role: &str,
        others: &[Item],
    ) -> Result<Option<Plan>> {
        if items.is_empty() {
            return Ok(None);
        }
        let mut translator = self.translator(role, params);
        let shown = alias.unwrap_or(&relation.name.name).to_owned();
        let own = bound_row(&mut translator, relation, 0);
        let mut rows = vec![(shown, Some(relation.clone()), own)];
        let mut place = relation.columns.len();
        for item in others {
            let columns = item
                .columns
                .iter()
                .map(|column| {
                    let sql = translator.bind(Bind::Row(place));
                    place += 1;
                    ItemColumn {
                        sql,
                        ..column.clone()
                    }
                })
                .collect();
            rows.push((item.alias.clone(), item.relation.clone(), columns));
        }
        let columns = translator.in_rows(rows, |translator| translator.projection(items))?;
        let mut texts = Vec::with_capacity(columns.len());
        let mut shown = Vec::with_capacity(columns.len());
        for (name, ex) in columns {
            let ex = translator.settle(ex)?;
            texts.push(ex.sql);
            shown.push((name, ex.ty));
        }
        if texts.is_empty() {
            texts.push("NULL".into());
        }
        Ok(Some(
            translator.finish(format!("SELECT {}", texts.join(", ")), shown)?,
        ))
    }

    /// What an `UPDATE` or `DELETE` came to. `rows` are those that it wrote, as [`Executor::returning`] reads them.
    pub(crate) fn executed(
        &self,
        command: &str,
        returning: Option<&Plan>,
        params: &Params,
        rows: impl ExactSizeIterator<Item = Vec<Value>>,
    ) -> Result<Executed> {
        let affected = rows.len();
        let mut done = Executed {
            affected: affected as u64,
            tag: format!("{command} {affected}"),
            returns_rows: returning.is_some(),
            ..Executed::default()
        };
        if let Some(plan) = returning {
            for row in rows {
                done.rows.push(self.project(plan, params, &row)?);
            }
            done.columns.clone_from(&plan.columns);
        }
        Ok(done)
    }

    /// A stored row by its key, in table order.
    pub(crate) fn stored_row(&self, relation: &Relation, key: i64) -> Result<Option<Vec<Value>>> {
        let sql = format!(
            "SELECT {} FROM {} WHERE rowid = ?1",
            all_columns(relation),
            quoted_table(relation)
        );
        let sqlite = self.conn.sqlite();
        let mut statement = sqlite.prepare_cached(&sql)?;
        let mut rows = statement.query([key])?;
        match rows.next()? {
            Some(row) => {
                let mut values = Vec::with_capacity(relation.columns.len());
                for place in 0..relation.columns.len() {
                    values.push(row.get(place)?);
                }
                Ok(Some(values))
            }
            None => Ok(None),
        }
    }
}

/// What [`Executor::target`] builds its plan from.
pub(crate) struct TargetText {
    pub(crate) sql: String,
    pub(crate) columns: Vec<(String, ColumnType)>,
    pub(crate) assigned: Vec<Assigned>,
    pub(crate) others: Vec<Item>,
}

fn read_target(
    translator: &mut Translator<'_>,
    relation: &Arc<Relation>,
    source: &str,
    update: &Update,
) -> Result<TargetText, SqlError> {
    let with = match &update.with {
        Some(with) => format!("{} ", translator.with(with)?),
        None => String::new(),
    };
    let mut from = vec![source.to_owned()];
    for item in &update.from {
        from.push(translator.from_item(item)?);
    }
    let (values, assigned) = assignments(translator, relation, &update.assignments)?;
    translator.require(
        relation,
        Privilege::Update,
        assigned
            .iter()
            .map(|assigned| relation.columns[assigned.place].name.as_str()),
    );
    let condition = match &update.selection {
        Some(selection) => format!(
            " WHERE {}",
            translator.condition_expr(selection, "WHERE")?.sql
        ),
        None => String::new(),
    };
    let (mut texts, mut columns, others) = target_columns(translator, relation);
    let rest = texts.split_off(1 + relation.columns.len());
    let rest_columns = columns.split_off(1 + relation.columns.len());
    for (text, assigned) in values.into_iter().zip(&assigned) {
        texts.push(text);
        columns.push((String::new(), relation.columns[assigned.place].ty.clone()));
    }
    texts.extend(rest);
    columns.extend(rest_columns);
    let sql = format!(
        "{with}SELECT {} FROM {}{condition}",
        texts.join(", "),
        from.join(", ")
    );
    Ok(TargetText {
        sql,
        columns,
        assigned,
        others,
    })
}

/// Key, old row and the columns of other items.
pub(crate) fn target_columns(
    translator: &mut Translator<'_>,
    relation: &Relation,
) -> (Vec<String>, Vec<(String, ColumnType)>, Vec<Item>) {
    let mut items = translator.current_items().into_iter();
    let target = items.next();
    let others: Vec<Item> = items.collect();
    let alias = target
        .as_ref()
        .and_then(|item| item.columns.first())
        .and_then(|column| column.sql.split_once('.'))
        .map_or_else(String::new, |(alias, _)| format!("{alias}."));
    let mut texts = vec![format!("{alias}rowid")];
    let mut columns = vec![("rowid".to_owned(), ColumnType::from(Type::Int8))];
    for column in &relation.columns {
        texts.push(format!("{alias}{}", names::quoted_column(&column.name)));
        columns.push((column.name.clone(), column.ty.clone()));
    }
    for column in others.iter().flat_map(|item| &item.columns) {
        texts.push(column.sql.clone());
        columns.push((column.name.clone(), column.ty.clone()));
    }
    (texts, columns, others)
}

/// The values of a `SET` list, coerced, and the columns they go to.
pub(crate) fn assignments(
    translator: &mut Translator<'_>,
    relation: &Arc<Relation>,
    list: &[Assignment],
) -> Result<(Vec<String>, Vec<Assigned>), SqlError> {
    let mut texts = Vec::new();
    let mut assigned: Vec<Assigned> = Vec::new();
    let mut add = |translator: &mut Translator<'_>,
                   column: &str,
                   value: &Expr|
     -> Result<(), SqlError> {
        let place = relation
            .columns
            .iter()
            .position(|known| known.name == *column)
            .ok_or_else(|| no_target_column(column, &relation.name))?;
        if assigned.iter().any(|known| known.place == place) {
            return Err(SqlError::new(
                "42601",
                format!("multiple assignments to same column \"{column}\""),
            ));
        }
        let known = &relation.columns[place];
        let always = known
            .identity
            .as_ref()
            .is_some_and(|identity| identity.always);
        if !matches!(value, Expr::Default) && (known.generated.is_some() || always) {
            let what = if known.generated.is_some() {
                format!("Column \"{column}\" is a generated column.")
            } else {
                format!("Column \"{column}\" is an identity column defined as GENERATED ALWAYS.")
            };
            return Err(SqlError::new(
                "428C9",
                format!("column \"{column}\" can only be updated to DEFAULT"),
            )
            .detail(what));
        }
        let sql = match value {
            Expr::Default => {
                super::insert::default_sql(translator, known)?.unwrap_or_else(|| "NULL".into())
            }
            value => {
                let ex = translator.in_clause("UPDATE", |translator| translator.expr(value))?;
                translator.assign(ex, &known.ty, column)?.sql
            }
        };
        texts.push(sql);
        assigned.push(Assigned { place });
        Ok(())
    };
    for assignment in list {
        match assignment {
            Assignment::Column { column, value } => add(translator, column, value)?,
            Assignment::Row { columns, values } => {
                if columns.len() != values.len() {
                    return Err(SqlError::new(
                        "42601",
                        "number of columns does not match number of values",
                    ));
                }
                for (column, value) in columns.iter().zip(values) {
                    add(translator, column, value)?;
                }
            }
            Assignment::Query { columns, query } => {
                for (place, column) in columns.iter().enumerate() {
                    add(
                        translator,
                        column,
                        &Expr::Scalar(Box::new(only_column(query, place, columns.len())?)),
                    )?;
                }
            }
        }
    }
    Ok((texts, assigned))
}

/// The query with one of its columns alone.
fn only_column(
    query: &plinth_sql::ast::Query,
    place: usize,
    width: usize,
) -> Result<plinth_sql::ast::Query, SqlError> {
    use plinth_sql::ast::SetExpr;
    let mut query = query.clone();
    let SetExpr::Select(select) = &mut query.body else {
        return Err(SqlError::unsupported(
            "SET (a, b) = (…) with anything but a SELECT",
        ));
    };
    if select.projection.len() != width
        || select
            .projection
            .iter()
            .any(|item| !matches!(item, SelectItem::Expr { .. }))
    {
        return Err(SqlError::new(
            "42601",
            "number of columns does not match number of values",
        ));
    }
    select.projection = vec![select.projection[place].clone()];
    Ok(query)
}

/// Whether any assigned value looks at a column.
fn reads_columns(list: &[Assignment]) -> bool {
    list.iter().any(|assignment| match assignment {
        Assignment::Column { value, .. } => !is_plain(value),
        Assignment::Row { values, .. } => !values.iter().all(is_plain),
        Assignment::Query { .. } => true,
    })
}

fn is_plain(value: &Expr) -> bool {
    matches!(
        value,
        Expr::Param(_)
            | Expr::String(_)
            | Expr::Number(_)
            | Expr::Bool(_)
            | Expr::Null
            | Expr::Default
    )
}

/// All columns of a table, quoted.
pub(crate) fn all_columns(relation: &Relation) -> String {
    if relation.columns.is_empty() {
        return "NULL".to_owned();
    }
    relation
        .columns
        .iter()
        .map(|column| names::quoted_column(&column.name))
        .collect::<Vec<_>>()
        .join(", ")
}
