//! One process at a time owns a directory's data.
//!
//! The database keeps its schema in memory, so two processes on one file would not see each other's changes. The lock
//! is the operating system's: it ends with the process, however that ends.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::project::{Project, make_private_folder};

/// How often a command looks whether another command has ended.
const POLL: Duration = Duration::from_millis(50);

/// The lock; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Who has the lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Its process.
    pub pid: u32,
    /// `plinth dev`, `plinth serve`, `plinth sql`, …
    pub command: String,
    /// Where it listens, when it is a server.
    pub address: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.command, self.pid)?;
        match &self.address {
            Some(address) => write!(f, " listening on {address}"),
            None => Ok(()),
        }
    }
}

/// Takes the lock, waiting up to `patience` for another holder. `Ok(Err(_))` says who has it.
pub(crate) fn take(
    project: &Project,
    holder: &Holder,
    patience: Duration,
) -> anyhow::Result<Result<Lock, Option<Holder>>> {
    let root = project.data_root();
    make_private_folder(&root)?;
    let path = root.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if started.elapsed() < patience => thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let known = file
                    .read_to_string(&mut text)
                    .ok()
                    .and_then(|_| serde_json::from_str(&text).ok());
                return Ok(Err(known));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
    let mut lock = Lock { file };
    lock.describe(holder)?;
    Ok(Ok(lock))
}

impl Lock {
    /// Tells others who has the lock.
    pub(crate) fn describe(&mut self, holder: &Holder) -> anyhow::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file
            .write_all(serde_json::to_string(holder)?.as_bytes())?;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever reads the file finds no stale holder; the lock itself goes with the handle.
        let _best_effort = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let root = std::env::temp_dir().join(format!("plinth-lock-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let project = Project::open(&root).unwrap();
        let holder = Holder {
            pid: 42,
            command: "plinth serve".into(),
            address: Some("http://127.0.0.1:54321".into()),
        };
        let first = take(&project, &holder, Duration::ZERO).unwrap().unwrap();
        let refused = take(&project, &holder, Duration::ZERO)
            .unwrap()
            .unwrap_err()
            .unwrap();
        assert_eq!(
            refused.to_string(),
            "plinth serve (process 42) listening on http://127.0.0.1:54321"
        );
        drop(first);
        assert!(take(&project, &holder, Duration::ZERO).unwrap().is_ok());
        std::fs::remove_dir_all(&root).unwrap();
    }
}
