//! The REST service: tables, views and functions under `/rest/v1`.
//!
//! A handler is a sentence: the request is parsed and planned by `plinth_query`, run by `plinth_db` under the
//! caller's session, and answered by `respond`. Policies and privileges are the engine's business, so no route can
//! forget them.

mod read;
mod templates;
mod write;

mod rpc;

mod root;

mod options;

mod error;
mod exchange;
mod respond;

use std::borrow::Cow;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use plinth_http::{App, Caller};
use plinth_query::plan::{InsertTemplate, Template};

use error::Error;
use exchange::Exchange;
use templates::Templates;

/// Where the service is.
pub const PREFIX: &str = "/rest/v1";

/// What this service answers, relative to its prefix.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", "/"),
    ("HEAD", "/"),
    ("OPTIONS", "/"),
    ("GET", "/{relation}"),
    ("HEAD", "/{relation}"),
    ("POST", "/{relation}"),
    ("PATCH", "/{relation}"),
    ("PUT", "/{relation}"),
    ("DELETE", "/{relation}"),
    ("OPTIONS", "/{relation}"),
    ("GET", "/rpc/{function}"),
    ("HEAD", "/rpc/{function}"),
    ("POST", "/rpc/{function}"),
    ("OPTIONS", "/rpc/{function}"),
];

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Schemas that requests may name; the first is meant when they name none. Never empty.
    pub schemas: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            schemas: ["public", "graphql_public", "commerce"]
                .map(str::to_owned)
                .into(),
        }
    }
}

/// The service. It finds its few routes by itself, because nearly every request of an application goes through here.
pub struct Rest {
    app: App,
    config: Config,
    reads: Templates<Template>,
    inserts: Templates<InsertTemplate>,
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'p> {
    Root,
    /// A table or view, percent-encoded.
    Relation(&'p str),
    /// A function, percent-encoded.
    Function(&'p str),
    Elsewhere,
}

impl Rest {
    /// A service for this application.
    pub fn new(app: App, config: Config) -> Rest {
        Rest {
            app,
            config,
            reads: Templates::default(),
            inserts: Templates::default(),
        }
    }

    /// Answers a request whose path is under [`PREFIX`].
    pub async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let caller = match Caller::of(&self.app, &parts.headers) {
            Ok(caller) => caller,
            Err(refused) => return refused.into_response(),
        };
        let exchange = Exchange::new(self, caller, parts);
        // In boxes: what calls this keeps room for all of its future, and moves it about.
        let answer = match exchange.place() {
            Place::Root => root(&exchange),
            Place::Relation(name) => Box::pin(relation(&exchange, name, body)).await,
            Place::Function(name) => Box::pin(function(&exchange, name, body)).await,
            Place::Elsewhere => Err(Error::path()),
        };
        exchange.settle(answer)
    }
}

/// The route of a path under [`PREFIX`], as logs and metrics name it.
pub fn route_of(path: &str) -> &'static str {
    match Place::of(path) {
        Place::Root => "/rest/v1/",
        Place::Relation(_) => "/rest/v1/{relation}",
        Place::Function(_) => "/rest/v1/rpc/{function}",
        Place::Elsewhere => "none",
    }
}

impl Place<'_> {
    fn of(path: &str) -> Place<'_> {
        let path = path.strip_prefix(PREFIX).unwrap_or(path);
        let path = path.strip_prefix('/').unwrap_or(path);
        match path.split_once('/') {
            None if path.is_empty() => Place::Root,
            None => Place::Relation(path),
            Some(("rpc", name)) if !name.is_empty() && !name.contains('/') => Place::Function(name),
            Some(_) => Place::Elsewhere,
        }
    }
}

// Methods are told apart here, so that a wrong one is answered in this service's own words.

async fn relation(
    exchange: &Exchange<'_>,
    name: &str,
    body: axum::body::Body,
) -> Result<Response, Error> {
    let name = &*decoded(name)?;
    match exchange.method() {
        "GET" | "HEAD" => read::rows(exchange, name).await,
        "POST" => write::insert(exchange, name, body).await,
        "PATCH" => write::update(exchange, name, body).await,
        "PUT" => write::put(exchange, name, body).await,
        "DELETE" => write::delete(exchange, name).await,
        "OPTIONS" => options::of_relation(exchange, name),
        method => Err(Error::method(method)),
    }
}

async fn function(
    exchange: &Exchange<'_>,
    name: &str,
    body: axum::body::Body,
) -> Result<Response, Error> {
    let name = &*decoded(name)?;
    match exchange.method() {
        "GET" | "HEAD" => rpc::get(exchange, name).await,
        "POST" => rpc::post(exchange, name, body).await,
        "OPTIONS" => options::of_function(exchange, name),
        method => Err(Error::function_method(method)),
    }
}

fn root(exchange: &Exchange<'_>) -> Result<Response, Error> {
    match exchange.method() {
        "GET" | "HEAD" => root::document(exchange),
        "OPTIONS" => Ok(options::of_root()),
        method => Err(Error::method(method)),
    }
}

/// A name as it was before it was percent-encoded.
fn decoded(segment: &str) -> Result<Cow<'_, str>, Error> {
    percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| Error::path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_relations_and_functions() {
        for (path, place) in [
            ("/rest/v1", Place::Root),
            ("/rest/v1/", Place::Root),
            ("/rest/v1/a%20b", Place::Relation("a%20b")),
            ("/rest/v1/rpc", Place::Relation("rpc")),
            ("/rest/v1/rpc/f", Place::Function("f")),
            ("/rest/v1/rpc/", Place::Elsewhere),
            ("/rest/v1/rpc/f/", Place::Elsewhere),
            ("/rest/v1/rpc/f/g", Place::Elsewhere),
            ("/rest/v1/t/", Place::Elsewhere),
            ("/rest/v1//t", Place::Elsewhere),
            ("/rest/v1/t/1", Place::Elsewhere),
        ] {
            assert_eq!(Place::of(path), place, "{path}");
        }
        assert_eq!(decoded("a%20b").unwrap(), "a b");
        assert!(decoded("%ff").is_err());
    }
}
