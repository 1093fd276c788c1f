//! Finding what a statement names, and making up names as Postgres does.

use std::sync::Arc;

use super::{Work, error};
use crate::SqlError;
use crate::ast::{ObjectName, TypeName};
use crate::catalog::{
    Catalog, ConstraintKind, Privilege, QName, Relation, RelationKind, Schema, Sequence, Table,
};
use crate::types::{ColumnType, Type};

/// Longest identifier, in bytes.
const NAME_BYTES: usize = 63;

/// Whatever shares the name space of tables.
pub(super) enum Named {
    /// A table or view.
    Relation(Arc<Relation>),
    /// A sequence.
    Sequence(Arc<Sequence>),
    /// An index, or the one of a constraint; with its table.
    Index(Arc<Relation>),
}

impl Named {
    /// `table`, `view`, `sequence` or `index`, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Named::Relation(relation) => relation_kind(relation),
            Named::Sequence(_) => "a sequence",
            Named::Index(_) => "an index",
        }
    }

    /// `Use DROP TABLE to remove a table.`
    pub(super) fn drop_hint(&self) -> String {
        let kind = self.kind();
        let plain = kind.split(' ').nth(1).unwrap_or(kind);
        format!("Use DROP {} to remove {kind}.", plain.to_uppercase())
    }
}

/// `"t" is not a view`.
pub(super) fn wrong_kind(name: &str, wanted: &str) -> SqlError {
    error("42809", format!("\"{name}\" is not {wanted}"))
}

/// `a table` or `a view`.
pub(super) fn relation_kind(relation: &Relation) -> &'static str {
    match relation.kind {
        RelationKind::Table(_) => "a table",
        RelationKind::View(_) => "a view",
    }
}

/// What has this name among tables, views, sequences and indexes.
pub(super) fn named(catalog: &Catalog, name: &QName) -> Option<Named> {
    if let Some(relation) = catalog.relations.get(name) {
        return Some(Named::Relation(relation.clone()));
    }
    if let Some(sequence) = catalog.sequences.get(name) {
        return Some(Named::Sequence(sequence.clone()));
    }
    let in_schema = catalog
        .relations
        .values()
        .filter(|relation| relation.name.schema == name.schema);
    let mut owners = in_schema.filter(|relation| {
        relation
            .table()
            .is_some_and(|table| has_index(table, &name.name))
    });
    owners.next().map(|relation| Named::Index(relation.clone()))
}

/// Whether the table has an index or an index-backed constraint of this name.
pub(super) fn has_index(table: &Table, name: &str) -> bool {
    table.indexes.iter().any(|index| index.name == name)
        || table
            .constraints
            .iter()
            .any(|constraint| constraint.name == name && is_key(&constraint.kind))
}

/// `PRIMARY KEY` or `UNIQUE`.
pub(super) fn is_key(kind: &ConstraintKind) -> bool {
    matches!(
        kind,
        ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. }
    )
}

/// As written: `t` or `s.t`.
pub(super) fn written(name: &ObjectName) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    }
}

