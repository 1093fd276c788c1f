//! Downloads: public, as a caller, or by a signed URL.

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use super::request::{Anybody, Parameters, Place};
use crate::Storage;
use crate::delivery::{Delivery, deliver};
use crate::error::StorageError;
use crate::model::{Bucket, Object, Who, object};

/// `GET /object/{bucket}/{path}`: for everybody from public buckets, else as the policies say.
pub(crate) async fn either(
    State(storage): State<Storage>,
    Anybody(who): Anybody,
    place: Place,
    query: Parameters,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let object = find_either(&storage, who, &place).await?;
    deliver(&storage, &object, &headers, &asked(&query, &method)).await
}

/// An object of a public bucket, or one that the policies show.
pub(crate) async fn find_either(
    storage: &Storage,
    who: Option<Who>,
    place: &Place,
) -> Result<Object, StorageError> {
    let bucket = Bucket::find(storage, &place.bucket).await?;
    let who = match who {
        _ if bucket.public => Who::system(None),
        Some(who) => who,
        // Nobody learns which private buckets exist.
        None => return Err(StorageError::NoSuchBucket),
    };
    object::find(storage, &who, &place.bucket, &place.name).await
}

/// `GET /object/authenticated/{bucket}/{path}`.
pub(crate) async fn authenticated(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
    query: Parameters,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let object = object::find(&storage, &who, &place.bucket, &place.name).await?;
    deliver(&storage, &object, &headers, &asked(&query, &method)).await
}

/// `GET /object/public/{bucket}/{path}`.
pub(crate) async fn public(
    State(storage): State<Storage>,
    place: Place,
    query: Parameters,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let object = object::find_public(&storage, &place.bucket, &place.name).await?;
    deliver(&storage, &object, &headers, &asked(&query, &method)).await
}

/// `GET /object/sign/{bucket}/{path}?token=`: whoever made the token has been asked already.
pub(crate) async fn signed(
    State(storage): State<Storage>,
    place: Place,
    query: Parameters,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let token = query.get("token").unwrap_or_default();
    let granted = storage.signer.verify_download(token, &place.url())?;
    let system = Who::system(None);
    let object = object::find(&storage, &system, &place.bucket, &place.name).await?;
    let how = Delivery {
        expires_at: Some(granted.expires_at),
        ..asked(&query, &method)
    };
    deliver(&storage, &object, &headers, &how).await
}

fn asked(query: &Parameters, method: &Method) -> Delivery {
    Delivery {
        download: query.get("download").map(str::to_owned),
        expires_at: None,
        head: *method == Method::HEAD,
    }
}
