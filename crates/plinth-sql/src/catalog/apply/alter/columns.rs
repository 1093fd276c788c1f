//! The actions of `ALTER TABLE` on columns.

use std::sync::Arc;

use super::super::column::{self, Draft, check_type, identity_sequence, settle_values};
use super::super::constraints::{add_check, add_foreign, add_keys, column_at, must_be_boolean};
use super::super::depend::{Object, edges};
use super::super::rename::rename;
use super::super::types::{assignable, comparable, sortable};
use super::super::{Effect, Work, error, sequence, view};
use super::constraints::settle_keys;
use crate::SqlError;
use crate::ast::{ColumnDef, Expr, Names, SequenceOptions, TypeName};
use crate::catalog::references::{Renamed, store_expr};
use crate::catalog::{ConstraintKind, Identity, QName, Relation, RelationKind};
use crate::types::{ColumnType, Type};

/// `ADD COLUMN`.
pub(super) fn add(
    work: &mut Work<'_>,
    relation: &Relation,
    def: &ColumnDef,
    if_not_exists: bool,
) -> Result<(), SqlError> {
    let table = relation.name.clone();
    if relation.column(&def.name).is_some() {
        let exists = column_exists(&def.name, &table.name).at(def.span);
        work.skip_if(if_not_exists, exists, "42701")?;
        return Ok(());
    }
    let mut draft = Draft::new(relation.clone());
    column::add(work, &mut draft, def)?;
    settle_values(work, &mut draft)?;
    let mut checks = Vec::new();
    for check in std::mem::take(&mut draft.checks) {
        checks.push(add_check(work, &mut draft.relation, &check)?);
    }
    let keys = add_keys(work, &mut draft.relation, &draft.keys)?;
    let not_null = draft
        .relation
        .columns
        .last()
        .is_some_and(|column| column.not_null);
    work.put(draft.relation);
    for foreign in &draft.foreign {
        checks.push(add_foreign(work, &table, foreign)?);
    }
    work.effect(Effect::AddColumn {
        table: table.clone(),
        column: def.name.clone(),
    });
    settle_keys(work, &table, not_null.then(|| def.name.clone()), keys);
    for constraint in checks {
        work.effect(Effect::Validate {
            table: table.clone(),
            constraint,
        });
    }
    Ok(())
}

/// `RENAME COLUMN`.
pub(super) fn rename_to(
    work: &mut Work<'_>,
    relation: &Relation,
    from: &str,
    to: &str,
) -> Result<(), SqlError> {
    let name = relation.name.clone();
    if relation.column(from).is_none() {
        return Err(error("42703", format!("column \"{from}\" does not exist")));
    }
    if relation.column(to).is_some() {
        return Err(column_exists(to, &name.name));
    }
    let columns = relation
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let change = Renamed::Column {
        relation: name.clone(),
        columns,
        from: from.to_owned(),
        to: to.to_owned(),
    };
    rename(work, &change);
    work.edit_relation(&name, |relation| {
        if let RelationKind::View(found) = &mut relation.kind {
            let names: Vec<&str> = relation
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            view::label(&mut found.query, &names);
        }
    });
    if relation.table().is_some() {
        work.effect(Effect::RenameColumn {
            table: name,
            from: from.to_owned(),
            to: to.to_owned(),
        });
    }
    Ok(())
}

/// `SET DEFAULT` and `DROP DEFAULT`.
pub(super) fn set_default(
    work: &mut Work<'_>,
    relation: &Relation,
    name: &str,
    default: Option<&Expr>,
) -> Result<(), SqlError> {
    let at = column_at(relation, name)?;
    let column = &relation.columns[at];
    let table = &relation.name.name;
    let refuse = |what: &str, hint: &str| {
        let refused = error(
            "42601",
            format!("column \"{name}\" of relation \"{table}\" is {what} column"),
        );
        if default.is_none() {
            refused.hint(hint)
        } else {
            refused
        }
    };
    if column.identity.is_some() {
        return Err(refuse(
            "an identity",
            "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.",
        ));
    }
    if column.generated.is_some() {
        return Err(refuse(
            "a generated",
            "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.",
        ));
    }
    let stored = default
        .map(|expr| column::default(work, column, expr))
        .transpose()?;
    work.edit_relation(&relation.name, |relation| {
        relation.columns[at].default = stored;
    });
    Ok(())
}

