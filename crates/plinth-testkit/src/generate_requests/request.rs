//! A request in pieces, so that each can be left out.

use serde_json::{Map, Value, json};

use super::values::SUBJECTS;
use crate::outcome::Who;

/// A request for both engines.
#[derive(Clone, Debug)]
pub struct Request {
    /// For whom.
    pub who: Who,
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Without its query, and not encoded.
    pub path: String,
    /// Names, and values that stand with commas between. Not encoded.
    pub query: Vec<(String, Vec<String>)>,
    /// Beside those that say who calls.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Option<Body>,
    /// The order of the answer's rows is not determined.
    pub unordered: bool,
    /// It may change several rows, in an order that is not determined.
    pub several: bool,
    /// It may change something.
    pub writes: bool,
    /// Requests of one shape differ in values and callers only.
    pub shape: u64,
}

/// Objects of a body, as keys and JSON.
#[derive(Clone, Debug)]
pub struct Body {
    /// The objects.
    pub rows: Vec<Vec<(String, String)>>,
    /// The only one stands by itself rather than in an array.
    pub single: bool,
}

impl Request {
    pub(super) fn new(method: &'static str, path: impl Into<String>) -> Request {
        Request {
            who: Who::postgres(),
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            unordered: false,
            several: false,
            writes: false,
            shape: 0,
        }
    }

    pub(super) fn header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(super) fn parameter(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.query.push((name.into(), vec![value.into()]));
    }

    /// Path and query, with what would end or change them encoded.
    pub fn target(&self) -> String {
        let pairs: Vec<String> = self
            .query
            .iter()
            .map(|(name, values)| format!("{}={}", encoded(name), encoded(&values.join(","))))
            .collect();
        let path = encoded(&self.path);
        if pairs.is_empty() {
            return path;
        }
        format!("{path}?{}", pairs.join("&"))
    }

    /// The text of the body.
    pub fn body_text(&self) -> Option<String> {
        let body = self.body.as_ref()?;
        let entry =
            |(key, value): &(String, String)| format!("{}:{value}", Value::from(key.as_str()));
        let object = |row: &Vec<(String, String)>| {
            let entries: Vec<String> = row.iter().map(entry).collect();
            format!("{{{}}}", entries.join(","))
        };
        let objects: Vec<String> = body.rows.iter().map(object).collect();
        Some(match (body.single, objects.as_slice()) {
            (true, [only]) => only.clone(),
            _ => format!("[{}]", objects.join(",")),
        })
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '&' | '+' | '#') || c <= ' ' {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Those who call, by number: nobody in particular, three who are signed in, and a server.
pub(super) fn caller(number: usize) -> Who {
    let claims = match number {
        1 => {
            json!({"org": "red", "rank": 5, "app_metadata": {"admin": true}, "orgs": ["red", "blue"]})
        }
        2 => json!({"org": "blue", "rank": 1}),
        _ => Value::Null,
    };
    let more = match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    };
    match number {
        0 => Who::with_claims("anon", None, more),
        1..=3 => Who::with_claims("authenticated", Some(SUBJECTS[number - 1]), more),
        _ => Who::with_claims("service_role", None, more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_value_is_encoded() {
        let mut request = Request::new("GET", "/rest/v1/Order Lines");
        request.parameter("Full Name", "eq.a&b");
        request
            .query
            .push(("select".to_owned(), vec!["a".to_owned(), "ö".to_owned()]));
        assert_eq!(
            request.target(),
            "/rest/v1/Order%20Lines?Full%20Name=eq.a%26b&select=a,ö"
        );
    }

    #[test]
    fn a_body_is_an_object_or_an_array() {
        let mut request = Request::new("POST", "/");
        let rows = vec![vec![("a".to_owned(), "1".to_owned())]];
        request.body = Some(Body { rows, single: true });
        assert_eq!(request.body_text().unwrap(), r#"{"a":1}"#);
        request.body.as_mut().unwrap().single = false;
        assert_eq!(request.body_text().unwrap(), r#"[{"a":1}]"#);
    }
}
