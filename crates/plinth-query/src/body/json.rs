//! JSON bodies, each value kept as the slice of text it is.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Arguments, Cell, MAX_JSON_DEPTH, MAX_ROWS, Payload};
use crate::error::Error;

/// The rows of an object or of an array of objects.
pub(super) fn rows<'a>(text: &'a str, columns: Option<&[String]>) -> Result<Payload<'a>, Error> {
    check_depth(text)?;
    let objects = match text.trim_start().bytes().next() {
        Some(b'[') => {
            serde_json::from_str::<Objects>(text)
                .map_err(|_| Error::InvalidJson)?
                .0
        }
        Some(b'{') => vec![object(text)?],
        // A bare scalar counts as no rows at all; it must be JSON nevertheless.
        _ => {
            serde_json::from_str::<&RawValue>(text).map_err(|_| Error::InvalidJson)?;
            Vec::new()
        }
    };
    if objects.len() > MAX_ROWS {
        return Err(Error::TooMany {
            what: "rows in the body",
            limit: MAX_ROWS,
        });
    }
    match columns {
        Some(columns) => Ok(chosen(objects, columns)),
        None => same_keys(objects),
    }
}

/// The arguments in an object. Anything else can only be the whole argument of a function.
pub(super) fn arguments(text: &str) -> Result<Arguments<'_>, Error> {
    check_depth(text)?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| Error::InvalidJson)?;
    let entries = if whole.get().starts_with('{') {
        object(text)?.0
    } else {
        Vec::new()
    };
    let named = entries
        .into_iter()
        .map(|(key, value)| (key, cell(value)))
        .collect();
    Ok(Arguments {
        named,
        whole: Some(Cell::Json(whole.get())),
    })
}

fn chosen<'a>(objects: Vec<Object<'a>>, columns: &[String]) -> Payload<'a> {
    let places: HashMap<&str, usize> = columns
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_str(), i))
        .collect();
    let row = |object: Object<'a>| {
        let mut row = vec![Cell::Missing; columns.len()];
        for (key, value) in object.0 {
            if let Some(place) = places.get(key.as_ref()) {
                row[*place] = cell(value);
            }
        }
        row
    };
    Payload {
        rows: objects.into_iter().map(row).collect(),
        columns: columns
            .iter()
            .map(|name| Cow::Owned(name.clone()))
            .collect(),
    }
}

fn same_keys(objects: Vec<Object>) -> Result<Payload, Error> {
    let Some(first) = objects.first() else {
        return Ok(Payload::default());
    };
    let columns: Vec<Cow<str>> = first.0.iter().map(|(key, _)| key.clone()).collect();
    let places: HashMap<&str, usize> = columns
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_ref(), i))
        .collect();
    let mut rows = Vec::with_capacity(objects.len());
    for object in objects {
        if object.0.len() != columns.len() {
            return Err(Error::ObjectKeysDiffer);
        }
        let mut row = vec![Cell::Missing; columns.len()];
        for (key, value) in object.0 {
            row[*places.get(key.as_ref()).ok_or(Error::ObjectKeysDiffer)?] = cell(value);
        }
        rows.push(row);
    }
    drop(places);
    Ok(Payload { columns, rows })
}

fn cell(value: &RawValue) -> Cell<'_> {
    match value.get() {
        "null" => Cell::Null,
        text => Cell::Json(text),
    }
}

fn object(text: &str) -> Result<Object<'_>, Error> {
    serde_json::from_str(text).map_err(|_| Error::InvalidJson)
}

/// The raw values below are skipped without recursion, so the depth is bounded here, before anything reads them.
pub(crate) fn check_depth(text: &str) -> Result<(), Error> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(Error::JsonTooDeep {
                        limit: MAX_JSON_DEPTH,
                    });
                }
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// An array of objects, no longer than one over the bound.
struct Objects<'a>(Vec<Object<'a>>);

/// The entries of an object, in order; of equal keys the last value counts.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Objects<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Objects<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of objects")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut objects = Vec::new();
                while let Some(object) = seq.next_element()? {
                    if objects.len() <= MAX_ROWS {
                        objects.push(object);
                    }
                }
                Ok(Objects(objects))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                let mut places: Option<HashMap<Cow<'de, str>, usize>> = None;
                while let Some(Key(key)) = map.next_key()? {
                    let value = map.next_value()?;
                    // Few keys are searched in order; a map is made only for objects that have many.
                    let known = match &places {
                        Some(places) => places.get(&key).copied(),
                        None => entries.iter().position(|(known, _)| *known == key),
                    };
                    if let Some(place) = known {
                        entries[place].1 = value;
                    } else {
                        if let Some(places) = &mut places {
                            places.insert(key.clone(), entries.len());
                        }
                        entries.push((key, value));
                    }
                    if entries.len() == 64 && places.is_none() {
                        let all = entries
                            .iter()
                            .enumerate()
                            .map(|(i, (key, _))| (key.clone(), i));
                        places = Some(all.collect());
                    }
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
