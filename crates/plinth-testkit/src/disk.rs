//! A disk that tests can fill and cut off: a layer between SQLite and the files of a folder.
//!
//! `kill -9` leaves everything in the kernel's hands, so it cannot show whether a write was synced. This layer keeps a
//! record of every write and every sync, from which [`Disk::after_power_cut`] makes the folder as it may look when the
//! power goes at any moment of that record: what was synced is there; of the rest, any part, torn where sectors end.
//!
//! Once the first disk is made, the layer is the process's default; files in other folders pass through it untouched.

#![expect(unsafe_code, reason = "SQLite's file layer is a table of C functions")]

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result, ensure};
use rusqlite::ffi::{
    SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_OK, sqlite3_file, sqlite3_io_methods, sqlite3_vfs,
    sqlite3_vfs_find, sqlite3_vfs_register,
};

use crate::random::Random;

/// What a disk writes at once or not at all.
const SECTOR: usize = 512;

/// The disk under one folder.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    record: Vec<Event>,
    /// Bytes that may still be written; none is no limit.
    room: Option<u64>,
}

#[derive(Clone, Debug)]
enum Event {
    Write {
        file: Arc<str>,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: Arc<str>,
        size: usize,
    },
    Sync {
        file: Arc<str>,
    },
    Delete {
        file: Arc<str>,
        synced: bool,
    },
    Mark(u64),
}

/// What survives of what was written but not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing.
    Lost,
    /// Everything.
    Kept,
    /// Any of it, in any sectors.
    Torn,
}

impl Disk {
    /// Puts the layer over a folder, which must exist and hold no database yet.
    pub fn under(folder: &Path) -> Result<Disk> {
        install()?;
        let folder = folder.canonicalize()?;
        let disk = Disk(Arc::new(Shared {
            folder,
            state: Mutex::default(),
        }));
        lock(&layer().disks).push(disk.clone());
        Ok(disk)
    }

    /// Notes a moment of the caller's in the record: an answer that was received.
    pub fn mark(&self, number: u64) {
        self.state().record.push(Event::Mark(number));
    }

    /// Events so far.
    pub fn length(&self) -> usize {
        self.state().record.len()
    }

    /// Syncs so far.
    pub fn syncs(&self) -> usize {
        let is_sync = |event: &&Event| matches!(event, Event::Sync { .. });
        self.state().record.iter().filter(is_sync).count()
    }

    /// The numbers marked before a moment.
    pub fn marks(&self, moment: usize) -> Vec<u64> {
        let number = |event: &Event| match event {
            Event::Mark(number) => Some(*number),
            _ => None,
        };
        self.state().record[..moment]
            .iter()
            .filter_map(number)
            .collect()
    }

    /// From now on so many bytes can be written, then the disk is full.
    pub fn leave_room(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.state().room = None;
    }

