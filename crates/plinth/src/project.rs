//! An application's directory, and what we keep in it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Whether known keys are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// `plinth dev`: known keys, loopback only, `data/dev/`.
    Dev,
    /// `plinth serve`: keys of its own, `data/`.
    Serve,
}

/// An application's directory.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// As it was named on the command line, for messages.
    pub dir: PathBuf,
}

/// The folder of one stage's data.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder {
    /// `data/` or `data/dev/`.
    pub path: PathBuf,
}

impl Project {
    /// A directory that exists. Every file in it is optional.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Project> {
        if !dir.exists() {
            bail!(
                "there is no folder {}\n  make a new application with: plinth init {}",
                dir.display(),
                dir.display()
            );
        }
        if !dir.is_dir() {
            bail!(
                "{} is a file; name the folder of an application",
                dir.display()
            );
        }
        Ok(Project {
            dir: dir.to_owned(),
        })
    }

    /// The application's name: its folder's.
    pub(crate) fn name(&self) -> String {
        let full = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        full.file_name().map_or_else(
            || "application".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// `data/`: what both stages share, which is the lock.
    pub(crate) fn data_root(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Where a stage keeps its data.
    pub(crate) fn data(&self, stage: Stage) -> DataFolder {
        let root = self.data_root();
        DataFolder {
            path: if stage == Stage::Dev {
                root.join("dev")
            } else {
                root
            },
        }
    }
}

impl DataFolder {
    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("plinth.db")
    }

    /// The file of the master key.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    /// Where backups go unless a file is named.
    pub(crate) fn backups(&self) -> PathBuf {
        self.path.join("backups")
    }

    /// Where files are unless the settings say otherwise.
    pub(crate) fn media(&self) -> PathBuf {
        self.path.join("media")
    }

    /// Pictures that were made of files; all of them can be made again.
    pub(crate) fn pictures(&self) -> PathBuf {
        self.path.join("pictures")
    }

    /// Uploads that the check refused.
    pub(crate) fn quarantine(&self) -> PathBuf {
        self.path.join("quarantine")
    }

    /// The socket through which commands reach a running server.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// What was typed at the SQL prompt.
    pub(crate) fn history(&self) -> PathBuf {
        self.path.join("sql_history")
    }
}

/// Makes a folder that only its owner may enter; one that exists is closed to others.
pub(crate) fn make_private_folder(path: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.and_then(|()| close_to_others(path, 0o700))
        .with_context(|| format!("cannot make {}", path.display()))
}

/// Sets a mode unless it is set already, so that a folder of another owner with the right mode will do.
pub(crate) fn close_to_others(path: &Path, mode: u32) -> io::Result<()> {
    let permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o777 == mode {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_private_and_dev_lives_apart() {
        let root = std::env::temp_dir().join(format!("plinth-project-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let project = Project::open(&root).unwrap();
        let dev = project.data(Stage::Dev);
        assert_eq!(dev.path, root.join("data/dev"));
        make_private_folder(&dev.path).unwrap();
        for folder in [project.data_root(), dev.path] {
            assert_eq!(
                fs::metadata(folder).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_missing_folder_names_the_next_step() {
        let error = Project::open(Path::new("/nowhere/at/all"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("plinth init /nowhere/at/all"), "{error}");
    }
}
