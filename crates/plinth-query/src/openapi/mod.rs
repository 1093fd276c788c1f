//! The description of a schema that `GET /` answers: Swagger 2.0, of what one role may see.
//!
//! Type generators read `definitions`; the paths are for people and tools that list them.

mod paths;
mod properties;

use plinth_sql::catalog::{Function, Relation};
use plinth_sql::types::Type;
use serde_json::{Map, Value, json};

use crate::names;
use crate::plan::Context;

/// What the document says about the server.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Its title.
    pub title: &'a str,
    /// Its version.
    pub version: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `127.0.0.1:54321`.
    pub host: &'a str,
    /// `/rest/v1`.
    pub base_path: &'a str,
}

/// The document for the schema and role of this context.
pub fn document(cx: &Context, about: &About) -> Value {
    let relations: Vec<&Relation> = cx
        .catalog
        .relations
        .values()
        .map(AsRef::as_ref)
        .filter(|relation| {
            relation.name.schema == cx.schema && names::sees_relation(cx.catalog, cx.role, relation)
        })
        .collect();
    let functions: Vec<&Function> = cx
        .catalog
        .functions
        .values()
        .flatten()
        .map(AsRef::as_ref)
        .filter(|function| {
            function.name.schema == cx.schema && function.returns.ty != Type::Trigger
        })
        .filter(|function| names::sees_function(cx.catalog, cx.role, function))
        .collect();

    let mut definitions = Map::new();
    let mut parameters = paths::shared_parameters();
    let mut paths = Map::new();
    paths.insert("/".to_owned(), paths::root());
    for relation in relations {
        let name = relation.name.name.as_str();
        definitions.insert(name.to_owned(), properties::definition(cx, relation));
        paths::add_relation_parameters(cx, relation, &mut parameters);
        paths.insert(format!("/{name}"), paths::relation(cx, relation));
    }
    for function in functions {
        paths.insert(
            format!("/rpc/{}", function.name.name),
            paths::function(cx, function),
        );
    }
    json!({
        "swagger": "2.0",
        "info": { "title": about.title, "description": "", "version": about.version },
        "host": about.host,
        "basePath": about.base_path,
        "schemes": [about.scheme],
        "consumes": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "produces": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "paths": paths,
        "definitions": definitions,
        "parameters": parameters,
    })
}
