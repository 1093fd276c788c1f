//! Lists of objects: v1 by folder and offset, v2 by prefix and cursor.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::request::{BucketId, json as read_json};
use crate::Storage;
use crate::error::StorageError;
use crate::model::list::{self, Entry, Page, Scope, TimeColumn, Walk};
use crate::model::object::millis;
use crate::model::{Bucket, Object, Who};

/// Lines of an answer, unless asked otherwise.
const LINES: usize = 100;
/// Most lines of an answer of v1. Clients know this bound.
const MAX_LINES: usize = 1500;
/// The same of v2.
const MAX_LINES_V2: usize = 1000;
/// How far v1 skips. Every skipped line is read: whoever needs more has v2.
const MAX_OFFSET: usize = 100_000;
/// Longest prefix and search text.
const MAX_TEXT_BYTES: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    prefix: String,
    limit: Option<usize>,
    offset: Option<usize>,
    sort_by: Option<SortBy>,
    search: Option<String>,
}

#[derive(Deserialize)]
struct SortBy {
    column: Option<Column>,
    order: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Column {
    Name,
    UpdatedAt,
    CreatedAt,
    LastAccessedAt,
}

impl SortBy {
    fn is_descending(&self) -> Result<bool, StorageError> {
        match self.order.as_deref() {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("asc") => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("desc") => Ok(true),
            Some(_) => Err(StorageError::InvalidParameter("sortBy.order".to_owned())),
        }
    }

