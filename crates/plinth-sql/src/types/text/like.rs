//! `LIKE` and `ILIKE`.

use super::case::lower;
use crate::SqlError;

/// The character that `ESCAPE` names: none for an empty text, `22025` for more than one.
pub fn escape_character(text: &str) -> Result<Option<char>, SqlError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (escape, None) => Ok(escape),
        _ => Err(SqlError::new("22025", "invalid escape string")
            .hint("Escape string must be empty or one character.")),
    }
}

/// Whether all of `text` matches `pattern`. `22025` when the pattern ends with its escape character and the match gets
/// that far.
pub fn like_match(
    text: &str,
    pattern: &str,
    escape: Option<char>,
    case_insensitive: bool,
) -> Result<bool, SqlError> {
    if case_insensitive {
        return matches(&lower(text), &lower(pattern), escape);
    }
    matches(text, pattern, escape)
}

/// What the pattern wants next.
enum Step {
    End,
    AnyRun,
    AnyOne,
    Char(char),
}

/// Walks both; on a mismatch the last `%` takes one character more. Earlier ones need not be tried again.
fn matches(text: &str, pattern: &str, escape: Option<char>) -> Result<bool, SqlError> {
    let (mut text_rest, mut pattern_rest) = (text, pattern);
    let mut retry: Option<(&str, &str)> = None;
    while let Some(have) = text_rest.chars().next() {
        let (step, after) = next_step(pattern_rest, escape)?;
        let matched = match step {
            Step::AnyRun => {
                retry = Some((text_rest, after));
                pattern_rest = after;
                continue;
            }
            Step::AnyOne => true,
            Step::Char(wanted) => wanted == have,
            Step::End => false,
        };
        if matched {
            pattern_rest = after;
            text_rest = &text_rest[have.len_utf8()..];
            continue;
        }
        let Some((from, after_run)) = retry else {
            return Ok(false);
        };
        if after_run.is_empty() {
            return Ok(true);
        }
        let skipped = from.chars().next().map_or(0, char::len_utf8);
        text_rest = &from[skipped..];
        pattern_rest = after_run;
        retry = Some((text_rest, after_run));
    }
    Ok(escape != Some('%') && pattern_rest.bytes().all(|b| b == b'%') || pattern_rest.is_empty())
}

fn next_step(pattern: &str, escape: Option<char>) -> Result<(Step, &str), SqlError> {
    let mut chars = pattern.chars();
    let Some(first) = chars.next() else {
        return Ok((Step::End, pattern));
    };
    let step = if Some(first) == escape {
        let Some(literal) = chars.next() else {
            return Err(SqlError::new(
                "22025",
                "LIKE pattern must not end with escape character",
            ));
        };
        Step::Char(literal)
    } else {
        match first {
            '%' => Step::AnyRun,
            '_' => Step::AnyOne,
            literal => Step::Char(literal),
        }
    };
    Ok((step, chars.as_str()))
}
