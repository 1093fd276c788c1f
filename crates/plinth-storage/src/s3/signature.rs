//! Proves signatures.
//!
//! `s3s` proves them over the path that a request has, and routes by the same path. Here they differ: a client signs
//! `/storage/v1/s3/bucket/key`, and the operation is about `/bucket/key`. So a request passes two services. The one made here
//! proves the signature over the path that was signed and hands the request out, body and all; the one in `mod` routes it.
//!
//! Which path was signed is tried, out of those that this place has: under the service's prefix, under its own host's root, and
//! under the path of the public URL. No header says so, because a header's prefix would let a signature for one object open another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body as AxumBody, BodyDataStream, HttpBody as _};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, EXPECT};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, Request, Uri};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use plinth_db::keys::Secret;
use plinth_http::discard_body;
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::S3ConfigProvider;
use s3s::route::S3Route;
use s3s::service::S3ServiceBuilder;
use s3s::validation::NameValidation;
use s3s::{
    Body, HttpResponse, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, TrailingHeaders,
    s3_error,
};

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::chunked;
use crate::PREFIX;
use crate::buffers;

/// Longest silence of a client in the middle of a body.
const SILENCE: Duration = Duration::from_mins(1);
/// Longest time that a body may take. Whoever needs more sends it in parts.
const WHOLE: Duration = Duration::from_hours(1);
/// How bodies say that their checksum follows them and that their chunks are not signed.
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Bytes as a client sends them.
type Incoming = BoxStream<'static, io::Result<Bytes>>;

/// A request whose signature is right.
pub(super) struct Proved {
    /// As they were sent, but for the length of a body that was in chunks.
    pub(super) headers: HeaderMap,
    /// The bytes that are meant.
    pub(super) body: Body,
    /// What follows them.
    pub(super) trailers: Trailers,
}

/// The headers behind a body.
#[derive(Clone, Default)]
pub(super) enum Trailers {
    #[default]
    None,
    /// Of chunks without signatures.
    Plain(chunked::Trailers),
    /// Of signed chunks.
    Signed(TrailingHeaders),
}

impl Trailers {
    /// One of them, once the body has been read.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let find = |headers: &HeaderMap| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        match self {
            Trailers::None => None,
            Trailers::Plain(trailers) => trailers.lock().as_ref().and_then(find),
            Trailers::Signed(trailers) => trailers.read(find).flatten(),
        }
    }
}

/// What a signature is proved with.
pub(super) struct Proof<'a> {
    /// Where clients reach the server, of which the path counts.
    pub(super) public_url: &'a str,
    pub(super) config: &'a Arc<dyn S3ConfigProvider>,
    pub(super) access_key: &'a str,
    /// Any of them will do.
    pub(super) secrets: &'a [Secret],
}

impl Proof<'_> {
    /// Proves a request's signature, or gives back what to answer.
    ///
    /// # Errors
    /// Where not even an answer can be made.
    pub(super) async fn of(
        &self,
        parts: &Parts,
        body: AxumBody,
    ) -> S3Result<Result<Proved, HttpResponse>> {
        let kind = parts.headers.get("x-amz-content-sha256");
        let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
        let incoming = incoming(parts, body);
        // What is not signed chunk by chunk is proved by the headers alone, and its bytes go another way.
        let (signed, aside) = match incoming {
            Some(incoming) if kind == UNSIGNED_CHUNKS.as_bytes() => (None, Some(incoming)),
            Some(incoming) if kind.starts_with(b"STREAMING-") => {
                (Some(chunked::guard(incoming, buffers::of_process())), None)
            }
            other => (other, None),
        };
        let slot = signed.map(|signed| Arc::new(Mutex::new(Some(signed))));

        let mut answer = None;
        for uri in signed_uris(self.public_url, &parts.uri) {
            for secret in self.secrets {
                let caught = Caught::default();
                // One that is known to be empty has a length, which the library asks for where no header says one.
                let body = slot.as_ref().map_or_else(Body::empty, once);
                let answered = self.ask(parts, uri.clone(), body, secret, &caught).await?;
                let proved = caught.0.lock().take();
                if let Some(proved) = proved {
                    return Ok(Ok(open(proved, aside, &parts.headers)));
                }
                answer = Some(answered);
            }
        }
        let answer = answer.ok_or_else(|| s3_error!(AccessDenied, "Signature is required"))?;
        Ok(Err(answer))
    }

    /// Asks the library, as if the client had asked for this target. It has caught the request if the signature is right.
    async fn ask(
        &self,
        parts: &Parts,
        uri: Uri,
        body: Body,
        secret: &Secret,
        caught: &Caught,
    ) -> S3Result<HttpResponse> {
        let mut builder = S3ServiceBuilder::new(Nothing);
        builder.set_config(Arc::clone(self.config));
        builder.set_validation(AnyName);
        builder.set_auth(OneKey {
            access_key: self.access_key.to_owned(),
            secret: secret.clone(),
        });
        builder.set_route(Catch(caught.clone()));
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = parts.version;
        request.headers_mut().clone_from(&parts.headers);
        let answered = builder.build().call(request).await;
        answered.map_err(|_| S3Error::new(S3ErrorCode::InternalError))
    }
}

