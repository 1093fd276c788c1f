//! Two answers to one request, and how they differ.

use serde_json::Value;
use serde_json::value::RawValue;

use super::request::Request;
use crate::compare;

/// Headers that are compared.
pub const HEADERS: [&str; 4] = [
    "content-range",
    "content-type",
    "location",
    "preference-applied",
];

/// The message of a missing privilege begins so. When several are missing, which of them PostgreSQL meets first is its
/// planner's choice; the code is the same.
const ANY_PRIVILEGE: &str = "permission denied for ";
/// The message of policies that go in a circle begins so. Any table of the circle may be told.
const ANY_OF_A_CIRCLE: &str = "infinite recursion detected in policy for relation ";
/// Codes of broken constraints begin so. When a request changes several rows, which of those that break one is told first
/// depends on the order in which they lie.
const CONSTRAINTS: &str = "23";
/// The code of what the caller may not do: a privilege is missing, or a policy forbids it.
const FORBIDDEN: &str = "42501";
/// A fault of ours tells the id of its request.
const FAULT: &str = "PGRSTX00";

/// An answer as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// Those of [`HEADERS`] that are there.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// In what two engines differ, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The embedded engine shows or does what PostgreSQL does not.
    Leak,
    /// A statement of the schema fails.
    Setup,
    /// The status.
    Status,
    /// The body.
    Body,
    /// A header.
    Headers,
    /// The tables after the last request.
    Contents,
}

/// In what two answers differ, and how: nothing when they are alike.
pub fn between(request: &Request, postgres: &Seen, embedded: &Seen) -> Option<(Kind, String)> {
    let (expected, actual) = (settled(request, postgres), settled(request, embedded));
    if expected == actual {
        return None;
    }
    // Rows are looked at in one order, errors in full.
    let tells = match expected.status < 400 && actual.status < 400 {
        true => leaks(&expected, &actual),
        false => leaks(postgres, embedded),
    };
    let kind = if tells || is_forbidden_write(request, postgres, embedded) {
        Kind::Leak
    } else if expected.status != actual.status {
        Kind::Status
    } else if expected.body != actual.body {
        Kind::Body
    } else {
        Kind::Headers
    };
    Some((kind, compare::lines(&shown(&expected), &shown(&actual))))
}

/// The answer without what is not determined.
fn settled(request: &Request, seen: &Seen) -> Seen {
    let mut settled = seen.clone();
    if seen.status >= 400 {
        if let Ok(Value::Object(mut error)) = serde_json::from_str(&seen.body) {
            let code = text(&error, "code");
            let message = text(&error, "message");
            for any in [ANY_PRIVILEGE, ANY_OF_A_CIRCLE] {
                if message.starts_with(any) {
                    error.insert("message".to_owned(), any.into());
                }
            }
            if request.several && code.starts_with(CONSTRAINTS) {
                error.insert("message".to_owned(), Value::Null);
                error.insert("details".to_owned(), Value::Null);
            }
            if code == FAULT {
                error.insert("hint".to_owned(), Value::Null);
            }
            settled.body = Value::Object(error).to_string();
        }
    } else if request.unordered
        && let Some(mut rows) = rows(&seen.body)
    {
        rows.sort_unstable();
        settled.body = format!("[{}]", rows.join(","));
    }
    settled
}

fn text(object: &serde_json::Map<String, Value>, key: &str) -> String {
    let value = object.get(key).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// The elements of an array, as they are written.
fn rows(body: &str) -> Option<Vec<String>> {
    let rows: Vec<&RawValue> = serde_json::from_str(body).ok()?;
    Some(rows.into_iter().map(|row| row.get().to_owned()).collect())
}

/// Whether the second answer tells something that the first does not.
fn leaks(postgres: &Seen, embedded: &Seen) -> bool {
    let (refused, answered) = (postgres.status >= 400, embedded.status < 400);
    if answered && total(embedded) > total(postgres) && !refused {
        return true;
    }
    let tells = |seen: &Seen| !matches!(seen.body.as_str(), "" | "[]" | "null");
    match (refused, answered) {
        (true, true) => matches!(postgres.status, 401 | 403 | 404 | 406) && tells(embedded),
        (false, true) => shows_more(&postgres.body, &embedded.body),
        // What is told of a row that broke a rule.
        (_, false) => {
            let tells = |seen: &Seen| {
                ["Key (", "Failing row contains"]
                    .iter()
                    .any(|words| seen.body.contains(words))
            };
            tells(embedded) && !tells(postgres)
        }
    }
}

/// Whether the second engine has let the caller write what the first forbids. Its answer need not tell anything of it.
fn is_forbidden_write(request: &Request, postgres: &Seen, embedded: &Seen) -> bool {
    let forbidden = || {
        let error = serde_json::from_str::<Value>(&postgres.body).unwrap_or_default();
        postgres.status >= 400 && error["code"] == FORBIDDEN
    };
    request.writes && embedded.status < 400 && forbidden()
}

/// `57` of `0-9/57`.
fn total(seen: &Seen) -> Option<u64> {
    let range = seen
        .headers
        .iter()
        .find(|(name, _)| name == "content-range");
    range.and_then(|(_, range)| range.split_once('/')?.1.parse().ok())
}

fn shows_more(expected: &str, actual: &str) -> bool {
    let parsed = |body: &str| serde_json::from_str::<Value>(body).ok();
    match (parsed(expected), parsed(actual)) {
        (Some(expected), Some(actual)) => holds_more(&expected, &actual),
        _ => actual.lines().count() > expected.lines().count(),
    }
}

/// Whether rows stand in the second that do not stand in the first, wherever rows are.
fn holds_more(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Array(old), Value::Array(new)) => {
            let strange = |row: &Value| old.iter().all(|known| !is_same_row(known, row));
            let mut pairs = old.iter().zip(new);
            new.len() > old.len()
                || new.iter().any(|row| row.is_object() && strange(row))
                || pairs.any(|(old, new)| is_same_row(old, new) && holds_more(old, new))
        }
        (Value::Object(old), Value::Object(new)) => old.iter().any(|(key, old)| {
            let new = new.get(key);
            new.is_some_and(|new| holds_more(old, new))
        }),
        (Value::Null, Value::Array(new)) => !new.is_empty(),
        (Value::Null, Value::Object(_)) => true,
        _ => false,
    }
}

