//! `OPTIONS`: what may be done with an object. (Browsers' preflights never come this far.)

use axum::http::header::ALLOW;
use axum::response::{IntoResponse, Response};
use plinth_sql::ast::Volatility;
use plinth_sql::catalog::QName;

use crate::error::Error;
use crate::exchange::Exchange;

/// Tables take everything, views are read only; `PUT` needs a primary key.
pub(crate) fn of_relation(exchange: &Exchange<'_>, name: &str) -> Result<Response, Error> {
    let relation = exchange.context()?.relation(name)?;
    Ok(allow(match (relation.table(), relation.primary_key()) {
        (None, _) => "OPTIONS,GET,HEAD",
        (Some(_), []) => "OPTIONS,GET,HEAD,POST,PATCH,DELETE",
        (Some(_), _) => "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE",
    }))
}

/// A function that may write is only ever posted to.
pub(crate) fn of_function(exchange: &Exchange<'_>, name: &str) -> Result<Response, Error> {
    let schema = exchange.schema()?;
    let overloads = exchange
        .catalog
        .functions
        .get(&QName::new(schema, name))
        .map(Vec::as_slice)
        .unwrap_or_default();
    if overloads.is_empty() {
        let (schema, name) = (schema.to_owned(), name.to_owned());
        let unknown = plinth_query::Error::NoFunction {
            schema,
            name,
            arguments: Vec::new(),
            did_you_mean: None,
        };
        return Err(unknown.into());
    }
    let writes = overloads
        .iter()
        .all(|function| function.volatility == Volatility::Volatile);
    Ok(allow(if writes {
        "OPTIONS,POST"
    } else {
        "OPTIONS,GET,HEAD,POST"
    }))
}

pub(crate) fn of_root() -> Response {
    allow("OPTIONS,GET,HEAD")
}

fn allow(methods: &'static str) -> Response {
    [(ALLOW, methods)].into_response()
}
