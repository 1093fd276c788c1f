//! Arrays: operators and functions over the stored form, JSON text of the elements' texts (`["a",null]`).
//!
//! Elements arrive as texts; a nested array arrives from `json(…)`, whose mark tells it from a text.
//! Where elements are compared, a last argument may name the element's or the array's type; without one their texts are compared.

use std::cmp::Ordering;

use plinth_sql::SqlError;
use plinth_sql::types::Type;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::json::write_json_string;

use super::call::{Args, Function, MANY, Out, lenient, strict, utf8};
use super::cast::code;
use super::collation::{ElementOrder, dimensions, element_order};

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("pg_array", MANY, build),
    lenient("array_cat", 2, cat),
    lenient("array_append", 2, append),
    lenient("array_prepend", 2, prepend),
    strict("array_contains", MANY, |a| {
        Ok(contains(&flat(a, 0)?, &flat(a, 1)?, order(a, 2)?).into())
    }),
    strict("array_overlaps", MANY, overlaps),
    strict("array_item", MANY, item),
    lenient("array_slice", 5, slice),
    strict("array_flatten", 1, flatten),
    lenient("array_join_", 2, join_distinct),
];

pub(super) fn read(args: &Args<'_>, place: usize) -> Result<ArrayValue, SqlError> {
    array::from_storage(args.text(place)?)
}

pub(super) fn store(value: &ArrayValue) -> Out {
    Out::Text(array::to_storage(value))
}

/// The elements of an argument, all dimensions in order.
pub(super) fn flat(args: &Args<'_>, place: usize) -> Result<Vec<Option<String>>, SqlError> {
    Ok(array::flatten(&read(args, place)?)
        .into_iter()
        .map(|text| text.map(str::to_owned))
        .collect())
}

/// How elements compare, by the type that an argument names.
pub(super) fn order(args: &Args<'_>, place: usize) -> Result<ElementOrder, SqlError> {
    if args.is_null(place) {
        return Ok(str::cmp);
    }
    Ok(match code(args, place)? {
        Type::Array(element) => element_order(&element),
        element => element_order(&element),
    })
}

/// One element: text, NULL, or a nested array.
pub(super) fn element(args: &Args<'_>, place: usize) -> Result<ArrayValue, SqlError> {
    match args.maybe_text(place)? {
        None => Ok(ArrayValue::Null),
        Some(text) if args.is_json(place) => array::from_storage(text),
        Some(text) => Ok(ArrayValue::Element(text.to_owned())),
    }
}

fn incompatible(message: &str, detail: impl Into<String>) -> SqlError {
    SqlError::new("2202E", message).detail(detail)
}

fn build(args: &Args<'_>) -> Result<Out, SqlError> {
    let mut out = Vec::with_capacity(16 * args.len() + 2);
    out.push(b'[');
    let mut nested = false;
    for place in 0..args.len() {
        if place > 0 {
            out.push(b',');
        }
        match args.maybe_text(place)? {
            None => out.extend_from_slice(b"null"),
            Some(text) if args.is_json(place) => {
                nested = true;
                out.extend_from_slice(text.as_bytes());
            }
            Some(text) => write_json_string(&mut out, text),
        }
    }
    out.push(b']');
    if nested {
        let text = String::from_utf8_lossy(&out).into_owned();
        let value = array::from_storage(&text)?;
        if !array::is_rectangular(&value) {
            return Err(SqlError::new(
                "2202E",
                "multidimensional arrays must have array expressions with matching dimensions",
            ));
        }
        // Empty arrays within an array make an empty one.
        return Ok(if array::flatten(&value).is_empty() {
            Out::Static("[]")
        } else {
            Out::Text(text)
        });
    }
    Ok(utf8(out))
}

fn cat(args: &Args<'_>) -> Result<Out, SqlError> {
    let (left, right) = match (args.maybe_text(0)?, args.maybe_text(1)?) {
        (None, None) => return Ok(Out::Null),
        (Some(_), None | Some("[]")) => return Ok(Out::Arg(0)),
        (None | Some("[]"), Some(_)) => return Ok(Out::Arg(1)),
        (Some(left), Some(right)) => (array::from_storage(left)?, array::from_storage(right)?),
    };
    let message = "cannot concatenate incompatible arrays";
    let (left_shape, right_shape) = (dimensions(&left), dimensions(&right));
    let differing = "Arrays with differing dimensions are not compatible for concatenation.";
    let (ArrayValue::Array(mut items), ArrayValue::Array(mut more)) = (left.clone(), right.clone())
    else {
        return Err(incompatible(message, differing));
    };
    if left_shape.len() == right_shape.len() {
        if left_shape[1..] != right_shape[1..] {
            return Err(incompatible(
                message,
                "Arrays with differing element dimensions are not compatible for concatenation.",
            ));
        }
        items.append(&mut more);
        return Ok(store(&ArrayValue::Array(items)));
    }
    if left_shape.len() + 1 == right_shape.len() && left_shape[..] == right_shape[1..] {
        more.insert(0, left);
        return Ok(store(&ArrayValue::Array(more)));
    }
    if right_shape.len() + 1 == left_shape.len() && right_shape[..] == left_shape[1..] {
        items.push(right);
        return Ok(store(&ArrayValue::Array(items)));
    }
    if left_shape.len().abs_diff(right_shape.len()) > 1 {
        return Err(incompatible(
            message,
            format!(
                "Arrays of {} and {} dimensions are not compatible for concatenation.",
                left_shape.len(),
                right_shape.len()
            ),
        ));
    }
    Err(incompatible(message, differing))
}

