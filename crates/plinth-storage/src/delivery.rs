//! Sending an object: the headers, conditional requests, ranges.
//!
//! Objects come from strangers and go out under the application's own name. So their type is said once and never guessed at
//! (`nosniff`), HTML goes out as plain text, and what a browser could run otherwise (SVG, XML) goes out in a sandbox that
//! runs no scripts.

mod redirect;

use std::fmt::Write as _;
use std::ops::Range;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_RANGE, LAST_MODIFIED, RANGE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::Storage;
use crate::error::StorageError;
use crate::model::Object;
use crate::sign::End;
use crate::store::Reading;
pub use redirect::RedirectConfig;

/// Most ranges in one answer. Whoever wants more gets the whole.
const MAX_RANGES: usize = 16;
/// Up to so many bytes go out in one piece with the head, which costs less than having the system send a file.
const SMALL: u64 = 32 * 1024;
/// For what browsers render and could run: no scripts, nothing from elsewhere, an origin of its own.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// What `encodeURIComponent` leaves alone.
const NAME_CHARACTERS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*');

/// How an object is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    /// As a file to be saved, under this name if it is not empty.
    pub(crate) download: Option<String>,
    /// When the URL ends; caches must not keep it longer.
    pub(crate) end: Option<End>,
    /// Only for who asked: a cache in front must not hand it to others.
    pub(crate) is_private: bool,
    /// Without the bytes.
    pub(crate) head: bool,
}

/// Answers with an object.
pub(crate) async fn deliver(
    storage: &Storage,
    object: &Object,
    asked: &HeaderMap,
    how: &Delivery,
) -> Result<Response, StorageError> {
    // A script that a page registers stays, and sees all that the application asks for from then on.
    if asked.get("service-worker").is_some() {
        return Err(StorageError::AccessDenied(
            "Objects cannot be service workers".to_owned(),
        ));
    }
    let mut headers = headers(object, how);
    if not_modified(object, asked) {
        return Ok(answer(StatusCode::NOT_MODIFIED, headers, Body::empty()));
    }
    let ranges = match ranges(object, asked) {
        Asked::Whole => Vec::new(),
        Asked::Ranges(ranges) => ranges,
        Asked::Unsatisfiable => {
            return Err(StorageError::InvalidRange { size: object.size });
        }
    };
    // The store sends the type that we say and no sandbox: what needs one comes from here.
    if ranges.len() < 2
        && !how.head
        && !headers.contains_key(CONTENT_SECURITY_POLICY)
        && let Some(elsewhere) = redirect::redirect(storage, object, &headers, how.end).await?
    {
        return Ok(elsewhere);
    }
    match ranges.as_slice() {
        [] => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(object.size));
            let reading = match how.head {
                true => None,
                false => Some(whole(storage, object).await?),
            };
            Ok(send(StatusCode::OK, headers, reading))
        }
        [range] => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
            let content_range = content_range(range, object.size);
            if let Ok(value) = HeaderValue::try_from(content_range) {
                headers.insert(CONTENT_RANGE, value);
            }
            let reading = match how.head {
                true => None,
                false => Some(open(storage, object, range.clone()).await?),
            };
            Ok(send(StatusCode::PARTIAL_CONTENT, headers, reading))
        }
        _ => several(storage, object, headers, ranges, how.head).await,
    }
}

/// The headers that every answer with this object has, also one without its bytes.
pub(crate) fn headers(object: &Object, how: &Delivery) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    typed(&mut headers, &object.content_type);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::try_from(&object.etag)
        && !etag.is_empty()
    {
        headers.insert(ETAG, etag);
    }
    if let Some(date) = http_date(object.updated_at) {
        headers.insert(LAST_MODIFIED, date);
    }
    cached(&mut headers, &object.cache_control, how);
    if let Some(name) = &how.download {
        headers.insert(CONTENT_DISPOSITION, attachment(name));
    }
    headers
}

/// The type, made harmless, and that it is not to be guessed at.
fn typed(headers: &mut HeaderMap, content_type: &str) {
    let Served { text, sandboxed } = served_type(content_type);
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(text).unwrap_or(octets));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if sandboxed {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
    headers.insert(ROBOTS, HeaderValue::from_static("none"));
}

