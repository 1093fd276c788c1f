//! Standard output. A reader that went away (`plinth … | head`) is no error.

use std::io::{self, Write};

use anyhow::Context;

/// Writes text as it is.
pub(super) fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.context("cannot write to standard output"),
    }
}

/// Writes a line.
pub(super) fn line(text: &str) -> anyhow::Result<()> {
    write(&format!("{text}\n"))
}
