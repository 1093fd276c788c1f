//! Constraints of tables: their names, and what each must be checked against before it is kept.

use std::collections::BTreeSet;

use super::names::{choose, has_index, joined, missing_relation, named, no_column, relation_exists};
use super::types::{comparable, sortable};
use super::{Work, error};
use crate::SqlError;
use crate::ast::{
    Deferrable, Expr, ForeignKeyAction, Names, References, Span, TableConstraint, TableConstraintKind,
};
use crate::catalog::references::{Stored, Target, collect, store_expr};
use crate::catalog::{Catalog, Constraint, ConstraintKind, ForeignKey, Privilege, QName, Relation, RelationKind, Table};
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
        Def::Key(KeyDef { name, columns, primary, nulls_not_distinct, deferrable, span })
    };
    Ok(match &written.kind {
        TableConstraintKind::Check(_) if written.deferrable != Deferrable::Not => {
            return Err(error("0A000", "CHECK constraints cannot be marked DEFERRABLE").at(written.span));
        }
        TableConstraintKind::Check(expr) => {
            Def::Check(CheckDef { name, expr: expr.clone(), not_valid: written.not_valid })
        }
        TableConstraintKind::Unique { columns, nulls_not_distinct } => key(columns, false, *nulls_not_distinct),
        TableConstraintKind::PrimaryKey(columns) => key(columns, true, false),
        TableConstraintKind::ForeignKey { columns, references } => Def::Foreign(ForeignDef {
            name,
            columns: columns.clone(),
            references: references.clone(),
            deferrable: written.deferrable,
            not_valid: written.not_valid,
        }),
        TableConstraintKind::UsingIndex { index, primary } => Def::Index(name, index.clone(), *primary),
        TableConstraintKind::Exclude => {
            return Err(SqlError::unsupported("EXCLUDE")
                .hint("Use a unique constraint, or a unique index over an expression.")
                .at(written.span));
        }
    })
}

/// Adds a `CHECK` to the relation; its name.
pub(super) fn add_check(work: &Work<'_>, relation: &mut Relation, def: &CheckDef) -> Result<String, SqlError> {
    if Names::of_expr(&def.expr).subqueries {
        return Err(error("0A000", "cannot use subquery in check constraint"));
    }
    must_be_boolean(&work.expr_type(&def.expr, Some(relation))?.ty, "CHECK")?;
    let mut expr = store_expr(&work.catalog, work.path(), Some(relation), &def.expr);
    let name = match &def.name {
        Some(name) if has_constraint(relation, name) => {
            return Err(match work.catalog.relations.contains_key(&relation.name) {
                true => constraint_exists(name, &relation.name.name),
                false => error("42710", format!("check constraint \"{name}\" already exists")),
            });
        }
        Some(name) => name.clone(),
        None => {
            let used = collect(&work.catalog, Stored::Expr(&mut expr, Some(relation)));
            let columns: BTreeSet<String> =
                used.into_iter().filter_map(|t| if let Target::Column(_, column) = t { Some(column) } else { None }).collect();
            let middle = if columns.len() == 1 { columns.first() } else { None };
            choose(&relation.name.name, middle.map(String::as_str), "check", |name| {
                constraint_taken(&work.catalog, relation, name)
            })
        }
    };
    push(relation, &name, ConstraintKind::Check { expr }, Deferrable::Not, !def.not_valid);
    Ok(name)
}

/// 42804 for a condition that is not boolean.
pub(super) fn must_be_boolean(ty: &Type, what: &str) -> Result<(), SqlError> {
    match ty {
        Type::Bool | Type::Unknown => Ok(()),
        other => Err(error("42804", format!("argument of {what} must be type boolean, not type {other}"))),
    }
}

