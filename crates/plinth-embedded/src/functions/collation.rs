//! The order of stored values whose bytes have another one.

use std::cmp::Ordering;
use std::sync::Arc;

use plinth_sql::catalog::EnumType;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::{Type, datetime, float, interval, json, numeric};
use rusqlite::Connection;

use crate::names::type_code;

/// Orders the text forms of two elements.
pub(super) type ElementOrder = fn(&str, &str) -> Ordering;

/// Registers all collations but those of enums.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_collation("num", numeric::compare_text)?;
    connection.create_collation("interval", interval::compare_storage)?;
    connection.create_collation("jsonb", compare_jsonb)?;
    for ty in ELEMENT_TYPES {
        let order = element_order(ty);
        connection.create_collation(format!("array:{}", type_code(ty)).as_str(), move |a, b| {
            compare_arrays(a, b, &order)
        })?;
    }
    Ok(())
}

/// Registers the order of an enum's labels and of arrays of them.
pub(crate) fn register_enum(connection: &Connection, enum_type: &EnumType) -> rusqlite::Result<()> {
    let labels: Arc<[String]> = enum_type.labels.clone().into();
    let compare = move |a: &str, b: &str| {
        // Labels that are gone come last, among themselves by name, so that the order stays total.
        let place = |label: &str| {
            labels
                .iter()
                .position(|known| known == label)
                .unwrap_or(usize::MAX)
        };
        place(a).cmp(&place(b)).then_with(|| a.cmp(b))
    };
    connection.create_collation(format!("enum:{}", enum_type.oid).as_str(), compare.clone())?;
    connection.create_collation(
        format!("array:enum:{}", enum_type.oid).as_str(),
        move |a, b| compare_arrays(a, b, &compare),
    )
}

const ELEMENT_TYPES: &[Type] = &[
    Type::Bool,
    Type::Int2,
    Type::Int4,
    Type::Int8,
    Type::Numeric,
    Type::Float4,
    Type::Float8,
    Type::Text,
    Type::Varchar,
    Type::Bpchar,
    Type::Name,
    Type::Uuid,
    Type::Date,
    Type::Time,
    Type::Timestamp,
    Type::Timestamptz,
    Type::Interval,
    Type::Json,
    Type::Jsonb,
    Type::Bytea,
    Type::Regclass,
];

/// How the elements of an array of this type compare, given as text forms.
pub(super) fn element_order(ty: &Type) -> ElementOrder {
    match ty {
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric => numeric::compare_text,
        Type::Float4 | Type::Float8 => |a, b| {
            by(
                a,
                b,
                |text| float::parse_f64(text).ok(),
                |a, b| compare_floats(*a, *b),
            )
        },
        Type::Bpchar => |a, b| a.trim_end_matches(' ').cmp(b.trim_end_matches(' ')),
        Type::Date => |a, b| by(a, b, |text| datetime::parse_date(text, 0).ok(), i32::cmp),
        Type::Timestamp | Type::Timestamptz => |a, b| {
            by(
                a,
                b,
                |text| datetime::parse_timestamptz(text, 0).ok(),
                i64::cmp,
            )
        },
        Type::Interval => |a, b| {
            by(
                a,
                b,
                |text| interval::parse(text).ok().map(|value| value.key()),
                i128::cmp,
            )
        },
        Type::Jsonb => compare_jsonb,
        // Booleans are `f` and `t`; hexadecimal digits order as what they stand for.
        _ => str::cmp,
    }
}

/// Compares what `read` makes of two texts; texts it cannot read come last.
fn by<T>(
    a: &str,
    b: &str,
    read: impl Fn(&str) -> Option<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (read(a), read(b)) {
        (Some(left), Some(right)) => compare(&left, &right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Not-a-number is last and equal to itself; both zeros are equal.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn compare_jsonb(a: &str, b: &str) -> Ordering {
    by(a, b, |text| json::parse(text).ok(), json::compare)
}

/// As Postgres: element by element, NULL above everything, then the number of elements, then of dimensions.
fn compare_arrays(a: &str, b: &str, order: &impl Fn(&str, &str) -> Ordering) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    by(
        a,
        b,
        |text| array::from_storage(text).ok(),
        |left, right| {
            let (left_flat, right_flat) = (array::flatten(left), array::flatten(right));
            left_flat
                .iter()
                .zip(&right_flat)
                .map(|pair| match pair {
                    (Some(a), Some(b)) => order(a, b),
                    (a, b) => a.is_none().cmp(&b.is_none()),
                })
                .find(|order| order.is_ne())
                .unwrap_or_else(|| left_flat.len().cmp(&right_flat.len()))
                .then_with(|| {
                    let (left, right) = (dimensions(left), dimensions(right));
                    left.len().cmp(&right.len()).then_with(|| left.cmp(&right))
                })
        },
    )
}

/// The length of each dimension.
pub(super) fn dimensions(value: &ArrayValue) -> Vec<usize> {
    (1..)
        .map_while(|dimension| array::length(value, dimension))
        .collect()
}
