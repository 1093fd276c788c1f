//! Connections after a refusal.
//!
//! An upload is often refused before its body has been read to the end. The connection closes then, because the rest is still
//! to come on it; a client that keeps connections for later has to be told, or its next request goes into a closed one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;

/// A body up to this size comes along with its head, and the server reads it whether or not anybody wants it.
const WITH_HEAD_BYTES: u64 = 4 << 10;
/// Of larger bodies it is not asked whether they were read: beside them another connection costs nothing. Readers must see their
/// length, which one that is counted does not show, to know what is too much to throw away.
const COUNTED_BYTES: u64 = 64 << 20;

/// Middleware: says in a refusal that the connection closes, where the request's body may not have been read to its end.
pub(crate) async fn after_refusal(request: Request, next: Next) -> Response {
    if !may_be_unread(request.headers()) {
        return next.run(request).await;
    }
    let read = Arc::new(AtomicU64::new(0));
    let counted = length(request.headers()).filter(|bytes| *bytes <= COUNTED_BYTES);
    let request = match counted {
        Some(_) => request.map(|body| count(body, Arc::clone(&read))),
        None => request,
    };
    let mut response = next.run(request).await;
    let status = response.status();
    let is_read = counted.is_some_and(|bytes| read.load(Ordering::Relaxed) >= bytes);
    if !is_read && (status.is_client_error() || status.is_server_error()) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

fn may_be_unread(head: &HeaderMap) -> bool {
    // A client that waits for permission has sent nothing yet.
    if head.contains_key(EXPECT) {
        return true;
    }
    match length(head) {
        Some(bytes) => bytes > WITH_HEAD_BYTES,
        None => head.contains_key(CONTENT_LENGTH) || head.contains_key(TRANSFER_ENCODING),
    }
}

/// Bytes of the body, as far as that was said: of chunks nobody knows how many come.
fn length(head: &HeaderMap) -> Option<u64> {
    if head.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    head.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn count(body: Body, read: Arc<AtomicU64>) -> Body {
    Body::new(body.map_frame(move |frame| {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        read.fetch_add(bytes, Ordering::Relaxed);
        frame
    }))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Bytes;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_connection_whose_body_was_read_stays() {
        let router = Router::new()
            .route("/read", post(|_: Bytes| async { StatusCode::CONFLICT }))
            .route("/unread", post(|| async { StatusCode::CONFLICT }))
            .layer(from_fn(after_refusal));
        for (path, closes) in [("/read", false), ("/unread", true)] {
            let request = axum::http::Request::post(path)
                .header(CONTENT_LENGTH, 8192)
                .body(Body::from(vec![0; 8192]))
                .unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::CONFLICT);
            assert_eq!(answer.headers().contains_key(CONNECTION), closes, "{path}");
        }
    }

    #[test]
    fn only_small_bodies_are_read_in_any_case() {
        let unread = |name: &str, value: &str| {
            let name = axum::http::HeaderName::try_from(name).unwrap();
            let value = HeaderValue::try_from(value).unwrap();
            may_be_unread(&HeaderMap::from_iter([(name, value)]))
        };
        assert!(!may_be_unread(&HeaderMap::new()));
        assert!(!unread("content-length", "0"));
        assert!(!unread("content-length", "4096"));
        assert!(unread("content-length", "4097"));
        assert!(unread("content-length", "99999999999999999999999"));
        assert!(unread("transfer-encoding", "chunked"));
        assert!(unread("expect", "100-continue"));
    }
}