/// How long it may be kept: as the uploader said, and not beyond the end of its URL.
fn cached(headers: &mut HeaderMap, cache_control: &str, how: &Delivery) {
    if how.is_private {
        // No cache knows that `apikey` opens something.
        headers.insert(VARY, HeaderValue::from_static("Authorization, apikey"));
    }
    if let Some(date) = how.end.and_then(|end| http_date(end.at)) {
        headers.insert(EXPIRES, date);
    }
    let value = match how.end {
        Some(end) => HeaderValue::try_from(until(cache_control, end.seconds_left)),
        None if how.is_private => HeaderValue::try_from(unshared(cache_control)),
        None => HeaderValue::try_from(cache_control),
    };
    let value = value.unwrap_or(HeaderValue::from_static("no-cache"));
    headers.insert(CACHE_CONTROL, value);
}

/// What remains of it when the URL ends in so many seconds. Words that would let a cache go on after that are left out.
fn until(cache_control: &str, seconds_left: u64) -> String {
    let words = || cache_control.split(',').map(str::trim);
    let has = |wanted: &str| words().any(|word| word.eq_ignore_ascii_case(wanted));
    if has("no-store") {
        return "no-store".to_owned();
    }
    let age = words().find_map(|word| {
        let (name, seconds) = word.split_once('=')?;
        let is_age = name.trim().eq_ignore_ascii_case("max-age");
        let seconds = number(seconds).ok().flatten()?;
        is_age.then_some(seconds)
    });
    match age {
        Some(age) if !has("no-cache") => {
            let private = if has("private") { "private, " } else { "" };
            format!("{private}max-age={}", age.min(seconds_left))
        }
        _ => "no-cache".to_owned(),
    }
}

/// Without the words by which an uploader would let shared caches keep what is private.
fn unshared(cache_control: &str) -> String {
    let shares = |word: &str| {
        let word = word.to_ascii_lowercase();
        word == "public" || word.starts_with("s-maxage")
    };
    let words = cache_control.split(',').map(str::trim);
    let mut kept: Vec<&str> = words
        .filter(|word| !word.is_empty() && !shares(word))
        .collect();
    let has = |wanted: &str| kept.iter().any(|word| word.eq_ignore_ascii_case(wanted));
    // By this word, too, a shared cache may keep what `Authorization` has opened (RFC 9111, 3.5).
    if has("must-revalidate") && !has("private") {
        kept.insert(0, "private");
    }
    match kept.is_empty() {
        true => "no-cache".to_owned(),
        false => kept.join(", "),
    }
}