impl Work<'_> {
    /// The same search along the path.
    pub(super) fn find_named(&self, name: &ObjectName) -> Option<Named> {
        match &name.schema {
            Some(schema) => named(&self.catalog, &QName::new(schema, &name.name)),
            None => self
                .path()
                .iter()
                .find_map(|schema| named(&self.catalog, &QName::new(schema, &name.name))),
        }
    }

    /// A table or view, or 42P01.
    pub(super) fn relation(&self, name: &ObjectName) -> Result<Arc<Relation>, SqlError> {
        match self.find_named(name) {
            Some(Named::Relation(relation)) => Ok(relation),
            Some(_) => Err(wrong_kind(&name.name, "a table").at(name.span)),
            None => Err(missing_relation(name)),
        }
    }

    /// A table, or 42P01, or 42809 for a view.
    pub(super) fn table(&self, name: &ObjectName) -> Result<Arc<Relation>, SqlError> {
        let relation = self.relation(name)?;
        match relation.kind {
            RelationKind::Table(_) => Ok(relation),
            RelationKind::View(_) => {
                Err(error("42809", format!("\"{}\" is not a table", name.name)).at(name.span))
            }
        }
    }

    /// A type as written, or 42704. Modifiers are checked.
    pub(super) fn column_type(&self, name: &TypeName) -> Result<ColumnType, SqlError> {
        if let Some(column) = &name.percent_column {
            let relation = self.relation(&name.name)?;
            let found = relation
                .column(column)
                .ok_or_else(|| no_column(column, &relation.name.name))?;
            return Ok(found.ty.clone());
        }
        let Some(ty) = self.catalog.resolve_type(name, self.path()) else {
            return Err(match &name.name.schema {
                Some(schema) if !self.catalog.schemas.contains_key(schema) => {
                    no_schema(schema).at(name.name.span)
                }
                _ => error(
                    "42704",
                    format!("type \"{}\" does not exist", written(&name.name)),
                )
                .at(name.name.span),
            });
        };
        check_modifier(&ty).map_err(|error| error.at(name.name.span))?;
        Ok(ty)
    }

    /// The full name of something new, with the right to make it there.
    pub(super) fn new_name(&self, name: &ObjectName) -> Result<QName, SqlError> {
        let schema = match &name.schema {
            Some(schema) => schema.clone(),
            None => {
                let mut path = self
                    .path()
                    .iter()
                    .filter(|schema| !is_system_schema(schema));
                let first = path.find(|schema| self.catalog.schemas.contains_key(*schema));
                first
                    .cloned()
                    .ok_or_else(|| error("3F000", "no schema has been selected to create in"))?
            }
        };
        self.may_create_in(&schema)
            .map_err(|error| error.at(name.span))?;
        Ok(QName::new(schema, &name.name))
    }

    /// The schema of this name, or 3F000.
    pub(super) fn schema(&self, name: &str) -> Result<&Schema, SqlError> {
        let found = self.catalog.schemas.get(name);
        found.ok_or_else(|| no_schema(name))
    }

    /// Whether the role may put something into the schema.
    pub(super) fn may_create_in(&self, schema: &str) -> Result<(), SqlError> {
        if is_system_schema(schema) {
            return Err(
                error("42501", format!("permission denied for schema {schema}"))
                    .detail("System catalog modifications are currently disallowed."),
            );
        }
        let found = self.schema(schema)?;
        if self
            .catalog
            .allows(self.role(), &found.owner, &found.acl, Privilege::Create)
        {
            return Ok(());
        }
        Err(error(
            "42501",
            format!("permission denied for schema {schema}"),
        ))
    }

    /// `must be owner of table t`, unless the role is.
    pub(super) fn must_own(&self, owner: &str, kind: &str, name: &str) -> Result<(), SqlError> {
        if self.catalog.has_role(self.role(), owner) {
            return Ok(());
        }
        Err(error("42501", format!("must be owner of {kind} {name}")))
    }

    /// The same for a relation.
    pub(super) fn must_own_relation(&self, relation: &Relation) -> Result<(), SqlError> {
        let kind = if relation.table().is_some() {
            "table"
        } else {
            "view"
        };
        self.must_own(&relation.owner, kind, &relation.name.name)
    }

    /// A role that exists: `current_user` and its siblings stand for the current one.
    pub(super) fn role_name(&self, name: &str) -> Result<String, SqlError> {
        if matches!(
            name,
            "current_user" | "current_role" | "session_user" | "user"
        ) {
            return Ok(self.role().to_owned());
        }
        if self.catalog.roles.contains_key(name) {
            return Ok(name.to_owned());
        }
        Err(error("42704", format!("role \"{name}\" does not exist")))
    }

    /// As messages name an object: with its schema unless the search path finds it.
    pub(super) fn show(&self, name: &QName) -> String {
        if self.path().contains(&name.schema) {
            name.name.clone()
        } else {
            format!("{}.{}", name.schema, name.name)
        }
    }
}

/// 42P01.
pub(super) fn missing_relation(name: &ObjectName) -> SqlError {
    error(
        "42P01",
        format!("relation \"{}\" does not exist", written(name)),
    )
    .at(name.span)
}

/// 42703, as `ALTER TABLE` says it.
pub(super) fn no_column(column: &str, relation: &str) -> SqlError {
    error(
        "42703",
        format!("column \"{column}\" of relation \"{relation}\" does not exist"),
    )
}

/// 3F000.
pub(super) fn no_schema(schema: &str) -> SqlError {
    error("3F000", format!("schema \"{schema}\" does not exist"))
}

