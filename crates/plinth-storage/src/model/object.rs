//! Objects: rows of `storage.objects`.

use std::borrow::Cow;
use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param, Row, Transaction};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Bucket, Who, array};
use crate::Storage;
use crate::error::StorageError;
use crate::names::ObjectName;
use crate::sign;
use crate::store::Stored;

/// An object as its row has it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) id: Uuid,
    pub(crate) bucket_id: String,
    pub(crate) name: String,
    pub(crate) owner_id: Option<String>,
    /// Which bytes.
    pub(crate) version: Uuid,
    /// Bytes.
    pub(crate) size: u64,
    /// In quotes.
    pub(crate) etag: String,
    pub(crate) content_type: String,
    pub(crate) cache_control: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) last_accessed_at: Timestamp,
    /// What the service noted: `eTag`, `size`, `mimetype`, `cacheControl`, `lastModified`, …
    pub(crate) metadata: Value,
    /// What the uploader said about it.
    pub(crate) user_metadata: Option<Value>,
}

/// An object to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewObject {
    pub(crate) bucket: String,
    pub(crate) name: ObjectName,
    pub(crate) upsert: Upsert,
    pub(crate) content_type: String,
    pub(crate) cache_control: String,
    pub(crate) user_metadata: Option<Value>,
    /// What the client says that it will send, or the most that it can be.
    pub(crate) declared_length: Option<u64>,
}

/// What a new object may take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upsert {
    Nothing,
    Anything,
    /// Only of the object with this id, should there be one by then.
    Only(Uuid),
}

impl From<bool> for Upsert {
    fn from(may_replace: bool) -> Upsert {
        match may_replace {
            true => Upsert::Anything,
            false => Upsert::Nothing,
        }
    }
}

/// Columns that [`Object::read`] wants, without what uploaders said about objects: that may be a mebibyte each, for a thousand
/// in one answer.
pub(crate) const COLUMNS: &str =
    "id, bucket_id, name, owner_id, version, metadata, created_at, updated_at, last_accessed_at";

/// The same as an array: first [`BRIEF`], last what is only read where somebody asks for it.
const FIELDS: [&str; 10] = [
    "id",
    "bucket_id",
    "name",
    "owner_id",
    "version",
    "metadata",
    "updated_at",
    "created_at",
    "last_accessed_at",
    "user_metadata",
];

/// How many of them [`find_brief`] wants.
const BRIEF: usize = 7;

/// A row as it is in the table. Rows that were made by SQL may lack nearly everything.
#[derive(Deserialize)]
struct Columns {
    id: Uuid,
    bucket_id: Option<String>,
    name: Option<String>,
    owner_id: Option<String>,
    version: Option<String>,
    metadata: Option<Value>,
    user_metadata: Option<Value>,
    created_at: Option<Time>,
    updated_at: Option<Time>,
    last_accessed_at: Option<Time>,
    /// Whether its bucket is public, where that was asked for.
    is_public: Option<bool>,
}

/// A time in a document.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Time, D::Error> {
        let text = <Cow<'de, str>>::deserialize(reader)?;
        text.parse().map(Time).map_err(serde::de::Error::custom)
    }
}

/// Where a policy lets nothing in, whatever it says.
const DENIED: &str = "new row violates row-level security policy";

/// Would the policies let it in? Asked before a byte of it is read, and rolled back.
pub(crate) async fn may_put(
    storage: &Storage,
    who: &Who,
    object: &NewObject,
) -> Result<(), StorageError> {
    /// What ends the trial.
    enum End {
        Allowed,
        Refused(StorageError),
    }
    impl From<StorageError> for End {
        fn from(error: StorageError) -> End {
            End::Refused(error)
        }
    }
    impl From<Error> for End {
        fn from(error: Error) -> End {
            End::Refused(error.into())
        }
    }

    let metadata = json!({
        "mimetype": object.content_type,
        "cacheControl": object.cache_control,
        "contentLength": object.declared_length,
    });
    let write = Insert::new(who, object, Uuid::now_v7(), metadata);
    let tried = storage.app.db.transaction(&who.session, move |tx| {
        write.run(tx)?;
        Err::<(), End>(End::Allowed)
    });
    match tried.await {
        Ok(()) | Err(End::Allowed) => Ok(()),
        Err(End::Refused(error)) => Err(refused(error)),
    }
}

