//! What clients send: JSON objects with a bound, in which every member is known.
//!
//! A member that nobody reads is refused by name. So a client that sends a price, a total or a state learns that these are not his
//! to say, instead of believing that they counted.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use plinth_http::{ApiError, read_body};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Largest body: 200 lines with their ids have some 20 KiB.
pub(crate) const BODY_BYTES: usize = 64 << 10;

/// The whole body, within the bound.
pub(crate) async fn bytes(body: Body) -> Result<Bytes, ApiError> {
    Ok(read_body(body, BODY_BYTES).await?)
}

/// Reads a JSON object into a request whose type denies unknown members.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let read: Result<Map<String, Value>, _> = serde_json::from_slice(bytes);
    // By way of an object: a struct would also be read from an array of its fields.
    let object = Value::Object(read.map_err(|error| unreadable(&error))?);
    if holds_nul(&object) {
        return Err(invalid("the body holds a text with a NUL character"));
    }
    serde_json::from_value(object).map_err(|error| unreadable(&error))
}

/// The same for requests that may come without a body.
pub(crate) fn parse_optional<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    match bytes.is_empty() {
        true => parse(b"{}"),
        false => parse(bytes),
    }
}

/// For members that may be left out, and are no null where they are there.
pub(crate) fn present<'de, T, D>(value: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(value).map(Some)
}

/// Something in the request is not of the right form.
pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "commerce_invalid_request", message)
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    // serde names the member that a type denies, and those that it has, between backticks.
    let Some(rest) = text.strip_prefix("unknown field `") else {
        return invalid(format!("the body cannot be read: {text}"));
    };
    let (name, known) = rest.split_once('`').unwrap_or((rest, ""));
    let shown: String = name.chars().take(SHOWN_CHARS).collect();
    let message = format!("the member \"{shown}\" is not known here");
    let error = ApiError::new(StatusCode::BAD_REQUEST, "commerce_unknown_member", message);
    let known = known.trim_start_matches([',', ' ']).replace('`', "");
    let hint = format!("Prices, totals and states are the server's to say; {known}.");
    error.maybe_hint((!known.is_empty()).then_some(hint))
}

/// How much of a stranger's text an error repeats.
const SHOWN_CHARS: usize = 60;

/// No database keeps such a text.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(entries) => entries
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        lines: Vec<Line>,
        email: Option<String>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        quantity: i64,
    }

    fn code(body: &str) -> String {
        parse::<Request>(body.as_bytes()).unwrap_err().code
    }

    #[test]
    fn members_that_nobody_reads_are_refused_by_name() {
        let read = parse::<Request>(br#"{"lines": [{"quantity": 2}]}"#).unwrap();
        assert_eq!((read.lines[0].quantity, read.email), (2, None));
        let refused = parse::<Request>(br#"{"lines": [{"quantity": 2, "unit_amount": 1}]}"#);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, "commerce_unknown_member");
        assert!(refused.message.contains("unit_amount"), "{refused:?}");
        assert_eq!(
            code(r#"{"lines": [], "total": 1}"#),
            "commerce_unknown_member"
        );
    }

    #[test]
    fn only_objects_with_the_right_types_are_read() {
        let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        for bad in [
            "",
            "[]",
            "null",
            "{}",
            r#"{"lines": 1}"#,
            r#"{"lines": [{"quantity": 1.5}]}"#,
            r#"{"lines": [{"quantity": 1e3}]}"#,
            r#"{"lines": [{"quantity": "1"}]}"#,
            r#"{"lines": [{"quantity": 9223372036854775808}]}"#,
            r#"{"lines": [], "email": "a\u0000b"}"#,
            &deep,
        ] {
            assert_eq!(code(bad), "commerce_invalid_request", "{bad:.40}");
        }
    }
}
