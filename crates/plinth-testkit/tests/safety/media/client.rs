//! Requests about files, as the service role makes them, on every road that there is.

use std::net::SocketAddr;

use plinth_db::keys::Keys;
use plinth_testkit::http::{Answer, Request};
use plinth_testkit::s3;

use super::place::BUCKET;

pub(super) const OCTETS: &str = "application/octet-stream";

/// Where an object is.
pub(super) fn object(name: &str) -> String {
    format!("/storage/v1/object/{BUCKET}/{name}")
}

/// Puts an object, whatever was there.
pub(super) fn put(name: &str, bytes: impl Into<Vec<u8>>) -> Request {
    let request = Request::new("POST", &object(name))
        .body(bytes)
        .header("content-type", OCTETS)
        .header("x-upsert", "true");
    admin(request)
}

/// The same for a request by the S3 protocol: its signature says who asks.
pub(super) fn by_s3(
    method: &str,
    name: &str,
    query: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Request {
    let key = format!("{BUCKET}/{name}");
    s3::request(&Keys::local(), method, &key, query, headers)
}

/// A request of a resumable upload.
pub(super) fn tus(method: &str, path: &str) -> Request {
    admin(Request::new(method, path)).header("tus-resumable", "1.0.0")
}

/// A request with the key that may do everything.
pub(super) fn admin(request: Request) -> Request {
    let keys = Keys::local();
    let key = keys.service_role_jwt.expose();
    request
        .header("apikey", key)
        .header("authorization", format!("Bearer {key}"))
}

/// The whole of a file; none where there is no such file.
pub(super) fn read(at: SocketAddr, name: &str) -> Option<Vec<u8>> {
    let answer = admin(Request::get(&object(name))).send(at);
    if answer.status == 200 {
        return Some(answer.body);
    }
    assert_eq!(
        answer.json()["code"],
        "NoSuchKey",
        "{name}: {}",
        answer.text()
    );
    None
}

/// A header of an answer, if it has it.
pub(super) fn maybe_header(answer: &Answer, name: &str) -> Option<String> {
    answer.head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

/// A header that an answer must have.
pub(super) fn header(answer: &Answer, name: &str) -> String {
    maybe_header(answer, name).unwrap_or_else(|| panic!("no {name} in {}", answer.head))
}

/// Where a resumable upload goes on, from the answer to its beginning.
pub(super) fn location(created: &Answer) -> String {
    let location = header(created, "location");
    let path = location.find("/storage/").map(|at| &location[at..]);
    path.expect("a path below the storage service").to_owned()
}
