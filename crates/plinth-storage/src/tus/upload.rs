//! Rows of `storage.uploads`: whose an upload is, how far it has come, and who may write it.
//!
//! Writers on other nodes are kept out by a lease, a time in the row that its holder moves on. It is the database's time, so
//! nodes need not agree on theirs. A holder that lost its lease finds that it can write nothing more into the row.

use std::time::Duration;

use jiff::Timestamp;
use plinth_db::{Param, Row, Session, Transaction};
use uuid::Uuid;

use super::error::TusError;
use super::location::UploadId;
use crate::Storage;
use crate::error::StorageError;
use crate::store::UploadState;
use crate::unfinished;

/// Unfinished uploads of one owner. A client has a handful at a time; the bound is for those that begin and never end.
/// Callers of one role that have no id of their own share it.
const MAX_OPEN: i64 = 1000;
/// The role that no policy binds, and no bound but the one on their number.
const ADMIN: &str = "service_role";
/// How long a finished upload is remembered at least, for clients that did not hear the last answer.
const REMEMBERED: Duration = Duration::from_hours(1);
/// Uploads that one round of the sweeper looks at.
const BATCH: i64 = 100;

/// What [`Upload::read`] wants.
const COLUMNS: &str = "id, bucket_id, name, role, owner_id, is_signed, upsert, upload_length, upload_metadata, store_state, \
                       expires_at, finished_at, coalesce(lease_until > now(), false) as is_leased";

/// An upload as its row has it.
#[derive(Clone)]
pub(crate) struct Upload {
    pub(crate) id: Uuid,
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    /// Whether it may take the place of an object that is there.
    pub(crate) upsert: bool,
    /// Bytes; not known yet where the client deferred it.
    pub(crate) length: Option<u64>,
    /// `Upload-Metadata` as it was sent.
    pub(crate) metadata: String,
    /// How far the store has come.
    pub(crate) state: UploadState,
    pub(crate) expires_at: Timestamp,
    /// It has become an object.
    pub(crate) is_finished: bool,
    is_leased: bool,
}

/// Whose an upload is. Nobody else learns that it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Empty for the holder of a signed URL.
    pub(crate) role: String,
    /// The claim `sub`; empty where there is none.
    pub(crate) id: String,
    pub(crate) is_signed: bool,
}

/// An upload to be made.
pub(crate) struct NewUpload {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) upsert: bool,
    pub(crate) length: Option<u64>,
    pub(crate) metadata: String,
}

/// What becomes of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    Kept,
    Ended,
}

impl Upload {
    /// Bytes that are safe.
    pub(crate) fn offset(&self) -> u64 {
        match self.length {
            Some(length) if self.is_finished => length,
            _ => self.state.offset(),
        }
    }

    /// Whether all bytes have arrived.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_finished || self.length == Some(self.state.offset())
    }

    /// What its URL names.
    pub(crate) fn upload_id(&self) -> UploadId {
        UploadId {
            url: format!("{}/{}", self.bucket, self.name),
            id: self.id,
        }
    }

    fn read(row: Row<'_>) -> Result<Upload, plinth_db::Error> {
        let unreadable = |what: &str| plinth_db::Error::Internal(format!("an upload's {what}"));
        let length = match row.get("upload_length") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| unreadable("length"))?),
        };
        let state = match row.get("store_state") {
            None => UploadState::default(),
            Some(text) => serde_json::from_str(text).map_err(|_| unreadable("state"))?,
        };
        Ok(Upload {
            id: row.uuid("id")?,
            bucket: row.text("bucket_id")?,
            name: row.text("name")?,
            owner: Owner {
                role: row.text("role")?,
                id: row.text("owner_id")?,
                is_signed: row.bool("is_signed")?,
            },
            upsert: row.bool("upsert")?,
            length,
            metadata: row.text("upload_metadata")?,
            state,
            expires_at: row.timestamp("expires_at")?,
            is_finished: row.get("finished_at").is_some(),
            is_leased: row.bool("is_leased")?,
        })
    }

    /// Only for its owner, by its whole URL, and in time.
    fn admit(self, asked: &UploadId, owner: &Owner, now: Timestamp) -> Result<Upload, TusError> {
        if self.owner != *owner || self.upload_id() != *asked {
            return Err(StorageError::NoSuchUpload.into());
        }
        if self.expires_at <= now {
            return Err(TusError::Gone);
        }
        Ok(self)
    }
}