/// `SET NOT NULL` and `DROP NOT NULL`.
pub(super) fn set_not_null(
    work: &mut Work<'_>,
    relation: &Relation,
    name: &str,
    not_null: bool,
) -> Result<(), SqlError> {
    let at = column_at(relation, name)?;
    let column = &relation.columns[at];
    let table = relation.name.clone();
    if !not_null && column.identity.is_some() {
        let message = format!(
            "column \"{name}\" of relation \"{}\" is an identity column",
            table.name
        );
        return Err(error("42601", message));
    }
    if !not_null && relation.primary_key().iter().any(|key| key == name) {
        return Err(error(
            "42P16",
            format!("column \"{name}\" is in a primary key"),
        ));
    }
    if column.not_null != not_null {
        work.edit_relation(&table, |relation| relation.columns[at].not_null = not_null);
        if not_null {
            work.effect(Effect::ValidateNotNull {
                table,
                column: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// `ALTER COLUMN … TYPE`.
pub(super) fn set_type(
    work: &mut Work<'_>,
    relation: &Relation,
    name: &str,
    written: &TypeName,
    using: Option<&Expr>,
) -> Result<(), SqlError> {
    let at = column_at(relation, name)?;
    let old = &relation.columns[at];
    let table = relation.name.clone();
    let ty = work.column_type(written)?;
    check_type(name, &ty.ty)?;
    let using = match using {
        Some(using) => {
            let found = work.expr_type(using, Some(relation))?;
            if !assignable(&found.ty, &ty.ty) {
                let what = format!("result of USING clause for column \"{name}\"");
                return Err(no_cast(&what, &ty.ty).hint("You might need to add an explicit cast."));
            }
            Some(store_expr(
                &work.catalog,
                work.path(),
                Some(relation),
                using,
            ))
        }
        None if old.generated.is_none() && !assignable(&old.ty.ty, &ty.ty) => {
            let refused = no_cast(&format!("column \"{name}\""), &ty.ty);
            return Err(refused.hint(format!("You might need to specify \"USING {name}::{ty}\".")));
        }
        None => None,
    };
    refuse_used(work, relation, name)?;
    if let Some(default) = &old.default {
        // A bare constant has taken the column's old type.
        let found = work.expr_type(default, None)?.ty;
        let found = if found == Type::Unknown && *default != Expr::Null {
            old.ty.ty.clone()
        } else {
            found
        };
        if !assignable(&found, &ty.ty) {
            return Err(no_cast(&format!("default for column \"{name}\""), &ty.ty));
        }
    }
    let mut changed = relation.clone();
    changed.columns[at].ty = ty.clone();
    recheck(work, &changed, name)?;
    if old.identity.is_some() {
        retype_identity(work, &changed, at, &ty)?;
    }
    work.put(changed);
    let from = old.ty.clone();
    work.effect(Effect::ChangeType {
        table,
        column: name.to_owned(),
        from,
        using,
    });
    Ok(())
}

fn retype_identity(
    work: &mut Work<'_>,
    relation: &Relation,
    at: usize,
    ty: &ColumnType,
) -> Result<(), SqlError> {
    if !ty.ty.is_integer() {
        return Err(error(
            "22023",
            "identity column type must be smallint, integer, or bigint",
        ));
    }
    let Some(identity) = &relation.columns[at].identity else {
        return Ok(());
    };
    let Some(found) = work.catalog.sequences.get(&identity.sequence).cloned() else {
        return Ok(());
    };
    let data_type = Some(super::super::names::type_name(ty).name.name);
    let options = SequenceOptions {
        data_type,
        ..SequenceOptions::default()
    };
    let mut changed = found.as_ref().clone();
    changed.options = sequence::complete(&sequence::overlay(&found.options, &options))?;
    work.edit()
        .sequences
        .insert(changed.name.clone(), Arc::new(changed));
    Ok(())
}

/// 0A000 where another object's stored form would have to change with the type.
fn refuse_used(work: &Work<'_>, relation: &Relation, name: &str) -> Result<(), SqlError> {
    let column = Object::Column(relation.name.clone(), name.to_owned());
    for edge in edges(&work.catalog)
        .into_iter()
        .filter(|edge| edge.on == column)
    {
        let (what, detail) = match &edge.dependent {
            Object::Relation(_) => {
                let view = work.describe(&edge.dependent);
                (
                    "a column used by a view or rule",
                    format!("rule _RETURN on {view} depends on column \"{name}\""),
                )
            }
            Object::Policy(..) => {
                let policy = work.describe(&edge.dependent);
                (
                    "a column used in a policy definition",
                    format!("{policy} depends on column \"{name}\""),
                )
            }
            Object::Column(_, generated) if generated != name => (
                "a column used by a generated column",
                format!("Column \"{name}\" is used by generated column \"{generated}\"."),
            ),
            _ => continue,
        };
        return Err(error("0A000", format!("cannot alter type of {what}")).detail(detail));
    }
    Ok(())
}

/// Checks, indexes and foreign keys must still make sense.
fn recheck(work: &Work<'_>, relation: &Relation, name: &str) -> Result<(), SqlError> {
    let mentions = |expr: &Expr| {
        Names::of_expr(expr)
            .columns
            .iter()
            .any(|c| c.parts.last().is_some_and(|l| l == name))
    };
    let Some(table) = relation.table() else {
        return Ok(());
    };
    for constraint in &table.constraints {
        match &constraint.kind {
            ConstraintKind::Check { expr } if mentions(expr) => {
                must_be_boolean(&work.expr_type(expr, Some(relation))?.ty, "CHECK")?;
            }
            ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } => {
                if let Some(column) = relation
                    .column(name)
                    .filter(|_| columns.iter().any(|column| column == name))
                {
                    sortable(&column.ty.ty)?;
                }
            }
            _ => {}
        }
    }
    for index in &table.indexes {
        for expr in index
            .keys
            .iter()
            .map(|key| &key.expr)
            .chain(&index.predicate)
            .filter(|expr| mentions(expr))
        {
            work.expr_type(expr, Some(relation))?;
        }
    }
    let types = |table: &QName, column: &str| {
        let found = if *table == relation.name {
            Some(relation)
        } else {
            work.catalog.relations.get(table).map(AsRef::as_ref)
        };
        found
            .and_then(|found| found.column(column))
            .map(|column| column.ty.ty.clone())
    };
    for other in work.catalog.relations.values() {
        for (constraint, key) in other.foreign_keys() {
            for (ours, theirs) in key.columns.iter().zip(&key.foreign_columns) {
                let touched = (other.name == relation.name && ours == name)
                    || (key.foreign_table == relation.name && theirs == name);
                let (Some(our), Some(their)) =
                    (types(&other.name, ours), types(&key.foreign_table, theirs))
                else {
                    continue;
                };
                if touched && !comparable(&their, &our) {
                    let detail = format!(
                        "Key columns \"{ours}\" and \"{theirs}\" are of incompatible types: {our} and {their}."
                    );
                    let message =
                        format!("foreign key constraint \"{constraint}\" cannot be implemented");
                    return Err(error("42804", message).detail(detail));
                }
            }
        }
    }
    Ok(())
}

/// `ADD GENERATED … AS IDENTITY`.
pub(super) fn add_identity(
    work: &mut Work<'_>,
    relation: &Relation,
    name: &str,
    always: bool,
    options: &SequenceOptions,
) -> Result<(), SqlError> {
    let at = column_at(relation, name)?;
    let column = &relation.columns[at];
    let refuse = |what: &str| {
        Err(error(
            "55000",
            format!(
                "column \"{name}\" of relation \"{}\" {what}",
                relation.name.name
            ),
        ))
    };
    if !column.not_null {
        return refuse("must be declared NOT NULL before identity can be added");
    }
    if column.identity.is_some() {
        return refuse("is already an identity column");
    }
    if column.default.is_some() {
        return refuse("already has a default value");
    }
    let sequence = identity_sequence(work, relation, column, options)?;
    work.edit_relation(&relation.name, |relation| {
        relation.columns[at].identity = Some(Identity { always, sequence });
    });
    Ok(())
}

/// `DROP IDENTITY`.
pub(super) fn drop_identity(
    work: &mut Work<'_>,
    relation: &Relation,
    name: &str,
    if_exists: bool,
) -> Result<(), SqlError> {
    let at = column_at(relation, name)?;
    let Some(identity) = relation.columns[at].identity.clone() else {
        let message = format!(
            "column \"{name}\" of relation \"{}\" is not an identity column",
            relation.name.name
        );
        let missing = error("55000", message);
        work.skip_if(if_exists, missing, "00000")?;
        return Ok(());
    };
    work.edit_relation(&relation.name, |relation| {
        relation.columns[at].identity = None;
    });
    work.edit().sequences.remove(&identity.sequence);
    work.effect(Effect::DropSequence(identity.sequence));
    Ok(())
}

fn column_exists(column: &str, table: &str) -> SqlError {
    error(
        "42701",
        format!("column \"{column}\" of relation \"{table}\" already exists"),
    )
}

fn no_cast(what: &str, ty: &Type) -> SqlError {
    error(
        "42804",
        format!("{what} cannot be cast automatically to type {ty}"),
    )
}
