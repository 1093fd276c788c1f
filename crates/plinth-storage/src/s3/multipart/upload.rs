//! One upload in parts: its row, and what is done with it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use plinth_db::{Error, Param, Row, Session, Transaction};
use plinth_http::request_id;
use s3s::{S3Error, S3Result, s3_error};
use serde_json::Value;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::ending::remove_logged;
use super::{ADMIN, lost};
use crate::Storage;
use crate::error::StorageError;
use crate::model::{Bucket, NewObject, Object, Who, object};
use crate::store::{Part, UploadState};
use crate::unfinished;

/// Least bytes of a part that is not the last, as in S3.
const MIN_PART_BYTES: u64 = 5 << 20;
/// How often whoever ends an upload says that it is still at it. Others may take its place a minute after the last time.
const STILL_AT_IT: Duration = Duration::from_secs(15);

/// A row of `storage.s3_multipart_uploads`.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// Also the version that its bytes will be.
    pub(super) id: Uuid,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) owner_id: Option<String>,
    pub(super) role: String,
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) user_metadata: Option<Value>,
    pub(super) state: UploadState,
    pub(super) created_at: Timestamp,
}

/// The right to end an upload, as long as it is held; for somewhat longer if its holder was killed.
pub(super) struct Claim(AbortHandle);

/// What [`Upload::read`] wants.
pub(super) const COLUMNS: &str =
    "id, bucket_id, key, owner_id, role, metadata, user_metadata, store_state, created_at";

impl Upload {
    /// An upload that the caller has begun, or any for `service_role`.
    pub(super) async fn find(
        storage: &Storage,
        who: &Who,
        id: &str,
        bucket: &str,
        key: &str,
    ) -> S3Result<Upload> {
        let Ok(id) = id.parse::<Uuid>() else {
            return Err(StorageError::NoSuchUpload.into());
        };
        let sql = format!(
            "select {COLUMNS} from storage.s3_multipart_uploads
              where id = $1 and bucket_id = $2 and key = $3 and expires_at > now()"
        );
        let params = vec![
            Param::from(id.to_string()),
            Param::from(bucket),
            Param::from(key),
        ];
        let rows = storage.app.db.query(&Session::system(), &sql, params).await;
        let rows = rows.map_err(StorageError::from)?;
        let found = rows.first().map(Upload::read).transpose()?;
        let mine = |upload: &Upload| {
            let role = &who.session.role;
            role == ADMIN || (upload.role == *role && upload.owner_id == who.owner)
        };
        Ok(found.filter(mine).ok_or(StorageError::NoSuchUpload)?)
    }

