//! Buckets: made, looked at, changed, emptied, removed.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::response::{IntoResponse, Response};
use plinth_db::{Param, Session};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::request::{Admin, BucketId, Parameters, json as read_json, text};
use crate::error::StorageError;
use crate::model::bucket::{Bucket, COLUMNS};
use crate::model::object::refused;
use crate::model::{Who, array_literal};
use crate::names::BucketName;
use crate::{Storage, s3};

/// Most buckets in one answer.
const MAX_BUCKETS: u64 = 1000;
/// Objects that one transaction of emptying removes.
const EMPTIED_AT_ONCE: u64 = 1000;
/// Such transactions in one request.
const EMPTYING_ROUNDS: usize = 10_000;
/// Types on a bucket's list.
const MAX_TYPES: usize = 200;

/// `GET /bucket`.
pub(crate) async fn list(
    State(storage): State<Storage>,
    who: Who,
    query: Parameters,
    headers: HeaderMap,
) -> Result<Response, StorageError> {
    let column = match query.get("sortColumn") {
        None | Some("name") => "name",
        Some("id") => "id",
        Some("created_at") => "created_at",
        Some("updated_at") => "updated_at",
        Some(_) => return Err(StorageError::InvalidParameter("sortColumn".to_owned())),
    };
    let direction = match query.get("sortOrder") {
        None | Some("asc") => "asc",
        Some("desc") => "desc",
        Some(_) => return Err(StorageError::InvalidParameter("sortOrder".to_owned())),
    };
    let limit = query
        .number("limit")?
        .unwrap_or(MAX_BUCKETS)
        .min(MAX_BUCKETS);
    let offset = query
        .number("offset")?
        .unwrap_or(0)
        .min(u64::from(u32::MAX));
    let search = query.get("search").unwrap_or_default().to_lowercase();
    let sql = format!(
        "select {COLUMNS} from storage.buckets where $1 = '' or strpos(lower(name), $1) > 0 \
         order by {column} {direction}, id limit {limit} offset {offset}"
    );
    let rows = storage
        .app
        .db
        .query(&who.session, &sql, vec![Param::from(search)]);
    let rows = rows.await?;
    let says_type = knows_types(&headers);
    let mut buckets = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        let mut bucket = Bucket::read(row)?.json();
        if says_type {
            bucket["type"] = json!("STANDARD");
        }
        buckets.push(bucket);
    }
    Ok(axum::Json(buckets).into_response())
}

/// Whether the client is none of those in Python that cannot read a list in which buckets say their type. They name themselves
/// `supabase-py/2.17.0`, or `supabase-py/storage3 v0.12.0` where they are used alone.
fn knows_types(headers: &HeaderMap) -> bool {
    let is_before = |header: &str, product: &str, first: [u32; 3]| {
        let version = text(headers, header).and_then(|said| version(said, product));
        version.is_some_and(|version| version < first)
    };
    !is_before("x-client-info", "supabase-py/", [2, 18, 0])
        && !is_before(USER_AGENT.as_str(), "supabase-py/storage3 v", [0, 12, 1])
}

