//! Requests to Plinth's own S3 endpoint, signed by hand (version 4): no client library would be killed in the middle of one, or
//! say another length than it sends.

use hmac::{Hmac, KeyInit, Mac};
use plinth_db::Clock;
use plinth_db::keys::Keys;
use sha2::{Digest as _, Sha256};

use crate::http::Request;

const ENDPOINT: &str = "/storage/v1/s3";
/// As [`Request::new`] says it.
const HOST: &str = "127.0.0.1";
/// The bytes themselves are not part of the signature.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// With what requests are signed.
pub struct Access<'a> {
    /// The access key.
    pub id: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// The region that the client thinks it is in.
    pub region: &'a str,
}

/// A request of the service role: with any access key, the public key signs and the role's token opens.
///
/// `key` is `BUCKET/NAME`. The signature covers it, the query and the headers, none of which may have signs that would have to be
/// escaped. What is added to the request afterwards is not signed, which no header may be that begins with `x-amz-`.
pub fn request(
    keys: &Keys,
    method: &str,
    key: &str,
    query: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Request {
    let now = Clock::system().now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut headers = headers.to_vec();
    headers.extend([
        ("host", HOST),
        ("x-amz-content-sha256", UNSIGNED),
        ("x-amz-date", now.as_str()),
        ("x-amz-security-token", keys.service_role_jwt.expose()),
    ]);
    headers.sort_unstable();
    let mut pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.sort_unstable();
    let (path, query) = (format!("{ENDPOINT}/{key}"), pairs.join("&"));
    let access = Access {
        id: "local",
        secret: &keys.publishable,
        region: "local",
    };
    let authorization = authorization(&access, method, &path, &query, &headers);
    let target = match query.is_empty() {
        true => path,
        false => format!("{path}?{query}"),
    };
    let request = Request::new(method, &target).header("authorization", authorization);
    headers.into_iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// The header that proves a request. `headers` are in the order of their names, and have `x-amz-content-sha256` and `x-amz-date`.
///
/// # Panics
/// When one of the two is not there.
pub fn authorization(
    access: &Access<'_>,
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
) -> String {
    let value = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| *name == wanted);
        found.map_or_else(|| panic!("no {wanted}"), |(_, value)| *value)
    };
    let (payload, now) = (value("x-amz-content-sha256"), value("x-amz-date"));
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines = headers.iter().fold(String::new(), |lines, (name, value)| {
        lines + name + ":" + value + "\n"
    });
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let scope = [&now[..8], access.region, "s3", "aws4_request"];
    let secret = format!("AWS4{}", access.secret).into_bytes();
    let key = scope.iter().fold(secret, |key, part| mac(&key, part));
    let scope = scope.join("/");
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}");
    let signature = hex::encode(mac(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        access.id
    )
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key may be of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
