//! `ALTER FUNCTION`.

use std::sync::Arc;

use super::super::alter::may_give;
use super::super::names::no_schema;
use super::super::rename::rename;
use super::super::{Work, error};
use super::find::{find, input_types, signature};
use crate::SqlError;
use crate::ast::{AlterAction, AlterTable};
use crate::catalog::references::Renamed;
use crate::catalog::{Function, QName};

/// `ALTER FUNCTION`, which reaches us without argument types: it means every overload, or the only one.
pub(in super::super) fn alter(
    work: &mut Work<'_>,
    statement: &AlterTable,
) -> Result<&'static str, SqlError> {
    let found = work
        .catalog
        .functions(&statement.name, work.path())
        .to_vec();
    if found.is_empty() {
        find(work, &statement.name, None)?;
    }
    for action in &statement.actions {
        for function in &found {
            work.must_own(&function.owner, "function", &function.name.name)?;
            alter_one(work, function, action, found.len() > 1)
                .map_err(|error| error.at(statement.name.span))?;
        }
    }
    Ok("ALTER FUNCTION")
}

fn alter_one(
    work: &mut Work<'_>,
    function: &Function,
    action: &AlterAction,
    several: bool,
) -> Result<(), SqlError> {
    let move_to = |work: &mut Work<'_>, to: QName| {
        if several {
            let what = format!(
                "ALTER FUNCTION of one of several functions named \"{}\"",
                function.name.name
            );
            return Err(SqlError::unsupported(what).hint("Drop the function and create it again."));
        }
        let overloads = work.catalog.functions.get(&to).into_iter().flatten();
        if overloads
            .clone()
            .any(|other| input_types(other) == input_types(function))
        {
            let message = format!(
                "function {}({}) already exists in schema \"{}\"",
                to.name,
                signature(function),
                to.schema
            );
            return Err(error("42723", message));
        }
        rename(
            work,
            &Renamed::Function {
                oid: function.oid,
                to,
            },
        );
        Ok(())
    };
    match action {
        AlterAction::RenameTo(to) => move_to(work, QName::new(&function.name.schema, to)),
        AlterAction::SetSchema(schema) if !work.catalog.schemas.contains_key(schema) => {
            Err(no_schema(schema))
        }
        AlterAction::SetSchema(schema) => {
            work.may_create_in(schema)?;
            move_to(work, QName::new(schema, &function.name.name))
        }
        AlterAction::OwnerTo(role) => {
            let role = may_give(work, role, &function.name.schema)?;
            edit(work, function, |function| {
                function.acl.hand_over(&function.owner, &role);
                function.owner.clone_from(&role);
            });
            Ok(())
        }
        AlterAction::SetOptions(options) => {
            edit(work, function, |function| {
                for (name, value) in options {
                    function
                        .settings
                        .retain(|(other, _)| other != name && name != "all");
                    if let Some(value) = value {
                        let values = value
                            .split(", ")
                            .map(|value| value.trim_matches('\'').to_owned())
                            .collect();
                        function.settings.push((name.clone(), values));
                    }
                }
            });
            Ok(())
        }
        AlterAction::NoOp(what) => {
            work.notice(error("00000", format!("{what} has no effect here")));
            Ok(())
        }
        AlterAction::Unsupported(what, span) => Err(SqlError::unsupported(what).at(*span)),
        _ => Err(SqlError::unsupported("this form of ALTER FUNCTION")),
    }
}

/// Changes a function in place.
pub(in super::super) fn edit(
    work: &mut Work<'_>,
    function: &Function,
    change: impl FnOnce(&mut Function),
) {
    let overloads = work
        .edit()
        .functions
        .get_mut(&function.name)
        .into_iter()
        .flatten();
    if let Some(found) = overloads
        .into_iter()
        .find(|other| other.oid == function.oid)
    {
        change(Arc::make_mut(found));
    }
}
