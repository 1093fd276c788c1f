//! The everyday string functions. Positions count characters from 1.

use crate::SqlError;

/// The longest text a function makes; Postgres's own limit is 1 GB.
const MAX_BYTES: usize = 256 * 1024 * 1024;

fn too_long() -> SqlError {
    SqlError::new("54000", "requested length too large")
}

/// `left(text, n)`: the first `n` characters, or all but the last `-n`.
pub fn left(text: &str, count: i64) -> &str {
    &text[..byte_offset(text, from_either_end(text, count))]
}

/// `right(text, n)`: the last `n` characters, or all but the first `-n`.
pub fn right(text: &str, count: i64) -> &str {
    let skip = match usize::try_from(count) {
        Ok(count) => text.chars().count().saturating_sub(count),
        Err(_) => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    &text[byte_offset(text, skip)..]
}

/// `lpad(text, length, fill)`.
pub fn lpad(text: &str, length: i64, fill: &str) -> Result<String, SqlError> {
    let (kept, padding) = padding(text, length, fill)?;
    Ok(padding + kept)
}

/// `rpad(text, length, fill)`.
pub fn rpad(text: &str, length: i64, fill: &str) -> Result<String, SqlError> {
    let (kept, padding) = padding(text, length, fill)?;
    Ok(kept.to_owned() + &padding)
}

/// `repeat(text, n)`.
pub fn repeat(text: &str, count: i64) -> Result<String, SqlError> {
    let count = usize::try_from(count.max(0)).map_err(|_| too_long())?;
    if text
        .len()
        .checked_mul(count)
        .is_none_or(|bytes| bytes > MAX_BYTES)
    {
        return Err(too_long());
    }
    Ok(text.repeat(count))
}

/// `reverse(text)`.
pub fn reverse(text: &str) -> String {
    text.chars().rev().collect()
}

/// `strpos(text, part)`: where `part` first occurs, 0 if nowhere.
pub fn strpos(text: &str, part: &str) -> i64 {
    let Some(at) = text.find(part) else { return 0 };
    i64::try_from(text[..at].chars().count() + 1).unwrap_or(i64::MAX)
}

/// `substring(text from start for length)`.
pub fn substring(text: &str, start: i64, length: Option<i64>) -> Result<&str, SqlError> {
    let end = match length {
        Some(length) if length < 0 => {
            return Err(SqlError::new(
                "22011",
                "negative substring length not allowed",
            ));
        }
        Some(length) => start.saturating_add(length),
        None => i64::MAX,
    };
    let offset = |position: i64| usize::try_from(position.max(1) - 1).unwrap_or(usize::MAX);
    let from = byte_offset(text, offset(start));
    let to = byte_offset(text, offset(end));
    Ok(text.get(from..to).unwrap_or(""))
}

/// `overlay(text placing new from start for length)`; the length is that of `new` if not given.
pub fn overlay(text: &str, new: &str, start: i64, length: Option<i64>) -> Result<String, SqlError> {
    if start <= 0 {
        return Err(SqlError::new(
            "22011",
            "negative substring length not allowed",
        ));
    }
    let length = length.unwrap_or_else(|| i64::try_from(new.chars().count()).unwrap_or(i64::MAX));
    let head = substring(text, 1, Some(start - 1))?;
    let tail = substring(text, start.saturating_add(length), None)?;
    Ok(format!("{head}{new}{tail}"))
}

/// `split_part(text, delimiter, n)`; a negative `n` counts from the end.
pub fn split_part<'a>(text: &'a str, delimiter: &str, field: i64) -> Result<&'a str, SqlError> {
    if field == 0 {
        return Err(SqlError::new("22023", "field position must not be zero"));
    }
    if delimiter.is_empty() {
        return Ok(if field == 1 || field == -1 { text } else { "" });
    }
    let index = usize::try_from(field.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let part = if field > 0 {
        text.split(delimiter).nth(index)
    } else {
        let count = text.split(delimiter).count();
        count
            .checked_sub(index + 1)
            .and_then(|at| text.split(delimiter).nth(at))
    };
    Ok(part.unwrap_or(""))
}

/// `translate(text, from, to)`: each character of `from` becomes the one of `to` in its place, or nothing.
pub fn translate(text: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    let map = |c: char| match from.chars().position(|have| have == c) {
        Some(at) => to.get(at).copied(),
        None => Some(c),
    };
    text.chars().filter_map(map).collect()
}

/// `ltrim`, `rtrim` and `btrim`: takes any of the characters off the chosen ends.
pub fn trim<'a>(text: &'a str, characters: &str, start: bool, end: bool) -> &'a str {
    let listed = |c: char| characters.contains(c);
    let text = if start {
        text.trim_start_matches(listed)
    } else {
        text
    };
    if end {
        text.trim_end_matches(listed)
    } else {
        text
    }
}

/// `ascii(text)`: the code of the first character, 0 if there is none.
pub fn ascii(text: &str) -> i64 {
    text.chars().next().map_or(0, |c| i64::from(u32::from(c)))
}

/// `chr(code)`.
pub fn chr(code: i64) -> Result<String, SqlError> {
    if code == 0 {
        return Err(SqlError::new("54000", "null character not permitted"));
    }
    if code < 0 {
        return Err(SqlError::new("54000", "character number must be positive"));
    }
    match u32::try_from(code).ok().and_then(char::from_u32) {
        Some(c) => Ok(c.to_string()),
        None if code > 0x10_ffff => Err(SqlError::new(
            "54000",
            format!("requested character too large for encoding: {code}"),
        )),
        None => Err(SqlError::new(
            "54000",
            format!("requested character not valid for encoding: {code}"),
        )),
    }
}

/// How many characters to keep: `count` of them, or all but the last `-count`.
fn from_either_end(text: &str, count: i64) -> usize {
    usize::try_from(count).unwrap_or_else(|_| {
        let cut = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        text.chars().count().saturating_sub(cut)
    })
}

fn byte_offset(text: &str, characters: usize) -> usize {
    text.char_indices()
        .nth(characters)
        .map_or(text.len(), |(at, _)| at)
}

fn padding<'a>(text: &'a str, length: i64, fill: &str) -> Result<(&'a str, String), SqlError> {
    let length = usize::try_from(length.max(0)).map_err(|_| too_long())?;
    if length > MAX_BYTES / 4 {
        return Err(too_long());
    }
    let have = text.chars().count();
    if have >= length {
        return Ok((&text[..byte_offset(text, length)], String::new()));
    }
    let missing = if fill.is_empty() { 0 } else { length - have };
    Ok((text, fill.chars().cycle().take(missing).collect()))
}
