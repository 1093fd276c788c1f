//! What was sent with a write: rows of named cells, whatever the content type, and their text by column type.
//!
//! JSON is not turned into a tree. Each value stays the slice of the body that it is, so that numbers keep every
//! digit and `json` columns the very text that was sent.

mod csv;
mod json;
mod value;

pub(crate) use json::check_depth;
pub(crate) use value::{array_of_json, text_of};

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Error;
use crate::request;

/// Nesting of a JSON body.
pub const MAX_JSON_DEPTH: usize = 100;
/// Rows of one body. A longer import comes in several requests.
pub const MAX_ROWS: usize = 100_000;

/// One value of a body, before its column's type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// JSON text.
    Json(&'a str),
    /// Plain text, of CSV or a form.
    Text(Cow<'a, str>),
    /// Null.
    Null,
    /// No such key in this object.
    Missing,
}

/// The rows of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Names of the cells.
    pub columns: Vec<Cow<'a, str>>,
    /// As many cells each.
    pub rows: Vec<Vec<Cell<'a>>>,
}

/// Reads the body of an insert or update. `columns` is the parameter of that name: with it, keys outside of it are
/// ignored and objects may differ in their keys.
pub fn rows<'a>(
    content_type: Option<&str>,
    body: &'a [u8],
    columns: Option<&[String]>,
) -> Result<Payload<'a>, Error> {
    let payload = match Kind::of(content_type)? {
        Kind::Json => return json::rows(text(body)?, columns),
        Kind::Csv => csv::rows(text(body)?)?,
        Kind::Form => {
            let fields = form(body)?;
            Payload {
                columns: fields
                    .iter()
                    .map(|(key, _)| Cow::Owned(key.clone()))
                    .collect(),
                rows: vec![
                    fields
                        .into_iter()
                        .map(|(_, value)| Cell::Text(value.into()))
                        .collect(),
                ],
            }
        }
    };
    Ok(match columns {
        Some(columns) => payload.only(columns),
        None => payload,
    })
}

/// The arguments of a function called by `POST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments<'a> {
    /// By name, in order.
    pub named: Vec<(Cow<'a, str>, Cell<'a>)>,
    /// The whole body, for functions with a single unnamed argument.
    pub whole: Option<Cell<'a>>,
}

/// Reads the body of a function call. Nothing sent means no arguments.
pub fn arguments<'a>(content_type: Option<&str>, body: &'a [u8]) -> Result<Arguments<'a>, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Arguments {
            named: Vec::new(),
            whole: None,
        });
    }
    match Kind::of(content_type)? {
        Kind::Json => json::arguments(text(body)?),
        Kind::Form => {
            let fields = form(body)?;
            let named = fields
                .into_iter()
                .map(|(key, value)| (key.into(), Cell::Text(value.into())))
                .collect();
            Ok(Arguments { named, whole: None })
        }
        Kind::Csv => Err(Error::ContentType {
            given: "text/csv".to_owned(),
        }),
    }
}

enum Kind {
    Json,
    Csv,
    Form,
}

impl Kind {
    fn of(content_type: Option<&str>) -> Result<Kind, Error> {
        let given = content_type.unwrap_or("application/json");
        let kind = given
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        match kind.as_str() {
            "application/json" | "" | "*/*" => Ok(Kind::Json),
            "text/csv" => Ok(Kind::Csv),
            "application/x-www-form-urlencoded" => Ok(Kind::Form),
            _ => Err(Error::ContentType {
                given: given.to_owned(),
            }),
        }
    }
}

fn text(body: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(body).map_err(|_| Error::InvalidJson)
}

fn form(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (key, value) in request::decode(std::str::from_utf8(body).map_err(|_| Error::NotUtf8)?)? {
        let value = value.unwrap_or_default();
        match fields.iter_mut().find(|(known, _)| *known == key) {
            Some(field) => field.1 = value,
            None => fields.push((key, value)),
        }
    }
    Ok(fields)
}

impl<'a> Payload<'a> {
    fn only(self, columns: &[String]) -> Payload<'a> {
        let places: HashMap<&str, usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_ref(), i))
            .collect();
        let pick = |row: &Vec<Cell<'a>>| {
            let cell = |name: &String| places.get(name.as_str()).and_then(|i| row.get(*i)).cloned();
            columns
                .iter()
                .map(|name| cell(name).unwrap_or(Cell::Missing))
                .collect()
        };
        Payload {
            rows: self.rows.iter().map(pick).collect(),
            columns: columns
                .iter()
                .map(|name| Cow::Owned(name.clone()))
                .collect(),
        }
    }
}