/// Lets a client that is still sending a body that nobody wants come to its end, within bounds.
pub(super) fn refuse(parts: &Parts, body: AxumBody) {
    drop(incoming(parts, body));
}

/// The request without its wrapping.
fn open(proved: S3Request<Body>, aside: Option<Incoming>, sent: &HeaderMap) -> Proved {
    let S3Request {
        input,
        mut headers,
        trailing_headers,
        ..
    } = proved;
    let (body, trailers) = match aside {
        Some(aside) => {
            let (decoded, trailers) = chunked::decode(aside);
            let body = Body::http_body_unsync(AxumBody::from_stream(decoded));
            (body, Trailers::Plain(trailers))
        }
        None => (
            input,
            trailing_headers.map_or(Trailers::None, Trailers::Signed),
        ),
    };
    // Also where the transfer was chunked, so that nothing announced a length.
    if let Some(length) = sent.get("x-amz-decoded-content-length") {
        headers.insert(CONTENT_LENGTH, length.clone());
    }
    headers.remove(AUTHORIZATION);
    Proved {
        headers,
        body,
        trailers,
    }
}

/// The targets that a client may have signed for this one.
fn signed_uris(public_url: &str, uri: &Uri) -> Vec<Uri> {
    let public: Option<Uri> = public_url.parse().ok();
    let public = public.as_ref().map_or("", Uri::path).trim_end_matches('/');
    let mounts = [
        format!("{public}{PREFIX}/s3"),
        format!("{PREFIX}/s3"),
        "/s3".to_owned(),
    ];
    let path = uri.path();
    let query = uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let mut targets: Vec<Uri> = Vec::new();
    for mount in mounts {
        // `/s3` and `/s3/` are the same place, and arrive here as the same path.
        let paths = if path == "/" {
            &["/", ""][..]
        } else {
            &[path][..]
        };
        for path in paths {
            let target = format!("{mount}{path}{query}").parse().ok();
            targets.extend(target.filter(|target| !targets.contains(target)));
        }
    }
    targets
}

/// A body as it arrives; none where there is nothing. It ends with an error when the client falls silent or goes away.
fn incoming(parts: &Parts, body: AxumBody) -> Option<Incoming> {
    if body.is_end_stream() {
        return None;
    }
    let arriving = Arriving {
        body: Some(body.into_data_stream()),
        ends_at: Instant::now() + WHOLE,
        asks_first: parts.headers.contains_key(EXPECT),
    };
    let stream = stream::unfold(arriving, |mut arriving| async move {
        let next = arriving.next().await?;
        Some((next, arriving))
    });
    Some(stream.boxed())
}

struct Arriving {
    /// None at its end.
    body: Option<BodyDataStream>,
    ends_at: Instant,
    /// The client sends nothing before it hears that it may.
    asks_first: bool,
}

