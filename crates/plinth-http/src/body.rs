//! Bodies with a bound.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::ApiError;

/// Longest a client may take to send a body. At the REST limit of 8 MiB that is some 2 Mbit/s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away. Closing on a client that still sends would reset the
/// connection, and the client would not see why; one that sends more than this is cut off nevertheless.
const DISCARDED_BYTES: u64 = 64 << 20;

/// Longest silence in what is thrown away.
const DISCARD_SILENCE: Duration = Duration::from_millis(500);

/// Longest wait for what is thrown away.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

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
pub async fn read_body(mut body: Body, limit_bytes: usize) -> Result<Bytes, BodyError> {
    // A length that is announced is known to be too large before anything of it has come.
    if body.size_hint().lower() <= limit_bytes as u64 {
        let whole = Limited::new(&mut body, limit_bytes).collect();
        match tokio::time::timeout(TIMEOUT, whole).await {
            Ok(Ok(collected)) => return Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {}
            Ok(Err(_)) => return Err(BodyError::Incomplete),
            Err(_) => return Err(BodyError::TooSlow),
        }
    }
    discard_body(body).await;
    Err(BodyError::TooLarge { limit_bytes })
}

/// Reads a body that nobody wants and throws it away, up to a bound, so that the client comes to read the answer.
pub async fn discard_body(body: Body) {
    // Whether the rest comes or not changes nothing.
    let _best_effort = tokio::time::timeout(DISCARD_TIMEOUT, discard(body)).await;
}

async fn discard(mut body: Body) {
    if body.size_hint().lower() > DISCARDED_BYTES {
        return;
    }
    let mut discarded = 0;
    // A client that waits for us to speak is told at once.
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(DISCARD_SILENCE, body.frame()).await {
        discarded += frame.data_ref().map_or(0, |data| data.len() as u64);
        if discarded > DISCARDED_BYTES {
            return;
        }
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
