//! What the stores ask and tell the database about versions.

use std::collections::HashSet;

use plinth_db::{Db, Param, Session};
use uuid::Uuid;

use crate::error::StorageError;

/// Versions looked up in one statement.
pub(crate) const BATCH: usize = 500;

/// Says, before the first byte is written, that a version is to be removed in a day unless a row names it: the row's trigger
/// takes that back. `upload` is what the store calls an upload in parts that is to become the version, and ends with it.
pub(crate) async fn announce(
    db: &Db,
    version: Uuid,
    upload: Option<&str>,
) -> Result<(), StorageError> {
    db.query(
        &Session::system(),
        "insert into storage.removals (version, due_at, upload) values ($1, now() + interval '24 hours', $2) \
         on conflict (version) do update set due_at = excluded.due_at, upload = excluded.upload",
        vec![version.into(), upload.into()],
    )
    .await?;
    Ok(())
}

/// Says that nobody needs an announced version any more.
pub(crate) async fn dismiss(db: &Db, version: Uuid) -> Result<(), StorageError> {
    db.query(
        &Session::system(),
        "update storage.removals set due_at = now() where version = $1",
        vec![version.into()],
    )
    .await?;
    Ok(())
}

/// Those of the versions that a row names. At most [`BATCH`].
pub(crate) async fn named(db: &Db, versions: &[Uuid]) -> Result<HashSet<Uuid>, StorageError> {
    const SQL: &str = "select o.version as id from storage.objects o where o.version in";
    known(db, SQL, versions).await
}

/// Those of the versions that are to be removed, now or later. At most [`BATCH`].
pub(crate) async fn announced(db: &Db, versions: &[Uuid]) -> Result<HashSet<Uuid>, StorageError> {
    const SQL: &str = "select r.version as id from storage.removals r where r.version in";
    known(db, SQL, versions).await
}

/// Those of the uploads in several requests that have a row. At most [`BATCH`].
pub(crate) async fn uploads(db: &Db, ids: &[Uuid]) -> Result<HashSet<Uuid>, StorageError> {
    const RESUMABLE: &str = "select u.id from storage.uploads u where u.id in";
    const IN_PARTS: &str =
        "select u.version as id from storage.s3_multipart_uploads u where u.version in";
    let mut known = known(db, RESUMABLE, ids).await?;
    known.extend(self::known(db, IN_PARTS, ids).await?);
    Ok(known)
}

/// `sql` ends where the list of versions begins.
async fn known(db: &Db, sql: &str, versions: &[Uuid]) -> Result<HashSet<Uuid>, StorageError> {
    if versions.is_empty() {
        return Ok(HashSet::new());
    }
    let each: Vec<String> = (1..=versions.len())
        .map(|number| format!("${number}"))
        .collect();
    let sql = format!("{sql} ({})", each.join(", "));
    let params = versions
        .iter()
        .map(|version| Param::from(*version))
        .collect();
    let rows = db.query(&Session::system(), &sql, params).await?;
    let ids = rows.iter().filter_map(|row| row.get("id")?.parse().ok());
    Ok(ids.collect())
}
