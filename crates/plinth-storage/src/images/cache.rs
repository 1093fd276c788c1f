//! Results on disk, so that an image is made once.
//!
//! A result is found by the version of its source and by its recipe. A version's bytes never change, so nothing here is ever
//! out of date: what nobody asks for any more is simply the first to go when the bound is reached. Losing a file loses
//! nothing but time, so nothing is synced; a file that a power cut left torn is noticed by its end and made anew.
//!
//! `FOLDER/r1/xx/VERSION/RECIPE`, where `xx` are the last two digits of the version and `r1` is [`REVISION`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;
use uuid::Uuid;

use super::Kind;
use super::params::Recipe;

/// Raised when the same recipe begins to give other bytes. Results of other revisions are thrown away at the start.
pub(super) const REVISION: &str = "r1";

/// What a result counts at least. Files take whole blocks, and what is known of each takes memory: this way the bound on
/// bytes is one on their number, too.
const LEAST_WEIGHT: u64 = 8 * 1024;

/// One result may have this part of the bound, and so may all results of one source: whoever asks for a picture in every size
/// there is takes the place of no other.
const LARGEST_PART: u64 = 16;

/// Results on disk. Cheap to clone.
#[derive(Clone)]
pub(super) struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    bound_bytes: u64,
    index: Mutex<Index>,
}

/// What a result is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) version: Uuid,
    pub(super) recipe: Recipe,
}

#[derive(Default)]
struct Index {
    entries: BTreeMap<Key, Entry>,
    /// The least recently used first.
    by_use: BTreeMap<u64, Key>,
    /// Of all entries together.
    weight: u64,
    uses: u64,
}

struct Entry {
    weight: u64,
    used: u64,
}

impl Cache {
    /// Learns what is there. Blocks.
    pub(super) fn open(folder: &Path, bound_bytes: u64) -> io::Result<Cache> {
        fs::create_dir_all(folder.join(REVISION))?;
        remove_other_revisions(folder)?;
        let folder = folder.join(REVISION);
        let mut found = scan(&folder)?;
        found.sort_by_key(|(_, _, modified)| *modified);
        let mut index = Index::default();
        for (key, size, _) in found {
            index.insert(key, size);
        }
        let cache = Cache {
            shared: Arc::new(Shared {
                folder,
                bound_bytes,
                index: Mutex::new(index),
            }),
        };
        cache.shared.make_room();
        Ok(cache)
    }

    /// What a result counts, when it is there: at least its bytes.
    pub(super) fn weight(&self, key: Key) -> Option<u64> {
        let index = self.shared.index.lock();
        index.entries.get(&key).map(|entry| entry.weight)
    }

    /// A result, when it is there and whole.
    pub(super) async fn get(&self, key: Key) -> Option<Bytes> {
        if !self.shared.index.lock().touch(key) {
            return None;
        }
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || shared.read(key));
        read.await.ok().flatten()
    }

    /// Keeps a result. What does not work is no reason to fail. Blocks.
    pub(super) fn put(&self, key: Key, bytes: &[u8]) {
        let size = bytes.len() as u64;
        if size > self.shared.bound_bytes / LARGEST_PART {
            return;
        }
        match self.shared.write(key, bytes) {
            Ok(()) => {
                self.shared.index.lock().insert(key, size);
                self.shared.make_room_beside(key);
                self.shared.make_room();
            }
            Err(error) => tracing::warn!(%error, "a thumbnail could not be kept"),
        }
    }

    /// Removes all results of a version.
    pub(super) async fn forget(&self, version: Uuid) {
        if !self.shared.index.lock().forget(version) {
            return;
        }
        let folder = self.shared.folder_of(version);
        let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(folder));
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "thumbnails of a removed object are still there");
        }
    }
}

impl Shared {
    fn folder_of(&self, version: Uuid) -> PathBuf {
        let text = version.to_string();
        let last_two = &text[text.len() - 2..];
        self.folder.join(last_two).join(&text)
    }

    fn path_of(&self, key: Key) -> PathBuf {
        self.folder_of(key.version).join(key.recipe.to_string())
    }

    fn read(&self, key: Key) -> Option<Bytes> {
        let path = self.path_of(key);
        match fs::read(&path) {
            Ok(bytes) if Kind::of(&bytes).is_some_and(|kind| kind.is_whole(&bytes)) => {
                return Some(Bytes::from(bytes));
            }
            Ok(_) => {
                let _gone_already = fs::remove_file(&path);
            }
            // Somebody else removed it, perhaps to make room on the disk.
            Err(_) => {}
        }
        self.index.lock().remove(key);
        None
    }

