//! Files on their way from the page cache to a socket, without a stop in this process's memory. On Linux alone; elsewhere they are read.
//!
//! An answer that is a stretch of a file says so ([`FileStretch`]). Its body is exchanged for one that asks for the same length in blanks, pieces
//! of one piece of memory that is used for nothing else, and leaves with each an order which bytes it stands for. The [stream](Courier) under the
//! HTTP library knows a blank by its address, and has the system send the file's bytes in its place. So the library counts and waits as for any
//! other body. It writes blanks in the order in which it took them, so each meets its own order; it must be told not to copy what it writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use plinth_http::FileStretch;
use rustix::io::{ReadWriteFlags, preadv2};
use rustix::net::{SendFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Bytes that one blank stands for. The library takes up two before it writes.
const PIECE: usize = 1024 * 1024;
/// Bytes between two looks whether a piece is in memory.
const STEP: usize = 256 * 1024;
/// Bytes that are read at once, so that they are in memory.
const GULP: usize = 64 * 1024;
/// How far ahead of what had to be waited for the disk is asked to bring more.
const AHEAD: u64 = 2 * 1024 * 1024;

/// What blanks are cut from. Nothing else is ever sent from there.
static BLANK: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; PIECE]));

/// A connection's stream that sends files where it is given blanks.
pub(crate) struct Courier {
    stream: TcpStream,
    orders: Orders,
    /// What is to be sent next, where a thread waits for the disk to bring it.
    coming: Option<JoinHandle<io::Result<()>>>,
}

/// What the blanks on their way through one connection stand for.
#[derive(Clone, Default)]
pub(crate) struct Orders(Arc<Mutex<VecDeque<Order>>>);

/// What is left of one blank.
#[derive(Clone)]
struct Order {
    file: Arc<File>,
    at: u64,
    left: usize,
    /// Where the file's stretch ends.
    end: u64,
}

impl Courier {
    pub(crate) fn new(stream: TcpStream) -> Courier {
        Courier {
            stream,
            orders: Orders::default(),
            coming: None,
        }
    }