/// Makes stored bytes the object, once the check of uploads has said yes. On an error they are removed.
pub(crate) async fn put(
    storage: &Storage,
    who: &Who,
    object: &NewObject,
    stored: Stored,
) -> Result<Object, StorageError> {
    if let Some(check) = &storage.check {
        let owner = who.owner.as_deref();
        let checked = check.inspect(&storage.store, owner, object, &stored);
        if let Err(error) = checked.await {
            storage.store.discard(stored).await;
            return Err(error);
        }
    }
    if let Err(error) = still_fits(storage, object, stored.size).await {
        storage.store.discard(stored).await;
        return Err(error);
    }
    let now = storage.app.db.clock().now();
    let metadata = json!({
        "eTag": stored.etag,
        "size": stored.size,
        "mimetype": object.content_type,
        "cacheControl": object.cache_control,
        "lastModified": millis(now),
        "contentLength": stored.size,
        "httpStatusCode": 200,
    });
    let write = Insert::new(who, object, stored.version, metadata.clone());
    let id = write.id;
    let (version, etag, size) = (stored.version, stored.etag.clone(), stored.size);
    let (db, session) = (storage.app.db.clone(), who.session.clone());
    let row = async move {
        let made = db.transaction(&session, move |tx| write.run(tx)).await;
        made.map_err(refused)
    };
    storage.store.commit(stored, row).await?;
    if object.upsert != Upsert::Nothing {
        // What it replaced waits to be removed.
        storage.sweeper.notify_one();
        // An object that was there kept its id. Whether the caller may read it is another question than whether it may write.
        // It is made, whatever becomes of this question.
        if let Ok(Some(object)) = find_version(storage, version).await {
            return Ok(object);
        }
    }
    Ok(Object {
        id,
        bucket_id: object.bucket.clone(),
        name: object.name.as_str().to_owned(),
        owner_id: who.owner.clone(),
        version,
        size,
        etag,
        content_type: object.content_type.clone(),
        cache_control: object.cache_control.clone(),
        created_at: now,
        updated_at: now,
        last_accessed_at: now,
        metadata,
        user_metadata: object.user_metadata.clone(),
    })
}

/// Asks the bucket's rules once more: an upload may have taken an hour.
async fn still_fits(storage: &Storage, object: &NewObject, size: u64) -> Result<(), StorageError> {
    let bucket = Bucket::find(storage, &object.bucket).await?;
    if object.name.is_folder_placeholder() {
        return Ok(());
    }
    if size > bucket.limit(storage) {
        return Err(StorageError::TooLarge);
    }
    bucket.check_type(&object.content_type)
}

/// One object, if the policies show it.
pub(crate) async fn find(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    name: &str,
) -> Result<Object, StorageError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known(&FIELDS));
    first(storage, who, &FIND, bucket, name).await
}

/// The same without what a delivery has no use for: what its uploader said about it, and when it was made and last asked for.
pub(crate) async fn find_brief(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    name: &str,
) -> Result<Object, StorageError> {
    static FIND: LazyLock<Known> = LazyLock::new(|| known(&FIELDS[..BRIEF]));
    first(storage, who, &FIND, bucket, name).await
}

/// The same, and whether its bucket is public: one question instead of two. None when the policies do not show it.
pub(crate) async fn find_shown(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    name: &str,
) -> Result<Option<(Object, bool)>, StorageError> {
    static FIND: LazyLock<Known> =
        LazyLock::new(|| known(&[&FIELDS[..BRIEF], &["is_public"]].concat()));
    let found = row(storage, who, &FIND, bucket, name).await?;
    Ok(found.map(|columns| {
        let is_public = columns.is_public.unwrap_or(false);
        (columns.into(), is_public)
    }))
}

