//! Columns and arguments as Swagger properties.

use plinth_sql::ast::Expr;
use plinth_sql::catalog::{Column, Relation};
use plinth_sql::print;
use plinth_sql::types::{ColumnType, Type};
use serde_json::{Map, Value, json};

use crate::names;
use crate::plan::Context;

/// A relation's columns, as far as the role sees them.
pub(super) fn definition(cx: &Context, relation: &Relation) -> Value {
    let columns = || {
        let seen =
            |column: &&Column| names::sees_column(cx.catalog, cx.role, relation, &column.name);
        relation.columns.iter().filter(seen)
    };
    let properties: Map<String, Value> = columns()
        .map(|column| (column.name.clone(), property(cx, relation, column)))
        .collect();
    let required: Vec<&str> = columns()
        .filter(|column| column.not_null)
        .map(|column| column.name.as_str())
        .collect();
    let mut definition = Map::new();
    if let Some(comment) = &relation.comment {
        definition.insert("description".to_owned(), comment.as_str().into());
    }
    if !required.is_empty() {
        definition.insert("required".to_owned(), required.into());
    }
    definition.insert("type".to_owned(), "object".into());
    definition.insert("properties".to_owned(), properties.into());
    definition.into()
}

fn property(cx: &Context, relation: &Relation, column: &Column) -> Value {
    let mut property = of_type(cx, &column.ty);
    if let Some(default) = column.default.as_ref().and_then(default) {
        property.insert("default".to_owned(), default);
    }
    if let Some(description) = description(relation, column) {
        property.insert("description".to_owned(), description.into());
    }
    property.into()
}

/// `type`, `format`, `enum`, `maxLength`, `items`.
pub(super) fn of_type(cx: &Context, column_type: &ColumnType) -> Map<String, Value> {
    let mut property = Map::new();
    let mut set = |key: &str, value: Value| property.insert(key.to_owned(), value);
    set("format", full_name(&column_type.ty).into());
    match &column_type.ty {
        Type::Bool => drop(set("type", "boolean".into())),
        Type::Array(element) => {
            set("type", "array".into());
            set(
                "items",
                of_type(cx, &element.as_ref().clone().into()).into(),
            );
        }
        Type::Json | Type::Jsonb => {}
        ty if ty.is_integer() => drop(set("type", "integer".into())),
        ty if ty.is_number() => drop(set("type", "number".into())),
        Type::Enum(name) => {
            set("type", "string".into());
            let labels = cx
                .catalog
                .enums
                .get(name.as_ref())
                .map(|found| found.labels.clone());
            set("enum", labels.unwrap_or_default().into());
        }
        _ => drop(set("type", "string".into())),
    }
    if let (Type::Varchar | Type::Bpchar, Some((length, _))) =
        (&column_type.ty, column_type.modifier)
    {
        set("maxLength", length.into());
    }
    property
}

/// Enums and rows with their schema, everything else as `format_type` has it.
fn full_name(ty: &Type) -> String {
    match ty {
        Type::Enum(name) | Type::Row(name) => format!("{}.{}", name.schema, name.name),
        Type::Array(element) => format!("{}[]", full_name(element)),
        other => other.to_string(),
    }
}

/// Constants as themselves, other expressions as text.
fn default(expr: &Expr) -> Option<Value> {
    Some(match expr {
        Expr::Null => return None,
        Expr::Bool(value) => json!(value),
        Expr::Number(digits) => {
            serde_json::from_str(digits).unwrap_or_else(|_| digits.as_str().into())
        }
        Expr::String(text) => text.as_str().into(),
        Expr::Cast { expr, .. }
            if matches!(**expr, Expr::String(_) | Expr::Number(_) | Expr::Bool(_)) =>
        {
            return default(expr);
        }
        other => print::expr(other).into(),
    })
}

/// The comment, and what the column is a key of. The tags are what generators look for.
fn description(relation: &Relation, column: &Column) -> Option<String> {
    let mut notes = Vec::new();
    if relation.primary_key().contains(&column.name) {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    for (_, key) in relation.foreign_keys() {
        if let ([own], [foreign]) = (key.columns.as_slice(), key.foreign_columns.as_slice())
            && *own == column.name
        {
            let table = &key.foreign_table.name;
            notes.push(format!(
                "This is a Foreign Key to `{table}.{foreign}`.<fk table='{table}' column='{foreign}'/>"
            ));
        }
    }
    let notes = (!notes.is_empty()).then(|| format!("Note:\n{}", notes.join("\n")));
    match (&column.comment, notes) {
        (Some(comment), Some(notes)) => Some(format!("{comment}\n\n{notes}")),
        (Some(comment), None) => Some(comment.clone()),
        (None, notes) => notes,
    }
}
