//! Lists of names, in order, with folders where names share the text up to a slash.
//!
//! A folder costs one step of an index however much is in it: having seen one name inside, the walk goes on behind the last
//! name that the folder could have. So a list of a bucket with a million objects in ten folders reads ten places.

use std::collections::VecDeque;

use jiff::Timestamp;
use plinth_db::Param;

use super::object::COLUMNS;
use super::{Object, Who};
use crate::Storage;
use crate::error::StorageError;

/// The names that a list is about, and their order.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) bucket: String,
    /// What names begin with.
    pub(crate) prefix: String,
    /// Bytes of the prefix that are the folder being looked into; what follows up to the next slash is a child.
    /// None: no folders, every name by itself.
    pub(crate) folder_bytes: Option<usize>,
    /// Whether upper and lower case are the same, in the prefix and in the order.
    pub(crate) folds_case: bool,
    pub(crate) descending: bool,
    /// Objects directly in the folder are passed over.
    pub(crate) only_folders: bool,
}

/// One line of a list.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// The whole path, with its slash at the end.
    Folder(String),
    Object(Box<Object>),
}

/// Part of a list in byte order, for those who come back for the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// Where the rest begins: behind this name or folder. None at the end.
    pub(crate) next: Option<String>,
}

/// Rows read at once where nothing is known yet.
const FIRST_BATCH: usize = 64;
const SMALLEST_BATCH: usize = 4;
const LARGEST_BATCH: usize = 512;

/// Names in the order of their bytes, behind `after`, at most `limit` of objects and folders together.
pub(crate) async fn page(
    storage: &Storage,
    who: &Who,
    scope: Scope,
    after: Option<&str>,
    limit: usize,
) -> Result<Page, StorageError> {
    let mut walk = Walk::new(storage, who, scope);
    if let Some(after) = after {
        walk.begin_behind(after);
    }
    let mut page = Page::default();
    if limit == 0 {
        return Ok(page);
    }
    while let Some(entry) = walk.next().await? {
        if page.entries.len() == limit {
            page.next = page.entries.last().map(|last| last.name().to_owned());
            return Ok(page);
        }
        page.entries.push(entry);
    }
    Ok(page)
}

impl Entry {
    /// The name of the object or the path of the folder.
    pub(crate) fn name(&self) -> &str {
        match self {
            Entry::Folder(path) => path,
            Entry::Object(object) => &object.name,
        }
    }
}

/// Goes through a scope, entry by entry.
pub(crate) struct Walk<'a> {
    storage: &'a Storage,
    who: &'a Who,
    scope: Scope,
    from: From,
    buffer: VecDeque<Object>,
    batch: usize,
    /// The last batch was not full: nothing follows it.
    ended: bool,
}

/// Where the next batch begins. Keys are names, folded where the scope folds them.
enum From {
    /// At the scope's own beginning.
    Start,
    /// At this key, or at the first before it on the way down.
    Key(String),
    /// Behind this key and name.
    Behind(String, String),
}

impl<'a> Walk<'a> {
    pub(crate) fn new(storage: &'a Storage, who: &'a Who, mut scope: Scope) -> Walk<'a> {
        if scope.folds_case {
            scope.prefix = scope.prefix.to_lowercase();
        }
        Walk {
            storage,
            who,
            scope,
            from: From::Start,
            buffer: VecDeque::new(),
            batch: FIRST_BATCH,
            ended: false,
        }
    }

    /// Leaves out what comes up to this name or folder, and the folder's own contents.
    fn begin_behind(&mut self, after: &str) {
        let key = self.key(after);
        let is_folder = self.scope.folder_bytes.is_some()
            && key.ends_with('/')
            && key.len() > self.scope.prefix.len()
            && key.starts_with(&self.scope.prefix);
        if is_folder {
            self.from = self.behind_folder(&key);
        } else if self.scope.descending || *key >= *self.scope.prefix {
            self.from = From::Behind(key, after.to_owned());
        }
    }

    /// The next line, if there is one.
    pub(crate) async fn next(&mut self) -> Result<Option<Entry>, StorageError> {
        loop {
            if let Some(object) = self.buffer.pop_front() {
                return Ok(Some(self.entry(object)));
            }
            if self.ended {
                return Ok(None);
            }
            self.fetch().await?;
        }
    }

    fn entry(&mut self, object: Object) -> Entry {
        let Some(folder) = self.folder_of(&object.name) else {
            if self.buffer.is_empty() {
                self.from = From::Behind(self.key(&object.name), object.name.clone());
                self.batch = (self.batch * 2).min(LARGEST_BATCH);
            }
            return Entry::Object(Box::new(object));
        };
        let key = self.key(&folder);
        while let Some(inside) = self.buffer.front() {
            if !self.key(&inside.name).starts_with(&key) {
                return Entry::Folder(folder);
            }
            self.buffer.pop_front();
        }
        self.from = self.behind_folder(&key);
        self.batch = (self.batch / 2).max(SMALLEST_BATCH);
        Entry::Folder(folder)
    }

    /// The path up to the slash that ends the child's name.
    fn folder_of(&self, name: &str) -> Option<String> {
        let start = self.scope.folder_bytes?;
        let slash = name.get(start..)?.find('/')?;
        name.get(..=start + slash).map(str::to_owned)
    }

    /// Upwards the first key behind all that begin with the folder's, downwards the folder's own, which none of them has.
    fn behind_folder(&self, folder: &str) -> From {
        if self.scope.descending {
            return From::Key(folder.to_owned());
        }
        // '0' is the character after '/'.
        let mut next = folder.trim_end_matches('/').to_owned();
        next.push('0');
        From::Key(next)
    }

    fn key(&self, name: &str) -> String {
        match self.scope.folds_case {
            true => name.to_lowercase(),
            false => name.to_owned(),
        }
    }

    async fn fetch(&mut self) -> Result<(), StorageError> {
        let mut query = Conditions::within(&self.scope);
        if self.scope.only_folders {
            query.depth(&self.scope, "> 0");
        }
        let key = key_column(&self.scope);
        let descending = self.scope.descending;
        match &self.from {
            From::Start => {}
            From::Key(from) if descending => query.and(&format!("{key} < $"), from),
            From::Key(from) => query.and(&format!("{key} >= $"), from),
            From::Behind(from, name) => {
                let (reached, behind) = if descending { ("<=", "<") } else { (">=", ">") };
                query.and(&format!("{key} {reached} $"), from);
                let first = query.add(from);
                let second = query.add(name);
                query.sql += &format!(
                    " and ({key} {behind} ${first} or name collate \"C\" {behind} ${second})"
                );
            }
        }
        let direction = if descending { "desc" } else { "asc" };
        let sql = format!(
            "select {COLUMNS} from storage.objects where {} order by {key} {direction}, name collate \"C\" {direction} limit {}",
            query.sql, self.batch
        );
        let db = &self.storage.app.db;
        let rows = db.query(&self.who.session, &sql, query.params).await?;
        self.ended = rows.len() < self.batch;
        for row in rows.iter() {
            self.buffer.push_back(Object::read(row)?);
        }
        Ok(())
    }
}

