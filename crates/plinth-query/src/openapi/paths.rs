//! Verbs of relations and functions, by what the role may do.

use plinth_sql::ast::Volatility;
use plinth_sql::catalog::{Function, Privilege, Relation};
use serde_json::{Map, Value, json};

use super::properties;
use crate::names;
use crate::plan::Context;

/// Parameters that every relation has.
const SHARED: [(&str, &str, &str, &str); 8] = [
    (
        "select",
        "query",
        "select",
        "Columns and related tables to answer",
    ),
    ("order", "query", "order", "Sort keys"),
    ("limit", "query", "limit", "At most so many rows"),
    ("offset", "query", "offset", "So many rows skipped"),
    (
        "on_conflict",
        "query",
        "on_conflict",
        "Columns that an upsert compares",
    ),
    ("range", "header", "Range", "First and last row"),
    ("rangeUnit", "header", "Range-Unit", "Always items"),
    (
        "prefer",
        "header",
        "Prefer",
        "return, count, resolution, missing, handling, max-affected",
    ),
];

pub(super) fn shared_parameters() -> Map<String, Value> {
    let parameter = |(key, place, name, description): &(&str, &str, &str, &str)| {
        let value = json!({
            "name": name, "in": place, "description": description, "required": false, "type": "string"
        });
        ((*key).to_owned(), value)
    };
    SHARED.iter().map(parameter).collect()
}

/// A filter for each column and the body of writes.
pub(super) fn add_relation_parameters(
    cx: &Context,
    relation: &Relation,
    parameters: &mut Map<String, Value>,
) {
    let name = &relation.name.name;
    let body = json!({
        "name": name, "in": "body", "description": name, "required": false,
        "schema": { "$ref": format!("#/definitions/{name}") }
    });
    parameters.insert(format!("body.{name}"), body);
    for column in seen_columns(cx, relation) {
        let filter = json!({ "name": column, "in": "query", "required": false, "type": "string" });
        parameters.insert(format!("rowFilter.{name}.{column}"), filter);
    }
}

pub(super) fn root() -> Value {
    json!({ "get": {
        "tags": ["Introspection"],
        "summary": "This description",
        "produces": ["application/openapi+json", "application/json"],
        "responses": { "200": { "description": "OK" } }
    }})
}

pub(super) fn relation(cx: &Context, relation: &Relation) -> Value {
    let name = &relation.name.name;
    let filters: Vec<Value> = seen_columns(cx, relation)
        .map(|column| reference(&format!("parameters/rowFilter.{name}.{column}")))
        .collect();
    let shared = |keys: &[&str]| {
        keys.iter()
            .map(|key| reference(&format!("parameters/{key}")))
            .collect::<Vec<_>>()
    };
    let body = reference(&format!("parameters/body.{name}"));
    let rows = json!({
        "description": "OK",
        "schema": { "type": "array", "items": reference(&format!("definitions/{name}")) }
    });
    let verbs = [
        (
            "get",
            Privilege::Select,
            [
                filters.clone(),
                shared(&[
                    "select",
                    "order",
                    "range",
                    "rangeUnit",
                    "offset",
                    "limit",
                    "prefer",
                ]),
            ]
            .concat(),
            json!({ "200": rows, "206": { "description": "Partial Content" } }),
        ),
        (
            "post",
            Privilege::Insert,
            [
                vec![body.clone()],
                shared(&["select", "on_conflict", "prefer"]),
            ]
            .concat(),
            json!({ "201": { "description": "Created" } }),
        ),
        (
            "patch",
            Privilege::Update,
            [filters.clone(), vec![body], shared(&["prefer"])].concat(),
            json!({ "204": { "description": "No Content" } }),
        ),
        (
            "delete",
            Privilege::Delete,
            [filters, shared(&["prefer"])].concat(),
            json!({ "204": { "description": "No Content" } }),
        ),
    ];
    let mut path = Map::new();
    for (verb, privilege, parameters, responses) in verbs {
        if cx.catalog.may_any_column(cx.role, relation, privilege) {
            let mut operation =
                json!({ "tags": [name], "parameters": parameters, "responses": responses });
            if let Some(comment) = &relation.comment {
                operation["summary"] = comment.as_str().into();
            }
            path.insert(verb.to_owned(), operation);
        }
    }
    path.into()
}

pub(super) fn function(cx: &Context, function: &Function) -> Value {
    let mut schema = Map::new();
    let mut required = Vec::new();
    let mut query = Vec::new();
    for arg in &function.args {
        let Some(name) = &arg.name else { continue };
        let property = properties::of_type(cx, &arg.ty.clone().into());
        let mut parameter = property.clone();
        parameter.insert("name".to_owned(), name.as_str().into());
        parameter.insert("in".to_owned(), "query".into());
        parameter.insert("required".to_owned(), arg.default.is_none().into());
        parameter.entry("type").or_insert_with(|| "string".into());
        query.push(Value::from(parameter));
        if arg.default.is_none() {
            required.push(name.as_str());
        }
        schema.insert(name.clone(), property.into());
    }
    let mut arguments = json!({ "type": "object", "properties": schema });
    if !required.is_empty() {
        arguments["required"] = required.into();
    }
    let tags = [format!("(rpc) {}", function.name.name)];
    let ok = json!({ "200": { "description": "OK" } });
    let body = json!({ "name": "args", "in": "body", "required": true, "schema": arguments });
    let mut path = Map::new();
    if function.volatility != Volatility::Volatile {
        path.insert(
            "get".to_owned(),
            json!({ "tags": tags, "parameters": query, "responses": ok }),
        );
    }
    let mut post = json!({ "tags": tags, "parameters": [body, reference("parameters/prefer")], "responses": ok });
    if let Some(comment) = &function.comment {
        post["summary"] = comment.as_str().into();
    }
    path.insert("post".to_owned(), post);
    path.into()
}

fn seen_columns<'a>(cx: &Context, relation: &'a Relation) -> impl Iterator<Item = &'a str> {
    relation
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(move |column| names::sees_column(cx.catalog, cx.role, relation, column))
}

fn reference(to: &str) -> Value {
    json!({ "$ref": format!("#/{to}") })
}
