//! Where an upload is: its id, and the URL that clients go on with.
//!
//! Behind a proxy the service knows its own address only from what the proxy says, in headers that a client can send as
//! well. What they say goes into the answer to that very request and nowhere else, so a client can mislead itself alone. It
//! must still be well formed, lest it be more than an address. Where a public URL has been configured, they count for nothing.

use std::net::Ipv6Addr;

use axum::http::HeaderMap;
use axum::http::header::HOST;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::PREFIX;

/// Longest name of a host, as DNS has it.
const MAX_HOST_BYTES: usize = 253;
/// Longest prefix that a proxy may put before our paths.
const MAX_PREFIX_BYTES: usize = 256;
/// Longest id: base64 of the longest bucket, the longest object and a version.
const MAX_ID_BYTES: usize = 2048;

/// Which upload a URL means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadId {
    /// `bucket/path`.
    pub(crate) url: String,
    /// The row.
    pub(crate) id: Uuid,
}

impl UploadId {
    /// Reads the last segment of a path.
    pub(crate) fn parse(text: &str) -> Option<UploadId> {
        if text.len() > MAX_ID_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (url, id) = text.rsplit_once('/')?;
        Some(UploadId {
            url: url.to_owned(),
            id: Uuid::try_parse(id).ok()?,
        })
    }

    /// The segment.
    pub(crate) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}/{}", self.url, self.id))
    }
}

/// The URL of the service as this client reaches it: `https://shop.example/storage/v1`.
///
/// What was `configured` counts, be it a name or an address. `listened` is what is known where nothing was, and where the
/// request says nothing either.
pub(crate) fn base(configured: Option<&str>, listened: &str, headers: &HeaderMap) -> String {
    match configured {
        Some(url) => format!("{url}{PREFIX}"),
        None => as_reached(headers).unwrap_or_else(|| format!("{listened}{PREFIX}")),
    }
}

fn as_reached(headers: &HeaderMap) -> Option<String> {
    let forwarded = |name: &str| first(headers, name);
    let host = forwarded("x-forwarded-host").and_then(Authority::parse);
    let host = host.or_else(|| first(headers, HOST.as_str()).and_then(Authority::parse))?;
    let scheme = forwarded("x-forwarded-proto").and_then(scheme);
    // Nothing but a proxy speaks TLS.
    let scheme = scheme.unwrap_or("http");
    let port = host
        .port
        .or_else(|| forwarded("x-forwarded-port").and_then(port));
    let port = match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let prefix = forwarded("x-forwarded-prefix").and_then(prefix);
    let prefix = prefix.unwrap_or_default();
    // A gateway that strips our own prefix names it, too.
    let prefix = prefix.strip_suffix(PREFIX).unwrap_or(prefix);
    Some(format!("{scheme}://{}{port}{prefix}{PREFIX}", host.host))
}

/// Of several proxies the first is the one that the client talks to.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    value.split(',').next().map(str::trim)
}

struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl Authority<'_> {
    /// `name`, `1.2.3.4` or `[::1]`, perhaps with a port.
    fn parse(text: &str) -> Option<Authority<'_>> {
        let host_bytes = match text.starts_with('[') {
            true => text.find(']')? + 1,
            false => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(host_bytes);
        let port = match rest {
            "" => None,
            _ => Some(port(rest.strip_prefix(':')?)?),
        };
        is_host(host).then_some(Authority { host, port })
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.len() <= MAX_HOST_BYTES && host.split('.').all(is_label)
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.filter(|port| *port != 0)
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"]
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(text))
}

