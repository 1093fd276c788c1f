//! Making signed URLs.

use std::collections::HashSet;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use plinth_db::Param;
use serde::Deserialize;
use serde_json::{Value, json};

use super::remove::MAX_NAMES;
use super::request::{BucketId, Place, is_admin, is_true, json as read_json};
use crate::Storage;
use crate::error::StorageError;
use crate::images::Transform;
use crate::model::object::{self, OCTETS};
use crate::model::{Bucket, NewObject, Who};
use crate::names::ObjectName;
use crate::sign;

/// What would end a path too early. Nothing else: clients of this API encode the address that they are given once more.
const PATH_ENDS: &AsciiSet = &CONTROLS.add(b'?').add(b'#').add(b'%');

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    transform: Option<Value>,
}

/// `POST /object/sign/{bucket}/{path}`.
pub(crate) async fn one(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: One = read_json(body).await?;
    check_lifetime(asked.expires_in)?;
    let object = object::find_brief(&storage, &who, &place.bucket, &place.name).await?;
    let transform = match asked.transform {
        Some(Value::Object(options)) if !options.is_empty() => Some(Transform::from_json(
            &Value::Object(options),
            &storage.config.images,
        )?),
        _ => None,
    };
    let url = format!("{}/{}", object.bucket_id, object.name);
    let (route, claim) = match transform {
        Some(transform) => ("render/image/sign", Some(transform.claim())),
        None => ("object/sign", None),
    };
    let token = storage
        .signer
        .sign_download(url.clone(), claim, asked.expires_in);
    let signed = format!("/{route}/{}?token={token}", encoded(&url));
    Ok(axum::Json(json!({ "signedURL": signed })).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Many {
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    paths: Vec<String>,
}

/// `POST /object/sign/{bucket}`: as many as exist and may be read.
pub(crate) async fn many(
    State(storage): State<Storage>,
    who: Who,
    BucketId(bucket): BucketId,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: Many = read_json(body).await?;
    check_lifetime(asked.expires_in)?;
    if asked.paths.is_empty() || asked.paths.len() > MAX_NAMES {
        return Err(StorageError::InvalidRequest(format!(
            "body/paths must have 1 to {MAX_NAMES} items"
        )));
    }
    let visible = visible(&storage, &who, &bucket, &asked.paths).await?;
    let signed = |path: &String| {
        if !visible.contains(path) {
            let error = "Either the object does not exist or you do not have access to it";
            return json!({ "error": error, "path": path, "signedURL": null });
        }
        let url = format!("{bucket}/{path}");
        let signed = encoded(&url);
        let token = storage.signer.sign_download(url, None, asked.expires_in);
        json!({
            "error": null,
            "path": path,
            "signedURL": format!("/object/sign/{signed}?token={token}"),
        })
    };
    let all: Vec<Value> = asked.paths.iter().map(signed).collect();
    Ok(axum::Json(all).into_response())
}

async fn visible(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    names: &[String],
) -> Result<HashSet<String>, StorageError> {
    let sql = "select name from storage.objects where bucket_id = $1 and name = any($2::text[])";
    let params = vec![
        Param::from(bucket),
        Param::from(crate::model::array_literal(names)),
    ];
    let rows = storage.app.db.query(&who.session, sql, params).await?;
    rows.iter().map(|row| Ok(row.text("name")?)).collect()
}

/// `POST /object/upload/sign/{bucket}/{path}`: asked of the policies now, as the caller.
pub(crate) async fn upload(
    State(storage): State<Storage>,
    who: Who,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let upsert = is_true(&headers, "x-upsert");
    let object = NewObject {
        bucket: place.bucket.clone(),
        name: ObjectName::parse(&place.name)?,
        upsert: upsert.into(),
        content_type: OCTETS.to_owned(),
        cache_control: "no-cache".to_owned(),
        user_metadata: None,
        declared_length: None,
    };
    Bucket::find(&storage, &place.bucket).await?;
    object::may_put(&storage, &who, &object).await?;
    // What is there now is what the policies have let the caller replace.
    let replaces = match upsert {
        true => object::id_of(&storage, &place.bucket, &place.name).await?,
        false => None,
    };
    let lifetime = storage.config.signed_upload_lifetime.as_secs();
    let url = place.url();
    let signed = encoded(&url);
    let granted = sign::Upload {
        owner: who.owner.clone(),
        upsert,
        replaces,
        replaces_any: is_admin(&who.session.role),
    };
    let token = storage.signer.sign_upload(url, granted, lifetime);
    let body = json!({
        "url": format!("/object/upload/sign/{signed}?token={token}"),
        "token": token,
    });
    Ok(axum::Json(body).into_response())
}

/// A number, or the text of one: clients in Python send that.
fn seconds<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Seconds::deserialize(reader)? {
        Seconds::Number(number) => Ok(number),
        Seconds::Text(text) => text.trim().parse().map_err(serde::de::Error::custom),
    }
}

fn check_lifetime(seconds: u64) -> Result<(), StorageError> {
    match seconds {
        0 => Err(StorageError::InvalidRequest(
            "body/expiresIn must be >= 1".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PATH_ENDS).to_string()
}
