//! The REST service: tables, views and functions under `/rest/v1`.
//!
//! A handler is a sentence: the request is parsed and planned by `plinth_query`, run by `plinth_db` under the
//! caller's session, and answered by `respond`. Policies and privileges are the engine's business, so no route can
//! forget them.

mod read;
mod write;

mod rpc;

mod root;

mod options;

mod error;
mod exchange;
mod respond;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRef, Path, Request, State};
use axum::response::Response;
use axum::routing::any;
use plinth_http::{App, Caller};

use error::Error;
use exchange::Exchange;

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
            schemas: vec!["public".to_owned(), "graphql_public".to_owned()],
        }
    }
}

/// The routes, relative to `/rest/v1`.
pub fn router(app: App, config: Config) -> Router {
    let rest = Rest {
        app,
        config: Arc::new(config),
    };
    // Methods are told apart inside, so that a wrong one is answered in this service's own words.
    Router::new()
        .route("/", any(root))
        .route("/{relation}", any(relation))
        .route("/rpc/{function}", any(function))
        .fallback(elsewhere)
        .with_state(rest)
}

/// What the handlers share.
#[derive(Clone)]
struct Rest {
    app: App,
    config: Arc<Config>,
}

impl FromRef<Rest> for App {
    fn from_ref(rest: &Rest) -> App {
        rest.app.clone()
    }
}

async fn relation(
    State(rest): State<Rest>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (exchange, body) = Exchange::new(rest, caller, request);
    let answer = match (exchange.method(), name) {
        (_, Err(_)) => Err(Error::path()),
        ("GET" | "HEAD", Ok(Path(name))) => read::rows(&exchange, &name).await,
        ("POST", Ok(Path(name))) => write::insert(&exchange, &name, body).await,
        ("PATCH", Ok(Path(name))) => write::update(&exchange, &name, body).await,
        ("PUT", Ok(Path(name))) => write::put(&exchange, &name, body).await,
        ("DELETE", Ok(Path(name))) => write::delete(&exchange, &name).await,
        ("OPTIONS", Ok(Path(name))) => options::of_relation(&exchange, &name),
        (method, Ok(_)) => Err(Error::method(method)),
    };
    exchange.settle(answer)
}

async fn function(
    State(rest): State<Rest>,
    caller: Caller,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (exchange, body) = Exchange::new(rest, caller, request);
    let answer = match (exchange.method(), name) {
        (_, Err(_)) => Err(Error::path()),
        ("GET" | "HEAD", Ok(Path(name))) => rpc::get(&exchange, &name).await,
        ("POST", Ok(Path(name))) => rpc::post(&exchange, &name, body).await,
        ("OPTIONS", Ok(Path(name))) => options::of_function(&exchange, &name),
        (method, Ok(_)) => Err(Error::function_method(method)),
    };
    exchange.settle(answer)
}

async fn root(State(rest): State<Rest>, caller: Caller, request: Request) -> Response {
    let (exchange, _) = Exchange::new(rest, caller, request);
    let answer = match exchange.method() {
        "GET" | "HEAD" => root::document(&exchange),
        "OPTIONS" => Ok(options::of_root()),
        method => Err(Error::method(method)),
    };
    exchange.settle(answer)
}

async fn elsewhere(State(rest): State<Rest>, caller: Caller, request: Request) -> Response {
    Exchange::new(rest, caller, request)
        .0
        .settle(Err(Error::path()))
}
