//! One span and one line for each request. Never a query string, a body or an address: those hold people's data.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use plinth_http::request_id;
use tracing::Instrument as _;

/// Middleware: logs the request when it is answered.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        request.id = %request_id::current(),
        http.method = %request.method(),
        http.route = route,
    );
    let started = Instant::now();
    async move {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            http.status = status,
            duration_ms,
            "answered {status} in {duration_ms} ms"
        );
        response
    }
    .instrument(span)
    .await
}
