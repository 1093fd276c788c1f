//! Answers: status, headers and body of what was read or written.

use axum::body::Body;
use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use plinth_query::negotiate::Media;

use crate::error::Error;
use crate::exchange::Exchange;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");

/// An answer as far as it is known.
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Option<(Vec<u8>, &'static str)>,
}

impl Reply {
    pub(crate) fn new(status: StatusCode) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn content_range(self, range: impl Into<String>) -> Reply {
        self.header(CONTENT_RANGE, range)
    }

    /// `Preference-Applied`, when a preference was.
    pub(crate) fn applied(self, preferences: Option<String>) -> Reply {
        match preferences {
            Some(preferences) => self.header(PREFERENCE_APPLIED, preferences),
            None => self,
        }
    }

    pub(crate) fn body(mut self, body: Vec<u8>, content_type: &'static str) -> Reply {
        self.body = Some((body, content_type));
        self
    }

    /// The answer to this exchange: `HEAD` gets everything but the body.
    pub(crate) fn finish(self, exchange: &Exchange<'_>) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            // Names of tables and columns are percent-encoded by then, so every value is one.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        let Some((body, content_type)) = self.body else {
            return response;
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(VARY, HeaderValue::from_static("Accept, Prefer, Range"));
        if let Some(profile) = exchange
            .answered_profile()
            .and_then(|name| HeaderValue::from_str(name).ok())
        {
            headers.insert(CONTENT_PROFILE, profile);
        }
        if !exchange.is_head() {
            *response.body_mut() = body.into();
        }
        response
    }
}

/// The body of rows in a form: an array, or for the object forms its one element.
pub(crate) fn shaped(media: Media, body: Vec<u8>, rows: u64) -> Result<Vec<u8>, Error> {
    if !media.is_object() {
        return Ok(body);
    }
    if rows != 1 {
        return Err(plinth_query::Error::NotOneRow { rows }.into());
    }
    Ok(only_element(body))
}

/// `{…}` of `[{…}]`.
pub(crate) fn only_element(mut body: Vec<u8>) -> Vec<u8> {
    if body.first() == Some(&b'[') && body.last() == Some(&b']') {
        body.pop();
        body.remove(0);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_the_only_element() {
        assert_eq!(
            shaped(Media::Object, b"[{\"a\":1}]".to_vec(), 1).unwrap(),
            b"{\"a\":1}"
        );
        assert_eq!(shaped(Media::Json, b"[]".to_vec(), 0).unwrap(), b"[]");
        assert!(shaped(Media::Object, b"[]".to_vec(), 0).is_err());
        assert!(shaped(Media::ObjectStripped, b"[{},{}]".to_vec(), 2).is_err());
        assert_eq!(only_element(Vec::new()), b"");
    }
}
