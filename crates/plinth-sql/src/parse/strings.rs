//! The inside of string constants: doubled quotes, continuation over lines, `E''` escapes.

use crate::SqlError;

/// Reads the constant whose opening quote is at `open`: its text and where it ends, or none when it never ends.
pub(super) fn quoted_text(
    source: &str,
    open: usize,
    escapes: bool,
) -> Option<(Result<String, SqlError>, usize)> {
    let bytes = source.as_bytes();
    // Bytes rather than characters: `E'\xc3\xa9'` is one letter written as two escapes.
    let mut text = Vec::new();
    let mut failed = None;
    let mut at = open + 1;
    loop {
        match *bytes.get(at)? {
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => {
                text.push(b'\'');
                at += 2;
            }
            b'\'' => match continuation(source, at + 1) {
                Some(next) => at = next,
                None => break,
            },
            b'\\' if escapes => {
                let length = escape(&source[at..], &mut text).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    1
                });
                at += 1 + length;
            }
            byte => {
                text.push(byte);
                at += 1;
            }
        }
    }
    let result = match failed {
        Some(error) => Err(error),
        None => String::from_utf8(text)
            .map_err(|error| invalid_bytes(error.as_bytes(), error.utf8_error().valid_up_to())),
    };
    Some((result.and_then(without_zero), at + 1))
}

/// Two constants with nothing but blanks and a line break between them are one: where the next one's text starts.
fn continuation(source: &str, after: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = after;
    let mut new_line = false;
    loop {
        match *bytes.get(at)? {
            b'\n' | b'\r' => {
                new_line = true;
                at += 1;
            }
            b' ' | b'\t' | 0x0c | 0x0b => at += 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..]
                    .iter()
                    .position(|byte| matches!(byte, b'\n' | b'\r'))?;
            }
            b'\'' if new_line => return Some(at + 1),
            _ => return None,
        }
    }
}

/// One escape at the start of `rest` (which begins with the backslash): how many bytes follow the backslash.
fn escape(rest: &str, text: &mut Vec<u8>) -> Result<usize, SqlError> {
    let Some(letter) = rest[1..].chars().next() else {
        return Ok(0);
    };
    let plain = match letter {
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'x' => match digits(&rest[2..], 16, 2) {
            (_, 0) => b'x',
            (value, length) => {
                text.push(value.to_le_bytes()[0]);
                return Ok(1 + length);
            }
        },
        '0'..='7' => {
            let (value, length) = digits(&rest[1..], 8, 3);
            text.push(value.to_le_bytes()[0]);
            return Ok(length);
        }
        'u' | 'U' => return unicode(rest, text),
        other => {
            text.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(other.len_utf8());
        }
    };
    text.push(plain);
    Ok(1)
}

/// `\uXXXX` or `\UXXXXXXXX`, or two of the first kind for a surrogate pair.
fn unicode(rest: &str, text: &mut Vec<u8>) -> Result<usize, SqlError> {
    let code_at = |from: usize| {
        let width = match rest.as_bytes().get(from + 1) {
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => return None,
        };
        match digits(rest.get(from + 2..)?, 16, width) {
            (code, length) if length == width => Some((code, 1 + length)),
            _ => None,
        }
    };
    let (first, mut length) = code_at(0).ok_or_else(|| {
        SqlError::new("22025", "invalid Unicode escape")
            .hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX.")
    })?;
    let mut code = first;
    if (0xd800..0xdc00).contains(&first) {
        let second = (rest.as_bytes().get(1 + length) == Some(&b'\\'))
            .then(|| code_at(1 + length))
            .flatten();
        let Some((low @ 0xdc00..0xe000, more)) = second else {
            return Err(SqlError::new("42601", "invalid Unicode surrogate pair"));
        };
        code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        length += 1 + more;
    }
    let letter = char::from_u32(code).filter(|&letter| letter != '\0');
    let letter = letter.ok_or_else(|| SqlError::new("42601", "invalid Unicode escape value"))?;
    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(length)
}

/// Up to `most` digits at the start: their value and number.
fn digits(text: &str, base: u32, most: usize) -> (u32, usize) {
    text.chars()
        .take(most)
        .map_while(|letter| letter.to_digit(base))
        .fold((0_u32, 0), |(value, length), digit| {
            (value.wrapping_mul(base).wrapping_add(digit), length + 1)
        })
}

fn invalid_bytes(bytes: &[u8], at: usize) -> SqlError {
    let lead = bytes.get(at).copied().unwrap_or_default();
    let width = match lead {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    let shown: Vec<String> = bytes[at..]
        .iter()
        .take(width)
        .map(|byte| format!("0x{byte:02x}"))
        .collect();
    SqlError::new(
        "22021",
        format!(
            "invalid byte sequence for encoding \"UTF8\": {}",
            shown.join(" ")
        ),
    )
}

/// The text, unless it has a zero byte, which no text of Postgres can have.
pub(super) fn without_zero(text: String) -> Result<String, SqlError> {
    if text.contains('\0') {
        return Err(SqlError::new(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    Ok(text)
}
