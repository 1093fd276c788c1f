//! JSON out of values, and sets of rows out of JSON.
//!
//! A set is a JSON array with one entry a row: a string with the value's text form, or an array of such texts.

use plinth_sql::SqlError;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::json::{self, Flavor, write_json_string};

use super::call::{Args, Function, MANY, Out, lenient, strict, utf8};

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("pg_json_object", MANY, row_object),
    lenient("pg_json_merge", MANY, merge),
    lenient("json_build_object_", MANY, |a| {
        build_object(a, Flavor::Json)
    }),
    lenient("jsonb_build_object_", MANY, |a| {
        build_object(a, Flavor::Jsonb)
    }),
    lenient("json_build_array_", MANY, build_array),
    strict("json_object_", 1, object_of_pairs),
    strict("json_object_of_", 2, object_of_lists),
    strict("json_keys_", 2, keys),
    strict("json_each_", 2, |a| each(a, false)),
    strict("json_each_text_", 2, |a| each(a, true)),
    strict("json_elements_", 2, |a| elements(a, false)),
    strict("json_elements_text_", 2, |a| elements(a, true)),
    strict("json_record_", 1, record),
    strict("json_recordset_", 2, recordset),
];

/// `pg_json_object(name, json, …)`: a row's object.
fn row_object(args: &Args<'_>) -> Result<Out, SqlError> {
    let mut out = vec![b'{'];
    for place in (0..args.len()).step_by(2) {
        if place > 0 {
            out.push(b',');
        }
        write_json_string(&mut out, args.text(place)?);
        out.push(b':');
        out.extend_from_slice(args.maybe_text(place + 1)?.unwrap_or("null").as_bytes());
    }
    out.push(b'}');
    Ok(utf8(out))
}

/// Several objects, one after the other, as one.
fn merge(args: &Args<'_>) -> Result<Out, SqlError> {
    let mut out = String::from("{");
    for place in 0..args.len() {
        let inner = args
            .text(place)?
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .unwrap_or_default();
        if !inner.is_empty() && out.len() > 1 {
            out.push(',');
        }
        out.push_str(inner);
    }
    out.push('}');
    Ok(out.into())
}

/// A value's JSON text as the key of a member: `1` becomes `"1"`.
pub(super) fn write_key(out: &mut Vec<u8>, json: &str) -> Result<(), SqlError> {
    match json.as_bytes().first() {
        Some(b'"') => out.extend_from_slice(json.as_bytes()),
        Some(b'{' | b'[') => {
            return Err(SqlError::new(
                "22023",
                "key value must be scalar, not array, composite, or json",
            ));
        }
        _ => write_json_string(out, json),
    }
    Ok(())
}

/// All arguments are JSON texts: key, value, key, value.
fn build_object(args: &Args<'_>, flavor: Flavor) -> Result<Out, SqlError> {
    if !args.len().is_multiple_of(2) {
        let name = if flavor == Flavor::Json {
            "json"
        } else {
            "jsonb"
        };
        return Err(SqlError::new("22023", "argument list must have even number of elements").hint(format!(
            "The arguments of {name}_build_object() must consist of alternating keys and values."
        )));
    }
    let mut out = vec![b'{'];
    for place in (0..args.len()).step_by(2) {
        if place > 0 {
            out.extend_from_slice(b", ");
        }
        let key = args
            .maybe_text(place)?
            .filter(|key| *key != "null")
            .ok_or_else(|| match flavor {
                Flavor::Json => {
                    SqlError::new("22023", format!("argument {} cannot be null", place + 1))
                        .hint("Object keys should be text.")
                }
                Flavor::Jsonb => SqlError::new(
                    "22023",
                    format!("argument {}: key must not be null", place + 1),
                ),
            })?;
        write_key(&mut out, key)?;
        out.extend_from_slice(b" : ");
        out.extend_from_slice(args.maybe_text(place + 1)?.unwrap_or("null").as_bytes());
    }
    out.push(b'}');
    Ok(utf8(out))
}

fn build_array(args: &Args<'_>) -> Result<Out, SqlError> {
    let mut out = String::from("[");
    for place in 0..args.len() {
        if place > 0 {
            out.push_str(", ");
        }
        out.push_str(args.maybe_text(place)?.unwrap_or("null"));
    }
    out.push(']');
    Ok(out.into())
}

