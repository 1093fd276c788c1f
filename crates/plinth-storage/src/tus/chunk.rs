//! The body of a request as the store reads it: no more than belongs to the upload, no longer than a client may take.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep};

use super::checksum::Checksum;
use super::locks::Pulse;
use crate::error::StorageError;

/// How often silence is noticed.
const ROUND: Duration = Duration::from_secs(1);
/// Rounds of silence after which the connection counts as broken.
const MAX_SILENT_ROUNDS: u32 = 30;
/// Longest that one request may send. What has arrived by then counts, and the client goes on with another request.
const LONGEST: Duration = Duration::from_hours(1);

/// What arrives of a body. Whatever ends it early (a connection that breaks or goes silent, a client that sends too much)
/// is an end like any other to the store, so that what arrived is kept; what it means is asked afterwards.
pub(crate) struct Chunk {
    body: BodyDataStream,
    /// Bytes that still belong to the upload.
    left: u64,
    checksum: Option<Checksum>,
    pulse: Arc<Pulse>,
    round: Pin<Box<Sleep>>,
    ends_at: Instant,
    has_heard: bool,
    is_too_long: bool,
    is_over: bool,
}

impl Chunk {
    /// At most `left` bytes of this body.
    pub(crate) fn new(
        body: Body,
        left: u64,
        checksum: Option<Checksum>,
        pulse: Arc<Pulse>,
    ) -> Chunk {
        let now = Instant::now();
        Chunk {
            body: body.into_data_stream(),
            left,
            checksum,
            pulse,
            round: Box::pin(tokio::time::sleep_until(now + ROUND)),
            ends_at: now + LONGEST,
            has_heard: true,
            is_too_long: false,
            is_over: false,
        }
    }

    /// Whether the client sent more than belongs to the upload.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Whether the bytes are those that the client meant, as far as it said.
    pub(crate) fn holds(self) -> bool {
        self.checksum.is_none_or(Checksum::holds)
    }

    fn take(&mut self, bytes: &Bytes) -> bool {
        self.has_heard = true;
        self.pulse.heard();
        let length = bytes.len() as u64;
        if length > self.left {
            self.is_too_long = true;
            return false;
        }
        self.left -= length;
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
        true
    }

    /// A round is over. Whether there is to be another.
    fn goes_on(&mut self) -> bool {
        let was_heard = std::mem::take(&mut self.has_heard);
        let now = Instant::now();
        self.round.as_mut().reset(now + ROUND);
        if now >= self.ends_at {
            return false;
        }
        was_heard || (self.pulse.silent() < MAX_SILENT_ROUNDS && !self.pulse.should_end())
    }
}

impl Stream for Chunk {
    /// Errors never come; stores want a type for them.
    type Item = Result<Bytes, StorageError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = &mut *self;
        while !chunk.is_over {
            match Pin::new(&mut chunk.body).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => {}
                Poll::Ready(Some(Ok(bytes))) => {
                    if chunk.take(&bytes) {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    chunk.is_over = true;
                }
                Poll::Ready(Some(Err(_)) | None) => chunk.is_over = true,
                Poll::Pending => {
                    ready!(chunk.round.as_mut().poll(context));
                    chunk.is_over = !chunk.goes_on();
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::{StreamExt as _, stream};

    use super::*;

    async fn read(mut chunk: Chunk) -> (Vec<u8>, Chunk) {
        let mut all = Vec::new();
        while let Some(bytes) = chunk.next().await {
            all.extend_from_slice(&bytes.unwrap());
        }
        (all, chunk)
    }

    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<io::Result<&'static str>> = pieces
            .iter()
            .map(|piece| match *piece {
                "!" => Err(io::ErrorKind::ConnectionReset.into()),
                piece => Ok(piece),
            })
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_length() {
        let checksum = Checksum::parse("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").ok();
        let chunk = Chunk::new(body(&["hello ", "", "world"]), 11, checksum, Arc::default());
        let (all, chunk) = read(chunk).await;
        assert_eq!(all, b"hello world");
        assert!(!chunk.is_too_long() && chunk.holds());
    }

    #[tokio::test]
    async fn more_than_the_length_is_not_read() {
        let chunk = Chunk::new(body(&["hello ", "world", "!"]), 10, None, Arc::default());
        let (all, chunk) = read(chunk).await;
        assert_eq!(all, b"hello ");
        assert!(chunk.is_too_long());
    }

    #[tokio::test]
    async fn a_broken_connection_is_an_end() {
        let checksum = Checksum::parse("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").ok();
        let chunk = Chunk::new(body(&["hello ", "!"]), 11, checksum, Arc::default());
        let (all, chunk) = read(chunk).await;
        assert_eq!(all, b"hello ");
        assert!(!chunk.is_too_long() && !chunk.holds());
    }

    #[tokio::test]
    async fn a_silent_client_gives_way_and_a_slow_one_does_not() {
        let pulse = Arc::new(Pulse::default());
        let mut chunk = Chunk::new(body(&[]), 1, None, Arc::clone(&pulse));
        // Heard lately, then silent, and nobody waits.
        for _ in 0..MAX_SILENT_ROUNDS {
            assert!(chunk.goes_on());
        }
        assert!(!chunk.goes_on());
        pulse.heard();
        chunk.has_heard = true;
        assert!(chunk.goes_on());
        assert!(!pulse.should_end());
    }
}
