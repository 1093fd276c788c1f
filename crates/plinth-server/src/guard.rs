//! Bounds on the head of a request, and in development on the name it calls us by.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use plinth_http::{ApiError, App, Limits, Mode, host};

/// Refuses what is too large before anything reads it.
pub(crate) fn check(app: &App, request: &Request) -> Result<(), ApiError> {
    let target = request.uri().path_and_query();
    check_size(
        &app.limits,
        target.map_or(0, |target| target.as_str().len()),
        request.headers(),
    )?;
    if app.mode == Mode::Dev {
        host::require_loopback(request)?;
    }
    Ok(())
}

fn check_size(limits: &Limits, target_bytes: usize, headers: &HeaderMap) -> Result<(), ApiError> {
    if target_bytes > limits.url_bytes {
        let message = format!("the URL is longer than {} bytes", limits.url_bytes);
        return Err(
            ApiError::new(StatusCode::URI_TOO_LONG, "uri_too_long", message)
                .hint("Long lists of values can be sent to a function with POST."),
        );
    }
    let header_bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if header_bytes > limits.header_bytes {
        let message = format!(
            "the headers are longer than {} bytes together",
            limits.header_bytes
        );
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(ApiError::new(status, "headers_too_large", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_have_bounds() {
        let limits = Limits {
            url_bytes: 10,
            header_bytes: 10,
            ..Limits::default()
        };
        let status = |bytes, value: &str| {
            let headers = HeaderMap::from_iter([("a".parse().unwrap(), value.parse().unwrap())]);
            check_size(&limits, bytes, &headers).map_err(|error| error.status.as_u16())
        };
        assert_eq!(status(10, "123456789"), Ok(()));
        assert_eq!(status(11, ""), Err(414));
        assert_eq!(status(1, "1234567890"), Err(431));
    }
}
