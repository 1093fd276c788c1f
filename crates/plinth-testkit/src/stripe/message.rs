//! HTTP as far as a proxy must know it that drops, doubles and delays: one request and one answer a connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for the rest of a request.
const READ_LIMIT: Duration = Duration::from_secs(20);
/// No request of ours has more.
const LARGEST: usize = 1 << 20;

/// A request that has arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What a form or a query says, in its order.
pub(super) type Pairs = Vec<(String, String)>;

impl Message {
    /// The request on a connection, if all of it comes.
    pub(super) fn read(stream: &mut TcpStream) -> Option<Message> {
        stream.set_read_timeout(Some(READ_LIMIT)).ok()?;
        let mut bytes = Vec::new();
        loop {
            if let Some(message) = Message::parse(&bytes) {
                return Some(message);
            }
            let mut piece = [0; 16 * 1024];
            let length = stream.read(&mut piece).ok()?;
            if length == 0 || bytes.len() > LARGEST {
                return None;
            }
            bytes.extend_from_slice(&piece[..length]);
        }
    }

    /// The request, once all of it is there.
    fn parse(bytes: &[u8]) -> Option<Message> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers: Pairs = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut message = Message {
            method,
            target,
            headers,
            body: Vec::new(),
        };
        let length = message.header("content-length").unwrap_or("0");
        let length: usize = length.parse().ok()?;
        message.body = bytes.get(end + 4..end + 4 + length)?.to_vec();
        Some(message)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn query(&self) -> Pairs {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        pairs(query.as_bytes())
    }

    pub(super) fn form(&self) -> Pairs {
        pairs(&self.body)
    }
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// As Stripe words errors.
    pub(super) fn error(status: u16, kind: &str, code: &str, message: &str) -> Reply {
        let error = json!({ "type": kind, "code": code, "message": message });
        Reply::json(status, &json!({ "error": error }))
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Reply {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; null when it is none.
    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Sends it. Whoever asked may be gone.
    pub(super) fn write(&self, stream: &mut TcpStream) {
        let mut bytes = format!("HTTP/1.1 {} Said\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        let length = self.body.len();
        bytes.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
        bytes.extend(&self.body);
        drop(stream.write_all(&bytes));
    }
}

/// What a name stands for.
pub(super) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

fn pairs(text: &[u8]) -> Pairs {
    form_urlencoded::parse(text)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        let text = b"POST /v1/refunds?a=b%20c HTTP/1.1\r\nContent-Length: 18\r\nIdempotency-Key: k\r\n\r\nmetadata%5Bid%5D=7";
        assert!(Message::parse(&text[..text.len() - 1]).is_none());
        let message = Message::parse(text).unwrap();
        assert_eq!(
            (message.method.as_str(), message.path()),
            ("POST", "/v1/refunds")
        );
        assert_eq!(value(&message.query(), "a"), Some("b c"));
        assert_eq!(message.header("idempotency-key"), Some("k"));
        assert_eq!(value(&message.form(), "metadata[id]"), Some("7"));
    }
}
