//! Cross-origin requests: any origin may call, since what opens a door is a key or token and never a cookie.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;

const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS");

/// For clients that ask without naming headers.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, x-client-info, apikey, content-type, x-retry-count, x-supabase-api-version, accept-profile, \
     content-profile, prefer, range, x-upsert, cache-control, x-metadata, x-signature, tus-resumable, upload-length, \
     upload-metadata, upload-offset, upload-defer-length, upload-checksum, upload-concat, x-http-method-override",
);

/// What scripts may read of an answer.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, \
     Range-Unit, Preference-Applied, Content-Profile, Retry-After, X-Total-Count, Link, X-Supabase-Api-Version, \
     X-Sb-Error-Code, X-Request-Id, Accept-Ranges, Content-Disposition, Content-Length, ETag, Last-Modified, \
     X-Transformations, Upload-Offset, Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Expires, Tus-Version, \
     Tus-Resumable, Tus-Max-Size, Tus-Extension, Tus-Checksum-Algorithm, Tus-Complete, x-amz-request-id, \
     x-amz-version-id, x-amz-checksum-crc32",
);

/// One day, in seconds. Browsers cap it lower themselves.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// Lets scripts of any origin read an answer.
pub(crate) fn open(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// Whether a browser asks beforehand. Other `OPTIONS` requests ask a service what it permits.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What browsers are told beforehand; such questions carry no key.
pub(crate) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // Echoed rather than listed: clients of many versions send headers of their own.
    let wanted = asked
        .get(ACCESS_CONTROL_REQUEST_HEADERS)
        .cloned()
        .unwrap_or(HEADERS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    headers.insert(
        VARY,
        HeaderValue::from_static("Access-Control-Request-Headers"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_browsers_questions_are_preflights() {
        let preflight = asked(&[
            ("origin", "http://a"),
            ("access-control-request-method", "GET"),
        ]);
        assert!(is_preflight(&Method::OPTIONS, &preflight));
        assert!(!is_preflight(
            &Method::OPTIONS,
            &asked(&[("origin", "http://a")])
        ));
        assert!(!is_preflight(&Method::GET, &preflight));
    }

    #[test]
    fn requested_headers_are_echoed() {
        let response = preflight(&asked(&[(
            "access-control-request-headers",
            "x-mine,apikey",
        )]));
        assert_eq!(response.status(), 204);
        assert_eq!(
            response.headers()[ACCESS_CONTROL_ALLOW_HEADERS],
            "x-mine,apikey"
        );
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[ACCESS_CONTROL_MAX_AGE], "86400");
        assert!(
            preflight(&HeaderMap::new())
                .headers()
                .contains_key(ACCESS_CONTROL_ALLOW_HEADERS)
        );
    }
}
