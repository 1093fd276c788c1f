//! `COMMENT ON`. Comments on parts of tables other than columns are checked and not kept.

use std::sync::Arc;

use super::names::{Named, missing_relation, no_column, no_schema, written, wrong_kind};
use super::{Work, error, function, policy, trigger};
use crate::SqlError;
use crate::ast::{Comment, ObjectKind, ObjectName};

/// `COMMENT ON`.
pub(super) fn comment(work: &mut Work<'_>, statement: &Comment) -> Result<&'static str, SqlError> {
    let name = &statement.name;
    // An empty comment is none, as in Postgres.
    let text = statement.text.clone().filter(|text| !text.is_empty());
    match statement.object {
        ObjectKind::Table
        | ObjectKind::View
        | ObjectKind::MaterializedView
        | ObjectKind::Sequence
        | ObjectKind::Index => {
            relation_like(work, statement.object, name, text)?;
        }
        ObjectKind::Column => {
            let relation = work.relation(name)?;
            work.must_own_relation(&relation)?;
            let column = statement.column.as_deref().unwrap_or_default();
            let at = relation
                .columns
                .iter()
                .position(|found| found.name == column);
            let at = at.ok_or_else(|| no_column(column, &relation.name.name).at(name.span))?;
            work.edit_relation(&relation.name, |relation| {
                relation.columns[at].comment = text;
            });
        }
        ObjectKind::Schema => {
            let found = work.schema(&name.name)?;
            work.must_own(&found.owner, "schema", &name.name)?;
            if let Some(schema) = work.edit().schemas.get_mut(&name.name) {
                schema.comment = text;
            }
        }
        ObjectKind::Type => {
            let found = work.catalog.enum_type(name, work.path()).cloned();
            match (found, work.find_named(name)) {
                (Some(found), _) => {
                    work.must_own(&found.owner, "type", &name.name)?;
                    if let Some(ty) = work.edit().enums.get_mut(&found.name) {
                        Arc::make_mut(ty).comment = text;
                    }
                }
                (None, Some(Named::Relation(_))) => {}
                (None, _) => {
                    return Err(error(
                        "42704",
                        format!("type \"{}\" does not exist", written(name)),
                    )
                    .at(name.span));
                }
            }
        }
        ObjectKind::Function | ObjectKind::Procedure => {
            let found = work.catalog.functions(name, work.path()).to_vec();
            if found.is_empty() {
                function::find(work, name, None).map_err(|error| error.at(name.span))?;
            }
            for function in found {
                work.must_own(&function.owner, "function", &name.name)?;
                function::edit(work, &function, |function| {
                    function.comment.clone_from(&text);
                });
            }
        }
        ObjectKind::Role => {
            let role = work.role_name(&name.name)?;
            if let Some(role) = work.edit().roles.get_mut(&role) {
                role.comment = text;
            }
        }
        ObjectKind::Policy | ObjectKind::Constraint | ObjectKind::Trigger => part(work, statement)?,
        ObjectKind::Domain => {
            return Err(error(
                "42704",
                format!("type \"{}\" does not exist", written(name)),
            )
            .at(name.span));
        }
        ObjectKind::Extension | ObjectKind::Database | ObjectKind::Publication => {}
    }
    Ok("COMMENT")
}

fn relation_like(
    work: &mut Work<'_>,
    kind: ObjectKind,
    name: &ObjectName,
    text: Option<String>,
) -> Result<(), SqlError> {
    let wanted = match kind {
        ObjectKind::Table => "a table",
        ObjectKind::View => "a view",
        ObjectKind::Sequence => "a sequence",
        ObjectKind::Index => "an index",
        _ => "a materialized view",
    };
    let Some(found) = work.find_named(name) else {
        return Err(match &name.schema {
            Some(schema) if !work.catalog.schemas.contains_key(schema) => {
                no_schema(schema).at(name.span)
            }
            _ => missing_relation(name),
        });
    };
    if found.kind() != wanted {
        return Err(wrong_kind(&name.name, wanted).at(name.span));
    }
    match found {
        Named::Relation(relation) => {
            work.must_own_relation(&relation)?;
            work.edit_relation(&relation.name, |relation| relation.comment = text);
        }
        Named::Sequence(sequence) => {
            work.must_own(&sequence.owner, "sequence", &name.name)?;
            if let Some(sequence) = work.edit().sequences.get_mut(&sequence.name) {
                Arc::make_mut(sequence).comment = text;
            }
        }
        Named::Index(relation) => work.must_own(&relation.owner, "index", &name.name)?,
    }
    Ok(())
}

fn part(work: &Work<'_>, statement: &Comment) -> Result<(), SqlError> {
    let Some(table) = &statement.table else {
        return Ok(());
    };
    let relation = work.relation(table)?;
    work.must_own_relation(&relation)?;
    let name = &statement.name.name;
    let parts = relation.table();
    match statement.object {
        ObjectKind::Policy
            if !parts
                .is_some_and(|table| table.policies.iter().any(|policy| policy.name == *name)) =>
        {
            Err(policy::absent(name, &relation, "table"))
        }
        ObjectKind::Constraint if !super::constraints::has_constraint(&relation, name) => {
            Err(error(
                "42704",
                format!(
                    "constraint \"{name}\" for table \"{}\" does not exist",
                    relation.name.name
                ),
            ))
        }
        ObjectKind::Trigger if trigger::find(&relation, name).is_none() => {
            Err(trigger::absent(name, &relation, "table"))
        }
        _ => Ok(()),
    }
}