    /// None: by name.
    fn time(&self) -> Option<TimeColumn> {
        match self.column? {
            Column::Name => None,
            Column::UpdatedAt => Some(TimeColumn::Updated),
            Column::CreatedAt => Some(TimeColumn::Created),
            Column::LastAccessedAt => Some(TimeColumn::LastAccessed),
        }
    }
}

/// `POST /object/list/{bucket}`: what is directly in one folder.
pub(crate) async fn v1(
    State(storage): State<Storage>,
    who: Who,
    BucketId(bucket): BucketId,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: Asked = read_json(body).await?;
    let limit = asked.limit.unwrap_or(LINES).min(MAX_LINES);
    let offset = asked.offset.unwrap_or(0);
    if offset > MAX_OFFSET {
        return Err(StorageError::InvalidParameter("offset".to_owned()));
    }
    check_text("prefix", &asked.prefix)?;
    let search = asked.search.unwrap_or_default();
    check_text("search", &search)?;
    let (time, descending) = sorting(asked.sort_by.as_ref())?;

    let mut folder = asked.prefix;
    if !folder.is_empty() && !folder.ends_with('/') {
        folder.push('/');
    }
    let scope = Scope {
        bucket,
        folder_bytes: Some(folder.len()),
        prefix: folder.clone() + &search,
        folds_case: true,
        descending,
        only_folders: false,
    };
    let entries = in_time(&who, async {
        match time {
            None => by_name(&storage, &who, scope, offset, limit).await,
            Some(column) => folders_first(&storage, &who, scope, column, offset, limit).await,
        }
    });
    let entries = entries.await?;
    let line = |entry: &Entry| {
        let name = entry.name().get(folder.len()..).unwrap_or_default();
        match entry {
            Entry::Folder(_) => json!({
                "name": name.trim_end_matches('/'),
                "id": null,
                "updated_at": null,
                "created_at": null,
                "last_accessed_at": null,
                "metadata": null,
            }),
            Entry::Object(object) => json!({
                "name": name,
                "id": object.id,
                "updated_at": millis(object.updated_at),
                "created_at": millis(object.created_at),
                "last_accessed_at": millis(object.last_accessed_at),
                "metadata": object.metadata,
            }),
        }
    };
    let lines: Vec<Value> = entries.iter().map(line).collect();
    Ok(axum::Json(lines).into_response())
}

async fn by_name(
    storage: &Storage,
    who: &Who,
    scope: Scope,
    offset: usize,
    limit: usize,
) -> Result<Vec<Entry>, StorageError> {
    let mut walk = Walk::new(storage, who, scope);
    let mut entries = Vec::new();
    let mut skipped = 0;
    while entries.len() < limit {
        match walk.next().await? {
            None => break,
            Some(_) if skipped < offset => skipped += 1,
            Some(entry) => entries.push(entry),
        }
    }
    Ok(entries)
}

/// Folders have no times, so they stand before the files, by name.
async fn folders_first(
    storage: &Storage,
    who: &Who,
    scope: Scope,
    column: TimeColumn,
    offset: usize,
    limit: usize,
) -> Result<Vec<Entry>, StorageError> {
    let by_name = Scope {
        descending: false,
        only_folders: true,
        ..scope.clone()
    };
    let mut walk = Walk::new(storage, who, by_name);
    let mut entries = Vec::new();
    let mut folders = 0;
    while entries.len() < limit
        && let Some(folder) = walk.next().await?
    {
        folders += 1;
        if folders > offset {
            entries.push(folder);
        }
    }
    let missing = limit - entries.len();
    if missing > 0 {
        let skip = offset.saturating_sub(folders);
        let files = list::by_time(storage, who, &scope, column, None, skip, missing).await?;
        entries.extend(files.into_iter().map(|file| Entry::Object(Box::new(file))));
    }
    Ok(entries)
}

#[derive(Deserialize)]
struct AskedV2 {
    prefix: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    with_delimiter: Option<bool>,
    #[serde(rename = "sortBy")]
    sort_by: Option<SortBy>,
}

/// Where the rest of a list begins. It names nothing that the client has not been shown.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// The last name or folder.
    after: String,
    /// Its time, where the list is sorted by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

/// `POST /object/list-v2/{bucket}`: all names that begin with a prefix, or one folder of them.
pub(crate) async fn v2(
    State(storage): State<Storage>,
    who: Who,
    BucketId(bucket): BucketId,
    body: Body,
) -> Result<Response, StorageError> {
    let asked: AskedV2 = read_json(body).await?;
    let limit = asked.limit.unwrap_or(MAX_LINES_V2).clamp(1, MAX_LINES_V2);
    let prefix = asked.prefix.unwrap_or_default();
    check_text("prefix", &prefix)?;
    let cursor = asked.cursor.as_deref().filter(|text| !text.is_empty());
    let cursor = cursor.map(Cursor::read).transpose()?;
    let (time, descending) = sorting(asked.sort_by.as_ref())?;
    Bucket::find(&storage, &bucket).await?;

    let delimited = asked.with_delimiter.unwrap_or(false);
    let folder = prefix.rfind('/').map_or(0, |slash| slash + 1);
    let scope = Scope {
        bucket,
        folder_bytes: delimited.then_some(folder),
        prefix,
        folds_case: false,
        descending,
        only_folders: false,
    };
    let listed = in_time(&who, async {
        if let Some(column) = time {
            return timed(&storage, &who, scope, column, cursor, limit).await;
        }
        let after = cursor.as_ref().map(|cursor| cursor.after.as_str());
        let page = list::page(&storage, &who, scope, after, limit).await?;
        let next = page.next.clone();
        Ok((page, next.map(|after| Cursor { after, at: None })))
    });
    let (page, next) = listed.await?;
    Ok(answer_v2(&page, next.as_ref()))
}

/// Folders on the first page, before the files; they are not many who ask for both.
async fn timed(
    storage: &Storage,
    who: &Who,
    scope: Scope,
    column: TimeColumn,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<(Page, Option<Cursor>), StorageError> {
    let mut entries = Vec::new();
    if cursor.is_none() && scope.folder_bytes.is_some() {
        let by_name = Scope {
            descending: false,
            only_folders: true,
            ..scope.clone()
        };
        let mut walk = Walk::new(storage, who, by_name);
        while entries.len() < MAX_LINES_V2
            && let Some(folder) = walk.next().await?
        {
            entries.push(folder);
        }
    }
    let after = cursor
        .as_ref()
        .and_then(|cursor| Some((cursor.at.as_ref()?.parse().ok()?, cursor.after.as_str())));
    let mut files = list::by_time(storage, who, &scope, column, after, 0, limit + 1).await?;
    let more = files.len() > limit;
    files.truncate(limit);
    let next = files.last().filter(|_| more).map(|last| Cursor {
        after: last.name.clone(),
        at: Some(column.of(last).to_string()),
    });
    entries.extend(files.into_iter().map(|file| Entry::Object(Box::new(file))));
    let page = Page {
        next: next.as_ref().map(|cursor| cursor.after.clone()),
        entries,
    };
    Ok((page, next))
}

fn answer_v2(page: &Page, next: Option<&Cursor>) -> Response {
    let mut folders = Vec::new();
    let mut objects = Vec::new();
    for entry in &page.entries {
        match entry {
            Entry::Folder(path) => folders.push(json!({ "name": path, "key": path })),
            Entry::Object(object) => objects.push(line_v2(object)),
        }
    }
    let mut body = json!({ "hasNext": next.is_some(), "folders": folders, "objects": objects });
    if let Some(next) = next {
        body["nextCursor"] = json!(next.text());
        body["nextCursorKey"] = json!(next.after);
    }
    axum::Json(body).into_response()
}

fn line_v2(object: &Object) -> Value {
    json!({
        "id": object.id,
        "name": object.name,
        "key": object.name,
        "updated_at": millis(object.updated_at),
        "created_at": millis(object.created_at),
        "last_accessed_at": millis(object.last_accessed_at),
        "metadata": object.metadata,
    })
}

impl Cursor {
    fn read(text: &str) -> Result<Cursor, StorageError> {
        let bad = || StorageError::InvalidParameter("cursor".to_owned());
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        serde_json::from_slice(&bytes).map_err(|_| bad())
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(json!(self).to_string())
    }
}

/// A list may take many statements. All of them together may take what one may.
async fn in_time<T>(
    who: &Who,
    work: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    match tokio::time::timeout(who.session.timeout, work).await {
        Ok(done) => done,
        Err(_) => Err(plinth_db::Error::Timeout.into()),
    }
}

fn sorting(sort_by: Option<&SortBy>) -> Result<(Option<TimeColumn>, bool), StorageError> {
    match sort_by {
        None => Ok((None, false)),
        Some(sort_by) => Ok((sort_by.time(), sort_by.is_descending()?)),
    }
}

fn check_text(name: &str, text: &str) -> Result<(), StorageError> {
    if text.len() > MAX_TEXT_BYTES || text.contains('\0') {
        return Err(StorageError::InvalidParameter(name.to_owned()));
    }
    Ok(())
}
