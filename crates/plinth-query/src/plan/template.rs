//! Requests of one shape, planned once.
//!
//! `id=eq.1` and `id=eq.2` ask the same of different values. A [`Shape`] is a request's text with those values taken out;
//! a [`Template`] is the plan of a shape, whose statements have slots in their places. Only values of plain comparisons are
//! taken out, since nothing in a plan depends on them; everything else stays in the shape, word for word.

use std::sync::Arc;

use plinth_sql::shape::{Argument, Fetch, FieldValue, Filled, Read, StatementId, Write};
use plinth_sql::types::Type;

use super::read::unfilled;
use super::{Asked, Context, ReadPlan, WritePlan};
use crate::body::{Cell, Payload, text_of};
use crate::error::Error;
use crate::negotiate::Media;
use crate::range::Window;
use crate::request::{self, decode_text};

/// A longer text is seldom met twice.
const MAX_SHAPE_BYTES: usize = 4096;
/// Stands around the number of a value that was taken out. A request that holds it itself has no shape.
const MARK: char = '\u{1}';
/// The comparisons whose values are taken out.
const OPERATORS: [&str; 6] = ["eq.", "neq.", "gt.", "gte.", "lt.", "lte."];
/// Parameters that are no filters, whatever their value begins with.
const RESERVED: [&str; 8] = [
    "select",
    "order",
    "limit",
    "offset",
    "and",
    "or",
    "columns",
    "on_conflict",
];

/// The text of a request without the values of its plain comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// All that the plan depends on beside the catalog: a key for [templates](Template).
    pub key: String,
    /// What was taken out, in order.
    pub values: Vec<Option<String>>,
    /// Where the query string begins in the key.
    query_at: usize,
}

impl Shape {
    /// The shape of a query string. `context` is whatever else the plan depends on: who asks for what, in which form.
    /// None for what is better planned by itself.
    pub fn of(context: &[&str], query: &str) -> Option<Shape> {
        let mut key = joined(context, query)?;
        let query_at = key.len();
        let mut values = Vec::new();
        for (number, part) in query.split('&').enumerate() {
            if number > 0 {
                key.push('&');
            }
            match compared(part) {
                Some((before, value)) => {
                    let value = decode_text(value).ok()?;
                    key.push_str(before);
                    mark(&mut key, values.len());
                    values.push(Some(value));
                }
                None if part.contains(MARK) || part.contains("%01") => return None,
                None => key.push_str(part),
            }
        }
        Some(Shape {
            key,
            values,
            query_at,
        })
    }

    /// The shape of the insert of one row: its values are taken out. None for any other number of rows.
    pub fn of_row(context: &[&str], query: &str, payload: &Payload<'_>) -> Option<String> {
        let [row] = payload.rows.as_slice() else {
            return None;
        };
        if row.contains(&Cell::Missing) || payload.columns.is_empty() {
            return None;
        }
        let mut key = joined(context, query)?;
        key.push_str(query);
        for column in &payload.columns {
            if column.contains('\0') || key.len() > MAX_SHAPE_BYTES {
                return None;
            }
            key.push('\0');
            key.push_str(column);
        }
        Some(key)
    }

    fn query(&self) -> &str {
        self.key.get(self.query_at..).unwrap_or_default()
    }
}

/// The beginning of a key; none when the whole of it would be too long, or would not be read back in one way only.
fn joined(context: &[&str], query: &str) -> Option<String> {
    let size = context.iter().map(|part| part.len() + 1).sum::<usize>() + query.len();
    if size > MAX_SHAPE_BYTES || context.iter().any(|part| part.contains('\0')) {
        return None;
    }
    let mut key = String::with_capacity(size + 64);
    for part in context {
        key.push_str(part);
        key.push('\0');
    }
    Some(key)
}

/// `id=eq.` and `1` of `id=eq.1`.
fn compared(part: &str) -> Option<(&str, &str)> {
    let (name, condition) = part.split_once('=')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.is_empty() || !name.bytes().all(plain) || RESERVED.contains(&last) {
        return None;
    }
    let operator = OPERATORS
        .iter()
        .find(|operator| condition.starts_with(**operator))?;
    Some(part.split_at(name.len() + 1 + operator.len()))
}