/// Makes a row. Who goes on with it at once holds a lease from the start.
pub(crate) async fn insert(
    storage: &Storage,
    new: NewUpload,
    lease: Option<Uuid>,
) -> Result<Upload, TusError> {
    let now = storage.app.db.clock().now();
    let upload = Upload {
        id: Uuid::now_v7(),
        bucket: new.bucket,
        name: new.name,
        owner: new.owner,
        upsert: new.upsert,
        length: new.length,
        metadata: new.metadata,
        state: UploadState::default(),
        expires_at: later(now, storage.config.resumable_lifetime),
        is_finished: false,
        is_leased: lease.is_some(),
    };
    let made = upload.clone();
    let most = unfinished::bytes_of_one(&storage.config);
    // As long as nobody has said how long it becomes, it may become the longest.
    let deferred = storage.config.upload_bytes;
    let sql = format!(
        "insert into storage.uploads (id, bucket_id, name, role, owner_id, is_signed, upsert, upload_length, \
                                      upload_metadata, store_state, created_at, expires_at, lease_holder, lease_until) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
                 case when $13::uuid is null then null else {} end)",
        lease_end(storage)
    );
    let work = move |tx: &mut Transaction<'_>| -> Result<(), TusError> {
        let Owner {
            role,
            id,
            is_signed,
        } = &upload.owner;
        let open = tx.query(
            "select count(*) as open, coalesce(sum(coalesce(upload_length, $4::bigint)), 0)::bigint as bytes from storage.uploads \
              where role = $1 and owner_id = $2 and is_signed = $3 and finished_at is null",
            &[
                role.into(),
                id.into(),
                (*is_signed).into(),
                number(Some(deferred)),
            ],
        )?;
        let (open, bytes) = match open.first() {
            Some(row) => (row.int("open")?, row.int("bytes")?),
            None => (0, 0),
        };
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let bytes = bytes.saturating_add(upload.length.unwrap_or(deferred));
        // Those whom the service has given URLs are many and have one name.
        let is_one = role != ADMIN && !(*is_signed && id.is_empty());
        if open >= MAX_OPEN || (is_one && bytes > most) {
            return Err(TusError::TooManyOpen);
        }
        tx.query(
            &sql,
            &[
                upload.id.into(),
                (&upload.bucket).into(),
                (&upload.name).into(),
                role.into(),
                id.into(),
                (*is_signed).into(),
                upload.upsert.into(),
                number(upload.length),
                (&upload.metadata).into(),
                json(&upload.state)?,
                now.into(),
                upload.expires_at.into(),
                lease.into(),
            ],
        )?;
        Ok(())
    };
    storage.app.db.transaction(&Session::system(), work).await?;
    Ok(made)
}

/// An upload, for its owner.
pub(crate) async fn find(
    storage: &Storage,
    asked: &UploadId,
    owner: &Owner,
) -> Result<Upload, TusError> {
    let db = &storage.app.db;
    let sql = format!("select {COLUMNS} from storage.uploads where id = $1");
    let rows = db
        .query(&Session::system(), &sql, vec![asked.id.into()])
        .await?;
    let row = rows.first().ok_or(StorageError::NoSuchUpload)?;
    Upload::read(row)?.admit(asked, owner, db.clock().now())
}

/// Takes the lease, when nobody has it and `check` finds nothing amiss. A length that `check` sets is kept.
pub(crate) async fn claim(
    storage: &Storage,
    asked: UploadId,
    owner: Owner,
    lease: Uuid,
    check: impl Fn(&mut Upload) -> Result<(), TusError> + Send + Sync + 'static,
) -> Result<Upload, TusError> {
    let now = storage.app.db.clock().now();
    let take = format!(
        "update storage.uploads set lease_holder = $1, lease_until = {}, upload_length = $2 where id = $3",
        lease_end(storage)
    );
    let work = move |tx: &mut Transaction<'_>| -> Result<Upload, TusError> {
        let sql = format!("select {COLUMNS} from storage.uploads where id = $1 for update");
        let rows = tx.query(&sql, &[asked.id.into()])?;
        let row = rows.first().ok_or(StorageError::NoSuchUpload)?;
        let mut upload = Upload::read(row)?.admit(&asked, &owner, now)?;
        if upload.is_leased {
            return Err(StorageError::Locked.into());
        }
        check(&mut upload)?;
        tx.query(
            &take,
            &[lease.into(), number(upload.length), upload.id.into()],
        )?;
        Ok(upload)
    };
    storage.app.db.transaction(&Session::system(), work).await
}

