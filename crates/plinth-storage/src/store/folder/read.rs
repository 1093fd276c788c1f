//! Reading files for delivery.
//!
//! What is in the page cache is read in place, which takes less time than waking another thread would; the kernel is asked
//! never to wait (`RWF_NOWAIT`). What is not is read on a thread that may wait, with the next stretch ordered ahead.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use plinth_http::FileStretch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Folder, blocking, is_gone, open};
use crate::error::StorageError;
use crate::store::absent;

/// Bytes a chunk. Two of them fit into a core's own cache, so the copy to the socket reads from there.
const CHUNK: usize = 128 * 1024;
/// Chunks that were handed out and may be used again. More than two are never under way.
const SPENT: usize = 2;
/// From this size on, a file is announced to be read in order, and stretches are ordered ahead.
#[cfg(target_os = "linux")]
const LARGE: u64 = 1024 * 1024;
/// How far ahead.
#[cfg(target_os = "linux")]
const AHEAD: u64 = 2 * 1024 * 1024;

/// A stretch of a file as a stream.
pub(in crate::store) struct FileReading {
    file: Arc<File>,
    at: u64,
    end: u64,
    /// Whether the file system can be asked not to wait.
    at_once: bool,
    spent: VecDeque<Bytes>,
    waiting: Option<JoinHandle<io::Result<BytesMut>>>,
}

/// Opens a version for reading, wherever it is, and tells its size.
pub(in crate::store) async fn find(
    folder: &Arc<Folder>,
    version: Uuid,
) -> Result<(File, u64), StorageError> {
    let found = match folder.open_at_once(version) {
        Some(file) => sized(file),
        None => {
            let folder = Arc::clone(folder);
            blocking(move || folder.open_anywhere(version)).await?
        }
    };
    let (file, size) = found.map_err(|error| absent("opening", &error))?;
    #[cfg(target_os = "linux")]
    if size >= LARGE {
        // Advice that is not taken changes nothing.
        let _advice = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
    }
    Ok((file, size))
}

impl Folder {
    /// Opens a version in its place if that needs no waiting.
    #[cfg(target_os = "linux")]
    fn open_at_once(&self, version: Uuid) -> Option<File> {
        use rustix::fs::{Mode, OFlags, ResolveFlags};
        let path = super::relative_place(version);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
        let opened =
            rustix::fs::openat2(&self.handle, path.as_str(), flags, Mode::empty(), resolve);
        opened.ok().map(File::from)
    }

    #[cfg(not(target_os = "linux"))]
    fn open_at_once(&self, _version: Uuid) -> Option<File> {
        None
    }

    /// Opens a version wherever it is, and tells its size.
    pub(super) fn open_anywhere(&self, version: Uuid) -> io::Result<(File, u64)> {
        for place in self.places(version) {
            match open::open_file(&place) {
                Ok(file) => return sized(file),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

fn sized(file: File) -> io::Result<(File, u64)> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other(
            "there is something else where a file should be",
        ));
    }
    Ok((file, about.len()))
}

impl FileReading {
    pub(in crate::store) fn new(file: File, range: Range<u64>) -> FileReading {
        FileReading {
            file: Arc::new(file),
            at: range.start,
            end: range.end,
            at_once: cfg!(target_os = "linux"),
            spent: VecDeque::with_capacity(SPENT),
            waiting: None,
        }
    }

    /// What has not been handed out.
    pub(in crate::store) fn stretch(&self) -> FileStretch {
        FileStretch {
            file: Arc::clone(&self.file),
            range: self.at..self.end,
        }
    }

    /// All of it, where it is no more than a chunk and in memory already.
    pub(in crate::store) fn whole(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.end - self.at).ok()?;
        if !self.at_once || length > CHUNK {
            return None;
        }
        let mut buffer = BytesMut::zeroed(length);
        match read_at_once(&self.file, &mut buffer, self.at) {
            Ok(read) if read == length => {
                self.at = self.end;
                Some(buffer.freeze())
            }
            _ => None,
        }
    }

    /// A buffer of this length, of a chunk that the network is done with where there is one.
    fn buffer(&mut self, length: usize) -> BytesMut {
        if self.spent.len() == SPENT
            && let Some(oldest) = self.spent.pop_front()
            && let Ok(mut buffer) = oldest.try_into_mut()
            && buffer.capacity() >= length
        {
            buffer.resize(length, 0);
            return buffer;
        }
        BytesMut::zeroed(length)
    }

    /// Hands a chunk out.
    fn hand_out(&mut self, buffer: BytesMut) -> Bytes {
        self.at += buffer.len() as u64;
        let bytes = buffer.freeze();
        // The last chunk is not needed again.
        if self.at < self.end {
            if self.spent.len() == SPENT {
                self.spent.pop_front();
            }
            self.spent.push_back(bytes.clone());
        }
        bytes
    }
}

impl Stream for FileReading {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        loop {
            if let Some(waiting) = &mut this.waiting {
                let read = ready!(Pin::new(waiting).poll(cx));
                this.waiting = None;
                return Poll::Ready(Some(match read.map_err(io::Error::other).flatten() {
                    Ok(buffer) => Ok(this.hand_out(buffer)),
                    Err(error) => {
                        this.at = this.end;
                        Err(error)
                    }
                }));
            }
            if this.at >= this.end {
                return Poll::Ready(None);
            }
            let left = usize::try_from(this.end - this.at).unwrap_or(usize::MAX);
            let mut buffer = this.buffer(left.min(CHUNK));
            if this.at_once {
                match read_at_once(&this.file, &mut buffer, this.at) {
                    // The file ends before its end: the thread will say so.
                    Ok(0) => {}
                    Ok(read) => {
                        buffer.truncate(read);
                        return Poll::Ready(Some(Ok(this.hand_out(buffer))));
                    }
                    // Not in memory: a thread waits for it.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Not every file system can be asked.
                    Err(_) => this.at_once = false,
                }
            }
            let (file, at, end) = (Arc::clone(&this.file), this.at, this.end);
            this.waiting = Some(tokio::task::spawn_blocking(move || {
                read_fully(&file, &mut buffer, at)?;
                order_ahead(&file, at + buffer.len() as u64, end);
                Ok(buffer)
            }));
        }
    }
}

/// Reads what is in memory; `WouldBlock` when nothing is.
#[cfg(target_os = "linux")]
fn read_at_once(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut slices = [io::IoSliceMut::new(buffer)];
    let read = rustix::io::preadv2(file, &mut slices, at, rustix::io::ReadWriteFlags::NOWAIT);
    Ok(read?)
}

#[cfg(not(target_os = "linux"))]
fn read_at_once(_file: &File, _buffer: &mut [u8], _at: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fills the buffer. A file that ends before that was cut off by somebody.
#[cfg(unix)]
fn read_fully(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_fully(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        let place = at + done as u64;
        match std::os::windows::fs::FileExt::seek_read(file, &mut buffer[done..], place)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
}

/// Lets the disk bring what is wanted next while this is sent.
#[cfg(target_os = "linux")]
fn order_ahead(file: &File, from: u64, end: u64) {
    let length = end.saturating_sub(from).min(AHEAD);
    if let Some(length) = std::num::NonZeroU64::new(length) {
        // Advice that is not taken changes nothing.
        let _advice = rustix::fs::fadvise(file, from, Some(length), rustix::fs::Advice::WillNeed);
    }
}

#[cfg(not(target_os = "linux"))]
fn order_ahead(_file: &File, _from: u64, _end: u64) {}
