//! `POST`, `PATCH`, `PUT` and `DELETE` of a table or view.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::Response;
use plinth_db::{Answer, BodyFormat};
use plinth_query::plan::{self, InsertTemplate, WritePlan};
use plinth_query::preferences::{Resolution, Return};
use plinth_query::range::content_range;
use plinth_query::{body, request};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::exchange::Exchange;
use crate::respond::{Reply, shaped};

pub(crate) async fn insert(
    exchange: &Exchange<'_>,
    name: &str,
    sent: Body,
) -> Result<Response, Error> {
    let sent = exchange.body(sent).await?;
    let plan = plan_insert(exchange, name, &sent)?;
    let done = run(exchange, &plan).await?;

    let only_updated = plan.write.is_some() && done.inserted == 0;
    let status = match plan.resolution {
        Some(Resolution::MergeDuplicates) if only_updated => StatusCode::OK,
        Some(_) | None => StatusCode::CREATED,
    };
    let reply = Reply::new(status).content_range(content_range(0, 0, total(&plan, &done)));
    let reply = match location(name, &plan, &done) {
        Some(location) => reply.header(LOCATION, location),
        None => reply,
    };
    finish(exchange, reply, plan, done)
}

pub(crate) async fn update(
    exchange: &Exchange<'_>,
    name: &str,
    sent: Body,
) -> Result<Response, Error> {
    let sent = exchange.body(sent).await?;
    let request = request::parse(name, exchange.query())?;
    let payload = body::rows(exchange.content_type(), &sent, request.columns.as_deref())?;
    let plan = plan::update(&request, &payload, &exchange.context()?, &exchange.asked()?)?;
    let done = run(exchange, &plan).await?;

    let range = content_range(0, done.rows, total(&plan, &done));
    finish(
        exchange,
        Reply::new(with_body_or_without(&plan)).content_range(range),
        plan,
        done,
    )
}

pub(crate) async fn put(
    exchange: &Exchange<'_>,
    name: &str,
    sent: Body,
) -> Result<Response, Error> {
    let sent = exchange.body(sent).await?;
    let request = request::parse(name, exchange.query())?;
    let payload = body::rows(exchange.content_type(), &sent, request.columns.as_deref())?;
    let plan = plan::put(&request, &payload, &exchange.context()?, &exchange.asked()?)?;
    let done = run(exchange, &plan).await?;

    let status = match with_body_or_without(&plan) {
        StatusCode::OK if done.inserted > 0 => StatusCode::CREATED,
        status => status,
    };
    finish(exchange, Reply::new(status), plan, done)
}

pub(crate) async fn delete(exchange: &Exchange<'_>, name: &str) -> Result<Response, Error> {
    let request = request::parse(name, exchange.query())?;
    let plan = plan::delete(&request, &exchange.context()?, &exchange.asked()?)?;
    let done = run(exchange, &plan).await?;

    let range = content_range(0, 0, total(&plan, &done));
    finish(
        exchange,
        Reply::new(with_body_or_without(&plan)).content_range(range),
        plan,
        done,
    )
}

/// The plan of an insert, from that of its shape where there is one.
fn plan_insert(exchange: &Exchange<'_>, name: &str, sent: &[u8]) -> Result<WritePlan, Error> {
    let templates = &exchange.rest().inserts;
    // Only `columns` decides how a body is read, and whoever names them has their request planned by itself.
    let reads_all = !exchange.query().contains("columns");
    let read = |columns| body::rows(exchange.content_type(), sent, columns);
    let payload = if reads_all { read(None).ok() } else { None };
    let shape = payload
        .as_ref()
        .and_then(|payload| exchange.shape_of_row(name, payload));
    if let (Some(shape), Some(payload)) = (&shape, &payload)
        && let Some(template) = templates.find(&exchange.catalog, shape)
    {
        return Ok(template.plan(payload)?);
    }
    let request = request::parse(name, exchange.query())?;
    let payload = read(request.columns.as_deref())?;
    let context = exchange.context()?;
    let plan = plan::insert(&request, &payload, &context, &exchange.asked()?)?;
    if let Some(shape) = shape
        && let Some(template) = InsertTemplate::of(&plan, name, &payload, &context)?
    {
        templates.keep(&exchange.catalog, shape, Arc::new(template));
    }
    Ok(plan)
}

/// Where nothing is to be done, the answer is that of no rows.
async fn run(exchange: &Exchange<'_>, plan: &WritePlan) -> Result<Answer, Error> {
    match &plan.write {
        Some(write) => Ok(exchange
            .app()
            .db
            .write(&exchange.session(), write.clone())
            .await?),
        None if plan.media.is_object() => Err(plinth_query::Error::NotOneRow { rows: 0 }.into()),
        None => {
            let csv = plan.media.body_format() == BodyFormat::Csv;
            Ok(Answer {
                body: if csv { Vec::new() } else { b"[]".to_vec() },
                ..Answer::default()
            })
        }
    }
}

fn total(plan: &WritePlan, done: &Answer) -> Option<u64> {
    plan.count.map(|_| done.rows)
}

fn with_body_or_without(plan: &WritePlan) -> StatusCode {
    match plan.returns {
        Return::Representation => StatusCode::OK,
        Return::Minimal | Return::HeadersOnly => StatusCode::NO_CONTENT,
    }
}

fn finish(
    exchange: &Exchange<'_>,
    reply: Reply,
    plan: WritePlan,
    done: Answer,
) -> Result<Response, Error> {
    let reply = reply.applied(plan.applied);
    let reply = match plan.returns {
        Return::Representation => reply.body(
            shaped(plan.media, done.body, done.rows)?,
            plan.media.content_type(),
        ),
        Return::Minimal | Return::HeadersOnly => reply,
    };
    Ok(reply.finish(exchange))
}

/// `/relation?key=eq.value` of the first row, for `return=headers-only`.
fn location(name: &str, plan: &WritePlan, done: &Answer) -> Option<String> {
    if plan.returns != Return::HeadersOnly {
        return None;
    }
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&done.body).ok()?;
    let key = rows.first()?.iter().map(|(column, value)| {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{}=eq.{}", encode(column), encode(&value))
    });
    let key: Vec<String> = key.collect();
    (!key.is_empty()).then(|| format!("/{}?{}", encode(name), key.join("&")))
}

/// Percent-encodes all but the characters that never mean anything in a URL.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use plinth_query::negotiate::Media;

    use super::*;

    #[test]
    fn location_names_the_first_row_by_its_key() {
        let mut plan = WritePlan {
            write: None,
            media: Media::Json,
            returns: Return::HeadersOnly,
            count: None,
            resolution: None,
            applied: None,
        };
        let done = |body: &str| Answer {
            body: body.into(),
            ..Answer::default()
        };
        let found = location(
            "my table",
            &plan,
            &done(r#"[{"id":7,"b c":"x&y"},{"id":8}]"#),
        );
        assert_eq!(found.as_deref(), Some("/my%20table?id=eq.7&b%20c=eq.x%26y"));
        assert_eq!(location("t", &plan, &done("[]")), None);
        assert_eq!(location("t", &plan, &done("")), None);
        plan.returns = Return::Minimal;
        assert_eq!(location("t", &plan, &done(r#"[{"id":7}]"#)), None);
    }
}
