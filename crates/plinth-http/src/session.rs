//! What SQL and policies may know of a request.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use plinth_db::{Ambient, Session};
use serde_json::{Map, Value};

use crate::{Caller, Limits};

impl Caller {
    /// The session that this caller's statements run in.
    pub fn session(&self, limits: &Limits, settings: Ambient) -> Session {
        Session {
            role: self.role.clone(),
            claims: Some(Arc::clone(&self.claims_json)),
            settings,
            timeout: if self.is_anonymous() {
                limits.anonymous_statement_timeout
            } else {
                limits.statement_timeout
            },
        }
    }
}

/// `request.method`, `request.path` and their siblings, for a request to the service under `prefix`: SQL sees paths
/// within the service.
pub fn request_settings(parts: Arc<Parts>, prefix: &'static str) -> Ambient {
    Ambient::new(move || {
        let path = parts.uri.path();
        let path = path.strip_prefix(prefix).unwrap_or(path);
        let settings = [
            ("request.method", parts.method.to_string()),
            ("request.path", path.to_owned()),
            ("request.headers", headers_json(&parts.headers)),
            ("request.cookies", cookies_json(&parts.headers)),
        ];
        settings
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    })
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
        let request = axum::http::Request::get("/rest/v1/t?a=b")
            .header("x-region", "a")
            .header("x-region", "b")
            .header("cookie", "one=1; two=2=2; broken")
            .body(())
            .unwrap();
        let settings = request_settings(Arc::new(request.into_parts().0), "/rest/v1");
        let session = Caller::by_key(KeyKind::Publishable).session(&Limits::default(), settings);
        assert_eq!(session.role, "anon");
        assert_eq!(
            session
                .claims
                .map(|claims| claims.text().to_owned())
                .as_deref(),
            Some(r#"{"role":"anon"}"#)
        );
        assert_eq!(session.timeout.as_secs(), 3);
        let find = |name: &str| session.settings.get(name);
        assert_eq!(find("request.method"), Some("GET"));
        assert_eq!(find("request.path"), Some("/t"));
        assert_eq!(
            find("request.headers"),
            Some(r#"{"x-region":"a, b","cookie":"one=1; two=2=2; broken"}"#)
        );
        assert_eq!(find("request.cookies"), Some(r#"{"one":"1","two":"2=2"}"#));
    }
}
