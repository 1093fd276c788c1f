//! A server as a process of its own, on a folder that a test has made.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::process::plinth;

/// Longest wait for a server that starts.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// `plinth dev` or `plinth serve` on a free port of loopback. Killed with its owner.
#[derive(Debug)]
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    child: Owned,
    log: PathBuf,
}

/// A server that has been started and may not serve yet. Killed with its owner.
#[derive(Debug)]
pub struct Starting {
    command: String,
    child: Owned,
    /// The line that it prints when it serves.
    line: mpsc::Receiver<String>,
    log: PathBuf,
}

/// Killed when dropped.
#[derive(Debug)]
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Process {
    /// Starts `plinth COMMAND` on the folder and waits until it serves.
    ///
    /// # Panics
    /// When it does not become ready; with what it said.
    pub fn start(command: &str, folder: &Path) -> Process {
        Process::start_with(command, folder, &[], &[])
    }

    /// The same, with more arguments and with variables in its environment.
    ///
    /// # Panics
    /// When it does not become ready; with what it said.
    pub fn start_with(
        command: &str,
        folder: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Process {
        Starting::new(command, folder, args, environment).ready()
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// `kill -9`: it gets no chance to finish anything.
    pub fn kill(self) {
        drop(self);
    }
}

impl Starting {
    /// Starts `plinth COMMAND` on the folder and does not wait for it.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn new(
        command: &str,
        folder: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Starting {
        let log = folder.join("server.log");
        let mut child = plinth()
            .args([command, "--listen", "127.0.0.1:0", "--json"])
            .args(args)
            .arg(folder)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let (tell, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            drop(lines.read_line(&mut line));
            drop(tell.send(line));
        });
        Starting {
            command: command.to_owned(),
            child: Owned(child),
            line,
            log,
        }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        text(&self.log)
    }

    /// Waits until it serves.
    ///
    /// # Panics
    /// When it does not become ready; with what it said.
    pub fn ready(self) -> Process {
        let line = self.line.recv_timeout(READY_LIMIT).unwrap_or_default();
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = ready["api_url"]
            .as_str()
            .and_then(|url| url.strip_prefix("http://")?.parse().ok());
        let Some(address) = address else {
            panic!(
                "plinth {} did not become ready: {line}\n{}",
                self.command,
                text(&self.log)
            );
        };
        Process {
            address,
            child: self.child,
            log: self.log,
        }
    }
}

/// Writes `migrations/NAME` in an application's folder.
///
/// # Panics
/// When the folder cannot be written.
pub fn write_migration(folder: &Path, name: &str, sql: impl AsRef<[u8]>) {
    let migrations = folder.join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join(name), sql).unwrap();
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
