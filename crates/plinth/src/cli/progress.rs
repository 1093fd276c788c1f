//! How far a backup or a restore has come: a bar on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::backup::Step;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows steps on standard error.
pub(super) struct Steps {
    bar: Option<ProgressBar>,
    doing: &'static str,
    since: Instant,
    quiet: bool,
}

impl Steps {
    pub(super) fn new(quiet: bool) -> Steps {
        let bar = (!quiet && io::stderr().is_terminal()).then(|| ProgressBar::new(0));
        Steps {
            bar,
            doing: "",
            since: Instant::now(),
            quiet,
        }
    }

    pub(super) fn show(&mut self, step: Step) {
        if self.quiet {
            return;
        }
        let begins = self.doing != step.doing;
        self.doing = step.doing;
        if let Some(bar) = &self.bar {
            if begins {
                bar.reset();
                bar.set_style(style(step.total > 0));
                bar.set_message(step.doing);
            }
            bar.set_length(step.total);
            bar.set_position(step.done);
        } else if begins || self.since.elapsed() >= LINE_EVERY {
            self.since = Instant::now();
            eprintln!("{}", line(step));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(has_end: bool) -> ProgressStyle {
    let template = if has_end {
        "{msg:<10} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}"
    } else {
        "{msg:<10} {spinner} {bytes} {elapsed_precise}"
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(step: Step) -> String {
    match (step.done, step.total) {
        (0, 0) => step.doing.to_owned(),
        (done, 0) => format!("{}: {}", step.doing, size(done)),
        (done, total) => format!(
            "{}: {} % of {}",
            step.doing,
            done.saturating_mul(100) / total,
            size(total)
        ),
    }
}

/// `1.5 MiB`.
pub(super) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_is_known() {
        let step = |done, total| Step {
            doing: "copying",
            done,
            total,
        };
        assert_eq!(line(step(0, 0)), "copying");
        assert_eq!(line(step(2048, 0)), "copying: 2.00 KiB");
        assert_eq!(line(step(1024, 4096)), "copying: 25 % of 4.00 KiB");
    }
}
