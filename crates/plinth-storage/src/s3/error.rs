//! Errors as S3 clients read them: S3's codes with their true statuses.

use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use plinth_http::request_id;
use s3s::{S3Error, S3ErrorCode};

use crate::error::StorageError;

impl From<StorageError> for S3Error {
    fn from(error: StorageError) -> S3Error {
        let code = code(&error);
        let known_status = code.status_code();
        let mut s3_error = S3Error::with_message(code, message(&error));
        if known_status.is_none() {
            s3_error.set_status_code(error.status());
        }
        s3_error.set_request_id(request_id::current().to_string());
        if let Some(headers) = headers(&error) {
            s3_error.set_headers(headers);
        }
        s3_error
    }
}

/// S3's own code where it has one, else ours.
fn code(error: &StorageError) -> S3ErrorCode {
    use plinth_db::Error;
    match error {
        StorageError::NoSuchBucket => S3ErrorCode::NoSuchBucket,
        StorageError::NoSuchKey => S3ErrorCode::NoSuchKey,
        StorageError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        // Only a write that asked for this (`If-None-Match: *`) is refused for it.
        StorageError::AlreadyExists => S3ErrorCode::PreconditionFailed,
        StorageError::BucketAlreadyExists => S3ErrorCode::BucketAlreadyOwnedByYou,
        StorageError::AccessDenied(_)
        | StorageError::WrongRole
        | StorageError::Gate(_)
        | StorageError::InvalidJwt(_)
        | StorageError::InvalidSignature(_)
        | StorageError::Rejected(_) => S3ErrorCode::AccessDenied,
        StorageError::InvalidBucketName => S3ErrorCode::InvalidBucketName,
        StorageError::NotEmpty => S3ErrorCode::BucketNotEmpty,
        StorageError::TooLarge => S3ErrorCode::EntityTooLarge,
        StorageError::InvalidRequest(_) => S3ErrorCode::InvalidRequest,
        StorageError::MissingParameter(_) | StorageError::InvalidParameter(_) => {
            S3ErrorCode::InvalidArgument
        }
        StorageError::InvalidRange { .. } => S3ErrorCode::InvalidRange,
        StorageError::Locked => S3ErrorCode::OperationAborted,
        StorageError::Checksum => S3ErrorCode::BadDigest,
        StorageError::Incomplete => S3ErrorCode::IncompleteBody,
        StorageError::TooSlow => S3ErrorCode::RequestTimeout,
        StorageError::FeatureNotEnabled(_) => S3ErrorCode::NotImplemented,
        StorageError::Busy { .. } => S3ErrorCode::SlowDown,
        StorageError::StoreAway(_) | StorageError::CheckAway(_) => S3ErrorCode::ServiceUnavailable,
        StorageError::Database(cause) => match &**cause {
            Error::Timeout
            | Error::Busy { .. }
            | Error::Closed
            | Error::Disk(_)
            | Error::Unavailable(_)
            | Error::Setup(_) => S3ErrorCode::ServiceUnavailable,
            Error::DiskFull => named(error.code()),
            Error::Sql(_) | Error::Internal(_) => S3ErrorCode::InternalError,
        },
        StorageError::Internal(_) => S3ErrorCode::InternalError,
        StorageError::InvalidKey(_)
        | StorageError::InvalidMimeType(_)
        | StorageError::StoreFull => named(error.code()),
    }
}

/// A code that S3 does not have. Clients show it as it is.
pub(super) fn named(code: &str) -> S3ErrorCode {
    code.parse().unwrap_or(S3ErrorCode::InternalError)
}

fn message(error: &StorageError) -> String {
    match error {
        StorageError::NoSuchBucket => "The specified bucket does not exist".to_owned(),
        StorageError::NoSuchKey => "The specified key does not exist.".to_owned(),
        StorageError::NoSuchUpload => "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.".to_owned(),
        StorageError::AlreadyExists => {
            "At least one of the pre-conditions you specified did not hold".to_owned()
        }
        StorageError::BucketAlreadyExists => "The bucket exists already".to_owned(),
        error => error.told(),
    }
}

/// They take the place of all headers that the answer would have.
fn headers(error: &StorageError) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if let Some(seconds) = error.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let StorageError::InvalidRange { size } = error
        && let Ok(range) = HeaderValue::try_from(format!("bytes */{size}"))
    {
        headers.insert(CONTENT_RANGE, range);
    }
    if headers.is_empty() {
        return None;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Some(headers)
}

/// An error of a code that S3 does not have.
pub(super) fn custom(code: &str, status: StatusCode, message: &'static str) -> S3Error {
    let mut error = S3Error::with_message(named(code), message);
    error.set_status_code(status);
    error
}

/// What is part of S3 and not of this server, by its name.
pub(super) fn not_implemented(what: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::NotImplemented,
        format!("{what} is not part of this server"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_are_those_of_s3() {
        for (error, code, status) in [
            (StorageError::NoSuchBucket, "NoSuchBucket", 404),
            (StorageError::NoSuchKey, "NoSuchKey", 404),
            (StorageError::NoSuchUpload, "NoSuchUpload", 404),
            (StorageError::AlreadyExists, "PreconditionFailed", 412),
            (
                StorageError::BucketAlreadyExists,
                "BucketAlreadyOwnedByYou",
                409,
            ),
            (StorageError::NotEmpty, "BucketNotEmpty", 409),
            (
                StorageError::AccessDenied(String::new()),
                "AccessDenied",
                403,
            ),
            (StorageError::TooLarge, "EntityTooLarge", 400),
            (StorageError::InvalidRange { size: 3 }, "InvalidRange", 416),
            (
                StorageError::InvalidKey("a//b".to_owned()),
                "InvalidKey",
                400,
            ),
            (
                StorageError::InvalidMimeType("a/b".to_owned()),
                "InvalidMimeType",
                415,
            ),
            (StorageError::StoreFull, "StorageFull", 507),
            (
                StorageError::StoreAway(String::new()),
                "ServiceUnavailable",
                503,
            ),
            (
                StorageError::Busy {
                    retry_after_seconds: 2,
                },
                "SlowDown",
                503,
            ),
            (
                StorageError::Internal("secret".to_owned()),
                "InternalError",
                500,
            ),
        ] {
            let s3_error = S3Error::from(error);
            assert_eq!(s3_error.code().as_str(), code);
            assert_eq!(
                s3_error.status_code().map(|status| status.as_u16()),
                Some(status),
                "{code}"
            );
            assert!(!s3_error.message().unwrap_or_default().contains("secret"));
        }
    }

    #[test]
    fn a_range_beyond_the_end_says_where_the_end_is() {
        let error = S3Error::from(StorageError::InvalidRange { size: 3 });
        let headers = error.headers().unwrap();
        assert_eq!(headers[CONTENT_RANGE], "bytes */3");
        assert_eq!(headers[CONTENT_TYPE], "application/xml");
    }
}
