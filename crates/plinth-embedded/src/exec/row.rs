//! What happens to every row that is written: generated columns, policies, `NOT NULL`, `CHECK`, the write itself,
//! and the error Postgres would give.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, PolicyCommand};
use plinth_sql::catalog::{ConstraintKind, Privilege, QName, Relation};
use rusqlite::types::Value;

use super::Executor;
use super::conflict::Unique;
use super::kept::DemandsKey;
use crate::changes::{Change, ChangeKind};
use crate::connection::{Params, quoted_table, text_of};
use crate::error::{EngineError, Result};
use crate::names;
use crate::translate::{Bind, ItemColumn, Plan, Translator, row_columns};

/// Longest a value may be inside `Failing row contains (…)`, as in Postgres.
const DETAIL_WIDTH: usize = 64;

/// Which policies a new row must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RowPolicies {
    /// The command's own `WITH CHECK`.
    pub(crate) command: PolicyCommand,
    /// The `SELECT` policies too, because the row is read back.
    pub(crate) select: bool,
}

/// Everything a table asks of a new row, ready to run.
pub(crate) struct RowRules {
    pub(crate) relation: Arc<Relation>,
    demands: Arc<Demands>,
    /// Who writes: errors show no more of the row than this role may read.
    role: String,
    /// Places of the columns that the statement itself gives, which its author knows anyway.
    pub(crate) written: Vec<usize>,
}

/// What is computed and checked for every new row.
pub(crate) struct Demands {
    generated: Option<(Plan, Vec<usize>)>,
    checks: Option<Plan>,
    /// What each column of `checks` means.
    meanings: Vec<Meaning>,
    /// `UNIQUE NULLS NOT DISTINCT`.
    equal_nulls: Vec<Unique>,
    /// What writes a new row.
    insert: String,
    /// They hold at any time: no constant like `'now'` is in them.
    timeless: bool,
}

impl RowRules {
    /// Whether they hold at any time.
    pub(crate) fn is_timeless(&self) -> bool {
        self.demands.timeless
    }
}

enum Meaning {
    Policy(Option<String>),
    Check(String),
}

impl Executor {
    /// The rules for new rows of a table, for one role.
    pub(crate) fn row_rules(
        &self,
        relation: &Arc<Relation>,
        role: &str,
        policies: Option<RowPolicies>,
    ) -> Result<RowRules> {
        let key = DemandsKey {
            table: relation.oid,
            role: role.to_owned(),
            policies,
            path: self.path_as_set(),
            row_security: self.state().session.lock().settings.row_security(),
        };
        let kept = self.state().kept.lock().demands(&self.catalog, &key);
        let demands = match kept {
            Some(demands) => demands,
            None => {
                let made = Arc::new(self.demands(relation, role, policies)?);
                if made.timeless && !self.is_judge {
                    let mut kept = self.state().kept.lock();
                    kept.keep_demands(&self.catalog, key, made.clone());
                }
                made
            }
        };
        Ok(RowRules {
            relation: relation.clone(),
            demands,
            role: role.to_owned(),
            written: Vec::new(),
        })
    }