/// A time by which files can be sorted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TimeColumn {
    Created,
    Updated,
    LastAccessed,
}

impl TimeColumn {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            TimeColumn::Created => "created_at",
            TimeColumn::Updated => "updated_at",
            TimeColumn::LastAccessed => "last_accessed_at",
        }
    }

    /// What the object has there.
    pub(crate) fn of(self, object: &Object) -> Timestamp {
        match self {
            TimeColumn::Created => object.created_at,
            TimeColumn::Updated => object.updated_at,
            TimeColumn::LastAccessed => object.last_accessed_at,
        }
    }
}

/// Objects sorted by a time, then by name. Objects in folders below are left out where the scope has folders.
pub(crate) async fn by_time(
    storage: &Storage,
    who: &Who,
    scope: &Scope,
    column: TimeColumn,
    after: Option<(Timestamp, &str)>,
    offset: usize,
    limit: usize,
) -> Result<Vec<Object>, StorageError> {
    let mut scope = scope.clone();
    if scope.folds_case {
        scope.prefix = scope.prefix.to_lowercase();
    }
    let mut query = Conditions::within(&scope);
    query.depth(&scope, "= 0");
    let time = column.name();
    let (reached, behind, direction) = match scope.descending {
        true => ("<=", "<", "desc"),
        false => (">=", ">", "asc"),
    };
    if let Some((at, name)) = after {
        let first = query.add(&at.to_string());
        let second = query.add(name);
        query.sql += &format!(
            " and {time} {reached} ${first}::timestamptz and ({time} {behind} ${first}::timestamptz \
             or name collate \"C\" {behind} ${second})"
        );
    }
    let sql = format!(
        "select {COLUMNS} from storage.objects where {} \
         order by {time} {direction}, name collate \"C\" {direction} limit {limit} offset {offset}",
        query.sql
    );
    let rows = storage.app.db.query(&who.session, &sql, query.params);
    let rows = rows.await?;
    rows.iter().map(|row| Ok(Object::read(row)?)).collect()
}

/// Conditions and their parameters, side by side.
struct Conditions {
    sql: String,
    params: Vec<Param>,
}

impl Conditions {
    /// Those of a scope: its bucket, and names that begin with its prefix.
    fn within(scope: &Scope) -> Conditions {
        let mut conditions = Conditions {
            sql: "bucket_id = $1".to_owned(),
            params: vec![Param::from(&scope.bucket)],
        };
        let key = key_column(scope);
        if !scope.prefix.is_empty() {
            conditions.and(&format!("{key} >= $"), &scope.prefix);
            if let Some(end) = behind_all(&scope.prefix) {
                conditions.and(&format!("{key} < $"), &end);
            }
        }
        conditions
    }

    /// Where a slash may stand behind the folder.
    fn depth(&mut self, scope: &Scope, comparison: &str) {
        if let Some(bytes) = scope.folder_bytes {
            let folder = scope.prefix.get(..bytes).unwrap_or_default();
            let start = folder.chars().count() + 1;
            self.sql += &format!(" and strpos(substr(name, {start}), '/') {comparison}");
        }
    }

    /// One more condition, which ends in the `$` of its parameter.
    fn and(&mut self, condition: &str, value: &str) {
        let place = self.add(value);
        self.sql += &format!(" and {condition}{place}");
    }

    fn add(&mut self, value: &str) -> usize {
        self.params.push(Param::from(value));
        self.params.len()
    }
}

fn key_column(scope: &Scope) -> &'static str {
    match scope.folds_case {
        true => "lower(name) collate \"C\"",
        false => "name collate \"C\"",
    }
}

/// The first text behind all that begin with the prefix; none where the last character has no next.
fn behind_all(prefix: &str) -> Option<String> {
    let last = prefix.chars().next_back()?;
    let next = match last {
        '\u{d7ff}' => '\u{e000}',
        last => char::from_u32(u32::from(last) + 1)?,
    };
    let mut end = prefix.to_owned();
    end.pop();
    end.push(next);
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(behind_all("a/").as_deref(), Some("a0"));
        assert_eq!(behind_all("az").as_deref(), Some("a{"));
        assert_eq!(behind_all("").as_deref(), None);
        assert_eq!(behind_all("a\u{10ffff}"), None);
    }
}
