//! `concat`, `format` and the quoting functions, whose arguments are of any type.
//!
//! Such a call lists the codes of all types first, then all values: `pg_concat('int4','bool',x,y)`.

use plinth_sql::SqlError;
use plinth_sql::types::io;
use plinth_sql::types::text::{format, quote_ident, quote_literal};

use super::call::{Args, Function, MANY, Out, bounded, lenient, strict};
use super::cast::code;

pub(super) const FUNCTIONS: &[Function] = &[
    lenient("pg_concat", MANY, |a| join(&texts(a, 0)?, "")),
    lenient("pg_concat_ws", MANY, concat_ws),
    lenient("pg_format", MANY, format_template),
    strict("pg_quote_ident", 1, |a| Ok(quote_ident(a.text(0)?).into())),
    strict("pg_quote_literal", 1, |a| {
        Ok(quote_literal(a.text(0)?).into())
    }),
    lenient("pg_quote_nullable", 1, |a| {
        Ok(a.maybe_text(0)?
            .map_or(Out::Static("NULL"), |text| quote_literal(text).into()))
    }),
];

/// The text forms of the values from argument `from` on.
fn texts(args: &Args<'_>, from: usize) -> Result<Vec<Option<String>>, SqlError> {
    let count = args.len().saturating_sub(from) / 2;
    (from..from + count)
        .map(|place| io::output(&code(args, place)?, args.stored(place + count)?))
        .collect()
}

fn join(texts: &[Option<String>], separator: &str) -> Result<Out, SqlError> {
    let texts: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
    bounded(texts.iter().map(|text| text.len() + separator.len()).sum())?;
    Ok(texts.join(separator).into())
}

fn concat_ws(args: &Args<'_>) -> Result<Out, SqlError> {
    match args.maybe_text(0)? {
        Some(separator) => join(&texts(args, 1)?, separator),
        None => Ok(Out::Null),
    }
}

fn format_template(args: &Args<'_>) -> Result<Out, SqlError> {
    match args.maybe_text(0)? {
        Some(template) => Ok(format(template, &texts(args, 1)?)?.into()),
        None => Ok(Out::Null),
    }
}