/// The three numbers behind a product's name.
fn version(said: &str, product: &str) -> Option<[u32; 3]> {
    let said = said.to_ascii_lowercase();
    let (_, behind) = said.split_once(product)?;
    let mut numbers = behind.splitn(3, '.').map(|part| {
        let digits = part.split(|sign: char| !sign.is_ascii_digit()).next()?;
        digits.parse().ok()
    });
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// `GET /bucket/{id}`.
pub(crate) async fn show(
    State(storage): State<Storage>,
    who: Who,
    BucketId(id): BucketId,
) -> Result<Response, StorageError> {
    let bucket = Bucket::find_as(&storage, &who.session, &id).await?;
    Ok(axum::Json(bucket.json()).into_response())
}

#[derive(Deserialize)]
struct New {
    name: Option<String>,
    id: Option<String>,
    public: Option<bool>,
    file_size_limit: Option<Size>,
    allowed_mime_types: Option<Vec<String>>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// `POST /bucket`.
pub(crate) async fn create(
    State(storage): State<Storage>,
    who: Who,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: New = read_json(body).await?;
    if asked.kind.as_deref().is_some_and(|kind| kind != "STANDARD") {
        return Err(StorageError::FeatureNotEnabled("A bucket for analytics"));
    }
    let name = asked.name.ok_or(StorageError::MissingParameter("name"))?;
    let id = BucketName::parse(asked.id.as_deref().unwrap_or(&name))?;
    let name = BucketName::parse(&name)?;
    let limit = asked
        .file_size_limit
        .map(|size| size.bytes(&storage))
        .transpose()?;
    check_types(asked.allowed_mime_types.as_deref())?;
    let owner: Option<Uuid> = who.owner.as_deref().and_then(|text| text.parse().ok());
    let sql = "insert into storage.buckets
                 (id, name, owner, owner_id, public, file_size_limit, allowed_mime_types)
               values ($1, $2, $3, $4, $5, $6, $7::text[])";
    let params = vec![
        Param::from(id.as_str()),
        Param::from(name.as_str()),
        Param::from(owner),
        Param::from(who.owner.as_ref()),
        Param::from(asked.public.unwrap_or(false)),
        Param::from(limit.flatten()),
        Param::from(asked.allowed_mime_types.as_deref().map(array_literal)),
    ];
    let made = storage.app.db.query(&who.session, sql, params).await;
    made.map_err(refused)?;
    Ok(axum::Json(json!({ "name": name.as_str() })).into_response())
}

#[derive(Deserialize)]
struct Change {
    public: Option<bool>,
    #[serde(default)]
    file_size_limit: Wanted<Size>,
    #[serde(default)]
    allowed_mime_types: Wanted<Vec<String>>,
}

/// `null` is something else than nothing.
#[derive(Default)]
enum Wanted<T> {
    #[default]
    AsItIs,
    Null,
    This(T),
}

impl<T> Wanted<T> {
    /// What is to be written: none at all, null, or a value.
    fn written<U>(
        self,
        write: impl FnOnce(Option<T>) -> Result<U, StorageError>,
    ) -> Result<Option<U>, StorageError> {
        match self {
            Wanted::AsItIs => Ok(None),
            Wanted::Null => write(None).map(Some),
            Wanted::This(value) => write(Some(value)).map(Some),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wanted<T> {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Wanted<T>, D::Error> {
        let given = Option::<T>::deserialize(reader)?;
        Ok(given.map_or(Wanted::Null, Wanted::This))
    }
}

/// `PUT /bucket/{id}`: what is not named stays as it is.
pub(crate) async fn update(
    State(storage): State<Storage>,
    who: Who,
    BucketId(id): BucketId,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: Change = read_json(body).await?;
    let mut params = vec![Param::from(&id)];
    let mut changes = Vec::new();
    let mut set = |column: &str, value: Param, cast: &str| {
        params.push(value);
        changes.push(format!("{column} = ${}{cast}", params.len()));
    };
    if let Some(public) = asked.public {
        set("public", Param::from(public), "");
    }
    let limit = asked.file_size_limit.written(|size| {
        let bytes = size.map(|size| size.bytes(&storage)).transpose()?;
        Ok(Param::from(bytes.flatten()))
    })?;
    if let Some(limit) = limit {
        set("file_size_limit", limit, "::bigint");
    }
    let types = asked.allowed_mime_types.written(|types| {
        check_types(types.as_deref())?;
        Ok(Param::from(types.as_deref().map(array_literal)))
    })?;
    if let Some(types) = types {
        set("allowed_mime_types", types, "::text[]");
    }
    if changes.is_empty() {
        return Err(StorageError::InvalidRequest(
            "body must have at least one of public, file_size_limit and allowed_mime_types"
                .to_owned(),
        ));
    }
    let sql = format!(
        "update storage.buckets set {}, updated_at = now() where id = $1",
        changes.join(", ")
    );
    let changed = storage.app.db.query(&who.session, &sql, params).await;
    if changed.map_err(refused)?.affected == 0 {
        return Err(StorageError::NoSuchBucket);
    }
    Ok(message("Successfully updated"))
}

/// `POST /bucket/{id}/empty`: many small transactions, so that nobody waits behind a long one.
pub(crate) async fn empty(
    State(storage): State<Storage>,
    Admin(who): Admin,
    BucketId(id): BucketId,
) -> Result<Response, StorageError> {
    Bucket::find_as(&storage, &who.session, &id).await?;
    s3::abort_all(&storage, &id).await?;
    let sql = format!(
        "delete from storage.objects where id in
           (select id from storage.objects where bucket_id = $1 limit {EMPTIED_AT_ONCE})"
    );
    // Others may go on to upload meanwhile: it ends nevertheless.
    for _ in 0..EMPTYING_ROUNDS {
        let params = vec![Param::from(&id)];
        let removed = storage.app.db.query(&who.session, &sql, params).await?;
        storage.sweeper.notify_one();
        if removed.affected < EMPTIED_AT_ONCE {
            break;
        }
    }
    Ok(message(
        "Empty bucket has been queued. Completion may take up to an hour.",
    ))
}

/// `DELETE /bucket/{id}`: only when nothing is in it.
pub(crate) async fn remove(
    State(storage): State<Storage>,
    who: Who,
    BucketId(id): BucketId,
) -> Result<Response, StorageError> {
    let mut removed = delete(&storage, &who, &id).await;
    // The caller may remove it, or this would not be the error.
    if matches!(removed, Err(StorageError::NotEmpty)) && !holds_objects(&storage, &id).await? {
        s3::abort_all(&storage, &id).await?;
        removed = delete(&storage, &who, &id).await;
    }
    removed?;
    Ok(message("Successfully deleted"))
}

async fn delete(storage: &Storage, who: &Who, id: &str) -> Result<(), StorageError> {
    let sql = "delete from storage.buckets where id = $1";
    let removed = storage
        .app
        .db
        .query(&who.session, sql, vec![Param::from(id)]);
    match removed.await {
        Ok(rows) if rows.affected == 0 => Err(StorageError::NoSuchBucket),
        Ok(_) => Ok(()),
        Err(plinth_db::Error::Sql(error)) if error.code == "23503" => Err(StorageError::NotEmpty),
        Err(error) => Err(refused(error)),
    }
}

/// Whether there is anything in it but uploads under way.
async fn holds_objects(storage: &Storage, id: &str) -> Result<bool, StorageError> {
    let sql = "select 1 as one from storage.objects where bucket_id = $1 limit 1";
    let system = Session::system();
    let rows = storage.app.db.query(&system, sql, vec![Param::from(id)]);
    Ok(!rows.await?.is_empty())
}

fn message(text: &str) -> Response {
    axum::Json(json!({ "message": text })).into_response()
}

/// A size: bytes, or `20MB`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Bytes(u64),
    Text(String),
}

impl Size {
    /// In bytes; 0 means no limit of the bucket's own.
    fn bytes(&self, storage: &Storage) -> Result<Option<i64>, StorageError> {
        let bytes = match self {
            Size::Bytes(bytes) => Some(*bytes),
            Size::Text(text) => parse_size(text),
        };
        let bytes = bytes.ok_or_else(|| {
            StorageError::InvalidRequest("file_size_limit must be bytes, or like 20MB".to_owned())
        })?;
        if bytes > storage.config.upload_bytes {
            return Err(StorageError::TooLarge);
        }
        Ok(i64::try_from(bytes).ok().filter(|bytes| *bytes > 0))
    }
}

/// `20MB`; units are powers of a thousand.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match &*unit.trim().to_ascii_uppercase() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn check_types(types: Option<&[String]>) -> Result<(), StorageError> {
    let is_token = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte);
        !text.is_empty() && text.len() <= 127 && text.bytes().all(fits)
    };
    let is_type = |text: &String| {
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence
            .split_once('/')
            .is_some_and(|(family, kind)| is_token(family) && is_token(kind))
    };
    let types = types.unwrap_or_default();
    if types.len() > MAX_TYPES {
        return Err(StorageError::InvalidRequest(format!(
            "allowed_mime_types may have {MAX_TYPES} items"
        )));
    }
    match types.iter().find(|text| !is_type(text)) {
        Some(bad) => Err(StorageError::InvalidMimeType(bad.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("20MB", Some(20_000_000)),
            ("1kb", Some(1000)),
            ("3 GB", Some(3_000_000_000)),
            ("17", Some(17)),
            ("17B", Some(17)),
            ("", None),
            ("MB", None),
            ("1TB", None),
            ("-1", None),
            ("99999999999999GB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
    }

    #[test]
    fn types_have_two_parts() {
        let check = |text: &str| check_types(Some(&[text.to_owned()])).is_ok();
        assert!(check("image/png") && check("image/*") && check("*/*"));
        assert!(!check("image") && !check("a/b/c") && !check("") && !check("a b/c"));
    }

    #[test]
    fn old_clients_in_python_are_told_from_others() {
        for (header, said, knows) in [
            ("x-client-info", "supabase-py/2.17.9", false),
            ("x-client-info", "Supabase-Py/1.99.0", false),
            ("x-client-info", "supabase-py/2.18.0", true),
            ("x-client-info", "supabase-py/10.0.0", true),
            ("x-client-info", "supabase-py/2.17", true),
            ("x-client-info", "supabase-js/2.1.0", true),
            ("user-agent", "supabase-py/storage3 v0.12.0", false),
            ("user-agent", "supabase-py/storage3 v0.12.1", true),
            ("user-agent", "supabase-py/2.17.0", true),
            ("user-agent", "supabase-py/storage3 vx.1.2", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header, said.parse().unwrap());
            assert_eq!(knows_types(&headers), knows, "{header}: {said}");
        }
        assert!(knows_types(&HeaderMap::new()));
    }

    #[test]
    fn null_is_told_from_nothing() {
        let read = |text: &str| serde_json::from_str::<Change>(text).unwrap();
        assert!(matches!(read("{}").allowed_mime_types, Wanted::AsItIs));
        assert!(matches!(
            read(r#"{"allowed_mime_types":null}"#).allowed_mime_types,
            Wanted::Null
        ));
    }
}
