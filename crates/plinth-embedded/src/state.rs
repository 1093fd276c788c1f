//! What our SQLite functions may know while a statement runs: the session, the time, the sequences.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, ReentrantMutex, RwLock};
use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::Body;
use plinth_sql::catalog::{Catalog, QName};
use plinth_sql::session::Session;

use rusqlite::Connection;

use crate::changes::Change;
use crate::exec::Deferred;
use crate::settings::Settings;

/// Microseconds between 1970 and 2000, where Postgres counts from.
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The state of one connection, shared with the functions registered on it.
#[derive(Default)]
pub(crate) struct ConnState {
    /// The running session.
    pub(crate) session: Mutex<SessionState>,
    /// The catalog that the running statement was planned with.
    pub(crate) catalog: RwLock<Arc<Catalog>>,
    /// Sequences, shared by all connections of the engine.
    pub(crate) sequences: Arc<Sequences>,
    /// What the open transaction has gathered.
    pub(crate) work: Mutex<Work>,
    /// The connection itself, for functions that run statements. Weak, because the connection owns the functions.
    pub(crate) connection: OnceLock<Weak<ReentrantMutex<Connection>>>,
    /// Nothing may be written here: a reader's connection.
    pub(crate) read_only: bool,
    /// Bodies of PL/pgSQL functions by oid, with the text they were read from.
    pub(crate) bodies: Mutex<HashMap<u32, (String, Arc<Body>)>>,
    /// How long the running statements may take.
    pub(crate) time: Arc<Time>,
    /// What writes ask of the translator again and again.
    pub(crate) kept: Mutex<crate::exec::Kept>,
    /// SQLite's `data_version` and the version of the catalog that was found with it.
    pub(crate) seen: Mutex<Option<(i64, u64)>>,
    /// Pages in the log after the last commit of this connection.
    pub(crate) log_pages: Arc<AtomicI32>,
    /// Enums whose collations are registered, with their labels.
    pub(crate) collated: Mutex<Vec<(u32, Vec<String>)>>,
    /// Tables (and columns) that the statement being prepared may touch; `None` lets everything pass (our own work).
    pub(crate) fence: Mutex<Option<Arc<crate::translate::Fence>>>,
}

impl ConnState {
    /// The next value of a sequence, which is then the session's last.
    pub(crate) fn next_value(&self, catalog: &Catalog, name: &QName) -> Result<i64, SqlError> {
        let value = self.sequences.next(catalog, name)?;
        let mut session = self.session.lock();
        session.current_values.insert(name.clone(), value);
        session.last_sequence = Some(name.clone());
        Ok(value)
    }
}

/// How long running statements may take. Times are milliseconds (microseconds for patience) since this process first
/// asked; 0 means no bound.
#[derive(Default)]
pub(crate) struct Time {
    /// When they must end.
    pub(crate) deadline_ms: AtomicU64,
    /// When they must make room for others on this thread, to begin anew on another.
    pub(crate) patience_us: AtomicU64,
    /// They were stopped for that reason.
    pub(crate) impatient: AtomicBool,
}

/// What the open transaction has gathered.
#[derive(Default)]
pub(crate) struct Work {
    /// What was done to rows, in order.
    pub(crate) changes: Vec<Change>,
    /// Checks of deferred constraints, made before the request is kept.
    pub(crate) deferred: Vec<Deferred>,
    /// What the caller is told beside the result.
    pub(crate) notices: Vec<SqlError>,
    /// Savepoints set, one inside the other.
    pub(crate) savepoints: usize,
    /// Functions that run now, one inside the other.
    pub(crate) calls: usize,
    /// Triggers that run now, one inside the other.
    pub(crate) triggers: usize,
}

impl Work {
    /// The transaction is over.
    pub(crate) fn forget(&mut self) {
        self.changes.clear();
        self.deferred.clear();
        self.savepoints = 0;
        self.calls = 0;
        self.triggers = 0;
    }
}

/// What is known of the running session.
#[derive(Default)]
pub(crate) struct SessionState {
    /// Role, search path and all that `SET` sets.
    pub(crate) settings: Settings,
    /// Start of the transaction, microseconds since 2000.
    pub(crate) now: i64,
    /// Last value of `nextval` by sequence, and the last of all.
    pub(crate) current_values: HashMap<QName, i64>,
    /// The sequence last used.
    pub(crate) last_sequence: Option<QName>,
}

