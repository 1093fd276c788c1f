//! Bytes on their way out, whichever store they come from.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use plinth_http::FileStretch;

use super::folder::FileReading;
use crate::error::StorageError;

/// Bytes on their way out.
pub(crate) struct Reading {
    pub(super) size: u64,
    pub(super) range: Range<u64>,
    pub(super) source: Source,
}

pub(super) enum Source {
    File(FileReading),
    Remote(BoxStream<'static, io::Result<Bytes>>),
}

impl Reading {
    /// Bytes of the whole version.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that come.
    pub(crate) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// What of which file comes, where it is one.
    pub(crate) fn stretch(&self) -> Option<FileStretch> {
        match &self.source {
            Source::File(file) => Some(file.stretch()),
            Source::Remote(_) => None,
        }
    }

    /// All that comes, where that is little and in memory already; the stream is empty then.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::File(file) => file.whole(),
            Source::Remote(_) => None,
        }
    }
}

impl Stream for Reading {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.get_mut().source {
            Source::File(file) => Pin::new(file).poll_next(cx),
            Source::Remote(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

/// A range as far as the bytes go. One that begins behind them cannot be had.
pub(super) fn within(range: Option<Range<u64>>, size: u64) -> Result<Range<u64>, StorageError> {
    let Some(range) = range else {
        return Ok(0..size);
    };
    if range.start >= size || range.end <= range.start {
        return Err(StorageError::InvalidRange { size });
    }
    Ok(range.start..range.end.min(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_where_the_bytes_end() {
        assert_eq!(within(None, 10).unwrap(), 0..10);
        assert_eq!(within(Some(2..5), 10).unwrap(), 2..5);
        assert_eq!(within(Some(2..500), 10).unwrap(), 2..10);
        for bad in [10..11, 5..5] {
            assert!(matches!(
                within(Some(bad), 10),
                Err(StorageError::InvalidRange { size: 10 })
            ));
        }
        assert!(within(Some(0..1), 0).is_err());
    }
}