    /// Writes the folder's files into `to` as a power cut after `moment` events may leave them.
    pub fn after_power_cut(
        &self,
        moment: usize,
        unsynced: Unsynced,
        random: &mut Random,
        to: &Path,
    ) -> Result<()> {
        let mut files: BTreeMap<Arc<str>, Stored> = BTreeMap::new();
        for event in &self.state().record[..moment] {
            match event {
                Event::Write { file, .. } | Event::Truncate { file, .. } => {
                    let stored = files.entry(file.clone()).or_default();
                    if stored.deleted {
                        *stored = Stored::default();
                    }
                    stored.pending.push(event.clone());
                }
                Event::Sync { file } => {
                    let stored = files.entry(file.clone()).or_default();
                    let new = !std::mem::replace(&mut stored.exists, true);
                    for event in std::mem::take(&mut stored.pending) {
                        stored.apply(&event, |_| true);
                    }
                    // SQLite syncs the folder, too, with a log or a journal that it made, and so all that was deleted.
                    if new && file.contains('-') {
                        files.retain(|_, stored| !stored.deleted);
                    }
                }
                Event::Delete { file, synced: true } => {
                    files.remove(file);
                }
                Event::Delete { file, .. } => {
                    files.entry(file.clone()).or_default().deleted = true;
                }
                Event::Mark(_) => {}
            }
        }
        for (name, mut stored) in files {
            let gone = match unsynced {
                Unsynced::Lost => false,
                Unsynced::Kept => true,
                Unsynced::Torn => random.chance(50),
            };
            if stored.deleted && gone {
                continue;
            }
            for event in std::mem::take(&mut stored.pending) {
                match unsynced {
                    Unsynced::Lost => {}
                    Unsynced::Kept => stored.apply(&event, |_| true),
                    Unsynced::Torn => stored.apply(&event, |_| random.chance(50)),
                }
            }
            if stored.exists || unsynced != Unsynced::Lost {
                fs::write(to.join(&*name), &stored.content)
                    .with_context(|| format!("cannot write {name}"))?;
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

/// A file while a record is read.
#[derive(Debug, Default)]
struct Stored {
    content: Vec<u8>,
    pending: Vec<Event>,
    /// Its entry in the folder was synced.
    exists: bool,
    /// It was deleted, but the folder was not synced since.
    deleted: bool,
}

impl Stored {
    /// Applies those sectors of a write that `reached` the disk.
    fn apply(&mut self, event: &Event, mut reached: impl FnMut(usize) -> bool) {
        match event {
            Event::Write { offset, bytes, .. } => {
                let mut from = 0;
                while from < bytes.len() {
                    let at = offset + from;
                    let end = (from + SECTOR - at % SECTOR).min(bytes.len());
                    if reached(at) {
                        let last = offset + end;
                        if self.content.len() < last {
                            self.content.resize(last, 0);
                        }
                        self.content[at..last].copy_from_slice(&bytes[from..end]);
                    }
                    from = end;
                }
            }
            Event::Truncate { size, .. } if reached(*size) => self.content.resize(*size, 0),
            _ => {}
        }
    }
}

/// What the process knows of the layer: the layer below, the disks, and which open file is which.
struct Layer {
    below: Below,
    disks: Mutex<Vec<Disk>>,
    open: Mutex<HashMap<usize, Place>>,
    methods: Mutex<Vec<&'static Methods>>,
}

/// A file on a disk.
#[derive(Clone)]
struct Place {
    disk: Disk,
    file: Arc<str>,
}

/// The process's own file layer, which outlives everything.
struct Below(*mut sqlite3_vfs);

/// The functions of open files: the ones below and ours. The layer below has several such tables.
struct Methods {
    below: *const sqlite3_io_methods,
    ours: sqlite3_io_methods,
}

// SAFETY: both point to tables that SQLite made for the life of the process and that nobody changes.
unsafe impl Send for Below {}
// SAFETY: as above.
unsafe impl Sync for Below {}
// SAFETY: as above.
unsafe impl Send for Methods {}
// SAFETY: as above.
unsafe impl Sync for Methods {}

static LAYER: OnceLock<Layer> = OnceLock::new();

fn layer() -> &'static Layer {
    LAYER.get_or_init(|| Layer {
        // SAFETY: a null name asks for the default layer; SQLite has one.
        below: Below(unsafe { sqlite3_vfs_find(std::ptr::null()) }),
        disks: Mutex::default(),
        open: Mutex::default(),
        methods: Mutex::default(),
    })
}

/// Makes a copy of the default layer with our `xOpen` and `xDelete` the new default, once.
fn install() -> Result<()> {
    static INSTALLED: OnceLock<c_int> = OnceLock::new();
    let code = *INSTALLED.get_or_init(|| {
        let below = layer().below.0;
        // SAFETY: `below` is the default layer's table. The copy lives as long as the process, as registering asks.
        unsafe {
            let mut ours = *below;
            ours.zName = c"plinth-test-disk".as_ptr();
            ours.pNext = std::ptr::null_mut();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            sqlite3_vfs_register(Box::leak(Box::new(ours)), 1)
        }
    });
    ensure!(code == SQLITE_OK, "SQLite refuses the layer: {code}");
    Ok(())
}

/// The disk and the name on it of a path.
fn placed(path: *const c_char) -> Option<Place> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite hands over strings that end with a zero byte.
    let path = PathBuf::from(unsafe { CStr::from_ptr(path) }.to_str().ok()?);
    let disks = lock(&layer().disks);
    let disk = disks
        .iter()
        .find(|disk| path.parent() == Some(&disk.0.folder))?;
    Some(Place {
        disk: disk.clone(),
        file: path.file_name()?.to_str()?.into(),
    })
}

/// The disk and the name on it of an open file.
fn opened(file: *mut sqlite3_file) -> Option<Place> {
    lock(&layer().open).get(&(file as usize)).cloned()
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let below = layer().below.0;
    // SAFETY: the arguments are SQLite's own, passed on to the layer they were meant for.
    unsafe {
        let Some(open) = (*below).xOpen else {
            return SQLITE_CANTOPEN;
        };
        let code = open(below, name, file, flags, out_flags);
        if code != SQLITE_OK {
            return code;
        }
        if let Some(place) = placed(name) {
            lock(&layer().open).insert(file as usize, place);
            (*file).pMethods = &raw const over((*file).pMethods).ours;
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, synced: c_int) -> c_int {
    let below = layer().below.0;
    // SAFETY: as in `open`.
    let code = unsafe {
        match (*below).xDelete {
            Some(delete) => delete(below, name, synced),
            None => SQLITE_OK,
        }
    };
    if let Some(Place { disk, file }) = placed(name).filter(|_| code == SQLITE_OK) {
        let synced = synced != 0;
        disk.state().record.push(Event::Delete { file, synced });
    }
    code
}

/// Our functions over those of a file that the layer below has just opened.
///
/// # Safety
/// `below` is a table of the layer below.
unsafe fn over(below: *const sqlite3_io_methods) -> &'static Methods {
    let mut known = lock(&layer().methods);
    if let Some(methods) = known
        .iter()
        .find(|methods| std::ptr::eq(methods.below, below))
    {
        return methods;
    }
    // SAFETY: the caller's promise.
    let table = unsafe { *below };
    let methods = Box::leak(Box::new(Methods {
        below,
        ours: sqlite3_io_methods {
            xClose: Some(close),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            ..table
        },
    }));
    known.push(methods);
    methods
}

/// The functions below an open file.
///
/// # Safety
/// `file` was opened by `open` on one of our disks.
unsafe fn below(file: *mut sqlite3_file) -> &'static sqlite3_io_methods {
    // SAFETY: the file is open, and all tables live as long as the process.
    unsafe {
        let ours = (*file).pMethods;
        let known = lock(&layer().methods);
        let methods = known
            .iter()
            .find(|methods| std::ptr::eq(&raw const methods.ours, ours));
        methods.map_or(&*ours, |methods| &*methods.below)
    }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    lock(&layer().open).remove(&(file as usize));
    // SAFETY: the file is one that the layer below opened.
    unsafe { below(file).xClose.map_or(SQLITE_OK, |close| close(file)) }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    from: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    let place = opened(file);
    if let Some(Place { disk, .. }) = &place {
        let mut state = disk.state();
        let length = u64::try_from(length).unwrap_or_default();
        if let Some(room) = &mut state.room {
            if *room < length {
                *room = 0;
                return SQLITE_FULL;
            }
            *room -= length;
        }
    }
    // SAFETY: the arguments are SQLite's own, for a file that the layer below opened.
    let code = unsafe {
        let below = below(file).xWrite;
        below.map_or(SQLITE_FULL, |write| write(file, from, length, offset))
    };
    if let Some(Place { disk, file }) = place.filter(|_| code == SQLITE_OK) {
        let length = usize::try_from(length).unwrap_or_default();
        // SAFETY: SQLite has `length` bytes there.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) }.to_vec();
        let offset = usize::try_from(offset).unwrap_or_default();
        disk.state().record.push(Event::Write {
            file,
            offset,
            bytes,
        });
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    // SAFETY: as in `write`.
    let code = unsafe {
        let below = below(file).xTruncate;
        below.map_or(SQLITE_OK, |truncate| truncate(file, size))
    };
    if let Some(Place { disk, file }) = opened(file).filter(|_| code == SQLITE_OK) {
        let size = usize::try_from(size).unwrap_or_default();
        disk.state().record.push(Event::Truncate { file, size });
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: as in `write`.
    let code = unsafe {
        let below = below(file).xSync;
        below.map_or(SQLITE_OK, |sync| sync(file, flags))
    };
    if let Some(Place { disk, file }) = opened(file).filter(|_| code == SQLITE_OK) {
        disk.state().record.push(Event::Sync { file });
    }
    code
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::temp::TempDir;

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let folder = TempDir::new("disk").unwrap();
        let disk = Disk::under(folder.path()).unwrap();
        let sqlite = Connection::open(folder.path().join("a.db")).unwrap();
        sqlite
            .execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE t(x); INSERT INTO t VALUES (1)")
            .unwrap();
        let synced = disk.length();
        sqlite
            .execute_batch("PRAGMA synchronous = off; INSERT INTO t VALUES (2)")
            .unwrap();
        let rows = |moment, unsynced| {
            let to = TempDir::new("disk-cut").unwrap();
            let mut random = Random::new(1);
            disk.after_power_cut(moment, unsynced, &mut random, to.path())
                .unwrap();
            let sqlite = Connection::open(to.path().join("a.db")).unwrap();
            sqlite
                .query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(rows(synced, Unsynced::Lost), 1);
        assert_eq!(rows(disk.length(), Unsynced::Lost), 1);
        assert_eq!(rows(disk.length(), Unsynced::Kept), 2);
        assert!((1..=2).contains(&rows(disk.length(), Unsynced::Torn)));
        disk.leave_room(0);
        let full = sqlite
            .execute_batch("INSERT INTO t VALUES (3)")
            .unwrap_err();
        assert!(full.to_string().contains("full"), "{full}");
        disk.make_room();
        sqlite.execute_batch("INSERT INTO t VALUES (4)").unwrap();
    }
}
