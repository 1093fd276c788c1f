//! Asking an HTTP endpoint.
//!
//! `POST` with a description of the upload as JSON, or a form of it (`object`) and the bytes (`file`). Any 2xx accepts, 403 and
//! 422 reject; everything else, a redirect among it, is no answer.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Client, RequestBuilder, Response, Url, redirect};
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use uuid::Uuid;

use super::addresses::{PublicOnly, is_public};
use super::{About, Source, Verdict, reason};

/// What of an answer is read.
const ANSWER_BYTES: usize = 4096;
/// Bytes of a file that are read at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// An endpoint that is asked.
pub(super) struct Endpoint {
    client: Client,
    url: Url,
    send_bytes: bool,
}

/// What an endpoint may say beside its status.
#[derive(Deserialize)]
struct Answer {
    message: String,
}

impl Endpoint {
    pub(super) fn open(
        url: &str,
        allow_private: bool,
        send_bytes: bool,
    ) -> Result<Endpoint, String> {
        let url = Url::parse(url)
            .map_err(|error| format!("the url of the check of uploads cannot be read: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the url of the check of uploads must begin with http or https".to_owned());
        }
        // No proxy from the environment, which would be asked for names instead of us.
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT);
        if !allow_private {
            // An address that is written out is not resolved.
            if address(&url).is_some_and(|address| !is_public(address)) {
                return Err(
                    "the check of uploads is at a private address; allow_private lets it be asked"
                        .to_owned(),
                );
            }
            client = client.dns_resolver(PublicOnly);
        }
        let client = client
            .build()
            .map_err(|error| format!("the check of uploads cannot be asked: {error}"))?;
        Ok(Endpoint {
            client,
            url,
            send_bytes,
        })
    }

    pub(super) async fn ask(&self, about: &About<'_>, source: Source) -> Result<Verdict, String> {
        let json = serde_json::to_vec(about).map_err(|error| error.to_string())?;
        let request = self.client.post(self.url.clone());
        let request = if self.send_bytes {
            form(request, json, about.size, source).await?
        } else {
            request.header(CONTENT_TYPE, "application/json").body(json)
        };
        // The URL may carry a secret.
        let response = request
            .send()
            .await
            .map_err(|error| describe(&error.without_url()))?;
        let status = response.status();
        let answer = read(response).await?;
        match status.as_u16() {
            200..=299 => Ok(Verdict::Accepted),
            403 | 422 => {
                let message = serde_json::from_slice(&answer).map(|Answer { message }| message);
                Ok(Verdict::Rejected(reason(&message.unwrap_or_default())))
            }
            _ => Err(format!("the endpoint answered {status}")),
        }
    }
}

