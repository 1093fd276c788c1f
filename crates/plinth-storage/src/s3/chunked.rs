//! `aws-chunked`: how current SDKs send bodies whose checksum they learn only at the end.
//!
//! `SIZE[;chunk-signature=…]CRLF BYTES CRLF`, again and again, a chunk of size 0, and trailing headers. `s3s` reads this too, but
//! holds every chunk in memory whole, and a chunk may be as large as the object: Go's SDK sends one for everything. So what is
//! not signed chunk by chunk is taken apart here as it comes; and what is, passes through a [`guard`] that bounds its
//! chunks before `s3s` proves their signatures. Both refuse a body that ends before its last chunk.

use std::io;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::{Buf as _, Bytes};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use plinth_http::{Budget, Room};

/// Largest chunk with a signature. It is held in memory until it is proved; SDKs send 64 KiB to 1 MiB.
const SIGNED_CHUNK_BYTES: u64 = 2 << 20;
/// Longest line with a chunk's size: 16 digits, a signature of 64 characters, and its name.
const LINE_BYTES: usize = 256;
/// All trailing headers together.
const TRAILER_BYTES: usize = 4 << 10;

/// Trailing headers, there once the body has been read to its end.
pub(super) type Trailers = Arc<Mutex<Option<HeaderMap>>>;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChunkError {
    #[error("the body ended before its last chunk")]
    Unfinished,
    #[error("the body is not a sequence of chunks")]
    Malformed,
    #[error("a signed chunk is larger than {} bytes", SIGNED_CHUNK_BYTES)]
    TooLarge,
}

/// The bytes in the chunks of a body without signatures, and its trailers.
pub(super) fn decode<S>(body: S) -> (BoxStream<'static, io::Result<Bytes>>, Trailers)
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let trailers = Trailers::default();
    let decoding = Decoding {
        body: body.boxed(),
        chunks: Chunks::new(u64::MAX),
        ready: Vec::new(),
        ended: false,
        trailers: Arc::clone(&trailers),
    };
    let stream = stream::unfold(decoding, |mut decoding| async move {
        let next = decoding.next().await?;
        Some((next, decoding))
    });
    (stream.boxed(), trailers)
}

/// The same bytes, with an error where a chunk is too large, where there is no room to hold one, or where the last one is
/// missing.
pub(super) fn guard<S>(body: S, buffers: Budget) -> BoxStream<'static, io::Result<Bytes>>
where
    S: Stream<Item = io::Result<Bytes>> + Send + 'static,
{
    let guarding = Guarding {
        body: body.boxed(),
        chunks: Chunks::new(SIGNED_CHUNK_BYTES),
        buffers,
        room: Room::default(),
    };
    let stream = stream::unfold(Some(guarding), |guarding| async move {
        let mut guarding = guarding?;
        match guarding.next().await? {
            Ok(piece) => Some((Ok(piece), Some(guarding))),
            Err(error) => Some((Err(error), None)),
        }
    });
    stream.boxed()
}

struct Guarding {
    body: BoxStream<'static, io::Result<Bytes>>,
    chunks: Chunks,
    buffers: Budget,
    /// For the largest chunk so far, which whoever proves the signatures holds.
    room: Room,
}

impl Guarding {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let piece = match self.body.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Some(Err(error)),
            None if self.chunks.finish().is_ok() => return None,
            None => return Some(Err(invalid(ChunkError::Unfinished))),
        };
        if let Err(error) = self.chunks.feed(piece.clone(), &mut Vec::new()) {
            return Some(Err(invalid(error)));
        }
        let held = usize::try_from(self.chunks.largest).unwrap_or(usize::MAX);
        let grown = self.buffers.grow(&mut self.room, held).await;
        Some(grown.map(|()| piece).map_err(io::Error::other))
    }
}

struct Decoding {
    body: BoxStream<'static, io::Result<Bytes>>,
    chunks: Chunks,
    /// Pieces that were taken apart already, the next one last.
    ready: Vec<Bytes>,
    ended: bool,
    trailers: Trailers,
}

impl Decoding {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(piece) = self.ready.pop() {
                return Some(Ok(piece));
            }
            if self.ended {
                return None;
            }
            match self.body.next().await {
                Some(Ok(piece)) => {
                    if let Err(error) = self.chunks.feed(piece, &mut self.ready) {
                        self.ended = true;
                        return Some(Err(invalid(error)));
                    }
                    self.ready.reverse();
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => {
                    self.ended = true;
                    match self.chunks.finish() {
                        Ok(trailers) => *self.trailers.lock() = Some(trailers),
                        Err(error) => return Some(Err(invalid(error))),
                    }
                }
            }
        }
    }
}

/// Takes chunks apart. Holds a line at most.
struct Chunks {
    place: Place,
    /// Most bytes of a chunk.
    limit: u64,
    /// Bytes of the largest chunk so far.
    largest: u64,
    /// The line that is being read, or the trailers.
    line: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Size,
    /// Bytes of the chunk that are still to come.
    Data(u64),
    /// Bytes of the line's end after a chunk that are still to come.
    End(&'static [u8]),
    Trailers,
}

impl Chunks {
    fn new(limit: u64) -> Chunks {
        Chunks {
            place: Place::Size,
            limit,
            largest: 0,
            line: Vec::new(),
        }
    }