/// `attachment;`, with a name when there is one.
fn attachment(name: &str) -> HeaderValue {
    let text = if name.is_empty() {
        "attachment;".to_owned()
    } else {
        let name = utf8_percent_encode(name, NAME_CHARACTERS);
        format!("attachment; filename={name}; filename*=UTF-8''{name};")
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment;"))
}

/// Whether the client has it already.
pub(crate) fn not_modified(object: &Object, asked: &HeaderMap) -> bool {
    if let Some(tags) = asked.get(IF_NONE_MATCH) {
        // Dates do not count beside it.
        return tags
            .to_str()
            .is_ok_and(|tags| names_tag(tags, &object.etag));
    }
    let since = asked.get(IF_MODIFIED_SINCE).and_then(date);
    since.is_some_and(|since| object.updated_at.as_second() <= since.as_second())
}

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// An answer with all that comes of this, or without a body.
fn send(status: StatusCode, headers: HeaderMap, reading: Option<Reading>) -> Response {
    let Some(mut reading) = reading else {
        return answer(status, headers, Body::empty());
    };
    if reading.len() <= SMALL
        && let Some(bytes) = reading.whole()
    {
        return answer(status, headers, Body::from(bytes));
    }
    let stretch = reading.stretch();
    let mut response = answer(status, headers, Body::from_stream(reading));
    if let Some(stretch) = stretch {
        response.extensions_mut().insert(stretch);
    }
    response
}

async fn whole(storage: &Storage, object: &Object) -> Result<Reading, StorageError> {
    let reading = storage.store.read(object.version, None).await?;
    if reading.size() != object.size {
        return Err(StorageError::Internal(format!(
            "object {} has {} bytes and its row says {}",
            object.version,
            reading.size(),
            object.size
        )));
    }
    Ok(reading)
}

async fn open(
    storage: &Storage,
    object: &Object,
    range: Range<u64>,
) -> Result<Reading, StorageError> {
    let length = range.end - range.start;
    let reading = storage.store.read(object.version, Some(range)).await?;
    match reading.len() == length {
        true => Ok(reading),
        false => Err(StorageError::Internal(format!(
            "object {} has fewer bytes than its row says",
            object.version
        ))),
    }
}

/// `multipart/byteranges`. All parts are open before the first is sent, so that nobody removes one meanwhile.
async fn several(
    storage: &Storage,
    object: &Object,
    mut headers: HeaderMap,
    ranges: Vec<Range<u64>>,
    head: bool,
) -> Result<Response, StorageError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    // Drawn anew each time, so that no uploader can write it into a file.
    let boundary = Uuid::new_v4().simple();
    let mut parts = Vec::with_capacity(ranges.len());
    let mut length = 0;
    for range in ranges {
        let mut opening = format!("\r\n--{boundary}\r\nContent-Type: {content_type}\r\n");
        let _infallible = write!(
            opening,
            "Content-Range: {}\r\n\r\n",
            content_range(&range, object.size)
        );
        length += opening.len() as u64 + (range.end - range.start);
        let reading = match head {
            true => None,
            false => Some(open(storage, object, range).await?),
        };
        parts.push((Bytes::from(opening), reading));
    }
    let closing = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    length += closing.len() as u64;

    let multipart = format!("multipart/byteranges; boundary={boundary}");
    if let Ok(value) = HeaderValue::try_from(multipart) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if head {
        return Ok(answer(StatusCode::PARTIAL_CONTENT, headers, Body::empty()));
    }
    let parts = stream::iter(parts).flat_map(|(opening, reading)| {
        let opening = stream::once(async move { Ok::<_, std::io::Error>(opening) });
        opening.chain(stream::iter(reading).flatten())
    });
    let closing = stream::once(async move { Ok::<_, std::io::Error>(closing) });
    let body = parts.chain(closing);
    Ok(answer(
        StatusCode::PARTIAL_CONTENT,
        headers,
        Body::from_stream(body),
    ))
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// A type as it goes out.
#[derive(Debug, PartialEq)]
struct Served {
    text: String,
    sandboxed: bool,
}

fn served_type(content_type: &str) -> Served {
    let octets = Served {
        text: "application/octet-stream".to_owned(),
        sandboxed: false,
    };
    let (essence, parameters) = match content_type.split_once(';') {
        Some((essence, parameters)) => (essence.trim(), Some(parameters.trim())),
        None => (content_type.trim(), None),
    };
    let essence = essence.to_ascii_lowercase();
    let is_token = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    let Some((family, kind)) = essence.split_once('/') else {
        return octets;
    };
    if !is_token(family) || !is_token(kind) {
        return octets;
    }
    // A comma would begin a second value, of which browsers take the last.
    let parameters = parameters
        .filter(|text| !text.is_empty() && !text.contains(',') && text.is_ascii())
        .map(|text| format!("; {text}"))
        .unwrap_or_default();
    match &*essence {
        "text/html" | "application/xhtml+xml" => Served {
            text: format!("text/plain{parameters}"),
            sandboxed: false,
        },
        // Their parts could be of any type.
        _ if matches!(family, "multipart" | "message") => octets,
        _ => Served {
            text: format!("{essence}{parameters}"),
            sandboxed: !is_inert(family, kind),
        },
    }
}

/// Whether browsers show it without running anything, or do not show it. A sandbox would keep them from showing PDF.
fn is_inert(family: &str, kind: &str) -> bool {
    match family {
        "image" | "audio" | "video" | "font" => kind != "xml" && !kind.ends_with("+xml"),
        "text" => matches!(kind, "plain" | "css" | "csv"),
        "application" => matches!(kind, "json" | "pdf" | "octet-stream" | "zip"),
        _ => false,
    }
}

/// What of it is asked for.
#[derive(Debug, PartialEq)]
enum Asked {
    Whole,
    Ranges(Vec<Range<u64>>),
    Unsatisfiable,
}

fn ranges(object: &Object, asked: &HeaderMap) -> Asked {
    let Some(text) = asked.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Asked::Whole;
    };
    // Who has a part of another version wants the whole of this one.
    if let Some(condition) = asked.get(IF_RANGE) {
        let same_tag = condition.to_str().is_ok_and(|tag| tag == object.etag);
        let same_date =
            date(condition).is_some_and(|date| date.as_second() == object.updated_at.as_second());
        if !same_tag && !same_date {
            return Asked::Whole;
        }
    }
    parse_ranges(text, object.size)
}

