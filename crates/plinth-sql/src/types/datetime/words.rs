//! The small pieces of date and time texts: names, clock times, fractions, offsets.

use super::calendar::MICROS_PER_SECOND;
use super::decode::Fault;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

/// Whether a word is one that dates may contain; such a word ends a token even before a digit.
pub(super) fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "am" | "pm"
            | "ad"
            | "bc"
            | "at"
            | "on"
            | "t"
            | "j"
            | "jd"
            | "julian"
            | "now"
            | "today"
            | "tomorrow"
            | "yesterday"
            | "epoch"
            | "infinity"
            | "allballs"
            | "z"
            | "d"
            | "h"
            | "m"
            | "s"
            | "y"
    ) || month(word).is_some()
        || is_weekday(word)
}

/// `03:04[:05[.6]]` as hours and the microseconds within the hour.
pub(super) fn clock(text: &str) -> Result<(i64, i64), Fault> {
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = text.split(':').map(|part| {
        if part.is_empty() || part.len() > 10 {
            Err(Fault::Syntax)
        } else {
            part.parse::<i64>().map_err(|_| Fault::Syntax)
        }
    });
    let hour = parts.next().ok_or(Fault::Syntax)??;
    let minute = parts.next().ok_or(Fault::Syntax)??;
    let second = match parts.next() {
        None if !fraction.is_empty() => return Err(Fault::Syntax),
        None => 0,
        Some(second) => second?,
    };
    if parts.next().is_some() {
        return Err(Fault::Syntax);
    }
    if hour > i64::from(i32::MAX) || minute > 59 || second > 60 {
        return Err(Fault::Range);
    }
    Ok((
        hour,
        (minute * 60 + second) * MICROS_PER_SECOND + fraction_micros(fraction)?,
    ))
}

/// Digits after a decimal point as microseconds, rounded.
pub(super) fn fraction_micros(digits: &str) -> Result<i64, Fault> {
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Syntax);
    }
    let value: f64 = format!("0.{digits}").parse().map_err(|_| Fault::Syntax)?;
    #[expect(clippy::cast_possible_truncation, reason = "at most a million")]
    Ok((value * 1e6).round_ties_even() as i64)
}

/// `+02`, `-0730`, `+5:45:30` in seconds east.
pub(super) fn signed_offset(text: &str) -> Result<i64, Fault> {
    let digits = &text[1..];
    let number = |part: &str| {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::Syntax);
        }
        part.parse::<i64>().map_err(|_| Fault::OffsetRange)
    };
    let (hours, minutes, seconds) = match digits.split(':').collect::<Vec<_>>().as_slice() {
        [hours, minutes] => (number(hours)?, number(minutes)?, 0),
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        [run] if run.len() > 2 => (number(run)? / 100, number(run)? % 100, 0),
        [hours] => (number(hours)?, 0, 0),
        _ => return Err(Fault::Syntax),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::OffsetRange);
    }
    let offset = (hours * 60 + minutes) * 60 + seconds;
    Ok(if text.starts_with('-') {
        -offset
    } else {
        offset
    })
}

/// `08jan1999` without separators inside a date: letters and digits apart.
pub(super) fn split_letters(part: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = part.as_bytes();
    for i in 1..bytes.len() {
        if bytes[i].is_ascii_alphabetic() != bytes[i - 1].is_ascii_alphabetic() {
            out.push(&part[start..i]);
            start = i;
        }
    }
    out.push(&part[start..]);
    out
}

/// 1 to 12 for a name or its first three letters.
pub(super) fn month(word: &str) -> Option<i64> {
    if word == "sept" {
        return Some(9);
    }
    let index = MONTHS
        .iter()
        .position(|name| *name == word || (word.len() == 3 && name.starts_with(word)))?;
    i64::try_from(index + 1).ok()
}

/// A weekday's name or abbreviation, which dates may contain and nobody reads.
pub(super) fn is_weekday(word: &str) -> bool {
    matches!(word, "tues" | "weds" | "thur" | "thurs")
        || WEEKDAYS
            .iter()
            .any(|name| *name == word || (word.len() == 3 && name.starts_with(word)))
}