/// Adds keys to the relation, the primary one first, a repeated one once; their names. Primary keys make their columns
/// `NOT NULL`.
pub(super) fn add_keys(work: &Work<'_>, relation: &mut Relation, defs: &[KeyDef]) -> Result<Vec<String>, SqlError> {
    let mut kept: Vec<KeyDef> = Vec::new();
    for def in defs.iter().filter(|def| def.primary).chain(defs.iter().filter(|def| !def.primary)) {
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
    kept.iter().map(|def| add_key(work, relation, def).map_err(|error| error.at(def.span))).collect()
}

fn add_key(work: &Work<'_>, relation: &mut Relation, def: &KeyDef) -> Result<String, SqlError> {
    let table = relation.name.name.clone();
    if def.primary && !relation.primary_key().is_empty() {
        return Err(error("42P16", format!("multiple primary keys for table \"{table}\" are not allowed")));
    }
    for (at, column) in def.columns.iter().enumerate() {
        let found = relation.column(column);
        let found = found.ok_or_else(|| error("42703", format!("column \"{column}\" named in key does not exist")))?;
        if def.columns[..at].contains(column) {
            let what = if def.primary { "primary key" } else { "unique" };
            return Err(error("42701", format!("column \"{column}\" appears twice in {what} constraint")));
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
            let (middle, label) = if def.primary { (None, "pkey") } else { (Some(columns.as_str()), "key") };
            choose(&table, middle, label, |name| {
                index_name_taken(work, relation, name) || constraint_taken(&work.catalog, relation, name)
            })
        }
    };
    let columns = def.columns.clone();
    let kind = if def.primary {
        for column in relation.columns.iter_mut().filter(|column| columns.contains(&column.name)) {
            column.not_null = true;
        }
        ConstraintKind::PrimaryKey { columns }
    } else {
        ConstraintKind::Unique { columns, nulls_not_distinct: def.nulls_not_distinct }
    };
    push(relation, &name, kind, def.deferrable, true);
    Ok(name)
}

/// 42P07 or 42710 when the name of an index or key is taken.
pub(super) fn free_index_name(work: &Work<'_>, relation: &Relation, name: &str) -> Result<(), SqlError> {
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

/// Adds a `FOREIGN KEY` to a relation of the catalog; its name.
pub(super) fn add_foreign(work: &mut Work<'_>, table: &QName, def: &ForeignDef) -> Result<String, SqlError> {
    let Some(relation) = work.catalog.relations.get(table).cloned() else { return Ok(String::new()) };
    let references = &def.references;
    let foreign = work.find_named(&references.table);
    let foreign = match foreign {
        Some(super::names::Named::Relation(found)) if found.table().is_some() => found,
        Some(_) => {
            let message = format!("referenced relation \"{}\" is not a table", references.table.name);
            return Err(error("42809", message).at(references.table.span));
        }
        None => return Err(missing_relation(&references.table)),
    };
    if !work.catalog.may(work.role(), &foreign, Privilege::References) {
        return Err(error("42501", format!("permission denied for table {}", foreign.name.name)));
    }
    let missing = |column: &str| {
        error("42703", format!("column \"{column}\" referenced in foreign key constraint does not exist"))
    };
    if let Some(column) = def.columns.iter().find(|column| relation.column(column).is_none()) {
        return Err(missing(column));
    }
    let foreign_columns = match references.columns.as_slice() {
        [] if foreign.primary_key().is_empty() => {
            let message = format!("there is no primary key for referenced table \"{}\"", foreign.name.name);
            return Err(error("42704", message));
        }
        [] => foreign.primary_key().to_vec(),
        written => written.to_vec(),
    };
    if let Some(column) = foreign_columns.iter().find(|column| foreign.column(column).is_none()) {
        return Err(missing(column));
    }
    if foreign_columns.len() != def.columns.len() {
        return Err(error("42830", "number of referencing and referenced columns for foreign key disagree"));
    }
    referenced_key(&foreign, &foreign_columns)?;
    let set = |action| matches!(action, ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault);
    for column in references.on_delete_columns.iter().filter(|column| !def.columns.contains(column)) {
        if relation.column(column).is_none() {
            return Err(missing(column));
        }
        let message = format!("column \"{column}\" referenced in ON DELETE SET action must be part of foreign key");
        return Err(error("42P10", message));
    }
    for column in relation.columns.iter().filter(|c| c.generated.is_some() && def.columns.contains(&c.name)) {
        let cascades = references.on_update == ForeignKeyAction::Cascade;
        if set(references.on_delete) || set(references.on_update) || cascades {
            let which = if set(references.on_delete) { "DELETE" } else { "UPDATE" };
            let message = format!("invalid ON {which} action for foreign key constraint containing generated column");
            return Err(error("42601", message).detail(format!("Column \"{}\" is generated.", column.name)));
        }
    }
    let name = match &def.name {
        Some(name) if has_constraint(&relation, name) => return Err(constraint_exists(name, &table.name)),
        Some(name) => name.clone(),
        None => {
            let columns = joined(def.columns.iter().map(String::as_str));
            choose(&table.name, Some(&columns), "fkey", |name| constraint_taken(&work.catalog, &relation, name))
        }
    };
    for (column, foreign_column) in def.columns.iter().zip(&foreign_columns) {
        let (Some(ours), Some(theirs)) = (relation.column(column), foreign.column(foreign_column)) else { continue };
        if !comparable(&theirs.ty.ty, &ours.ty.ty) {
            return Err(error("42804", format!("foreign key constraint \"{name}\" cannot be implemented")).detail(
                format!(
                    "Key columns \"{column}\" and \"{foreign_column}\" are of incompatible types: {} and {}.",
                    ours.ty.ty, theirs.ty.ty
                ),
            ));
        }
    }
    let key = ForeignKey {
        columns: def.columns.clone(),
        foreign_table: foreign.name.clone(),
        foreign_columns,
        on_delete: references.on_delete,
        on_delete_columns: references.on_delete_columns.clone(),
        on_update: references.on_update,
        match_full: references.match_full,
    };
    work.edit_relation(table, |relation| {
        push(relation, &name, ConstraintKind::ForeignKey(key), def.deferrable, !def.not_valid);
    });
    Ok(name)
}

/// The name of the unique constraint or index that a foreign key on these columns rests on.
pub(super) fn referenced_key(foreign: &Relation, columns: &[String]) -> Result<String, SqlError> {
    let wanted: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    let same = |key: &[String]| key.len() == columns.len() && key.iter().all(|column| wanted.contains(column.as_str()));
    let none = || {
        let message =
            format!("there is no unique constraint matching given keys for referenced table \"{}\"", foreign.name.name);
        error("42830", message)
    };
    let table = foreign.table().ok_or_else(none)?;
    let mut deferred = false;
    for constraint in &table.constraints {
        let (ConstraintKind::PrimaryKey { columns: key } | ConstraintKind::Unique { columns: key, .. }) =
            &constraint.kind
        else {
            continue;
        };
        if same(key) && constraint.deferrable == Deferrable::Not {
            return Ok(constraint.name.clone());
        }
        deferred |= same(key);
    }
    for index in table.indexes.iter().filter(|index| index.unique && index.predicate.is_none()) {
        let key: Option<Vec<String>> = index.keys.iter().map(|part| plain_column(&part.expr)).collect();
        if key.is_some_and(|key| same(&key)) {
            return Ok(index.name.clone());
        }
    }
    if deferred {
        let message = format!("cannot use a deferrable unique constraint for referenced table \"{}\"", foreign.name.name);
        return Err(error("55000", message));
    }
    Err(none())
}

/// The column that a stored index key is, when it is no expression.
pub(super) fn plain_column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => column.parts.last().cloned(),
        _ => None,
    }
}

/// Whether the relation has a constraint of this name.
pub(super) fn has_constraint(relation: &Relation, name: &str) -> bool {
    relation.table().is_some_and(|table| table.constraints.iter().any(|constraint| constraint.name == name))
}

/// 42710.
pub(super) fn constraint_exists(name: &str, table: &str) -> SqlError {
    error("42710", format!("constraint \"{name}\" for relation \"{table}\" already exists"))
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
    let at = relation.columns.iter().position(|found| found.name == column);
    at.ok_or_else(|| no_column(column, &relation.name.name))
}

fn constraint_taken(catalog: &Catalog, relation: &Relation, name: &str) -> bool {
    has_constraint(relation, name)
        || catalog
            .relations
            .values()
            .any(|other| other.name.schema == relation.name.schema && has_constraint(other, name))
}

fn push(relation: &mut Relation, name: &str, kind: ConstraintKind, deferrable: Deferrable, validated: bool) {
    if let Some(table) = table_mut(relation) {
        table.constraints.push(Constraint { name: name.to_owned(), kind, deferrable, validated });
    }
}
