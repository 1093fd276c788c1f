//! Names of this machine.
//!
//! `plinth dev` answers only to them. A page from anywhere can point a name of its own at 127.0.0.1 and would then
//! be same-origin with what listens there (DNS rebinding); the `Host` header still carries that foreign name.

use axum::http::header::HOST;
use axum::http::{Request, StatusCode};

use crate::ApiError;

/// Whether `name` or `name:port` means this machine: `localhost` and names under it, 127.0.0.0/8, `[::1]`.
pub fn is_loopback(authority: &str) -> bool {
    let name = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if is_port(port) => return address == "::1",
            _ => return false,
        },
        None => match authority.split_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) => return false,
            None => authority,
        },
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

/// Refuses requests that name another host, or none.
pub fn require_loopback<B>(request: &Request<B>) -> Result<(), ApiError> {
    let header = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok());
    let host = header.or_else(|| {
        request
            .uri()
            .authority()
            .map(axum::http::uri::Authority::as_str)
    });
    if host.is_some_and(is_loopback) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "host_not_allowed",
        "this server answers to loopback names only",
    )
    .hint("Open it as http://127.0.0.1 or http://localhost; `plinth serve` answers to any name."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for name in [
            "localhost",
            "localhost:54321",
            "LOCALHOST",
            "app.localhost:1",
            "127.0.0.1",
            "127.9.8.7:80",
            "[::1]",
            "[::1]:80",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "10.0.0.1",
            "[::2]",
            "[::1",
            "::1",
            "localhost:80@x",
            "[::1]x",
        ] {
            assert!(!is_loopback(name), "{name}");
        }
    }
}