    pub(super) fn read(row: Row<'_>) -> Result<Upload, StorageError> {
        let state = serde_json::from_value(row.json("store_state")?).map_err(|error| {
            StorageError::Internal(format!("the state of an upload cannot be read: {error}"))
        })?;
        let maybe_json = |column: &str| match row.get(column) {
            None => Ok(None),
            Some(_) => row.json(column).map(Some),
        };
        let metadata = maybe_json("metadata")?.unwrap_or_default();
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Upload {
            id: row.uuid("id")?,
            bucket: row.text("bucket_id")?,
            key: row.text("key")?,
            owner_id: row.get("owner_id").map(str::to_owned),
            role: row.text("role")?,
            content_type: text("mimetype"),
            cache_control: text("cacheControl"),
            user_metadata: maybe_json("user_metadata")?,
            state,
            created_at: row.timestamp("created_at")?,
        })
    }

    /// Bytes that this part may have: what the other parts leave of the bucket's limit.
    pub(super) async fn room(&self, storage: &Storage, number: u16) -> S3Result<u64> {
        let bucket = Bucket::find(storage, &self.bucket).await?;
        let sql = "select coalesce(sum(size), 0)::bigint as used from storage.s3_multipart_uploads_parts \
                   where upload_id = $1 and part_number <> $2";
        let params = vec![
            Param::from(self.id.to_string()),
            Param::from(i32::from(number)),
        ];
        let rows = storage.app.db.query(&Session::system(), sql, params).await;
        let rows = rows.map_err(StorageError::from)?;
        let used = rows.first().map(|row| row.int("used")).transpose();
        let used = used.map_err(StorageError::from)?.unwrap_or(0);
        let used = u64::try_from(used).unwrap_or(u64::MAX);
        Ok(bucket.limit(storage).saturating_sub(used))
    }

    /// Whether a part of so many bytes leaves unfinished uploads within their bounds.
    pub(super) async fn check_bytes(&self, storage: &Storage, more: u64) -> S3Result {
        storage.unfinished.check_going_on(&storage.config)?;
        // Its keys may do everything, and its uploads are many people's.
        if self.role == ADMIN {
            return Ok(());
        }
        let sql = "select coalesce(sum(in_progress_size), 0)::bigint as bytes from storage.s3_multipart_uploads \
                   where role = $1 and coalesce(owner_id, '') = $2";
        let params = vec![
            Param::from(&self.role),
            Param::from(self.owner_id.as_deref().unwrap_or_default()),
        ];
        let rows = storage.app.db.query(&Session::system(), sql, params).await;
        let rows = rows.map_err(StorageError::from)?;
        let bytes = rows.first().map(|row| row.int("bytes")).transpose();
        let bytes = bytes.map_err(StorageError::from)?.unwrap_or(0);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes.saturating_add(more) <= unfinished::bytes_of_one(&storage.config) {
            return Ok(());
        }
        Err(s3_error!(
            SlowDown,
            "Your uploads under way are too large together; complete or abort some of them"
        ))
    }

    /// Receives a part and writes it down; the inner error is why it could not be received.
    ///
    /// By itself: of a client that goes away with its last byte, the part is on disk and has to be counted. One could fill the
    /// disk otherwise with parts that are nobody's.
    pub(super) async fn receive(
        self,
        storage: &Storage,
        number: u16,
        body: BoxStream<'static, Result<Bytes, StorageError>>,
        limit: u64,
    ) -> S3Result<Result<Part, StorageError>> {
        let storage = storage.clone();
        let work = async move {
            let store = &storage.store;
            let received =
                store.put_part(&storage.app.db, self.id, &self.state, number, body, limit);
            let part = match received.await {
                Ok(part) => part,
                Err(error) => return Ok(Err(error)),
            };
            self.record(&storage, &part).await?;
            storage.unfinished.add(part.size);
            Ok::<Result<Part, StorageError>, S3Error>(Ok(part))
        };
        let done = tokio::spawn(request_id::carried(work)).await;
        done.map_err(|error| lost(&error))?
    }

    /// Writes down that a part has arrived. Should the upload have ended meanwhile, the part goes too. Should it be too much for
    /// the bucket, the upload ends: its bytes are on disk, and would be there for a week.
    async fn record(&self, storage: &Storage, part: &Part) -> S3Result {
        let limit = Bucket::find(storage, &self.bucket).await?.limit(storage);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let id = self.id.to_string();
        let row = vec![
            Param::from(&id),
            Param::from(i64::try_from(part.size).unwrap_or(i64::MAX)),
            Param::from(i32::from(part.number)),
            Param::from(&self.bucket),
            Param::from(&self.key),
            Param::from(&part.etag),
            Param::from(self.owner_id.as_ref()),
            Param::from(&id),
        ];
        let system = Session::system();
        let recorded = storage
            .app
            .db
            .transaction(&system, move |tx| record(tx, &id, &row, limit));
        match recorded.await {
            Ok(()) => Ok(()),
            Err(StorageError::NoSuchUpload) => {
                self.abandon(storage).await?;
                Err(StorageError::NoSuchUpload.into())
            }
            Err(StorageError::TooLarge) => {
                remove_logged(storage, self).await?;
                Err(StorageError::TooLarge.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The parts that a completion names, as they are.
    pub(super) async fn choose(
        &self,
        storage: &Storage,
        named: &[(u16, String)],
    ) -> S3Result<Vec<Part>> {
        let sql = "select part_number, size, etag from storage.s3_multipart_uploads_parts where upload_id = $1";
        let params = vec![Param::from(self.id.to_string())];
        let rows = storage.app.db.query(&Session::system(), sql, params).await;
        let rows = rows.map_err(StorageError::from)?;
        let parts: Result<BTreeMap<u16, Part>, Error> = rows
            .iter()
            .map(|row| {
                let number = u16::try_from(row.int("part_number")?).unwrap_or(0);
                let part = Part {
                    number,
                    size: u64::try_from(row.int("size")?).unwrap_or(0),
                    etag: row.text("etag")?,
                };
                Ok((number, part))
            })
            .collect();
        chosen(&mut parts.map_err(StorageError::from)?, named)
    }

    /// Keeps every other end of this upload away; none where another does so.
    pub(super) async fn claim(&self, storage: &Storage) -> Result<Option<Claim>, StorageError> {
        let sql = "update storage.s3_multipart_uploads set completing_at = now() \
                   where id = $1 and (completing_at is null or completing_at < now() - interval '1 minute')";
        let params = vec![Param::from(self.id.to_string())];
        let rows = storage
            .app
            .db
            .query(&Session::system(), sql, params)
            .await?;
        if rows.affected == 0 {
            return Ok(None);
        }
        let renewing = tokio::spawn(renew(storage.clone(), self.id));
        Ok(Some(Claim(renewing.abort_handle())))
    }

    pub(super) async fn unclaim(&self, storage: &Storage) {
        let sql = "update storage.s3_multipart_uploads set completing_at = null where id = $1";
        let params = vec![Param::from(self.id.to_string())];
        if let Err(error) = storage.app.db.query(&Session::system(), sql, params).await {
            tracing::warn!(upload.id = %self.id, %error, "an upload cannot be completed for a minute");
        }
    }

    /// Makes the parts the object. Whoever calls this has the claim.
    pub(super) async fn join(
        &self,
        storage: &Storage,
        who: &Who,
        object: &NewObject,
        parts: &[Part],
    ) -> S3Result<Object> {
        // An earlier completion got as far as the row and no further. Its bytes are the object's now: to join them once more
        // and fail would remove them.
        let made = match object::find_version(storage, self.id).await? {
            Some(made) => made,
            None => {
                let (db, state) = (&storage.app.db, self.state.clone());
                let stored = storage.store.join_parts(db, self.id, state, parts).await?;
                object::put(storage, who, object, stored).await?
            }
        };
        // The object is there. What is left of the upload goes now, or when it expires.
        storage.unfinished.remove(made.size);
        if let Err(error) = self.remove(storage).await {
            tracing::warn!(upload.id = %self.id, %error, "what is left of a completed upload is removed later");
        }
        Ok(made)
    }

    /// Removes parts, then the row: should the first be interrupted, the second still says what there is to remove.
    pub(super) async fn remove(&self, storage: &Storage) -> Result<(), StorageError> {
        self.abandon(storage).await?;
        let sql = "delete from storage.s3_multipart_uploads where id = $1";
        let params = vec![Param::from(self.id.to_string())];
        storage
            .app
            .db
            .query(&Session::system(), sql, params)
            .await?;
        Ok(())
    }

    async fn abandon(&self, storage: &Storage) -> Result<(), StorageError> {
        storage
            .store
            .abandon_upload(self.id, self.state.clone())
            .await
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Says again and again that the upload is being ended.
async fn renew(storage: Storage, id: Uuid) {
    let sql = "update storage.s3_multipart_uploads set completing_at = now() where id = $1 and completing_at is not null";
    loop {
        tokio::time::sleep(STILL_AT_IT).await;
        let params = vec![Param::from(id.to_string())];
        if let Err(error) = storage.app.db.query(&Session::system(), sql, params).await {
            tracing::warn!(upload.id = %id, %error, "that an upload is being ended could not be said again");
        }
    }
}

fn record(
    tx: &mut Transaction<'_>,
    id: &str,
    row: &[Param],
    limit: i64,
) -> Result<(), StorageError> {
    // Against its end, and one part after another.
    let locked = tx.query(
        "select id from storage.s3_multipart_uploads where id = $1 for update",
        &[Param::from(id)],
    )?;
    if locked.is_empty() {
        return Err(StorageError::NoSuchUpload);
    }
    tx.query(
        "insert into storage.s3_multipart_uploads_parts \
           (upload_id, size, part_number, bucket_id, key, etag, owner_id, version) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) \
         on conflict (upload_id, part_number) do update \
         set size = excluded.size, etag = excluded.etag, created_at = now()",
        row,
    )?;
    let sum = tx.query(
        "select coalesce(sum(size), 0)::bigint as used from storage.s3_multipart_uploads_parts where upload_id = $1",
        &[Param::from(id)],
    )?;
    let used = sum
        .first()
        .map(|row| row.int("used"))
        .transpose()?
        .unwrap_or(0);
    // Parts that came side by side may each have found room that only one of them has.
    if used > limit {
        return Err(StorageError::TooLarge);
    }
    tx.query(
        "update storage.s3_multipart_uploads set in_progress_size = $2 where id = $1",
        &[Param::from(id), Param::from(used)],
    )?;
    Ok(())
}

fn chosen(parts: &mut BTreeMap<u16, Part>, named: &[(u16, String)]) -> S3Result<Vec<Part>> {
    let mut chosen = Vec::with_capacity(named.len());
    for (place, (number, etag)) in named.iter().enumerate() {
        let part = parts.remove(number).filter(|part| part.etag == *etag);
        let part = part.ok_or_else(invalid_part)?;
        if part.size < MIN_PART_BYTES && place + 1 < named.len() {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        chosen.push(part);
    }
    Ok(chosen)
}

pub(super) fn invalid_part() -> S3Error {
    s3_error!(
        InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn arrived(sizes: &[(u16, u64)]) -> BTreeMap<u16, Part> {
        let part = |(number, size): &(u16, u64)| {
            let part = Part {
                number: *number,
                size: *size,
                etag: format!("e{number}"),
            };
            (*number, part)
        };
        sizes.iter().map(part).collect()
    }

    fn choose(sizes: &[(u16, u64)], named: &[(u16, &str)]) -> Result<usize, String> {
        let named: Vec<_> = named
            .iter()
            .map(|(number, etag)| (*number, (*etag).to_owned()))
            .collect();
        let chosen = chosen(&mut arrived(sizes), &named);
        chosen
            .map(|parts| parts.len())
            .map_err(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn a_completion_names_parts_that_arrived() {
        let sizes = [(1, 5 * MIB), (2, 6 * MIB), (7, 1)];
        assert_eq!(choose(&sizes, &[(1, "e1"), (2, "e2"), (7, "e7")]), Ok(3));
        assert_eq!(choose(&sizes, &[(7, "e7")]), Ok(1));
        assert_eq!(
            choose(&sizes, &[(1, "e1"), (3, "e3")]),
            Err("InvalidPart".to_owned())
        );
        assert_eq!(
            choose(&sizes, &[(1, "other")]),
            Err("InvalidPart".to_owned())
        );
        let small = [(1, 5 * MIB - 1), (2, 5 * MIB)];
        assert_eq!(
            choose(&small, &[(1, "e1"), (2, "e2")]),
            Err("EntityTooSmall".to_owned())
        );
    }
}
