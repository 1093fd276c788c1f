//! Regular expressions: the cache of compiled ones, and the `regexp_…` functions.

use std::cell::RefCell;
use std::rc::Rc;

use plinth_sql::SqlError;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::json::write_json_string;
use plinth_sql::types::text::{Piece, replacement, translate_regex};
use regex::{Captures, Regex, RegexBuilder};

use super::call::{Args, Function, MANY, Out, bounded, strict, utf8};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_regexp_match", MANY, first_match),
    strict("pg_regexp_matches", MANY, all_matches),
    strict("pg_regexp_split", MANY, split),
    strict("pg_regexp_replace", 4, |a| replace(a, 0, None, a.text(3)?)),
    strict("pg_regexp_replace_from", MANY, replace_from),
    strict("pg_regexp_like", MANY, |a| {
        Ok(plain(a, 2, "regexp_like")?
            .regex
            .is_match(a.text(0)?)
            .into())
    }),
    strict("pg_regexp_count", MANY, count),
    strict("pg_regexp_instr", MANY, instr),
    strict("pg_regexp_substr", MANY, substr),
    strict("pg_substring_regex", 2, substring),
];

/// Compiled expressions kept by each thread.
const CACHED: usize = 64;
/// Memory that one compiled expression may take, in bytes.
const MAX_COMPILED_BYTES: usize = 2 * 1024 * 1024;
/// Memory for the states met while matching, in bytes.
const MAX_STATES_BYTES: usize = 2 * 1024 * 1024;
/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 64 * 1024;

/// A compiled expression.
pub(super) struct Compiled {
    pub(super) regex: Regex,
    /// The `g` flag.
    global: bool,
}

struct Cached {
    pattern: String,
    flags: String,
    compiled: Rc<Compiled>,
}

thread_local! {
    /// The last used first.
    static CACHE: RefCell<Vec<Cached>> = const { RefCell::new(Vec::new()) };
}

/// A Postgres pattern with its flags, compiled or as it was.
pub(super) fn compiled(pattern: &str, flags: &str) -> Result<Rc<Compiled>, SqlError> {
    CACHE.with_borrow_mut(|cache| {
        let known = cache
            .iter()
            .position(|cached| cached.pattern == pattern && cached.flags == flags);
        if let Some(at) = known {
            cache[..=at].rotate_right(1);
            return Ok(cache[0].compiled.clone());
        }
        let compiled = Rc::new(compile(pattern, flags)?);
        cache.truncate(CACHED - 1);
        cache.insert(
            0,
            Cached {
                pattern: pattern.to_owned(),
                flags: flags.to_owned(),
                compiled: compiled.clone(),
            },
        );
        Ok(compiled)
    })
}

fn compile(pattern: &str, flags: &str) -> Result<Compiled, SqlError> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(invalid("regular expression is too complex"));
    }
    let translated = translate_regex(pattern, flags)?;
    let regex = RegexBuilder::new(&translated.pattern)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_STATES_BYTES)
        .build()
        .map_err(|fault| invalid(reason(&fault)))?;
    Ok(Compiled {
        regex,
        global: translated.global,
    })
}

fn invalid(why: &str) -> SqlError {
    SqlError::new("2201B", format!("invalid regular expression: {why}"))
}

/// What Postgres calls the faults that are found only now.
fn reason(fault: &regex::Error) -> &'static str {
    let regex::Error::Syntax(text) = fault else {
        return "regular expression is too complex";
    };
    if text.contains("invalid character class range") {
        "invalid character range"
    } else if text.contains("repetition") {
        "quantifier operand invalid"
    } else if text.contains("character class") {
        "brackets [] not balanced"
    } else if text.contains("group") {
        "parentheses () not balanced"
    } else {
        "regular expression is too complex"
    }
}

/// The pattern (second argument) with the flags at `place`, of a function that refuses `g`.
fn plain(args: &Args<'_>, place: usize, function: &str) -> Result<Rc<Compiled>, SqlError> {
    let compiled = compiled(args.text(1)?, args.maybe_text(place)?.unwrap_or_default())?;
    if compiled.global {
        let error = SqlError::new(
            "22023",
            format!("{function}() does not support the \"global\" option"),
        );
        let hint = "Use the regexp_matches function instead.";
        return Err(if function == "regexp_match" {
            error.hint(hint)
        } else {
            error
        });
    }
    Ok(compiled)
}

