//! Copies of a database file that another process may be writing, and the check of such a copy.
//!
//! A copy is taken page by page within one read transaction, so it is of one moment; writers go on meanwhile. It never
//! asks the process that serves: SQLite's own locks are enough, and a backup works the same with and without a server.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plinth_sql::catalog::AutoExpose;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::connection::{APPLICATION_ID, Conn};
use crate::error::{EngineError, Result};
use crate::state::Sequences;
use crate::store::{self, FORMAT_VERSION};

/// Pages between two reports: 4 MiB.
const PAGES_A_STEP: i32 = 1024;
/// Most faults that a damaged file is asked for.
const FAULTS: u32 = 10;
/// How long a lock of another process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyProgress {
    /// Bytes that are there.
    pub done: u64,
    /// Bytes of the whole.
    pub total: u64,
}

/// Copies the database `from` as it stands now into the empty file `to`, and syncs that.
///
/// # Errors
/// [`EngineError::Disk`] when reading or writing fails, [`EngineError::Internal`] when `from` is no database of ours.
pub fn copy(from: &Path, to: &Path, mut on: impl FnMut(CopyProgress)) -> Result<()> {
    let source = open(from)?;
    if application(&source)? != APPLICATION_ID {
        return Err(store::not_ours());
    }
    // The transaction that reads this stays open: what is committed from here on is not in the copy.
    source.execute_batch("PRAGMA query_only = on; BEGIN")?;
    let page: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let page = u64::from(page);
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = open(to)?;
    // Synced once, when it is whole.
    target.pragma_update(None, "synchronous", "off")?;
    {
        let backup = Backup::new(&source, &mut target)?;
        while copied(backup.step(PAGES_A_STEP)?)? {
            let pages = backup.progress();
            let total = u64::try_from(pages.pagecount).unwrap_or_default();
            let left = u64::try_from(pages.remaining).unwrap_or_default();
            on(CopyProgress {
                done: total.saturating_sub(left) * page,
                total: total * page,
            });
        }
    }
    // Without a log of its own, the one file is all there is.
    target.pragma_update(None, "journal_mode", "delete")?;
    close(target)?;
    close(source)?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|error| EngineError::Disk(format!("{}: {error}", to.display())))
}

/// Reads the whole file: pages, order of indexes, catalog. Changes nothing.
///
/// # Errors
/// [`EngineError::Disk`] with what is damaged, [`EngineError::Internal`] when it is no database of ours or of a newer
/// version.
pub fn check(file: &Path) -> Result<()> {
    let sequences = Arc::new(Sequences::default());
    let conn = Conn::open(file, sequences.clone(), false)?;
    if application(&conn.sqlite())? != APPLICATION_ID {
        return Err(store::not_ours());
    }
    let catalog = store::open(&conn.sqlite(), AutoExpose::None, &sequences)?;
    // Indexes over enums are in an order that only the catalog knows.
    conn.use_catalog(&Arc::new(catalog))?;
    let sqlite = conn.sqlite();
    let mut statement = sqlite.prepare(&format!("PRAGMA integrity_check({FAULTS})"))?;
    let faults = statement
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if faults == ["ok"] {
        return Ok(());
    }
    Err(EngineError::Disk(format!(
        "the database is damaged: {}",
        faults.join("; ")
    )))
}

/// Whether opening this file would change its layout; false when there is none.
pub fn wants_upgrade(file: &Path) -> Result<bool> {
    if !file.is_file() {
        return Ok(false);
    }
    let sqlite = open(file)?;
    let format: i32 = sqlite.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(application(&sqlite)? == APPLICATION_ID && format < FORMAT_VERSION)
}

fn copied(step: StepResult) -> Result<bool> {
    match step {
        StepResult::Done => Ok(false),
        StepResult::More => Ok(true),
        // The connection waited already.
        _ => Err(EngineError::Busy),
    }
}

fn application(sqlite: &Connection) -> Result<i32> {
    Ok(sqlite.pragma_query_value(None, "application_id", |row| row.get(0))?)
}

/// A file that exists. It is opened for writing because reading a database that was not closed begins with its log.
fn open(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sqlite = Connection::open_with_flags(file, flags)?;
    sqlite.busy_timeout(PATIENCE)?;
    Ok(sqlite)
}

fn close(sqlite: Connection) -> Result<()> {
    sqlite.close().map_err(|(_, error)| error.into())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use plinth_sql::session::{ScriptOptions, Session};

    use super::*;
    use crate::{Durability, Engine, Options};

    /// A folder that goes away.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("plinth-backup-{name}-{}", std::process::id()));
            drop(std::fs::remove_dir_all(&path));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    fn engine(path: PathBuf) -> Engine {
        Engine::open(Options {
            path,
            clock: Arc::new(|| 0),
            auto_expose: AutoExpose::None,
            durability: Durability::Synced,
        })
        .unwrap()
    }

    fn run(engine: &Engine, sql: &str) {
        let (done, wait) = std::sync::mpsc::channel();
        engine
            .submit_script(
                Session::role("postgres"),
                sql.to_owned(),
                ScriptOptions::default(),
                Box::new(|outcome| {
                    outcome.result.unwrap();
                }),
                move |ended| done.send(ended).unwrap(),
            )
            .unwrap();
        wait.recv().unwrap().unwrap();
    }

    #[test]
    fn a_copy_is_of_one_moment_while_others_write() {
        let folder = Folder::new("moment");
        let (from, to) = (folder.file("a.db"), folder.file("b.db"));
        let engine = engine(from.clone());
        run(
            &engine,
            "create type mood as enum ('sad', 'ok', 'happy');
             create table halves (id int primary key, side text, mood mood, price numeric);
             create index on halves (mood); create index on halves (price);
             insert into halves select n, repeat('x', 400), 'ok', n * 1.5 from generate_series(1, 40000) n",
        );
        File::create(&to).unwrap();
        let mut steps = 0;
        copy(&from, &to, |progress| {
            steps += 1;
            assert!(progress.done <= progress.total);
            // Both halves of a write, or none of it.
            run(
                &engine,
                &format!("insert into halves values ({steps} + 100000, 'left', 'sad', 1), ({steps} + 200000, 'right', 'happy', 2)"),
            );
        })
        .unwrap();
        assert!(steps > 2, "{steps}");
        check(&to).unwrap();
        let copied = Conn::open(&to, Arc::default(), false).unwrap();
        let rows: i64 = copied
            .sqlite()
            .query_row(r#"SELECT count(*) FROM "public.halves""#, [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(rows, 40_000);
        engine.close();
    }

    #[test]
    fn damage_is_found() {
        let folder = Folder::new("damage");
        let path = folder.file("a.db");
        let engine = engine(path.clone());
        run(
            &engine,
            "create table t (id int primary key, v text); insert into t select n, repeat('x', 200) from generate_series(1, 5000) n",
        );
        engine.close();
        check(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4096].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(
            check(&path),
            Err(EngineError::Disk(_) | EngineError::Internal(_))
        ));
    }

    #[test]
    fn what_is_not_ours_is_neither_copied_nor_checked() {
        let folder = Folder::new("foreign");
        let (foreign, to) = (folder.file("a.db"), folder.file("b.db"));
        Connection::open(&foreign)
            .unwrap()
            .execute_batch("CREATE TABLE t(x)")
            .unwrap();
        File::create(&to).unwrap();
        assert!(copy(&foreign, &to, |_| {}).is_err());
        assert!(check(&foreign).is_err());
        assert!(check(&to).is_err(), "an empty file is no database");
        assert!(copy(&folder.file("absent.db"), &to, |_| {}).is_err());
    }
}
