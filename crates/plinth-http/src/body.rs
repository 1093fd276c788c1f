//! Bodies with a bound, each for itself and all of them together.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use crate::pace::Pace;
use crate::{ApiError, Budget, NoRoom, Room};

/// Longest a client may take to send a body. At the REST limit of 8 MiB that is some 2 Mbit/s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a body for which nobody is asked, so that ordinary requests pay nothing. As many connections as there are may hold so much.
const FREE_BYTES: usize = 64 << 10;

/// Bytes of all bodies together, beyond what each has free: some thirty at the REST limit.
const ALL_BYTES: usize = 256 << 20;

/// Longest wait for room. Whoever is at work with a large body gives it back sooner; who has stalled may keep it for [`TIMEOUT`].
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of a body that is refused is read and thrown away. Closing on a client that still sends would reset the
/// connection, and the client would not see why; one that sends more than this is cut off nevertheless.
const DISCARDED_BYTES: u64 = 64 << 20;

/// The same of all connections in a second, beyond what one may send. Reading what nobody wants costs the processor as much as reading what
/// somebody does: a hundred clients that send as fast as they can would have half of it. Less, and most of them would not hear why.
const DISCARDED_BYTES_PER_SECOND: u64 = 256 << 20;

/// Longest silence in what is thrown away.
const DISCARD_SILENCE: Duration = Duration::from_millis(500);

/// Longest wait for what is thrown away.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// A body that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Larger than the route takes.
    #[error("the request body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What the route takes.
        limit_bytes: usize,
    },
    /// The client went away or sent nonsense.
    #[error("the request body could not be read to its end")]
    Incomplete,
    /// The client took too long.
    #[error("the request body did not arrive within {} s", TIMEOUT.as_secs())]
    TooSlow,
    /// Other bodies have all the memory that bodies may have.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// The whole body, when it is not larger than the limit. Never holds more than the limit in memory, and of all bodies that are being read or
/// worked on never more than fits: large ones have their room until the bytes are dropped.
pub async fn read_body(body: Body, limit_bytes: usize) -> Result<Bytes, BodyError> {
    static ALL: LazyLock<Budget> = LazyLock::new(|| Budget::new(ALL_BYTES, PATIENCE));
    read_within(body, limit_bytes, &ALL).await
}

async fn read_within(
    mut body: Body,
    limit_bytes: usize,
    budget: &Budget,
) -> Result<Bytes, BodyError> {
    // A length that is announced is known to be too large before anything of it has come.
    let read = if body.size_hint().lower() > limit_bytes as u64 {
        Err(BodyError::TooLarge { limit_bytes })
    } else {
        let whole = gather(&mut body, limit_bytes, budget);
        let read = tokio::time::timeout(TIMEOUT, whole).await;
        read.unwrap_or(Err(BodyError::TooSlow))
    };
    if let Err(BodyError::TooLarge { .. } | BodyError::NoRoom(_)) = read {
        discard_body(body).await;
    }
    read
}

async fn gather(body: &mut Body, limit_bytes: usize, budget: &Budget) -> Result<Bytes, BodyError> {
    let mut room = Room::default();
    // Most bodies come in one piece, and that stays as it is. Of several, each would keep alive all of what it was read into, which for a
    // client that sends byte by byte is 8 KiB a byte; so they are copied.
    let mut only = Bytes::new();
    let mut several = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else {
            continue;
        };
        length += piece.len();
        if length > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        let beyond = length.saturating_sub(FREE_BYTES);
        budget.grow(&mut room, beyond).await?;
        if length == piece.len() {
            only = piece;
        } else {
            several.extend_from_slice(&std::mem::take(&mut only));
            several.extend_from_slice(&piece);
        }
    }
    Ok(room.hold(if several.is_empty() {
        only
    } else {
        several.into()
    }))
}

/// Reads a body that nobody wants and throws it away, up to a bound, so that the client comes to read the answer. Where many are thrown away
/// at once they take turns, and some are cut off.
pub async fn discard_body(body: Body) {
    // Whether the rest comes or not changes nothing.
    let _best_effort = tokio::time::timeout(DISCARD_TIMEOUT, discard(body)).await;
}

