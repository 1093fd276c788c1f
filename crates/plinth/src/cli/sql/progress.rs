//! How far a long script has come: a bar on a terminal, nothing elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use super::diagnostics::Source;

/// Shorter scripts are over before a bar could be read.
const LONG_SCRIPT_BYTES: usize = 128 * 1024;

/// A bar, or nothing.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start(source: &Source, sql: &str) -> Progress {
        let wanted = matches!(source, Source::File(_))
            && sql.len() >= LONG_SCRIPT_BYTES
            && io::stderr().is_terminal();
        if !wanted {
            return Progress::none();
        }
        let bar = ProgressBar::new(sql.len() as u64);
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {percent:>3} % {elapsed_precise}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(source.to_string());
        Progress(Some(bar))
    }

    pub(super) fn none() -> Progress {
        Progress(None)
    }

    /// So many bytes of the script have run.
    pub(super) fn reach(&self, offset: usize) {
        if let Some(bar) = &self.0 {
            bar.set_position(offset as u64);
        }
    }

    /// Prints without the bar in the way.
    pub(super) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
