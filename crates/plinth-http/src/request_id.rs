//! The id by which a request is found in the log.

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use uuid::Uuid;

/// Carries the id in every answer.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: Uuid;
}

/// The id of the request that this task serves; the nil id outside of one.
pub fn current() -> Uuid {
    CURRENT.try_with(|id| *id).unwrap_or_default()
}

/// The same work under the id of the request that this task serves, for what is spawned on its behalf: a task of its own has none.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(current(), work)
}

/// Gives what answers a request an id, and the answer its header.
pub async fn with_id<F: Future<Output = Response>>(answer: impl FnOnce() -> F) -> Response {
    // Version 7 sorts by time, as the log does.
    let id = Uuid::now_v7();
    let mut response = CURRENT.scope(id, answer()).await;
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.hyphenated().encode_lower(&mut text);
    if let Ok(value) = HeaderValue::from_str(text) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_spawned_for_a_request_has_its_id() {
        let ids = CURRENT.scope(Uuid::from_u128(7), async {
            let alone = tokio::spawn(async { current() });
            let carried = tokio::spawn(carried(async { current() }));
            (alone.await.unwrap(), carried.await.unwrap())
        });
        assert_eq!(ids.await, (Uuid::nil(), Uuid::from_u128(7)));
        assert_eq!(current(), Uuid::nil());
    }
}
