//! The headers of the protocol. What is repeated or does not parse is refused, never guessed at.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::error::TusError;

/// The version that is spoken.
pub(crate) const VERSION: &str = "1.0.0";
/// The extensions that are served.
pub(crate) const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum";
/// The methods of these routes.
pub(crate) const METHODS: &str = "OPTIONS,POST,HEAD,PATCH,DELETE";

pub(crate) const TUS_RESUMABLE: &str = "tus-resumable";
pub(crate) const TUS_VERSION: &str = "tus-version";
pub(crate) const TUS_EXTENSION: &str = "tus-extension";
pub(crate) const TUS_MAX_SIZE: &str = "tus-max-size";
pub(crate) const TUS_CHECKSUM_ALGORITHM: &str = "tus-checksum-algorithm";
pub(crate) const TUS_COMPLETE: &str = "tus-complete";
pub(crate) const UPLOAD_LENGTH: &str = "upload-length";
pub(crate) const UPLOAD_DEFER_LENGTH: &str = "upload-defer-length";
pub(crate) const UPLOAD_OFFSET: &str = "upload-offset";
pub(crate) const UPLOAD_METADATA: &str = "upload-metadata";
pub(crate) const UPLOAD_EXPIRES: &str = "upload-expires";
pub(crate) const UPLOAD_CHECKSUM: &str = "upload-checksum";
pub(crate) const UPLOAD_CONCAT: &str = "upload-concat";
/// `true` replaces an object that is there already.
pub(crate) const X_UPSERT: &str = "x-upsert";
/// The token of a signed upload.
pub(crate) const X_SIGNATURE: &str = "x-signature";
const METHOD_OVERRIDE: &str = "x-http-method-override";

/// The type of bodies that hold bytes of the file.
const OFFSET_TYPE: &str = "application/offset+octet-stream";
/// More than any file has, and a number that every database and client can hold. Larger ones count as this one, so
/// that they are too large rather than unreadable.
const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();

/// How long an upload will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Known(u64),
    /// The client says it later.
    Deferred,
}

impl Length {
    /// The number, once it is known.
    pub(crate) fn known(self) -> Option<u64> {
        match self {
            Length::Known(bytes) => Some(bytes),
            Length::Deferred => None,
        }
    }
}

/// What is asked for: `POST` may stand for a method that a client's surroundings do not let through.
pub(crate) fn method(method: &Method, headers: &HeaderMap) -> Result<Method, TusError> {
    if method != Method::POST {
        return Ok(method.clone());
    }
    match text(headers, METHOD_OVERRIDE)? {
        None => Ok(Method::POST),
        Some(name) => {
            let known = [Method::POST, Method::HEAD, Method::PATCH, Method::DELETE];
            let meant = known
                .into_iter()
                .find(|known| known.as_str().eq_ignore_ascii_case(name));
            meant.ok_or(TusError::Method)
        }
    }
}

/// Refuses other versions, and clients of something else.
pub(crate) fn require_version(headers: &HeaderMap) -> Result<(), TusError> {
    match text(headers, TUS_RESUMABLE) {
        Ok(Some(VERSION)) => Ok(()),
        _ => Err(TusError::Version),
    }
}

/// The length that an upload is made with.
pub(crate) fn new_length(headers: &HeaderMap) -> Result<Length, TusError> {
    let length = number(headers, UPLOAD_LENGTH)?;
    match (length, text(headers, UPLOAD_DEFER_LENGTH)?) {
        (Some(bytes), None) => Ok(Length::Known(bytes)),
        (None, Some("1")) => Ok(Length::Deferred),
        (_, Some(_)) => Err(TusError::header(
            UPLOAD_DEFER_LENGTH,
            "it must be 1, and stand without Upload-Length",
        )),
        (None, None) => Err(TusError::header(
            UPLOAD_LENGTH,
            "it or Upload-Defer-Length is required",
        )),
    }
}

/// The length that was deferred and comes now.
pub(crate) fn late_length(headers: &HeaderMap) -> Result<Option<u64>, TusError> {
    number(headers, UPLOAD_LENGTH)
}

/// Where the bytes of a body belong.
pub(crate) fn offset(headers: &HeaderMap) -> Result<u64, TusError> {
    number(headers, UPLOAD_OFFSET)?.ok_or_else(|| TusError::header(UPLOAD_OFFSET, "it is required"))
}

