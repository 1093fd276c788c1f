//! Expected against actual, told so that the difference is seen at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::case::Expect;
use crate::outcome::{Failure, Outcome};

/// Says what is wrong with an outcome, or `None` when it is what was expected.
pub fn outcome(expect: Option<&Expect>, actual: &Outcome) -> Option<String> {
    match (expect, actual) {
        (None, Outcome::Done | Outcome::Rows(_)) => None,
        (None, Outcome::Failed(failure)) => {
            Some(format!("it must succeed, but failed:\n{failure}"))
        }
        (Some(Expect::Rows(expected)), Outcome::Rows(actual)) if expected == actual => None,
        (Some(Expect::Rows(expected)), Outcome::Rows(actual)) => Some(lines(expected, actual)),
        (Some(Expect::Rows(_)), other) => {
            Some(format!("rows were expected, but it gave:\n{other}"))
        }
        (Some(Expect::Error(expected)), Outcome::Failed(actual)) => failure(expected, actual),
        (Some(Expect::Error(expected)), other) => {
            Some(format!("it must fail:\n{expected}but it gave:\n{other}"))
        }
    }
}

/// Compares what is written of an error: the code always, the rest where it is there.
fn failure(expected: &Failure, actual: &Failure) -> Option<String> {
    let parts = [
        (&expected.detail, &actual.detail),
        (&expected.hint, &actual.hint),
    ];
    let same = expected.code == actual.code
        && (expected.message.is_empty() || expected.message == actual.message)
        && parts
            .iter()
            .all(|(expected, actual)| expected.is_none() || expected == actual)
        && (expected.constraint.is_none() || expected.constraint == actual.constraint);
    (!same).then(|| lines(&expected.to_string(), &actual.to_string()))
}

/// A difference by line: `-` was expected, `+` came instead.
pub fn lines(expected: &str, actual: &str) -> String {
    const SHOWN_LINES: usize = 60;
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let head = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    let rest = old.len().min(new.len()) - head;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(|(old, new)| old == new)
        .count();
    let mut text = String::from("- expected, + actual:\n");
    let context = old[..head]
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(|line| (' ', line));
    let gone = old[head..old.len() - tail].iter().map(|line| ('-', line));
    let come = new[head..new.len() - tail].iter().map(|line| ('+', line));
    for (sign, line) in context.chain(gone).chain(come).take(SHOWN_LINES) {
        let _infallible = writeln!(text, "  {sign} {line}");
    }
    text
}

/// Values that answers gave and later requests may name.
pub type Kept = BTreeMap<String, String>;

/// Compares JSON exactly, but for `"..."` (anything) and `"$name"` (anything, kept). Says where it differs.
pub fn json(expected: &Value, actual: &Value, kept: &mut Kept) -> Option<String> {
    json_at("body", expected, actual, kept)
}

fn json_at(place: &str, expected: &Value, actual: &Value, kept: &mut Kept) -> Option<String> {
    match (expected, actual) {
        (Value::String(text), _) if text == "..." => None,
        (Value::String(text), _) if text.len() > 1 && text.starts_with('$') => {
            let value = actual
                .as_str()
                .map_or_else(|| actual.to_string(), str::to_owned);
            kept.insert(text[1..].to_owned(), value);
            None
        }
        (Value::Object(expected), Value::Object(actual)) => {
            let open = expected.contains_key("...");
            if let Some(extra) = actual
                .keys()
                .find(|key| !open && !expected.contains_key(*key))
            {
                return Some(format!(
                    "{place} has an entry `{extra}` that is not expected"
                ));
            }
            expected
                .iter()
                .filter(|(key, _)| *key != "...")
                .find_map(|(key, value)| match actual.get(key) {
                    Some(found) => json_at(&format!("{place}.{key}"), value, found, kept),
                    None => Some(format!("{place} has no entry `{key}`")),
                })
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let mut pairs = expected.iter().zip(actual).enumerate();
            pairs.find_map(|(index, (old, new))| {
                json_at(&format!("{place}[{index}]"), old, new, kept)
            })
        }
        _ if expected == actual => None,
        _ => Some(format!("{place} is {actual}, expected {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn json_is_compared_exactly_but_for_what_is_left_open() {
        let mut kept = Kept::new();
        let actual = value!({"id": "x", "n": 1, "more": true});
        assert_eq!(
            json(
                &value!({"id": "$id", "n": 1, "...": "..."}),
                &actual,
                &mut kept
            ),
            None
        );
        assert_eq!(kept["id"], "x");
        assert!(
            json(&value!({"id": "x", "n": 1}), &actual, &mut kept)
                .unwrap()
                .contains("more")
        );
        assert!(
            json(&value!([1, 2]), &value!([2, 1]), &mut kept)
                .unwrap()
                .contains("body[0]")
        );
    }

    #[test]
    fn an_error_is_compared_where_the_case_says_something() {
        let actual = Failure {
            code: "23505".into(),
            message: "m".into(),
            detail: Some("d".into()),
            ..Failure::default()
        };
        let expected = Failure {
            code: "23505".into(),
            ..Failure::default()
        };
        assert_eq!(failure(&expected, &actual), None);
        assert!(
            failure(
                &Failure {
                    hint: Some("h".into()),
                    ..expected
                },
                &actual
            )
            .is_some()
        );
    }
}
