//! How things of the catalog are called inside the SQLite file.

use plinth_sql::catalog::{Catalog, QName};
use plinth_sql::types::Type;

/// A quoted SQLite identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted SQLite string.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name as a part of SQLite's names. SQLite takes `a` and `A` for the same name, so that a capital is written `^a`; and
/// what we put between the parts of a name is marked where it stands inside one.
fn part(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    for letter in name.chars() {
        if letter.is_ascii_uppercase() || matches!(letter, '^' | '.' | '/') {
            written.push('^');
        }
        written.push(letter.to_ascii_lowercase());
    }
    written
}

/// The SQLite table of a relation: schema and name are one identifier, so that one file holds all schemas.
pub(crate) fn table(name: &QName) -> String {
    format!("{}.{}", part(&name.schema), part(&name.name))
}

/// The SQLite column of a column.
pub(crate) fn column(name: &str) -> String {
    if name == "rowid" {
        // SQLite's own name for the key of a row, by which our statements find it. No name is written so by its letters.
        return "^_rowid".to_owned();
    }
    part(name)
}

/// The same, quoted.
pub(crate) fn quoted_column(name: &str) -> String {
    quote(&column(name))
}

/// The SQLite index of a constraint or index; names are unique per schema in Postgres, as are these.
pub(crate) fn index(schema: &str, name: &str) -> String {
    format!("{}.{}/index", part(schema), part(name))
}

/// The SQLite index that finds the rows of a foreign key.
pub(crate) fn helping_index(table: &QName, constraint: &str) -> String {
    format!(
        "{}.{}.{}/references",
        part(&table.schema),
        part(&table.name),
        part(constraint)
    )
}

/// What a type is called in arguments of our SQLite functions: `int4`, `enum:public.mood`, `int4[]`.
pub(crate) fn type_code(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::Int2 => "int2".into(),
        Type::Int4 => "int4".into(),
        Type::Int8 => "int8".into(),
        Type::Numeric => "numeric".into(),
        Type::Float4 => "float4".into(),
        Type::Float8 => "float8".into(),
        Type::Text | Type::Unknown => "text".into(),
        Type::Varchar => "varchar".into(),
        Type::Bpchar => "bpchar".into(),
        Type::Name => "name".into(),
        Type::Uuid => "uuid".into(),
        Type::Date => "date".into(),
        Type::Time => "time".into(),
        Type::Timestamp => "timestamp".into(),
        Type::Timestamptz => "timestamptz".into(),
        Type::Interval => "interval".into(),
        Type::Json => "json".into(),
        Type::Jsonb => "jsonb".into(),
        Type::Bytea => "bytea".into(),
        Type::Regclass => "regclass".into(),
        Type::Enum(name) => format!("enum:{}.{}", name.schema, name.name),
        Type::Row(name) => format!("row:{}.{}", name.schema, name.name),
        Type::Array(element) => format!("{}[]", type_code(element)),
        Type::Record => "record".into(),
        Type::Void => "void".into(),
        Type::Trigger => "trigger".into(),
    }
}

/// The type of a [`type_code`].
pub(crate) fn type_of_code(code: &str) -> Option<Type> {
    if let Some(element) = code.strip_suffix("[]") {
        return Some(type_of_code(element)?.array());
    }
    if let Some(name) = code.strip_prefix("enum:") {
        let (schema, name) = name.split_once('.')?;
        return Some(Type::Enum(std::sync::Arc::new(QName::new(schema, name))));
    }
    if let Some(name) = code.strip_prefix("row:") {
        let (schema, name) = name.split_once('.')?;
        return Some(Type::Row(std::sync::Arc::new(QName::new(schema, name))));
    }
    Type::built_in(code)
}

/// The collation that gives stored values of a type Postgres's order and equality; none where bytes or numbers do.
pub(crate) fn collation(ty: &Type, catalog: &Catalog) -> Option<String> {
    Some(match ty {
        Type::Numeric => "num".into(),
        Type::Interval => "interval".into(),
        Type::Jsonb => "jsonb".into(),
        Type::Bpchar => "RTRIM".into(),
        Type::Enum(name) => format!("enum:{}", catalog.enums.get(name.as_ref())?.oid),
        Type::Array(element) => match element.as_ref() {
            Type::Enum(name) => format!("array:enum:{}", catalog.enums.get(name.as_ref())?.oid),
            other => format!("array:{}", type_code(other)),
        },
        _ => return None,
    })
}

/// ` COLLATE "x"` or nothing.
pub(crate) fn collate(ty: &Type, catalog: &Catalog) -> String {
    collation(ty, catalog)
        .map(|name| format!(" COLLATE {}", quote(&name)))
        .unwrap_or_default()
}

/// The declared type of a column in a STRICT table.
pub(crate) fn storage_class(ty: &Type) -> &'static str {
    match ty {
        Type::Bool
        | Type::Int2
        | Type::Int4
        | Type::Int8
        | Type::Date
        | Type::Time
        | Type::Timestamp
        | Type::Timestamptz => "INTEGER",
        Type::Float4 | Type::Float8 => "REAL",
        Type::Uuid | Type::Bytea => "BLOB",
        Type::Numeric
        | Type::Text
        | Type::Varchar
        | Type::Bpchar
        | Type::Name
        | Type::Interval
        | Type::Json
        | Type::Jsonb
        | Type::Regclass
        | Type::Enum(_)
        | Type::Array(_)
        | Type::Row(_)
        | Type::Record
        | Type::Void
        | Type::Trigger
        | Type::Unknown => "TEXT",
    }
}

#[cfg(test)]
mod tests {
    use super::{column, table};
    use plinth_sql::catalog::QName;

    #[test]
    fn names_that_differ_stay_apart_without_their_case() {
        let mut seen = std::collections::BTreeSet::new();
        for name in [
            "a", "A", "^a", "^A", "^^a", "rowid", "Rowid", "RowID", "_rowid", "^_rowid", "É", "é",
        ] {
            assert!(seen.insert(column(name).to_ascii_lowercase()), "{name}");
        }
        assert_ne!(
            table(&QName::new("a.b", "c")),
            table(&QName::new("a", "b.c"))
        );
    }
}
