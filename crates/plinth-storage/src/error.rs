//! What can go wrong, and how clients of the REST routes read it.
//!
//! Nearly every error of those routes comes with HTTP status 400 and carries the true status inside its body: clients compare
//! that one. The resumable and the S3 routes answer the true status ([`StorageError::status`]) in their own shapes.

use std::sync::Arc;

use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use plinth_http::{GateError, NoRoom, request_id};
use serde_json::json;

/// An error of the storage service. Its text is what the client reads, except for [`StorageError::is_ours`].
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// Missing, or private where nobody signed in.
    #[error("Bucket not found")]
    NoSuchBucket,
    /// Missing, or hidden by a policy: nobody learns which.
    #[error("Object not found")]
    NoSuchKey,
    #[error("Upload not found")]
    NoSuchUpload,
    /// An object of this name.
    #[error("The resource already exists")]
    AlreadyExists,
    #[error("The resource already exists")]
    BucketAlreadyExists,
    /// A policy, or a token that opens nothing.
    #[error("{0}")]
    AccessDenied(String),
    /// A route of one role, called by another: the one error of permission with a status of its own.
    #[error("Access denied: invalid role")]
    WrongRole,
    /// The key, not the text around it.
    #[error("Invalid key: {0}")]
    InvalidKey(String),
    #[error("Bucket name invalid")]
    InvalidBucketName,
    #[error("The bucket you tried to delete is not empty")]
    NotEmpty,
    /// The type.
    #[error("mime type {0} is not supported")]
    InvalidMimeType(String),
    #[error("The object exceeded the maximum allowed size")]
    TooLarge,
    /// A signed URL's token that is not genuine, or not a token.
    #[error("{0}")]
    InvalidJwt(String),
    /// A genuine token for something else.
    #[error("{0}")]
    InvalidSignature(String),
    #[error("{0}")]
    InvalidRequest(String),
    #[error("Missing Required Parameter {0}")]
    MissingParameter(&'static str),
    #[error("Invalid Parameter {0}")]
    InvalidParameter(String),
    /// A range that the object does not have.
    #[error("The requested range is not satisfiable")]
    InvalidRange {
        /// Bytes of the object.
        size: u64,
    },
    /// Somebody else writes it now.
    #[error("The resource is locked")]
    Locked,
    #[error("The bytes do not have the checksum that was announced")]
    Checksum,
    /// The check of uploads said no; its reason.
    #[error("{0}")]
    Rejected(String),
    /// The check of uploads could not be asked, so nothing was let in.
    #[error("The check of uploads does not answer: {0}")]
    CheckAway(String),
    #[error("The request body could not be read to its end")]
    Incomplete,
    #[error("The request body did not arrive in time")]
    TooSlow,
    #[error("{0} is not part of this server")]
    FeatureNotEnabled(&'static str),
    #[error("The server is busy; try again in {retry_after_seconds} s")]
    Busy { retry_after_seconds: u64 },
    /// No room for the bytes.
    #[error("The server has no room left; nothing was changed")]
    StoreFull,
    /// Where the bytes are does not answer. The cause is for the log.
    #[error("the store of files does not answer: {0}")]
    StoreAway(String),
    #[error(transparent)]
    Database(Arc<plinth_db::Error>),
    #[error("{0}")]
    Internal(String),
    /// The gate's own answer, in its own shape. That there is no key at all, clients of this service read in its shape.
    #[error("{0}")]
    Gate(GateError),
}

impl StorageError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        use plinth_db::Error;
        match self {
            StorageError::NoSuchBucket => "NoSuchBucket",
            StorageError::NoSuchKey => "NoSuchKey",
            StorageError::NoSuchUpload => "NoSuchUpload",
            StorageError::AlreadyExists => "KeyAlreadyExists",
            StorageError::BucketAlreadyExists => "BucketAlreadyExists",
            StorageError::AccessDenied(_) | StorageError::WrongRole | StorageError::Gate(_) => {
                "AccessDenied"
            }
            StorageError::InvalidKey(_) => "InvalidKey",
            StorageError::InvalidBucketName => "InvalidBucketName",
            StorageError::NotEmpty => "ResourceNotEmpty",
            StorageError::InvalidMimeType(_) => "InvalidMimeType",
            StorageError::TooLarge => "EntityTooLarge",
            StorageError::InvalidJwt(_) => "InvalidJWT",
            StorageError::InvalidSignature(_) => "InvalidSignature",
            StorageError::InvalidRequest(_) => "InvalidRequest",
            StorageError::MissingParameter(_) => "MissingParameter",
            StorageError::InvalidParameter(_) => "InvalidParameter",
            StorageError::InvalidRange { .. } => "InvalidRange",
            StorageError::Locked => "ResourceLocked",
            StorageError::Checksum => "InvalidChecksum",
            StorageError::Rejected(_) => "UploadRejected",
            StorageError::CheckAway(_) => "UploadCheckUnavailable",
            StorageError::Incomplete => "Aborted",
            StorageError::TooSlow => "RequestTimeout",
            StorageError::FeatureNotEnabled(_) => "FeatureNotEnabled",
            StorageError::Busy { .. } => "SlowDown",
            StorageError::StoreFull => "StorageFull",
            StorageError::StoreAway(_) => "StorageUnavailable",
            StorageError::Database(cause) => match &**cause {
                Error::Timeout => "DatabaseTimeout",
                Error::Busy { .. } => "SlowDown",
                Error::DiskFull => "StorageFull",
                Error::Sql(_)
                | Error::Closed
                | Error::Disk(_)
                | Error::Unavailable(_)
                | Error::Setup(_)
                | Error::Internal(_) => "DatabaseError",
            },
            StorageError::Internal(_) => "InternalError",
        }
    }

    /// The true status.
    pub(crate) fn status(&self) -> StatusCode {
        use plinth_db::Error;
        match self {
            StorageError::NoSuchBucket | StorageError::NoSuchKey | StorageError::NoSuchUpload => {
                StatusCode::NOT_FOUND
            }
            StorageError::AlreadyExists
            | StorageError::BucketAlreadyExists
            | StorageError::NotEmpty => StatusCode::CONFLICT,
            StorageError::AccessDenied(_) | StorageError::WrongRole => StatusCode::FORBIDDEN,
            StorageError::InvalidKey(_)
            | StorageError::InvalidBucketName
            | StorageError::InvalidJwt(_)
            | StorageError::InvalidSignature(_)
            | StorageError::InvalidRequest(_)
            | StorageError::MissingParameter(_)
            | StorageError::InvalidParameter(_)
            | StorageError::Checksum
            | StorageError::Incomplete => StatusCode::BAD_REQUEST,
            StorageError::InvalidMimeType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            StorageError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            StorageError::InvalidRange { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            StorageError::Locked => StatusCode::LOCKED,
            StorageError::Rejected(_) => StatusCode::UNPROCESSABLE_ENTITY,
            StorageError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            StorageError::FeatureNotEnabled(_) => StatusCode::NOT_FOUND,
            StorageError::StoreFull => StatusCode::INSUFFICIENT_STORAGE,
            // Not 429: it is the server that has too much to do, not the client that asks too often.
            StorageError::Busy { .. } | StorageError::StoreAway(_) | StorageError::CheckAway(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            StorageError::Database(cause) => match &**cause {
                // What clients of storage know a database that was too slow by.
                Error::Timeout => StatusCode::from_u16(544).unwrap_or(StatusCode::GATEWAY_TIMEOUT),
                Error::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
                Error::Busy { .. }
                | Error::Closed
                | Error::Disk(_)
                | Error::Unavailable(_)
                | Error::Setup(_) => StatusCode::SERVICE_UNAVAILABLE,
                Error::Sql(_) | Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            StorageError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            // To clients of this service a missing token is like one that opens nothing. What a key is refused for, the gateway
            // in front of all services answers.
            StorageError::Gate(GateError::NoKey) => StatusCode::FORBIDDEN,
            StorageError::Gate(_) => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether the cause is for the log alone.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(
            self,
            StorageError::Database(_)
                | StorageError::Internal(_)
                | StorageError::StoreAway(_)
                | StorageError::CheckAway(_)
        )
    }

    /// What the client reads. Of a fault of ours it learns the kind and the request's id, and the log gets the cause.
    pub(crate) fn told(&self) -> String {
        if !self.is_ours() {
            return self.to_string();
        }
        let id = request_id::current();
        // That the database is away its engine tells, once for all requests.
        if matches!(self, StorageError::Database(cause) if cause.is_away()) {
            tracing::debug!(request.id = %id, error = %self, "a storage request found no database");
        } else {
            tracing::error!(request.id = %id, error = %self, "a storage request failed for a reason of ours");
        }
        let kind = match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => "Internal server error",
            StatusCode::INSUFFICIENT_STORAGE => "The server has no room left; nothing was changed",
            _ => "The server cannot do this now; try again in a moment",
        };
        format!("{kind} (request {id})")
    }

    /// When to come back, where that helps.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            StorageError::Busy {
                retry_after_seconds,
            } => Some(*retry_after_seconds),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(AWAY_SECONDS),
            StorageError::StoreFull => Some(FULL_SECONDS),
            _ => None,
        }
    }

    /// The short name beside the message, which older clients compare.
    fn name(&self) -> &'static str {
        match self {
            StorageError::NoSuchBucket => "Bucket not found",
            StorageError::NoSuchKey => "not_found",
            StorageError::AlreadyExists | StorageError::BucketAlreadyExists => "Duplicate",
            StorageError::AccessDenied(_) | StorageError::Gate(_) => "Unauthorized",
            StorageError::InvalidBucketName => "Invalid Input",
            StorageError::InvalidMimeType(_) => "invalid_mime_type",
            StorageError::TooLarge => "Payload too large",
            StorageError::Database(_) | StorageError::Internal(_) => "internal",
            _ => self.code(),
        }
    }

    /// The status on the wire of the REST routes.
    fn outer_status(&self) -> StatusCode {
        match self {
            // Whoever asked for a range asks again by the size in the answer.
            StorageError::InvalidRange { .. }
            | StorageError::WrongRole
            | StorageError::FeatureNotEnabled(_) => self.status(),
            _ if self.status().is_server_error() => self.status(),
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// When to come back where something is away.
const AWAY_SECONDS: u64 = 2;
/// The same for a full disk: somebody has to make room.
const FULL_SECONDS: u64 = 30;

impl From<plinth_db::Error> for StorageError {
    fn from(error: plinth_db::Error) -> StorageError {
        use plinth_db::Error;
        match error {
            Error::Busy {
                retry_after_seconds,
            } => StorageError::Busy {
                retry_after_seconds,
            },
            // A policy or a missing grant; the text says which.
            Error::Sql(sql) if sql.code == "42501" => {
                StorageError::AccessDenied(sql.message.clone())
            }
            Error::Sql(sql) if sql.code == "23505" => match sql.constraint.as_deref() {
                Some("bname" | "buckets_pkey") => StorageError::BucketAlreadyExists,
                _ => StorageError::AlreadyExists,
            },
            // The bucket went away between the look at it and the row.
            Error::Sql(sql)
                if sql.code == "23503"
                    && sql.constraint.as_deref() == Some("objects_bucketId_fkey") =>
            {
                StorageError::NoSuchBucket
            }
            // What a trigger or a policy of the application raises on purpose.
            Error::Sql(sql) if sql.code == "P0001" => {
                StorageError::InvalidRequest(sql.message.clone())
            }
            // Data that are no data of their type: a NUL in a text, or a name that a policy reads as a uuid.
            Error::Sql(sql) if sql.code.starts_with("22") => {
                StorageError::InvalidRequest(sql.message.clone())
            }
            Error::DiskFull => StorageError::StoreFull,
            error => StorageError::Database(Arc::new(error)),
        }
    }
}

impl From<NoRoom> for StorageError {
    fn from(busy: NoRoom) -> StorageError {
        StorageError::Busy {
            retry_after_seconds: busy.retry_after_seconds(),
        }
    }
}

/// A key or token that opens nothing. Clients of this service expect its own shape for tokens, and the gateway's for keys.
impl From<GateError> for StorageError {
    fn from(error: GateError) -> StorageError {
        match error {
            GateError::Token(reason) => StorageError::AccessDenied(reason.to_string()),
            error => StorageError::Gate(error),
        }
    }
}

impl IntoResponse for StorageError {
    fn into_response(self) -> Response {
        if let StorageError::Gate(error) = &self
            && !matches!(error, GateError::NoKey)
        {
            return error.clone().into_response();
        }
        let status = self.status();
        let body = json!({
            "statusCode": status.as_u16().to_string(),
            "error": self.name(),
            "message": self.told(),
            "code": self.code(),
        });
        let mut response = (self.outer_status(), body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let StorageError::InvalidRange { size } = self
            && let Ok(range) = HeaderValue::try_from(format!("bytes */{size}"))
        {
            headers.insert(CONTENT_RANGE, range);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(error: StorageError) -> (StatusCode, serde_json::Value) {
        let (parts, body) = error.into_response().into_parts();
        let bytes = plinth_http::read_body(body, 10_000).await.unwrap();
        (parts.status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn the_true_status_is_inside() {
        let (status, body) = read(StorageError::NoSuchKey).await;
        assert_eq!(status, 400);
        assert_eq!(
            body,
            json!({"statusCode": "404", "error": "not_found", "message": "Object not found", "code": "NoSuchKey"})
        );
        let (status, body) = read(GateError::NoKey.into()).await;
        assert_eq!(status, 400);
        assert_eq!(
            body,
            json!({"statusCode": "403", "error": "Unauthorized", "message": "No API key found in request", "code": "AccessDenied"})
        );
        let (status, body) = read(StorageError::AlreadyExists).await;
        assert_eq!((status.as_u16(), &body["statusCode"]), (400, &json!("409")));
        assert_eq!(body["error"], "Duplicate");
    }

    #[tokio::test]
    async fn faults_of_ours_tell_nothing() {
        let (status, body) = read(StorageError::Internal("the secret reason".to_owned())).await;
        assert_eq!(status, 500);
        assert!(!body.to_string().contains("secret"), "{body}");
        let (status, body) = read(StorageError::StoreAway("http://10.0.0.7".to_owned())).await;
        assert_eq!(status, 503);
        assert!(!body.to_string().contains("10.0.0.7"), "{body}");
    }

    #[test]
    fn who_has_too_much_to_do_says_when_to_come_back() {
        let busy = StorageError::Busy {
            retry_after_seconds: 7,
        };
        let response = busy.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
        let waiting = plinth_db::Error::Busy {
            retry_after_seconds: 7,
        };
        let response = StorageError::from(waiting).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
    }
}
