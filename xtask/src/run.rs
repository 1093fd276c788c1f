//! Steps: one line each with its time, a limit each, and a sum at the end.
//!
//! What a program prints goes to a log. Of one that succeeds, the line shows how many tests passed and what the program itself
//! marks as worth knowing.

use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths;

/// Begins the line in which a program tells what it has seen; the last of them counts.
const SUMMARY: &str = "summary: ";
/// Silence on a pipe is broken this often.
const HEARTBEAT: Duration = Duration::from_mins(1);
/// Lines of a failed step's output that are shown; the log has the rest.
const SHOWN_LINES: usize = 150;
const POLL: Duration = Duration::from_millis(50);

/// What has happened so far.
#[derive(Debug)]
pub(crate) struct Run {
    began: Instant,
    /// When the whole of it gives up. Without it, what each step may take is all there is.
    limit: Option<Duration>,
    logs: PathBuf,
    verbose: bool,
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

/// Tests that a step ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Run {
    /// Nothing yet.
    pub(crate) fn new(verbose: bool) -> Result<Run> {
        let logs = paths::cache().join("logs");
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(Run {
            began: Instant::now(),
            limit: None,
            logs,
            verbose,
            passed: 0,
            failed: 0,
            failures: Vec::new(),
        })
    }

    /// Gives the whole run up after this, so that it never hangs a machine that waits for it.
    pub(crate) fn gives_up_after(&mut self, limit: Duration) {
        self.limit = Some(limit);
    }

