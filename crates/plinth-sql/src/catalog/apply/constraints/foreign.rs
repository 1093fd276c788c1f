//! Foreign keys.

use std::collections::BTreeSet;

use super::super::names::{Named, choose, joined, missing_relation};
use super::super::types::comparable;
use super::super::{Work, error};
use super::{ForeignDef, constraint_exists, constraint_taken, has_constraint, plain_column, push};
use crate::SqlError;
use crate::ast::{Deferrable, ForeignKeyAction};
use crate::catalog::{ConstraintKind, ForeignKey, Privilege, QName, Relation};

/// Adds a `FOREIGN KEY` to a relation of the catalog; its name.
pub(in super::super) fn add_foreign(
    work: &mut Work<'_>,
    table: &QName,
    def: &ForeignDef,
) -> Result<String, SqlError> {
    let Some(relation) = work.catalog.relations.get(table).cloned() else {
        return Ok(String::new());
    };
    let references = &def.references;
    let foreign = work.find_named(&references.table);
    let foreign = match foreign {
        Some(Named::Relation(found)) if found.table().is_some() => found,
        Some(_) => {
            let message = format!(
                "referenced relation \"{}\" is not a table",
                references.table.name
            );
            return Err(error("42809", message).at(references.table.span));
        }
        None => return Err(missing_relation(&references.table)),
    };
    if !work
        .catalog
        .may(work.role(), &foreign, Privilege::References)
    {
        return Err(error(
            "42501",
            format!("permission denied for table {}", foreign.name.name),
        ));
    }
    let missing = |column: &str| {
        error(
            "42703",
            format!("column \"{column}\" referenced in foreign key constraint does not exist"),
        )
    };
    if let Some(column) = def
        .columns
        .iter()
        .find(|column| relation.column(column).is_none())
    {
        return Err(missing(column));
    }
    let foreign_columns = match references.columns.as_slice() {
        [] if foreign.primary_key().is_empty() => {
            let message = format!(
                "there is no primary key for referenced table \"{}\"",
                foreign.name.name
            );
            return Err(error("42704", message));
        }
        [] => foreign.primary_key().to_vec(),
        written => written.to_vec(),
    };
    if let Some(column) = foreign_columns
        .iter()
        .find(|column| foreign.column(column).is_none())
    {
        return Err(missing(column));
    }
    if foreign_columns.len() != def.columns.len() {
        return Err(error(
            "42830",
            "number of referencing and referenced columns for foreign key disagree",
        ));
    }
    referenced_key(&foreign, &foreign_columns)?;
    let set = |action| {
        matches!(
            action,
            ForeignKeyAction::SetNull | ForeignKeyAction::SetDefault
        )
    };
    if let Some(column) = references
        .on_delete_columns
        .iter()
        .find(|column| !def.columns.contains(column))
    {
        if relation.column(column).is_none() {
            return Err(missing(column));
        }
        let message = format!(
            "column \"{column}\" referenced in ON DELETE SET action must be part of foreign key"
        );
        return Err(error("42P10", message));
    }
    for column in relation
        .columns
        .iter()
        .filter(|c| c.generated.is_some() && def.columns.contains(&c.name))
    {
        let cascades = references.on_update == ForeignKeyAction::Cascade;
        if set(references.on_delete) || set(references.on_update) || cascades {
            let which = if set(references.on_delete) {
                "DELETE"
            } else {
                "UPDATE"
            };
            let message = format!(
                "invalid ON {which} action for foreign key constraint containing generated column"
            );
            return Err(
                error("42601", message).detail(format!("Column \"{}\" is generated.", column.name))
            );
        }
    }
    let name = match &def.name {
        Some(name) if has_constraint(&relation, name) => {
            return Err(constraint_exists(name, &table.name));
        }
        Some(name) => name.clone(),
        None => {
            let columns = joined(def.columns.iter().map(String::as_str));
            choose(&table.name, Some(&columns), "fkey", |name| {
                constraint_taken(&work.catalog, &relation, name)
            })
        }
    };
    for (column, foreign_column) in def.columns.iter().zip(&foreign_columns) {
        let (Some(ours), Some(theirs)) = (relation.column(column), foreign.column(foreign_column))
        else {
            continue;
        };
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
        push(
            relation,
            &name,
            ConstraintKind::ForeignKey(key),
            def.deferrable,
            !def.not_valid,
        );
    });
    Ok(name)
}

/// The name of the unique constraint or index that a foreign key on these columns rests on.
pub(in super::super) fn referenced_key(
    foreign: &Relation,
    columns: &[String],
) -> Result<String, SqlError> {
    let wanted: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    let same = |key: &[String]| {
        key.len() == columns.len() && key.iter().all(|column| wanted.contains(column.as_str()))
    };
    let none = || {
        let message = format!(
            "there is no unique constraint matching given keys for referenced table \"{}\"",
            foreign.name.name
        );
        error("42830", message)
    };
    let table = foreign.table().ok_or_else(none)?;
    let mut deferred = false;
    for constraint in &table.constraints {
        let (ConstraintKind::PrimaryKey { columns: key }
        | ConstraintKind::Unique { columns: key, .. }) = &constraint.kind
        else {
            continue;
        };
        if same(key) && constraint.deferrable == Deferrable::Not {
            return Ok(constraint.name.clone());
        }
        deferred |= same(key);
    }
    for index in table
        .indexes
        .iter()
        .filter(|index| index.unique && index.predicate.is_none())
    {
        let key: Option<Vec<String>> = index
            .keys
            .iter()
            .map(|part| plain_column(&part.expr))
            .collect();
        if key.is_some_and(|key| same(&key)) {
            return Ok(index.name.clone());
        }
    }
    if deferred {
        let message = format!(
            "cannot use a deferrable unique constraint for referenced table \"{}\"",
            foreign.name.name
        );
        return Err(error("55000", message));
    }
    Err(none())
}
