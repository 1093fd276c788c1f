//! `PutObject`, forms and `CopyObject`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use s3s::dto::{
    Checksum, CopyObjectInput, CopyObjectOutput, CopyObjectResult, MetadataDirective,
    ObjectCannedACL, PostObjectInput, PostObjectOutput, PutObjectInput, PutObjectOutput,
    ServerSideEncryption, StorageClass, StreamingBlob,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use serde_json::Value;

use super::super::auth::Principal;
use super::super::copy::{CopySource, SourceConditions};
use super::super::error::not_implemented;
use super::super::features;
use super::super::forms::FormPrincipal;
use super::super::upload::Announced;
use super::{Answer, shape};
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, NewObject, Object, Who, object};
use crate::names::ObjectName;

/// Longest content type and longest cache control that are kept.
const TEXT_BYTES: usize = 256;

/// What is to be written where, as every kind of upload says it.
pub(in crate::s3) struct Target<'a> {
    pub(in crate::s3) bucket: &'a str,
    pub(in crate::s3) key: &'a str,
    pub(in crate::s3) upsert: bool,
    pub(in crate::s3) content_type: Option<String>,
    pub(in crate::s3) cache_control: Option<String>,
    pub(in crate::s3) user_metadata: Option<Value>,
    pub(in crate::s3) length: Option<u64>,
}

impl Target<'_> {
    /// The object that is to be made, and how large it may be. Refused are names that objects cannot have, and what the
    /// bucket does not take.
    pub(in crate::s3) async fn check(self, storage: &Storage) -> S3Result<(NewObject, u64)> {
        let bucket = Bucket::find(storage, self.bucket).await?;
        let name = ObjectName::parse(self.key)?;
        let limit = bucket.limit(storage);
        if self.length.is_some_and(|length| length > limit) {
            return Err(StorageError::TooLarge.into());
        }
        let content_type = short(self.content_type, "content-type")?;
        let content_type = content_type.unwrap_or_else(|| object::OCTETS.to_owned());
        let cache_control = short(self.cache_control, "cache-control")?;
        let is_placeholder = name.is_folder_placeholder() && self.length == Some(0);
        if !is_placeholder {
            bucket.check_type(&content_type)?;
        }
        let object = NewObject {
            bucket: bucket.id,
            name,
            upsert: self.upsert.into(),
            content_type,
            cache_control: cache_control.unwrap_or_else(|| "no-cache".to_owned()),
            user_metadata: self.user_metadata,
            declared_length: self.length,
        };
        Ok((object, limit))
    }
}

/// What comes back as a header must fit into one.
fn short(text: Option<String>, name: &str) -> S3Result<Option<String>> {
    let text = text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    let fits = |text: &String| text.len() <= TEXT_BYTES && HeaderValue::from_str(text).is_ok();
    if text.as_ref().is_none_or(fits) {
        return Ok(text);
    }
    Err(s3_error!(
        InvalidArgument,
        "The {name} of an object has at most {TEXT_BYTES} characters"
    ))
}

pub(super) async fn put(
    storage: &Storage,
    req: S3Request<PutObjectInput>,
) -> Answer<PutObjectOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let announced = Announced::of(&req)?;
    let input = req.input;
    let target = Target {
        bucket: &input.bucket,
        key: &input.key,
        upsert: upsert(input.if_match.is_some(), input.if_none_match.as_ref())?,
        content_type: input.content_type,
        cache_control: input.cache_control,
        user_metadata: shape::user_metadata(input.metadata),
        length: Some(announced.length),
    };
    let (object, proved) = store(storage, &principal.who, target, announced, input.body).await?;
    Ok(S3Response::new(PutObjectOutput {
        e_tag: Some(shape::etag(&object.etag)),
        checksum_crc32: proved.checksum_crc32,
        checksum_crc32c: proved.checksum_crc32c,
        checksum_crc64nvme: proved.checksum_crc64nvme,
        checksum_sha1: proved.checksum_sha1,
        checksum_sha256: proved.checksum_sha256,
        ..PutObjectOutput::default()
    }))
}