    fn feed(&mut self, mut piece: Bytes, out: &mut Vec<Bytes>) -> Result<(), ChunkError> {
        while !piece.is_empty() {
            match self.place {
                Place::Size => {
                    let byte = piece.get_u8();
                    if byte != b'\n' {
                        if self.line.len() >= LINE_BYTES {
                            return Err(ChunkError::Malformed);
                        }
                        self.line.push(byte);
                        continue;
                    }
                    let size = size(&self.line).ok_or(ChunkError::Malformed)?;
                    if size > self.limit {
                        return Err(ChunkError::TooLarge);
                    }
                    self.largest = self.largest.max(size);
                    self.line.clear();
                    self.place = if size == 0 {
                        Place::Trailers
                    } else {
                        Place::Data(size)
                    };
                }
                Place::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                    out.push(piece.split_to(here));
                    let left = left - here as u64;
                    self.place = if left == 0 {
                        Place::End(b"\r\n")
                    } else {
                        Place::Data(left)
                    };
                }
                Place::End(expected) => {
                    let Some((first, rest)) = expected.split_first() else {
                        self.place = Place::Size;
                        continue;
                    };
                    if piece.get_u8() != *first {
                        return Err(ChunkError::Malformed);
                    }
                    self.place = if rest.is_empty() {
                        Place::Size
                    } else {
                        Place::End(rest)
                    };
                }
                Place::Trailers => {
                    if self.line.len() + piece.len() > TRAILER_BYTES {
                        return Err(ChunkError::Malformed);
                    }
                    self.line.extend_from_slice(&piece);
                    piece.clear();
                }
            }
        }
        Ok(())
    }

    /// The trailers, once the body has ended.
    fn finish(&self) -> Result<HeaderMap, ChunkError> {
        if self.place != Place::Trailers {
            return Err(ChunkError::Unfinished);
        }
        let mut trailers = HeaderMap::new();
        for line in self.line.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.ok_or(ChunkError::Malformed)?);
            let name = HeaderName::from_bytes(name).map_err(|_| ChunkError::Malformed)?;
            let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
            let value = HeaderValue::from_bytes(value).map_err(|_| ChunkError::Malformed)?;
            trailers.append(name, value);
        }
        Ok(trailers)
    }
}

/// `5a0;chunk-signature=…\r`: the number before the semicolon.
fn size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.split(|byte| *byte == b';').next()?;
    // `from_str_radix` takes a sign, which no size has.
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn invalid(error: ChunkError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body in pieces of this many bytes.
    fn pieces(body: &[u8], length: usize) -> impl Stream<Item = io::Result<Bytes>> + use<> {
        let pieces: Vec<io::Result<Bytes>> = body
            .chunks(length)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        stream::iter(pieces)
    }

    async fn read(mut stream: BoxStream<'static, io::Result<Bytes>>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = stream.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    fn guarded<S>(body: S) -> BoxStream<'static, io::Result<Bytes>>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        guard(body, crate::buffers::of_process())
    }

    const BODY: &[u8] =
        b"4\r\nabcd\r\n5;chunk-signature=00\r\nefghi\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";

    #[tokio::test]
    async fn chunks_come_apart_however_they_are_cut() {
        for length in 1..=BODY.len() {
            let (stream, trailers) = decode(pieces(BODY, length));
            assert_eq!(read(stream).await.unwrap(), b"abcdefghi", "{length}");
            let trailers = trailers.lock().take().unwrap();
            assert_eq!(trailers["x-amz-checksum-crc32"], "AAAAAA==");
        }
    }

    #[tokio::test]
    async fn a_body_without_its_last_chunk_is_no_body() {
        for end in 0..b"4\r\nabcd\r\n5;chunk-signature=00\r\nefghi\r\n0\r".len() {
            let (stream, trailers) = decode(pieces(&BODY[..end], 7));
            assert!(read(stream).await.is_err(), "{end}");
            assert!(trailers.lock().is_none());
            assert!(
                read(guarded(pieces(&BODY[..end], 7))).await.is_err(),
                "{end}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_sequence_of_chunks_is_refused() {
        for body in [
            "g\r\n",
            "\r\n",
            "-1\r\n",
            "+1\r\na\r\n0\r\n\r\n",
            "1\na\r\n0\r\n\r\n",
            "1\r\nab\r\n0\r\n\r\n",
            "fffffffffffffffff\r\n",
            "0\r\nno colon\r\n",
            &"0".repeat(1000),
            &format!("0\r\n{}", "a:b\r\n".repeat(2000)),
        ] {
            let (stream, _) = decode(pieces(body.as_bytes(), 3));
            assert!(read(stream).await.is_err(), "{body}");
        }
    }

    #[tokio::test]
    async fn the_guard_changes_nothing_and_bounds_chunks() {
        assert_eq!(read(guarded(pieces(BODY, 5))).await.unwrap(), BODY);
        let large = format!("{:x}\r\n", SIGNED_CHUNK_BYTES + 1);
        assert!(read(guarded(pieces(large.as_bytes(), 5))).await.is_err());
        // Without signatures nothing is held, so a chunk may be of any size.
        let (mut stream, _) = decode(pieces(format!("{large}a").as_bytes(), 64));
        assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    }
}
