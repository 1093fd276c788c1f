//! `plinth restore`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use plinth_storage::StoreConfig;
use serde_json::json;

use super::progress::Steps;
use super::{Data, Shared, application, output, runtime};
use crate::backup::{self, Wanted};

/// Put a backup into a folder that holds no data
#[derive(Debug, Args)]
#[command(
    after_help = "DIR is made when it is not there. Data that are there already are never overwritten: move DIR/data/plinth.db* away first.
Checksums, pages and indexes are checked before the database takes its place.

Examples:
  plinth restore shop shop-20261124T093000Z.tar.zst
  age -d -i KEY F | plinth restore shop -
  plinth restore shop FILE --new-keys      the master key is lost: all tokens and API keys become invalid"
)]
pub(super) struct Restore {
    /// The application's folder
    dir: PathBuf,
    /// The backup, or - for standard input
    file: PathBuf,
    /// Throw away the keys in the backup; the next start makes new ones
    #[arg(long)]
    new_keys: bool,
    /// Into the data of `plinth dev` (data/dev/)
    #[arg(long)]
    dev: bool,
}

pub(super) fn run(args: &Restore, shared: &Shared) -> anyhow::Result<ExitCode> {
    // The backup first: a wrong name should not leave an empty folder behind.
    let input: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file)
            .with_context(|| format!("cannot read {}", args.file.display()))?;
        Box::new(file)
    };
    std::fs::create_dir_all(&args.dir)
        .with_context(|| format!("cannot make {}", args.dir.display()))?;
    let (project, config) = application(&args.dir, shared)?;
    super::refuse_server(&config)?;
    let wanted = Wanted {
        stage: Data { dev: args.dev }.stage(),
        new_keys: args.new_keys,
    };
    let mut steps = Steps::new(shared.json);
    let mut show = |step| steps.show(step);
    let data = project.data(wanted.stage);
    // Files of a backup come from a folder; with an S3 store in its place there are none.
    let files = match config.storage.store(&data) {
        StoreConfig::Folder(folder) => folder,
        StoreConfig::S3(_) => data.media(),
    };
    let restoring = backup::restore(&project, wanted, &files, input, &mut show);
    let restored = runtime()?.block_on(restoring);
    steps.finish();
    let restored = restored?;
    let database = project.data(wanted.stage).database();
    if shared.json {
        let report = json!({ "database": database, "manifest": restored.manifest,
            "master_key_missing": restored.master_key_missing });
        output::line(&report.to_string())?;
    } else {
        output::line(&format!(
            "{} is as it was at {}",
            database.display(),
            restored.manifest.taken_at
        ))?;
        if restored.master_key_missing {
            eprintln!(
                "its keys are sealed: put the master key into {} (or set PLINTH_MASTER_KEY) before you start it",
                project.data(wanted.stage).master_key().display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
