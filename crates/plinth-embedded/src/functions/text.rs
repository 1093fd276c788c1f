//! The everyday string functions, and the like for bytes.

use plinth_sql::SqlError;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::numeric::Numeric;
use plinth_sql::types::text;

use super::call::{Args, Function, MANY, Out, bounded, lenient, strict};

pub(super) const FUNCTIONS: &[Function] = &[
    strict("pg_lower", 1, |a| Ok(text::lower(a.text(0)?).into())),
    strict("pg_upper", 1, |a| Ok(text::upper(a.text(0)?).into())),
    strict("pg_initcap", 1, |a| Ok(text::initcap(a.text(0)?).into())),
    strict("pg_octets", 1, |a| Ok(a.bytes(0)?.len().into())),
    strict("pg_left", 2, |a| {
        Ok(text::left(a.text(0)?, a.int(1)?).into())
    }),
    strict("pg_right", 2, |a| {
        Ok(text::right(a.text(0)?, a.int(1)?).into())
    }),
    strict("pg_lpad", 3, |a| {
        Ok(text::lpad(a.text(0)?, a.int(1)?, a.text(2)?)?.into())
    }),
    strict("pg_rpad", 3, |a| {
        Ok(text::rpad(a.text(0)?, a.int(1)?, a.text(2)?)?.into())
    }),
    strict("pg_ltrim", 2, |a| {
        Ok(text::trim(a.text(0)?, a.text(1)?, true, false).into())
    }),
    strict("pg_rtrim", 2, |a| {
        Ok(text::trim(a.text(0)?, a.text(1)?, false, true).into())
    }),
    strict("pg_btrim", 2, |a| {
        Ok(text::trim(a.text(0)?, a.text(1)?, true, true).into())
    }),
    strict("pg_replace", 3, replace),
    strict("pg_translate", 3, |a| {
        Ok(text::translate(a.text(0)?, a.text(1)?, a.text(2)?).into())
    }),
    strict("pg_reverse", 1, |a| Ok(text::reverse(a.text(0)?).into())),
    strict("pg_repeat", 2, |a| {
        Ok(text::repeat(a.text(0)?, a.int(1)?)?.into())
    }),
    strict("pg_split_part", 3, |a| {
        Ok(text::split_part(a.text(0)?, a.text(1)?, a.int(2)?)?.into())
    }),
    strict("pg_strpos", 2, |a| {
        Ok(text::strpos(a.text(0)?, a.text(1)?).into())
    }),
    strict("pg_starts_with", 2, |a| {
        Ok(a.text(0)?.starts_with(a.text(1)?).into())
    }),
    strict("pg_substr", MANY, substring),
    strict("pg_bytes_substr", MANY, bytes_substring),
    strict("pg_bytes_strpos", 2, bytes_strpos),
    strict("pg_overlay", MANY, |a| {
        let length = if a.len() > 3 { Some(a.int(3)?) } else { None };
        Ok(text::overlay(a.text(0)?, a.text(1)?, a.int(2)?, length)?.into())
    }),
    strict("pg_ascii", 1, |a| Ok(text::ascii(a.text(0)?).into())),
    strict("pg_chr", 1, |a| Ok(text::chr(a.int(0)?)?.into())),
    strict("pg_to_hex4", 1, |a| {
        Ok(format!("{:x}", a.int(0)? & 0xffff_ffff).into())
    }),
    strict("pg_to_hex8", 1, |a| Ok(format!("{:x}", a.int(0)?).into())),
    lenient("pg_string_to_array", MANY, string_to_array),
    strict("pg_to_number", 2, |a| to_number(a.text(0)?, a.text(1)?)),
];

