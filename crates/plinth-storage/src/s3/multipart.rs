//! Uploads in parts. Their rows are the service's own bookkeeping, written as the system; what becomes of them is an object, and
//! that is the caller's to make.
//!
//! An upload belongs to whom it was begun by: another's is not there for anybody but `service_role`. It is one version of bytes
//! from its beginning, so that a completion which was interrupted can be taken up again.

mod ending;
mod upload;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;
use plinth_db::{Error, Param, Row, Session};
use plinth_http::request_id;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
    Part as PartShape, Range, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use serde_json::json;
use uuid::Uuid;

use super::auth::Principal;
use super::copy::{CopySource, SourceConditions};
use super::error::not_implemented;
use super::ops::shape::{self, Naming};
use super::ops::write::{Target, upsert};
use super::ops::{Answer, buckets};
use super::upload::Announced;
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, Object, Who, object};
use crate::store::joined_etag;

pub(crate) use ending::{abort_all, end_claims, sweep};
use upload::{COLUMNS, Upload, invalid_part};

/// Uploads that were not completed are removed after this.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Uploads that one caller may have under way in a bucket. Each can hold as much as the bucket's largest object.
const MAX_UPLOADS: i64 = 1000;
/// Parts of one upload, as in S3.
const MAX_PARTS: u16 = 10_000;
/// Most entries in one answer.
const MAX_ENTRIES: usize = 1000;
/// A completion that takes longer is told to go on by blanks, before clients believe the connection dead.
const QUICK: Duration = Duration::from_secs(15);
/// The role that sees every upload.
const ADMIN: &str = "service_role";

pub(super) async fn create(
    storage: &Storage,
    req: S3Request<CreateMultipartUploadInput>,
) -> Answer<CreateMultipartUploadOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let who = &principal.who;
    let target = Target {
        bucket: &input.bucket,
        key: &input.key,
        upsert: true,
        content_type: input.content_type,
        cache_control: input.cache_control,
        user_metadata: shape::user_metadata(input.metadata),
        length: None,
    };
    let (object, _) = target.check(storage).await?;
    object::may_put(storage, who, &object).await?;
    check_number(storage, who, &input.bucket).await?;
    storage.unfinished.check_beginning(&storage.config)?;

    let id = Uuid::now_v7();
    let state = storage.store.begin_parts(id).await?;
    let stored_state = serde_json::to_value(&state).map_err(|error| lost(&error))?;
    let expires_at = storage.app.db.clock().now().checked_add(LIFETIME);
    let params = vec![
        Param::from(id.to_string()),
        Param::from(&input.bucket),
        Param::from(&input.key),
        Param::from(id.to_string()),
        Param::from(who.owner.as_ref()),
        Param::from(&who.session.role),
        Param::from(json!({
            "mimetype": object.content_type,
            "cacheControl": object.cache_control,
        })),
        Param::from(object.user_metadata),
        Param::from(stored_state),
        Param::from(expires_at.map_err(|error| lost(&error))?),
    ];
    let sql = "insert into storage.s3_multipart_uploads \
               (id, bucket_id, key, version, owner_id, role, metadata, user_metadata, store_state, expires_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let made = storage.app.db.query(&Session::system(), sql, params).await;
    if let Err(error) = made {
        let _best_effort = storage.store.abandon_upload(id, state).await;
        return Err(StorageError::from(error).into());
    }
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id.to_string()),
        ..CreateMultipartUploadOutput::default()
    }))
}

async fn check_number(storage: &Storage, who: &Who, bucket: &str) -> S3Result {
    let sql = "select count(*) as number from storage.s3_multipart_uploads \
               where bucket_id = $1 and role = $2 and coalesce(owner_id, '') = $3";
    let params = vec![
        Param::from(bucket),
        Param::from(&who.session.role),
        Param::from(who.owner.as_deref().unwrap_or_default()),
    ];
    let rows = storage.app.db.query(&Session::system(), sql, params).await;
    let rows = rows.map_err(StorageError::from)?;
    let number = rows.first().map(|row| row.int("number")).transpose();
    if number.map_err(StorageError::from)?.unwrap_or(0) < MAX_UPLOADS {
        return Ok(());
    }
    Err(s3_error!(
        SlowDown,
        "There are {MAX_UPLOADS} uploads under way already; complete or abort some of them"
    ))
}

