//! Who may begin a resumable upload, and who may go on with one.
//!
//! What is asked there is in headers. A request without them is refused before anybody looks at who makes it, so each has all
//! that it needs, and goes on with an upload that is there: the service key has begun it.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plinth_testkit::outcome::Who;
use plinth_testkit::rest::{Answer, Client};

/// Headers.
type Headers = Vec<(String, String)>;

/// Method, route, whether the token of the upload's signed URL comes along, and the status for each of
/// [`CALLERS`](crate::CALLERS).
pub(crate) type Line = (&'static str, &'static str, bool, [u16; 5]);

const PATH: &str = "/storage/v1/upload/resumable";
const ONE: &str = "/storage/v1/upload/resumable/{id}";
const SIGNED_PATH: &str = "/storage/v1/upload/resumable/sign";
const SIGNED_ONE: &str = "/storage/v1/upload/resumable/sign/{id}";

pub(crate) const LINES: &[Line] = &[
    // Another's upload is not there.
    ("OPTIONS", PATH, false, [204, 204, 204, 204, 204]),
    ("POST", PATH, false, [403, 401, 403, 403, 201]),
    ("OPTIONS", ONE, false, [204, 204, 204, 204, 204]),
    ("HEAD", ONE, false, [403, 401, 404, 404, 200]),
    ("PATCH", ONE, false, [403, 401, 404, 404, 204]),
    ("DELETE", ONE, false, [403, 401, 404, 404, 204]),
    // A key opens nothing here, and whoever has the token needs none.
    ("OPTIONS", SIGNED_PATH, false, [204, 204, 204, 204, 204]),
    ("POST", SIGNED_PATH, false, [400, 400, 400, 400, 400]),
    ("POST", SIGNED_PATH, true, [201, 201, 201, 201, 201]),
    ("OPTIONS", SIGNED_ONE, false, [204, 204, 204, 204, 204]),
    ("HEAD", SIGNED_ONE, false, [400, 400, 400, 400, 400]),
    ("HEAD", SIGNED_ONE, true, [200, 200, 200, 200, 200]),
    ("PATCH", SIGNED_ONE, false, [400, 400, 400, 400, 400]),
    ("PATCH", SIGNED_ONE, true, [204, 204, 204, 204, 204]),
    ("DELETE", SIGNED_ONE, false, [400, 400, 400, 400, 400]),
    ("DELETE", SIGNED_ONE, true, [204, 204, 204, 204, 204]),
];

/// Makes a line's request about `b/NAME`, with the headers of the caller.
pub(crate) async fn send(
    client: &Client,
    line: &Line,
    name: &str,
    mut caller: Headers,
) -> Result<Answer> {
    let (method, route, with_token, _) = *line;
    let token = match route {
        SIGNED_PATH | SIGNED_ONE => Some(signature(client, name).await?),
        _ => None,
    };
    let path = match (method, route) {
        ("OPTIONS", _) | (_, PATH | SIGNED_PATH) => route.replace("{id}", "any"),
        _ => begun(client, name, token.clone()).await?,
    };
    caller.extend(asked(method, name));
    caller.extend(token.filter(|_| with_token));
    let body = (method == "PATCH").then(|| "x".to_owned());
    client.call(method, &path, &caller, body).await
}

/// The token of a signed upload, as clients send it.
async fn signature(client: &Client, name: &str) -> Result<(String, String)> {
    let path = format!("/storage/v1/object/upload/sign/b/{name}");
    let answer = client
        .call("POST", &path, &service_key(client), None)
        .await?;
    let body = answer.json();
    let token = body["token"].as_str();
    let token = token.with_context(|| format!("there is no token: {}", answer.text()))?;
    Ok(("x-signature".to_owned(), token.to_owned()))
}

/// The path of an upload that the service key has begun, with the token that it signed or by itself.
async fn begun(client: &Client, name: &str, token: Option<(String, String)>) -> Result<String> {
    let (path, mut headers) = match token {
        Some(token) => (SIGNED_PATH, vec![token]),
        None => (PATH, service_key(client)),
    };
    headers.extend(asked("POST", name));
    let answer = client.call("POST", path, &headers, None).await?;
    let location = answer.headers.get("location");
    let location = location.and_then(|value| value.to_str().ok());
    let begun = location.and_then(|url| Some(url.get(url.find(path)?..)?.to_owned()));
    begun.with_context(|| format!("no upload has begun: {} {}", answer.status, answer.text()))
}

/// What a request says in headers, whoever makes it.
fn asked(method: &str, name: &str) -> Headers {
    let mut headers = vec![("tus-resumable", "1.0.0".to_owned())];
    match method {
        "POST" => {
            let (bucket, name) = (STANDARD.encode("b"), STANDARD.encode(name));
            let metadata = format!("bucketName {bucket},objectName {name}");
            headers.push(("upload-length", "2".to_owned()));
            headers.push(("upload-metadata", metadata));
        }
        "PATCH" => {
            let bytes = "application/offset+octet-stream";
            headers.push(("upload-offset", "0".to_owned()));
            headers.push(("content-type", bytes.to_owned()));
        }
        _ => {}
    }
    headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn service_key(client: &Client) -> Headers {
    client.credentials(&Who::postgres())
}
