//! `plinth backup`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use plinth_storage::StoreConfig;
use serde_json::json;

use super::progress::{Steps, size};
use super::{Data, Directory, Shared, application, output};
use crate::backup::{create, default_name};
use crate::control::running_on;
use crate::project::{Project, Stage, make_private_folder};

/// Save an application's data in one file, while it runs
#[derive(Debug, Args)]
#[command(
    after_help = "The file is whole and checked, or it is not there. Writes go on meanwhile; the backup is of one moment.
Uploaded files are in it, unless they are in an S3 store.
The master key is not in it: keep DIR/data/master.key (or PLINTH_MASTER_KEY) in another place.

Examples:
  plinth backup shop                       into shop/data/backups/
  plinth backup shop /mnt/backups          into that folder, with the time in its name
  plinth backup shop - | age -r KEY > F    to standard output, for another program"
)]
pub(super) struct Backup {
    #[command(flatten)]
    directory: Directory,
    /// The file to make, a folder to make it in, or - for standard output
    file: Option<PathBuf>,
    /// The data of `plinth dev` (data/dev/)
    #[arg(long)]
    dev: bool,
}

pub(super) fn run(args: &Backup, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    super::refuse_server(&config)?;
    let stage = Data { dev: args.dev }.stage();
    // It may have been told of the server by a flag or a variable that this command has not got.
    let running = super::runtime()?.block_on(running_on(&project, stage))?;
    if let Some(server) = running {
        anyhow::bail!(
            "the server that runs on {} keeps its data on {server}: back it up with pg_dump or pg_basebackup",
            project.dir.display()
        );
    }
    let file = target(&project, stage, args.file.clone())?;
    let mut steps = Steps::new(shared.json);
    let store = config.storage.store(&project.data(stage));
    let media = match &store {
        StoreConfig::Folder(folder) => Some(folder.as_path()),
        StoreConfig::S3(_) => None,
    };
    let made = create(&project, stage, media, file.as_deref(), &mut |step| {
        steps.show(step);
    });
    steps.finish();
    let made = made?;
    let Some(file) = &made.file else {
        return Ok(ExitCode::SUCCESS);
    };
    if shared.json {
        let report = json!({ "file": file, "bytes": made.bytes, "manifest": made.manifest });
        output::line(&report.to_string())?;
    } else {
        output::line(&format!("{} ({})", file.display(), size(made.bytes)))?;
        if media.is_none() {
            eprintln!("files are in an S3 store, which has to be backed up there");
        }
        if stage == Stage::Serve {
            eprintln!(
                "the master key is not in it: keep {} in another place",
                project.data(stage).master_key().display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The file that is meant; none is standard output.
fn target(
    project: &Project,
    stage: Stage,
    named: Option<PathBuf>,
) -> anyhow::Result<Option<PathBuf>> {
    let name = default_name(project);
    Ok(match named {
        None => {
            let folder = project.data(stage).backups();
            make_private_folder(&folder)?;
            Some(folder.join(name))
        }
        Some(file) if file.as_os_str() == "-" => None,
        Some(folder) if folder.is_dir() => Some(folder.join(name)),
        Some(file) => Some(file),
    })
}
