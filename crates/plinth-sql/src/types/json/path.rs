//! `->`, `->>`, `#>` and `#>>` on the text of a `json` or `jsonb`, as slices of it.

use std::borrow::Cow;

use super::Flavor;
use super::scan::{elements, members, trim};
use super::string::unescape;
use crate::SqlError;

/// `value -> 'key'`: the raw member. Of equal keys the last one counts.
pub fn member<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    members(text)
        .filter(|(raw, _)| key_equals(raw, key))
        .map(|(_, value)| value)
        .last()
}

/// `value -> index`: the raw element; negative indexes count from the end.
pub fn element(text: &str, index: i64, flavor: Flavor) -> Option<&str> {
    let text = trim(text);
    if flavor == Flavor::Jsonb && !text.starts_with(['[', '{']) {
        // Postgres keeps a bare jsonb scalar as an array of one, and lets it show here.
        return matches!(index, 0 | -1).then_some(text);
    }
    if let Ok(index) = usize::try_from(index) {
        return elements(text).nth(index);
    }
    let from_end = usize::try_from(index.checked_neg()?).ok()?;
    let at = elements(text).count().checked_sub(from_end)?;
    elements(text).nth(at)
}

/// `value ->> 'key'`.
pub fn member_text<'a>(text: &'a str, key: &str) -> Result<Option<Cow<'a, str>>, SqlError> {
    member(text, key).map_or(Ok(None), as_text)
}

/// `value ->> index`.
pub fn element_text(
    text: &str,
    index: i64,
    flavor: Flavor,
) -> Result<Option<Cow<'_, str>>, SqlError> {
    element(text, index, flavor).map_or(Ok(None), as_text)
}

/// `value #> '{a,0}'`.
pub fn path<'a>(text: &'a str, steps: &[Option<&str>]) -> Option<&'a str> {
    let mut text = trim(text);
    for step in steps {
        let step = (*step)?;
        text = match text.as_bytes().first()? {
            b'{' => member(text, step)?,
            b'[' => element(text, index(step)?, Flavor::Json)?,
            _ => return None,
        };
    }
    Some(text)
}

/// `value #>> '{a,0}'`.
pub fn path_text<'a>(
    text: &'a str,
    steps: &[Option<&str>],
) -> Result<Option<Cow<'a, str>>, SqlError> {
    path(text, steps).map_or(Ok(None), as_text)
}

/// A raw value as text: strings without quotes and escapes, `null` as NULL.
pub fn as_text(raw: &str) -> Result<Option<Cow<'_, str>>, SqlError> {
    let raw = trim(raw);
    match raw {
        "null" => Ok(None),
        _ if raw.starts_with('"') => unescape(raw).map(Some),
        _ => Ok(Some(Cow::Borrowed(raw))),
    }
}

/// A path step as an array index: blanks before it are fine, anything behind it is not.
pub(super) fn index(step: &str) -> Option<i64> {
    let step = step.trim_start_matches(|c: char| c.is_ascii_whitespace());
    step.parse::<i32>().ok().map(i64::from)
}

pub(super) fn key_equals(raw: &str, key: &str) -> bool {
    if raw.contains('\\') {
        return unescape(raw).is_ok_and(|have| have == key);
    }
    raw.get(1..raw.len().saturating_sub(1)) == Some(key)
}