fn append(args: &Args<'_>) -> Result<Out, SqlError> {
    let stored = args.maybe_text(0)?.unwrap_or("[]");
    let mut out = one_dimensional(stored)?.as_bytes().to_vec();
    out.pop();
    if out.len() > 1 {
        out.push(b',');
    }
    write_element(args, 1, &mut out)?;
    out.push(b']');
    Ok(utf8(out))
}

fn prepend(args: &Args<'_>) -> Result<Out, SqlError> {
    let stored = one_dimensional(args.maybe_text(1)?.unwrap_or("[]"))?;
    let mut out = Vec::with_capacity(stored.len() + 16);
    out.push(b'[');
    write_element(args, 0, &mut out)?;
    if stored != "[]" {
        out.push(b',');
    }
    out.extend_from_slice(&stored.as_bytes()[1..]);
    Ok(utf8(out))
}

fn one_dimensional(stored: &str) -> Result<&str, SqlError> {
    if !stored.starts_with('[') || stored.starts_with("[[") || !stored.ends_with(']') {
        return Err(SqlError::new(
            "22000",
            "argument must be empty or one-dimensional array",
        ));
    }
    Ok(stored)
}

fn write_element(args: &Args<'_>, place: usize, out: &mut Vec<u8>) -> Result<(), SqlError> {
    match args.maybe_text(place)? {
        None => out.extend_from_slice(b"null"),
        Some(text) => write_json_string(out, text),
    }
    Ok(())
}

/// Whether every element of `inner` is in `outer`; NULL is in nothing.
fn contains(outer: &[Option<String>], inner: &[Option<String>], order: ElementOrder) -> bool {
    inner.iter().all(|wanted| {
        wanted
            .as_ref()
            .is_some_and(|wanted| is_in(outer, wanted, order))
    })
}

fn is_in(all: &[Option<String>], wanted: &str, order: ElementOrder) -> bool {
    all.iter()
        .flatten()
        .any(|have| order(have, wanted) == Ordering::Equal)
}

fn overlaps(args: &Args<'_>) -> Result<Out, SqlError> {
    let (left, right, order) = (flat(args, 0)?, flat(args, 1)?, order(args, 2)?);
    Ok(right
        .iter()
        .flatten()
        .any(|wanted| is_in(&left, wanted, order))
        .into())
}

/// `a[n]`; NULL outside, and for arrays of more dimensions.
fn item(args: &Args<'_>) -> Result<Out, SqlError> {
    let mut value = read(args, 0)?;
    for place in 1..args.len() {
        let at = args.int(place)?.checked_sub(1);
        let at = at.and_then(|at| usize::try_from(at).ok());
        let ArrayValue::Array(items) = value else {
            return Ok(Out::Null);
        };
        let Some(found) = at.and_then(|at| items.into_iter().nth(at)) else {
            return Ok(Out::Null);
        };
        value = found;
    }
    Ok(match value {
        ArrayValue::Element(text) => Out::Text(text),
        _ => Out::Null,
    })
}

/// `array_slice(array, low, high, from the first, to the last)`.
fn slice(args: &Args<'_>) -> Result<Out, SqlError> {
    let (open_low, open_high) = (args.bool(3)?, args.bool(4)?);
    if args.is_null(0) || (args.is_null(1) && !open_low) || (args.is_null(2) && !open_high) {
        return Ok(Out::Null);
    }
    let ArrayValue::Array(items) = read(args, 0)? else {
        return Ok(Out::Null);
    };
    let low = args.maybe_int(1)?.unwrap_or(1).max(1);
    let high = args.maybe_int(2)?.unwrap_or(i64::MAX);
    let skip = usize::try_from(low - 1).unwrap_or(usize::MAX);
    let take =
        usize::try_from(high.saturating_sub(low).saturating_add(1).max(0)).unwrap_or(usize::MAX);
    Ok(store(&ArrayValue::Array(
        items.into_iter().skip(skip).take(take).collect(),
    )))
}

/// All elements as an array of one dimension, for `unnest`.
fn flatten(args: &Args<'_>) -> Result<Out, SqlError> {
    let stored = args.text(0)?;
    if !stored.starts_with("[[") {
        return Ok(Out::Arg(0));
    }
    let value = array::from_storage(stored)?;
    let items = array::flatten(&value).into_iter();
    let items = items.map(|text| {
        text.map_or(ArrayValue::Null, |text| {
            ArrayValue::Element(text.to_owned())
        })
    });
    Ok(store(&ArrayValue::Array(items.collect())))
}

/// The rest of `string_agg(distinct …)`: NULLs are passed over, nothing but NULLs is NULL.
fn join_distinct(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) {
        return Ok(Out::Null);
    }
    let value = read(args, 0)?;
    let parts: Vec<&str> = array::flatten(&value).into_iter().flatten().collect();
    Ok(if parts.is_empty() {
        Out::Null
    } else {
        parts.join(args.maybe_text(1)?.unwrap_or("")).into()
    })
}
