//! `GET /`: the description of a schema, naming only what the caller may see.

use axum::http::StatusCode;
use axum::response::Response;
use plinth_query::openapi::{self, About};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::respond::Reply;

pub(crate) fn document(exchange: &Exchange<'_>) -> Result<Response, Error> {
    let media = exchange.root_media()?;
    let (scheme, host) = exchange
        .app()
        .public_url
        .split_once("://")
        .unwrap_or(("http", ""));
    let about = About {
        title: "Plinth REST API",
        version: env!("CARGO_PKG_VERSION"),
        scheme,
        host: host.trim_end_matches('/'),
        base_path: crate::PREFIX,
    };
    let document = openapi::document(&exchange.context()?, &about);
    Ok(Reply::new(StatusCode::OK)
        .body(document.to_string().into_bytes(), media.content_type())
        .finish(exchange))
}