fn known(fields: &[&str]) -> Known {
    let column = |field: &&str| match *field {
        // Rows that were made by SQL may lack it.
        "updated_at" => "coalesce(updated_at, created_at) as updated_at".to_owned(),
        "is_public" => "storage.is_public(bucket_id) as is_public".to_owned(),
        field => field.to_owned(),
    };
    let columns = fields.iter().map(column).collect::<Vec<_>>().join(", ");
    let sql =
        format!("select {columns} from storage.objects where bucket_id = $1 and name = $2 limit 1");
    Known::new(&sql, fields, 2)
}

async fn first(
    storage: &Storage,
    who: &Who,
    known: &Known,
    bucket: &str,
    name: &str,
) -> Result<Object, StorageError> {
    match row(storage, who, known, bucket, name).await? {
        Some(columns) => Ok(columns.into()),
        None => Err(StorageError::NoSuchKey),
    }
}

async fn row(
    storage: &Storage,
    who: &Who,
    known: &Known,
    bucket: &str,
    name: &str,
) -> Result<Option<Columns>, StorageError> {
    let params = vec![Param::from(bucket), Param::from(name)];
    let found = storage.app.db.fetch(&who.session, known, params);
    let found: Vec<Columns> = found.await?;
    Ok(found.into_iter().next())
}

/// An object of a public bucket, which everybody may read.
pub(crate) async fn find_public(
    storage: &Storage,
    bucket: &str,
    name: &str,
) -> Result<Object, StorageError> {
    check_public(storage, bucket).await?;
    find(storage, &Who::system(None), bucket, name).await
}

/// The same as [`find_brief`] finds it.
pub(crate) async fn find_public_brief(
    storage: &Storage,
    bucket: &str,
    name: &str,
) -> Result<Object, StorageError> {
    check_public(storage, bucket).await?;
    find_brief(storage, &Who::system(None), bucket, name).await
}

async fn check_public(storage: &Storage, bucket: &str) -> Result<(), StorageError> {
    match Bucket::find(storage, bucket).await?.public {
        true => Ok(()),
        false => Err(StorageError::NoSuchBucket),
    }
}

/// Removes those of the names that exist and that the policies let go; their bytes follow. What their uploaders said about
/// them does not come back.
pub(crate) async fn remove(
    storage: &Storage,
    who: &Who,
    bucket: &str,
    names: &[String],
) -> Result<Vec<Object>, StorageError> {
    let sql = format!(
        "delete from storage.objects where bucket_id = $1 and name = any($2::text[]) returning {COLUMNS}"
    );
    let params = vec![Param::from(bucket), Param::from(array::literal(names))];
    let rows = storage.app.db.query(&who.session, &sql, params).await?;
    if !rows.is_empty() {
        storage.sweeper.notify_one();
    }
    rows.iter().map(|row| Ok(Object::read(row)?)).collect()
}

/// Gives an object another name or bucket. Its bytes stay where they are.
pub(crate) async fn rename(
    storage: &Storage,
    who: &Who,
    from: (&str, &str),
    to: (&str, &ObjectName),
) -> Result<Object, StorageError> {
    // Whoever may not see it is told that it is not there, also where it may be updated.
    let found = find_brief(storage, who, from.0, from.1).await?;
    let sql = format!(
        "update storage.objects set bucket_id = $3, name = $4, updated_at = now()
          where bucket_id = $1 and name = $2 returning {COLUMNS}"
    );
    let params = vec![
        Param::from(&found.bucket_id),
        Param::from(&found.name),
        Param::from(to.0),
        Param::from(to.1.as_str()),
    ];
    let moved = storage.app.db.query(&who.session, &sql, params).await;
    match moved.map_err(refused)?.first() {
        Some(row) => Ok(Object::read(row)?),
        None => Err(StorageError::NoSuchKey),
    }
}