    /// The demands of a table.
    fn demands(
        &self,
        relation: &Arc<Relation>,
        role: &str,
        policies: Option<RowPolicies>,
    ) -> Result<Demands> {
        let mut generated = None;
        let places: Vec<usize> = relation
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.generated.is_some())
            .map(|(place, _)| place)
            .collect();
        if !places.is_empty() {
            let mut translator = self.translator("postgres", Params::NONE);
            let mut texts = Vec::new();
            let mut columns = Vec::new();
            for place in &places {
                let column = &relation.columns[*place];
                let Some(expr) = &column.generated else {
                    continue;
                };
                let over = bound_row(&mut translator, relation, 0);
                let ex =
                    translator.in_table_scope(&relation.name.name, over, |this| this.expr(expr))?;
                let ex = translator.assign(ex, &column.ty, &column.name)?;
                texts.push(ex.sql);
                columns.push((column.name.clone(), column.ty.clone()));
            }
            let plan = translator.finish(format!("SELECT {}", texts.join(", ")), columns)?;
            generated = Some((plan, places));
        }
        let mut translator = self.translator(role, Params::NONE);
        let mut texts = Vec::new();
        let mut meanings = Vec::new();
        if let Some(policies) = policies {
            let over = bound_row(&mut translator, relation, 0);
            let mut wanted = vec![(policies.command, false)];
            if policies.select {
                wanted.push((PolicyCommand::Select, true));
            }
            for (command, using) in wanted {
                for check in translator.row_checks(relation, command, using, &over)? {
                    texts.push(check.sql);
                    meanings.push(Meaning::Policy(check.policy));
                }
            }
        }
        for (name, expr) in checks_in_order(relation) {
            let over = bound_row(&mut translator, relation, 0);
            let ex = translator.in_table_scope(&relation.name.name, over, |this| {
                this.condition_expr(expr, "CHECK")
            })?;
            texts.push(ex.sql);
            meanings.push(Meaning::Check(name.to_owned()));
        }
        let checks = if texts.is_empty() {
            None
        } else {
            let columns = texts
                .iter()
                .map(|_| (String::new(), plinth_sql::types::Type::Bool.into()))
                .collect();
            Some(translator.finish(format!("SELECT {}", texts.join(", ")), columns)?)
        };
        let generated_timeless = generated.as_ref().is_none_or(|(plan, _)| plan.timeless);
        let checks_timeless = checks.as_ref().is_none_or(|plan: &Plan| plan.timeless);
        let mut equal_nulls = self.unique_indexes(relation);
        equal_nulls.retain(|unique| unique.nulls_not_distinct);
        Ok(Demands {
            insert: insert_text(relation),
            timeless: generated_timeless && checks_timeless,
            generated,
            checks,
            meanings,
            equal_nulls,
        })
    }

    /// Fills in generated columns and applies every rule to a new row.
    pub(crate) fn check_row(&self, rules: &RowRules, row: &mut [Value]) -> Result<()> {
        let demands = &rules.demands;
        if let Some((plan, places)) = &demands.generated {
            let computed = self.conn.run(plan, Params::NONE, row)?;
            if let Some(values) = computed.into_iter().next() {
                for (place, value) in places.iter().zip(values) {
                    row[*place] = value;
                }
            }
        }
        let mut verdicts = Vec::new();
        if let Some(plan) = &demands.checks {
            verdicts = self
                .conn
                .run(plan, Params::NONE, row)?
                .into_iter()
                .next()
                .unwrap_or_default();
        }
        // Policies first, then NOT NULL, then CHECK, as Postgres goes.
        for (verdict, meaning) in verdicts.iter().zip(&demands.meanings) {
            if let Meaning::Policy(name) = meaning
                && *verdict != Value::Integer(1)
            {
                return Err(policy_violation(&rules.relation.name, name.as_deref(), false).into());
            }
        }
        for (column, value) in rules.relation.columns.iter().zip(row.iter()) {
            if column.not_null && *value == Value::Null {
                let mut error = SqlError::new(
                    "23502",
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name, rules.relation.name.name
                    ),
                );
                error.table = Some(rules.relation.name.name.clone());
                error.column = Some(column.name.clone());
                return Err(self.with_row(error, rules, row).into());
            }
        }
        for (verdict, meaning) in verdicts.iter().zip(&demands.meanings) {
            if let Meaning::Check(name) = meaning
                && *verdict == Value::Integer(0)
            {
                let mut error = SqlError::new(
                    "23514",
                    format!(
                        "new row for relation \"{}\" violates check constraint \"{name}\"",
                        rules.relation.name.name
                    ),
                );
                error.table = Some(rules.relation.name.name.clone());
                error.constraint = Some(name.clone());
                return Err(self.with_row(error, rules, row).into());
            }
        }
        Ok(())
    }

    /// Adds the row as far as the role may know it: nothing under policies, else what it may read or has written.
    fn with_row(&self, error: SqlError, rules: &RowRules, row: &[Value]) -> SqlError {
        let (relation, role) = (&rules.relation, rules.role.as_str());
        if self.catalog.row_security_applies(role, relation) {
            return error;
        }
        let whole = self.catalog.may(role, relation, Privilege::Select);
        let mut names = Vec::new();
        let mut shown = Vec::with_capacity(row.len());
        for (place, (value, column)) in row.iter().zip(&relation.columns).enumerate() {
            if !whole
                && !rules.written.contains(&place)
                && !self
                    .catalog
                    .may_column(role, relation, &column.name, Privilege::Select)
            {
                continue;
            }
            names.push(column.name.as_str());
            shown.push(shortened(text_of(&column.ty.ty, value).ok().flatten()));
        }
        if whole {
            error.detail(format!("Failing row contains ({}).", shown.join(", ")))
        } else if names.is_empty() {
            error
        } else {
            error.detail(format!(
                "Failing row contains ({}) = ({}).",
                names.join(", "),
                shown.join(", ")
            ))
        }
    }

    /// Inserts a checked row; gives its key.
    pub(crate) fn insert_row(&mut self, rules: &RowRules, row: &Arc<Vec<Value>>) -> Result<i64> {
        self.refuse_equal_nulls(rules, row, None)?;
        let sqlite = self.conn.sqlite();
        let written = sqlite
            .prepare_cached(&rules.demands.insert)?
            .execute(rusqlite::params_from_iter(row.iter()));
        if let Err(error) = written {
            return Err(self.explain(error, rules, row, None));
        }
        let key = sqlite.last_insert_rowid();
        drop(sqlite);
        self.work().changes.push(Change {
            table: rules.relation.clone(),
            kind: ChangeKind::Insert,
            key,
            old: None,
            new: Some(row.clone()),
        });
        Ok(key)
    }

    /// Writes the changed columns of a checked row; gives its key, which an integer primary key may have changed.
    pub(crate) fn update_row(
        &mut self,
        rules: &RowRules,
        key: i64,
        old: &[Value],
        new: &[Value],
    ) -> Result<i64> {
        let relation = &rules.relation;
        let changed = changed_places(old, new);
        if !changed.is_empty() {
            self.refuse_equal_nulls(rules, new, Some(key))?;
            if let Err(error) = self.write_values(relation, key, new, &changed) {
                return Err(self.explain(error, rules, new, Some(key)));
            }
        }
        self.work().changes.push(Change {
            table: relation.clone(),
            kind: ChangeKind::Update,
            key,
            old: Some(Arc::new(old.to_vec())),
            new: Some(Arc::new(new.to_vec())),
        });
        let key_column = row_key_column(relation);
        Ok(match key_column.map(|place| &new[place]) {
            Some(Value::Integer(key)) => *key,
            _ => key,
        })
    }

    /// Writes the values at these places, which are some, of a row that is there; gives the number of rows, which is one.
    pub(super) fn write_values(
        &self,
        relation: &Relation,
        key: i64,
        new: &[Value],
        places: &[usize],
    ) -> rusqlite::Result<usize> {
        let sets: Vec<String> = places
            .iter()
            .enumerate()
            .map(|(number, place)| {
                format!(
                    "{} = ?{}",
                    names::quoted_column(&relation.columns[*place].name),
                    number + 2
                )
            })
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE rowid = ?1",
            quoted_table(relation),
            sets.join(", ")
        );
        let mut values = vec![Value::Integer(key)];
        values.extend(places.iter().map(|place| new[*place].clone()));
        self.conn
            .sqlite()
            .prepare_cached(&sql)?
            .execute(rusqlite::params_from_iter(values))
    }

    /// `UNIQUE NULLS NOT DISTINCT`: SQLite's index lets nulls pass, so they are looked for here.
    fn refuse_equal_nulls(&self, rules: &RowRules, row: &[Value], key: Option<i64>) -> Result<()> {
        for unique in &rules.demands.equal_nulls {
            let found = self.matching_rows(&rules.relation, unique, row)?;
            if found.iter().any(|found| Some(*found) != key) {
                return Err(self.duplicate(rules, unique, row).into());
            }
        }
        Ok(())
    }

    /// Whether an error may show these columns of a row: no policies apply, and the role may read them all.
    pub(crate) fn may_show<'c>(
        &self,
        role: &str,
        relation: &Relation,
        mut columns: impl Iterator<Item = Option<&'c str>>,
    ) -> bool {
        !self.catalog.row_security_applies(role, relation)
            && (self.catalog.may(role, relation, Privilege::Select)
                || columns.all(|column| {
                    column.is_some_and(|column| {
                        self.catalog
                            .may_column(role, relation, column, Privilege::Select)
                    })
                }))
    }

    /// Deletes a row by its key. False when it was gone already.
    pub(crate) fn delete_row(
        &mut self,
        relation: &Arc<Relation>,
        key: i64,
        old: &[Value],
    ) -> Result<bool> {
        let sql = format!("DELETE FROM {} WHERE rowid = ?1", quoted_table(relation));
        let gone = self.conn.sqlite().prepare_cached(&sql)?.execute([key])?;
        if gone > 0 {
            self.work().changes.push(Change {
                table: relation.clone(),
                kind: ChangeKind::Delete,
                key,
                old: Some(Arc::new(old.to_vec())),
                new: None,
            });
        }
        Ok(gone > 0)
    }

    /// Deletes all rows at once.
    pub(super) fn empty_table(&self, relation: &Arc<Relation>) -> Result<()> {
        let sql = format!("DELETE FROM {}", quoted_table(relation));
        self.conn.sqlite().execute(&sql, [])?;
        self.work().changes.push(Change {
            table: relation.clone(),
            kind: ChangeKind::Truncate,
            key: 0,
            old: None,
            new: None,
        });
        Ok(())
    }

    /// Which unique constraint a failed write broke, in Postgres's words.
    fn explain(
        &self,
        error: rusqlite::Error,
        rules: &RowRules,
        row: &[Value],
        key: Option<i64>,
    ) -> EngineError {
        if error.sqlite_error_code() != Some(rusqlite::ErrorCode::ConstraintViolation) {
            return error.into();
        }
        let relation = &rules.relation;
        for unique in self.unique_indexes(relation) {
            let found = self.matching_rows(relation, &unique, row);
            let taken = found
                .as_ref()
                .is_ok_and(|keys| keys.iter().any(|found| Some(*found) != key));
            if !taken {
                continue;
            }
            return self.duplicate(rules, &unique, row).into();
        }
        error.into()
    }

    /// `23505`.
    pub(crate) fn duplicate(&self, rules: &RowRules, unique: &Unique, row: &[Value]) -> SqlError {
        let relation = &rules.relation;
        let mut error = SqlError::new(
            "23505",
            format!(
                "duplicate key value violates unique constraint \"{}\"",
                unique.name
            ),
        );
        error.table = Some(relation.name.name.clone());
        error.constraint = Some(unique.name.clone());
        let columns = unique.keys.iter().map(|key| match key {
            Expr::Column(reference) => reference.parts.last().map(String::as_str),
            // An expression may be made of any column, so it is shown to those who may read them all.
            _ => None,
        });
        let shown = self.may_show(&rules.role, relation, columns);
        if !shown {
            return error;
        }
        let keys = key_names(&unique.keys);
        let values = self
            .key_texts(relation, &unique.keys, row)
            .unwrap_or_default();
        error.detail(format!(
            "Key ({})=({}) already exists.",
            keys.join(", "),
            values.join(", ")
        ))
    }

    /// The text forms of key expressions over a row.
    fn key_texts(
        &self,
        relation: &Arc<Relation>,
        keys: &[Expr],
        row: &[Value],
    ) -> Result<Vec<String>> {
        let mut translator = self.translator("postgres", Params::NONE);
        let mut texts = Vec::new();
        let mut columns = Vec::new();
        for key in keys {
            let over = bound_row(&mut translator, relation, 0);
            let ex = translator.in_table_scope(&relation.name.name, over, |this| this.expr(key))?;
            texts.push(ex.sql);
            columns.push((String::new(), ex.ty));
        }
        let plan = translator.finish(format!("SELECT {}", texts.join(", ")), columns)?;
        let values = self
            .conn
            .run(&plan, Params::NONE, row)?
            .into_iter()
            .next()
            .unwrap_or_default();
        let mut shown = Vec::new();
        for (value, (_, ty)) in values.iter().zip(&plan.columns) {
            shown.push(text_of(&ty.ty, value)?.unwrap_or_else(|| "null".into()));
        }
        Ok(shown)
    }

    /// A `SELECT` list over one row of values.
    pub(crate) fn project(
        &self,
        plan: &Plan,
        params: &Params,
        row: &[Value],
    ) -> Result<Vec<Value>> {
        Ok(self
            .conn
            .run(plan, params, row)?
            .into_iter()
            .next()
            .unwrap_or_default())
    }

    /// The keys of the stored rows that a plan finds for one row of values; they are its only column.
    pub(super) fn keys_of(&self, plan: &Plan, row: &[Value]) -> Result<Vec<i64>> {
        let found = self.conn.run(plan, Params::NONE, row)?;
        let keys = found.into_iter().filter_map(|row| match row.first() {
            Some(Value::Integer(key)) => Some(*key),
            _ => None,
        });
        Ok(keys.collect())
    }
}

