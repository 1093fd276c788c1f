//! Columns and arguments as Swagger properties.

use plinth_sql::ast::{Expr, VisitMut, walk_expr};
use plinth_sql::catalog::{Column, QName, Relation};
use plinth_sql::print;
use plinth_sql::types::{ColumnType, Type, io};
use serde_json::{Map, Value};

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
    let default = column
        .default
        .as_ref()
        .and_then(|expr| default(cx, expr, &column.ty));
    if let Some(default) = default {
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

/// What a column has when nothing is given: a constant as answers show it, anything else as its text. None for null.
fn default(cx: &Context, expr: &Expr, ty: &ColumnType) -> Option<Value> {
    if *expr == Expr::Null {
        return None;
    }
    let shown = constant(expr).and_then(|text| as_shown(cx, &text, ty));
    Some(shown.unwrap_or_else(|| {
        let mut expr = expr.clone();
        BareConstants.expr(&mut expr);
        print::expr(&expr).into()
    }))
}

/// The text of a constant, whichever way it is written: PostgreSQL has `'-1'::integer` for `-1`.
fn constant(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Bool(value) => value.to_string(),
        Expr::Number(text) | Expr::String(text) => text.clone(),
        Expr::Cast { expr, .. } => constant(expr)?,
        Expr::Unary { op, expr, .. } if op == "-" => match &**expr {
            Expr::Number(digits) => format!("-{digits}"),
            _ => return None,
        },
        _ => return None,
    })
}

/// A constant of a type as JSON. None for what no value of the type can be read from, and for times that mean the moment at
/// which they are read, such as `'now'`.
fn as_shown(cx: &Context, text: &str, ty: &ColumnType) -> Option<Value> {
    let is_time = matches!(
        ty.ty,
        Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz
    );
    if is_time && !text.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let labels = |name: &QName| cx.catalog.enums.get(name).map(|found| found.labels.clone());
    let value = io::input(ty, text, &labels, 0).ok()?;
    let mut json = Vec::new();
    io::write_json(&ty.ty, value.as_ref(), &mut json);
    serde_json::from_slice(&json).ok()
}

/// Takes the casts from constant texts: PostgreSQL writes `lower('X'::text)` for `lower('X')`.
struct BareConstants;

impl VisitMut for BareConstants {
    fn expr(&mut self, expr: &mut Expr) {
        walk_expr(self, expr);
        if let Expr::Cast { expr: inner, .. } = expr
            && let Expr::String(text) = &mut **inner
        {
            *expr = Expr::String(std::mem::take(text));
        }
    }
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
