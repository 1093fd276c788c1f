//! The way back.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use plinth_db::{AutoExpose, Clock, Db, Durability, OpenOptions, backup, keys};

use super::archive::{self, Manifest};
use super::media;
use super::{OnStep, Step, Unfinished, sync_folder_of};
use crate::lock::{self, Holder};
use crate::project::{DataFolder, Project, Stage, make_private_folder};

/// How long another command's end is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// `data/` or `data/dev/`.
    pub stage: Stage,
    /// The keys in the backup are thrown away; the next start makes new ones.
    pub new_keys: bool,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Restored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// The keys in the database need a master key, and none is in place.
    pub master_key_missing: bool,
}

/// Puts a backup into a folder that holds no data, and its files into `files`. The database appears whole and checked, or not at all.
pub(crate) async fn restore(
    project: &Project,
    wanted: Wanted,
    files: &Path,
    input: impl Read,
    on: OnStep<'_>,
) -> anyhow::Result<Restored> {
    let holder = Holder {
        pid: std::process::id(),
        command: "plinth restore".to_owned(),
        address: None,
    };
    let _lock = match lock::take(project, &holder, PATIENCE)? {
        Ok(lock) => lock,
        Err(Some(holder)) => bail!("{holder} is using {}; stop it first", project.dir.display()),
        Err(None) => bail!(
            "another process is using {}; stop it first",
            project.dir.display()
        ),
    };
    let data = project.data(wanted.stage);
    refuse_data(&data)?;
    make_private_folder(&data.path)?;
    let database = data.database();
    let unfinished = database.with_extension("restoring");
    remove_database(&unfinished)?;
    let remove = Unfinished(&unfinished);
    let unpacked = data.path.join("media.restoring");
    remove_folder(&unpacked)?;
    let manifest = archive::read(input, &unfinished, &unpacked, on);
    let manifest = manifest.inspect_err(|_| drop(remove_folder(&unpacked)))?;
    on(Step {
        doing: "checking",
        done: 0,
        total: 0,
    });
    backup::check(&unfinished).context("the backup's database does not pass its check")?;
    let sealed = keys_within(&unfinished, wanted.new_keys).await?;
    // The files first: a database that names what is not there would be worse than files that nothing names.
    media::place(&unpacked, files)?;
    std::fs::rename(&unfinished, &database)
        .with_context(|| format!("cannot name the database {}", database.display()))?;
    remove.keep();
    sync_folder_of(&database)?;
    let key_in_place =
        data.master_key().is_file() || std::env::var_os("PLINTH_MASTER_KEY").is_some();
    Ok(Restored {
        manifest,
        master_key_missing: sealed && !key_in_place,
    })
}

/// A database is never overwritten, and the log of one that is gone would be read into the new one.
fn refuse_data(data: &DataFolder) -> anyhow::Result<()> {
    let database = data.database();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = database.clone().into_os_string();
        name.push(suffix);
        let path = Path::new(&name);
        if path.exists() {
            bail!(
                "{} is there already, and a restore never overwrites data\n  \
                 move plinth.db and whatever begins with plinth.db- away first, or restore into another folder",
                path.display()
            );
        }
    }
    Ok(())
}

/// What a restore that was killed left behind.
fn remove_database(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The same of its files.
fn remove_folder(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Whether the database holds keys, after throwing them away if that is wanted.
async fn keys_within(database: &Path, forget: bool) -> anyhow::Result<bool> {
    let db = Db::open(OpenOptions {
        path: database.to_owned(),
        clock: Clock::system(),
        auto_expose: AutoExpose::None,
        durability: Durability::Synced,
    })?;
    if forget {
        keys::forget(&db).await?;
    }
    let sealed = keys::exist(&db).await?;
    db.close().await;
    Ok(sealed)
}
