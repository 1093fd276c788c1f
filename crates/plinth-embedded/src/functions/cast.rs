//! From one type to another: text in, text out, casts, modifiers, JSON.
//!
//! Types are named by their codes ([`crate::names::type_code`]), which callers write as constants.

use plinth_sql::SqlError;
use plinth_sql::catalog::QName;
use plinth_sql::types::io::{self, Stored, StoredRef};
use plinth_sql::types::json::Jsonb;
use plinth_sql::types::numeric::Numeric;
use plinth_sql::types::text::{Fit, apply_length};
use plinth_sql::types::{ColumnType, Type, array, boolean, datetime, float, integer, json};

use super::call::{Args, Out, StatefulFunction, lenient, strict, utf8};
use crate::names::type_of_code;
use crate::state::ConnState;

pub(super) const FUNCTIONS: &[StatefulFunction] = &[
    strict("pg_in", 2, |a, state| {
        input(&code(a, 1)?.into(), a.text(0)?, state).map(Out::from)
    }),
    strict("pg_out", 2, |a, _| text_of(a)),
    strict("pg_element", 2, |a, _| element_of(a)),
    strict("pg_cast", 3, |a, state| {
        cast(&code(a, 1)?, &code(a, 2)?, a, state)
    }),
    strict("pg_mod", 5, modify),
    lenient("pg_to_json", 2, |a, _| to_json(a)),
    strict("pg_to_json_or_null", 2, |a, _| to_json(a)),
];

/// The type that an argument names.
pub(super) fn code(args: &Args<'_>, place: usize) -> Result<Type, SqlError> {
    let code = args.text(place)?;
    type_of_code(code)
        .ok_or_else(|| SqlError::new("XX000", format!("unknown type code \"{code}\"")))
}

/// Reads a text as a value of a type.
pub(super) fn input(ty: &ColumnType, text: &str, state: &ConnState) -> Result<Stored, SqlError> {
    // The everyday types that need nothing but the text.
    match &ty.ty {
        Type::Enum(name) => {
            let catalog = state.catalog.read();
            let known = catalog
                .enums
                .get(name.as_ref())
                .is_some_and(|known| known.labels.iter().any(|label| label == text));
            return if known {
                Ok(Stored::Text(text.to_owned()))
            } else {
                Err(io::invalid_label(&ty.ty, text))
            };
        }
        Type::Date | Type::Time | Type::Timestamp | Type::Timestamptz | Type::Array(_) => {}
        _ => return io::input(ty, text, &|_| None, 0),
    }
    let labels = |name: &QName| {
        state
            .catalog
            .read()
            .enums
            .get(name)
            .map(|known| known.labels.clone())
    };
    let now = state.session.lock().now;
    io::input(ty, text, &labels, now)
}

/// The text that a cast to text gives.
fn text_of(args: &Args<'_>) -> Result<Out, SqlError> {
    let ty = code(args, 1)?;
    match (&ty, args.stored(0)?) {
        (Type::Bool, StoredRef::Int(value)) => Ok(Out::Static(boolean::long(value != 0))),
        (Type::Bpchar, StoredRef::Text(text)) => Ok(text.trim_end_matches(' ').into()),
        _ => element_of(args),
    }
}

/// The text form, as result columns and arrays show it: a boolean is `t` or `f` here.
fn element_of(args: &Args<'_>) -> Result<Out, SqlError> {
    let ty = code(args, 1)?;
    match (&ty, args.stored(0)?) {
        (Type::Bool, StoredRef::Int(value)) => Ok(Out::Static(boolean::short(value != 0))),
        (Type::Array(_) | Type::Interval, _) => io::output(&ty, args.stored(0)?).map(Out::from),
        (_, StoredRef::Text(_)) => Ok(Out::Arg(0)),
        (_, value) => io::output(&ty, value).map(Out::from),
    }
}

fn to_json(args: &Args<'_>) -> Result<Out, SqlError> {
    let value = args.stored(0)?;
    if value == StoredRef::Null {
        return Ok(Out::Static("null"));
    }
    let ty = code(args, 1)?;
    if matches!(ty, Type::Json | Type::Jsonb) {
        return Ok(Out::Arg(0));
    }
    let mut out = Vec::with_capacity(24);
    io::write_json(&ty, value, &mut out);
    Ok(utf8(out))
}