impl SessionState {
    /// The state for a new session that begins at `now_unix_micros`.
    pub(crate) fn begin(session: &Session, now_unix_micros: i64) -> SessionState {
        SessionState {
            settings: Settings::begin(session),
            now: now_unix_micros - POSTGRES_EPOCH_MICROS,
            ..SessionState::default()
        }
    }
}

/// The values of sequences. They live beside transactions, as in Postgres: a rollback leaves gaps. Used numbers
/// reach the file with the commit of the batch that used them.
#[derive(Default)]
pub(crate) struct Sequences {
    inner: Mutex<Numbers>,
}

#[derive(Default)]
struct Numbers {
    values: HashMap<QName, SequenceValue>,
    /// What stood where, before the open transaction first touched it.
    before: HashMap<QName, Option<SequenceValue>>,
}

impl Numbers {
    /// A sequence is about to change.
    fn note(&mut self, name: &QName) {
        if !self.before.contains_key(name) {
            let value = self.values.get(name).copied();
            self.before.insert(name.clone(), value);
        }
    }
}

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceValue {
    /// The last value given, or the next one when nothing was given yet.
    pub(crate) last: i64,
    /// Whether `last` was given already.
    pub(crate) called: bool,
    /// Not yet in the file.
    pub(crate) dirty: bool,
}

impl Sequences {
    /// Puts a sequence at a value.
    pub(crate) fn set(&self, name: &QName, last: i64, called: bool, dirty: bool) {
        let mut all = self.inner.lock();
        all.note(name);
        all.values.insert(
            name.clone(),
            SequenceValue {
                last,
                called,
                dirty,
            },
        );
    }

    /// A transaction begins.
    pub(crate) fn begin(&self) {
        self.inner.lock().before.clear();
    }

    /// What was run since will run again, and is to find the numbers as it found them.
    pub(crate) fn take_back(&self) {
        let mut all = self.inner.lock();
        for (name, value) in std::mem::take(&mut all.before) {
            match value {
                Some(value) => all.values.insert(name, value),
                None => all.values.remove(&name),
            };
        }
    }

    /// Forgets a sequence.
    pub(crate) fn remove(&self, name: &QName) {
        let mut all = self.inner.lock();
        all.note(name);
        all.values.remove(name);
    }

    /// Where a sequence stands.
    pub(crate) fn get(&self, name: &QName) -> Option<SequenceValue> {
        self.inner.lock().values.get(name).copied()
    }

    /// The next value.
    pub(crate) fn next(&self, catalog: &Catalog, name: &QName) -> Result<i64, SqlError> {
        let sequence = catalog.sequences.get(name).ok_or_else(|| {
            SqlError::new(
                "42P01",
                format!("relation \"{}\" does not exist", name.display()),
            )
        })?;
        let options = &sequence.options;
        let increment = options.increment.unwrap_or(1);
        let min = options
            .min_value
            .flatten()
            .unwrap_or(if increment > 0 { 1 } else { i64::MIN });
        let max = options
            .max_value
            .flatten()
            .unwrap_or(if increment > 0 { i64::MAX } else { -1 });
        let mut all = self.inner.lock();
        all.note(name);
        let value = all.values.entry(name.clone()).or_insert(SequenceValue {
            last: options
                .start
                .unwrap_or(if increment > 0 { min } else { max }),
            called: false,
            dirty: true,
        });
        let next = if value.called {
            match value
                .last
                .checked_add(increment)
                .filter(|next| (min..=max).contains(next))
            {
                Some(next) => next,
                None if options.cycle == Some(true) => {
                    if increment > 0 {
                        min
                    } else {
                        max
                    }
                }
                None => {
                    let (which, bound) = if increment > 0 {
                        ("maximum", max)
                    } else {
                        ("minimum", min)
                    };
                    return Err(SqlError::new(
                        "2200H",
                        format!(
                            "nextval: reached {which} value of sequence \"{}\" ({bound})",
                            name.name
                        ),
                    ));
                }
            }
        } else {
            value.last
        };
        *value = SequenceValue {
            last: next,
            called: true,
            dirty: true,
        };
        Ok(next)
    }

    /// Takes what has to be written with the next commit.
    pub(crate) fn take_dirty(&self) -> Vec<(QName, SequenceValue)> {
        let mut all = self.inner.lock();
        let mut taken = Vec::new();
        for (name, value) in all.values.iter_mut().filter(|(_, value)| value.dirty) {
            value.dirty = false;
            taken.push((name.clone(), *value));
        }
        taken
    }
}