/// How long a body says that it is.
pub(crate) fn body_length(headers: &HeaderMap) -> Result<Option<u64>, TusError> {
    number(headers, "content-length")
}

/// Whether a body holds bytes of the file.
pub(crate) fn carries_bytes(headers: &HeaderMap) -> bool {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(OFFSET_TYPE))
}

/// Whether a header says `true`.
pub(crate) fn flag(headers: &HeaderMap, name: &'static str) -> Result<bool, TusError> {
    Ok(text(headers, name)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
}

/// The value of a header that stands at most once.
pub(crate) fn text<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, TusError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(TusError::header(name, "it is repeated"));
    }
    match value.to_str() {
        Ok(value) => Ok(Some(value.trim())),
        Err(_) => Err(TusError::header(
            name,
            "it holds other characters than ASCII",
        )),
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, TusError> {
    let Some(value) = text(headers, name)? else {
        return Ok(None);
    };
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TusError::header(name, "it must be a number of bytes"));
    }
    // Digits alone fail only where there are too many of them.
    Ok(Some(value.parse().unwrap_or(MAX_NUMBER).min(MAX_NUMBER)))
}

/// A time as HTTP writes it. `None` only for years that no upload lives to see.
pub(crate) fn http_date(at: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, axum::http::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn only_our_version_is_spoken() {
        assert!(require_version(&headers(&[("tus-resumable", "1.0.0")])).is_ok());
        for other in [
            headers(&[]),
            headers(&[("tus-resumable", "0.2.2")]),
            headers(&[("tus-resumable", "1.0.0"), ("tus-resumable", "1.0.0")]),
        ] {
            assert!(matches!(require_version(&other), Err(TusError::Version)));
        }
    }

    #[test]
    fn a_new_upload_has_a_length_or_defers_it() {
        let read = |lines: &[(&'static str, &'static str)]| new_length(&headers(lines));
        assert_eq!(read(&[("upload-length", "0")]).unwrap(), Length::Known(0));
        assert_eq!(
            read(&[("upload-length", "18446744073709551616")]).unwrap(),
            Length::Known(MAX_NUMBER)
        );
        assert_eq!(
            read(&[("upload-defer-length", "1")]).unwrap(),
            Length::Deferred
        );
        let bad: &[&[(&'static str, &'static str)]] = &[
            &[],
            &[("upload-length", "")],
            &[("upload-length", "-1")],
            &[("upload-length", "+1")],
            &[("upload-length", "1.0")],
            &[("upload-length", "0x10")],
            &[("upload-length", "1 2")],
            &[("upload-length", "5"), ("upload-length", "6")],
            &[("upload-defer-length", "0")],
            &[("upload-defer-length", "2")],
            &[("upload-length", "5"), ("upload-defer-length", "1")],
        ];
        for bad in bad {
            assert!(matches!(read(bad), Err(TusError::Header { .. })), "{bad:?}");
        }
    }

    #[test]
    fn offsets_are_numbers() {
        assert_eq!(offset(&headers(&[("upload-offset", " 12 ")])).unwrap(), 12);
        assert!(offset(&headers(&[])).is_err());
        assert!(offset(&headers(&[("upload-offset", "twelve")])).is_err());
    }

    #[test]
    fn post_may_stand_for_another_method() {
        let over = |asked: Method, name: &'static str| {
            method(&asked, &headers(&[("x-http-method-override", name)]))
        };
        assert_eq!(over(Method::POST, "PATCH").unwrap(), Method::PATCH);
        assert_eq!(over(Method::POST, "delete").unwrap(), Method::DELETE);
        assert!(over(Method::POST, "GET").is_err());
        assert!(over(Method::POST, "").is_err());
        // A method that is no POST means itself.
        assert_eq!(over(Method::GET, "DELETE").unwrap(), Method::GET);
        assert_eq!(method(&Method::POST, &headers(&[])).unwrap(), Method::POST);
    }

    #[test]
    fn the_type_of_a_body_says_whether_it_holds_bytes() {
        let carries = |value| carries_bytes(&headers(&[("content-type", value)]));
        assert!(carries("application/offset+octet-stream"));
        assert!(carries("Application/Offset+Octet-Stream; charset=x"));
        assert!(!carries("application/octet-stream"));
        assert!(!carries_bytes(&headers(&[])));
    }

    #[test]
    fn times_are_written_as_http_writes_them() {
        let at = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(
            http_date(at).as_deref(),
            Some("Fri, 02 Jan 2026 03:04:05 GMT")
        );
    }
}