    /// A reader sees the whole of it or nothing.
    fn write(&self, key: Key, bytes: &[u8]) -> io::Result<()> {
        let folder = self.folder_of(key.version);
        fs::create_dir_all(&folder)?;
        let part = folder.join(format!("part-{}", Uuid::now_v7()));
        let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, self.path_of(key)));
        if written.is_err() {
            let _may_not_exist = fs::remove_file(&part);
        }
        written
    }

    /// Removes what was used longest ago until the bound is kept.
    fn make_room(&self) {
        loop {
            let Some(key) = self.index.lock().pop_over(self.bound_bytes) else {
                return;
            };
            self.remove_file(key);
        }
    }

    /// The same among the results of the source that this one was made of.
    fn make_room_beside(&self, key: Key) {
        let of_one = self.bound_bytes / LARGEST_PART;
        let popped = self.index.lock().pop_beside(key, of_one);
        for key in popped {
            self.remove_file(key);
        }
    }

    fn remove_file(&self, key: Key) {
        let _gone_already = fs::remove_file(self.path_of(key));
        // Refused while there are others in it.
        let _not_empty = fs::remove_dir(self.folder_of(key.version));
    }
}

impl Index {
    fn insert(&mut self, key: Key, size: u64) {
        self.remove(key);
        let weight = size.max(LEAST_WEIGHT);
        self.uses += 1;
        self.weight += weight;
        self.by_use.insert(self.uses, key);
        let used = self.uses;
        self.entries.insert(key, Entry { weight, used });
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.by_use.remove(&entry.used);
            self.weight -= entry.weight;
        }
    }

    /// Notes that it is used now. False when it is not there.
    fn touch(&mut self, key: Key) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        self.uses += 1;
        self.by_use.remove(&entry.used);
        entry.used = self.uses;
        self.by_use.insert(self.uses, key);
        true
    }

    /// Takes out the least recently used one while there is more than the bound.
    fn pop_over(&mut self, bound_bytes: u64) -> Option<Key> {
        if self.weight <= bound_bytes {
            return None;
        }
        let key = *self.by_use.first_key_value()?.1;
        self.remove(key);
        Some(key)
    }

    /// Takes out the least recently used ones of the same version while together they weigh more than this, but not `kept`.
    fn pop_beside(&mut self, kept: Key, bound_bytes: u64) -> Vec<Key> {
        let mut weight: u64 = self.of(kept.version).map(|(_, entry)| entry.weight).sum();
        if weight <= bound_bytes {
            return Vec::new();
        }
        let mut by_use: Vec<(u64, u64, Key)> = self
            .of(kept.version)
            .filter(|(key, _)| **key != kept)
            .map(|(key, entry)| (entry.used, entry.weight, *key))
            .collect();
        by_use.sort_unstable();
        let mut popped = Vec::new();
        for (_, of_it, key) in by_use {
            if weight <= bound_bytes {
                break;
            }
            weight -= of_it;
            self.remove(key);
            popped.push(key);
        }
        popped
    }

    /// What there is of a version.
    fn of(&self, version: Uuid) -> impl Iterator<Item = (&Key, &Entry)> {
        let recipe = Recipe::LEAST;
        let from = Key { version, recipe };
        let behind = self.entries.range(from..);
        behind.take_while(move |(key, _)| key.version == version)
    }

    /// False when there was nothing.
    fn forget(&mut self, version: Uuid) -> bool {
        let of_it: Vec<Key> = self.of(version).map(|(key, _)| *key).collect();
        for key in &of_it {
            self.remove(*key);
        }
        !of_it.is_empty()
    }
}

/// Another revision's results are only in the way.
fn remove_other_revisions(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix('r'));
        let is_revision = digits.is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_revision && name != OsStr::new(REVISION) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// All results with their sizes and when they were made. Files that were not finished are removed.
fn scan(folder: &Path) -> io::Result<Vec<(Key, u64, SystemTime)>> {
    let mut found = Vec::new();
    for shelf in folders_in(folder)? {
        for of_version in folders_in(&shelf)? {
            let name = of_version.file_name().and_then(OsStr::to_str);
            let Some(version) = name.and_then(|name| name.parse().ok()) else {
                continue;
            };
            for file in fs::read_dir(&of_version)? {
                let file = file?;
                let name = file.file_name();
                let recipe: Option<Recipe> = name.to_str().and_then(|name| name.parse().ok());
                let recipe = recipe.filter(|recipe| *recipe.to_string() == *name);
                let Some(recipe) = recipe else {
                    fs::remove_file(file.path())?;
                    continue;
                };
                let about = file.metadata()?;
                let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((Key { version, recipe }, about.len(), modified));
            }
        }
    }
    Ok(found)
}