    /// Where answers of this connection leave their orders.
    pub(crate) fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Sends some of the bytes that a blank of this length stands for.
    fn poll_send(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        let mut orders = self.orders.0.lock();
        let Some(order) = orders.front_mut() else {
            return Poll::Ready(Err(io::Error::other("a blank stands for nothing")));
        };
        let length = length.min(order.left);
        // The system would wait for the disk here and now, and everybody on this thread with it.
        if self.coming.is_none() && !is_in_memory(&order.file, order.at, length) {
            let order = order.clone();
            self.coming = Some(tokio::task::spawn_blocking(move || order.fetch(length)));
        }
        if let Some(coming) = &mut self.coming {
            let come = ready!(Pin::new(coming).poll(context));
            self.coming = None;
            come.map_err(io::Error::other).flatten()?;
        }
        let sent = ready!(poll_ready(&self.stream, context, |stream| {
            let mut at = order.at;
            Ok(rustix::fs::sendfile(
                stream,
                &order.file,
                Some(&mut at),
                length,
            )?)
        }))?;
        if sent == 0 {
            // The file ends too early. Blanks must not go out in its place, so the connection ends, too.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        order.at += sent as u64;
        order.left -= sent;
        if order.left == 0 {
            orders.pop_front();
        }
        Poll::Ready(Ok(sent))
    }
}

impl Orders {
    /// The answer as this connection sends it.
    pub(crate) fn take(&self, mut response: Response) -> Response {
        let Some(stretch) = response.extensions_mut().remove::<FileStretch>() else {
            return response;
        };
        if is_all_of(&response, &stretch) {
            *response.body_mut() = Body::new(Blanks {
                stretch,
                orders: self.clone(),
            });
        }
        response
    }
}

impl Order {
    /// Waits until so much is in memory, and has the disk go on with what follows.
    fn fetch(&self, length: usize) -> io::Result<()> {
        use rustix::fs::{Advice, fadvise};
        let mut bytes = vec![0; length.min(GULP)];
        for done in (0..length).step_by(GULP) {
            let wanted = (length - done).min(GULP);
            // Whoever sends it will see where it ends.
            self.file
                .read_at(&mut bytes[..wanted], self.at + done as u64)?;
        }
        let from = self.at + length as u64;
        let ahead = self.end.saturating_sub(from).min(AHEAD);
        if let Some(ahead) = std::num::NonZeroU64::new(ahead) {
            // Advice that is not taken changes nothing.
            let _advice = fadvise(&self.file, from, Some(ahead), Advice::WillNeed);
        }
        Ok(())
    }
}

/// Whether the body is this stretch as it is.
fn is_all_of(response: &Response, stretch: &FileStretch) -> bool {
    let headers = response.headers();
    let length = headers.get(CONTENT_LENGTH);
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let end = length.and_then(|length| stretch.range.start.checked_add(length));
    end == Some(stretch.range.end)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(TRANSFER_ENCODING)
}

/// Whether a piece can be sent without waiting for the disk, as far as a look at some of it tells. Where the file system cannot be asked, it
/// never can.
fn is_in_memory(file: &File, at: u64, length: usize) -> bool {
    let is_there = |offset: usize| look(file, at + offset as u64).is_ok();
    // What is short came at once, if it came.
    let mut looks = (0..length).step_by(STEP).skip(usize::from(length <= STEP));
    is_there(length.saturating_sub(1)) && looks.all(is_there)
}

/// Reads one byte if that needs no waiting.
fn look(file: &File, at: u64) -> io::Result<usize> {
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    Ok(preadv2(file, &mut slices, at, ReadWriteFlags::NOWAIT)?)
}

/// A body of blanks.
struct Blanks {
    /// What has not been asked for.
    stretch: FileStretch,
    orders: Orders,
}

impl Blanks {
    fn left(&self) -> u64 {
        self.stretch.range.end - self.stretch.range.start
    }
}

impl hyper::body::Body for Blanks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let length = usize::try_from(this.left()).map_or(PIECE, |left| left.min(PIECE));
        if length == 0 {
            return Poll::Ready(None);
        }
        this.orders.0.lock().push_back(Order {
            file: Arc::clone(&this.stretch.file),
            at: this.stretch.range.start,
            left: length,
            end: this.stretch.range.end,
        });
        this.stretch.range.start += length as u64;
        Poll::Ready(Some(Ok(Frame::data(BLANK.slice(..length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    let from = BLANK.as_ptr().addr();
    !bytes.is_empty() && (from..from + PIECE).contains(&bytes.as_ptr().addr())
}

impl AsyncRead for Courier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Courier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match is_blank(bytes) {
            true => self.poll_send(context, bytes.len()),
            false => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().position(|slice| is_blank(slice)) {
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
            Some(0) => self.poll_send(context, slices[0].len()),
            // What is left comes again. A file follows, and both leave in one packet.
            Some(_) => poll_ready(&self.stream, context, |stream| {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
                Ok(send(stream, &slices[0], flags)?)
            }),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Does what writes to the socket, once that can take something.
fn poll_ready(
    stream: &TcpStream,
    context: &mut Context<'_>,
    mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(context))?;
        match stream.try_io(Interest::WRITABLE, || write(stream)) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            written => return Poll::Ready(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use hyper::server::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::pressure::Punctual;
    use crate::refusal::Explained;

    /// Bytes that show where they are from.
    fn bytes(length: usize) -> Vec<u8> {
        let byte = |at: usize| u8::try_from(at % 251).unwrap() + 1;
        (0..length).map(byte).collect()
    }

    fn file(bytes: &[u8]) -> Arc<File> {
        let path = std::env::temp_dir().join(format!("plinth-courier-{}", uuid::Uuid::new_v4()));
        File::create_new(&path).unwrap().write_all(bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        Arc::new(file)
    }

    fn answer(file: &Arc<File>, range: std::ops::Range<u64>) -> Response {
        let mut response = Response::new(Body::from("read in vain"));
        let length = range.end - range.start;
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
        response.extensions_mut().insert(FileStretch {
            file: Arc::clone(file),
            range,
        });
        response
    }

    /// Serves one connection, whose requests are numbers in its paths, and gives its other end.
    async fn connection(answer: impl Fn(usize) -> Response + Clone + Send + 'static) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = Courier::new(stream);
            let orders = stream.orders();
            let stream = Explained::new(Punctual::new(stream));
            let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
                let _: &hyper::body::Incoming = request.body();
                let number = request.uri().path()[1..].parse().unwrap();
                let answer = orders.take(answer(number));
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            let served = http
                .writev(true)
                .serve_connection(TokioIo::new(stream), service);
            // Some are broken off.
            let _ended = served.await;
        });
        TcpStream::connect(address).await.unwrap()
    }

    async fn ask(client: &mut TcpStream, number: usize, more: &str) {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
    }

    /// The length that the head of the next answer says.
    async fn head(client: &mut TcpStream) -> usize {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        length.split_once('\r').unwrap().0.parse().unwrap()
    }

    /// The body of the next answer.
    async fn body(client: &mut TcpStream) -> Vec<u8> {
        let mut body = vec![0; head(client).await];
        client.read_exact(&mut body).await.unwrap();
        body
    }

    #[tokio::test]
    async fn files_arrive_as_they_are_whatever_their_length() {
        for length in [1, 100, STEP, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7] {
            let bytes = bytes(length);
            let file = file(&bytes);
            let whole = move |_| answer(&file, 0..length as u64);
            let mut client = connection(whole).await;
            for _ in 0..2 {
                ask(&mut client, 0, "").await;
                assert!(body(&mut client).await == bytes, "{length} bytes");
            }
        }
    }

    #[tokio::test]
    async fn answers_of_one_connection_keep_their_order() {
        let bytes = bytes(3 * PIECE);
        let file = file(&bytes);
        let stretches = [0..5, 7..2 * PIECE, 0..0, PIECE - 3..3 * PIECE];
        let ranges = stretches.clone();
        let mut client = connection(move |number| match ranges.get(number) {
            Some(range) => answer(&file, range.start as u64..range.end as u64),
            None => Response::new(Body::from("another")),
        })
        .await;
        // All at once, files and others in turn.
        for number in [3, 9, 0, 1, 9, 2, 0] {
            ask(&mut client, number, "").await;
        }
        for number in [3, 9, 0, 1, 9, 2, 0] {
            let expected = match stretches.get(number) {
                Some(range) => &bytes[range.clone()],
                None => b"another",
            };
            assert!(body(&mut client).await == expected, "{number}");
        }
    }

    #[tokio::test]
    async fn a_slow_client_gets_all_of_it() {
        let length = 40 * PIECE;
        let bytes = bytes(length);
        let file = file(&bytes);
        let mut client = connection(move |_| answer(&file, 0..length as u64)).await;
        ask(&mut client, 0, "connection: close\r\n").await;
        // More than the system keeps for a connection, so the server has to wait for us.
        client.readable().await.unwrap();
        assert!(body(&mut client).await == bytes);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_file_that_ends_too_early_ends_the_connection() {
        let bytes = bytes(1_000);
        let file = file(&bytes);
        let mut client = connection(move |_| answer(&file, 0..PIECE as u64 * 3)).await;
        ask(&mut client, 0, "").await;
        let mut received = Vec::new();
        let _reset = client.read_to_end(&mut received).await;
        let head = received
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        assert_eq!(&received[head + 4..], bytes);
    }

    #[tokio::test]
    async fn a_body_that_was_changed_is_sent_itself() {
        const BODY: u64 = "read in vain".len() as u64;
        let file = file(&bytes(100));
        let mut client = connection(move |number| match number {
            // Shorter than the file.
            0 => {
                let mut response = answer(&file, 0..100);
                response.headers_mut().insert(CONTENT_LENGTH, BODY.into());
                response
            }
            _ => {
                let mut response = answer(&file, 0..BODY);
                let gzip = axum::http::HeaderValue::from_static("gzip");
                response.headers_mut().insert(CONTENT_ENCODING, gzip);
                response
            }
        })
        .await;
        for number in 0..2 {
            ask(&mut client, number, "").await;
            assert_eq!(body(&mut client).await, b"read in vain");
        }
    }

    #[tokio::test]
    async fn who_asks_for_the_head_is_sent_no_file() {
        let bytes = bytes(PIECE + 1);
        let file = file(&bytes);
        let mut client = connection(move |_| answer(&file, 0..PIECE as u64 + 1)).await;
        let request = "HEAD /0 HTTP/1.1\r\nHost: x\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(head(&mut client).await, PIECE + 1);
        ask(&mut client, 0, "").await;
        assert!(body(&mut client).await == bytes);
    }

    #[test]
    fn only_blanks_are_blank() {
        assert!(is_blank(&BLANK) && is_blank(&BLANK[PIECE - 1..]));
        assert!(!is_blank(&BLANK[PIECE..]));
        assert!(!is_blank(&[0; 16]) && !is_blank(b""));
    }

    #[tokio::test]
    async fn what_is_not_in_memory_is_brought_by_a_thread() {
        let bytes = bytes(3 * PIECE);
        let file = file(&bytes);
        file.sync_all().unwrap();
        // Advice; where it is not taken the file is sent all the same.
        let _gone = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let end = bytes.len() as u64;
        let mut client = connection(move |_| answer(&file, 0..end)).await;
        ask(&mut client, 0, "").await;
        assert!(body(&mut client).await == bytes);
    }

    #[test]
    fn bringing_ends_where_the_file_does() {
        let order = |at, end| Order {
            file: file(&bytes(1_000)),
            at,
            left: PIECE,
            end,
        };
        order(0, 1 << 40).fetch(PIECE).unwrap();
        order(1 << 30, 0).fetch(10).unwrap();
    }
}