/// Makes `to` of the bytes of `source`, which the caller has been shown.
pub(crate) async fn copy(
    storage: &Storage,
    who: &Who,
    source: &Object,
    to: &NewObject,
) -> Result<Object, StorageError> {
    may_put(storage, who, to).await?;
    let db = &storage.app.db;
    let stored = storage.store.copy(db, source.version, &source.etag).await?;
    put(storage, who, to, stored).await
}

/// Whether the holder of a token may replace what is there: only what was there when the policies were asked, and what it
/// has made itself since.
pub(crate) async fn may_replace(
    storage: &Storage,
    granted: &sign::Upload,
    bucket: &str,
    name: &str,
) -> Result<Upsert, StorageError> {
    if !granted.upsert || granted.replaces_any {
        return Ok(granted.upsert.into());
    }
    match find_brief(storage, &Who::system(None), bucket, name).await {
        Ok(there) => {
            let is_own = granted.owner.is_some() && there.owner_id == granted.owner;
            Ok(match granted.replaces == Some(there.id) || is_own {
                true => Upsert::Only(there.id),
                false => Upsert::Nothing,
            })
        }
        // It may be made. What somebody else makes meanwhile stays.
        Err(StorageError::NoSuchKey) => Ok(Upsert::Nothing),
        Err(error) => Err(error),
    }
}