/// The address in a URL, when one is written there instead of a name.
fn address(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// With the causes: the outermost text only says that something was not sent.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// As much of an answer as is looked at. One that never ends is cut off by the deadline of the check.
async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES {
        let chunk = response.chunk().await;
        let Some(chunk) = chunk.map_err(|error| describe(&error.without_url()))? else {
            break;
        };
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// `multipart/form-data` with both. A stream that breaks off breaks the request off.
async fn form(
    request: RequestBuilder,
    json: Vec<u8>,
    size: u64,
    source: Source,
) -> Result<RequestBuilder, String> {
    let boundary = format!("plinth-{}", Uuid::new_v4().simple());
    let mut opening = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"object\"\r\nContent-Type: application/json\r\n\r\n"
    )
    .into_bytes();
    opening.extend(json);
    opening.extend(
        format!(
            "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes(),
    );
    let closing = format!("\r\n--{boundary}--\r\n").into_bytes();
    let length = size + (opening.len() + closing.len()) as u64;
    let bytes = bytes(source).await.map_err(|error| error.to_string())?;
    let body = once(opening).chain(bytes).chain(once(closing));
    Ok(request
        .header(
            CONTENT_TYPE,
            format!("multipart/form-data; boundary={boundary}"),
        )
        .header(CONTENT_LENGTH, length)
        .body(Body::wrap_stream(body)))
}

fn once(bytes: Vec<u8>) -> BoxStream<'static, io::Result<Bytes>> {
    stream::once(async move { Ok(Bytes::from(bytes)) }).boxed()
}

async fn bytes(source: Source) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
    match source {
        Source::Stream(bytes) => Ok(bytes),
        Source::File(path) => {
            let file = File::open(path).await?;
            let chunks = stream::try_unfold(file, |mut file| async move {
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                let count = file.read_buf(&mut chunk).await?;
                Ok::<_, io::Error>((count > 0).then(|| (Bytes::from(chunk), file)))
            });
            Ok(chunks.boxed())
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use serde_json::Value;

    use super::super::NO_REASON;
    use super::super::tests::{Scratch, about, stream};
    use super::*;

    /// Serves it on a port of this machine and gives the address.
    async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn scanner() -> Router {
        let infected = (
            StatusCode::UNPROCESSABLE_ENTITY,
            r#"{"message":"Eicar\nfound"}"#,
        );
        let judge = |body: String| async move {
            let about: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(about["name"], "a b/$(touch x).png");
            assert_eq!(about["size"], 5);
            match about["owner"].as_str() {
                Some("me") => StatusCode::NO_CONTENT,
                _ => StatusCode::FORBIDDEN,
            }
        };
        let form = |headers: HeaderMap, body: String| async move {
            assert_eq!(headers[CONTENT_LENGTH], body.len().to_string());
            assert!(
                body.contains(r#""bucket":"photos""#) && body.contains("\r\n\r\nhello\r\n--"),
                "{body}"
            );
            StatusCode::OK
        };
        Router::new()
            .route("/judge", post(judge))
            .route("/infected", post(move || async move { infected }))
            .route(
                "/broken",
                post(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
            )
            .route(
                "/moved",
                post(|| async { (StatusCode::FOUND, [("location", "/judge")]) }),
            )
            .route("/form", post(form))
    }

    #[tokio::test]
    async fn the_status_is_the_answer() {
        let server = serve(scanner()).await;
        let ask = async |path: &str, about: About<'static>| {
            let endpoint = Endpoint::open(&format!("{server}{path}"), true, false).unwrap();
            endpoint.ask(&about, stream(b"hello")).await
        };
        let stranger = About {
            owner: None,
            ..about()
        };
        assert_eq!(ask("/judge", about()).await, Ok(Verdict::Accepted));
        assert_eq!(
            ask("/judge", stranger).await,
            Ok(Verdict::Rejected(NO_REASON.to_owned()))
        );
        assert_eq!(
            ask("/infected", about()).await,
            Ok(Verdict::Rejected("Eicar".to_owned()))
        );
        for silent in ["/broken", "/moved", "/nowhere"] {
            assert!(ask(silent, about()).await.is_err(), "{silent}");
        }
    }

    #[tokio::test]
    async fn the_bytes_come_along() {
        let server = serve(scanner()).await;
        let endpoint = Endpoint::open(&format!("{server}/form"), true, true).unwrap();
        assert_eq!(
            endpoint.ask(&about(), stream(b"hello")).await,
            Ok(Verdict::Accepted)
        );
        let scratch = Scratch::new();
        let file = Source::File(scratch.file(b"hello"));
        assert_eq!(endpoint.ask(&about(), file).await, Ok(Verdict::Accepted));
        let gone = Source::File(scratch.0.join("gone"));
        assert!(endpoint.ask(&about(), gone).await.is_err());
        let torn = stream::iter([Ok(Bytes::from_static(b"he")), Err(io::Error::other("torn"))]);
        assert!(
            endpoint
                .ask(&about(), Source::Stream(torn.boxed()))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_asked() {
        let server = serve(scanner()).await;
        let server = server.replace("127.0.0.1", "localhost");
        let endpoint = Endpoint::open(&format!("{server}/judge"), false, false).unwrap();
        let error = endpoint.ask(&about(), stream(b"hello")).await.unwrap_err();
        assert!(error.contains("no public address"), "{error}");
    }
}
