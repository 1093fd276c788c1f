//! A `psql` that stays: to start one takes longer than what it is asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Stands before what comes after each statement: whether it failed, and how.
const END: &str = "~~~ end";

/// It ends with its owner.
#[derive(Debug)]
pub(super) struct Console {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Console {
    /// Starts it; the command says where it connects to.
    pub(super) fn start(mut command: Command) -> Result<Console> {
        let mut process = command
            .args(["-A", "-t"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = process.stdout.take().context("psql has no output")?;
        Ok(Console {
            input: process.stdin.take(),
            output: BufReader::new(output),
            process,
        })
    }

    /// Runs one statement and gives what it prints, unaligned and without headers.
    pub(super) fn run(&mut self, sql: &str) -> Result<String> {
        let input = self.input.as_mut().context("psql has no input")?;
        writeln!(input, "{sql}\n;\n\\echo {END} :ERROR :LAST_ERROR_MESSAGE")?;
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                bail!("psql ended in the middle of `{sql}`");
            }
            let Some(end) = line.strip_prefix(END) else {
                printed.push_str(&line);
                continue;
            };
            return match end.trim().strip_prefix("true") {
                Some(message) => bail!("{}", message.trim()),
                None => Ok(printed),
            };
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // At the end of its input it goes by itself.
        self.input = None;
        let _gone = self.process.wait();
    }
}
