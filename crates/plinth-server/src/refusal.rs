//! A body for the refusals that the HTTP library writes by itself.
//!
//! A head that is no HTTP, or larger than the library reads, never becomes a request: it answers with a status, closes,
//! and has no setting for what it says. So the stream under it recognises such an answer and completes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the library says of a body that it does not write.
const NO_BODY: &str = "content-length: 0\r\n";

/// Every answer of ours has this header, with a body or without.
const OURS: &str = "x-request-id: ";

/// A stream of answers, in which the library's own are completed.
pub(crate) struct Explained<S> {
    stream: S,
    /// What remains to be written of a completed answer.
    left: Vec<u8>,
}

impl<S> Explained<S> {
    pub(crate) fn new(stream: S) -> Explained<S> {
        Explained {
            stream,
            left: Vec::new(),
        }
    }
}

/// The answer with a body, if these bytes are an answer of the library's.
fn completed(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let ends_here = head.find("\r\n\r\n")? + 4 == head.len();
    if !ends_here || !head.contains(NO_BODY) || head.contains(OURS) {
        return None;
    }
    let (code, message, hint) = match head.get(9..12)? {
        "400" => (
            "bad_request",
            "this is not a valid HTTP request",
            "In a URL, blanks, quotes and characters such as < > { } | must be percent-encoded.",
        ),
        "414" => (
            "uri_too_long",
            "the URL is too long",
            "Long lists of values can be sent to a function with POST.",
        ),
        "431" => (
            "headers_too_large",
            "the headers are too long or too many",
            "At most 100 headers are read.",
        ),
        _ => return None,
    };
    let body =
        json!({ "code": code, "details": null, "hint": hint, "message": message }).to_string();
    let headers = format!(
        "content-type: application/json; charset=utf-8\r\naccess-control-allow-origin: *\r\ncontent-length: {}\r\n",
        body.len()
    );
    Some(head.replacen(NO_BODY, &headers, 1) + &body)
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.left.is_empty() {
            match completed(bytes) {
                Some(answer) => self.left = answer.into_bytes(),
                None => return Pin::new(&mut self.stream).poll_write(context, bytes),
            }
        }
        // While this is pending the same bytes come again, since none of them count as written.
        let Explained { stream, left } = &mut *self;
        while !left.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(context, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(left.drain(..written)),
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices {
            [single] => self.poll_write(context, single),
            several => Pin::new(&mut self.stream).poll_write_vectored(context, several),
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const REFUSAL: &str =
        "HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";

    #[test]
    fn only_the_librarys_own_answers_are_completed() {
        let answer = completed(REFUSAL.as_bytes()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{head}"
        );
        assert!(head.ends_with("date: now") && body.contains("\"uri_too_long\""));

        let ours = REFUSAL.replace("date: now", "x-request-id: 1");
        for other in [
            &*ours,
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 4",
            "[\"HTTP/1.1 414\"]",
        ] {
            assert_eq!(completed(other.as_bytes()), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_completed_answer_is_written_whole_through_a_narrow_stream() {
        let (narrow, mut client) = tokio::io::duplex(7);
        let mut stream = Explained::new(narrow);
        let writing = async move {
            stream.write_all(REFUSAL.as_bytes()).await.unwrap();
            stream.write_all(b"more").await.unwrap();
        };
        let mut read = String::new();
        let reading = tokio::io::AsyncReadExt::read_to_string(&mut client, &mut read);
        let ((), end) = tokio::join!(writing, reading);
        end.unwrap();
        assert_eq!(read, completed(REFUSAL.as_bytes()).unwrap() + "more");
    }
}
