//! `GET` and `HEAD` of a table or view.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use plinth_query::plan::{self, ReadPlan, Template};
use plinth_query::request;

use crate::error::Error;
use crate::exchange::Exchange;
use crate::respond::{Reply, shaped};

pub(crate) async fn rows(exchange: &Exchange<'_>, name: &str) -> Result<Response, Error> {
    let plan = plan(exchange, name)?;
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

/// The plan of a request, from that of its shape where there is one.
fn plan(exchange: &Exchange<'_>, name: &str) -> Result<ReadPlan, Error> {
    if let Some(shape) = exchange.shape(name) {
        let templates = &exchange.rest().reads;
        if let Some(template) = templates.find(&exchange.catalog, &shape.key) {
            return Ok(template.plan(shape.values));
        }
        if let (Ok(context), Ok(asked)) = (exchange.context(), exchange.asked())
            && let Ok(Some(template)) = Template::read(name, &shape, &context, &asked)
        {
            let template = Arc::new(template);
            templates.keep(&exchange.catalog, shape.key, Arc::clone(&template));
            return Ok(template.plan(shape.values));
        }
    }
    // Errors are told in the request's own words.
    let request = request::parse(name, exchange.query())?;
    Ok(plan::read(
        &request,
        &exchange.context()?,
        &exchange.asked()?,
    )?)
}
