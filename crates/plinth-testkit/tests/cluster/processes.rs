//! Processes that are killed, frozen and stopped together with all that came of them.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait::until;

/// Longest wait for processes that were told to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A process and all that it started. Stopped when dropped.
///
/// They are found by where they work: in a folder that was made for them, and where nobody else is. Parentage would not
/// do, because PostgreSQL leaves Patroni, and process groups would not, because each of its processes has its own.
pub(crate) struct Family {
    first: Child,
    home: PathBuf,
}

impl Family {
    /// Starts the command in its folder, which must be named without symbolic links.
    pub(crate) fn start(command: &mut Command, home: &Path) -> Result<Family> {
        let first = command
            .current_dir(home)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(Family {
            first,
            home: home.to_owned(),
        })
    }

    /// What the first process prints, when that was piped.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.first.stdout.take()
    }

    /// `kill -9`, for all of them at once.
    pub(crate) fn kill(self) -> Result<()> {
        until("the end of killed processes", END_LIMIT, || {
            let members = self.members();
            if members.is_empty() {
                return Some(Ok(()));
            }
            send("KILL", &members).err().map(Err)
        })?
    }

    /// Stops all of them, as on a machine that hangs: no connection breaks, and none is answered.
    pub(crate) fn freeze(&self) -> Result<()> {
        let mut frozen = HashSet::new();
        // One that is not frozen yet may start another one while we look.
        loop {
            let mut members = self.members();
            members.retain(|member| frozen.insert(*member));
            if members.is_empty() {
                return Ok(());
            }
            send("STOP", &members)?;
        }
    }

    /// Lets frozen ones go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        send("CONT", &self.members())
    }

    /// All that live. Those that have ended, but were not waited for, work nowhere.
    fn members(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|id| {
                fs::read_link(format!("/proc/{id}/cwd"))
                    .is_ok_and(|folder| folder.starts_with(&self.home))
            })
            .collect()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // Patroni first, which would start the others again.
        drop(self.first.kill());
        drop(self.first.wait());
        // At SIGQUIT a server does not wait for anybody, but gives its shared memory back.
        drop(send("QUIT", &self.members()));
        drop(self.thaw());
        let ended = until("their end", END_LIMIT, || {
            self.members().is_empty().then_some(())
        });
        if ended.is_err() {
            drop(send("KILL", &self.members()));
        }
    }
}

/// The command, ended by this signal when the thread that started it ends, so that a killed test run leaves nothing
/// behind.
pub(crate) fn tied(program: &Command, signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal, "--"]);
    follow(&mut command, program);
    command
}

/// A program as a user who may run PostgreSQL, and without settings from outside. It ends like a [`tied`] one.
pub(crate) fn unprivileged(program: &Path) -> Result<Command> {
    let command = plinth_private_postgres::unprivileged(program)?;
    Ok(without_settings(command))
}

/// The command without variables that these programs would read.
pub(crate) fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["PG", "PATRONI_", "ETCD"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
}

/// The file `log` of a folder, to write behind what is there.
pub(crate) fn log_in(home: &Path) -> Result<File> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.join("log"))?;
    Ok(log)
}

/// Has `command` run the program, with its arguments and its variables.
fn follow(command: &mut Command, program: &Command) {
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

fn send(signal: &str, to: &[u32]) -> Result<()> {
    if to.is_empty() {
        return Ok(());
    }
    // Some may have ended by themselves; the others hear it all the same.
    Command::new("kill")
        .arg(format!("-{signal}"))
        .args(to.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status()
        .context("cannot run kill")?;
    Ok(())
}

/// A program on the search path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
