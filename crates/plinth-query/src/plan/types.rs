//! Type names, and the casts a select list may write.

use plinth_sql::ast::{ObjectName, TypeName};
use plinth_sql::types::Type;

use super::object_name;
use crate::error::Error;

/// What a select list may cast to (each also with `[]`).
pub const CASTS: [&str; 22] = [
    "text",
    "int",
    "int4",
    "int8",
    "integer",
    "bigint",
    "smallint",
    "int2",
    "float",
    "float4",
    "float8",
    "real",
    "numeric",
    "bool",
    "boolean",
    "date",
    "timestamp",
    "timestamptz",
    "uuid",
    "json",
    "jsonb",
    "varchar",
];

/// The type a cast names.
pub(super) fn cast(written: &str) -> Result<TypeName, Error> {
    let lower = written.trim().to_ascii_lowercase();
    let (base, array_dimensions) = match lower.strip_suffix("[]") {
        Some(base) => (base.trim_end(), 1),
        None => (lower.as_str(), 0),
    };
    if !CASTS.contains(&base) {
        return Err(Error::UnknownType {
            name: written.to_owned(),
        });
    }
    let canonical = match base {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "float" => "float8",
        "real" => "float4",
        "boolean" => "bool",
        other => other,
    };
    Ok(TypeName {
        array_dimensions,
        ..TypeName::simple(canonical)
    })
}

/// The name of a type, for casts that we write; none for types that no value is cast to.
pub(super) fn name_of(ty: &Type) -> Option<TypeName> {
    Some(TypeName::simple(match ty {
        Type::Bool => "bool",
        Type::Int2 => "int2",
        Type::Int4 => "int4",
        Type::Int8 => "int8",
        Type::Numeric => "numeric",
        Type::Float4 => "float4",
        Type::Float8 => "float8",
        Type::Text => "text",
        Type::Varchar => "varchar",
        Type::Bpchar => "bpchar",
        Type::Name => "name",
        Type::Uuid => "uuid",
        Type::Date => "date",
        Type::Time => "time",
        Type::Timestamp => "timestamp",
        Type::Timestamptz => "timestamptz",
        Type::Interval => "interval",
        Type::Json => "json",
        Type::Jsonb => "jsonb",
        Type::Bytea => "bytea",
        Type::Regclass => "regclass",
        Type::Enum(name) | Type::Row(name) => {
            return Some(TypeName {
                name: object_name(name),
                ..TypeName::simple("")
            });
        }
        Type::Array(element) => {
            return name_of(element).map(|element| TypeName {
                array_dimensions: 1,
                ..element
            });
        }
        Type::Record | Type::Void | Type::Trigger | Type::Unknown => return None,
    }))
}

/// The name of `jsonb`.
pub(super) fn jsonb() -> TypeName {
    TypeName {
        name: ObjectName::bare("jsonb"),
        ..TypeName::simple("jsonb")
    }
}