/// 42P07.
pub(super) fn relation_exists(name: &str) -> SqlError {
    error("42P07", format!("relation \"{name}\" already exists"))
}

/// Schemas that belong to the system.
pub(super) fn is_system_schema(schema: &str) -> bool {
    schema == "information_schema" || schema.starts_with("pg_")
}

fn check_modifier(ty: &ColumnType) -> Result<(), SqlError> {
    let base = if let Type::Array(element) = &ty.ty {
        element
    } else {
        &ty.ty
    };
    match (base, ty.modifier) {
        (Type::Varchar | Type::Bpchar, Some((length, _))) => {
            let name = if *base == Type::Varchar {
                "varchar"
            } else {
                "char"
            };
            if length < 1 {
                return Err(error(
                    "22023",
                    format!("length for type {name} must be at least 1"),
                ));
            }
            if length > 10_485_760 {
                return Err(error(
                    "22023",
                    format!("length for type {name} cannot exceed 10485760"),
                ));
            }
        }
        (Type::Numeric, Some((precision, scale))) => {
            if !(1..=1000).contains(&precision) {
                return Err(error(
                    "22023",
                    format!("NUMERIC precision {precision} must be between 1 and 1000"),
                ));
            }
            if !(-1000..=1000).contains(&scale) {
                return Err(error(
                    "22023",
                    format!("NUMERIC scale {scale} must be between -1000 and 1000"),
                ));
            }
        }
        _ => {}
    }
    Ok(())
}

/// The written form of a type that was already resolved.
pub(super) fn type_name(ty: &ColumnType) -> TypeName {
    let (base, dimensions) = match &ty.ty {
        Type::Array(element) => (element.as_ref(), 1),
        other => (other, 0),
    };
    let name = match base {
        Type::Enum(name) | Type::Row(name) => ObjectName::qualified(&name.schema, &name.name),
        other => ObjectName::bare(built_in_name(other)),
    };
    let modifiers = match (base, ty.modifier) {
        (_, None) => Vec::new(),
        (Type::Numeric, Some((precision, scale))) => vec![precision, scale],
        (_, Some((first, _))) => vec![first],
    };
    TypeName {
        name,
        modifiers,
        array_dimensions: dimensions,
        percent_column: None,
    }
}

fn built_in_name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::Int2 => "int2",
        Type::Int4 => "int4",
        Type::Int8 => "int8",
        Type::Numeric => "numeric",
        Type::Float4 => "float4",
        Type::Float8 => "float8",
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
        Type::Record => "record",
        Type::Void => "void",
        Type::Trigger => "trigger",
        Type::Text | Type::Unknown | Type::Enum(_) | Type::Array(_) | Type::Row(_) => "text",
    }
}

/// A name made of a table, columns and a label, as short as it must be and not yet taken: `t_a_b_key`, `t_a_b_key1`, …
pub(super) fn choose(
    table: &str,
    middle: Option<&str>,
    label: &str,
    taken: impl Fn(&str) -> bool,
) -> String {
    let first = combine(table, middle, label);
    if !taken(&first) {
        return first;
    }
    let mut numbered = (1_u32..).map(|n| combine(table, middle, &format!("{label}{n}")));
    numbered.find(|name| !taken(name)).unwrap_or(first)
}

/// Shortens the longer of table and columns until the whole fits, on character borders.
fn combine(table: &str, middle: Option<&str>, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(middle.is_some());
    let room = NAME_BYTES.saturating_sub(overhead);
    let (mut first, mut second) = (table.len(), middle.map_or(0, str::len));
    while first + second > room {
        if first > second {
            first -= 1;
        } else {
            second -= 1;
        }
    }
    match middle {
        Some(middle) => format!("{}_{}_{label}", clip(table, first), clip(middle, second)),
        None => format!("{}_{label}", clip(table, first)),
    }
}

fn clip(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Column names joined for a made-up name.
pub(super) fn joined<'s>(columns: impl IntoIterator<Item = &'s str>) -> String {
    let mut joined = String::new();
    for column in columns {
        if !joined.is_empty() {
            joined.push('_');
        }
        joined.push_str(column);
        if joined.len() > NAME_BYTES {
            joined.truncate(joined.floor_char_boundary(NAME_BYTES));
            break;
        }
    }
    joined
}
