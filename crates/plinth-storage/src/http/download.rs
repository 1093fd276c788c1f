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
    let private = |is_private| Delivery {
        is_private,
        ..asked(&query, &method)
    };
    let mut is_hidden = false;
    if let Some(who) = &who {
        match object::find_shown(&storage, who, &place.bucket, &place.name).await {
            // Whom the policies show it needs no look at the bucket.
            Ok(Some((object, is_public))) => {
                let again = || object::find_brief(&storage, who, &place.bucket, &place.name);
                return send(&storage, object, again, &headers, &private(!is_public)).await;
            }
            Ok(None) => is_hidden = true,
            // Where they raise an error, it is told below, and not of public buckets.
            Err(_) => {}
        }
    }
    let reader = reader(&storage, who, &place).await?;
    if is_hidden && !reader.is_public {
        return Err(StorageError::NoSuchKey);
    }
    let find = || object::find_brief(&storage, &reader.who, &place.bucket, &place.name);
    found(&storage, find, &headers, &private(!reader.is_public)).await
}

/// Under whose rights an object is read.
pub(crate) struct Reader {
    pub(crate) who: Who,
    pub(crate) is_public: bool,
}

/// Everybody in a public bucket, else the caller.
pub(crate) async fn reader(
    storage: &Storage,
    who: Option<Who>,
    place: &Place,
) -> Result<Reader, StorageError> {
    let is_public = match Bucket::find(storage, &place.bucket).await {
        Ok(bucket) => bucket.public,
        // Answered like a private bucket: whether it exists is nobody's to learn.
        Err(StorageError::NoSuchBucket) => false,
        Err(error) => return Err(error),
    };
    match who {
        _ if is_public => Ok(Reader {
            who: Who::system(None),
            is_public,
        }),
        Some(who) => Ok(Reader { who, is_public }),
        // Nobody learns which private buckets exist.
        None => Err(StorageError::NoSuchBucket),
    }
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
    let how = Delivery {
        is_private: true,
        ..asked(&query, &method)
    };
    let find = || object::find_brief(&storage, &who, &place.bucket, &place.name);
    found(&storage, find, &headers, &how).await
}

/// `GET /object/public/{bucket}/{path}`.
pub(crate) async fn public(
    State(storage): State<Storage>,
    place: Place,
    query: Parameters,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let how = asked(&query, &method);
    let find = || object::find_public_brief(&storage, &place.bucket, &place.name);
    found(&storage, find, &headers, &how).await
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
    if granted.transformations.is_some() {
        // Who was given a small picture was not given the large one.
        return Err(StorageError::InvalidSignature(
            "Invalid signature".to_owned(),
        ));
    }
    let system = Who::system(None);
    let how = Delivery {
        end: Some(granted.end),
        ..asked(&query, &method)
    };
    let find = || object::find_brief(&storage, &system, &place.bucket, &place.name);
    found(&storage, find, &headers, &how).await
}

/// Finds an object and sends it.
async fn found<F: Future<Output = Result<Object, StorageError>>>(
    storage: &Storage,
    find: impl Fn() -> F,
    headers: &HeaderMap,
    how: &Delivery,
) -> Result<Response, StorageError> {
    let object = find().await?;
    send(storage, object, find, headers, how).await
}

/// Sends an object. One that was replaced since it was found is found again.
async fn send<F: Future<Output = Result<Object, StorageError>>>(
    storage: &Storage,
    object: Object,
    find: impl Fn() -> F,
    headers: &HeaderMap,
    how: &Delivery,
) -> Result<Response, StorageError> {
    match deliver(storage, &object, headers, how).await {
        Err(StorageError::NoSuchKey) => {
            let again = find().await?;
            if again.version == object.version {
                // Rows that were made by SQL never had any.
                if !object.version.is_nil() {
                    tracing::error!(object.id = %object.id, object.version = %object.version, "the bytes of an object are missing");
                }
                return Err(StorageError::NoSuchKey);
            }
            deliver(storage, &again, headers, how).await
        }
        answered => answered,
    }
}

fn asked(query: &Parameters, method: &Method) -> Delivery {
    Delivery {
        download: query.get("download").map(str::to_owned),
        head: *method == Method::HEAD,
        ..Delivery::default()
    }
}
