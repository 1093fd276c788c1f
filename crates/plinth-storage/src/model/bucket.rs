//! Buckets: rows of `storage.buckets`.

use std::sync::LazyLock;

use jiff::Timestamp;
use plinth_db::{Error, Known, Param, Row, Session};
use serde::Deserialize;
use serde_json::{Value, json};

use super::object::{Time, millis};
use crate::Storage;
use crate::error::StorageError;

/// A bucket as its row has it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: Option<String>,
    /// Whether everybody may read what is in it.
    pub(crate) public: bool,
    /// Bytes.
    pub(crate) file_size_limit: Option<u64>,
    /// `image/png`, `image/*`.
    pub(crate) allowed_mime_types: Option<Vec<String>>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Columns that [`Bucket::read`] wants.
pub(crate) const COLUMNS: &str = "id, name, owner, public, file_size_limit, to_json(allowed_mime_types) as allowed_mime_types, \
                                  created_at, updated_at";

/// The same as an array.
const FIELDS: [&str; 8] = [
    "id",
    "name",
    "owner",
    "public",
    "file_size_limit",
    "allowed_mime_types",
    "created_at",
    "updated_at",
];

/// A row as it is in the table.
#[derive(Deserialize)]
struct Columns {
    id: String,
    name: String,
    owner: Option<String>,
    public: Option<bool>,
    file_size_limit: Option<i64>,
    allowed_mime_types: Option<Vec<String>>,
    created_at: Option<Time>,
    updated_at: Option<Time>,
}

impl From<Columns> for Bucket {
    fn from(columns: Columns) -> Bucket {
        let time = |time: Option<Time>| time.map(|Time(at)| at);
        let created_at = time(columns.created_at).unwrap_or_default();
        let limit = columns.file_size_limit;
        Bucket {
            id: columns.id,
            name: columns.name,
            owner: columns.owner,
            public: columns.public.unwrap_or(false),
            file_size_limit: limit.and_then(|bytes| u64::try_from(bytes).ok()),
            allowed_mime_types: columns.allowed_mime_types,
            created_at,
            updated_at: time(columns.updated_at).unwrap_or(created_at),
        }
    }
}

impl Bucket {
    /// The settings of a bucket, whoever asks: they bind also those who may not see them.
    pub(crate) async fn find(storage: &Storage, id: &str) -> Result<Bucket, StorageError> {
        Bucket::find_as(storage, &Session::system(), id).await
    }

    /// A bucket, if the policies show it.
    pub(crate) async fn find_as(
        storage: &Storage,
        session: &Session,
        id: &str,
    ) -> Result<Bucket, StorageError> {
        static FIND: LazyLock<Known> = LazyLock::new(|| {
            let sql = format!("select {COLUMNS} from storage.buckets where id = $1");
            Known::new(&sql, &FIELDS, 1)
        });
        let found = storage.app.db.fetch(session, &FIND, vec![Param::from(id)]);
        let found: Vec<Columns> = found.await?;
        match found.into_iter().next() {
            Some(columns) => Ok(columns.into()),
            None => Err(StorageError::NoSuchBucket),
        }
    }

    /// From a row with [`COLUMNS`].
    pub(crate) fn read(row: Row<'_>) -> Result<Bucket, Error> {
        let types = match row.get("allowed_mime_types") {
            None => None,
            Some(_) => serde_json::from_value(row.json("allowed_mime_types")?).ok(),
        };
        let columns = Columns {
            id: row.text("id")?,
            name: row.text("name")?,
            owner: row.get("owner").map(str::to_owned),
            public: Some(row.get("public") == Some("t")),
            file_size_limit: row
                .get("file_size_limit")
                .and_then(|text| text.parse().ok()),
            allowed_mime_types: types,
            created_at: row.maybe_timestamp("created_at")?.map(Time),
            updated_at: row.maybe_timestamp("updated_at")?.map(Time),
        };
        Ok(columns.into())
    }

    /// Bytes that an object in it may have.
    pub(crate) fn limit(&self, storage: &Storage) -> u64 {
        let own = self.file_size_limit.unwrap_or(u64::MAX);
        own.min(storage.config.upload_bytes)
    }

    /// Refuses types that are not on the bucket's list.
    pub(crate) fn check_type(&self, mime: &str) -> Result<(), StorageError> {
        let Some(allowed) = &self.allowed_mime_types else {
            return Ok(());
        };
        let essence = |text: &str| {
            let plain = text.split(';').next().unwrap_or_default();
            plain.trim().to_ascii_lowercase()
        };
        let wanted = essence(mime);
        let fits = |pattern: &String| {
            let pattern = essence(pattern);
            pattern == "*/*"
                || pattern == wanted
                || pattern
                    .strip_suffix('*')
                    .is_some_and(|family| family.ends_with('/') && wanted.starts_with(family))
        };
        if allowed.is_empty() || allowed.iter().any(fits) {
            Ok(())
        } else {
            Err(StorageError::InvalidMimeType(mime.to_owned()))
        }
    }

    /// As clients read it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "owner": self.owner.as_deref().unwrap_or_default(),
            "public": self.public,
            "file_size_limit": self.file_size_limit,
            "allowed_mime_types": self.allowed_mime_types,
            "created_at": millis(self.created_at),
            "updated_at": millis(self.updated_at),
        })
    }
}
