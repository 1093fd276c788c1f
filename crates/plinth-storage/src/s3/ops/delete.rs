//! `DeleteObject` and `DeleteObjects`. What is not there counts as deleted, as in S3; what a policy keeps is said to be kept.

use std::collections::HashSet;

use plinth_db::Param;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    Error as ErrorShape,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::auth::Principal;
use super::super::error::not_implemented;
use super::Answer;
use super::read::check_version;
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, Who, array_literal, object};

/// Most names in one request.
const MAX_KEYS: usize = 1000;

pub(super) async fn one(
    storage: &Storage,
    req: S3Request<DeleteObjectInput>,
) -> Answer<DeleteObjectOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    check_version(input.version_id.as_deref())?;
    if input.if_match.is_some() {
        return Err(not_implemented("The header if-match of a deletion"));
    }
    let kept = remove(storage, &principal.who, &input.bucket, &[input.key]).await?;
    if kept.is_empty() {
        Ok(S3Response::new(DeleteObjectOutput::default()))
    } else {
        Err(s3_error!(AccessDenied, "No policy lets this object go"))
    }
}

pub(super) async fn many(
    storage: &Storage,
    req: S3Request<DeleteObjectsInput>,
) -> Answer<DeleteObjectsOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    let quiet = input.delete.quiet == Some(true);
    let objects = input.delete.objects;
    if objects.is_empty() || objects.len() > MAX_KEYS {
        return Err(s3_error!(MalformedXML, "There must be 1 to 1000 objects"));
    }
    let mut keys = Vec::new();
    let mut errors = Vec::new();
    for object in objects {
        let conditional =
            object.e_tag.is_some() || object.size.is_some() || object.last_modified_time.is_some();
        if conditional {
            errors.push(failure(
                object.key,
                "NotImplemented",
                "Conditional deletions are not part of this server",
            ));
        } else if check_version(object.version_id.as_deref()).is_err() {
            errors.push(failure(
                object.key,
                "NoSuchVersion",
                "The specified version does not exist.",
            ));
        } else {
            keys.push(object.key);
        }
    }
    let kept = remove(storage, &principal.who, &input.bucket, &keys).await?;
    let mut deleted = Vec::new();
    for key in keys {
        if kept.contains(&key) {
            errors.push(failure(
                key,
                "AccessDenied",
                "No policy lets this object go",
            ));
        } else if !quiet {
            deleted.push(DeletedObject {
                key: Some(key),
                ..DeletedObject::default()
            });
        }
    }
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: Some(deleted).filter(|deleted| !deleted.is_empty()),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
        request_charged: None,
    }))
}

fn failure(key: String, code: &str, message: &str) -> ErrorShape {
    ErrorShape {
        code: Some(code.to_owned()),
        key: Some(key),
        message: Some(message.to_owned()),
        version_id: None,
    }
}

/// Removes objects; gives back the names of those that the caller sees and may not remove.
async fn remove(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    keys: &[String],
) -> S3Result<HashSet<String>> {
    let removed = object::remove(storage, who, bucket, keys).await?;
    let removed: HashSet<&str> = removed.iter().map(|object| object.name.as_str()).collect();
    let rest: Vec<&String> = keys
        .iter()
        .filter(|key| !removed.contains(key.as_str()))
        .collect();
    if rest.is_empty() {
        return Ok(HashSet::new());
    }
    Bucket::find(storage, bucket).await?;
    let sql = "select name from storage.objects where bucket_id = $1 and name = any($2::text[])";
    let params = vec![Param::from(bucket), Param::from(array_literal(&rest))];
    let rows = storage.app.db.query(&who.session, sql, params).await;
    let rows = rows.map_err(StorageError::from)?;
    let names: Result<_, plinth_db::Error> = rows.iter().map(|row| row.text("name")).collect();
    Ok(names.map_err(StorageError::from)?)
}