fn replace(args: &Args<'_>) -> Result<Out, SqlError> {
    let (whole, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    if from.is_empty() {
        return Ok(Out::Arg(0));
    }
    if to.len() > from.len() {
        bounded(
            whole.len()
                + whole
                    .matches(from)
                    .count()
                    .saturating_mul(to.len() - from.len()),
        )?;
    }
    Ok(whole.replace(from, to).into())
}

/// `substring(text, start, length?)`.
fn substring(args: &Args<'_>) -> Result<Out, SqlError> {
    let length = if args.len() > 2 {
        Some(args.int(2)?)
    } else {
        None
    };
    Ok(text::substring(args.text(0)?, args.int(1)?, length)?.into())
}

/// `substring(bytea, start, length?)`.
fn bytes_substring(args: &Args<'_>) -> Result<Out, SqlError> {
    let (bytes, start) = (args.bytes(0)?, args.int(1)?);
    let end = match args.maybe_int(2)? {
        Some(length) if length < 0 => {
            return Err(SqlError::new(
                "22011",
                "negative substring length not allowed",
            ));
        }
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let offset = |place: i64| {
        usize::try_from(place.max(1) - 1)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    Ok(bytes
        .get(offset(start)..offset(end))
        .unwrap_or_default()
        .to_vec()
        .into())
}

fn bytes_strpos(args: &Args<'_>) -> Result<Out, SqlError> {
    let (bytes, part) = (args.bytes(0)?, args.bytes(1)?);
    if part.is_empty() {
        return Ok(Out::Int(1));
    }
    Ok(bytes
        .windows(part.len())
        .position(|window| window == part)
        .map_or(0, |at| at + 1)
        .into())
}

/// `string_to_array(text, delimiter, text that means NULL?)`.
fn string_to_array(args: &Args<'_>) -> Result<Out, SqlError> {
    let Some(whole) = args.maybe_text(0)? else {
        return Ok(Out::Null);
    };
    if whole.is_empty() {
        return Ok(Out::Static("[]"));
    }
    let null = args.maybe_text(2)?;
    let element = |part: &str| {
        if null == Some(part) {
            ArrayValue::Null
        } else {
            ArrayValue::Element(part.to_owned())
        }
    };
    let parts = match args.maybe_text(1)? {
        None => whole
            .chars()
            .map(|c| element(c.encode_utf8(&mut [0; 4])))
            .collect(),
        Some("") => vec![element(whole)],
        Some(delimiter) => whole.split(delimiter).map(element).collect(),
    };
    Ok(array::to_storage(&ArrayValue::Array(parts)).into())
}

/// `to_number(text, template)`: the template says where digits, the point, signs and separators stand; what it does not
/// foresee is passed over.
fn to_number(input: &str, template: &str) -> Result<Out, SqlError> {
    let mut rest = input.trim_start_matches(' ');
    let mut number = String::new();
    let mut negative = false;
    let mut chars = template.chars().peekable();
    while let (Some(c), Some(next)) = (chars.next(), rest.chars().next()) {
        let after = &rest[next.len_utf8()..];
        let follows = chars.peek().map(char::to_ascii_uppercase);
        match (c.to_ascii_uppercase(), follows) {
            ('9' | '0', _) => {
                if number.is_empty() && matches!(next, '-' | '+' | '<') {
                    negative = matches!(next, '-' | '<');
                    rest = after.trim_start_matches(' ');
                } else {
                    rest = rest.trim_start_matches(' ');
                }
                if let Some(digit) = rest.chars().next().filter(char::is_ascii_digit) {
                    number.push(digit);
                    rest = &rest[1..];
                }
            }
            ('.' | 'D', _) => {
                if next == '.' {
                    number.push('.');
                    rest = after;
                }
            }
            (',' | 'G', _) => {
                if next == ',' {
                    rest = after;
                }
            }
            (first @ ('M' | 'P' | 'S'), follows) => {
                // MI, PL, SG and PR have two letters, S has one.
                if first != 'S' || follows == Some('G') {
                    chars.next();
                }
                if matches!(next, '-' | '+' | '<' | '>') {
                    negative |= matches!(next, '-' | '<');
                    rest = after;
                }
            }
            ('F', Some('M')) | ('T', Some('H')) => {
                chars.next();
            }
            ('L', _) => {
                if !next.is_ascii_digit() && !matches!(next, '-' | '+' | '.' | ',') {
                    rest = after;
                }
            }
            _ => rest = after,
        }
    }
    if !number.bytes().any(|digit| digit.is_ascii_digit()) {
        return Err(SqlError::new(
            "22P02",
            "invalid input syntax for type numeric: \" \"",
        ));
    }
    let value: Numeric = number.trim_end_matches('.').parse()?;
    Ok(if negative { value.neg() } else { value }.into())
}