fn mark(text: &mut String, number: usize) {
    text.push(MARK);
    text.push_str(&number.to_string());
    text.push(MARK);
}

/// The plan of a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// What is run. Its statements have slots, and ids by which an engine knows them again.
    read: Arc<Read>,
    window: Window,
    media: Media,
    applied: Option<String>,
}

impl Template {
    /// Plans `GET` and `HEAD` of the table or view of this name. None when a value that was taken out did not become a
    /// parameter: such a request is planned by itself.
    pub fn read(
        name: &str,
        shape: &Shape,
        cx: &Context,
        asked: &Asked,
    ) -> Result<Option<Template>, Error> {
        let mut plan = unfilled(&request::parse(name, shape.query())?, cx, asked)?;
        let mut seen = vec![false; shape.values.len()];
        if let Some(count) = &mut plan.read.count {
            count.id = Some(StatementId::fresh());
            put_slots(&mut count.params, &mut seen);
        }
        prepare(&mut plan.read.fetch, &mut seen);
        if seen.contains(&false) {
            return Ok(None);
        }
        Ok(Some(Template {
            read: Arc::new(plan.read),
            window: plan.window,
            media: plan.media,
            applied: plan.applied,
        }))
    }

    /// The plan for the values of one request.
    pub fn plan(&self, values: Vec<Option<String>>) -> ReadPlan {
        ReadPlan {
            read: Filled {
                what: Arc::clone(&self.read),
                values,
            },
            window: self.window,
            media: self.media,
            applied: self.applied.clone(),
        }
    }
}

/// The plan of an insert of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct InsertTemplate {
    /// With the values of nobody.
    plan: WritePlan,
    write: Arc<Write>,
    /// The types of the row's columns.
    types: Vec<Type>,
}

impl InsertTemplate {
    /// Of a plan that was made for a row of the relation of this name. None when its values are not its parameters.
    pub fn of(
        plan: &WritePlan,
        name: &str,
        payload: &Payload<'_>,
        cx: &Context,
    ) -> Result<Option<InsertTemplate>, Error> {
        let Some(filled) = &plan.write else {
            return Ok(None);
        };
        let relation = cx.relation(name)?;
        let columns = payload.columns.iter().map(|name| relation.column(name));
        let Some(types) = columns
            .map(|column| column.map(|column| column.ty.ty.clone()))
            .collect::<Option<Vec<Type>>>()
        else {
            return Ok(None);
        };
        let mut write = Write::clone(&filled.what);
        if write.fetch.params.len() != types.len() {
            return Ok(None);
        }
        prepare(&mut write.fetch, &mut []);
        write.fetch.params = (0..types.len()).map(Argument::Slot).collect();
        Ok(Some(InsertTemplate {
            plan: WritePlan {
                write: None,
                ..plan.clone()
            },
            write: Arc::new(write),
            types,
        }))
    }

    /// The plan for the one row of this payload.
    pub fn plan(&self, payload: &Payload<'_>) -> Result<WritePlan, Error> {
        let cells = payload.rows.iter().flatten().zip(&self.types);
        let values = cells.map(|(cell, ty)| text_of(cell, ty));
        Ok(WritePlan {
            write: Some(Filled {
                what: Arc::clone(&self.write),
                values: values.collect::<Result<_, _>>()?,
            }),
            ..self.plan.clone()
        })
    }
}

fn prepare(fetch: &mut Fetch, seen: &mut [bool]) {
    fetch.id = Some(StatementId::fresh());
    put_slots(&mut fetch.params, seen);
    for field in &mut fetch.fields {
        if let FieldValue::Embed(embed) = &mut field.value {
            prepare(&mut embed.fetch, seen);
        }
    }
}

fn put_slots(params: &mut [Argument], seen: &mut [bool]) {
    for param in params {
        let number = match param {
            Argument::Given(Some(text)) => marked(text).filter(|number| *number < seen.len()),
            Argument::Given(None) | Argument::Slot(_) => None,
        };
        if let Some(number) = number {
            seen[number] = true;
            *param = Argument::Slot(number);
        }
    }
}

/// The number in a text that [`mark`] wrote.
fn marked(text: &str) -> Option<usize> {
    let number = text.strip_prefix(MARK)?.strip_suffix(MARK)?;
    number.parse().ok()
}
