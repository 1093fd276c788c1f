//! Buckets. Their settings (public, limits, types) are made on the other routes; here they only bind.

use plinth_db::{Error, Param, Session};
use s3s::dto::{
    Bucket as BucketShape, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput,
    DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput, GetBucketLocationOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput, Owner,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use uuid::Uuid;

use super::super::auth::Principal;
use super::super::error::not_implemented;
use super::super::multipart::abort_all;
use super::{Answer, shape};
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, bucket};
use crate::names::BucketName;

/// Most buckets in one answer.
const MAX_BUCKETS: usize = 1000;
/// The region that has no name where buckets are asked for theirs.
const UNNAMED_REGION: &str = "us-east-1";

pub(super) async fn list(
    storage: &Storage,
    req: S3Request<ListBucketsInput>,
) -> Answer<ListBucketsOutput> {
    let principal = Principal::anywhere(&req)?;
    let input = req.input;
    let limit = shape::limit(input.max_buckets, MAX_BUCKETS, "max-buckets")?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let mut after = input.continuation_token.unwrap_or_default();
    let mut found: Vec<Bucket> = Vec::new();
    let mut next = None;
    // A key's buckets may be few among many, so batches are read until there are enough.
    loop {
        let batch = batch(storage, &principal.who.session, &prefix, &after).await?;
        let full = batch.len() == MAX_BUCKETS;
        for bucket in batch {
            after.clone_from(&bucket.id);
            if principal.check_bucket(&bucket.id).is_err() {
                continue;
            }
            if found.len() == limit {
                next = found.last().map(|last| last.id.clone());
                break;
            }
            found.push(bucket);
        }
        if !full || next.is_some() {
            break;
        }
    }
    let region = &storage.config.region;
    let shown = |bucket: Bucket| BucketShape {
        bucket_region: Some(region.clone()),
        creation_date: Some(shape::time(bucket.created_at)),
        name: Some(bucket.id),
    };
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(found.into_iter().map(shown).collect()),
        continuation_token: next.filter(|_| limit > 0),
        owner: Some(owner()),
        prefix: input.prefix,
    }))
}

async fn batch(
    storage: &Storage,
    session: &Session,
    prefix: &str,
    after: &str,
) -> S3Result<Vec<Bucket>> {
    let sql = format!(
        "select {} from storage.buckets
          where left(id, $1::integer) = $2 and id collate \"C\" > $3
          order by id collate \"C\" limit {MAX_BUCKETS}",
        bucket::COLUMNS
    );
    let characters = i32::try_from(prefix.chars().count()).unwrap_or(i32::MAX);
    let params = vec![
        Param::from(characters),
        Param::from(prefix),
        Param::from(after),
    ];
    let rows = storage.app.db.query(session, &sql, params).await;
    let rows = rows.map_err(StorageError::from)?;
    let buckets: Result<_, Error> = rows.iter().map(Bucket::read).collect();
    Ok(buckets.map_err(StorageError::from)?)
}

pub(super) async fn create(
    storage: &Storage,
    req: S3Request<CreateBucketInput>,
) -> Answer<CreateBucketOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let input = req.input;
    if input.object_lock_enabled_for_bucket == Some(true) {
        return Err(not_implemented("Object lock"));
    }
    // A place that the client wants and that is not here; its own default is nothing that it wants.
    let wanted = input
        .create_bucket_configuration
        .and_then(|configuration| configuration.location_constraint);
    if let Some(wanted) = wanted
        && ![storage.config.region.as_str(), UNNAMED_REGION, ""].contains(&wanted.as_str())
    {
        return Err(s3_error!(
            IllegalLocationConstraintException,
            "This server's region is {}",
            storage.config.region
        ));
    }
    let name = BucketName::parse(&input.bucket)?;
    let who = &principal.who;
    let owner: Option<Uuid> = who.owner.as_deref().and_then(|text| text.parse().ok());
    let params = vec![
        Param::from(name.as_str()),
        Param::from(owner),
        Param::from(who.owner.as_ref()),
    ];
    let sql = "insert into storage.buckets (id, name, owner, owner_id, public) values ($1, $1, $2, $3, false)";
    let made = storage.app.db.query(&who.session, sql, params).await;
    made.map_err(StorageError::from)?;
    Ok(S3Response::new(CreateBucketOutput {
        location: Some(format!("/{name}")),
    }))
}

pub(super) async fn head(
    storage: &Storage,
    req: S3Request<HeadBucketInput>,
) -> Answer<HeadBucketOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    Bucket::find_as(storage, &principal.who.session, &req.input.bucket).await?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(storage.config.region.clone()),
        ..HeadBucketOutput::default()
    }))
}

pub(super) async fn delete(
    storage: &Storage,
    req: S3Request<DeleteBucketInput>,
) -> Answer<DeleteBucketOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    let session = &principal.who.session;
    let id = req.input.bucket;
    // Who may not see it learns nothing of it.
    Bucket::find_as(storage, session, &id).await?;
    // Objects that the caller may not see fill it too.
    if holds_objects(storage, &id).await? {
        return Err(StorageError::NotEmpty.into());
    }
    let mut removed = remove(storage, session, &id).await;
    // The caller may remove it, or this would not be the error. Uploads on their way into it end with it.
    if matches!(removed, Err(StorageError::NotEmpty)) && !holds_objects(storage, &id).await? {
        abort_all(storage, &id).await?;
        removed = remove(storage, session, &id).await;
    }
    if removed? {
        Ok(S3Response::new(DeleteBucketOutput {}))
    } else {
        Err(s3_error!(AccessDenied, "No policy lets this bucket go"))
    }
}

async fn remove(storage: &Storage, session: &Session, id: &str) -> Result<bool, StorageError> {
    let sql = "delete from storage.buckets where id = $1";
    let removed = storage.app.db.query(session, sql, vec![Param::from(id)]);
    match removed.await {
        Ok(rows) => Ok(rows.affected > 0),
        Err(Error::Sql(sql)) if sql.code == "23503" => Err(StorageError::NotEmpty),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is anything in a bucket but uploads under way.
async fn holds_objects(storage: &Storage, id: &str) -> Result<bool, StorageError> {
    let sql = "select 1 as one from storage.objects where bucket_id = $1 limit 1";
    let system = Session::system();
    let rows = storage.app.db.query(&system, sql, vec![Param::from(id)]);
    Ok(!rows.await?.is_empty())
}

pub(super) async fn location(
    storage: &Storage,
    req: S3Request<GetBucketLocationInput>,
) -> Answer<GetBucketLocationOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    Bucket::find_as(storage, &principal.who.session, &req.input.bucket).await?;
    let region = storage.config.region.clone();
    let named = Some(region).filter(|region| region != UNNAMED_REGION);
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint: named.map(BucketLocationConstraint::from),
    }))
}

/// Never switched on, which is what a bucket without any says.
pub(super) async fn versioning(
    storage: &Storage,
    req: S3Request<GetBucketVersioningInput>,
) -> Answer<GetBucketVersioningOutput> {
    let principal = Principal::of(&req, &req.input.bucket)?;
    Bucket::find_as(storage, &principal.who.session, &req.input.bucket).await?;
    Ok(S3Response::new(GetBucketVersioningOutput::default()))
}

/// Whom everything belongs to, for clients that must have a name: the project.
pub(in crate::s3) fn owner() -> Owner {
    Owner {
        display_name: Some("plinth".to_owned()),
        id: Some("plinth".to_owned()),
    }
}
