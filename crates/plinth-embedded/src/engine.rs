//! The engine: the published catalog, readers, and the way to the writer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use plinth_sql::ast::Statement;
use plinth_sql::catalog::{AutoExpose, Catalog};
use plinth_sql::session::{Outcome, RowSet, ScriptOptions, Session};
use plinth_sql::shape::{Answer, Filled, Read};

use crate::connection::{Conn, Params};
use crate::error::Result;
use crate::exec::{self, Tx};
use crate::plans::Plans;
use crate::readers::{Reader, Readers};
use crate::scans::RowScan;
use crate::state::Sequences;
use crate::writer::{Job, Writer};
use crate::{EngineError, store};

/// How often a read may find the schema changing under it before it gives up.
const SNAPSHOT_TRIES: usize = 100_000;
/// What a read may take on a thread that others wait for. Most take a tenth of it; those that do not begin anew elsewhere,
/// which costs them little beside what they are.
const PATIENCE: Duration = Duration::from_millis(1);

/// Microseconds since 1970.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How to open an engine.
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// The time, in microseconds since 1970.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Which tables of `public` the API roles may reach without explicit grants.
    pub auto_expose: AutoExpose,
    /// When a commit counts.
    pub durability: Durability,
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk.
    #[default]
    Synced,
    /// Once the system has it: a power cut loses it, and may damage the file. For tests that must see this happen.
    Unsynced,
}

/// A database in one file. Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    writer: Arc<Writer>,
}

/// What readers and the writer share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) sequences: Arc<Sequences>,
    catalog: RwLock<Arc<Catalog>>,
    pub(crate) readers: Readers,
    plans: Plans,
}

impl Shared {
    /// The catalog that was committed last.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().clone()
    }

    /// Publishes a committed catalog.
    pub(crate) fn publish(&self, catalog: &Arc<Catalog>) {
        *self.catalog.write() = catalog.clone();
    }
}

impl Engine {
    /// Opens or creates the file and starts the writer.
    pub fn open(options: Options) -> Result<Engine, EngineError> {
        make_folder(&options.path)?;
        let fresh = !options.path.exists();
        let sequences = Arc::new(Sequences::default());
        let conn = Conn::open(&options.path, sequences.clone(), true)?;
        if options.durability == Durability::Unsynced {
            conn.sqlite().pragma_update(None, "synchronous", "off")?;
        }
        let catalog = Arc::new(store::open(
            &conn.sqlite(),
            options.auto_expose,
            &sequences,
        )?);
        if fresh {
            sync_folder(&options.path)?;
        }
        conn.use_catalog(&catalog)?;
        let shared = Arc::new(Shared {
            readers: Readers::new(options.path, sequences.clone()),
            clock: options.clock,
            sequences,
            catalog: RwLock::new(catalog),
            plans: Plans::default(),
        });
        let writer = Writer::start(Tx::new(conn, shared.clone()));
        Ok(Engine {
            shared,
            writer: Arc::new(writer),
        })
    }

    /// The current snapshot of the schema.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog()
    }

    /// Runs a read on this thread, in one snapshot.
    pub fn read(&self, session: &Session, read: &Filled<Read>) -> Result<Answer, EngineError> {
        self.with_reader(session, |conn, catalog| {
            exec::fetch::read(conn, catalog, &self.shared.plans, &session.role, read)
        })
    }

    /// The same on a thread that others wait for: none when it would take long, and nothing came of it.
    pub fn read_at_once(
        &self,
        session: &Session,
        read: &Filled<Read>,
    ) -> Result<Option<Answer>, EngineError> {
        self.with_reader(session, |conn, catalog| {
            conn.be_quick(PATIENCE);
            let answer = exec::fetch::read(conn, catalog, &self.shared.plans, &session.role, read);
            match conn.was_too_slow() {
                true => Ok(None),
                false => answer.map(Some),
            }
        })
    }

    /// Runs one reading statement on this thread.
    pub fn query(
        &self,
        session: &Session,
        statement: &Statement,
        params: &[Option<String>],
    ) -> Result<RowSet, EngineError> {
        self.with_reader(session, |conn, catalog| {
            exec::query_rows(
                conn,
                catalog,
                &session.role,
                statement,
                &Params::texts(params),
            )
        })
    }

    /// Policies that read whole tables to decide about one row.
    pub fn policy_scans(&self) -> Result<Vec<RowScan>, EngineError> {
        self.with_reader(&Session::system(), crate::scans::of_policies)
    }

    /// Whether a statement only reads.
    pub fn only_reads(&self, statement: &Statement) -> bool {
        exec::only_reads(statement)
    }

    /// Queues work for the writer. `reply` hears of the result after the commit is on disk, on the writer's thread.
    pub fn submit<T, E, W, M, R>(
        &self,
        session: Session,
        work: W,
        fail: M,
        reply: R,
    ) -> Result<(), EngineError>
    where
        T: Send + 'static,
        E: Send + 'static,
        W: Fn(&mut Tx) -> Result<T, E> + Send + 'static,
        M: Fn(EngineError) -> E + Send + 'static,
        R: FnOnce(Result<T, E>) + Send + 'static,
    {
        self.writer.send(Job::grouped(session, work, fail, reply))
    }

    /// Queues a script for the writer; it commits by itself, statement by statement or as it says.
    pub fn submit_script(
        &self,
        session: Session,
        sql: String,
        options: ScriptOptions,
        on: Box<dyn FnMut(Outcome) + Send>,
        reply: impl FnOnce(Result<(), EngineError>) + Send + 'static,
    ) -> Result<(), EngineError> {
        self.writer
            .send(Job::script(session, sql, options, on, reply))
    }

    /// Writes that wait for the writer.
    pub fn waiting_writes(&self) -> usize {
        self.writer.waiting()
    }

    /// Waits for what is queued and closes the file.
    pub fn close(&self) {
        self.writer.stop();
        self.shared.readers.close();
    }

    fn with_reader<T>(
        &self,
        session: &Session,
        run: impl FnOnce(&Conn, &Arc<Catalog>) -> Result<T>,
    ) -> Result<T> {
        let mut reader = self.shared.readers.take()?;
        let catalog = self.snapshot(&mut reader)?;
        let conn = &reader.conn;
        let result = conn
            .begin_session(session, (self.shared.clock)(), &catalog)
            .and_then(|()| run(conn, &catalog));
        conn.end_session();
        self.shared.readers.give_back(reader)?;
        result
    }

    /// The reader's snapshot, or a new one.
    fn snapshot(&self, reader: &mut Reader) -> Result<Arc<Catalog>> {
        if let Some(held) = &reader.snapshot {
            return Ok(held.catalog.clone());
        }
        let conn = &reader.conn;
        for _ in 0..SNAPSHOT_TRIES {
            conn.sqlite().prepare_cached("BEGIN")?.execute([])?;
            let version = conn.catalog_version()?;
            let catalog = self.shared.catalog();
            if catalog.version == version {
                reader.began(catalog.clone());
                return Ok(catalog);
            }
            // A change of the schema was committed a moment ago and is about to be published.
            conn.sqlite().execute_batch("ROLLBACK")?;
            std::thread::yield_now();
        }
        Err(EngineError::Busy)
    }
}

/// Makes a new file's entry in its folder last; SQLite does so for its logs, but not for the database itself.
fn sync_folder(path: &std::path::Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(std::path::Path::new("."));
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| EngineError::Disk(format!("cannot sync {}: {error}", folder.display())))
}

/// The folder of the file, for its owner alone.
fn make_folder(path: &std::path::Path) -> Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| EngineError::Disk(format!("cannot create {}: {error}", folder.display())))
}