fn cast(from: &Type, to: &Type, args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    convert(from, to, args.stored(0)?, state).map(Out::from)
}

/// A value in another type's stored form.
fn convert(
    from: &Type,
    to: &Type,
    value: StoredRef<'_>,
    state: &ConnState,
) -> Result<Stored, SqlError> {
    Ok(match (from, to, value) {
        (_, _, StoredRef::Null) => Stored::Null,
        (Type::Array(from), Type::Array(to), StoredRef::Text(stored)) => {
            let elements = array::map_elements(array::from_storage(stored)?, &|text| {
                let value = input(&from.as_ref().clone().into(), text, state)?;
                let value = convert(from, to, value.as_ref(), state)?;
                Ok(io::output(to, value.as_ref())?.unwrap_or_default())
            })?;
            Stored::Text(array::to_storage(&elements))
        }
        (
            Type::Int2 | Type::Int4 | Type::Int8,
            Type::Int2 | Type::Int4 | Type::Int8,
            StoredRef::Int(value),
        ) => Stored::Int(integer::checked(to, value.into())?),
        (
            Type::Int2 | Type::Int4 | Type::Int8,
            Type::Float4 | Type::Float8,
            StoredRef::Int(value),
        ) => {
            // Straight to 32 bits: going through 64 would round twice.
            #[expect(clippy::cast_precision_loss, reason = "what the cast means")]
            let real = if *to == Type::Float4 {
                f64::from(value as f32)
            } else {
                value as f64
            };
            Stored::Real(real)
        }
        (Type::Numeric, Type::Int2 | Type::Int4 | Type::Int8, StoredRef::Text(text)) => {
            Stored::Int(text.parse::<Numeric>()?.to_integer(to)?)
        }
        (Type::Numeric, Type::Float8, StoredRef::Text(text)) => {
            Stored::Real(float::parse_f64(text)?)
        }
        (Type::Numeric, Type::Float4, StoredRef::Text(text)) => {
            Stored::Real(float::parse_f32(text)?.into())
        }
        (
            Type::Float4 | Type::Float8,
            Type::Int2 | Type::Int4 | Type::Int8,
            StoredRef::Real(value),
        ) => Stored::Int(float::to_integer(to, value)?),
        (Type::Float4, Type::Numeric, StoredRef::Real(value)) => {
            Stored::Text(Numeric::from_f32(float::narrow(value)?).to_string())
        }
        (Type::Float8, Type::Numeric, StoredRef::Real(value)) => {
            Stored::Text(Numeric::from_f64(value).to_string())
        }
        (Type::Float8, Type::Float4, StoredRef::Real(value)) => {
            Stored::Real(float::narrow(value)?.into())
        }
        (Type::Float4, Type::Float8, StoredRef::Real(value)) => Stored::Real(value),
        (Type::Int4, Type::Bool, StoredRef::Int(value)) => Stored::Int(i64::from(value != 0)),
        (Type::Date, Type::Timestamp | Type::Timestamptz, StoredRef::Int(value)) => {
            Stored::Int(datetime::date_to_timestamp(day(value)?)?)
        }
        (Type::Timestamp | Type::Timestamptz, Type::Date, StoredRef::Int(value)) => {
            Stored::Int(datetime::date_from_timestamp(value).into())
        }
        (Type::Timestamp | Type::Timestamptz, Type::Time, StoredRef::Int(value)) => {
            datetime::time_from_timestamp(value).map_or(Stored::Null, Stored::Int)
        }
        // Stored alike; the session's zone is UTC.
        (Type::Bool, Type::Int4, StoredRef::Int(value))
        | (Type::Timestamp, Type::Timestamptz, StoredRef::Int(value))
        | (Type::Timestamptz, Type::Timestamp, StoredRef::Int(value)) => Stored::Int(value),
        (Type::Time, Type::Interval, StoredRef::Int(value)) => {
            let interval = plinth_sql::types::interval::Interval {
                micros: value,
                ..Default::default()
            };
            Stored::Text(interval.to_storage())
        }
        (Type::Interval, Type::Time, StoredRef::Text(text)) => {
            let interval =
                plinth_sql::types::interval::Interval::from_storage(text).unwrap_or_default();
            Stored::Int(interval.micros.rem_euclid(datetime::MICROS_PER_DAY))
        }
        (Type::Json, Type::Jsonb, StoredRef::Text(text)) => Stored::Text(json::normalize(text)?),
        (Type::Jsonb, to, StoredRef::Text(text)) if *to == Type::Bool || to.is_number() => {
            from_jsonb(text, to, state)?
        }
        // What is left goes through the text form, as Postgres's own casts by input and output do.
        _ => {
            let text = match (from, value) {
                (Type::Bool, StoredRef::Int(value)) => boolean::long(value != 0).to_owned(),
                _ => io::output(from, value)?.unwrap_or_default(),
            };
            input(&to.clone().into(), &text, state)?
        }
    })
}

