//! The embedded engine under test: the same statements, answered in the same terms.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use plinth_db::migrations::{SystemModule, apply_system};
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions, ScriptOptions, Session};
use tokio::runtime::Runtime;

use crate::outcome::{Ask, Failure, Outcome, Who, csv};
use crate::temp::TempDir;

const STATEMENT_LIMIT: Duration = Duration::from_secs(30);

/// A database file that holds the system migrations, copied for each case.
#[derive(Debug)]
pub struct Template {
    folder: TempDir,
    runtime: Runtime,
}

/// A fresh copy of the template.
pub struct Database<'a> {
    /// The open database.
    pub db: Db,
    template: &'a Template,
    /// Lives as long as the database in it.
    _folder: TempDir,
}

impl Template {
    /// Makes the file.
    pub fn new(modules: &[SystemModule]) -> Result<Template> {
        let runtime = Runtime::new()?;
        let folder = TempDir::new("embedded")?;
        let template = Template { folder, runtime };
        template.runtime.block_on(async {
            let db = open(template.file())?;
            apply_system(&db, modules).await?;
            db.close().await;
            anyhow::Ok(())
        })?;
        Ok(template)
    }

    /// A fresh database.
    pub fn database(&self) -> Result<Database<'_>> {
        let folder = TempDir::new("case")?;
        let file = folder.path().join("plinth.db");
        std::fs::copy(self.file(), &file).context("the template is not there")?;
        // The engine's threads are started from within the runtime.
        let db = self.runtime.block_on(async { open(file) })?;
        Ok(Database {
            db,
            template: self,
            _folder: folder,
        })
    }

    /// Where requests run.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("plinth.db")
    }
}

fn open(path: PathBuf) -> Result<Db> {
    let options = OpenOptions {
        path,
        clock: Clock::system(),
        auto_expose: AutoExpose::Protected,
        durability: Durability::Synced,
    };
    Ok(Db::open(options)?)
}

impl Database<'_> {
    /// Runs statements, going on after errors. One outcome for each. What stands between two changes of caller
    /// is one session; a transaction cannot span such a change.
    pub fn run(&self, asks: &[Ask]) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(asks.len());
        for same_caller in asks.chunk_by(|a, b| a.who == b.who) {
            outcomes.extend(
                self.template
                    .runtime
                    .block_on(self.run_session(same_caller))?,
            );
        }
        Ok(outcomes)
    }

    async fn run_session(&self, asks: &[Ask]) -> Result<Vec<Outcome>> {
        // The semicolon has a line of its own: a statement may end in a comment.
        let script = asks.iter().fold(String::new(), |script, ask| {
            script
                + &ask.sql
                + "
;
"
        });
        let heard = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&heard);
        let session = session(&asks[0].who);
        self.db
            .script(&session, script, ScriptOptions::default(), move |outcome| {
                tell.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(outcome.result);
            })
            .await?;
        let results = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        ensure!(
            results.len() == asks.len(),
            "{} outcomes for {} statements, from `{}` on",
            results.len(),
            asks.len(),
            asks[0].sql
        );
        Ok(results.into_iter().map(outcome).collect())
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        self.template.runtime.block_on(self.db.clone().close());
    }
}

/// The session of a caller whose token was checked.
pub fn session(who: &Who) -> Session {
    Session {
        claims: who.claims.as_deref().map(plinth_db::Claims::new),
        timeout: STATEMENT_LIMIT,
        ..Session::role(&who.role)
    }
}

fn outcome(result: Result<plinth_sql::session::RowSet, plinth_sql::SqlError>) -> Outcome {
    match result {
        Ok(set) if set.returns_rows => Outcome::Rows(csv(
            set.columns.iter().map(|column| column.name.as_str()),
            set.rows.iter().map(Vec::as_slice),
        )),
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(Failure {
            code: error.code,
            message: error.message,
            detail: error.detail,
            hint: error.hint,
            constraint: error.constraint,
        }),
    }
}