pub(super) async fn part(
    storage: &Storage,
    req: S3Request<UploadPartInput>,
) -> Answer<UploadPartOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let announced = Announced::of(&req)?;
    let input = req.input;
    let number = part_number(input.part_number)?;
    let found = Upload::find(
        storage,
        &principal.who,
        &input.upload_id,
        &input.bucket,
        &input.key,
    );
    let found = found.await?;
    let limit = found.room(storage, number).await?;
    if announced.length > limit {
        return Err(StorageError::TooLarge.into());
    }
    found.check_bytes(storage, announced.length).await?;
    let (body, upload) = announced.begin(input.body);
    let received = found.receive(storage, number, body, limit).await?;
    let part = received.map_err(|error| upload.failed(error))?;
    let proved = upload.proved();
    Ok(S3Response::new(UploadPartOutput {
        e_tag: Some(shape::etag(&part.etag)),
        checksum_crc32: proved.checksum_crc32,
        checksum_crc32c: proved.checksum_crc32c,
        checksum_crc64nvme: proved.checksum_crc64nvme,
        checksum_sha1: proved.checksum_sha1,
        checksum_sha256: proved.checksum_sha256,
        ..UploadPartOutput::default()
    }))
}

pub(super) async fn part_copy(
    storage: &Storage,
    req: S3Request<UploadPartCopyInput>,
) -> Answer<UploadPartCopyOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let source = CopySource::of(&req)?;
    let input = req.input;
    let number = part_number(input.part_number)?;
    let found = Upload::find(
        storage,
        &principal.who,
        &input.upload_id,
        &input.bucket,
        &input.key,
    );
    let found = found.await?;
    let conditions = SourceConditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let object = source.find(storage, &principal, conditions).await?;
    let range = copied_range(input.copy_source_range.as_deref(), object.size)?;
    let length = range
        .as_ref()
        .map_or(object.size, |range| range.end - range.start);
    let limit = found.room(storage, number).await?;
    if length > limit {
        return Err(StorageError::TooLarge.into());
    }
    found.check_bytes(storage, length).await?;
    let reading = storage.store.read(object.version, range).await?;
    let bytes = reading
        .map_err(|error| StorageError::StoreAway(format!("reading what is copied: {error}")));
    let received = found.receive(storage, number, bytes.boxed(), limit);
    let part = received.await??;
    if part.size != length {
        return Err(StorageError::Internal("a copied part has another length".to_owned()).into());
    }
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(CopyPartResult {
            e_tag: Some(shape::etag(&part.etag)),
            last_modified: Some(shape::time(storage.app.db.clock().now())),
            ..CopyPartResult::default()
        }),
        ..UploadPartCopyOutput::default()
    }))
}

/// `bytes=0-9`: both ends, and both within the source.
fn copied_range(range: Option<&str>, size: u64) -> S3Result<Option<std::ops::Range<u64>>> {
    let Some(range) = range else {
        return Ok(None);
    };
    match Range::parse(range) {
        Ok(Range::Int {
            first,
            last: Some(last),
        }) if last < size => Ok(Some(first..last + 1)),
        Ok(Range::Int { last: Some(_), .. }) => Err(StorageError::InvalidRange { size }.into()),
        Ok(Range::Int { last: None, .. } | Range::Suffix { .. }) | Err(_) => Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
        )),
    }
}

pub(super) async fn parts(
    storage: &Storage,
    req: S3Request<ListPartsInput>,
) -> Answer<ListPartsOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let limit = shape::limit(input.max_parts, MAX_ENTRIES, "max-parts")?;
    let found = Upload::find(
        storage,
        &principal.who,
        &input.upload_id,
        &input.bucket,
        &input.key,
    );
    let found = found.await?;
    let marker = input.part_number_marker.unwrap_or(0);
    let sql = format!(
        "select part_number, size, etag, created_at from storage.s3_multipart_uploads_parts
          where upload_id = $1 and part_number > $2 order by part_number limit {}",
        limit + 1
    );
    let params = vec![Param::from(found.id.to_string()), Param::from(marker)];
    let rows = storage.app.db.query(&Session::system(), &sql, params).await;
    let rows = rows.map_err(StorageError::from)?;
    let shown = rows
        .iter()
        .take(limit)
        .map(shown_part)
        .collect::<Result<Vec<_>, Error>>();
    let shown = shown.map_err(StorageError::from)?;
    let truncated = limit > 0 && rows.len() > limit;
    let last = shown.last().and_then(|part| part.part_number);
    Ok(S3Response::new(ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        initiator: None,
        owner: Some(buckets::owner()),
        is_truncated: Some(truncated),
        max_parts: Some(shape::count(limit)),
        part_number_marker: Some(marker),
        next_part_number_marker: last.filter(|_| truncated),
        parts: Some(shown).filter(|shown| !shown.is_empty()),
        ..ListPartsOutput::default()
    }))
}