/// Matches as Postgres finds them: behind an empty match the search goes on one character further, and an empty match right
/// behind another match counts.
fn matches<'r, 't>(
    regex: &'r Regex,
    text: &'t str,
    from: usize,
) -> impl Iterator<Item = Captures<'t>> + use<'r, 't> {
    let mut at = Some(from);
    std::iter::from_fn(move || {
        let found = regex.captures_at(text, at?)?;
        let whole = found.get(0)?;
        at = if whole.is_empty() {
            text[whole.end()..]
                .chars()
                .next()
                .map(|c| whole.end() + c.len_utf8())
        } else {
            Some(whole.end())
        };
        Some(found)
    })
}

/// Whether a match is neither empty at an end nor empty right behind the one before it (at `previous`).
fn counts(found: &Captures<'_>, text: &str, previous: &mut usize) -> bool {
    let Some(whole) = found.get(0) else {
        return false;
    };
    let counts = whole.start() < text.len() && whole.end() > *previous;
    *previous = whole.end();
    counts
}

/// The groups of a match, or all of it when there are none.
fn groups(found: &Captures<'_>) -> ArrayValue {
    let group = |place: usize| {
        found.get(place).map_or(ArrayValue::Null, |group| {
            ArrayValue::Element(group.as_str().to_owned())
        })
    };
    ArrayValue::Array(if found.len() == 1 {
        vec![group(0)]
    } else {
        (1..found.len()).map(group).collect()
    })
}

/// `regexp_match(text, pattern, flags?)`.
fn first_match(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = plain(args, 2, "regexp_match")?;
    Ok(compiled
        .regex
        .captures(args.text(0)?)
        .map(|found| array::to_storage(&groups(&found)))
        .into())
}

/// `regexp_matches(text, pattern, flags?)`: a row's value is the array's literal.
fn all_matches(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = compiled(args.text(1)?, args.maybe_text(2)?.unwrap_or_default())?;
    let mut out = vec![b'['];
    for found in matches(&compiled.regex, args.text(0)?, 0) {
        if out.len() > 1 {
            out.push(b',');
        }
        write_json_string(&mut out, &array::format(&groups(&found)));
        bounded(out.len())?;
        if !compiled.global {
            break;
        }
    }
    out.push(b']');
    Ok(utf8(out))
}

/// `regexp_split_to_array(text, pattern, flags?)`.
fn split(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = plain(args, 2, "regexp_split_to_array")?;
    let text = args.text(0)?;
    let mut parts = Vec::new();
    let (mut start, mut previous) = (0, 0);
    for found in matches(&compiled.regex, text, 0) {
        if let (true, Some(whole)) = (counts(&found, text, &mut previous), found.get(0)) {
            parts.push(ArrayValue::Element(text[start..whole.start()].to_owned()));
            start = whole.end();
        }
    }
    parts.push(ArrayValue::Element(text[start..].to_owned()));
    Ok(array::to_storage(&ArrayValue::Array(parts)).into())
}

/// The byte at which the character with this number (from 1) begins.
fn offset(text: &str, start: i64) -> usize {
    let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
    text.char_indices()
        .nth(skipped)
        .map_or(text.len(), |(at, _)| at)
}

/// `regexp_replace(text, pattern, replacement, start, n?, flags?)`.
fn replace_from(args: &Args<'_>) -> Result<Out, SqlError> {
    let start = positive(args, 3, "start")?.unwrap_or(1);
    let nth = args.maybe_int(4)?;
    if nth.is_some_and(|nth| nth < 0) {
        return Err(parameter("n", nth.unwrap_or_default()));
    }
    let flags = args.maybe_text(5)?.unwrap_or_default();
    replace(args, offset(args.text(0)?, start), nth, flags)
}

fn parameter(name: &str, value: i64) -> SqlError {
    SqlError::new(
        "22023",
        format!("invalid value for parameter \"{name}\": {value}"),
    )
}

