//! `GetObject`, `HeadObject` and the tags that no object has.

use std::ops::Range as Span;

use axum::body::Body as AxumBody;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, ETAG, LAST_MODIFIED};
use s3s::dto::{
    GetObjectInput, GetObjectOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    HeadObjectInput, HeadObjectOutput, Range, StreamingBlob,
};
use s3s::{Body, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::super::auth::Principal;
use super::super::error::not_implemented;
use super::conditions::{Conditions, Outcome};
use super::{Answer, shape};
use crate::Storage;
use crate::delivery;
use crate::error::StorageError;
use crate::model::{Bucket, Object, Who, object};

/// The one version that every object has.
const ONLY_VERSION: &str = "null";

pub(super) async fn get(
    storage: &Storage,
    req: S3Request<GetObjectInput>,
) -> Answer<GetObjectOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    check_version(input.version_id.as_deref())?;
    check_part(input.part_number)?;
    let who = &principal.who;
    let conditions = Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    let found = find(storage, who, &input.bucket, &input.key).await?;
    judge(&conditions, &found)?;
    let range = wanted(input.range, found.size)?;
    let (found, reading) = match storage.store.read(found.version, range.clone()).await {
        // It was replaced between the look at the row and that at the bytes.
        Err(StorageError::NoSuchKey) => {
            let found = find(storage, who, &input.bucket, &input.key).await?;
            judge(&conditions, &found)?;
            let range = wanted(input.range, found.size)?;
            let reading = storage.store.read(found.version, range).await?;
            (found, reading)
        }
        reading => (found, reading?),
    };
    let range = wanted(input.range, found.size)?;
    let body = Body::http_body_unsync(AxumBody::from_stream(reading));
    let (metadata, missing_meta) = shape::metadata(&found);
    let length = range
        .as_ref()
        .map_or(found.size, |range| range.end - range.start);
    Ok(S3Response::new(GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        body: Some(StreamingBlob::from(body)),
        cache_control: header_text(&found.cache_control),
        content_length: Some(shape::size(length)),
        content_range: content_range(range.as_ref(), found.size),
        content_type: header_text(&found.content_type),
        e_tag: Some(shape::etag(&found.etag)),
        last_modified: Some(shape::time(found.updated_at)),
        metadata,
        missing_meta,
        ..GetObjectOutput::default()
    }))
}

pub(super) async fn head(
    storage: &Storage,
    req: S3Request<HeadObjectInput>,
) -> Answer<HeadObjectOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    check_version(input.version_id.as_deref())?;
    check_part(input.part_number)?;
    let conditions = Conditions {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
        if_modified_since: input.if_modified_since,
        if_unmodified_since: input.if_unmodified_since,
    };
    let found = find(storage, &principal.who, &input.bucket, &input.key).await?;
    judge(&conditions, &found)?;
    let range = wanted(input.range, found.size)?;
    let (metadata, missing_meta) = shape::metadata(&found);
    let length = range
        .as_ref()
        .map_or(found.size, |range| range.end - range.start);
    Ok(S3Response::new(HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: header_text(&found.cache_control),
        content_length: Some(shape::size(length)),
        content_range: content_range(range.as_ref(), found.size),
        content_type: header_text(&found.content_type),
        e_tag: Some(shape::etag(&found.etag)),
        last_modified: Some(shape::time(found.updated_at)),
        metadata,
        missing_meta,
        ..HeadObjectOutput::default()
    }))
}

/// Objects have no tags, and whoever asks is told so.
pub(super) async fn tagging(
    storage: &Storage,
    req: S3Request<GetObjectTaggingInput>,
) -> Answer<GetObjectTaggingOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    check_version(input.version_id.as_deref())?;
    find(storage, &principal.who, &input.bucket, &input.key).await?;
    Ok(S3Response::new(GetObjectTaggingOutput::default()))
}

/// An object, if the policies show it. That its whole bucket is missing is another answer.
async fn find(storage: &Storage, who: &Who, bucket: &str, key: &str) -> S3Result<Object> {
    match object::find(storage, who, bucket, key).await {
        Err(StorageError::NoSuchKey) => {
            Bucket::find(storage, bucket).await?;
            Err(StorageError::NoSuchKey.into())
        }
        found => Ok(found?),
    }
}

pub(super) fn check_version(version: Option<&str>) -> S3Result {
    match version {
        None | Some("" | ONLY_VERSION) => Ok(()),
        Some(_) => Err(s3_error!(
            NoSuchVersion,
            "The specified version does not exist."
        )),
    }
}

/// Where one part of an upload ended is not kept. The first part of what came in one is the whole.
fn check_part(part: Option<i32>) -> S3Result {
    match part {
        None | Some(1) => Ok(()),
        Some(_) => Err(not_implemented("Reading one part of an object")),
    }
}

fn judge(conditions: &Conditions, found: &Object) -> S3Result {
    match conditions.judge(found) {
        Outcome::Holds => Ok(()),
        Outcome::Failed => Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        )),
        Outcome::NotModified => Err(not_modified(found)),
    }
}

/// What a cache must know to keep what it has.
fn not_modified(found: &Object) -> S3Error {
    let mut error = s3_error!(NotModified);
    let sent = delivery::headers(found, &delivery::Delivery::default());
    let mut headers = HeaderMap::new();
    for name in [ETAG, LAST_MODIFIED, CACHE_CONTROL] {
        if let Some(value) = sent.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    error.set_headers(headers);
    error
}

/// The bytes that a range means; none for all of them.
fn wanted(range: Option<Range>, size: u64) -> S3Result<Option<Span<u64>>> {
    let Some(range) = range else {
        return Ok(None);
    };
    match range.check(size) {
        // The end of nothing is nothing, which no range can say.
        Ok(range) if range.is_empty() => Ok(None),
        Ok(range) => Ok(Some(range)),
        Err(_) => Err(StorageError::InvalidRange { size }.into()),
    }
}

fn content_range(range: Option<&Span<u64>>, size: u64) -> Option<String> {
    range.map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1))
}

/// Rows that were made by SQL may hold what no header can.
fn header_text(text: &str) -> Option<String> {
    let is_text = !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    is_text.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(range: &str, size: u64) -> Result<Option<Span<u64>>, String> {
        let range = Range::parse(range).unwrap();
        wanted(Some(range), size).map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn ranges_end_where_the_bytes_end() {
        assert_eq!(bytes("bytes=0-4", 10), Ok(Some(0..5)));
        assert_eq!(bytes("bytes=5-", 10), Ok(Some(5..10)));
        assert_eq!(bytes("bytes=-3", 10), Ok(Some(7..10)));
        assert_eq!(bytes("bytes=-30", 10), Ok(Some(0..10)));
        assert_eq!(bytes("bytes=0-99", 10), Ok(Some(0..10)));
        assert_eq!(bytes("bytes=10-", 10), Err("InvalidRange".to_owned()));
        assert_eq!(bytes("bytes=0-", 0), Err("InvalidRange".to_owned()));
        assert_eq!(bytes("bytes=-5", 0), Ok(None));
        assert_eq!(
            content_range(Some(&(0..5)), 10).as_deref(),
            Some("bytes 0-4/10")
        );
    }

    #[test]
    fn there_is_one_version_and_one_part() {
        assert!(check_version(None).is_ok() && check_version(Some("null")).is_ok());
        assert_eq!(
            check_version(Some("3")).unwrap_err().code().as_str(),
            "NoSuchVersion"
        );
        assert!(check_part(Some(1)).is_ok());
        assert!(check_part(Some(2)).is_err());
    }
}
