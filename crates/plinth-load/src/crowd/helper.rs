//! This program in other processes, for connections that must share neither the generator's thread nor its files and ports. A helper says
//! when it is ready, answers each line that it is sent with one line, and ends with whoever started it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

const READY: &str = "ready";

/// It runs until this is dropped.
pub(super) struct Helper {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts it as this subcommand.
    pub(super) fn start(args: &[&str]) -> Result<Helper> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Helper { child, said })
    }

    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let line = self.line()?;
        ensure!(line == READY, "a helper said {line:?}");
        Ok(())
    }

    /// What it has to say by now.
    pub(super) fn ask(&mut self) -> Result<String> {
        let input = self.child.stdin.as_mut().context("no input")?;
        input.write_all(b"\n")?;
        input.flush()?;
        self.line()
    }

    /// The process.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// In the helper: it has done what it had to do first.
pub(super) fn say_ready() -> Result<()> {
    say(READY)
}

/// In the helper: answers every question, until whoever started it is gone.
pub(super) fn answer(mut with: impl FnMut() -> String) -> Result<()> {
    for question in std::io::stdin().lines() {
        question?;
        say(&with())?;
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
