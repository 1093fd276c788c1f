//! JSON strings: writing with escapes, reading back.

use std::borrow::Cow;

use crate::SqlError;

/// Appends a string with quotes, escaped as Postgres does: only what must be, and control characters by name or number.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut rest = bytes;
    loop {
        let (plain, special) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            break;
        };
        rest = after;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// How many bytes come before the first that must be escaped. Most texts have none, so they are looked at in pieces that
/// the compiler compares at once.
fn plain_bytes(bytes: &[u8]) -> usize {
    const PIECE: usize = 32;
    let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let pieces = bytes.chunks_exact(PIECE);
    let plain = pieces
        .take_while(|piece| {
            !piece
                .iter()
                .fold(false, |found, byte| found | special(*byte))
        })
        .count()
        * PIECE;
    let rest = &bytes[plain..];
    let found = rest.iter().position(|byte| special(*byte));
    plain + found.unwrap_or(rest.len())
}

/// Reads the string that begins `text` (at its opening quote): its value and what follows.
pub fn scan_string(text: &str) -> Result<(Cow<'_, str>, &str), SqlError> {
    let end = super::scan::string_end(text.as_bytes(), 0);
    let (raw, rest) = text.split_at(end);
    Ok((unescape(raw)?, rest))
}

/// The value of a raw string with its quotes.
pub(super) fn unescape(raw: &str) -> Result<Cow<'_, str>, SqlError> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or("");
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let kind = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut after = rest.get(at + 2..).unwrap_or("");
        match kind {
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'b' => out.push('\x08'),
            b'f' => out.push('\x0c'),
            b'u' => out.push(code_point(&mut after)?),
            other => out.push(char::from(other)),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// The four digits after `\u`, and those of a second half if they call for one.
fn code_point(rest: &mut &str) -> Result<char, SqlError> {
    let first = hex4(rest)
        .ok_or_else(|| invalid("\"\\u\" must be followed by four hexadecimal digits."))?;
    *rest = &rest[4..];
    match first {
        0 => Err(
            SqlError::new("22P05", "unsupported Unicode escape sequence")
                .detail("\\u0000 cannot be converted to text."),
        ),
        0xd800..0xdc00 => {
            let missing = || invalid("Unicode low surrogate must follow a high surrogate.");
            let tail = rest.strip_prefix("\\u").ok_or_else(missing)?;
            let second = hex4(tail)
                .ok_or_else(|| invalid("\"\\u\" must be followed by four hexadecimal digits."))?;
            if (0xd800..0xdc00).contains(&second) {
                return Err(invalid(
                    "Unicode high surrogate must not follow a high surrogate.",
                ));
            }
            if !(0xdc00..0xe000).contains(&second) {
                return Err(missing());
            }
            *rest = &tail[4..];
            char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
                .ok_or_else(missing)
        }
        other => char::from_u32(other)
            .ok_or_else(|| invalid("Unicode low surrogate must follow a high surrogate.")),
    }
}

pub(super) fn hex4(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}

/// `22P02 invalid input syntax for type json` with its detail.
pub(super) fn invalid(detail: impl Into<String>) -> SqlError {
    SqlError::new("22P02", "invalid input syntax for type json").detail(detail)
}
