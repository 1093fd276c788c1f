//! The error envelope: `{code, details, hint, message}`.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plinth_db::SqlError;
use serde_json::{Value, json};

use crate::{request_id, sqlstate};

/// An error as clients of REST read it. Where clients expect another shape (auth), the service has its own.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// The status.
    pub status: StatusCode,
    /// Stable; never changes its meaning.
    pub code: String,
    /// One line.
    pub message: String,
    /// A text or a document; null when there is nothing to add.
    pub details: Box<Value>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error without details and hint. A 401 gets its `WWW-Authenticate`.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> ApiError {
        let (message, details) = (message.into(), Box::new(Value::Null));
        let mut error = ApiError {
            status,
            code: code.to_owned(),
            message,
            details,
            hint: None,
            headers: Vec::new(),
        };
        if status == StatusCode::UNAUTHORIZED {
            error
                .headers
                .push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        error
    }

    /// What the database said. `anonymous` turns "you may not" into "sign in first".
    pub fn sql(error: &SqlError, anonymous: bool) -> ApiError {
        let status = sqlstate::status_of(&error.code, &error.message, anonymous);
        if error.code.starts_with("XX") {
            return internal_error(error);
        }
        ApiError::new(status, &error.code, &*error.message)
            .details(error.detail.clone().map_or(Value::Null, Value::String))
            .maybe_hint(error.hint.clone())
    }

    /// With details.
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> ApiError {
        self.details = Box::new(details.into());
        self
    }

    /// With a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> ApiError {
        self.maybe_hint(Some(hint.into()))
    }

    /// With a hint, when there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> ApiError {
        self.hint = hint;
        self
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> ApiError {
        self.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        self
    }
}

/// When to come back to a full disk: somebody has to make room.
const FULL_SECONDS: u64 = 30;
/// Which setting ends statements.
const TIMEOUT_HINT: &str = "It ran longer than limits.statement_timeout_ms (limits.anonymous_statement_timeout_ms without a session) lets it.";
/// A server that starts anew, or a standby that takes over, is back after some seconds.
const AWAY_SECONDS: u64 = 2;

/// A fault of ours: the log has what happened, the client gets the id to find it by.
pub fn internal_error(cause: impl std::fmt::Display) -> ApiError {
    let id = request_id::current();
    tracing::error!(request.id = %id, error = %cause, "a request failed for a reason of ours");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "PGRSTX00",
        "Internal server error",
    )
    .hint(format!(
        "The server's log has more under the request id {id}"
    ))
}

/// Only REST's mapping; auth has its own. The database's own troubles look alike everywhere.
impl From<plinth_db::Error> for ApiError {
    fn from(error: plinth_db::Error) -> ApiError {
        use plinth_db::Error;
        match error {
            Error::Sql(error) => ApiError::sql(&error, false),
            Error::Busy {
                retry_after_seconds,
            } => {
                let message = "Timed out acquiring connection from connection pool.";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST003", message)
                    .retry_after(retry_after_seconds)
            }
            Error::Timeout => ApiError::sql(
                &SqlError::new("57014", "canceling statement due to statement timeout")
                    .hint(TIMEOUT_HINT),
                false,
            ),
            Error::Closed => {
                let message = "The database is shutting down or not open";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST000", message).retry_after(1)
            }
            // A server that refuses us is mended without us, as one that is away.
            Error::Unavailable(cause) | Error::Setup(cause) => {
                // The engine tells it once for all of them.
                tracing::debug!(request.id = %request_id::current(), error = %cause, "the database is not available");
                let message = "The database is not available; try again in a moment";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "PGRST001", message)
                    .retry_after(AWAY_SECONDS)
            }
            Error::DiskFull => {
                tracing::error!(request.id = %request_id::current(), "the disk is full: a write was refused");
                let message = "The server has no room left; nothing was changed";
                ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "53100", message)
                    .retry_after(FULL_SECONDS)
            }
            Error::Disk(cause) => {
                tracing::error!(request.id = %request_id::current(), error = %cause, "the disk failed");
                let message = "The server could not read or write its database file";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "58030", message).retry_after(1)
            }
            Error::Internal(cause) => internal_error(cause),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "details": self.details,
            "hint": self.hint,
            "message": self.message,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if let Ok(proxy_status) = HeaderValue::try_from(format!("Plinth; error={}", self.code)) {
            headers.insert("proxy-status", proxy_status);
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_refuses_us_may_let_us_in_later() {
        let refused = plinth_db::Error::Setup("look at pg_hba.conf".to_owned());
        let answer = ApiError::from(refused);
        assert_eq!(
            (answer.status.as_u16(), answer.code.as_str()),
            (503, "PGRST001")
        );
        assert!(answer.headers.iter().any(|(name, _)| name == RETRY_AFTER));
        assert!(!answer.message.contains("pg_hba"), "{}", answer.message);
    }
}
