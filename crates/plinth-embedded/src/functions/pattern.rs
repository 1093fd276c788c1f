//! `LIKE`, `ILIKE`, `SIMILAR TO` and `~`.

use plinth_sql::SqlError;
use plinth_sql::types::text::{escape_character, like_match, similar_to_regex};

use super::call::{Args, Function, MANY, Out, strict};
use super::regexp::compiled;

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_like", MANY, |a| like(a, false)),
    strict("pg_ilike", MANY, |a| like(a, true)),
    strict("pg_similar", MANY, similar),
    strict("pg_regex", 3, regex),
    strict("pg_substring_similar", 3, substring_similar),
];

/// The third argument, or the backslash.
fn escape(args: &Args<'_>) -> Result<Option<char>, SqlError> {
    if args.len() > 2 {
        escape_character(args.text(2)?)
    } else {
        Ok(Some('\\'))
    }
}

/// `pg_like(text, pattern, escape?)`.
fn like(args: &Args<'_>, case_insensitive: bool) -> Result<Out, SqlError> {
    Ok(like_match(
        args.text(0)?,
        args.text(1)?,
        escape(args)?,
        case_insensitive,
    )?
    .into())
}

fn similar(args: &Args<'_>) -> Result<Out, SqlError> {
    let pattern = similar_to_regex(args.text(1)?, escape(args)?);
    Ok(compiled(&pattern, "")?.regex.is_match(args.text(0)?).into())
}

/// `pg_regex(text, pattern, case-insensitive)`.
fn regex(args: &Args<'_>) -> Result<Out, SqlError> {
    let flags = if args.bool(2)? { "i" } else { "" };
    Ok(compiled(args.text(1)?, flags)?
        .regex
        .is_match(args.text(0)?)
        .into())
}

/// `substring(text similar pattern escape e)`: the part of the pattern between two `e"` is what is wanted.
fn substring_similar(args: &Args<'_>) -> Result<Out, SqlError> {
    let (text, pattern, escape) = (args.text(0)?, args.text(1)?, escape(args)?);
    let separator = escape.map(|escape| format!("{escape}\""));
    let parts: Vec<&str> = match &separator {
        Some(separator) => pattern.split(separator.as_str()).collect(),
        None => vec![pattern],
    };
    // Without its anchors, so that several can follow one another.
    let body = |part: &str| {
        let whole = similar_to_regex(part, escape);
        whole
            .strip_prefix('^')
            .and_then(|rest| rest.strip_suffix('$'))
            .unwrap_or(&whole)
            .to_owned()
    };
    let pattern = match parts.as_slice() {
        [whole] => format!("^({})$", body(whole)),
        // Before as little as possible.
        [before, wanted, after] => {
            format!("^{}({}){}$", lazy(&body(before)), body(wanted), body(after))
        }
        _ => {
            return Err(SqlError::new(
                "2200C",
                "SQL regular expression may not contain more than two escape-double-quote separators",
            ));
        }
    };
    let compiled = compiled(&pattern, "")?;
    Ok(compiled
        .regex
        .captures(text)
        .and_then(|found| found.get(1))
        .map(|found| found.as_str())
        .into())
}

/// A part whose repetitions take as little as they can.
fn lazy(part: &str) -> String {
    part.replace(".*", ".*?")
}