fn day(value: i64) -> Result<i32, SqlError> {
    i32::try_from(value).map_err(|_| SqlError::new("22008", "date out of range"))
}

/// A bare number or boolean of `jsonb`.
fn from_jsonb(text: &str, to: &Type, state: &ConnState) -> Result<Stored, SqlError> {
    let kind = match (json::parse(text)?, to) {
        (Jsonb::Bool(value), Type::Bool) => return Ok(Stored::Int(value.into())),
        (Jsonb::Number(number), to) if to.is_number() => {
            return convert(&Type::Numeric, to, StoredRef::Text(&number), state).map(|value| {
                match value {
                    // A cast from numeric to itself.
                    Stored::Null => Stored::Text(number),
                    other => other,
                }
            });
        }
        (Jsonb::Null, _) => "null",
        (Jsonb::String(_), _) => "string",
        (Jsonb::Number(_), _) => "numeric",
        (Jsonb::Bool(_), _) => "boolean",
        (Jsonb::Array(_), _) => "array",
        (Jsonb::Object(_), _) => "object",
    };
    Err(SqlError::new(
        "22023",
        format!("cannot cast jsonb {kind} to type {to}"),
    ))
}

/// `pg_mod(value, type, first, second, explicit)`: what `numeric(10,2)`, `varchar(40)`, `timestamp(3)` keep.
fn modify(args: &Args<'_>, state: &ConnState) -> Result<Out, SqlError> {
    let modifier =
        |place: usize| Ok::<i32, SqlError>(i32::try_from(args.int(place)?).unwrap_or(i32::MAX));
    let ty = ColumnType {
        ty: code(args, 1)?,
        modifier: Some((modifier(2)?, modifier(3)?)),
    };
    let fit = if args.bool(4)? {
        Fit::Cast
    } else {
        Fit::Assign
    };
    let (first, second) = ty.modifier.unwrap_or_default();
    Ok(match (&ty.ty, args.stored(0)?) {
        (Type::Numeric, StoredRef::Text(text)) => {
            text.parse::<Numeric>()?.apply_typmod(first, second)?.into()
        }
        (Type::Varchar | Type::Bpchar, StoredRef::Text(text)) => {
            apply_length(text, &ty, fit)?.into()
        }
        (Type::Time | Type::Timestamp | Type::Timestamptz, StoredRef::Int(micros)) => {
            Out::Int(datetime::round_micros(micros, first))
        }
        (Type::Interval, StoredRef::Text(_)) => args.interval(0)?.apply_typmod(first).into(),
        (Type::Array(element), StoredRef::Text(stored)) => {
            let element = ColumnType {
                ty: element.as_ref().clone(),
                modifier: ty.modifier,
            };
            let changed =
                array::map_elements(array::from_storage(stored)?, &|text| match element.ty {
                    Type::Varchar | Type::Bpchar => apply_length(text, &element, fit),
                    _ => {
                        let value = input(&element, text, state)?;
                        Ok(io::output(&element.ty, value.as_ref())?.unwrap_or_default())
                    }
                })?;
            Out::Text(array::to_storage(&changed))
        }
        _ => Out::Arg(0),
    })
}
