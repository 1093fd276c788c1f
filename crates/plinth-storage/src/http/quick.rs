//! Downloads without a router. They are what a site is asked for most, and its layers cost as much as finding the object. Whatever is not plainly a
//! download goes the long way, to the same handlers.

use axum::body::Body;
use axum::extract::{FromRequestParts as _, State};
use axum::http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use axum::http::{Method, Request};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;

use super::download;
use super::request::{Anybody, Parameters, Place, unreadable};
use crate::error::StorageError;
use crate::model::Who;
use crate::{PREFIX, Storage};

/// What follows `/object/` in paths that are not downloads, or need a second look.
const OTHERS: [&str; 7] = ["sign", "info", "upload", "list", "list-v2", "move", "copy"];

/// A plain download.
pub struct Download {
    road: Road,
    place: Result<Place, StorageError>,
}

/// Which one, as its route says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Road {
    Either,
    Authenticated,
    Public,
}

impl Download {
    /// The download that this request is, by its whole path; none where it is anything else.
    pub fn of(request: &Request<Body>) -> Option<Download> {
        let (road, bucket, name) = find(request)?;
        let place = Place::written(bucket, name);
        Some(Download { road, place })
    }

    /// Its route's template.
    pub fn route(&self) -> &'static str {
        match self.road {
            Road::Either => "/storage/v1/object/{bucket}/{*path}",
            Road::Authenticated => "/storage/v1/object/authenticated/{bucket}/{*path}",
            Road::Public => "/storage/v1/object/public/{bucket}/{*path}",
        }
    }
}

impl Storage {
    /// Answers a download, which must be that of the request.
    pub async fn download(&self, download: Download, request: Request<Body>) -> Response {
        self.follow(download, request).await.into_response()
    }

    async fn follow(
        &self,
        download: Download,
        request: Request<Body>,
    ) -> Result<Response, StorageError> {
        let Download { road, place } = download;
        let (mut parts, _no_body) = request.into_parts();
        let state = State(self.clone());
        // In the order in which handlers ask.
        match road {
            Road::Either => {
                let who = Anybody::from_request_parts(&mut parts, self).await?;
                let (place, query) = (place?, Parameters::of(&parts)?);
                download::either(state, who, place, query, parts.method, parts.headers).await
            }
            Road::Authenticated => {
                let who = Who::from_request_parts(&mut parts, self).await?;
                let (place, query) = (place?, Parameters::of(&parts)?);
                download::authenticated(state, who, place, query, parts.method, parts.headers).await
            }
            Road::Public => {
                let (place, query) = (place?, Parameters::of(&parts)?);
                download::public(state, place, query, parts.method, parts.headers).await
            }
        }
    }
}

/// The road, the bucket and the name as they are written.
fn find(request: &Request<Body>) -> Option<(Road, &str, &str)> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    // What becomes of a body that nobody reads is another's to see to.
    let has_body = [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT]
        .iter()
        .any(|name| request.headers().contains_key(name));
    if has_body {
        return None;
    }
    let within = request.uri().path().strip_prefix(PREFIX)?;
    let (first, rest) = within.strip_prefix("/object/")?.split_once('/')?;
    let (road, bucket, name) = match first {
        "authenticated" | "public" => {
            let road = match first {
                "public" => Road::Public,
                _ => Road::Authenticated,
            };
            let (bucket, name) = rest.split_once('/')?;
            (road, bucket, name)
        }
        other if OTHERS.contains(&other) => return None,
        bucket => (Road::Either, bucket, rest),
    };
    (!bucket.is_empty() && !name.is_empty()).then_some((road, bucket, name))
}

impl Place {
    /// As it is written in a path.
    fn written(bucket: &str, name: &str) -> Result<Place, StorageError> {
        let read = |text: &str| {
            let read = percent_decode_str(text).decode_utf8();
            read.map(String::from).map_err(|_| unreadable())
        };
        Place::checked(read(bucket)?, read(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Option<(Road, String, String)> {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let (road, bucket, name) = find(&request)?;
        Some((road, bucket.to_owned(), name.to_owned()))
    }

    #[test]
    fn downloads_are_found_as_the_router_would() {
        for (path, road, bucket, name) in [
            ("/object/a/b", Road::Either, "a", "b"),
            ("/object/a/b/c.png?download", Road::Either, "a", "b/c.png"),
            ("/object/a//b", Road::Either, "a", "/b"),
            ("/object/%70ublic/b", Road::Either, "%70ublic", "b"),
            ("/object/public/a/b/", Road::Public, "a", "b/"),
            ("/object/authenticated/a/b", Road::Authenticated, "a", "b"),
        ] {
            let expected = Some((road, bucket.to_owned(), name.to_owned()));
            let path = format!("/storage/v1{path}");
            assert_eq!(found("GET", &path), expected, "{path}");
            assert_eq!(found("HEAD", &path), expected, "{path}");
            assert_eq!(found("POST", &path), None, "{path}");
        }
    }

    #[test]
    fn all_else_goes_the_long_way() {
        for path in [
            "/storage/v1/object/a",
            "/storage/v1/object/a/",
            "/storage/v1/object//a",
            "/storage/v1/object/public/a",
            "/storage/v1/object/public/a/",
            "/storage/v1/object/public//a",
            "/storage/v1/object/sign/a/b",
            "/storage/v1/object/info/a/b",
            "/storage/v1/object/list/a/b",
            "/storage/v1/objects/a/b",
            "/storage/v1/bucket/a/b",
            "/rest/v1/object/a/b",
        ] {
            assert_eq!(found("GET", path), None, "{path}");
        }
        let mut request = Request::get("/storage/v1/object/a/b")
            .body(Body::empty())
            .unwrap();
        assert!(find(&request).is_some());
        request
            .headers_mut()
            .insert(CONTENT_LENGTH, axum::http::HeaderValue::from_static("5"));
        assert!(find(&request).is_none());
    }

    #[test]
    fn names_are_decoded_and_checked() {
        let place = Place::written("a%20b", "c%2Fd/%C3%A9+").unwrap();
        assert_eq!((&*place.bucket, &*place.name), ("a b", "c/d/\u{e9}+"));
        assert!(matches!(
            Place::written("a", "%ff"),
            Err(StorageError::InvalidRequest(_))
        ));
        assert!(matches!(
            Place::written("a%2fb", "c"),
            Err(StorageError::NoSuchBucket)
        ));
        assert!(matches!(
            Place::written("a", "%00"),
            Err(StorageError::InvalidKey(_))
        ));
    }
}