/// How long a lease holds, in whole seconds, and how often it is renewed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) lease: Duration,
    pub(crate) renewal: Duration,
}

impl Term {
    /// Where nodes share a store it is short: for so long a killed node keeps the others waiting. A folder has one process,
    /// whose start ends all leases ([`end_leases`]); there a lease rather outlasts a disk that is slow for some seconds.
    pub(crate) fn of(storage: &Storage) -> Term {
        match storage.store.folder() {
            Some(_) => Term {
                lease: Duration::from_secs(15),
                renewal: Duration::from_secs(3),
            },
            None => Term {
                lease: Duration::from_secs(5),
                renewal: Duration::from_secs(1),
            },
        }
    }
}

/// When a lease that begins now ends, in SQL.
fn lease_end(storage: &Storage) -> String {
    let seconds = Term::of(storage).lease.as_secs();
    format!("now() + interval '{seconds} seconds'")
}

/// Ends all leases: at the start of a process that has its store for itself, when whoever held one is gone.
pub(crate) async fn end_leases(storage: &Storage) -> Result<(), StorageError> {
    let sql = "update storage.uploads set lease_holder = null, lease_until = null where lease_holder is not null";
    change(storage, sql, Vec::new()).await?;
    Ok(())
}

/// Moves the lease on. Says whether it is still held.
pub(crate) async fn renew(storage: &Storage, id: Uuid, lease: Uuid) -> Result<bool, StorageError> {
    let sql = format!(
        "update storage.uploads set lease_until = {} where id = $1 and lease_holder = $2",
        lease_end(storage)
    );
    Ok(change(storage, &sql, vec![id.into(), lease.into()]).await? > 0)
}

/// Gives the lease up.
pub(crate) async fn release(storage: &Storage, id: Uuid, lease: Uuid) -> Result<(), StorageError> {
    let sql = "update storage.uploads set lease_holder = null, lease_until = null where id = $1 and lease_holder = $2";
    change(storage, sql, vec![id.into(), lease.into()]).await?;
    Ok(())
}

/// Writes down how far the store has come.
pub(crate) async fn record(
    storage: &Storage,
    id: Uuid,
    lease: Uuid,
    state: &UploadState,
    then: Lease,
) -> Result<(), StorageError> {
    let sql = match then {
        Lease::Kept => {
            "update storage.uploads set store_state = $1 where id = $2 and lease_holder = $3"
        }
        Lease::Ended => {
            "update storage.uploads set store_state = $1, lease_holder = null, lease_until = null \
             where id = $2 and lease_holder = $3"
        }
    };
    let params = vec![json(state)?, id.into(), lease.into()];
    held(change(storage, sql, params).await?)
}

/// The upload has become an object.
pub(crate) async fn finish(
    storage: &Storage,
    upload: &mut Upload,
    lease: Uuid,
) -> Result<(), StorageError> {
    let now = storage.app.db.clock().now();
    upload.expires_at = upload.expires_at.max(later(now, REMEMBERED));
    upload.is_finished = true;
    let sql = "update storage.uploads set finished_at = $1, expires_at = $2, store_state = null, lease_holder = null, lease_until = null \
               where id = $3 and lease_holder = $4";
    let params = vec![
        now.into(),
        upload.expires_at.into(),
        upload.id.into(),
        lease.into(),
    ];
    held(change(storage, sql, params).await?)
}

/// Forgets an upload, whose bytes are gone.
pub(crate) async fn delete(storage: &Storage, id: Uuid, lease: Uuid) -> Result<(), StorageError> {
    let sql = "delete from storage.uploads where id = $1 and lease_holder = $2";
    change(storage, sql, vec![id.into(), lease.into()]).await?;
    Ok(())
}

