//! Making a backup.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use plinth_db::{Clock, backup};

use super::archive::{self, Manifest};
use super::{OnStep, Step, Unfinished, sync_folder_of};
use crate::project::{Project, Stage, make_private_folder};

/// A backup that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The file; none when it went to standard output.
    pub file: Option<PathBuf>,
    /// Its length.
    pub bytes: u64,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// Makes a backup of a stage's data and of the files in `media` in `file`, or on standard output. Whoever has the database goes
/// on meanwhile. The file appears whole or not at all.
pub(crate) fn create(
    project: &Project,
    stage: Stage,
    media: Option<&Path>,
    file: Option<&Path>,
    on: OnStep<'_>,
) -> anyhow::Result<Made> {
    let data = project.data(stage);
    if !data.database().is_file() {
        bail!(
            "{} holds no data yet: {} is not there",
            project.dir.display(),
            data.database().display()
        );
    }
    if let Some(file) = file.filter(|file| file.exists()) {
        bail!("{} exists already; name another file", file.display());
    }
    // The copy lies where there is room for the backup itself.
    let near = match file {
        Some(file) => file.to_owned(),
        None => {
            make_private_folder(&data.backups())?;
            data.backups().join("output")
        }
    };
    remove_leftovers(&near);
    let copy = beside(&near, "copy");
    archive::create_private(&copy)?;
    let _copy = Unfinished(&copy);
    // From before the copy until all is packed.
    let _held = match media {
        Some(folder) if folder.is_dir() => Some(
            plinth_storage::hold(folder)
                .with_context(|| format!("cannot hold {}", folder.display()))?,
        ),
        _ => None,
    };
    let taken_at = now();
    backup::copy(&data.database(), &copy, |progress| {
        on(Step {
            doing: "copying",
            done: progress.done,
            total: progress.total,
        });
    })
    .with_context(|| format!("cannot copy {}", data.database().display()))?;
    on(Step {
        doing: "checking",
        done: 0,
        total: 0,
    });
    backup::check(&copy)
        .context("the database does not pass its check, so this would be no good backup")?;
    let Some(file) = file else {
        let mut out = Counted::new(io::stdout().lock());
        let manifest = archive::write(&copy, media, stage, taken_at, &mut out, on)?;
        return Ok(Made {
            file: None,
            bytes: out.bytes,
            manifest,
        });
    };
    let partial = beside(file, "partial");
    let mut out = Counted::new(BufWriter::new(archive::create_private(&partial)?));
    let unfinished = Unfinished(&partial);
    let manifest = archive::write(&copy, media, stage, taken_at, &mut out, on)
        .with_context(|| format!("cannot write {}", file.display()))?;
    let bytes = out.bytes;
    out.inner.into_inner()?.sync_all()?;
    std::fs::rename(&partial, file)
        .with_context(|| format!("cannot name the backup {}", file.display()))?;
    unfinished.keep();
    sync_folder_of(file)?;
    Ok(Made {
        file: Some(file.to_owned()),
        bytes,
        manifest,
    })
}

/// A backup in the data folder, before this version of plinth changes what an earlier one wrote.
pub(crate) fn before_upgrade(project: &Project, stage: Stage) -> anyhow::Result<PathBuf> {
    let folder = project.data(stage).backups();
    make_private_folder(&folder)?;
    let file = folder.join(format!("before-upgrade-{}", default_name(project)));
    // Files are as they were whatever becomes of the database.
    let made = create(project, stage, None, Some(&file), &mut |_| {})
        .context("cannot back the data up before upgrading it, so nothing was changed")?;
    Ok(made.file.unwrap_or(file))
}

/// `shop-20261124T093000Z.tar.zst`.
pub(crate) fn default_name(project: &Project) -> String {
    let compact: String = now().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{}-{compact}.tar.zst", project.name())
}

/// Now, to the second, in UTC: `2026-11-24T09:30:00Z`.
fn now() -> String {
    let now = Clock::system().now().to_string();
    match now.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => now,
    }
}

/// A file of this process beside another: `NAME.copy-PID`.
fn beside(file: &Path, what: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{what}-{}", std::process::id()));
    file.with_file_name(name)
}

/// Removes what backups that were killed left in the folder of this one; it can be as large as the database.
fn remove_leftovers(file: &Path) {
    let folder = file.parent().unwrap_or(Path::new("."));
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of_process = [".copy-", ".partial-"]
            .iter()
            .find_map(|what| name.rsplit_once(what)?.1.parse::<u32>().ok());
        if of_process.is_some_and(|process| !runs(process)) {
            let _best_effort = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a process is there; where nobody can say, it is.
fn runs(process: u32) -> bool {
    let all = Path::new("/proc");
    !all.join("self").exists() || all.join(process.to_string()).exists()
}

/// A writer that counts.
struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W> Counted<W> {
    fn new(inner: W) -> Counted<W> {
        Counted { inner, bytes: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
