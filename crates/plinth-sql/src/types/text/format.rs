//! `format()` and quoting.

use crate::SqlError;
use crate::parse::is_keyword_reserved;

/// More padding than this in one piece of `format()` is refused.
const MAX_WIDTH: usize = 10_000_000;

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new("22023", message)
}

fn unterminated() -> SqlError {
    invalid("unterminated format() type specifier").hint("For a single \"%\" use \"%%\".")
}

/// `quote_ident(text)`.
pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !is_keyword_reserved(name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `quote_literal(text)`.
pub fn quote_literal(text: &str) -> String {
    let prefix = if text.contains('\\') { "E" } else { "" };
    format!(
        "{prefix}'{}'",
        text.replace('\\', "\\\\").replace('\'', "''")
    )
}

/// `format(template, arguments…)`, the arguments in their text form.
pub fn format(template: &str, arguments: &[Option<String>]) -> Result<String, SqlError> {
    let mut out = String::new();
    let mut rest = template;
    // The argument that a piece without a number takes.
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('%') {
            out.push('%');
            rest = tail;
            continue;
        }
        let piece = Piece::parse(&mut rest)?;
        let mut left = piece.left;
        let width = match piece.width {
            Width::None => 0,
            Width::Fixed(width) => width,
            Width::Argument(position) => {
                let width = argument(arguments, position, &mut next)?;
                let width: i64 = width
                    .map_or(Ok(0), crate::types::integer::parse_int4)?
                    .into();
                left |= width < 0;
                usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX)
            }
        };
        if width > MAX_WIDTH {
            return Err(SqlError::new("22003", "number is out of range"));
        }
        let value = argument(arguments, piece.position, &mut next)?;
        let text = convert(value, piece.conversion)?;
        let padding = " ".repeat(width.saturating_sub(text.chars().count()));
        if left {
            out.push_str(&text);
            out.push_str(&padding);
        } else {
            out.push_str(&padding);
            out.push_str(&text);
        }
    }
    out.push_str(rest);
    Ok(out)
}

enum Width {
    None,
    Fixed(usize),
    /// `*` or `*n$`.
    Argument(Option<usize>),
}

struct Piece {
    position: Option<usize>,
    left: bool,
    width: Width,
    conversion: char,
}

impl Piece {
    /// `[position$][-][width]type`.
    fn parse(rest: &mut &str) -> Result<Piece, SqlError> {
        let mut piece = Piece {
            position: None,
            left: false,
            width: Width::None,
            conversion: 's',
        };
        if let Some((number, tail)) = number(rest)? {
            if let Some(tail) = tail.strip_prefix('$') {
                piece.position = Some(position(number)?);
                *rest = tail;
            } else {
                // Digits without a dollar are a width, which the position must come before.
                piece.width = Width::Fixed(number);
                *rest = tail;
            }
        }
        if matches!(piece.width, Width::None) {
            if let Some(tail) = rest.strip_prefix('-') {
                piece.left = true;
                *rest = tail.trim_start_matches('-');
            }
            if let Some(tail) = rest.strip_prefix('*') {
                *rest = tail;
                let mut named = None;
                if let Some((number, tail)) = number(tail)? {
                    let Some(tail) = tail.strip_prefix('$') else {
                        return Err(invalid("width argument position must be ended by \"$\""));
                    };
                    named = Some(position(number)?);
                    *rest = tail;
                }
                piece.width = Width::Argument(named);
            } else if let Some((number, tail)) = number(rest)? {
                piece.width = Width::Fixed(number);
                *rest = tail;
            }
        }
        let mut chars = rest.chars();
        piece.conversion = chars.next().ok_or_else(unterminated)?;
        *rest = chars.as_str();
        if !matches!(piece.conversion, 's' | 'I' | 'L') {
            let message = format!(
                "unrecognized format() type specifier \"{}\"",
                piece.conversion
            );
            return Err(invalid(message).hint("For a single \"%\" use \"%%\"."));
        }
        Ok(piece)
    }
}

/// Digits at the beginning, if any, and the rest.
fn number(text: &str) -> Result<Option<(usize, &str)>, SqlError> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return Ok(None);
    }
    let value = text[..end]
        .parse::<i32>()
        .map_err(|_| SqlError::new("22003", "number is out of range"))?;
    if end == text.len() {
        return Err(unterminated());
    }
    Ok(Some((usize::try_from(value).unwrap_or(0), &text[end..])))
}

fn position(number: usize) -> Result<usize, SqlError> {
    number
        .checked_sub(1)
        .ok_or_else(|| invalid("format specifies argument 0, but arguments are numbered from 1"))
}

/// The named argument or the next one; after a named one, the next is the one behind it.
fn argument<'a>(
    arguments: &'a [Option<String>],
    position: Option<usize>,
    next: &mut usize,
) -> Result<Option<&'a str>, SqlError> {
    let at = position.unwrap_or(*next);
    *next = at + 1;
    match arguments.get(at) {
        Some(value) => Ok(value.as_deref()),
        None => Err(invalid("too few arguments for format()")),
    }
}

fn convert(value: Option<&str>, conversion: char) -> Result<String, SqlError> {
    match (value, conversion) {
        (Some(value), 'I') => Ok(quote_ident(value)),
        (Some(value), 'L') => Ok(quote_literal(value)),
        (Some(value), _) => Ok(value.to_owned()),
        (None, 'I') => Err(SqlError::new(
            "22004",
            "null values cannot be formatted as an SQL identifier",
        )),
        (None, 'L') => Ok("NULL".to_owned()),
        (None, _) => Ok(String::new()),
    }
}