fn folders_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::super::{ImageConfig, Transform};
    use super::*;

    /// A folder that is removed in the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Scratch {
            let folder = std::env::temp_dir().join(format!("plinth-cache-{}", Uuid::now_v7()));
            fs::create_dir_all(&folder).unwrap();
            Scratch(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _best_effort = fs::remove_dir_all(&self.0);
        }
    }

    fn key(version: Uuid, width: u16) -> Key {
        let config = ImageConfig::in_folder(PathBuf::new());
        let transform = Transform::from_query(&format!("width={width}"), &config).unwrap();
        Key {
            version,
            recipe: transform.recipe(&HeaderMap::new()),
        }
    }

    /// Looks like a whole JPEG.
    fn picture(size: usize) -> Vec<u8> {
        let mut bytes = vec![7; size];
        bytes[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
        bytes[size - 2..].copy_from_slice(&[0xff, 0xd9]);
        bytes
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first() {
        let folder = Scratch::new();
        let cache = Cache::open(&folder.0, 3 * LEAST_WEIGHT).unwrap();
        let keys: Vec<Key> = (1..=4).map(|width| key(Uuid::now_v7(), width)).collect();
        for key in &keys[..3] {
            cache.put(*key, &picture(100));
        }
        assert!(cache.get(keys[0]).await.is_some());
        cache.put(keys[3], &picture(200));
        assert!(cache.get(keys[1]).await.is_none());
        assert!(!cache.shared.path_of(keys[1]).exists());
        assert!(!cache.shared.folder_of(keys[1].version).exists());
        for key in [keys[0], keys[2], keys[3]] {
            assert!(cache.get(key).await.is_some(), "{key:?}");
        }
        assert_eq!(cache.get(keys[3]).await.unwrap().len(), 200);
    }

    #[tokio::test]
    async fn what_is_there_is_found_after_a_restart() {
        let folder = Scratch::new();
        let (one, other) = (key(Uuid::now_v7(), 1), key(Uuid::now_v7(), 2));
        let cache = Cache::open(&folder.0, 1 << 20).unwrap();
        cache.put(one, &picture(100));
        cache.put(other, &picture(100));
        // A power cut: one file is torn, and another was never finished.
        let whole = picture(100);
        fs::write(cache.shared.path_of(other), &whole[..60]).unwrap();
        let part = cache.shared.folder_of(one.version).join("part-1");
        fs::write(&part, b"x").unwrap();
        fs::create_dir_all(folder.0.join("r0/aa")).unwrap();
        drop(cache);

        let cache = Cache::open(&folder.0, 1 << 20).unwrap();
        assert!(!part.exists());
        assert!(!folder.0.join("r0").exists());
        assert_eq!(cache.get(one).await.as_deref(), Some(&whole[..]));
        assert_eq!(cache.get(other).await, None);
        cache.put(other, &whole);
        assert!(cache.get(other).await.is_some());
        // A smaller bound holds from the start.
        drop(cache);
        let cache = Cache::open(&folder.0, LEAST_WEIGHT).unwrap();
        assert_eq!(cache.shared.index.lock().entries.len(), 1);
    }

    #[tokio::test]
    async fn a_removed_version_leaves_nothing() {
        let folder = Scratch::new();
        let cache = Cache::open(&folder.0, 1 << 20).unwrap();
        let (version, other) = (Uuid::now_v7(), Uuid::now_v7());
        for width in 1..5 {
            cache.put(key(version, width), &picture(50));
        }
        cache.put(key(other, 1), &picture(50));
        cache.forget(version).await;
        cache.forget(Uuid::now_v7()).await;
        assert!(!cache.shared.folder_of(version).exists());
        assert!(cache.get(key(version, 2)).await.is_none());
        assert!(cache.get(key(other, 1)).await.is_some());
        assert_eq!(cache.shared.index.lock().weight, LEAST_WEIGHT);
    }

    #[tokio::test]
    async fn one_source_takes_the_place_of_no_other() {
        let folder = Scratch::new();
        // Room for 32 results, of which one source may have two.
        let cache = Cache::open(&folder.0, 2 * LARGEST_PART * LEAST_WEIGHT).unwrap();
        let (version, other) = (Uuid::now_v7(), key(Uuid::now_v7(), 1));
        cache.put(other, &picture(100));
        for width in 1..100 {
            cache.put(key(version, width), &picture(100));
        }
        assert!(cache.get(other).await.is_some());
        assert!(cache.get(key(version, 97)).await.is_none());
        assert!(!cache.shared.path_of(key(version, 97)).exists());
        assert!(cache.get(key(version, 98)).await.is_some());
        assert!(cache.get(key(version, 99)).await.is_some());
    }

    #[tokio::test]
    async fn a_giant_is_not_kept() {
        let folder = Scratch::new();
        let cache = Cache::open(&folder.0, 1 << 20).unwrap();
        let key = key(Uuid::now_v7(), 1);
        cache.put(key, &picture((1 << 20) / 16 + 1));
        assert!(cache.get(key).await.is_none());
    }
}