impl Arriving {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let deadline = self.ends_at.min(Instant::now() + SILENCE);
        let next = tokio::time::timeout_at(deadline, self.body.as_mut()?.next()).await;
        let next = match next {
            Ok(Some(Ok(bytes))) => return Some(Ok(bytes)),
            Ok(None) => None,
            Ok(Some(Err(error))) => Some(Err(io::Error::other(error))),
            Err(_) => Some(Err(io::ErrorKind::TimedOut.into())),
        };
        self.body = None;
        next
    }
}

impl Drop for Arriving {
    /// A request that is refused before its body was read: a client that still sends would see its connection end and not
    /// the answer. One that waits for permission gets the answer instead.
    fn drop(&mut self) {
        let unread = self.body.take().filter(|_| !self.asks_first);
        if let (Some(body), Ok(runtime)) = (unread, Handle::try_current()) {
            runtime.spawn(discard_body(AxumBody::from_stream(body)));
        }
    }
}

/// A body that whoever reads first takes for himself: a proof that fails has read nothing.
fn once(slot: &Arc<Mutex<Option<Incoming>>>) -> Body {
    let slot = Arc::clone(slot);
    let stream = stream::unfold(None::<Incoming>, move |taken| {
        let slot = Arc::clone(&slot);
        async move {
            let taken = taken.or_else(|| slot.lock().take());
            next(taken?).await
        }
    });
    Body::http_body_unsync(AxumBody::from_stream(stream))
}

async fn next<S: Stream + Unpin>(mut stream: S) -> Option<(S::Item, Option<S>)> {
    let item = stream.next().await?;
    Some((item, Some(stream)))
}

/// Has no operations: nothing gets past the route.
struct Nothing;

impl S3 for Nothing {}

/// Names are judged once the prefix is gone.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _: &str) -> bool {
        true
    }
}

struct OneKey {
    access_key: String,
    secret: Secret,
}

#[async_trait::async_trait]
impl S3Auth for OneKey {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        // Two readers of one header that disagree must not end in a proof.
        if access_key == self.access_key {
            Ok(SecretKey::from(self.secret.expose()))
        } else {
            Err(s3_error!(InvalidAccessKeyId))
        }
    }
}

#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Option<S3Request<Body>>>>);

/// Takes every request whose signature is right.
struct Catch(Caught);

#[async_trait::async_trait]
impl S3Route for Catch {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        true
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        // Signatures of version 2 have no region, and those for other services are for other things.
        if request.region.is_none() || request.service.as_deref() != Some("s3") {
            return Err(s3_error!(AccessDenied, "Signature is required"));
        }
        *self.0.0.lock() = Some(request);
        Ok(S3Response::new(Body::empty()))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::HOST;
    use hmac::{Hmac, KeyInit, Mac};
    use s3s::config::{S3Config, StaticConfigProvider};
    use sha2::{Digest as _, Sha256};

    use super::*;

