//! The types of the dialect, their names, and the text forms of their values.

pub mod array;
pub mod boolean;
pub mod bytea;
pub mod datetime;
pub mod fault;
pub mod float;
pub mod integer;
pub mod interval;
pub mod io;
pub mod json;
pub mod numeric;
pub mod text;
pub mod uuid;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::QName;

/// A type. Domains and ranges are not offered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `numeric`.
    Numeric,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `text`.
    Text,
    /// `varchar(n)`.
    Varchar,
    /// `char(n)`.
    Bpchar,
    /// `name`, as catalog functions return it.
    Name,
    /// `uuid`.
    Uuid,
    /// `date`.
    Date,
    /// `time without time zone`.
    Time,
    /// `timestamp without time zone`.
    Timestamp,
    /// `timestamp with time zone`.
    Timestamptz,
    /// `interval`.
    Interval,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// `oid` and `regclass`, as far as `nextval('s'::regclass)` needs them.
    Regclass,
    /// An enum, by name.
    Enum(Arc<QName>),
    /// An array of a non-array type; the number of dimensions is not part of the type.
    Array(Box<Type>),
    /// The row type of a table or view.
    Row(Arc<QName>),
    /// `record`: a row whose columns are known only where it is used.
    Record,
    /// `void`.
    Void,
    /// `trigger`, the return type of trigger functions.
    Trigger,
    /// A string constant, `NULL` or parameter whose context has not decided yet.
    Unknown,
}

/// A type with its modifier: `numeric(10,2)`, `varchar(40)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnType {
    /// The type.
    pub ty: Type,
    /// `(precision, scale)` for numeric, `(length, 0)` for varchar and char, `(fraction digits, 0)` for times and intervals.
    pub modifier: Option<(i32, i32)>,
}

impl From<Type> for ColumnType {
    fn from(ty: Type) -> ColumnType {
        ColumnType { ty, modifier: None }
    }
}

impl Type {
    /// An array of this type.
    #[must_use]
    pub fn array(self) -> Type {
        Type::Array(Box::new(self))
    }

    /// The built-in type of this canonical name (`int4`, `timestamptz`, …), as `TypeName` carries it.
    pub fn built_in(name: &str) -> Option<Type> {
        Some(match name {
            "bool" => Type::Bool,
            "int2" => Type::Int2,
            "int4" => Type::Int4,
            "int8" => Type::Int8,
            "numeric" => Type::Numeric,
            "float4" => Type::Float4,
            "float8" => Type::Float8,
            "text" | "citext" => Type::Text,
            "varchar" => Type::Varchar,
            "bpchar" => Type::Bpchar,
            "name" => Type::Name,
            "uuid" => Type::Uuid,
            "date" => Type::Date,
            "time" => Type::Time,
            "timestamp" => Type::Timestamp,
            "timestamptz" => Type::Timestamptz,
            "interval" => Type::Interval,
            "json" => Type::Json,
            "jsonb" => Type::Jsonb,
            "bytea" => Type::Bytea,
            "regclass" | "oid" => Type::Regclass,
            "record" => Type::Record,
            "void" => Type::Void,
            "trigger" => Type::Trigger,
            _ => return None,
        })
    }

    /// `text`, `varchar`, `char` and `name`.
    pub fn is_string(&self) -> bool {
        matches!(self, Type::Text | Type::Varchar | Type::Bpchar | Type::Name)
    }

    /// The integers, `numeric` and the floats.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric | Type::Float4 | Type::Float8
        )
    }

    /// The three integers.
    pub fn is_integer(&self) -> bool {
        matches!(self, Type::Int2 | Type::Int4 | Type::Int8)
    }
}

/// As `format_type` and error messages name it: `timestamp with time zone`, `integer[]`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "boolean",
            Type::Int2 => "smallint",
            Type::Int4 => "integer",
            Type::Int8 => "bigint",
            Type::Numeric => "numeric",
            Type::Float4 => "real",
            Type::Float8 => "double precision",
            Type::Text => "text",
            Type::Varchar => "character varying",
            Type::Bpchar => "character",
            Type::Name => "name",
            Type::Uuid => "uuid",
            Type::Date => "date",
            Type::Time => "time without time zone",
            Type::Timestamp => "timestamp without time zone",
            Type::Timestamptz => "timestamp with time zone",
            Type::Interval => "interval",
            Type::Json => "json",
            Type::Jsonb => "jsonb",
            Type::Bytea => "bytea",
            Type::Regclass => "regclass",
            Type::Enum(name) | Type::Row(name) => return write!(f, "{}", name.display()),
            Type::Array(element) => return write!(f, "{element}[]"),
            Type::Record => "record",
            Type::Void => "void",
            Type::Trigger => "trigger",
            Type::Unknown => "unknown",
        })
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, second)) = self.modifier else {
            return self.ty.fmt(f);
        };
        match &self.ty {
            Type::Numeric => write!(f, "numeric({first},{second})"),
            Type::Varchar => write!(f, "character varying({first})"),
            Type::Bpchar => write!(f, "character({first})"),
            Type::Time => write!(f, "time({first}) without time zone"),
            Type::Timestamp => write!(f, "timestamp({first}) without time zone"),
            Type::Timestamptz => write!(f, "timestamp({first}) with time zone"),
            Type::Interval => write!(f, "interval({first})"),
            other => other.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
