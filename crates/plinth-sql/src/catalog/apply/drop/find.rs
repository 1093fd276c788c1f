//! What the names of a `DROP` stand for.

use super::super::depend::Object;
use super::super::names::{Named, is_system_schema, no_schema, written, wrong_kind};
use super::super::{Work, error};
use super::{Dropped, Missing};
use crate::SqlError;
use crate::ast::{ObjectKind, ObjectName};
use crate::catalog::QName;
use crate::types::Type;

pub(super) fn relation_like(work: &Work<'_>, kind: ObjectKind, name: &ObjectName) -> Dropped {
    let (wanted, shown) = match kind {
        ObjectKind::Table => ("a table", "table"),
        ObjectKind::View => ("a view", "view"),
        ObjectKind::Sequence => ("a sequence", "sequence"),
        _ => ("a materialized view", "materialized view"),
    };
    let Some(found) = work.find_named(name) else {
        return Err(missing(
            work,
            name,
            error(
                "42P01",
                format!("{shown} \"{}\" does not exist", written(name)),
            ),
        ));
    };
    if found.kind() != wanted {
        return Err(Missing::Fatal(
            wrong_kind(&name.name, wanted).hint(found.drop_hint()),
        ));
    }
    match found {
        Named::Relation(relation) => {
            may_drop(work, &relation.owner, &relation.name, shown)?;
            Ok(Some(Object::Relation(relation.name.clone())))
        }
        Named::Sequence(sequence) => {
            may_drop(work, &sequence.owner, &sequence.name, shown)?;
            if let Some((table, column)) = super::super::sequence::identity_of(work, &sequence) {
                let column = work.describe(&Object::Column(table, column));
                let message = format!(
                    "cannot drop sequence {} because {column} requires it",
                    work.show(&sequence.name)
                );
                return Err(Missing::Fatal(
                    error("2BP01", message).hint(format!("You can drop {column} instead.")),
                ));
            }
            Ok(Some(Object::Sequence(sequence.name.clone())))
        }
        Named::Index(_) => Ok(None),
    }
}

pub(super) fn index(work: &Work<'_>, name: &ObjectName) -> Dropped {
    match work.find_named(name) {
        Some(Named::Index(relation)) => {
            work.must_own(&relation.owner, "index", &name.name)?;
            if super::super::constraints::has_constraint(&relation, &name.name) {
                let constraint = work.describe(&Object::Constraint(
                    relation.name.clone(),
                    name.name.clone(),
                ));
                let message = format!(
                    "cannot drop index {} because {constraint} requires it",
                    name.name
                );
                return Err(Missing::Fatal(
                    error("2BP01", message).hint(format!("You can drop {constraint} instead.")),
                ));
            }
            Ok(Some(Object::Index(
                relation.name.clone(),
                name.name.clone(),
            )))
        }
        Some(other) => Err(Missing::Fatal(
            wrong_kind(&name.name, "an index").hint(other.drop_hint()),
        )),
        None => Err(missing(
            work,
            name,
            error(
                "42704",
                format!("index \"{}\" does not exist", written(name)),
            ),
        )),
    }
}

pub(super) fn schema(work: &Work<'_>, name: &ObjectName) -> Dropped {
    let Some(found) = work.catalog.schemas.get(&name.name) else {
        return Err(Missing::Skippable(no_schema(&name.name)));
    };
    if is_system_schema(&name.name) {
        let message = format!(
            "cannot drop schema {} because it is required by the database system",
            name.name
        );
        return Err(Missing::Fatal(error("2BP01", message)));
    }
    work.must_own(&found.owner, "schema", &name.name)?;
    Ok(Some(Object::Schema(name.name.clone())))
}

pub(super) fn user_type(work: &Work<'_>, name: &ObjectName) -> Dropped {
    if let Some(found) = work.catalog.enum_type(name, work.path()) {
        may_drop(work, &found.owner, &found.name, "type")?;
        return Ok(Some(Object::Enum(found.name.clone())));
    }
    if let Some(Named::Relation(relation)) = work.find_named(name) {
        let relation = work.describe(&Object::Relation(relation.name.clone()));
        let message = format!(
            "cannot drop type {} because {relation} requires it",
            name.name
        );
        return Err(Missing::Fatal(
            error("2BP01", message).hint(format!("You can drop {relation} instead.")),
        ));
    }
    if name.schema.is_none()
        && let Some(ty) = Type::built_in(&name.name)
    {
        let message =
            format!("cannot drop type {ty} because it is required by the database system");
        return Err(Missing::Fatal(error("2BP01", message)));
    }
    Err(missing(
        work,
        name,
        error(
            "42704",
            format!("type \"{}\" does not exist", written(name)),
        ),
    ))
}

/// The schema's absence is the better answer where one was written.
pub(in super::super) fn missing(
    work: &Work<'_>,
    name: &ObjectName,
    otherwise: SqlError,
) -> Missing {
    Missing::Skippable(match &name.schema {
        Some(schema) if !work.catalog.schemas.contains_key(schema) => no_schema(schema),
        _ => otherwise,
    })
}

/// The owner of the schema may drop what is in it.
fn may_drop(work: &Work<'_>, owner: &str, name: &QName, kind: &str) -> Result<(), SqlError> {
    let schema = work.catalog.schemas.get(&name.schema);
    if schema.is_some_and(|schema| work.catalog.has_role(work.role(), &schema.owner)) {
        return Ok(());
    }
    work.must_own(owner, kind, &name.name)
}