    /// Runs a program. If its output counts tests, these are added up; otherwise the step counts as one.
    /// True when it succeeded.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command, limit: Duration) -> bool {
        self.step(name, |run| run.program(name, command, limit))
    }

    /// Runs a program of cargo's that compiles. Where what was compiled earlier turns out to be broken, all of it is thrown away and
    /// made anew, once: a kept folder may have been cut off by whatever ended the last run.
    pub(crate) fn compiler(&mut self, name: &str, command: &mut Command, limit: Duration) -> bool {
        self.step(name, |run| {
            let (counts, remark) = run.program(name, command, limit)?;
            if counts.failed == 0 || !has_broken_artefacts(&remark) {
                return Ok((counts, remark));
            }
            run.program("clean", paths::cargo().arg("clean"), limit)?;
            let (counts, remark) = run.program(name, command, limit)?;
            Ok((counts, format!("compiled anew; {remark}")))
        })
    }

    /// Does something of ours; it gives a remark for its line.
    pub(crate) fn task(&mut self, name: &str, work: impl FnOnce() -> Result<String>) {
        self.step(name, |_| {
            work().map(|remark| {
                (
                    Counts {
                        passed: 1,
                        ..Counts::default()
                    },
                    remark,
                )
            })
        });
    }

    /// Says that something was left out, and why.
    #[expect(clippy::unused_self, reason = "a step of the run, like the others")]
    pub(crate) fn skip(&self, name: &str, why: &str) {
        say(&format!("  {name:<28} left out: {why}\n"));
    }

    /// The last words: what failed, then the sum alone on its line.
    pub(crate) fn finish(self) -> ExitCode {
        for failure in &self.failures {
            say(&format!("failed: {failure}\n"));
        }
        say(&format!("took {}\n", seconds(self.began.elapsed())));
        say(&format!("{} passed, {} failed\n", self.passed, self.failed));
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn step(&mut self, name: &str, work: impl FnOnce(&Run) -> Result<(Counts, String)>) -> bool {
        if std::io::stdout().is_terminal() || self.verbose {
            say(&format!(
                "  {name:<28} …{}",
                if self.verbose { "\n" } else { "\r" }
            ));
        }
        let began = Instant::now();
        let result = work(self);
        let took = seconds(began.elapsed());
        let (counts, line) = match result {
            Ok((counts, remark)) if counts.failed == 0 => {
                (counts, format!("ok {took:>9}  {remark}"))
            }
            Ok((counts, remark)) => (counts, format!("FAILED {took:>5}  {remark}")),
            Err(error) => (
                Counts {
                    failed: 1,
                    ..Counts::default()
                },
                format!("FAILED {took:>5}\n{error:#}"),
            ),
        };
        say(&format!("  {name:<28} {}\n", line.trim_end()));
        self.passed += counts.passed;
        self.failed += counts.failed;
        if counts.failed > 0 {
            self.failures.push(name.to_owned());
        }
        counts.failed == 0
    }

    fn program(
        &self,
        name: &str,
        command: &mut Command,
        limit: Duration,
    ) -> Result<(Counts, String)> {
        let log = self
            .logs
            .join(name.replace([' ', '/', ':'], "-"))
            .with_extension("log");
        let taken = self.began.elapsed();
        let limit = match self.limit {
            Some(whole) => limit.min(whole.saturating_sub(taken)),
            None => limit,
        };
        if limit.is_zero() {
            bail!("not begun: the whole run has taken {}", seconds(taken));
        }
        let status = self.watched(name, command, &log, limit)?;
        let output = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        let mut counts = count(&output);
        match status {
            Some(status) if status.success() => {
                let remark = remark(counts, &output);
                counts.passed += u64::from(counts == Counts::default());
                Ok((counts, remark))
            }
            ended => {
                counts.failed = counts.failed.max(1);
                let why = ended.map_or_else(
                    || format!("stopped after {}, its limit", seconds(limit)),
                    |status| format!("{status}, {} tests failed", counts.failed),
                );
                let shown = if self.verbose {
                    String::new()
                } else {
                    tail(&output)
                };
                Ok((counts, format!("{why}; see {}\n{shown}", log.display())))
            }
        }
    }

    /// Runs it as a process group of its own, output to the log; `None` when it had to be stopped.
    fn watched(
        &self,
        name: &str,
        command: &mut Command,
        log: &PathBuf,
        limit: Duration,
    ) -> Result<Option<ExitStatus>> {
        let output = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let program = command.get_program().display().to_string();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        let (began, mut beats, mut shown) = (Instant::now(), 1, 0);
        loop {
            let ended = child.try_wait()?;
            if self.verbose {
                shown += copy_from(log, shown)?;
            }
            if ended.is_some() {
                return Ok(ended);
            }
            if began.elapsed() > limit {
                let group = format!("-{}", child.id());
                drop(Command::new("kill").args(["-KILL", "--", &group]).status());
                child.wait()?;
                return Ok(None);
            }
            if began.elapsed() > HEARTBEAT * beats {
                say(&format!(
                    "  {name:<28} has run for {}\n",
                    seconds(began.elapsed())
                ));
                beats += 1;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Adds up the summaries of nextest and of the standard test harness.
fn count(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines() {
        let line = line.trim_start();
        let (parts, separator) = match (
            line.strip_prefix("test result: "),
            line.split_once(" run: "),
        ) {
            (Some(rest), _) => (rest.split_once(". ").map_or("", |(_, parts)| parts), ';'),
            (None, Some((head, parts))) if head.starts_with("Summary [") => (parts, ','),
            _ => continue,
        };
        for part in parts.split(separator) {
            let mut words = part.split_whitespace();
            let number = words
                .next()
                .and_then(|word| word.parse::<u64>().ok())
                .unwrap_or(0);
            match words.next() {
                Some("passed") => counts.passed += number,
                Some("failed" | "timed" | "exec") => counts.failed += number,
                Some("ignored") => counts.ignored += number,
                _ => {}
            }
        }
    }
    counts
}

/// What the line of a program that succeeded says: its tests, if it has any, and its own summary.
fn remark(counts: Counts, output: &str) -> String {
    let mut parts = Vec::new();
    if counts != Counts::default() {
        parts.push(format!("{} passed", counts.passed));
    }
    // What was left out is easily taken for what was tested.
    if counts.ignored > 0 {
        parts.push(format!("{} ignored", counts.ignored));
    }
    let mut lines = output.lines().rev();
    let summary = lines.find_map(|line| line.strip_prefix(SUMMARY));
    parts.extend(summary.map(str::to_owned));
    parts.join("; ")
}

/// A crate that somebody else wrote and that has been compiled cannot be found or read. Code of ours that names what is not there looks
/// different: it is not in a registry.
fn has_broken_artefacts(output: &str) -> bool {
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        let unreadable = ["E0460", "E0463", "E0514", "E0786"]
            .iter()
            .any(|code| line.contains(&format!("error[{code}]")));
        if unreadable
            && lines
                .next()
                .is_some_and(|place| place.contains("/registry/src/"))
        {
            return true;
        }
    }
    false
}

fn tail(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines[from..]
        .iter()
        .fold(String::new(), |text, line| text + "    | " + line + "\n")
}

fn copy_from(log: &PathBuf, from: u64) -> Result<u64> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut new = Vec::new();
    file.read_to_end(&mut new)?;
    std::io::stdout().write_all(&new)?;
    Ok(new.len() as u64)
}

fn seconds(time: Duration) -> String {
    if time.as_secs() >= 120 {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// A closed pipe is no reason to stop.
fn say(text: &str) {
    let mut stdout = std::io::stdout();
    drop(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_others_that_cannot_be_found_is_a_broken_artefact() {
        let others = "error[E0463]: can't find crate for `metrics`\n --> /home/.cargo/registry/src/index/m-0.1.0/src/lib.rs:5:5\n";
        assert!(has_broken_artefacts(others));
        assert!(!has_broken_artefacts(
            "error[E0463]: can't find crate for `metrics`\n --> crates/plinth/src/lib.rs:5:5\n"
        ));
        assert!(!has_broken_artefacts(
            "error: unused\n --> /registry/src/x.rs:1:1\n"
        ));
    }

    #[test]
    fn summaries_of_both_runners_are_added_up() {
        let output = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             test result: FAILED. 2 passed; 1 failed; 0 ignored\n\
             \x20    Summary [   0.5s] 10 tests run: 8 passed (1 slow), 1 failed, 1 timed out, 0 skipped\n";
        assert_eq!(
            count(output),
            Counts {
                passed: 13,
                failed: 3,
                ignored: 1
            }
        );
    }

    #[test]
    fn a_remark_is_the_tests_and_the_last_summary() {
        let told = |output: &str| remark(count(output), output);
        assert_eq!(told("nothing of note\n"), "");
        let passed = "test result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(told(passed), "2 passed");
        assert_eq!(
            told("test result: ok. 2 passed; 0 failed; 1 ignored\n"),
            "2 passed; 1 ignored"
        );
        let output = format!("summary: early\n{passed}\nsummary: 0 lost\nno summary: of ours\n");
        assert_eq!(told(&output), "2 passed; 0 lost");
    }
}
