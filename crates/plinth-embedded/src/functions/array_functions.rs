//! The functions of arrays, over the same stored form as the operators of [`super::array`].

use std::cmp::Ordering;

use plinth_sql::SqlError;
use plinth_sql::types::array::{self, ArrayValue};

use super::array::{element, flat, order, read, store};
use super::call::{Args, Function, MANY, Out, lenient, strict};
use super::collation::{ElementOrder, dimensions};

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("array_to_string_", MANY, to_string),
    strict("array_length_", 2, |a| Ok(length(a)?.into())),
    strict("array_lower_", 2, |a| Ok(length(a)?.map(|_| 1).into())),
    strict("array_ndims_", 1, |a| {
        Ok(Some(dimensions(&read(a, 0)?).len())
            .filter(|count| *count > 0)
            .into())
    }),
    strict("array_dims_", 1, dims),
    strict("array_cardinality_", 1, |a| {
        Ok(array::flatten(&read(a, 0)?).len().into())
    }),
    lenient("array_remove_", 3, remove),
    lenient("array_replace_", 4, replace),
    lenient("array_position_", 4, position),
    lenient("array_positions_", 3, positions),
    lenient("array_fill_", 2, fill),
    strict("array_subscripts_", MANY, subscripts),
    strict("array_trim_", 2, trim),
];

/// Elements that `array_fill` and its kin may make.
const MAX_ELEMENTS: usize = 10_000_000;

fn to_string(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) || args.is_null(1) {
        return Ok(Out::Null);
    }
    let value = read(args, 0)?;
    let null = args.maybe_text(2)?;
    let parts: Vec<&str> = array::flatten(&value)
        .into_iter()
        .filter_map(|text| text.or(null))
        .collect();
    Ok(parts.join(args.text(1)?).into())
}

fn length(args: &Args<'_>) -> Result<Option<usize>, SqlError> {
    let Ok(dimension) = usize::try_from(args.int(1)?) else {
        return Ok(None);
    };
    Ok(array::length(&read(args, 0)?, dimension))
}

fn dims(args: &Args<'_>) -> Result<Out, SqlError> {
    let shape = dimensions(&read(args, 0)?);
    if shape.is_empty() {
        return Ok(Out::Null);
    }
    let shown: Vec<String> = shape.iter().map(|length| format!("[1:{length}]")).collect();
    Ok(shown.concat().into())
}

/// Whether an element is the one looked for, where NULL is NULL.
fn same(have: &ArrayValue, wanted: Option<&str>, order: ElementOrder) -> bool {
    match (have, wanted) {
        (ArrayValue::Element(have), Some(wanted)) => order(have, wanted) == Ordering::Equal,
        (ArrayValue::Null, None) => true,
        _ => false,
    }
}

/// The elements of an argument, which must have at most one dimension.
fn single(args: &Args<'_>, what: &str) -> Result<Vec<ArrayValue>, SqlError> {
    match read(args, 0)? {
        ArrayValue::Array(items)
            if !items
                .iter()
                .any(|item| matches!(item, ArrayValue::Array(_))) =>
        {
            Ok(items)
        }
        _ => Err(SqlError::unsupported(format!(
            "{what} multidimensional arrays"
        ))),
    }
}

fn remove(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) {
        return Ok(Out::Null);
    }
    let (wanted, order) = (args.maybe_text(1)?, order(args, 2)?);
    let mut items = single(args, "removing elements from")?;
    items.retain(|item| !same(item, wanted, order));
    Ok(store(&ArrayValue::Array(items)))
}

fn replace(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) {
        return Ok(Out::Null);
    }
    let (wanted, order) = (args.maybe_text(1)?, order(args, 3)?);
    let new = args.maybe_text(2)?.map_or(ArrayValue::Null, |text| {
        ArrayValue::Element(text.to_owned())
    });
    Ok(store(&replaced(
        read(args, 0)?,
        &|item| same(item, wanted, order),
        &new,
    )))
}

fn replaced(
    value: ArrayValue,
    matches: &dyn Fn(&ArrayValue) -> bool,
    new: &ArrayValue,
) -> ArrayValue {
    match value {
        ArrayValue::Array(items) => ArrayValue::Array(
            items
                .into_iter()
                .map(|item| replaced(item, matches, new))
                .collect(),
        ),
        item if matches(&item) => new.clone(),
        item => item,
    }
}

/// `array_position(array, element, start?, type)`.
fn position(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) {
        return Ok(Out::Null);
    }
    let (wanted, order) = (args.maybe_text(1)?, order(args, 3)?);
    let start = usize::try_from(args.maybe_int(2)?.unwrap_or(1).max(1) - 1).unwrap_or(usize::MAX);
    let items = single(args, "searching for elements in")?;
    let found = items
        .iter()
        .enumerate()
        .skip(start)
        .find(|(_, item)| same(item, wanted, order));
    Ok(found.map(|(at, _)| at + 1).into())
}

fn positions(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) {
        return Ok(Out::Null);
    }
    let (wanted, order) = (args.maybe_text(1)?, order(args, 2)?);
    let items = single(args, "searching for elements in")?;
    let found = items
        .iter()
        .enumerate()
        .filter(|(_, item)| same(item, wanted, order));
    Ok(store(&ArrayValue::Array(
        found
            .map(|(at, _)| ArrayValue::Element((at + 1).to_string()))
            .collect(),
    )))
}

/// `array_fill(element, lengths)`.
fn fill(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(1) {
        return Err(SqlError::new(
            "22004",
            "dimension array or low bound array cannot be null",
        ));
    }
    let mut lengths = Vec::new();
    for length in flat(args, 1)? {
        let length =
            length.ok_or_else(|| SqlError::new("22004", "dimension values cannot be null"))?;
        let length = length
            .parse::<usize>()
            .map_err(|_| SqlError::new("22003", format!("array size out of range: {length}")))?;
        lengths.push(length);
    }
    let total = lengths
        .iter()
        .try_fold(1usize, |total, length| total.checked_mul(*length));
    if total.is_none_or(|total| total > MAX_ELEMENTS) || lengths.len() > 6 {
        return Err(SqlError::new(
            "54000",
            format!("array size exceeds the maximum allowed ({MAX_ELEMENTS})"),
        ));
    }
    if lengths.contains(&0) || lengths.is_empty() {
        return Ok(Out::Static("[]"));
    }
    let mut value = element(args, 0)?;
    for length in lengths.into_iter().rev() {
        value = ArrayValue::Array(vec![value; length]);
    }
    Ok(store(&value))
}

/// `generate_subscripts(array, dimension, reverse?)` as an array of numbers.
fn subscripts(args: &Args<'_>) -> Result<Out, SqlError> {
    let length = length(args)?.unwrap_or(0);
    let mut numbers: Vec<String> = (1..=length).map(|number| number.to_string()).collect();
    if args.len() > 2 && args.bool(2)? {
        numbers.reverse();
    }
    Ok(format!("[{}]", numbers.join(",")).into())
}

fn trim(args: &Args<'_>) -> Result<Out, SqlError> {
    let ArrayValue::Array(mut items) = read(args, 0)? else {
        return Ok(Out::Null);
    };
    let count = args.int(1)?;
    let Some(count) = usize::try_from(count)
        .ok()
        .filter(|count| *count <= items.len())
    else {
        return Err(SqlError::new(
            "2202E",
            format!(
                "number of elements to trim must be between 0 and {}",
                items.len()
            ),
        ));
    };
    items.truncate(items.len() - count);
    Ok(store(&ArrayValue::Array(items)))
}