/// The id of what has this name, whoever may see it.
pub(crate) async fn id_of(
    storage: &Storage,
    bucket: &str,
    name: &str,
) -> Result<Option<Uuid>, StorageError> {
    match find_brief(storage, &Who::system(None), bucket, name).await {
        Ok(there) => Ok(Some(there.id)),
        Err(StorageError::NoSuchKey) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The object that these bytes are.
pub(crate) async fn find_version(
    storage: &Storage,
    version: Uuid,
) -> Result<Option<Object>, StorageError> {
    let sql = format!("select {COLUMNS}, user_metadata from storage.objects where version = $1");
    let params = vec![Param::from(version.to_string())];
    let system = Who::system(None);
    let rows = storage.app.db.query(&system.session, &sql, params).await?;
    Ok(rows.first().map(Object::read).transpose()?)
}

impl Object {
    /// From a row with [`COLUMNS`], and perhaps `user_metadata`.
    pub(crate) fn read(row: Row<'_>) -> Result<Object, Error> {
        let text = |column: &str| row.get(column).map(str::to_owned);
        let json = |column: &str| match row.get(column) {
            None => Ok(None),
            Some(_) => row.json(column).map(Some),
        };
        let columns = Columns {
            id: row.uuid("id")?,
            bucket_id: text("bucket_id"),
            name: text("name"),
            owner_id: text("owner_id"),
            version: text("version"),
            metadata: json("metadata")?,
            user_metadata: json("user_metadata")?,
            created_at: row.maybe_timestamp("created_at")?.map(Time),
            updated_at: row.maybe_timestamp("updated_at")?.map(Time),
            last_accessed_at: row.maybe_timestamp("last_accessed_at")?.map(Time),
            is_public: None,
        };
        Ok(columns.into())
    }

    /// As copies show it.
    pub(crate) fn row_json(&self) -> Value {
        let mut row = self.brief_json();
        row["user_metadata"] = json!(self.user_metadata);
        row
    }

    /// As deletions show it: without what its uploader said.
    pub(crate) fn brief_json(&self) -> Value {
        json!({
            "name": self.name,
            "bucket_id": self.bucket_id,
            "owner": self.owner_uuid(),
            "owner_id": self.owner_id,
            "version": self.version,
            "id": self.id,
            "updated_at": millis(self.updated_at),
            "created_at": millis(self.created_at),
            "last_accessed_at": millis(self.last_accessed_at),
            "metadata": self.metadata,
        })
    }

    fn owner_uuid(&self) -> Option<Uuid> {
        self.owner_id.as_deref()?.parse().ok()
    }
}

impl From<Columns> for Object {
    fn from(columns: Columns) -> Object {
        let metadata = columns.metadata.unwrap_or_default();
        let text = |key: &str| metadata.get(key).and_then(Value::as_str);
        let number = |key: &str| metadata.get(key).and_then(Value::as_u64);
        let version = columns.version.and_then(|text| text.parse().ok());
        let time = |time: Option<Time>| time.map(|Time(at)| at);
        let created_at = time(columns.created_at).unwrap_or_default();
        Object {
            id: columns.id,
            bucket_id: columns.bucket_id.unwrap_or_default(),
            name: columns.name.unwrap_or_default(),
            owner_id: columns.owner_id,
            version: version.unwrap_or_default(),
            size: number("size")
                .or_else(|| number("contentLength"))
                .unwrap_or(0),
            etag: text("eTag").unwrap_or_default().to_owned(),
            content_type: text("mimetype").unwrap_or(OCTETS).to_owned(),
            cache_control: text("cacheControl").unwrap_or("no-cache").to_owned(),
            created_at,
            updated_at: time(columns.updated_at).unwrap_or(created_at),
            last_accessed_at: time(columns.last_accessed_at).unwrap_or(created_at),
            user_metadata: columns.user_metadata,
            metadata,
        }
    }
}

/// The type of bytes of which nobody said anything.
pub(crate) const OCTETS: &str = "application/octet-stream";

/// A time as this API writes it: `2024-01-02T03:04:05.678Z`.
pub(crate) fn millis(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// A row to be inserted, or to take the place of one.
struct Insert {
    id: Uuid,
    upsert: Upsert,
    sql: &'static str,
    params: Vec<Param>,
}

impl Insert {
    fn new(who: &Who, object: &NewObject, version: Uuid, metadata: Value) -> Insert {
        let id = Uuid::new_v4();
        let owner_uuid: Option<Uuid> = who.owner.as_deref().and_then(|text| text.parse().ok());
        // Nothing is returned: that would ask the policies for reading too, which an upload does not need.
        let sql = match object.upsert {
            Upsert::Nothing => {
                "insert into storage.objects (id, bucket_id, name, owner, owner_id, version, metadata, user_metadata)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)"
            }
            Upsert::Anything => {
                "insert into storage.objects (id, bucket_id, name, owner, owner_id, version, metadata, user_metadata)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (bucket_id, name) do update
                 set owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
                     metadata = excluded.metadata, user_metadata = excluded.user_metadata, updated_at = now()"
            }
            Upsert::Only(_) => {
                "insert into storage.objects as o (id, bucket_id, name, owner, owner_id, version, metadata, user_metadata)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (bucket_id, name) do update
                 set owner = excluded.owner, owner_id = excluded.owner_id, version = excluded.version,
                     metadata = excluded.metadata, user_metadata = excluded.user_metadata, updated_at = now()
                 where o.id = $9"
            }
        };
        let mut params = vec![
            Param::from(id),
            Param::from(&object.bucket),
            Param::from(object.name.as_str()),
            Param::from(owner_uuid),
            Param::from(who.owner.as_ref()),
            Param::from(version.to_string()),
            Param::from(metadata),
            Param::from(object.user_metadata.clone()),
        ];
        if let Upsert::Only(replaced) = object.upsert {
            params.push(Param::from(replaced));
        }
        Insert {
            id,
            upsert: object.upsert,
            sql,
            params,
        }
    }

    fn run(&self, tx: &mut Transaction<'_>) -> Result<(), StorageError> {
        let written = tx.query(self.sql, &self.params)?.affected;
        match self.upsert {
            // There is another than the one that it may replace.
            Upsert::Only(_) if written == 0 => Err(StorageError::AlreadyExists),
            Upsert::Nothing | Upsert::Anything | Upsert::Only(_) => Ok(()),
        }
    }
}

/// A policy's refusal reads the same whichever policy it was.
pub(crate) fn refused(error: impl Into<StorageError>) -> StorageError {
    match error.into() {
        StorageError::AccessDenied(text) if text.starts_with(DENIED) => {
            StorageError::AccessDenied(DENIED.to_owned())
        }
        error => error,
    }
}
