//! The documented forms of a refusal, and tables of requests that must be refused.

use serde_json::Value;

use crate::server::Server;
use plinth_testkit::http::{Answer, Request};

/// A request, the status it must have, and the code.
pub(crate) type Refused = (Request, u16, &'static str);

/// Fails with all the requests that are not refused as the table says, in the form of `/rest/v1`.
pub(crate) fn check(server: &Server, table: impl IntoIterator<Item = Refused>) {
    report(table, |request| server.ask(request), rest_difference);
}

/// The same in the form of `/auth/v1`.
pub(crate) fn check_auth(server: &Server, table: impl IntoIterator<Item = Refused>) {
    report(table, |request| server.ask(request), auth_difference);
}

/// The same for requests that carry the service key.
pub(crate) fn check_admin(server: &Server, table: impl IntoIterator<Item = Refused>) {
    report(
        table,
        |request| server.ask_as_admin(request),
        auth_difference,
    );
}

/// How an answer differs from `{code, message, details, hint}` with this status and code.
pub(crate) fn rest_difference(answer: &Answer, status: u16, code: &str) -> Option<String> {
    let body = answer.json();
    let keys: Vec<&str> = body
        .as_object()
        .map(|object| object.keys().map(String::as_str).collect())
        .unwrap_or_default();
    if !["code", "message", "details", "hint"]
        .iter()
        .all(|key| keys.contains(key))
        || keys.len() != 4
    {
        return Some("the body is not {code, message, details, hint}".to_owned());
    }
    if !says_something(&body["message"]) {
        return Some("the message says nothing".to_owned());
    }
    if !(body["hint"].is_null() || says_something(&body["hint"])) {
        return Some("the hint says nothing".to_owned());
    }
    let same = answer.status == status && body["code"] == code;
    (!same).then(|| format!("expected {status} {code}"))
}

/// How an answer differs from `{code: status, error_code, msg}` with this status and code.
pub(crate) fn auth_difference(answer: &Answer, status: u16, code: &str) -> Option<String> {
    let body = answer.json();
    if body["code"] != answer.status || !says_something(&body["msg"]) {
        return Some("the body is not {code: status, error_code, msg}".to_owned());
    }
    let same = answer.status == status && body["error_code"] == code;
    (!same).then(|| format!("expected {status} {code}"))
}

fn report(
    table: impl IntoIterator<Item = Refused>,
    ask: impl Fn(&Request) -> Answer,
    difference: impl Fn(&Answer, u16, &str) -> Option<String>,
) {
    let mut wrong = Vec::new();
    for (request, status, code) in table {
        let answer = ask(&request);
        if let Some(difference) = difference(&answer, status, code) {
            wrong.push(format!(
                "{request}\n  {difference}, got {} {}",
                answer.status,
                answer.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn says_something(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}