fn shown_part(row: Row<'_>) -> Result<PartShape, Error> {
    Ok(PartShape {
        e_tag: Some(shape::etag(&row.text("etag")?)),
        last_modified: Some(shape::time(row.timestamp("created_at")?)),
        part_number: i32::try_from(row.int("part_number")?).ok(),
        size: Some(row.int("size")?),
        ..PartShape::default()
    })
}

pub(super) async fn uploads(
    storage: &Storage,
    req: S3Request<ListMultipartUploadsInput>,
) -> Answer<ListMultipartUploadsOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let naming = Naming::read(input.delimiter, input.encoding_type)?;
    let limit = shape::limit(input.max_uploads, MAX_ENTRIES, "max-uploads")?;
    Bucket::find(storage, &input.bucket).await?;
    let prefix = input.prefix.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    // Without a key it means nothing.
    let id_marker = input.upload_id_marker.filter(|_| !key_marker.is_empty());
    let id_marker = id_marker.unwrap_or_default();
    let listed = Listed {
        bucket: &input.bucket,
        prefix: &prefix,
        key_marker: &key_marker,
        id_marker: &id_marker,
    };
    let mut found = listed.read(storage, &principal.who, limit + 1).await?;
    let truncated = limit > 0 && found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| truncated);
    let next_key = last.map(|last| naming.encoded(&last.key));
    let next_id = last.map(|last| last.id.to_string());
    let (mut shown, mut folders) = (Vec::new(), BTreeSet::new());
    for upload in found {
        let rest = upload.key.get(prefix.len()..).unwrap_or_default();
        match rest.find('/').filter(|_| naming.delimiter.is_some()) {
            Some(slash) => {
                let folder = upload.key.get(..=prefix.len() + slash);
                folders.insert(naming.encoded(folder.unwrap_or_default()));
            }
            None => shown.push(MultipartUpload {
                initiated: Some(shape::time(upload.created_at)),
                key: Some(naming.encoded(&upload.key)),
                owner: Some(buckets::owner()),
                upload_id: Some(upload.id.to_string()),
                ..MultipartUpload::default()
            }),
        }
    }
    let prefixes = folders.into_iter().map(|folder| CommonPrefix {
        prefix: Some(folder),
    });
    let prefixes: Vec<CommonPrefix> = prefixes.collect();
    Ok(S3Response::new(ListMultipartUploadsOutput {
        common_prefixes: Some(prefixes).filter(|prefixes| !prefixes.is_empty()),
        delimiter: naming.delimiter.as_deref().map(|text| naming.encoded(text)),
        is_truncated: Some(truncated),
        key_marker: Some(naming.encoded(&key_marker)),
        upload_id_marker: Some(id_marker),
        max_uploads: Some(shape::count(limit)),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        prefix: Some(naming.encoded(&prefix)),
        uploads: Some(shown).filter(|shown| !shown.is_empty()),
        bucket: Some(input.bucket),
        encoding_type: naming.encoding,
        request_charged: None,
    }))
}

/// Which uploads are listed.
struct Listed<'a> {
    bucket: &'a str,
    prefix: &'a str,
    key_marker: &'a str,
    id_marker: &'a str,
}

