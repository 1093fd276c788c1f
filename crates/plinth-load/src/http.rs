//! Requests as bytes, answers as far as a generator must read them, and a plain blocking client for setting up.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A request, ready to be written. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Request(Arc<[u8]>);

impl Request {
    /// A request with these header lines; `Host` and `Content-Length` are added.
    pub fn new(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
        let mut text = format!("{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        Request([text.as_bytes(), body].concat().into())
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of the head itself.
    pub(crate) length: usize,
    body: Body,
    /// The server closes the connection after it.
    pub(crate) closes: bool,
    /// It says when to come back.
    pub(crate) retry_after: bool,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    Length(usize),
    Chunked,
}

impl Head {
    /// The head, once all of it is there.
    pub(crate) fn parse(answer: &[u8]) -> io::Result<Option<Head>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        let length = match parsed.parse(answer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let mut head = Head {
            status: parsed.code.unwrap_or_default(),
            length,
            body: Body::Length(0),
            closes: false,
            retry_after: false,
        };
        for header in parsed.headers {
            let value = std::str::from_utf8(header.value).unwrap_or_default();
            match header.name {
                name if name.eq_ignore_ascii_case("content-length") => {
                    head.body = Body::Length(value.trim().parse().unwrap_or_default());
                }
                name if name.eq_ignore_ascii_case("transfer-encoding") => {
                    head.body = Body::Chunked;
                }
                name if name.eq_ignore_ascii_case("connection") => {
                    head.closes = value.eq_ignore_ascii_case("close");
                }
                name if name.eq_ignore_ascii_case("retry-after") => head.retry_after = true,
                _ => {}
            }
        }
        Ok(Some(head))
    }

    /// Whether the whole answer is there.
    pub(crate) fn is_complete(&self, answer: &[u8]) -> bool {
        match self.body {
            Body::Length(length) => answer.len() >= self.length + length,
            // No trailers are asked for, so that nothing follows the last chunk but its empty line.
            Body::Chunked => answer.ends_with(b"0\r\n\r\n"),
        }
    }

    fn body(&self, answer: &[u8]) -> Vec<u8> {
        let rest = answer.get(self.length..).unwrap_or_default();
        match self.body {
            Body::Length(length) => rest.get(..length).unwrap_or(rest).to_vec(),
            Body::Chunked => unchunked(rest),
        }
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(rest) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(chunk) = rest
            .get(start..start.saturating_add(size))
            .filter(|_| size > 0)
        else {
            break;
        };
        body.extend_from_slice(chunk);
        rest = rest.get(start + size + 2..).unwrap_or_default();
    }
    body
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, as it was sent.
    pub body: Vec<u8>,
}

/// Sends one request on a connection of its own and reads the answer.
pub fn send(target: SocketAddr, request: &Request) -> io::Result<Answer> {
    exchange(&mut TcpStream::connect(target)?, request)
}

/// Sends one request on an open connection and reads the answer.
pub(crate) fn exchange(stream: &mut TcpStream, request: &Request) -> io::Result<Answer> {
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    stream.set_nodelay(true)?;
    stream.write_all(request.bytes())?;
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        if let Some(head) = Head::parse(&answer)?
            && head.is_complete(&answer)
        {
            return Ok(Answer {
                status: head.status,
                body: head.body(&answer),
            });
        }
        let length = some(stream.read(&mut piece)?)?;
        answer.extend_from_slice(&piece[..length]);
    }
}

/// Sends one request on an open connection and lets the answer's body go by: its status and the body's length.
pub(crate) fn drain(
    stream: &mut TcpStream,
    request: &Request,
    buffer: &mut [u8],
) -> io::Result<(u16, usize)> {
    stream.write_all(request.bytes())?;
    let mut beginning = Vec::new();
    let head = loop {
        let length = some(stream.read(buffer)?)?;
        beginning.extend_from_slice(&buffer[..length]);
        if let Some(head) = Head::parse(&beginning)? {
            break head;
        }
    };
    let Body::Length(length) = head.body else {
        let why = "an answer without a length";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    };
    let mut missing = (head.length + length).saturating_sub(beginning.len());
    while missing > 0 {
        missing = missing.saturating_sub(some(stream.read(buffer)?)?);
    }
    Ok((head.status, length))
}

/// What was read, unless the connection has ended.
fn some(length: usize) -> io::Result<usize> {
    match length {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_when_its_body_is() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        assert!(Head::parse(&answer[..30]).unwrap().is_none());
        let head = Head::parse(answer).unwrap().unwrap();
        assert!(!head.is_complete(&answer[..answer.len() - 1]));
        assert!(head.is_complete(answer) && head.closes);
        assert_eq!(head.body(answer), b"ok");
    }

    #[test]
    fn chunks_are_put_together() {
        let answer =
            b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\nRetry-After: 1\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let head = Head::parse(answer).unwrap().unwrap();
        assert!(head.is_complete(answer) && head.retry_after);
        assert_eq!(head.body(answer), b"abcde");
    }
}
