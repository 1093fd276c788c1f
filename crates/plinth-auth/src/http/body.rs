//! What clients send: JSON bodies with a bound, and query parameters.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use plinth_http::{BodyError, read_body};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::AuthApp;
use crate::error::AuthError;

/// Reads a JSON object into a request.
pub(crate) async fn json<T: DeserializeOwned>(auth: &AuthApp, body: Body) -> Result<T, AuthError> {
    parse(&bytes(auth, body).await?)
}

/// The same for requests that may come without a body.
pub(crate) async fn optional_json<T: DeserializeOwned + Default>(
    auth: &AuthApp,
    body: Body,
) -> Result<T, AuthError> {
    let bytes = bytes(auth, body).await?;
    if bytes.is_empty() {
        Ok(T::default())
    } else {
        parse(&bytes)
    }
}

/// Query parameters; of a repeated one the last counts.
pub(crate) struct Parameters(HashMap<String, String>);

impl Parameters {
    /// As if nothing but `redirect_to` had been sent.
    pub(crate) fn redirect_to(url: Option<&str>) -> Parameters {
        let pair = url.map(|url| ("redirect_to".to_owned(), url.to_owned()));
        Parameters(pair.into_iter().collect())
    }

    /// A parameter that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters, AuthError> {
        let read = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let Query(map) = read.map_err(|error| AuthError::validation(error.to_string()))?;
        Ok(Parameters(map))
    }
}

async fn bytes(auth: &AuthApp, body: Body) -> Result<bytes::Bytes, AuthError> {
    read_body(body, auth.app.limits.auth_body_bytes)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge { .. } => AuthError::TooLarge,
            BodyError::Incomplete => AuthError::BadJson(error.to_string()),
            BodyError::TooSlow => AuthError::SlowBody,
            BodyError::NoRoom(busy) => AuthError::Busy {
                retry_after_seconds: busy.retry_after_seconds(),
            },
        })
}

/// By way of an object: a struct would also be read from an array of its fields.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AuthError> {
    let bad = |error: serde_json::Error| AuthError::BadJson(error.to_string());
    let object: Map<String, Value> = serde_json::from_slice(bytes).map_err(bad)?;
    serde_json::from_value(Value::Object(object)).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Request {
        email: Option<String>,
    }

    #[test]
    fn only_objects_with_the_right_types_are_read() {
        assert_eq!(
            parse::<Request>(br#"{"email":"a","more":[1]}"#)
                .unwrap()
                .email
                .as_deref(),
            Some("a")
        );
        assert_eq!(parse::<Request>(br#"{"email":null}"#).unwrap().email, None);
        let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        for bad in [
            "",
            "{",
            "[]",
            r#"["a"]"#,
            "null",
            r#"{"email":1}"#,
            "{\"email\":\"\u{1}\"}",
            &deep,
        ] {
            assert!(
                matches!(parse::<Request>(bad.as_bytes()), Err(AuthError::BadJson(_))),
                "{bad:.40}"
            );
        }
        assert!(parse::<Request>(b"{\"email\":\"\xff\"}").is_err());
    }
}
