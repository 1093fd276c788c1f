//! The embedded engine under test: the same statements, answered in the same terms.

use std::path::PathBuf;

use anyhow::{Context, Result};
use plinth_db::migrations::{SystemModule, apply_system};
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions};
use tokio::runtime::Runtime;

use crate::outcome::{Ask, Outcome};
use crate::temp::TempDir;
use crate::through;

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
    /// Runs statements, going on after errors; see [`through::run`].
    pub fn run(&self, asks: &[Ask]) -> Result<Vec<Outcome>> {
        self.template.runtime.block_on(through::run(&self.db, asks))
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        self.template.runtime.block_on(self.db.clone().close());
    }
}