/// What cannot be read as ranges of bytes is as if it were not there.
fn parse_ranges(text: &str, size: u64) -> Asked {
    let Some(list) = text.trim().strip_prefix("bytes=") else {
        return Asked::Whole;
    };
    if size == 0 {
        return Asked::Whole;
    }
    let mut ranges = Vec::new();
    let mut count = 0;
    for spec in list
        .split(',')
        .map(str::trim)
        .filter(|spec| !spec.is_empty())
    {
        count += 1;
        let Some((first, last)) = spec.split_once('-') else {
            return Asked::Whole;
        };
        let (Ok(first), Ok(last)) = (number(first), number(last)) else {
            return Asked::Whole;
        };
        let range = match (first, last) {
            (Some(first), Some(last)) if first > last => return Asked::Whole,
            (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
            (Some(first), None) => first..size,
            // The last bytes.
            (None, Some(count)) => size.saturating_sub(count)..size,
            (None, None) => return Asked::Whole,
        };
        if range.start < range.end {
            ranges.push(range);
        }
    }
    let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    match ranges.len() {
        0 if count > 0 => Asked::Unsatisfiable,
        0 => Asked::Whole,
        // More than the whole, in pieces: nobody needs that, and somebody could want to wear us out.
        _ if count > MAX_RANGES || (count > 1 && total > size) => Asked::Whole,
        _ => Asked::Ranges(ranges),
    }
}

/// What is neither a number nor nothing.
struct NoNumber;

/// A number, or nothing where none stands.
fn number(text: &str) -> Result<Option<u64>, NoNumber> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoNumber);
    }
    // More digits than fit are beyond the end of everything.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// Whether a list of entity tags has this one; whether weak does not matter here.
fn names_tag(list: &str, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let own = strong(etag);
    list.split(',')
        .any(|tag| tag.trim() == "*" || (!own.is_empty() && strong(tag) == own))
}

fn date(value: &HeaderValue) -> Option<Timestamp> {
    static PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new();
    PARSER.parse_timestamp(value.to_str().ok()?).ok()
}

