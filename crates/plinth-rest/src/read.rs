//! `GET` and `HEAD` of a table or view.

use axum::http::StatusCode;
use axum::response::Response;
use plinth_query::{plan, request};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::respond::{Reply, shaped};

pub(crate) async fn rows(exchange: &Exchange<'_>, name: &str) -> Result<Response, Error> {
    let request = request::parse(name, exchange.query())?;
    let plan = plan::read(&request, &exchange.context()?, &exchange.asked()?)?;
    let answer = exchange
        .app()
        .db
        .read(&exchange.session(), plan.read)
        .await?;
    let page = plan.window.page(answer.rows, answer.total)?;
    let status = if page.partial {
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let body = shaped(plan.media, answer.body, answer.rows)?;
    let reply = Reply::new(status)
        .content_range(page.content_range)
        .applied(plan.applied);
    Ok(reply.body(body, plan.media.content_type()).finish(exchange))
}