/// Uploads whose time is over and that nobody writes, oldest first.
pub(crate) async fn expired(storage: &Storage) -> Result<Vec<Upload>, StorageError> {
    let db = &storage.app.db;
    let sql = format!(
        "select {COLUMNS} from storage.uploads where expires_at <= $1 and (lease_until is null or lease_until <= now()) \
         order by expires_at, id limit $2::bigint"
    );
    let params = vec![db.clock().now().into(), BATCH.into()];
    let rows = db.query(&Session::system(), &sql, params).await?;
    let uploads: Result<Vec<Upload>, plinth_db::Error> = rows.iter().map(Upload::read).collect();
    Ok(uploads?)
}

/// Takes the lease of an expired upload, when nobody has it.
pub(crate) async fn claim_expired(
    storage: &Storage,
    id: Uuid,
    lease: Uuid,
) -> Result<bool, StorageError> {
    let sql = format!(
        "update storage.uploads set lease_holder = $1, lease_until = {} \
         where id = $2 and expires_at <= $3 and (lease_until is null or lease_until <= now())",
        lease_end(storage)
    );
    let now = storage.app.db.clock().now();
    Ok(change(storage, &sql, vec![lease.into(), id.into(), now.into()]).await? > 0)
}

async fn change(storage: &Storage, sql: &str, params: Vec<Param>) -> Result<u64, StorageError> {
    let system = Session::system();
    let rows = storage.app.db.query(&system, sql, params).await?;
    Ok(rows.affected)
}

/// Whoever changed no row has lost its lease.
fn held(changed: u64) -> Result<(), StorageError> {
    match changed {
        0 => Err(StorageError::Locked),
        _ => Ok(()),
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Lengths come from headers, where none is larger.
fn number(length: Option<u64>) -> Param {
    Param::from(length.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
}

fn json(state: &UploadState) -> Result<Param, StorageError> {
    let text = serde_json::to_string(state)
        .map_err(|error| StorageError::Internal(format!("an upload's state: {error}")))?;
    Ok(Param::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload() -> Upload {
        Upload {
            id: Uuid::from_u128(1),
            bucket: "b".to_owned(),
            name: "a/c".to_owned(),
            owner: owner("authenticated", "me", false),
            upsert: false,
            length: Some(0),
            metadata: String::new(),
            state: UploadState::default(),
            expires_at: Timestamp::from_second(100).unwrap(),
            is_finished: false,
            is_leased: false,
        }
    }

    fn owner(role: &str, id: &str, is_signed: bool) -> Owner {
        Owner {
            role: role.to_owned(),
            id: id.to_owned(),
            is_signed,
        }
    }

    #[test]
    fn an_upload_is_its_owners_alone_and_ends() {
        let asked = upload().upload_id();
        let at = |second| Timestamp::from_second(second).unwrap();
        let admit = |asked: &UploadId, owner: &Owner, second| {
            upload().admit(asked, owner, at(second)).map(|_| ())
        };
        let mine = owner("authenticated", "me", false);
        assert!(admit(&asked, &mine, 99).is_ok());
        assert!(matches!(admit(&asked, &mine, 100), Err(TusError::Gone)));
        let other_url = UploadId {
            url: "b/a".to_owned(),
            ..asked.clone()
        };
        assert!(admit(&other_url, &mine, 99).is_err());
        for other in [
            owner("authenticated", "you", false),
            owner("service_role", "me", false),
            owner("authenticated", "", false),
            owner("authenticated", "me", true),
        ] {
            // Also when it is over: nobody else learns that there was one.
            assert!(matches!(
                admit(&asked, &other, 100),
                Err(TusError::Storage(StorageError::NoSuchUpload))
            ));
        }
    }

    #[test]
    fn an_empty_upload_is_whole_at_once() {
        assert!(upload().is_whole());
        let deferred = Upload {
            length: None,
            ..upload()
        };
        assert!(!deferred.is_whole());
        let finished = Upload {
            length: Some(7),
            is_finished: true,
            ..upload()
        };
        assert_eq!((finished.is_whole(), finished.offset()), (true, 7));
    }
}
