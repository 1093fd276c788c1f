//! Unique keys: which there are, which rows hold them, and what `ON CONFLICT` means by its target.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{ConflictTarget, Expr};
use plinth_sql::catalog::{ConstraintKind, Relation};
use rusqlite::types::Value;

use super::Executor;
use super::row::bound_row;
use crate::connection::{Params, quoted_table};
use crate::error::Result;
use crate::translate::stored_columns;

/// A unique constraint or index.
#[derive(Clone, Debug)]
pub(crate) struct Unique {
    pub(crate) name: String,
    pub(crate) keys: Vec<Expr>,
    pub(crate) predicate: Option<Expr>,
    pub(crate) nulls_not_distinct: bool,
}

impl Executor {
    /// Every unique constraint and index of a table, in order of creation, the primary key first.
    pub(crate) fn unique_indexes(&self, relation: &Relation) -> Vec<Unique> {
        let mut found = Vec::new();
        let Some(table) = relation.table() else {
            return found;
        };
        for constraint in &table.constraints {
            let (columns, nulls_not_distinct) = match &constraint.kind {
                ConstraintKind::PrimaryKey { columns } => (columns, false),
                ConstraintKind::Unique {
                    columns,
                    nulls_not_distinct,
                } => (columns, *nulls_not_distinct),
                ConstraintKind::Check { .. } | ConstraintKind::ForeignKey(_) => continue,
            };
            let keys = columns.iter().map(Expr::column).collect();
            found.push(Unique {
                name: constraint.name.clone(),
                keys,
                predicate: None,
                nulls_not_distinct,
            });
        }
        for index in table.indexes.iter().filter(|index| index.unique) {
            found.push(Unique {
                name: index.name.clone(),
                keys: index.keys.iter().map(|part| part.expr.clone()).collect(),
                predicate: index.predicate.clone(),
                nulls_not_distinct: index.nulls_not_distinct,
            });
        }
        found
    }

    /// Keys of the stored rows that a row would clash with.
    pub(crate) fn matching_rows(
        &self,
        relation: &Arc<Relation>,
        unique: &Unique,
        row: &[Value],
    ) -> Result<Vec<i64>> {
        let mut translator = self.translator("postgres", Params::NONE);
        let name = &relation.name.name;
        let mut terms = Vec::new();
        for key in &unique.keys {
            let stored = stored_columns(relation, "t0");
            let left = translator.in_table_scope(name, stored, |this| this.expr(key))?;
            let over = bound_row(&mut translator, relation, 0);
            let right = translator.in_table_scope(name, over, |this| this.expr(key))?;
            terms.push(
                translator
                    .compare("=", left.clone(), right.clone())
                    .map(|same| {
                        if unique.nulls_not_distinct {
                            format!(
                                "({} OR ({} IS NULL AND {} IS NULL))",
                                same.sql, left.sql, right.sql
                            )
                        } else {
                            same.sql
                        }
                    })?,
            );
        }
        if let Some(predicate) = &unique.predicate {
            let over = bound_row(&mut translator, relation, 0);
            terms.push(
                translator
                    .in_table_scope(name, over, |this| this.condition_expr(predicate, "WHERE"))?
                    .sql,
            );
            let stored = stored_columns(relation, "t0");
            terms.push(
                translator
                    .in_table_scope(name, stored, |this| this.condition_expr(predicate, "WHERE"))?
                    .sql,
            );
        }
        translator.allow(relation);
        let sql = format!(
            "SELECT t0.rowid FROM {} AS t0 WHERE {}",
            quoted_table(relation),
            terms.join(" AND ")
        );
        let plan = translator.finish(
            sql,
            vec![("rowid".into(), plinth_sql::types::Type::Int8.into())],
        )?;
        self.keys_of(&plan, row)
    }

    /// The unique keys that an `ON CONFLICT` watches.
    pub(crate) fn arbiters(
        &self,
        relation: &Relation,
        target: Option<&ConflictTarget>,
    ) -> Result<Vec<Unique>> {
        let all = self.unique_indexes(relation);
        match target {
            None => Ok(all),
            Some(ConflictTarget::Constraint(name)) => {
                let found: Vec<Unique> = all
                    .into_iter()
                    .filter(|unique| unique.name == *name)
                    .collect();
                if found.is_empty() {
                    return Err(SqlError::new(
                        "42704",
                        format!(
                            "constraint \"{name}\" for table \"{}\" does not exist",
                            relation.name.name
                        ),
                    )
                    .into());
                }
                Ok(found)
            }
            Some(ConflictTarget::Columns { keys, predicate }) => {
                for key in keys {
                    if let Expr::Column(reference) = key
                        && let [name] = reference.parts.as_slice()
                        && relation.column(name).is_none()
                    {
                        return Err(SqlError::new(
                            "42703",
                            format!("column \"{name}\" does not exist"),
                        )
                        .at(reference.span)
                        .into());
                    }
                }
                let same_keys = |unique: &Unique| {
                    unique.keys.iter().all(|key| keys.contains(key))
                        && keys.iter().all(|key| unique.keys.contains(key))
                };
                // A partial index is meant only when its predicate is written too.
                let found: Vec<Unique> = all
                    .into_iter()
                    .filter(|unique| {
                        same_keys(unique)
                            && (unique.predicate.is_none() || unique.predicate == *predicate)
                    })
                    .collect();
                if found.is_empty() {
                    return Err(SqlError::new(
                        "42P10",
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    )
                    .into());
                }
                Ok(found)
            }
        }
    }
}