/// `/a/b`, without a slash at the end.
fn prefix(text: &str) -> Option<&str> {
    let text = text.trim_end_matches('/');
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let segments = text.strip_prefix('/')?;
    (text.len() <= MAX_PREFIX_BYTES && segments.split('/').all(is_segment)).then_some(text)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const LOCAL: &str = "http://127.0.0.1:54321";

    /// Where nothing was configured.
    fn at(listened: &str, lines: &[(&'static str, &'static str)]) -> String {
        base(None, listened, &headers(lines))
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn ids_go_there_and_back() {
        let id = UploadId {
            url: "my bucket/a/b (1).txt".to_owned(),
            id: Uuid::from_u128(7),
        };
        assert_eq!(UploadId::parse(&id.encode()), Some(id.clone()));
        assert!(!id.encode().contains(['/', '+', '=']));
        for bad in [
            "",
            "sign",
            "%2e%2e",
            "YQ==",
            "YS9i",
            &URL_SAFE_NO_PAD.encode(b"a/\xff/00000000-0000-0000-0000-000000000007"),
            &"A".repeat(5000),
        ] {
            assert_eq!(UploadId::parse(bad), None, "{bad:.20}");
        }
    }

    #[test]
    fn the_client_goes_on_where_it_came() {
        assert_eq!(at(LOCAL, &[]), "http://127.0.0.1:54321/storage/v1");
        assert_eq!(
            at(LOCAL, &[("host", "localhost:54321")]),
            "http://localhost:54321/storage/v1"
        );
        assert_eq!(
            at(
                LOCAL,
                &[
                    ("host", "plinth:54321"),
                    ("x-forwarded-host", "shop.example, inner.example"),
                    ("x-forwarded-proto", "https,http"),
                    ("x-forwarded-port", "443"),
                    ("x-forwarded-prefix", "/api/"),
                ]
            ),
            "https://shop.example/api/storage/v1"
        );
        assert_eq!(
            at(
                LOCAL,
                &[
                    ("x-forwarded-host", "shop.example"),
                    ("x-forwarded-port", "8443"),
                    ("x-forwarded-proto", "HTTPS"),
                    ("x-forwarded-prefix", "/storage/v1"),
                ]
            ),
            "https://shop.example:8443/storage/v1"
        );
        assert_eq!(
            at(
                LOCAL,
                &[
                    ("x-forwarded-host", "[2001:db8::1]:81"),
                    ("x-forwarded-port", "82"),
                ]
            ),
            "http://[2001:db8::1]:81/storage/v1"
        );
    }

    #[test]
    fn a_configured_url_is_not_overruled() {
        let evil = [
            ("x-forwarded-host", "evil.example"),
            ("host", "evil.example"),
        ];
        for configured in [
            "https://shop.example/api",
            "https://203.0.113.7",
            "http://192.168.1.2:8000",
            "http://[2001:db8::1]",
            "http://localhost:54321",
        ] {
            let base = base(Some(configured), LOCAL, &headers(&evil));
            assert_eq!(base, format!("{configured}/storage/v1"));
        }
        // What is listened on is not what clients see.
        for listened in [
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://192.168.1.2:1",
        ] {
            assert_eq!(at(listened, &evil), "http://evil.example/storage/v1");
        }
    }

    #[test]
    fn what_is_not_well_formed_counts_for_nothing() {
        for bad in [
            "",
            "evil.example/path",
            "user@evil.example",
            "evil.example:0",
            "evil.example:99999",
            "evil.example:80:80",
            "evil example",
            "evil..example",
            "[::1",
            "[evil]",
            "evil.example?x",
            "evil.example#x",
            "evil.example\\x",
        ] {
            let headers = [("x-forwarded-host", bad), ("host", "good.example:8000")];
            assert_eq!(
                at(LOCAL, &headers),
                "http://good.example:8000/storage/v1",
                "{bad}"
            );
        }
        for (name, bad) in [
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-proto", "https://evil.example/?"),
            ("x-forwarded-port", "80@evil.example"),
            ("x-forwarded-port", "-1"),
            ("x-forwarded-prefix", "@evil.example"),
            ("x-forwarded-prefix", "//evil.example"),
            ("x-forwarded-prefix", "/a/../b"),
            ("x-forwarded-prefix", "/a?b"),
            ("x-forwarded-prefix", "/%2e%2e"),
            ("x-forwarded-prefix", "api"),
        ] {
            let headers = [("host", "good.example:8000"), (name, bad)];
            assert_eq!(
                at(LOCAL, &headers),
                "http://good.example:8000/storage/v1",
                "{name} {bad}"
            );
        }
    }
}
