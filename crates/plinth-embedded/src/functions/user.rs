//! The way from a running SQLite statement into users' functions that run by themselves, and rows as one value.
//!
//! A row travels as one text: for each value a letter that says its storage class, its length in bytes and a colon, then
//! the value; bytes as hex digits. `plinth_rows` gives a JSON array of such rows.

use std::sync::Arc;

use plinth_sql::SqlError;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value, ValueRef};

use super::call::{Args, Function, MANY, Out, lenient};
use super::raise;
use crate::error::EngineError;
use crate::state::ConnState;

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("row_text", MANY, |args| {
        let mut fields = Vec::with_capacity(args.len());
        for place in 0..args.len() {
            fields.push(args.maybe_text(place)?);
        }
        Ok(row_text(&fields).into())
    }),
    lenient("plinth_pack", MANY, |args| {
        let values: Vec<Value> = (0..args.len())
            .map(|place| owned(args.value(place)))
            .collect::<Result<_, _>>()?;
        Ok(pack(&values).into())
    }),
    lenient("plinth_field", 2, |args| {
        let place = usize::try_from(args.int(1)?).unwrap_or(usize::MAX);
        match args.maybe_text(0)? {
            None => Ok(Out::Null),
            Some(row) => Ok(unpack(row)?.into_iter().nth(place).map_or(Out::Null, out)),
        }
    }),
];

/// Registers the calls. They are never the same twice, so SQLite calls them neither early nor once for many rows.
pub(super) fn register(connection: &Connection, state: &Arc<ConnState>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    let of_value = state.clone();
    connection.create_scalar_function("plinth_call", MANY, flags, move |context| {
        let rows = call(&Args::of(context), &of_value).map_err(raise)?;
        let value = rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next());
        Ok(value.map_or(Out::Null, out))
    })?;
    let of_rows = state.clone();
    connection.create_scalar_function("plinth_rows", MANY, flags, move |context| {
        let rows = call(&Args::of(context), &of_rows).map_err(raise)?;
        let packed: Vec<String> = rows.iter().map(|row| pack(row)).collect();
        Ok(Out::Text(serde_json::json!(packed).to_string()))
    })
}

fn call(args: &Args<'_>, state: &Arc<ConnState>) -> Result<Vec<Vec<Value>>, SqlError> {
    let oid = u32::try_from(args.int(0)?).unwrap_or(0);
    let user = args.text(1)?;
    let values = (2..args.len())
        .map(|place| owned(args.value(place)))
        .collect::<Result<_, _>>()?;
    crate::exec::call(state, oid, user, values).map_err(EngineError::into_sql)
}

fn owned(value: ValueRef<'_>) -> Result<Value, SqlError> {
    Value::try_from(value)
        .map_err(|_| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

fn out(value: Value) -> Out {
    match value {
        Value::Null => Out::Null,
        Value::Integer(value) => Out::Int(value),
        Value::Real(value) => Out::Real(value),
        Value::Text(value) => Out::Text(value),
        Value::Blob(value) => Out::Blob(value),
    }
}

/// The text form of a row whose fields have these texts: `(1,"a b",)`.
pub(crate) fn row_text(fields: &[Option<&str>]) -> String {
    let mut texts = Vec::with_capacity(fields.len());
    for field in fields {
        let Some(text) = field else {
            texts.push(String::new());
            continue;
        };
        let plain = !text.is_empty()
            && !text
                .chars()
                .any(|c| matches!(c, '"' | '\\' | '(' | ')' | ',') || c.is_whitespace());
        texts.push(if plain {
            (*text).to_owned()
        } else {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
        });
    }
    format!("({})", texts.join(","))
}

/// A row as one text.
fn pack(row: &[Value]) -> String {
    let mut packed = String::new();
    for value in row {
        let (class, text) = match ValueRef::from(value) {
            ValueRef::Null => ('n', String::new()),
            ValueRef::Integer(value) => ('i', value.to_string()),
            ValueRef::Real(value) => ('r', value.to_bits().to_string()),
            ValueRef::Text(text) => ('t', String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => ('b', hex::encode(bytes)),
        };
        packed.push(class);
        packed.push_str(&text.len().to_string());
        packed.push(':');
        packed.push_str(&text);
    }
    packed
}

/// The values of a packed row.
pub(crate) fn unpack(packed: &str) -> Result<Vec<Value>, SqlError> {
    let mut values = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        let (value, after) =
            first(rest).ok_or_else(|| SqlError::new("XX001", "a packed row is damaged"))?;
        values.push(value);
        rest = after;
    }
    Ok(values)
}

fn first(packed: &str) -> Option<(Value, &str)> {
    let (head, rest) = packed.split_once(':')?;
    let class = head.chars().next()?;
    let length: usize = head.get(class.len_utf8()..)?.parse().ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    let value = match class {
        'n' => Value::Null,
        'i' => Value::Integer(text.parse().ok()?),
        'r' => Value::Real(f64::from_bits(text.parse().ok()?)),
        't' => Value::Text(text.to_owned()),
        'b' => Value::Blob(hex::decode(text).ok()?),
        _ => return None,
    };
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_packing() {
        let row = vec![
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Real(-0.1),
            Value::Text("ö:3:x".into()),
            Value::Text(String::new()),
            Value::Blob(vec![0, 255, 58]),
        ];
        assert_eq!(unpack(&pack(&row)), Ok(row));
        assert_eq!(unpack(""), Ok(Vec::new()));
    }

    #[test]
    fn damaged_rows_are_errors() {
        for damaged in ["x", "t5:ab", "q1:a", "i1:x", "t-1:"] {
            assert!(unpack(damaged).is_err(), "{damaged}");
        }
    }
}
