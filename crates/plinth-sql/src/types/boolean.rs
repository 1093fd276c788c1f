//! `boolean`: input of every spelling Postgres takes, output as `t` and `f`.

use super::Type;
use super::fault::{invalid_input, is_space};
use crate::SqlError;

/// Parses `true`, `yes`, `on`, `1` and their opposites; a clear beginning (`tr`, `of`) is enough.
pub fn parse(text: &str) -> Result<bool, SqlError> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_input(Type::Bool, text))
    }
}

/// `t` or `f`, the text form of query results.
pub fn short(value: bool) -> &'static str {
    if value { "t" } else { "f" }
}

/// `true` or `false`, the result of a cast to text and the JSON form.
pub fn long(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
