//! Requests as bytes on a socket, so that also those can be made that no client library would.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on ends here"
)]

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// Longest wait for the next byte of an answer: more than the server gives any statement.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// A request. Each gets a connection of its own.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// An answer, read to the end of its connection.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0 when there was no answer.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What becomes of a connection after the last byte was sent.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// It stays open for the answer.
    Wait,
    /// Our side is closed, as if the client had no more to say.
    Close,
}

impl Request {
    /// A request without a body. What may not stand in an address is escaped; escapes that are there stay.
    pub fn new(method: &str, target: &str) -> Request {
        let headers = [("host", "127.0.0.1"), ("connection", "close")];
        Request {
            method: method.to_owned(),
            target: escaped(target).into_bytes(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.into()))
                .to_vec(),
            body: Vec::new(),
        }
    }

    /// A `GET`.
    pub fn get(target: &str) -> Request {
        Request::new("GET", target)
    }

    /// A `POST` of what is to be read as JSON.
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new("POST", target).body(body)
    }

    /// With this body, said to be JSON.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self.header("content-type", "application/json")
    }

    /// With this header in the place of the one of its name.
    #[must_use]
    pub fn header(self, name: &str, value: impl Into<Vec<u8>>) -> Request {
        let mut request = self.without(name);
        request.headers.push((name.to_owned(), value.into()));
        request
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Request {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// Whether it has a header.
    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }

    /// What goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend(&self.target);
        bytes.extend(b" HTTP/1.1\r\n");
        let length = self.body.len().to_string().into_bytes();
        let length = ("content-length".to_owned(), length);
        let counted = (!self.has("content-length")).then_some(&length);
        for (name, value) in self.headers.iter().chain(counted) {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// Makes the request.
    pub fn send(&self, to: SocketAddr) -> Answer {
        Answer::read(&exchange(to, &self.bytes(), Then::Wait))
    }
}

impl Request {
    /// Makes the request to a server that may be gone, or go while it answers.
    pub fn try_send(&self, to: SocketAddr) -> Option<Answer> {
        self.try_send_within(to, READ_LIMIT)
    }

    /// The same, with so long a wait for the next byte of the answer.
    pub fn try_send_within(&self, to: SocketAddr, limit: Duration) -> Option<Answer> {
        let mut stream = TcpStream::connect(to).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        stream.write_all(&self.bytes()).ok()?;
        let mut bytes = Vec::new();
        drop(stream.read_to_end(&mut bytes));
        // The answer to HEAD says how long a body would be, and has none.
        let is_head = self.method == "HEAD";
        Some(Answer::read(&bytes)).filter(|answer| match is_head {
            true => answer.status != 0,
            false => answer.is_whole(),
        })
    }
}

/// For messages: the first line and the beginning of the body.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = &self.body[..self.body.len().min(120)];
        let (target, body) = (
            String::from_utf8_lossy(&self.target),
            String::from_utf8_lossy(body),
        );
        write!(f, "{} {target:.300} {body}", self.method)
    }
}

impl Answer {
    /// Whether all of it came: as many bytes as it promised.
    fn is_whole(&self) -> bool {
        let length = self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.eq_ignore_ascii_case("content-length");
            named.then(|| value.trim().parse().ok())?
        });
        self.status != 0 && length.is_none_or(|length: usize| length == self.body.len())
    }

    /// The first answer among the bytes of a connection.
    pub fn read(bytes: &[u8]) -> Answer {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Answer {
            status: status.unwrap_or_default(),
            head,
            body: bytes.get(end + 4..).unwrap_or_default().to_vec(),
        }
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text, cut where it would fill a screen.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body)
            .chars()
            .take(400)
            .collect()
    }
}

/// Sends bytes and reads what comes back until the server closes. Reading begins at once, because a server may
/// answer and close before it has read everything.
pub fn exchange(to: SocketAddr, bytes: &[u8], then: Then) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(READ_LIMIT)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let mut answer = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A server that has said no does not read the rest.
            let sent = sender.write_all(bytes);
            if sent.is_ok() && matches!(then, Then::Close) {
                drop(sender.shutdown(Shutdown::Write));
            }
        });
        // What came before the connection was reset counts.
        drop(stream.read_to_end(&mut answer));
        drop(stream.shutdown(Shutdown::Both));
    });
    answer
}

/// The text as a parameter's value.
pub fn value(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
        text
    })
}

fn escaped(target: &str) -> String {
    use std::fmt::Write as _;
    target.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _infallible = write!(text, "%{byte:02X}");
        }
        text
    })
}