impl Listed<'_> {
    /// In the order of their keys, and of one key in that of their beginnings, which is that of their ids.
    async fn read(&self, storage: &Storage, who: &Who, limit: usize) -> S3Result<Vec<Upload>> {
        let characters = i32::try_from(self.prefix.chars().count()).unwrap_or(i32::MAX);
        let mut params = vec![
            Param::from(self.bucket),
            Param::from(characters),
            Param::from(self.prefix),
            Param::from(self.key_marker),
            Param::from(self.id_marker),
        ];
        let mut visible = "";
        if who.session.role != ADMIN {
            visible = " and role = $6 and coalesce(owner_id, '') = $7";
            params.push(Param::from(&who.session.role));
            params.push(Param::from(who.owner.as_deref().unwrap_or_default()));
        }
        // Without an id all of the marker's own key lies before.
        let after = match self.id_marker.is_empty() {
            true => "key collate \"C\" > $4 and $5::text = ''",
            false => "(key collate \"C\" > $4 or (key = $4 and id collate \"C\" > $5))",
        };
        let sql = format!(
            "select {COLUMNS} from storage.s3_multipart_uploads
              where bucket_id = $1 and left(key, $2::integer) = $3 and {after} and expires_at > now(){visible}
              order by key collate \"C\", id collate \"C\" limit {limit}"
        );
        let rows = storage.app.db.query(&Session::system(), &sql, params).await;
        let rows = rows.map_err(StorageError::from)?;
        let uploads: Result<_, StorageError> = rows.iter().map(Upload::read).collect();
        Ok(uploads?)
    }
}

pub(super) async fn abort(
    storage: &Storage,
    req: S3Request<AbortMultipartUploadInput>,
) -> Answer<AbortMultipartUploadOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    if input.if_match_initiated_time.is_some() {
        return Err(not_implemented("A condition of an abort"));
    }
    let found = Upload::find(
        storage,
        &principal.who,
        &input.upload_id,
        &input.bucket,
        &input.key,
    );
    let found = found.await?;
    let Some(_claim) = found.claim(storage).await? else {
        return Err(conflict());
    };
    found.remove(storage).await?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}

pub(super) async fn complete(
    storage: &Storage,
    req: S3Request<CompleteMultipartUploadInput>,
) -> Answer<CompleteMultipartUploadOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let parts = named_parts(input.multipart_upload.and_then(|upload| upload.parts))?;
    let upsert = upsert(input.if_match.is_some(), input.if_none_match.as_ref())?;
    let who = principal.who;
    let found = Upload::find(storage, &who, &input.upload_id, &input.bucket, &input.key).await;
    let found = match found {
        Ok(found) => found,
        Err(error) if error.code() == &s3s::S3ErrorCode::NoSuchUpload => {
            let done = done_before(storage, &who, &input.bucket, &input.key, &parts).await?;
            return done
                .map(|done| S3Response::new(completed(&done)))
                .ok_or(error);
        }
        Err(error) => return Err(error),
    };
    let chosen = found.choose(storage, &parts).await?;
    let size: u64 = chosen.iter().map(|part| part.size).sum();
    if input
        .mpu_object_size
        .is_some_and(|said| u64::try_from(said) != Ok(size))
    {
        return Err(s3_error!(
            InvalidRequest,
            "The provided 'x-amz-mp-object-size' header does not match what was computed."
        ));
    }
    let target = Target {
        bucket: &found.bucket,
        key: &found.key,
        upsert,
        content_type: found.content_type.clone(),
        cache_control: found.cache_control.clone(),
        user_metadata: found.user_metadata.clone(),
        length: Some(size),
    };
    let (object, _) = target.check(storage).await?;
    object::may_put(storage, &who, &object).await?;
    let Some(claim) = found.claim(storage).await? else {
        return Err(conflict());
    };
    // By itself: a client that goes away must not leave it half done.
    let storage = storage.clone();
    let work = async move {
        let joined = found.join(&storage, &who, &object, &chosen).await;
        drop(claim);
        if joined.is_err() {
            found.unclaim(&storage).await;
        }
        joined
    };
    let mut work = tokio::spawn(request_id::carried(work));
    match tokio::time::timeout(QUICK, &mut work).await {
        Ok(joined) => Ok(S3Response::new(completed(
            &joined.map_err(|error| lost(&error))??,
        ))),
        Err(_) => Ok(S3Response::new(CompleteMultipartUploadOutput {
            future: Some(Box::pin(request_id::carried(async move {
                Ok(completed(&work.await.map_err(|error| lost(&error))??))
            }))),
            ..CompleteMultipartUploadOutput::default()
        })),
    }
}

fn completed(object: &Object) -> CompleteMultipartUploadOutput {
    CompleteMultipartUploadOutput {
        bucket: Some(object.bucket_id.clone()),
        key: Some(object.name.clone()),
        e_tag: Some(shape::etag(&object.etag)),
        location: Some(format!("/{}/{}", object.bucket_id, object.name)),
        ..CompleteMultipartUploadOutput::default()
    }
}

