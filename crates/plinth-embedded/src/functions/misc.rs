//! What translated statements need beside the functions that users call.

use plinth_sql::SqlError;
use plinth_sql::types::bytea;
use plinth_sql::types::json::{self, Flavor, scan_string};
use rusqlite::types::ValueRef;

use super::call::{Args, Function, Out, bounded, lenient, strict};

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("pg_limit", 2, limit),
    lenient("pg_pack", 1, pack),
    lenient("pg_unpack", 2, unpack),
    strict("bytea_cat", 2, |a| {
        let (left, right) = (a.bytes(0)?, a.bytes(1)?);
        bounded(left.len() + right.len())?;
        Ok([left, right].concat().into())
    }),
    strict("pg_size_pretty", 1, |a| Ok(size(a.int(0)?).into())),
];

/// `pg_limit(rows, 'LIMIT' or 'OFFSET')`: NULL is no limit.
fn limit(args: &Args<'_>) -> Result<Out, SqlError> {
    let Some(rows) = args.maybe_int(0)? else {
        return Ok(Out::Int(-1));
    };
    if rows < 0 {
        let word = args.text(1)?;
        let code = if word == "LIMIT" { "2201W" } else { "2201X" };
        return Err(SqlError::new(code, format!("{word} must not be negative")));
    }
    Ok(Out::Int(rows))
}

/// A value on its way through a JSON array, where SQLite has neither blobs nor exact reals: a text that begins with what it is.
fn pack(args: &Args<'_>) -> Result<Out, SqlError> {
    Ok(match args.value(0) {
        ValueRef::Null => Out::Null,
        ValueRef::Integer(value) => Out::Int(value),
        ValueRef::Real(value) => format!("r{:016x}", value.to_bits()).into(),
        ValueRef::Text(_) => format!("t{}", args.text(0)?).into(),
        ValueRef::Blob(bytes) => format!("b{}", hex::encode(bytes)).into(),
    })
}

/// `pg_unpack(row, place)`: a packed value of a row's JSON array.
fn unpack(args: &Args<'_>) -> Result<Out, SqlError> {
    let Some(row) = args.maybe_text(0)? else {
        return Ok(Out::Null);
    };
    let damaged = || SqlError::new("XX000", "a row in transit is damaged");
    let raw = json::element(row, args.int(1)?, Flavor::Json).ok_or_else(damaged)?;
    if raw == "null" {
        return Ok(Out::Null);
    }
    if !raw.starts_with('"') {
        return raw.parse().map(Out::Int).map_err(|_| damaged());
    }
    let (packed, _) = scan_string(raw)?;
    let value = packed.get(1..).unwrap_or_default();
    match packed.as_bytes().first() {
        Some(b't') => Ok(value.into()),
        Some(b'b') => bytea::parse_hex(value).map(Out::Blob),
        Some(b'r') => u64::from_str_radix(value, 16)
            .map(|bits| Out::Real(f64::from_bits(bits)))
            .map_err(|_| damaged()),
        _ => Err(damaged()),
    }
}

/// `pg_size_pretty(bytes)`.
fn size(bytes: i64) -> String {
    /// Up to this a smaller unit is shown.
    const MOST: u64 = 10 * 1024;
    let sign = if bytes < 0 { "-" } else { "" };
    let mut amount = bytes.unsigned_abs();
    if amount < MOST {
        return format!("{sign}{amount} bytes");
    }
    // Halves are kept until the end, for rounding.
    amount >>= 9;
    let mut unit = "kB";
    for next in ["MB", "GB", "TB", "PB"] {
        if amount < 2 * MOST - 1 {
            break;
        }
        amount >>= 10;
        unit = next;
    }
    format!("{sign}{} {unit}", amount.div_ceil(2))
}