fn http_date(time: Timestamp) -> Option<HeaderValue> {
    static PRINTER: rfc2822::DateTimePrinter = rfc2822::DateTimePrinter::new();
    let text = PRINTER.timestamp_to_rfc9110_string(&time).ok()?;
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let one = |range: Range<u64>| Asked::Ranges(vec![range]);
        for (text, size, expected) in [
            ("bytes=0-0", 10, one(0..1)),
            ("bytes=2-5", 10, one(2..6)),
            ("bytes=5-", 10, one(5..10)),
            ("bytes=-3", 10, one(7..10)),
            ("bytes=-30", 10, one(0..10)),
            ("bytes=5-99999999999999999999999", 10, one(5..10)),
            ("bytes=0-1, 8-9", 10, Asked::Ranges(vec![0..2, 8..10])),
            ("bytes=0-1,20-30", 10, one(0..2)),
            ("bytes=10-", 10, Asked::Unsatisfiable),
            ("bytes=-0", 10, Asked::Unsatisfiable),
            ("bytes=5-2", 10, Asked::Whole),
            ("bytes=a-b", 10, Asked::Whole),
            ("bytes=-", 10, Asked::Whole),
            ("bytes=", 10, Asked::Whole),
            ("items=0-1", 10, Asked::Whole),
            ("bytes=0-9,0-9", 10, Asked::Whole),
            ("bytes=0-1", 0, Asked::Whole),
        ] {
            assert_eq!(parse_ranges(text, size), expected, "{text}");
        }
        let many = (0..17).map(|n| format!("{n}-{n}")).collect::<Vec<_>>();
        assert_eq!(
            parse_ranges(&format!("bytes={}", many.join(",")), 100),
            Asked::Whole
        );
    }

    #[test]
    fn what_could_run_does_not() {
        let served = |text: &str| {
            let Served { text, sandboxed } = served_type(text);
            (text, sandboxed)
        };
        for (given, sent, sandboxed) in [
            ("image/png", "image/png", false),
            ("text/html", "text/plain", false),
            (
                "Text/HTML ; charset=utf-8",
                "text/plain; charset=utf-8",
                false,
            ),
            ("application/xhtml+xml", "text/plain", false),
            ("image/svg+xml", "image/svg+xml", true),
            ("text/xml", "text/xml", true),
            ("text/xsl", "text/xsl", true),
            ("application/pdf", "application/pdf", false),
            ("multipart/mixed", "application/octet-stream", false),
            (
                "text/plain; charset=utf-8",
                "text/plain; charset=utf-8",
                false,
            ),
            ("text/plain; a=b, text/html", "text/plain", false),
            ("text/html,image/png", "application/octet-stream", false),
            ("nonsense", "application/octet-stream", false),
            ("", "application/octet-stream", false),
            ("a/b\r\nx: y", "application/octet-stream", false),
            (
                "multipart/x-mixed-replace",
                "application/octet-stream",
                false,
            ),
        ] {
            assert_eq!(served(given), (sent.to_owned(), sandboxed), "{given}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        assert!(names_tag("\"a\"", "\"a\""));
        assert!(names_tag("W/\"b\", W/\"a\"", "\"a\""));
        assert!(names_tag("*", "\"a\""));
        assert!(!names_tag("\"b\"", "\"a\""));
        assert!(!names_tag("", ""));
    }

    #[test]
    fn what_is_private_is_not_shared() {
        assert_eq!(unshared("max-age=3600"), "max-age=3600");
        assert_eq!(unshared("public, max-age=60, s-maxage=99"), "max-age=60");
        assert_eq!(unshared("public"), "no-cache");
        let strict = "private, max-age=60, Must-Revalidate";
        assert_eq!(unshared("max-age=60, Must-Revalidate"), strict);
        assert_eq!(unshared(strict), strict);
    }

    #[test]
    fn nothing_is_kept_longer_than_its_url() {
        for (said, sent) in [
            ("max-age=3600", "max-age=60"),
            ("max-age=30", "max-age=30"),
            (
                "public, Max-Age=99999999999999999999999, s-maxage=9, immutable",
                "max-age=60",
            ),
            ("private,max-age=3600", "private, max-age=60"),
            ("max-age=3600, no-store", "no-store"),
            ("no-cache, max-age=9", "no-cache"),
            ("max-age=x", "no-cache"),
            ("no-cache", "no-cache"),
            ("public", "no-cache"),
        ] {
            assert_eq!(until(said, 60), sent, "{said}");
        }
    }

    #[test]
    fn names_of_attachments_are_encoded() {
        assert_eq!(attachment(""), "attachment;");
        assert_eq!(
            attachment("a b\"\u{e9}.txt"),
            "attachment; filename=a%20b%22%C3%A9.txt; filename*=UTF-8''a%20b%22%C3%A9.txt;"
        );
    }

    #[test]
    fn dates_are_those_of_http() {
        let time: Timestamp = "1994-11-06T08:49:37.5Z".parse().unwrap();
        assert_eq!(http_date(time).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let read = date(&HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(read.map(Timestamp::as_second), Some(time.as_second()));
    }
}
