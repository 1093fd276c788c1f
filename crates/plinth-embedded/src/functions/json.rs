//! The operators of `json` and `jsonb`, and the functions that change a value.
//!
//! A `json` is text as it was given, a `jsonb` text as it prints; members are found in the text without building the value.

use plinth_sql::SqlError;
use plinth_sql::types::array;
use plinth_sql::types::json::{self, Flavor, Jsonb};

use super::call::{Args, Function, MANY, Out, lenient, strict, utf8};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("json_key", 2, |a| {
        Ok(json::member(a.text(0)?, a.text(1)?).into())
    }),
    strict("jsonb_key", 2, |a| {
        Ok(json::member(a.text(0)?, a.text(1)?).into())
    }),
    strict("json_key_text", 2, |a| {
        Ok(json::member_text(a.text(0)?, a.text(1)?)?.as_deref().into())
    }),
    strict("jsonb_key_text", 2, |a| {
        Ok(json::member_text(a.text(0)?, a.text(1)?)?.as_deref().into())
    }),
    strict("json_index", 2, |a| {
        Ok(json::element(a.text(0)?, a.int(1)?, Flavor::Json).into())
    }),
    strict("jsonb_index", 2, |a| {
        Ok(json::element(a.text(0)?, a.int(1)?, Flavor::Jsonb).into())
    }),
    strict("json_index_text", 2, |a| {
        Ok(json::element_text(a.text(0)?, a.int(1)?, Flavor::Json)?
            .as_deref()
            .into())
    }),
    strict("jsonb_index_text", 2, |a| {
        Ok(json::element_text(a.text(0)?, a.int(1)?, Flavor::Jsonb)?
            .as_deref()
            .into())
    }),
    strict("json_path", 2, |a| {
        Ok(json::path(a.text(0)?, &steps(a, 1)?.list()).into())
    }),
    strict("jsonb_path", 2, |a| {
        Ok(json::path(a.text(0)?, &steps(a, 1)?.list()).into())
    }),
    strict("json_path_text", 2, |a| {
        Ok(json::path_text(a.text(0)?, &steps(a, 1)?.list())?
            .as_deref()
            .into())
    }),
    strict("jsonb_path_text", 2, |a| {
        Ok(json::path_text(a.text(0)?, &steps(a, 1)?.list())?
            .as_deref()
            .into())
    }),
    strict("json_extract_path_", MANY, |a| {
        Ok(json::path(a.text(0)?, &listed(a)?).into())
    }),
    strict("json_extract_path_text_", MANY, |a| {
        Ok(json::path_text(a.text(0)?, &listed(a)?)?.as_deref().into())
    }),
    strict("jsonb_concat", 2, |a| {
        Ok(shown(&json::concat(value(a, 0)?, value(a, 1)?)))
    }),
    strict("jsonb_delete", 2, |a| {
        Ok(shown(&json::delete_key(value(a, 0)?, a.text(1)?)?))
    }),
    strict("jsonb_delete_keys", 2, |a| {
        Ok(shown(&json::delete_keys(
            value(a, 0)?,
            &steps(a, 1)?.list(),
        )?))
    }),
    strict("jsonb_delete_index", 2, |a| {
        Ok(shown(&json::delete_index(value(a, 0)?, a.int(1)?)?))
    }),
    strict("jsonb_delete_path", 2, |a| {
        Ok(shown(&json::delete_path(
            value(a, 0)?,
            &steps(a, 1)?.list(),
        )?))
    }),
    strict("jsonb_contains", 2, |a| {
        Ok(json::contains(&value(a, 0)?, &value(a, 1)?).into())
    }),
    strict("jsonb_exists", 2, |a| {
        Ok(json::exists(a.text(0)?, a.text(1)?).into())
    }),
    strict("jsonb_exists_any", 2, |a| {
        Ok(json::exists_any(a.text(0)?, &steps(a, 1)?.list()).into())
    }),
    strict("jsonb_exists_all", 2, |a| {
        Ok(json::exists_all(a.text(0)?, &steps(a, 1)?.list()).into())
    }),
    strict("jsonb_set_", 4, |a| {
        Ok(shown(&json::set(
            value(a, 0)?,
            &steps(a, 1)?.list(),
            value(a, 2)?,
            a.bool(3)?,
        )?))
    }),
    lenient("jsonb_set_lax_", 5, set_lax),
    strict("jsonb_insert_", 4, |a| {
        Ok(shown(&json::insert(
            value(a, 0)?,
            &steps(a, 1)?.list(),
            value(a, 2)?,
            a.bool(3)?,
        )?))
    }),
    strict("jsonb_strip_nulls_", 1, |a| {
        Ok(shown(&json::strip_nulls(value(a, 0)?)))
    }),
    strict("json_strip_nulls_", 1, strip_nulls),
    strict("jsonb_pretty_", 1, |a| {
        Ok(json::pretty(&value(a, 0)?).into())
    }),
    strict("json_typeof_", 1, |a| {
        Ok(Out::Static(json::type_of(a.text(0)?)))
    }),
    strict("json_array_length_", 1, |a| {
        Ok(json::array_length(a.text(0)?)?.into())
    }),
];

fn value(args: &Args<'_>, place: usize) -> Result<Jsonb, SqlError> {
    json::parse(args.text(place)?)
}

fn shown(value: &Jsonb) -> Out {
    let mut out = Vec::with_capacity(64);
    value.write(&mut out);
    utf8(out)
}

/// The texts of a stored `text[]`.
pub(super) struct Texts(Vec<Option<String>>);

impl Texts {
    pub(super) fn list(&self) -> Vec<Option<&str>> {
        self.0.iter().map(Option::as_deref).collect()
    }
}

pub(super) fn steps(args: &Args<'_>, place: usize) -> Result<Texts, SqlError> {
    let value = array::from_storage(args.text(place)?)?;
    Ok(Texts(
        array::flatten(&value)
            .into_iter()
            .map(|text| text.map(str::to_owned))
            .collect(),
    ))
}

/// The arguments behind the first one.
fn listed<'a>(args: &Args<'a>) -> Result<Vec<Option<&'a str>>, SqlError> {
    (1..args.len())
        .map(|place| args.text(place).map(Some))
        .collect()
}

/// `jsonb_set_lax(target, path, new, create, what to do with NULL)`.
fn set_lax(args: &Args<'_>) -> Result<Out, SqlError> {
    if args.is_null(0) || args.is_null(1) || args.is_null(3) {
        return Ok(Out::Null);
    }
    let treatment = args.maybe_text(4)?;
    let known = matches!(
        treatment,
        Some("raise_exception" | "use_json_null" | "delete_key" | "return_target")
    );
    if !known {
        return Err(SqlError::new(
            "22023",
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"",
        ));
    }
    let (target, path, create) = (value(args, 0)?, steps(args, 1)?, args.bool(3)?);
    if !args.is_null(2) {
        return Ok(shown(&json::set(
            target,
            &path.list(),
            value(args, 2)?,
            create,
        )?));
    }
    match treatment {
        Some("raise_exception") => Err(SqlError::new("22004", "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .hint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.")),
        Some("delete_key") => Ok(shown(&json::delete_path(target, &path.list())?)),
        Some("return_target") => Ok(Out::Arg(0)),
        _ => Ok(shown(&json::set(target, &path.list(), Jsonb::Null, create)?)),
    }
}

fn strip_nulls(args: &Args<'_>) -> Result<Out, SqlError> {
    let mut out = Vec::new();
    json::strip_nulls_text(args.text(0)?, &mut out);
    Ok(utf8(out))
}
