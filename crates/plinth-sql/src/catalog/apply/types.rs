//! Enums, and what columns of two types can do with one another.

use std::sync::Arc;

use super::index::no_operator_class;
use super::names::{named, no_schema, written};
use super::rename::rename;
use super::{Effect, Work, error};
use crate::SqlError;
use crate::ast::{AlterEnum, AlterEnumAction, CreateEnum};
use crate::catalog::references::Renamed;
use crate::catalog::{EnumType, QName};
use crate::types::Type;

/// Longest label of an enum, in bytes.
const LABEL_BYTES: usize = 63;

/// `CREATE TYPE … AS ENUM`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateEnum,
) -> Result<&'static str, SqlError> {
    let name = work.new_name(&statement.name)?;
    type_free(work, &name).map_err(|error| error.at(statement.name.span))?;
    for (at, label) in statement.labels.iter().enumerate() {
        check_label(label)?;
        if statement.labels[..at].contains(label) {
            // Postgres leaves this to a unique index of its own catalog.
            let message =
                "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"";
            let mut twice = error("23505", message);
            twice.constraint = Some("pg_enum_typid_label_index".to_owned());
            return Err(twice);
        }
    }
    let ty = EnumType {
        oid: work.next_oid(),
        name: name.clone(),
        owner: work.role().to_owned(),
        labels: statement.labels.clone(),
        comment: None,
    };
    work.edit().enums.insert(name, Arc::new(ty));
    Ok("CREATE TYPE")
}

/// `ALTER TYPE` of an enum.
pub(super) fn alter(work: &mut Work<'_>, statement: &AlterEnum) -> Result<&'static str, SqlError> {
    let Some(found) = work
        .catalog
        .enum_type(&statement.name, work.path())
        .cloned()
    else {
        let message = format!("type \"{}\" does not exist", written(&statement.name));
        return Err(error("42704", message).at(statement.name.span));
    };
    work.must_own(&found.owner, "type", &found.name.name)?;
    let mut ty = found.as_ref().clone();
    match &statement.action {
        AlterEnumAction::AddValue {
            label,
            if_not_exists,
            neighbour,
        } => {
            check_label(label)?;
            if ty.labels.contains(label) {
                let exists = error("42710", format!("enum label \"{label}\" already exists"));
                work.skip_if(*if_not_exists, exists, "42710")?;
                return Ok("ALTER TYPE");
            }
            let at = match neighbour {
                None => ty.labels.len(),
                Some((before, other)) => label_at(&ty, other)? + usize::from(!before),
            };
            ty.labels.insert(at, label.clone());
        }
        AlterEnumAction::RenameValue { from, to } => {
            let at = label_at(&ty, from)?;
            check_label(to)?;
            if ty.labels.contains(to) {
                return Err(error(
                    "42710",
                    format!("enum label \"{to}\" already exists"),
                ));
            }
            ty.labels[at].clone_from(to);
            let name = ty.name.clone();
            work.edit().enums.insert(name.clone(), Arc::new(ty));
            work.effect(Effect::RenameEnumLabel {
                ty: name,
                from: from.clone(),
                to: to.clone(),
            });
            return Ok("ALTER TYPE");
        }
        AlterEnumAction::RenameTo(to) => {
            return move_to(work, &found.name, QName::new(&found.name.schema, to));
        }
        AlterEnumAction::SetSchema(schema) => {
            if !work.catalog.schemas.contains_key(schema) {
                return Err(no_schema(schema));
            }
            work.may_create_in(schema)?;
            return move_to(work, &found.name, QName::new(schema, &found.name.name));
        }
        AlterEnumAction::OwnerTo(role) => ty.owner = work.role_name(role)?,
    }
    work.edit().enums.insert(ty.name.clone(), Arc::new(ty));
    Ok("ALTER TYPE")
}

fn move_to(work: &mut Work<'_>, from: &QName, to: QName) -> Result<&'static str, SqlError> {
    if *from != to {
        type_free(work, &to)?;
        rename(
            work,
            &Renamed::Type {
                from: from.clone(),
                to,
            },
        );
    }
    Ok("ALTER TYPE")
}

/// Relations have row types of their names.
fn type_free(work: &Work<'_>, name: &QName) -> Result<(), SqlError> {
    let relation = matches!(
        named(&work.catalog, name),
        Some(super::names::Named::Relation(_))
    );
    if work.catalog.enums.contains_key(name) || relation {
        return Err(error(
            "42710",
            format!("type \"{}\" already exists", name.name),
        ));
    }
    Ok(())
}

fn label_at(ty: &EnumType, label: &str) -> Result<usize, SqlError> {
    let at = ty.labels.iter().position(|other| other == label);
    at.ok_or_else(|| {
        error(
            "22023",
            format!("\"{label}\" is not an existing enum label"),
        )
    })
}

fn check_label(label: &str) -> Result<(), SqlError> {
    if label.len() <= LABEL_BYTES {
        return Ok(());
    }
    Err(error("42602", format!("invalid enum label \"{label}\""))
        .detail(format!("Labels must be {LABEL_BYTES} bytes or less.")))
}

/// Whether a value of one type can be assigned to a column of another without a written cast.
pub(super) fn assignable(from: &Type, to: &Type) -> bool {
    use Type::{
        Array, Date, Int8, Interval, Json, Jsonb, Regclass, Time, Timestamp, Timestamptz, Unknown,
    };
    if from == to || *from == Unknown || to.is_string() {
        return true;
    }
    match (from, to) {
        (Array(from), Array(to)) => assignable(from, to),
        (Date | Timestamp | Timestamptz, Date | Timestamp | Timestamptz)
        | (Timestamp | Timestamptz | Interval, Time)
        | (Time, Interval)
        | (Json, Jsonb)
        | (Jsonb, Json)
        | (Regclass, Int8) => true,
        (from, Regclass) => from.is_integer(),
        (from, to) => from.is_number() && to.is_number(),
    }
}

/// Whether a foreign key of type `ours` can point to a key of type `theirs`: an equality operator of the key's index
/// takes both, at most after an implicit cast of ours.
pub(super) fn comparable(theirs: &Type, ours: &Type) -> bool {
    use Type::{
        Bpchar, Date, Float4, Float8, Name, Numeric, Text, Timestamp, Timestamptz, Varchar,
    };
    if theirs == ours {
        return true;
    }
    match (theirs, ours) {
        (Text | Varchar, Text | Varchar | Bpchar | Name)
        | (Bpchar, Text | Varchar)
        | (Name, Text)
        | (Date, Timestamp | Timestamptz)
        | (Timestamp, Date | Timestamptz)
        | (Timestamptz, Date | Timestamp)
        | (Float4 | Float8, Float4 | Float8 | Numeric) => true,
        (Numeric | Float4 | Float8, ours) => ours.is_integer(),
        (theirs, ours) => theirs.is_integer() && ours.is_integer(),
    }
}

/// 42704 for a type that no btree index can hold.
pub(super) fn sortable(ty: &Type) -> Result<(), SqlError> {
    match ty {
        Type::Json => Err(no_operator_class(ty, "btree")),
        Type::Array(element) => sortable(element).map_err(|_| no_operator_class(ty, "btree")),
        _ => Ok(()),
    }
}
