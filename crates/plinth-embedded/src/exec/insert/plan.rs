//! What an insert is to do, as far as its text, the role and the schema decide it.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Insert, InsertSource, Overriding, PolicyCommand, SetExpr};
use plinth_sql::catalog::{Column, Privilege, Relation, RelationKind};

use super::super::row::{RowPolicies, RowRules};
use super::super::{Executor, no_target_column};
use super::upsert::Conflict;
use super::values::{Said, Source};
use crate::connection::Params;
use crate::error::Result;
use crate::translate::{Plan, Translator};

/// An insert, ready to run.
pub(crate) struct InsertPlan {
    pub(super) relation: Arc<Relation>,
    pub(super) source: Source,
    pub(super) conflict: Option<Conflict>,
    /// What every new row must pass.
    pub(super) rules: RowRules,
    pub(in crate::exec) returning: Option<Plan>,
}

impl InsertPlan {
    /// The plans that the statement's parameters go to.
    pub(in crate::exec) fn plans(&self) -> impl Iterator<Item = &Plan> {
        let conflict = self.conflict.as_ref().and_then(Conflict::plan);
        self.source
            .plans()
            .into_iter()
            .chain(conflict)
            .chain(&self.returning)
    }

    /// Whether it holds at any time: no constant like `'now'` is in it.
    pub(in crate::exec) fn is_timeless(&self) -> bool {
        self.source.is_timeless()
            && self.conflict.as_ref().is_none_or(Conflict::is_timeless)
            && self.rules.is_timeless()
            && self.returning.as_ref().is_none_or(|plan| plan.timeless)
    }
}

impl Executor {
    pub(in crate::exec) fn plan_new_insert(
        &mut self,
        insert: &Insert,
        params: &Params,
        role: &str,
    ) -> Result<InsertPlan> {
        if insert.with.is_some() && !matches!(insert.source, InsertSource::Query(_)) {
            return Err(SqlError::unsupported("WITH before INSERT … VALUES").into());
        }
        let relation = self.writable(&insert.table, "insert into")?;
        let columns = self.target_columns(&relation, insert)?;
        refuse_values_for_generated(&relation, &columns, insert)?;
        let mut privileges = self.translator(role, Params::NONE);
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
            role,
            &[],
        )?;
        let conflict = match &insert.on_conflict {
            Some(on_conflict) => {
                Some(self.conflict(&relation, insert, on_conflict, params, role)?)
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
            select: returning.is_some() || conflict_reads,
        };
        let mut rules = self.row_rules(&relation, role, Some(policies))?;
        rules.written.clone_from(&columns);
        let said = Said {
            insert,
            params,
            role,
        };
        let source = self.plan_source(&relation, &columns, said)?;
        Ok(InsertPlan {
            relation,
            source,
            conflict,
            rules,
            returning,
        })
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
}

/// Refuses values for columns that the database fills in by itself. Postgres does so before it asks for privileges.
fn refuse_values_for_generated(
    relation: &Relation,
    columns: &[usize],
    insert: &Insert,
) -> Result<(), SqlError> {
    let rows = match &insert.source {
        InsertSource::Default => return Ok(()),
        InsertSource::Query(query) => match &query.body {
            SetExpr::Values(rows) => Some(rows),
            _ => None,
        },
    };
    for (number, place) in columns.iter().enumerate() {
        let given = rows.is_none_or(|rows| {
            let is_given = |value: &Expr| !matches!(value, Expr::Default);
            rows.iter().any(|row| row.get(number).is_some_and(is_given))
        });
        if given {
            check_explicit(&relation.columns[*place], insert.overriding)?;
        }
    }
    Ok(())
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
