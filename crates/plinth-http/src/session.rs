//! What SQL and policies may know of a request.

use std::sync::Arc;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, Method};
use plinth_db::Session;
use serde_json::{Map, Value};

use crate::{Caller, Limits};

impl Caller {
    /// The session that this caller's statements run in. `path` is relative to the service, as SQL sees it.
    pub fn session(
        &self,
        limits: &Limits,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Session {
        let settings = [
            ("request.method", method.to_string()),
            ("request.path", path.to_owned()),
            ("request.headers", headers_json(headers)),
            ("request.cookies", cookies_json(headers)),
        ];
        Session {
            role: self.role.clone(),
            claims: Some(Arc::clone(&self.claims_json)),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            timeout: if self.is_anonymous() {
                limits.anonymous_statement_timeout
            } else {
                limits.statement_timeout
            },
        }
    }
}

/// Names in lower case; a repeated header's values between commas.
fn headers_json(headers: &HeaderMap) -> String {
    let mut object = Map::new();
    for name in headers.keys() {
        let values = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        object.insert(
            name.to_string(),
            Value::String(values.collect::<Vec<_>>().join(", ")),
        );
    }
    Value::Object(object).to_string()
}

fn cookies_json(headers: &HeaderMap) -> String {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let object: Map<String, Value> = pairs
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect();
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyKind;

    #[test]
    fn sql_sees_the_request() {
        let mut headers = HeaderMap::new();
        headers.append("x-region", "a".parse().unwrap());
        headers.append("x-region", "b".parse().unwrap());
        headers.append("cookie", "one=1; two=2=2; broken".parse().unwrap());
        let session = Caller::by_key(KeyKind::Publishable).session(
            &Limits::default(),
            &Method::GET,
            "/t",
            &headers,
        );
        assert_eq!(session.role, "anon");
        assert_eq!(
            session
                .claims
                .map(|claims| claims.text().to_owned())
                .as_deref(),
            Some(r#"{"role":"anon"}"#)
        );
        assert_eq!(session.timeout.as_secs(), 3);
        let find = |name: &str| {
            session
                .settings
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(find("request.method"), Some("GET"));
        assert_eq!(find("request.path"), Some("/t"));
        assert_eq!(
            find("request.headers"),
            Some(r#"{"x-region":"a, b","cookie":"one=1; two=2=2; broken"}"#)
        );
        assert_eq!(find("request.cookies"), Some(r#"{"one":"1","two":"2=2"}"#));
    }
}