fn write_pairs<'a>(
    pairs: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>,
) -> Result<Out, SqlError> {
    let mut out = vec![b'{'];
    for (place, (key, value)) in pairs.enumerate() {
        if place > 0 {
            out.extend_from_slice(b", ");
        }
        let key =
            key.ok_or_else(|| SqlError::new("22004", "null value not allowed for object key"))?;
        write_json_string(&mut out, key);
        out.extend_from_slice(b" : ");
        match value {
            Some(value) => write_json_string(&mut out, value),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    Ok(utf8(out))
}

fn subscript(message: &str) -> SqlError {
    SqlError::new("2202E", message)
}

/// `json_object(text[])`: keys and values in turn, or in pairs.
fn object_of_pairs(args: &Args<'_>) -> Result<Out, SqlError> {
    let value = array::from_storage(args.text(0)?)?;
    let ArrayValue::Array(items) = &value else {
        return Ok(Out::Static("{}"));
    };
    let flat = array::flatten(&value);
    match items.first() {
        None => return Ok(Out::Static("{}")),
        Some(ArrayValue::Array(pair))
            if pair.iter().any(|item| matches!(item, ArrayValue::Array(_))) =>
        {
            return Err(subscript("wrong number of array subscripts"));
        }
        Some(ArrayValue::Array(pair)) if pair.len() != 2 => {
            return Err(subscript("array must have two columns"));
        }
        Some(ArrayValue::Array(_)) => {}
        Some(_) if !flat.len().is_multiple_of(2) => {
            return Err(subscript("array must have even number of elements"));
        }
        Some(_) => {}
    }
    write_pairs(flat.chunks(2).map(|pair| (pair[0], pair[1])))
}

/// `json_object(keys, values)`.
fn object_of_lists(args: &Args<'_>) -> Result<Out, SqlError> {
    let (keys, values) = (
        array::from_storage(args.text(0)?)?,
        array::from_storage(args.text(1)?)?,
    );
    let (keys, values) = (array::flatten(&keys), array::flatten(&values));
    if keys.len() != values.len() {
        return Err(subscript("mismatched array dimensions"));
    }
    write_pairs(keys.into_iter().zip(values))
}

/// Which of the two types the function that was called belongs to; its name is the second argument.
fn called<'a>(args: &Args<'a>) -> Result<(&'a str, Flavor), SqlError> {
    let name = args.text(1)?;
    Ok((
        name,
        if name.starts_with("jsonb") {
            Flavor::Jsonb
        } else {
            Flavor::Json
        },
    ))
}

fn keys(args: &Args<'_>) -> Result<Out, SqlError> {
    let keys = json::object_keys(args.text(0)?, called(args)?.1)?;
    write_rows(keys.iter(), |key, out| {
        write_json_string(out, key);
        Ok(())
    })
}

fn each(args: &Args<'_>, as_text: bool) -> Result<Out, SqlError> {
    let (name, flavor) = called(args)?;
    let members = json::each(args.text(0)?, flavor, name)?;
    write_rows(members.iter(), |(key, raw), out| {
        out.push(b'[');
        write_json_string(out, key);
        out.push(b',');
        write_member(raw, as_text, out)?;
        out.push(b']');
        Ok(())
    })
}

fn elements(args: &Args<'_>, as_text: bool) -> Result<Out, SqlError> {
    let (name, flavor) = called(args)?;
    let elements = json::elements(args.text(0)?, flavor, name)?;
    write_rows(elements.iter(), |raw, out| write_member(raw, as_text, out))
}

/// A raw value as a string that holds its JSON, or its text.
fn write_member(raw: &str, as_text: bool, out: &mut Vec<u8>) -> Result<(), SqlError> {
    if !as_text {
        write_json_string(out, raw);
        return Ok(());
    }
    match json::as_text(raw)? {
        Some(text) => write_json_string(out, &text),
        None => out.extend_from_slice(b"null"),
    }
    Ok(())
}

fn write_rows<T>(
    rows: impl Iterator<Item = T>,
    write: impl Fn(T, &mut Vec<u8>) -> Result<(), SqlError>,
) -> Result<Out, SqlError> {
    let mut out = vec![b'['];
    for (place, row) in rows.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(row, &mut out)?;
    }
    out.push(b']');
    Ok(utf8(out))
}

fn refuse(message: impl Into<String>) -> SqlError {
    SqlError::new("22023", message)
}

/// `json_to_record`: one object as a set of one.
fn record(args: &Args<'_>) -> Result<Out, SqlError> {
    let text = args.text(0)?;
    match json::type_of(text) {
        "object" => Ok(format!("[{text}]").into()),
        "array" => Err(refuse("cannot call populate_composite on an array")),
        _ => Err(refuse("cannot call populate_composite on a scalar")),
    }
}

/// `json_to_recordset`: an array of objects is a set already.
fn recordset(args: &Args<'_>) -> Result<Out, SqlError> {
    let (name, flavor) = called(args)?;
    let text = args.text(0)?;
    match (json::type_of(text), flavor) {
        ("array", _) => {}
        ("object", Flavor::Json) => return Err(refuse(format!("cannot call {name} on an object"))),
        (_, Flavor::Json) => return Err(refuse(format!("cannot call {name} on a scalar"))),
        (_, Flavor::Jsonb) => return Err(refuse(format!("cannot call {name} on a non-array"))),
    }
    if json::elements(text, flavor, name)?
        .iter()
        .any(|element| json::type_of(element) != "object")
    {
        return Err(refuse(format!(
            "argument of {name} must be an array of objects"
        )));
    }
    Ok(Out::Arg(0))
}