/// Where a row has other values than before.
pub(super) fn changed_places(old: &[Value], new: &[Value]) -> Vec<usize> {
    let places = old.iter().zip(new).enumerate();
    places
        .filter(|(_, (old, new))| !same(old, new))
        .map(|(place, _)| place)
        .collect()
}

/// The statement that writes a new row, whose columns are `?1`, `?2`, ….
pub(super) fn insert_text(relation: &Relation) -> String {
    let table = quoted_table(relation);
    if relation.columns.is_empty() {
        return format!("INSERT INTO {table} DEFAULT VALUES");
    }
    let columns: Vec<String> = relation
        .columns
        .iter()
        .map(|column| names::quoted_column(&column.name))
        .collect();
    let places: Vec<String> = (1..=columns.len())
        .map(|place| format!("?{place}"))
        .collect();
    format!(
        "INSERT INTO {table}({}) VALUES ({})",
        columns.join(","),
        places.join(",")
    )
}

/// `42501` of a policy. `using`: an existing row, in an upsert.
pub(crate) fn policy_violation(table: &QName, policy: Option<&str>, using: bool) -> SqlError {
    let using = if using { " (USING expression)" } else { "" };
    let message = match policy {
        Some(policy) => {
            format!(
                "new row violates row-level security policy \"{policy}\"{using} for table \"{}\"",
                table.name
            )
        }
        None => format!(
            "new row violates row-level security policy{using} for table \"{}\"",
            table.name
        ),
    };
    let mut error = SqlError::new("42501", message);
    error.table = Some(table.name.clone());
    error
}