pub(super) async fn post(
    storage: &Storage,
    req: S3Request<PostObjectInput>,
) -> Answer<PostObjectOutput> {
    let principal = FormPrincipal::of(&req, &req.input.bucket)?;
    check_form(&req.input)?;
    let input = req.input;
    // An empty file has none.
    let length = input.content_length.unwrap_or(0);
    let announced = Announced::form(u64::try_from(length).unwrap_or(0));
    let target = Target {
        bucket: &input.bucket,
        key: &input.key,
        upsert: true,
        content_type: input.content_type,
        cache_control: input.cache_control,
        user_metadata: shape::user_metadata(input.metadata),
        length: Some(announced.length),
    };
    let (object, _) = store(storage, &principal.who, target, announced, input.body).await?;
    Ok(S3Response::new(PostObjectOutput {
        e_tag: Some(shape::etag(&object.etag)),
        ..PostObjectOutput::default()
    }))
}

/// The fields of a form are held to what headers are held to.
fn check_form(input: &PostObjectInput) -> S3Result {
    let fields = [
        ("x-amz-acl", input.acl.as_ref().map(ObjectCannedACL::as_str)),
        ("x-amz-tagging", input.tagging.as_deref()),
        (
            "x-amz-storage-class",
            input.storage_class.as_ref().map(StorageClass::as_str),
        ),
        (
            "x-amz-server-side-encryption",
            input
                .server_side_encryption
                .as_ref()
                .map(ServerSideEncryption::as_str),
        ),
        (
            "x-amz-website-redirect-location",
            input.website_redirect_location.as_deref(),
        ),
        ("content-disposition", input.content_disposition.as_deref()),
        ("content-encoding", input.content_encoding.as_deref()),
        ("content-language", input.content_language.as_deref()),
        ("expires", input.expires.as_ref().map(|_| "a date")),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let Some(value) = value else { continue };
        let value = HeaderValue::try_from(value)
            .map_err(|_| s3_error!(InvalidArgument, "The field {name} is no text"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    features::check(&Method::POST, &headers)
}

/// Receives a body and makes it the object, and gives back the checksums that were proved on the way.
async fn store(
    storage: &Storage,
    who: &Who,
    target: Target<'_>,
    announced: Announced,
    body: Option<StreamingBlob>,
) -> S3Result<(Object, Checksum)> {
    let (object, limit) = target.check(storage).await?;
    object::may_put(storage, who, &object).await?;
    let (body, upload) = announced.begin(body);
    let stored = match storage.store.receive(&storage.app.db, body, limit).await {
        Ok(stored) => stored,
        Err(error) => return Err(upload.failed(error)),
    };
    let object = object::put(storage, who, &object, stored).await?;
    Ok((object, upload.proved()))
}

/// Whether a write may take the place of what is there. A condition on what is there cannot be kept: the row is
/// written later than it would be looked at.
pub(in crate::s3) fn upsert(
    if_match: bool,
    if_none_match: Option<&s3s::dto::ETagCondition>,
) -> S3Result<bool> {
    if if_match {
        return Err(not_implemented("The header if-match of an upload"));
    }
    match if_none_match {
        None => Ok(true),
        Some(condition) if condition.is_any() => Ok(false),
        Some(_) => Err(not_implemented(
            "The header if-none-match of an upload with anything but *",
        )),
    }
}

pub(super) async fn copy(
    storage: &Storage,
    req: S3Request<CopyObjectInput>,
) -> Answer<CopyObjectOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let source = CopySource::of(&req)?;
    let input = req.input;
    if input.checksum_algorithm.is_some() {
        return Err(not_implemented("A checksum of a copy"));
    }
    let conditions = SourceConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let replaces = match input
        .metadata_directive
        .as_ref()
        .map(MetadataDirective::as_str)
    {
        None | Some(MetadataDirective::COPY) => false,
        Some(MetadataDirective::REPLACE) => true,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    };
    if !replaces && source.bucket == input.bucket && source.key == input.key {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let found = source.find(storage, &principal, conditions).await?;
    let Object {
        content_type,
        cache_control,
        user_metadata,
        ..
    } = found.clone();
    let kept = Target {
        bucket: &input.bucket,
        key: &input.key,
        upsert: true,
        content_type: Some(content_type),
        cache_control: Some(cache_control),
        user_metadata,
        length: Some(found.size),
    };
    let target = if replaces {
        Target {
            content_type: input.content_type,
            cache_control: input.cache_control,
            user_metadata: shape::user_metadata(input.metadata),
            ..kept
        }
    } else {
        kept
    };
    let (object, _) = target.check(storage).await?;
    let copied = object::copy(storage, &principal.who, &found, &object).await?;
    Ok(S3Response::new(CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult {
            e_tag: Some(shape::etag(&copied.etag)),
            last_modified: Some(shape::time(copied.updated_at)),
            ..CopyObjectResult::default()
        }),
        ..CopyObjectOutput::default()
    }))
}
