//! The readers' connections, and the snapshots they hold between reads.
//!
//! Opening a read transaction costs more than a read by key: locks, a look at the log's index, a look whether the schema
//! changed. So a reader keeps its transaction open for the next read, as long as nothing was committed since. An open
//! transaction also keeps the log from being folded into the file; therefore the writer ends all that are idle when it
//! begins, and none is held while it writes.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use plinth_sql::catalog::Catalog;

use crate::connection::Conn;
use crate::error::Result;
use crate::state::Sequences;

/// Most connections kept open.
const IDLE: usize = 32;

/// The connections of an engine that only read.
pub(crate) struct Readers {
    path: PathBuf,
    sequences: Arc<Sequences>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    readers: Vec<Reader>,
    /// The writer has a transaction open.
    writing: bool,
    /// Commits so far.
    commits: u64,
}

/// A connection, and the snapshot that it has open.
pub(crate) struct Reader {
    pub(crate) conn: Conn,
    pub(crate) snapshot: Option<Snapshot>,
    /// Commits when it was taken: every one of them is in a snapshot begun since.
    commits: u64,
}

/// An open read transaction, and the very catalog that was committed with what it sees: policies, privileges and rows are
/// of one moment.
pub(crate) struct Snapshot {
    pub(crate) catalog: Arc<Catalog>,
    commits: u64,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, sequences: Arc<Sequences>) -> Readers {
        Readers {
            path,
            sequences,
            idle: Mutex::default(),
        }
    }

    /// A connection. If it has a snapshot, that one is current.
    pub(crate) fn take(&self) -> Result<Reader> {
        let (reader, commits) = {
            let mut idle = self.idle.lock();
            (idle.readers.pop(), idle.commits)
        };
        let mut reader = match reader {
            Some(reader) => reader,
            None => Reader {
                conn: Conn::open(&self.path, self.sequences.clone(), false)?,
                snapshot: None,
                commits,
            },
        };
        reader.commits = commits;
        let stale = |snapshot: &Snapshot| snapshot.commits != commits;
        if reader.snapshot.as_ref().is_some_and(stale) {
            reader.end()?;
        }
        Ok(reader)
    }

    /// Takes a connection back, with its snapshot where that may be of use.
    pub(crate) fn give_back(&self, mut reader: Reader) -> Result<()> {
        let mut idle = self.idle.lock();
        let of_use = reader.snapshot.as_ref().is_some_and(|snapshot| {
            !idle.writing && snapshot.commits == idle.commits && !reader.conn.is_autocommit()
        });
        if !of_use {
            drop(idle);
            reader.end()?;
            idle = self.idle.lock();
        }
        if idle.readers.len() < IDLE {
            idle.readers.push(reader);
        }
        Ok(())
    }

    /// The writer begins a transaction.
    pub(crate) fn writer_begins(&self) {
        let mut idle = self.idle.lock();
        idle.writing = true;
        // One that cannot end its snapshot is of no use any more.
        idle.readers.retain_mut(|reader| reader.end().is_ok());
    }

    /// The writer's transaction has ended.
    pub(crate) fn writer_ends(&self, committed: bool) {
        let mut idle = self.idle.lock();
        idle.writing = false;
        idle.commits += u64::from(committed);
    }

    /// Closes what is idle.
    pub(crate) fn close(&self) {
        self.idle.lock().readers.clear();
    }
}

impl Reader {
    /// Notes that a transaction was opened after this was taken, and which catalog goes with it.
    pub(crate) fn began(&mut self, catalog: Arc<Catalog>) {
        self.snapshot = Some(Snapshot {
            catalog,
            commits: self.commits,
        });
    }

    /// Ends the snapshot.
    fn end(&mut self) -> Result<()> {
        if self.snapshot.take().is_some() && !self.conn.is_autocommit() {
            self.conn.sqlite().prepare_cached("ROLLBACK")?.execute([])?;
        }
        Ok(())
    }
}