/// The name and condition of each `CHECK` of a table, in the order in which Postgres asks them: that of their names.
fn checks_in_order(relation: &Relation) -> Vec<(&str, &Expr)> {
    let table = relation.table().into_iter();
    let mut checks: Vec<(&str, &Expr)> = table
        .flat_map(|table| &table.constraints)
        .filter_map(|constraint| match &constraint.kind {
            ConstraintKind::Check { expr } => Some((constraint.name.as_str(), expr)),
            _ => None,
        })
        .collect();
    checks.sort_by_key(|(name, _)| *name);
    checks
}

/// Columns of a relation as values of the executor's row, from place `offset` on.
pub(crate) fn bound_row(
    translator: &mut Translator<'_>,
    relation: &Relation,
    offset: usize,
) -> Vec<ItemColumn> {
    let texts: Vec<String> = (0..relation.columns.len())
        .map(|place| translator.bind(Bind::Row(offset + place)))
        .collect();
    row_columns(relation, |place| texts[place].clone())
}

/// The column that is SQLite's own row key: an integer primary key of one column.
pub(crate) fn row_key_column(relation: &Relation) -> Option<usize> {
    let [key] = relation.primary_key() else {
        return None;
    };
    relation
        .columns
        .iter()
        .position(|column| column.name == *key && column.ty.ty.is_integer())
}

/// Equal down to the text form (1.5 and 1.50 are different values to store).
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

/// A value in a detail: not longer than Postgres would show it.
fn shortened(text: Option<String>) -> String {
    match text {
        None => "null".to_owned(),
        Some(text) if text.chars().count() > DETAIL_WIDTH => {
            format!("{}...", text.chars().take(DETAIL_WIDTH).collect::<String>())
        }
        Some(text) => text,
    }
}

/// Keys as a detail lists them.
pub(crate) fn key_names(keys: &[Expr]) -> Vec<String> {
    keys.iter()
        .map(|key| match key {
            Expr::Column(reference) => reference
                .parts
                .last()
                .map(|name| plinth_sql::print::ident(name))
                .unwrap_or_default(),
            other => plinth_sql::print::expr(other),
        })
        .collect()
}