/// A parameter that counts from 1.
fn positive(args: &Args<'_>, place: usize, name: &str) -> Result<Option<i64>, SqlError> {
    match args.maybe_int(place)? {
        Some(value) if value <= 0 => Err(parameter(name, value)),
        value => Ok(value),
    }
}

/// Replaces from a byte on: the `nth` match, all for 0, and without one the first, or all with `g`.
fn replace(args: &Args<'_>, from: usize, nth: Option<i64>, flags: &str) -> Result<Out, SqlError> {
    let compiled = compiled(args.text(1)?, flags)?;
    let (text, pieces) = (args.text(0)?, replacement(args.text(2)?));
    let wanted = match nth {
        Some(nth) => usize::try_from(nth).unwrap_or(0),
        None => usize::from(!compiled.global),
    };
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for (number, found) in matches(&compiled.regex, text, from).enumerate() {
        if wanted > number + 1 {
            continue;
        }
        let Some(whole) = found.get(0) else { break };
        out.push_str(&text[kept..whole.start()]);
        for piece in &pieces {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Group(group) => {
                    out.push_str(found.get(*group).map_or("", |group| group.as_str()));
                }
            }
        }
        bounded(out.len())?;
        kept = whole.end();
        if wanted == number + 1 {
            break;
        }
    }
    if kept == 0 && out.is_empty() {
        return Ok(Out::Arg(0));
    }
    out.push_str(&text[kept..]);
    Ok(out.into())
}

/// `regexp_count(text, pattern, start?, flags?)`.
fn count(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = plain(args, 3, "regexp_count")?;
    let text = args.text(0)?;
    let from = offset(text, positive(args, 2, "start")?.unwrap_or(1));
    Ok(matches(&compiled.regex, text, from).count().into())
}

/// The `n`th match (argument `place + 1`) from `start` (argument `place`) on.
fn nth<'t>(
    args: &Args<'t>,
    place: usize,
    compiled: &Compiled,
) -> Result<Option<Captures<'t>>, SqlError> {
    let text = args.text(0)?;
    let from = offset(text, positive(args, place, "start")?.unwrap_or(1));
    let number = positive(args, place + 1, "n")?.unwrap_or(1);
    Ok(matches(&compiled.regex, text, from).nth(usize::try_from(number - 1).unwrap_or(usize::MAX)))
}

fn group_number(args: &Args<'_>, place: usize) -> Result<usize, SqlError> {
    let group = args.maybe_int(place)?.unwrap_or(0);
    usize::try_from(group).map_err(|_| parameter("subexpr", group))
}

/// `regexp_instr(text, pattern, start?, n?, endoption?, flags?, subexpr?)`.
fn instr(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = plain(args, 5, "regexp_instr")?;
    let end = args.maybe_int(4)?.unwrap_or(0);
    if !(0..=1).contains(&end) {
        return Err(parameter("endoption", end));
    }
    let group = group_number(args, 6)?;
    let found = nth(args, 2, &compiled)?.and_then(|found| found.get(group));
    let Some(found) = found else {
        return Ok(Out::Int(0));
    };
    let at = if end == 1 { found.end() } else { found.start() };
    Ok((args.text(0)?[..at].chars().count() + 1).into())
}

/// `regexp_substr(text, pattern, start?, n?, flags?, subexpr?)`.
fn substr(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = plain(args, 4, "regexp_substr")?;
    let group = group_number(args, 5)?;
    let found = nth(args, 2, &compiled)?.and_then(|found| found.get(group));
    Ok(found.map(|found| found.as_str()).into())
}

/// `substring(text from pattern)`: the first group, or all of the match.
fn substring(args: &Args<'_>) -> Result<Out, SqlError> {
    let compiled = compiled(args.text(1)?, "")?;
    let Some(found) = compiled.regex.captures(args.text(0)?) else {
        return Ok(Out::Null);
    };
    let group = if found.len() > 1 {
        found.get(1)
    } else {
        found.get(0)
    };
    Ok(group.map(|group| group.as_str()).into())
}