async fn discard(mut body: Body) {
    static ALL: Pace = Pace::new(DISCARDED_BYTES_PER_SECOND, DISCARDED_BYTES);
    if body.size_hint().lower() > DISCARDED_BYTES {
        return;
    }
    let mut discarded = 0;
    // A client that waits for us to speak is told at once.
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(DISCARD_SILENCE, body.frame()).await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        drop(frame);
        discarded += bytes;
        if discarded > DISCARDED_BYTES {
            return;
        }
        ALL.take(bytes).await;
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> ApiError {
        match error {
            BodyError::TooLarge { .. } => ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request_entity_too_large",
                error.to_string(),
            ),
            BodyError::TooSlow => ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                error.to_string(),
            ),
            BodyError::Incomplete => {
                ApiError::new(StatusCode::BAD_REQUEST, "PGRST102", error.to_string())
            }
            BodyError::NoRoom(busy) => ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "server_busy",
                error.to_string(),
            )
            .retry_after(busy.retry_after_seconds()),
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        ApiError::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;
    use std::sync::Arc;

    use axum::http::header::RETRY_AFTER;
    use futures_util::{StreamExt as _, stream};
    use tokio::time::{Instant, timeout};

    use super::*;

    const LIMIT: usize = 1 << 20;

    /// A body of these pieces, after which nothing more comes.
    fn stalled(pieces: impl IntoIterator<Item = Bytes, IntoIter: Send + 'static>) -> Body {
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        Body::from_stream(pieces.chain(stream::pending()))
    }

    /// A body that ends.
    fn whole(bytes: usize) -> Body {
        Body::from(vec![0; bytes])
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_in_time_is_given_up() {
        let began = Instant::now();
        let read = read_body(stalled([Bytes::from_static(b"{")]), LIMIT).await;
        assert_eq!(read, Err(BodyError::TooSlow));
        let took = began.elapsed();
        assert!((TIMEOUT..2 * TIMEOUT).contains(&took), "{took:?}");
        let answer = ApiError::from(BodyError::TooSlow);
        assert_eq!(
            (answer.status.as_u16(), answer.code.as_str()),
            (408, "request_timeout")
        );
    }

    #[tokio::test]
    async fn pieces_become_one_body_within_the_limit() {
        let pieces = || stream::iter([&b"ab"[..], b"", b"c", b"def"].map(Ok::<_, Infallible>));
        let read = read_body(Body::from_stream(pieces()), 6).await;
        assert_eq!(read.unwrap(), "abcdef");
        let read = read_body(Body::from_stream(pieces()), 5).await;
        assert_eq!(read, Err(BodyError::TooLarge { limit_bytes: 5 }));
        assert_eq!(read_body(Body::empty(), 0).await.unwrap(), "");
    }

    /// What a piece was read into may be thousands of times as large.
    #[tokio::test(start_paused = true)]
    async fn nothing_of_many_pieces_is_kept_but_their_bytes() {
        struct Piece(#[expect(dead_code, reason = "it is counted, not used")] Arc<()>);
        impl AsRef<[u8]> for Piece {
            fn as_ref(&self) -> &[u8] {
                b"a"
            }
        }
        let counted = Arc::new(());
        let piece = |_| Bytes::from_owner(Piece(Arc::clone(&counted)));
        let pieces: Vec<Bytes> = (0..100).map(piece).collect();
        let mut read = pin!(read_body(stalled(pieces), LIMIT));
        assert!(timeout(TIMEOUT / 2, &mut read).await.is_err());
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_stall_leave_room_for_small_ones_and_are_refused_beyond_it() {
        let budget = Budget::new(1000, PATIENCE);
        let read = |body| read_within(body, LIMIT, &budget);
        let large = || stalled([Bytes::from(vec![0; FREE_BYTES + 600])]);
        let mut first = pin!(read(large()));
        assert!(timeout(PATIENCE, &mut first).await.is_err());

        let began = Instant::now();
        assert_eq!(read(large()).await, Err(BodyError::NoRoom(NoRoom)));
        let most = PATIENCE + DISCARD_TIMEOUT + Duration::from_secs(1);
        assert!(began.elapsed() < most, "{:?}", began.elapsed());
        let began = Instant::now();
        assert_eq!(read(whole(FREE_BYTES)).await.unwrap().len(), FREE_BYTES);
        assert_eq!(began.elapsed(), Duration::ZERO);
        // What was refused has left nothing behind.
        let rest = read(whole(FREE_BYTES + 400)).await.unwrap();
        drop(rest);

        assert_eq!(first.await, Err(BodyError::TooSlow));
        let all = read(whole(FREE_BYTES + 1000)).await.unwrap();
        // Whoever works with it has its room.
        let refused = read(whole(FREE_BYTES + 1)).await;
        assert_eq!(refused, Err(BodyError::NoRoom(NoRoom)));
        drop(all);
        read(whole(FREE_BYTES + 1)).await.unwrap();
    }

    /// Each has some of the room and wants more than is left.
    #[tokio::test(start_paused = true)]
    async fn bodies_that_wait_for_each_other_are_all_answered() {
        let budget = Budget::new(1000, PATIENCE);
        let body = || {
            let pieces = [FREE_BYTES + 400, 400].map(|bytes| Bytes::from(vec![0; bytes]));
            Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
        };
        let read = || read_within(body(), LIMIT, &budget);
        let (one, other) = tokio::join!(read(), read());
        for read in [one, other] {
            assert!(
                matches!(&read, Ok(_) | Err(BodyError::NoRoom(_))),
                "{read:?}"
            );
        }
        // Nobody else is there, so there is room again.
        assert_eq!(read().await.unwrap().len(), FREE_BYTES + 800);
    }

    #[test]
    fn who_finds_no_room_hears_when_to_come_back() {
        let response = BodyError::NoRoom(NoRoom).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
    }
}
