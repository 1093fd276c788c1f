//! Calls of functions: `POST` with named arguments in a JSON object, `GET` and `HEAD` with them in the query string.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use plinth_query::body::{self, Arguments};
use plinth_query::plan::{self, RpcShape};
use plinth_query::preferences::Return;
use plinth_query::request::{self, Request};
use plinth_sql::shape::BodyFormat;

use crate::error::Error;
use crate::exchange::Exchange;
use crate::respond::{Reply, only_element, shaped};

pub(crate) async fn get(exchange: &Exchange<'_>, name: &str) -> Result<Response, Error> {
    let request = request::parse_call(name, exchange.query())?;
    call(exchange, &request, None).await
}

pub(crate) async fn post(
    exchange: &Exchange<'_>,
    name: &str,
    sent: Body,
) -> Result<Response, Error> {
    let sent = exchange.body(sent).await?;
    let request = request::parse(name, exchange.query())?;
    let arguments = body::arguments(exchange.content_type(), &sent)?;
    call(exchange, &request, Some(&arguments)).await
}

async fn call(
    exchange: &Exchange<'_>,
    request: &Request,
    arguments: Option<&Arguments<'_>>,
) -> Result<Response, Error> {
    let asked = exchange.asked()?;
    let plan = plan::call(request, arguments, &exchange.context()?, &asked)?;
    let (shape, media, format) = (plan.shape, plan.media, plan.read.format);
    let answer = exchange
        .app()
        .db
        .read(&exchange.session(), plan.read)
        .await?;

    if shape == RpcShape::Void {
        return Ok(Reply::new(StatusCode::NO_CONTENT)
            .applied(plan.applied)
            .finish(exchange));
    }
    let total = answer.total.or(plan.total_is_rows.then_some(answer.rows));
    let page = plan.window.page(answer.rows, total)?;
    let reply = |status| {
        Reply::new(status)
            .content_range(page.content_range)
            .applied(plan.applied)
    };
    if asked.preferences.returns == Some(Return::Minimal) {
        return Ok(reply(StatusCode::NO_CONTENT).finish(exchange));
    }
    let body = match shape {
        // The one value or row, whatever the client calls it.
        RpcShape::Scalar | RpcShape::Row if format != BodyFormat::Csv => match answer.rows {
            0 => b"null".to_vec(),
            _ => only_element(answer.body),
        },
        RpcShape::Scalar | RpcShape::Row | RpcShape::Void => answer.body,
        RpcShape::Set | RpcShape::SetOfScalars => shaped(media, answer.body, answer.rows)?,
    };
    let status = if page.partial {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    Ok(reply(status)
        .body(body, media.content_type())
        .finish(exchange))
}
