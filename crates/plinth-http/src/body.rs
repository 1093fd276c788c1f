//! Bodies with a bound.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::ApiError;

/// Longest a client may take to send a body. At the REST limit of 8 MiB that is some 2 Mbit/s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A body that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Larger than the route takes.
    #[error("the request body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What the route takes.
        limit_bytes: usize,
    },
    /// The client went away or sent nonsense.
    #[error("the request body could not be read to its end")]
    Incomplete,
    /// The client took too long.
    #[error("the request body did not arrive within {} s", TIMEOUT.as_secs())]
    TooSlow,
}

/// The whole body, when it is not larger than the limit. Never holds more than the limit in memory.
pub async fn read_body(body: Body, limit_bytes: usize) -> Result<Bytes, BodyError> {
    let whole = Limited::new(body, limit_bytes).collect();
    let Ok(read) = tokio::time::timeout(TIMEOUT, whole).await else {
        return Err(BodyError::TooSlow);
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit_bytes }),
        Err(_) => Err(BodyError::Incomplete),
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> ApiError {
        match error {
            BodyError::TooLarge { .. } => ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_entity_too_large",
                error.to_string(),
            ),
            BodyError::TooSlow => ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                error.to_string(),
            ),
            BodyError::Incomplete => {
                ApiError::new(StatusCode::BAD_REQUEST, "PGRST102", error.to_string())
            }
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        ApiError::from(self).into_response()
    }
}
