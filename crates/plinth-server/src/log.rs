//! One span, one line and the figures of each request. Never a query string, a body or an address: those hold people's
//! data.

use std::borrow::Cow;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use metrics::{SharedString, counter, gauge, histogram};
use plinth_http::request_id;
use tracing::Instrument as _;

/// Counter of answers, by method, route and status.
pub const REQUESTS: &str = "plinth_http_requests_total";
/// Histogram of the time to the answer, by route.
pub const REQUEST_SECONDS: &str = "plinth_http_request_seconds";
/// Gauge of requests under way.
pub const REQUESTS_IN_FLIGHT: &str = "plinth_http_requests_in_flight";

/// The template of the path that was found, since paths hold names of tables and ids of people.
#[derive(Clone)]
pub(crate) enum Route {
    /// Known by the service's name.
    Known(&'static str),
    /// What the router found.
    Matched(MatchedPath),
}

impl Route {
    /// Nothing was reached.
    pub(crate) const NONE: Route = Route::Known("none");

    /// What a router noted in its answer.
    pub(crate) fn noted(response: &Response) -> Route {
        let noted = response.extensions().get::<Route>();
        noted.cloned().unwrap_or(Route::NONE)
    }

    fn name(&self) -> Cow<'static, str> {
        match self {
            Route::Known(name) => Cow::Borrowed(name),
            Route::Matched(path) => Cow::Owned(path.as_str().to_owned()),
        }
    }
}

/// Middleware of a service: notes in the answer which route gave it.
pub(crate) async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route::Matched(route));
    }
    response
}

/// Answers a request, and logs and counts it when that is done.
pub(crate) async fn logged<F>(request: Request, answer: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = (Response, Route)>,
{
    let span = tracing::info_span!(
        "request",
        request.id = %request_id::current(),
        http.method = %request.method(),
    );
    let method = known_method(request.method());
    let under_way = UnderWay::begin();
    let started = Instant::now();
    async move {
        let (response, route) = answer(request).await;
        drop(under_way);
        let took = started.elapsed();
        let status = response.status();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let route = route.name();
        tracing::info!(
            http.status = status.as_u16(),
            http.route = &*route,
            duration_ms,
            "answered {} in {duration_ms} ms",
            status.as_u16()
        );
        let route = SharedString::from(route);
        counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status.as_str().to_owned())
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
