//! Constraints of tables: their names, and what each must be checked against before it is kept.

mod foreign;

pub(super) use foreign::{add_foreign, referenced_key};

use std::collections::BTreeSet;

use super::names::{choose, has_index, joined, named, no_column, relation_exists};
use super::types::sortable;
use super::{Work, error};
use crate::SqlError;
use crate::ast::{Deferrable, Expr, Names, References, Span, TableConstraint, TableConstraintKind};
use crate::catalog::references::{Stored, Target, collect, store_expr};
use crate::catalog::{Catalog, Constraint, ConstraintKind, QName, Relation, RelationKind, Table};
use crate::types::Type;

/// A `CHECK` to be added.
#[derive(Clone)]
pub(super) struct CheckDef {
    pub(super) name: Option<String>,
    pub(super) expr: Expr,
    pub(super) not_valid: bool,
}

/// A `PRIMARY KEY` or `UNIQUE` to be added.
#[derive(Clone)]
pub(super) struct KeyDef {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) primary: bool,
    pub(super) nulls_not_distinct: bool,
    pub(super) deferrable: Deferrable,
    pub(super) span: Span,
}

/// A `FOREIGN KEY` to be added.
#[derive(Clone)]
pub(super) struct ForeignDef {
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
    pub(super) references: References,
    pub(super) deferrable: Deferrable,
    pub(super) not_valid: bool,
}

/// A table constraint as one of the three.
pub(super) enum Def {
    Check(CheckDef),
    Key(KeyDef),
    Foreign(ForeignDef),
    /// `USING INDEX`: name, index, primary.
    Index(Option<String>, String, bool),
}

/// Which of the three a written constraint is.
pub(super) fn define(written: &TableConstraint) -> Result<Def, SqlError> {
    let name = written.name.clone();
    let key = |columns: &[String], primary, nulls_not_distinct| {
        let columns = columns.to_vec();
        let (name, deferrable, span) = (name.clone(), written.deferrable, written.span);
        Def::Key(KeyDef {
            name,
            columns,
            primary,
            nulls_not_distinct,
            deferrable,
            span,
        })
    };
    Ok(match &written.kind {
        TableConstraintKind::Check(_) if written.deferrable != Deferrable::Not => {
            return Err(
                error("0A000", "CHECK constraints cannot be marked DEFERRABLE").at(written.span),
            );
        }
        TableConstraintKind::Check(expr) => Def::Check(CheckDef {
            name,
            expr: expr.clone(),
            not_valid: written.not_valid,
        }),
        TableConstraintKind::Unique {
            columns,
            nulls_not_distinct,
        } => key(columns, false, *nulls_not_distinct),
        TableConstraintKind::PrimaryKey(columns) => key(columns, true, false),
        TableConstraintKind::ForeignKey {
            columns,
            references,
        } => Def::Foreign(ForeignDef {
            name,
            columns: columns.clone(),
            references: references.clone(),
            deferrable: written.deferrable,
            not_valid: written.not_valid,
        }),
        TableConstraintKind::UsingIndex { index, primary } => {
            Def::Index(name, index.clone(), *primary)
        }
        TableConstraintKind::Exclude => {
            return Err(SqlError::unsupported("EXCLUDE")
                .hint("Use a unique constraint, or a unique index over an expression.")
                .at(written.span));
        }
    })
}

/// Adds a `CHECK` to the relation; its name.
pub(super) fn add_check(
    work: &Work<'_>,
    relation: &mut Relation,
    def: &CheckDef,
) -> Result<String, SqlError> {
    if Names::of_expr(&def.expr).subqueries {
        return Err(error("0A000", "cannot use subquery in check constraint"));
    }
    must_be_boolean(&work.expr_type(&def.expr, Some(relation))?.ty, "CHECK")?;
    let mut expr = store_expr(&work.catalog, work.path(), Some(relation), &def.expr);
    let name = match &def.name {
        Some(name) if has_constraint(relation, name) => {
            return Err(match work.catalog.relations.contains_key(&relation.name) {
                true => constraint_exists(name, &relation.name.name),
                false => error(
                    "42710",
                    format!("check constraint \"{name}\" already exists"),
                ),
            });
        }
        Some(name) => name.clone(),
        None => {
            let used = collect(&work.catalog, Stored::Expr(&mut expr, Some(relation)));
            let columns: BTreeSet<String> = used
                .into_iter()
                .filter_map(|t| {
                    if let Target::Column(_, column) = t {
                        Some(column)
                    } else {
                        None
                    }
                })
                .collect();
            let middle = if columns.len() == 1 {
                columns.first()
            } else {
                None
            };
            choose(
                &relation.name.name,
                middle.map(String::as_str),
                "check",
                |name| constraint_taken(&work.catalog, relation, name),
            )
        }
    };
    push(
        relation,
        &name,
        ConstraintKind::Check { expr },
        Deferrable::Not,
        !def.not_valid,
    );
    Ok(name)
}

/// 42804 for a condition that is not boolean.
pub(super) fn must_be_boolean(ty: &Type, what: &str) -> Result<(), SqlError> {
    match ty {
        Type::Bool | Type::Unknown => Ok(()),
        other => Err(error(
            "42804",
            format!("argument of {what} must be type boolean, not type {other}"),
        )),
    }
}

