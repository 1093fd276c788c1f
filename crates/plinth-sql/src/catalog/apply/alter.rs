//! `ALTER TABLE` and its siblings for views, sequences, indexes and schemas.

mod columns;
mod constraints;
mod others;

use std::sync::Arc;

use constraints::{add_constraint, no_constraint, rename_constraint, validate};
use others::{alter_index, alter_sequence};

use super::constraints::{Def, define, has_constraint, table_mut};
use super::depend::Object;
use super::names::{
    Named, missing_relation, named, no_column, no_schema, relation_exists, wrong_kind,
};
use super::rename::rename;
use super::{Effect, Verb, Work, drop, error, function, schema, table, tag, view};
use crate::SqlError;
use crate::ast::{AlterAction, AlterTable, ObjectKind};
use crate::catalog::references::Renamed;
use crate::catalog::{Privilege, QName, Relation, RelationKind};

/// `ALTER TABLE`.
pub(super) fn alter(work: &mut Work<'_>, statement: &AlterTable) -> Result<&'static str, SqlError> {
    let done = tag(Verb::Alter, statement.object);
    match statement.object {
        ObjectKind::Table
        | ObjectKind::View
        | ObjectKind::MaterializedView
        | ObjectKind::Index
        | ObjectKind::Sequence => {}
        ObjectKind::Schema => return schema::alter(work, statement),
        ObjectKind::Function | ObjectKind::Procedure => return function::alter(work, statement),
        _ => return Err(SqlError::unsupported(done).at(statement.name.span)),
    }
    let Some(found) = work.find_named(&statement.name) else {
        let missing = missing_relation(&statement.name);
        work.skip_if(statement.if_exists, missing, "00000")?;
        return Ok(done);
    };
    let wanted = match statement.object {
        ObjectKind::View => "a view",
        ObjectKind::MaterializedView => "a materialized view",
        ObjectKind::Index => "an index",
        ObjectKind::Sequence => "a sequence",
        _ => found.kind(),
    };
    if found.kind() != wanted {
        return Err(wrong_kind(&statement.name.name, wanted).at(statement.name.span));
    }
    match found {
        Named::Sequence(sequence) => alter_sequence(work, &sequence, statement)?,
        Named::Index(relation) => alter_index(work, &relation, statement)?,
        Named::Relation(relation) => {
            work.must_own_relation(&relation)?;
            let mut actions: Vec<&AlterAction> = statement.actions.iter().collect();
            actions.sort_by_key(|action| pass(action));
            let mut name = relation.name.clone();
            for action in actions {
                let Some(relation) = work.catalog.relations.get(&name).cloned() else {
                    break;
                };
                refuse_on_view(&relation, action)?;
                name = relation_action(work, &relation, action)
                    .map_err(|error| error.at(statement.name.span))?;
            }
        }
    }
    Ok(done)
}

/// Postgres does not keep the written order: what is dropped goes first, constraints come after columns.
fn pass(action: &AlterAction) -> u8 {
    match action {
        AlterAction::DropColumn { .. }
        | AlterAction::DropConstraint { .. }
        | AlterAction::SetDefault { default: None, .. }
        | AlterAction::SetNotNull {
            not_null: false, ..
        }
        | AlterAction::DropIdentity { .. } => 0,
        AlterAction::SetType { .. } => 1,
        AlterAction::AddColumn { .. } => 2,
        AlterAction::SetNotNull { .. }
        | AlterAction::SetDefault { .. }
        | AlterAction::AddIdentity { .. } => 3,
        AlterAction::AddConstraint(constraint) => match define(constraint) {
            Ok(Def::Key(_) | Def::Index(..)) => 4,
            _ => 5,
        },
        _ => 6,
    }
}

/// One action; the relation's name after it.
fn relation_action(
    work: &mut Work<'_>,
    relation: &Arc<Relation>,
    action: &AlterAction,
) -> Result<QName, SqlError> {
    let name = relation.name.clone();
    match action {
        AlterAction::AddColumn {
            if_not_exists,
            column,
        } => columns::add(work, relation, column, *if_not_exists)?,
        AlterAction::DropColumn {
            name: column,
            if_exists,
            cascade,
        } => {
            if relation.column(column).is_none() {
                let missing = no_column(column, &name.name);
                work.skip_if(*if_exists, missing, "00000")?;
                return Ok(name);
            }
            let column = Object::Column(name.clone(), column.clone());
            drop::run(work, &[column], *cascade)?;
        }
        AlterAction::RenameColumn { from, to } => columns::rename_to(work, relation, from, to)?,
        AlterAction::RenameTo(to) => {
            return move_relation(work, relation, QName::new(&name.schema, to));
        }
        AlterAction::SetSchema(schema) => {
            if !work.catalog.schemas.contains_key(schema) {
                return Err(no_schema(schema));
            }
            work.may_create_in(schema)?;
            let to = QName::new(schema, &name.name);
            if to != name && named(&work.catalog, &to).is_some() {
                let message = format!(
                    "relation \"{}\" already exists in schema \"{schema}\"",
                    name.name
                );
                return Err(error("42P07", message));
            }
            return move_relation(work, relation, to);
        }
        AlterAction::RenameConstraint { from, to } => rename_constraint(work, relation, from, to)?,
        AlterAction::AddConstraint(constraint) => add_constraint(work, relation, constraint)?,
        AlterAction::DropConstraint {
            name: constraint,
            if_exists,
            cascade,
        } => {
            if !has_constraint(relation, constraint) {
                let missing = no_constraint(constraint, &name.name);
                work.skip_if(*if_exists, missing, "00000")?;
                return Ok(name);
            }
            let constraint = Object::Constraint(name.clone(), constraint.clone());
            drop::run(work, &[constraint], *cascade)?;
        }
        AlterAction::ValidateConstraint(constraint) => validate(work, relation, constraint)?,
        AlterAction::SetDefault { column, default } => {
            columns::set_default(work, relation, column, default.as_ref())?;
        }
        AlterAction::SetNotNull { column, not_null } => {
            columns::set_not_null(work, relation, column, *not_null)?;
        }
        AlterAction::SetType { column, ty, using } => {
            columns::set_type(work, relation, column, ty, using.as_ref())?;
        }
        AlterAction::AddIdentity {
            column,
            always,
            options,
        } => {
            columns::add_identity(work, relation, column, *always, options)?;
        }
        AlterAction::DropIdentity { column, if_exists } => {
            columns::drop_identity(work, relation, column, *if_exists)?;
        }
        AlterAction::EnableTrigger { name, enabled } => {
            super::trigger::enable(work, relation, name.as_deref(), *enabled)?;
        }
        AlterAction::RowSecurity(on) => {
            work.edit_relation(&name, |relation| {
                table_mut(relation).map(|table| table.row_security = *on)
            });
        }
        AlterAction::ForceRowSecurity(on) => {
            work.edit_relation(&name, |relation| {
                table_mut(relation).map(|table| table.force_row_security = *on)
            });
        }
        AlterAction::OwnerTo(role) => set_owner(work, relation, role)?,
        AlterAction::SetOptions(options) => {
            if relation.view().is_some() {
                set_view_options(work, &name, options)?;
            }
        }
        AlterAction::NoOp(what) => {
            work.notice(error("00000", format!("{what} has no effect here")));
        }
        AlterAction::Unsupported(what, span) => return Err(SqlError::unsupported(what).at(*span)),
    }
    Ok(name)
}

/// 42809 for what views cannot do.
fn refuse_on_view(relation: &Relation, action: &AlterAction) -> Result<(), SqlError> {
    if relation.table().is_some() {
        return Ok(());
    }
    let what = match action {
        AlterAction::AddColumn { .. } => "ADD COLUMN",
        AlterAction::DropColumn { .. } => "DROP COLUMN",
        AlterAction::RenameConstraint { .. } => "RENAME CONSTRAINT",
        AlterAction::AddConstraint(_) => "ADD CONSTRAINT",
        AlterAction::DropConstraint { .. } => "DROP CONSTRAINT",
        AlterAction::ValidateConstraint(_) => "VALIDATE CONSTRAINT",
        AlterAction::SetNotNull { not_null: true, .. } => "ALTER COLUMN ... SET NOT NULL",
        AlterAction::SetNotNull { .. } => "ALTER COLUMN ... DROP NOT NULL",
        AlterAction::SetType { .. } => "ALTER COLUMN ... SET DATA TYPE",
        AlterAction::AddIdentity { .. } => "ALTER COLUMN ... ADD IDENTITY",
        AlterAction::DropIdentity { .. } => "ALTER COLUMN ... DROP IDENTITY",
        AlterAction::EnableTrigger { enabled: true, .. } => "ENABLE TRIGGER",
        AlterAction::EnableTrigger { enabled: false, .. } => "DISABLE TRIGGER",
        AlterAction::RowSecurity(true) => "ENABLE ROW SECURITY",
        AlterAction::RowSecurity(false) => "DISABLE ROW SECURITY",
        AlterAction::ForceRowSecurity(true) => "FORCE ROW SECURITY",
        AlterAction::ForceRowSecurity(false) => "NO FORCE ROW SECURITY",
        AlterAction::RenameColumn { .. }
        | AlterAction::RenameTo(_)
        | AlterAction::SetSchema(_)
        | AlterAction::SetDefault { .. }
        | AlterAction::OwnerTo(_)
        | AlterAction::SetOptions(_)
        | AlterAction::NoOp(_)
        | AlterAction::Unsupported(..) => return Ok(()),
    };
    Err(error(
        "42809",
        format!(
            "ALTER action {what} cannot be performed on relation \"{}\"",
            relation.name.name
        ),
    )
    .detail("This operation is not supported for views."))
}

fn move_relation(work: &mut Work<'_>, relation: &Relation, to: QName) -> Result<QName, SqlError> {
    let from = relation.name.clone();
    if from == to {
        return if from.schema == to.schema {
            Err(relation_exists(&to.name))
        } else {
            Ok(to)
        };
    }
    work.may_create_in(&to.schema)?;
    if named(&work.catalog, &to).is_some() {
        return Err(relation_exists(&to.name));
    }
    table::type_name_free(work, &to)?;
    rename(
        work,
        &Renamed::Relation {
            from: from.clone(),
            to: to.clone(),
        },
    );
    if relation.table().is_some() {
        work.effect(Effect::RenameTable {
            from: from.clone(),
            to: to.clone(),
        });
    }
    if from.schema != to.schema {
        let owned = work.catalog.sequences.values();
        let owned = owned.filter(|sequence| {
            sequence
                .owned_by
                .as_ref()
                .is_some_and(|(table, _)| *table == to)
        });
        for sequence in owned
            .map(|sequence| sequence.name.clone())
            .collect::<Vec<_>>()
        {
            let target = QName::new(&to.schema, &sequence.name);
            rename(
                work,
                &Renamed::Sequence {
                    from: sequence.clone(),
                    to: target.clone(),
                },
            );
            work.effect(Effect::RenameSequence {
                from: sequence,
                to: target,
            });
        }
    }
    Ok(to)
}

/// The new owner must be somebody that the role may become, who may create in the schema.
pub(super) fn may_give(work: &Work<'_>, role: &str, schema: &str) -> Result<String, SqlError> {
    let role = work.role_name(role)?;
    if work.catalog.is_superuser(work.role()) {
        return Ok(role);
    }
    if !work.catalog.may_become(work.role(), &role) {
        return Err(error("42501", format!("must be member of role \"{role}\"")));
    }
    let allowed = |schema: &crate::catalog::Schema| {
        work.catalog
            .allows(&role, &schema.owner, &schema.acl, Privilege::Create)
    };
    if !work.catalog.schemas.get(schema).is_some_and(allowed) {
        return Err(error(
            "42501",
            format!("permission denied for schema {schema}"),
        ));
    }
    Ok(role)
}

fn set_owner(work: &mut Work<'_>, relation: &Relation, role: &str) -> Result<(), SqlError> {
    let role = may_give(work, role, &relation.name.schema)?;
    work.edit_relation(&relation.name, |relation| {
        relation.acl.hand_over(&relation.owner, &role);
        relation.owner.clone_from(&role);
    });
    for sequence in work.edit().sequences.values_mut() {
        if sequence
            .owned_by
            .as_ref()
            .is_some_and(|(table, _)| *table == relation.name)
        {
            let sequence = Arc::make_mut(sequence);
            sequence.acl.hand_over(&sequence.owner, &role);
            sequence.owner.clone_from(&role);
        }
    }
    Ok(())
}

fn set_view_options(
    work: &mut Work<'_>,
    name: &QName,
    options: &[(String, Option<String>)],
) -> Result<(), SqlError> {
    let reset = options
        .iter()
        .any(|(option, value)| option == "security_invoker" && value.is_none());
    let security_invoker = if reset {
        Some(false)
    } else {
        view::options(options)?
    };
    work.edit_relation(name, |relation| {
        if let (RelationKind::View(view), Some(security_invoker)) =
            (&mut relation.kind, security_invoker)
        {
            view.security_invoker = security_invoker;
        }
    });
    Ok(())
}
