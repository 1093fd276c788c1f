//! Asking about JSON values: their type, keys, elements, length.

use super::Flavor;
use super::path::key_equals;
use super::scan;
use super::string::unescape;
use crate::SqlError;

/// `json_typeof`.
pub fn type_of(text: &str) -> &'static str {
    match scan::trim(text).as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') | None => "null",
        Some(_) => "number",
    }
}

/// `json_array_length`.
pub fn array_length(text: &str) -> Result<usize, SqlError> {
    match type_of(text) {
        "array" => Ok(scan::elements(text).count()),
        "object" => Err(refuse("cannot get array length of a non-array")),
        _ => Err(refuse("cannot get array length of a scalar")),
    }
}

/// `json_object_keys`.
pub fn object_keys(text: &str, flavor: Flavor) -> Result<Vec<String>, SqlError> {
    let name = format!("{}_object_keys", prefix(flavor));
    match type_of(text) {
        "object" => scan::members(text)
            .map(|(key, _)| Ok(unescape(key)?.into_owned()))
            .collect(),
        "array" => Err(refuse(format!("cannot call {name} on an array"))),
        _ => Err(refuse(format!("cannot call {name} on a scalar"))),
    }
}

/// The members of `json_each` as keys and raw values; `function` is the name the query called.
pub fn each<'a>(
    text: &'a str,
    flavor: Flavor,
    function: &str,
) -> Result<Vec<(String, &'a str)>, SqlError> {
    match (type_of(text), flavor) {
        ("object", _) => scan::members(text)
            .map(|(key, value)| Ok((unescape(key)?.into_owned(), value)))
            .collect(),
        (_, Flavor::Jsonb) => Err(refuse(format!("cannot call {function} on a non-object"))),
        ("array", Flavor::Json) => Err(refuse("cannot deconstruct an array as an object")),
        (_, Flavor::Json) => Err(refuse("cannot deconstruct a scalar")),
    }
}

/// The raw elements of `json_array_elements`; `function` is the name the query called.
pub fn elements<'a>(
    text: &'a str,
    flavor: Flavor,
    function: &str,
) -> Result<Vec<&'a str>, SqlError> {
    match (type_of(text), flavor) {
        ("array", _) => Ok(scan::elements(text).collect()),
        ("object", Flavor::Jsonb) => Err(refuse("cannot extract elements from an object")),
        (_, Flavor::Jsonb) => Err(refuse("cannot extract elements from a scalar")),
        ("object", Flavor::Json) => Err(refuse(format!("cannot call {function} on a non-array"))),
        (_, Flavor::Json) => Err(refuse(format!("cannot call {function} on a scalar"))),
    }
}

/// `value ? 'key'`: a member of this name, or an element that is this string.
pub fn exists(text: &str, key: &str) -> bool {
    match type_of(text) {
        "object" => scan::members(text).any(|(raw, _)| key_equals(raw, key)),
        "array" => scan::elements(text).any(|raw| raw.starts_with('"') && key_equals(raw, key)),
        "string" => key_equals(scan::trim(text), key),
        _ => false,
    }
}

/// `value ?| array`; NULLs in the array do not count.
pub fn exists_any(text: &str, keys: &[Option<&str>]) -> bool {
    keys.iter().flatten().any(|key| exists(text, key))
}

/// `value ?& array`; NULLs in the array do not count.
pub fn exists_all(text: &str, keys: &[Option<&str>]) -> bool {
    keys.iter().flatten().all(|key| exists(text, key))
}

fn prefix(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Json => "json",
        Flavor::Jsonb => "jsonb",
    }
}

fn refuse(message: impl Into<String>) -> SqlError {
    SqlError::new("22023", message)
}
