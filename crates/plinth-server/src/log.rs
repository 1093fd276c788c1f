//! One span, one line and the figures of each request. Never a query string, a body or an address: those hold people's
//! data.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, gauge, histogram};
use plinth_http::request_id;
use tracing::Instrument as _;

/// Counter of answers, by method, route and status.
pub const REQUESTS: &str = "plinth_http_requests_total";
/// Histogram of the time to the answer, by route.
pub const REQUEST_SECONDS: &str = "plinth_http_request_seconds";
/// Gauge of requests under way.
pub const REQUESTS_IN_FLIGHT: &str = "plinth_http_requests_in_flight";

/// The template of the path that was found within a service.
#[derive(Clone)]
struct Route(MatchedPath);

/// Middleware of a service: tells [`request`] which route answered.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

/// Middleware: logs and counts the request when it is answered.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "request",
        request.id = %request_id::current(),
        http.method = %request.method(),
    );
    let method = known_method(request.method());
    let own = request.extensions().get::<MatchedPath>().cloned();
    let under_way = UnderWay::begin();
    let started = Instant::now();
    async move {
        let response = next.run(request).await;
        drop(under_way);
        let took = started.elapsed();
        let status = response.status().as_u16();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let inner = response.extensions().get::<Route>();
        let inner = inner.map(|Route(path)| path.as_str());
        let route = inner.or(own.as_ref().map(MatchedPath::as_str));
        let route = route.unwrap_or("none").to_owned();
        tracing::info!(
            http.status = status,
            http.route = route,
            duration_ms,
            "answered {status} in {duration_ms} ms"
        );
        counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.to_string())
            .increment(1);
        histogram!(REQUEST_SECONDS, "route" => route).record(took);
        response
    }
    .instrument(span)
    .await
}

/// A request that is being worked on, however it ends.
struct UnderWay;

impl UnderWay {
    fn begin() -> UnderWay {
        gauge!(REQUESTS_IN_FLIGHT).increment(1.0);
        UnderWay
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        gauge!(REQUESTS_IN_FLIGHT).decrement(1.0);
    }
}

/// Methods are anything a client writes; labels are not.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