/// The object that an earlier request with the same parts has made: whose answer was lost asks again.
async fn done_before(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    key: &str,
    parts: &[(u16, String)],
) -> S3Result<Option<Object>> {
    let etag = joined(parts);
    match object::find_brief(storage, who, bucket, key).await {
        Ok(object) if etag.is_some_and(|etag| object.etag.trim_matches('"') == etag) => {
            Ok(Some(object))
        }
        Ok(_) | Err(StorageError::NoSuchKey) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The tag of an object of parts: the MD5 of theirs, and how many there are.
fn joined(parts: &[(u16, String)]) -> Option<String> {
    let is_digest =
        |etag: &str| etag.len() == 32 && etag.bytes().all(|digit| digit.is_ascii_hexdigit());
    let etags = parts.iter().map(|(_, etag)| etag.as_str());
    etags.clone().all(is_digest).then(|| joined_etag(etags))
}

/// The parts that a completion names, with their tags, in ascending order.
fn named_parts(parts: Option<Vec<CompletedPart>>) -> S3Result<Vec<(u16, String)>> {
    let parts = parts
        .filter(|parts| !parts.is_empty())
        .ok_or_else(|| s3_error!(MalformedXML, "You must specify at least one part"))?;
    let mut named: Vec<(u16, String)> = Vec::with_capacity(parts.len());
    for part in parts {
        let number = part_number(part.part_number.unwrap_or(0)).map_err(|_| invalid_part())?;
        let etag = part.e_tag.ok_or_else(invalid_part)?.into_value();
        if named.last().is_some_and(|(last, _)| *last >= number) {
            return Err(s3_error!(
                InvalidPartOrder,
                "The list of parts was not in ascending order. Parts must be ordered by part number."
            ));
        }
        named.push((number, etag));
    }
    Ok(named)
}

fn part_number(number: i32) -> S3Result<u16> {
    let number = u16::try_from(number).ok();
    number
        .filter(|number| (1..=MAX_PARTS).contains(number))
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
            )
        })
}

fn conflict() -> S3Error {
    s3_error!(
        OperationAborted,
        "A conflicting operation is currently in progress against this upload. Please try again."
    )
}

fn lost(error: &dyn std::fmt::Display) -> S3Error {
    StorageError::Internal(format!("an upload: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_in_order() {
        let part = |number: i32| CompletedPart {
            part_number: Some(number),
            e_tag: Some(shape::etag("\"e\"")),
            ..CompletedPart::default()
        };
        let code = |numbers: &[i32]| {
            let parts = numbers.iter().map(|number| part(*number)).collect();
            named_parts(Some(parts)).map_err(|error| error.code().as_str().to_owned())
        };
        assert_eq!(code(&[1, 3, 10_000]).map(|named| named.len()), Ok(3));
        assert_eq!(code(&[2, 1]), Err("InvalidPartOrder".to_owned()));
        assert_eq!(code(&[1, 1]), Err("InvalidPartOrder".to_owned()));
        assert_eq!(code(&[0]), Err("InvalidPart".to_owned()));
        assert_eq!(code(&[10_001]), Err("InvalidPart".to_owned()));
        assert_eq!(code(&[]), Err("MalformedXML".to_owned()));
    }

    #[test]
    fn the_tag_of_parts_is_that_of_s3() {
        // The MD5 of the MD5s of two empty parts.
        let empty = "d41d8cd98f00b204e9800998ecf8427e".to_owned();
        let parts = [(1, empty.clone()), (2, empty)];
        assert_eq!(
            joined(&parts).as_deref(),
            Some("5873dd45edd01f09c1ef2e7819369e8e-2")
        );
        assert_eq!(joined(&[(1, "no digest".to_owned())]), None);
    }

    #[test]
    fn a_copied_range_lies_within_its_source() {
        let range = |text| copied_range(text, 10).map_err(|error| error.code().as_str().to_owned());
        assert_eq!(range(None), Ok(None));
        assert_eq!(range(Some("bytes=2-9")), Ok(Some(2..10)));
        assert_eq!(range(Some("bytes=2-10")), Err("InvalidRange".to_owned()));
        for bad in ["bytes=2-", "bytes=-3", "2-9", "bytes=9-2"] {
            assert_eq!(range(Some(bad)), Err("InvalidArgument".to_owned()), "{bad}");
        }
    }
}
