//! Errors as clients of resumable uploads read them: the true status and a line of text.

use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::headers::{METHODS, TUS_VERSION, VERSION};
use crate::error::StorageError;

/// An error of the resumable routes.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum TusError {
    /// Missing, or another than ours.
    #[error("Tus-Resumable must be {}", VERSION)]
    Version,
    #[error("This path has no such method")]
    Method,
    /// The extension is not among those that `OPTIONS` names.
    #[error("Uploads are not put together from others here: Upload-Concat is not supported")]
    Concatenation,
    #[error("{header}: {problem}")]
    Header {
        header: &'static str,
        problem: &'static str,
    },
    #[error("Content-Type must be application/offset+octet-stream")]
    ContentType,
    #[error("The upload is at byte {at}: Upload-Offset must say so")]
    Offset { at: u64 },
    #[error("The upload has expired")]
    Gone,
    #[error("A finished upload cannot be terminated")]
    Finished,
    #[error("Too many uploads are unfinished; finish or terminate some of them")]
    TooManyOpen,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl TusError {
    /// A header that cannot be read or contradicts another.
    pub(crate) fn header(header: &'static str, problem: &'static str) -> TusError {
        TusError::Header { header, problem }
    }

    fn status(&self) -> StatusCode {
        match self {
            TusError::Version => StatusCode::PRECONDITION_FAILED,
            TusError::Method => StatusCode::METHOD_NOT_ALLOWED,
            TusError::Concatenation => StatusCode::NOT_IMPLEMENTED,
            TusError::Header { .. } | TusError::Finished => StatusCode::BAD_REQUEST,
            TusError::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            TusError::Offset { .. } => StatusCode::CONFLICT,
            TusError::Gone => StatusCode::GONE,
            TusError::TooManyOpen => StatusCode::TOO_MANY_REQUESTS,
            // The one status that the checksum extension brings of its own.
            TusError::Storage(StorageError::Checksum) => {
                StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
            }
            TusError::Storage(error) => error.status(),
        }
    }
}

/// The work of a transaction fails with what the database said.
impl From<plinth_db::Error> for TusError {
    fn from(error: plinth_db::Error) -> TusError {
        TusError::Storage(error.into())
    }
}

impl IntoResponse for TusError {
    fn into_response(self) -> Response {
        let text = match &self {
            TusError::Storage(error) => error.told(),
            other => other.to_string(),
        };
        let mut response = (self.status(), text).into_response();
        let headers = response.headers_mut();
        match &self {
            TusError::Version => {
                headers.insert(TUS_VERSION, HeaderValue::from_static(VERSION));
            }
            TusError::Method => {
                headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            }
            TusError::Storage(error) => {
                if let Some(seconds) = error.retry_after_seconds() {
                    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(error: TusError) -> (u16, String) {
        let (parts, body) = error.into_response().into_parts();
        let bytes = plinth_http::read_body(body, 10_000).await.unwrap();
        (
            parts.status.as_u16(),
            String::from_utf8(bytes.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn the_true_status_and_a_line_of_text() {
        assert_eq!(
            read(StorageError::NoSuchUpload.into()).await,
            (404, "Upload not found".to_owned())
        );
        assert_eq!(read(StorageError::Locked.into()).await.0, 423);
        assert_eq!(read(StorageError::TooLarge.into()).await.0, 413);
        assert_eq!(read(StorageError::Checksum.into()).await.0, 460);
        assert_eq!(
            read(TusError::Offset { at: 7 }).await,
            (
                409,
                "The upload is at byte 7: Upload-Offset must say so".to_owned()
            )
        );
        assert_eq!(read(TusError::Gone).await.0, 410);
        let (status, text) = read(StorageError::Internal("the reason".to_owned()).into()).await;
        assert!(status == 500 && !text.contains("the reason"), "{text}");
    }
}