/// Adds keys to the relation, the primary one first, a repeated one once; their names. Primary keys make their columns
/// `NOT NULL`.
pub(super) fn add_keys(
    work: &Work<'_>,
    relation: &mut Relation,
    defs: &[KeyDef],
) -> Result<Vec<String>, SqlError> {
    let mut kept: Vec<KeyDef> = Vec::new();
    for def in defs
        .iter()
        .filter(|def| def.primary)
        .chain(defs.iter().filter(|def| !def.primary))
    {
        let known = kept.iter_mut().find(|other| {
            other.columns == def.columns
                && other.deferrable == def.deferrable
                && other.nulls_not_distinct == def.nulls_not_distinct
                && !(other.primary && def.primary)
        });
        match known {
            Some(known) => known.name = known.name.take().or_else(|| def.name.clone()),
            None => kept.push(def.clone()),
        }
    }
    kept.iter()
        .map(|def| add_key(work, relation, def).map_err(|error| error.at(def.span)))
        .collect()
}

fn add_key(work: &Work<'_>, relation: &mut Relation, def: &KeyDef) -> Result<String, SqlError> {
    let table = relation.name.name.clone();
    if def.primary && !relation.primary_key().is_empty() {
        return Err(error(
            "42P16",
            format!("multiple primary keys for table \"{table}\" are not allowed"),
        ));
    }
    for (at, column) in def.columns.iter().enumerate() {
        let found = relation.column(column);
        let found = found.ok_or_else(|| {
            error(
                "42703",
                format!("column \"{column}\" named in key does not exist"),
            )
        })?;
        if def.columns[..at].contains(column) {
            let what = if def.primary { "primary key" } else { "unique" };
            return Err(error(
                "42701",
                format!("column \"{column}\" appears twice in {what} constraint"),
            ));
        }
        sortable(&found.ty.ty)?;
    }
    let name = match &def.name {
        Some(name) => {
            free_index_name(work, relation, name)?;
            name.clone()
        }
        None => {
            let columns = joined(def.columns.iter().map(String::as_str));
            let (middle, label) = if def.primary {
                (None, "pkey")
            } else {
                (Some(columns.as_str()), "key")
            };
            choose(&table, middle, label, |name| {
                index_name_taken(work, relation, name)
                    || constraint_taken(&work.catalog, relation, name)
            })
        }
    };
    let columns = def.columns.clone();
    let kind = if def.primary {
        for column in relation
            .columns
            .iter_mut()
            .filter(|column| columns.contains(&column.name))
        {
            column.not_null = true;
        }
        ConstraintKind::PrimaryKey { columns }
    } else {
        ConstraintKind::Unique {
            columns,
            nulls_not_distinct: def.nulls_not_distinct,
        }
    };
    push(relation, &name, kind, def.deferrable, true);
    Ok(name)
}

/// 42P07 or 42710 when the name of an index or key is taken.
pub(super) fn free_index_name(
    work: &Work<'_>,
    relation: &Relation,
    name: &str,
) -> Result<(), SqlError> {
    if index_name_taken(work, relation, name) {
        return Err(relation_exists(name));
    }
    if has_constraint(relation, name) {
        return Err(constraint_exists(name, &relation.name.name));
    }
    Ok(())
}

/// Whether the name is taken among tables, indexes and sequences of the relation's schema; the relation itself may not be
/// in the catalog yet.
pub(super) fn index_name_taken(work: &Work<'_>, relation: &Relation, name: &str) -> bool {
    name == relation.name.name
        || relation.table().is_some_and(|table| has_index(table, name))
        || named(&work.catalog, &QName::new(&relation.name.schema, name)).is_some()
}

/// The column that a stored index key is, when it is no expression.
pub(super) fn plain_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => column.parts.last().cloned(),
        _ => None,
    }
}

/// The relation's constraint of this name.
pub(super) fn find_constraint<'r>(relation: &'r Relation, name: &str) -> Option<&'r Constraint> {
    let mut constraints = relation
        .table()
        .into_iter()
        .flat_map(|table| &table.constraints);
    constraints.find(|constraint| constraint.name == name)
}

/// Whether the relation has a constraint of this name.
pub(super) fn has_constraint(relation: &Relation, name: &str) -> bool {
    find_constraint(relation, name).is_some()
}

/// 42710.
pub(super) fn constraint_exists(name: &str, table: &str) -> SqlError {
    error(
        "42710",
        format!("constraint \"{name}\" for relation \"{table}\" already exists"),
    )
}

/// The parts of a table, for a relation that is known to be one.
pub(super) fn table_mut(relation: &mut Relation) -> Option<&mut Table> {
    match &mut relation.kind {
        RelationKind::Table(table) => Some(table),
        RelationKind::View(_) => None,
    }
}

/// A column of the relation to be changed, or 42703.
pub(super) fn column_at(relation: &Relation, column: &str) -> Result<usize, SqlError> {
    let at = relation
        .columns
        .iter()
        .position(|found| found.name == column);
    at.ok_or_else(|| no_column(column, &relation.name.name))
}

fn constraint_taken(catalog: &Catalog, relation: &Relation, name: &str) -> bool {
    has_constraint(relation, name)
        || catalog
            .relations
            .values()
            .any(|other| other.name.schema == relation.name.schema && has_constraint(other, name))
}

fn push(
    relation: &mut Relation,
    name: &str,
    kind: ConstraintKind,
    deferrable: Deferrable,
    validated: bool,
) {
    if let Some(table) = table_mut(relation) {
        table.constraints.push(Constraint {
            name: name.to_owned(),
            kind,
            deferrable,
            validated,
        });
    }
}