/// Whether two objects are alike in half of their entries: one row, told differently.
fn is_same_row(one: &Value, other: &Value) -> bool {
    let (Value::Object(one), Value::Object(other)) = (one, other) else {
        return one == other;
    };
    let same = one
        .iter()
        .filter(|(key, value)| other.get(*key) == Some(*value));
    2 * same.count() >= one.len()
}

/// An answer over several lines, a row on each.
fn shown(seen: &Seen) -> String {
    let mut text = format!("status {}\n", seen.status);
    for (name, value) in &seen.headers {
        text += &format!("{name}: {value}\n");
    }
    match rows(&seen.body) {
        Some(rows) => {
            for row in rows {
                text += &format!("{row}\n");
            }
        }
        None => text += &seen.body,
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, body: &str) -> Seen {
        Seen {
            status,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    fn kind(request: &Request, postgres: &Seen, embedded: &Seen) -> Option<Kind> {
        between(request, postgres, embedded).map(|(kind, _)| kind)
    }

    #[test]
    fn a_row_that_postgres_hides_is_a_leak() {
        let get = Request::new("GET", "/rest/v1/t");
        let one = seen(200, r#"[{"id":1,"in":[]}]"#);
        let told = |body| kind(&get, &one, &seen(200, body));
        assert_eq!(told(r#"[{"id":1,"in":[]}]"#), None);
        assert_eq!(
            told(r#"[{"id":1,"in":[]},{"id":2,"in":[]}]"#),
            Some(Kind::Leak)
        );
        assert_eq!(told(r#"[{"id":1,"in":[{"n":3}]}]"#), Some(Kind::Leak));
        assert_eq!(told("[]"), Some(Kind::Body));
        let refused = seen(403, r#"{"code":"42501","message":"m"}"#);
        assert_eq!(kind(&get, &refused, &one), Some(Kind::Leak));
        assert_eq!(kind(&get, &refused, &seen(200, "[]")), Some(Kind::Status));
    }

    #[test]
    fn a_write_that_postgres_forbids_is_a_leak_whatever_its_answer_tells() {
        let mut post = Request::new("POST", "/rest/v1/t");
        post.writes = true;
        let forbidden = seen(403, r#"{"code":"42501","message":"m"}"#);
        for answer in [seen(201, ""), seen(204, ""), seen(200, "[]")] {
            assert_eq!(kind(&post, &forbidden, &answer), Some(Kind::Leak));
        }
        let other = seen(400, r#"{"code":"22P02","message":"m"}"#);
        assert_eq!(kind(&post, &forbidden, &other), Some(Kind::Status));
        // A rule that is broken forbids the row, and nobody.
        let broken = seen(409, r#"{"code":"23505","message":"m"}"#);
        assert_eq!(kind(&post, &broken, &seen(201, "")), Some(Kind::Status));
    }

    #[test]
    fn what_is_not_determined_is_not_compared() {
        let mut get = Request::new("GET", "/rest/v1/t");
        let (one, other) = (seen(200, "[1,2]"), seen(200, "[2,1]"));
        assert_eq!(kind(&get, &one, &other), Some(Kind::Body));
        get.unordered = true;
        assert_eq!(kind(&get, &one, &other), None);
        let denied = |what: &str| {
            let body =
                format!(r#"{{"code":"42501","message":"permission denied for table {what}"}}"#);
            seen(403, &body)
        };
        assert_eq!(kind(&get, &denied("a"), &denied("b")), None);
    }
}