    const KEY: &str = "PLNTTEST";
    const SECRET: &str = "a secret that signs";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn mac(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    /// A request for `target`, whose signature is over `signed`.
    fn request(signed: &str, target: &str, payload: &str, more: &[(&str, &str)]) -> Parts {
        let now = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let day = &now[..8];
        let mut headers = vec![
            ("host", "localhost:54321"),
            ("x-amz-content-sha256", payload),
            ("x-amz-date", now.as_str()),
        ];
        headers.extend_from_slice(more);
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines = headers.iter().fold(String::new(), |lines, (name, value)| {
            lines + name + ":" + value + "\n"
        });
        let (path, query) = signed.split_once('?').unwrap_or((signed, ""));
        let canonical = format!("PUT\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let scope = format!("{day}/us-east-1/s3/aws4_request");
        let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}");
        let day_key = mac(format!("AWS4{SECRET}").as_bytes(), day);
        let key = mac(&mac(&mac(&day_key, "us-east-1"), "s3"), "aws4_request");
        let signature = hex::encode(mac(&key, &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        let mut request = Request::put(target).header(AUTHORIZATION, authorization);
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        assert!(parts.headers.contains_key(HOST));
        parts
    }

    async fn prove(
        parts: &Parts,
        body: AxumBody,
        public_url: &str,
        secret: &str,
    ) -> Result<Proved, u16> {
        let config: Arc<dyn S3ConfigProvider> =
            Arc::new(StaticConfigProvider::new(Arc::new(S3Config::default())));
        let proof = Proof {
            public_url,
            config: &config,
            access_key: KEY,
            secrets: &[Secret::new("another"), Secret::new(secret)],
        };
        let proved = proof.of(parts, body).await.unwrap();
        proved.map_err(|answer| answer.status().as_u16())
    }

    async fn read(mut body: Body) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        while let Some(piece) = body.next().await {
            all.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_signature_covers_the_path_that_the_client_saw() {
        let local = "http://127.0.0.1:54321";
        let behind_a_proxy = "https://example.com/api/";
        for (signed, target, public_url, good) in [
            ("/storage/v1/s3/b/k", "/b/k", local, true),
            ("/storage/v1/s3/b/a%20k", "/b/a%20k", local, true),
            (
                "/storage/v1/s3/b?list-type=2",
                "/b?list-type=2",
                local,
                true,
            ),
            ("/s3/b/k", "/b/k", local, true),
            ("/storage/v1/s3/", "/", local, true),
            ("/storage/v1/s3", "/", local, true),
            ("/api/storage/v1/s3/b/k", "/b/k", behind_a_proxy, true),
            ("/storage/v1/s3/b/k", "/b/k", behind_a_proxy, true),
            // Another object, another query, the path without its prefix, somebody's own prefix.
            ("/storage/v1/s3/b/k", "/b/other", local, false),
            (
                "/storage/v1/s3/b?list-type=2",
                "/b?list-type=1",
                local,
                false,
            ),
            ("/b/k", "/b/k", local, false),
            ("/api/storage/v1/s3/b/k", "/b/k", local, false),
            (
                "/storage/v1/s3/uploads/storage/v1/s3/b/k",
                "/b/k",
                local,
                false,
            ),
        ] {
            let parts = request(signed, target, EMPTY, &[]);
            let proved = prove(&parts, AxumBody::empty(), public_url, SECRET).await;
            match good {
                true => assert!(proved.is_ok(), "{signed} as {target}"),
                false => assert_eq!(proved.err(), Some(403), "{signed} as {target}"),
            }
        }
        let parts = request("/storage/v1/s3/b/k", "/b/k", EMPTY, &[]);
        let proved = prove(&parts, AxumBody::empty(), local, "the wrong secret").await;
        assert_eq!(proved.err(), Some(403));
    }

    #[tokio::test]
    async fn a_body_is_what_was_signed() {
        let payload = hex::encode(Sha256::digest(b"hello"));
        let parts = request(
            "/storage/v1/s3/b/k",
            "/b/k",
            &payload,
            &[("content-length", "5")],
        );
        let send =
            |text: &'static str| AxumBody::from_stream(stream::iter([Ok::<_, io::Error>(text)]));
        let proved = prove(&parts, send("hello"), "", SECRET).await.ok().unwrap();
        assert_eq!(read(proved.body).await.unwrap(), b"hello");
        let proved = prove(&parts, send("jello"), "", SECRET).await.ok().unwrap();
        assert!(
            read(proved.body)
                .await
                .unwrap_err()
                .contains("Sha256Mismatch")
        );
    }

    #[tokio::test]
    async fn chunks_come_apart_and_have_a_length() {
        let parts = request(
            "/storage/v1/s3/b/k",
            "/b/k",
            UNSIGNED_CHUNKS,
            &[
                ("x-amz-decoded-content-length", "5"),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
            ],
        );
        let body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        let body = AxumBody::from_stream(stream::iter([Ok::<_, io::Error>(body)]));
        let proved = prove(&parts, body, "", SECRET).await.ok().unwrap();
        assert_eq!(proved.headers[CONTENT_LENGTH], "5");
        assert!(!proved.headers.contains_key(AUTHORIZATION));
        assert_eq!(read(proved.body).await.unwrap(), b"hello");
        let trailer = proved.trailers.get("x-amz-checksum-crc32");
        assert_eq!(trailer.as_deref(), Some("NhCmhg=="));
    }
}
