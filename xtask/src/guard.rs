//! Instructions that a request takes, step by step, counted by callgrind: the same on a busy machine as on an idle one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{install, paths};

/// The steps, as `crates/plinth-testkit/examples/count.rs` knows them.
const STEPS: [&str; 8] = [
    "parse",
    "plan",
    "translate",
    "rows",
    "insert",
    "request: read",
    "request: list",
    "request: insert",
];
/// Rounds that are counted there.
const ROUNDS: u64 = 10;
/// Begins the line that names it.
const PROCESSOR: &str = "processor ";
/// How much more than noted is let pass, in percent.
const TOLERANCE: u64 = 3;

/// What was counted, and with which tools: others make other code of the same source.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    tools: Vec<String>,
    /// The C library has other code for other processors.
    processor: String,
    instructions: BTreeMap<String, u64>,
}

/// Counts and compares with what is noted; with `update`, notes it. The program must have been built.
pub(crate) fn check(update: bool) -> Result<String> {
    install::valgrind()?;
    let counted = Counts {
        tools: vec![version("rustc")?, version("valgrind")?],
        processor: processor(),
        instructions: STEPS
            .iter()
            .map(|step| Ok(((*step).to_owned(), count(step)?)))
            .collect::<Result<_>>()?,
    };
    let file = paths::root().join("bench/instructions.txt");
    if update {
        std::fs::write(&file, counted.text())?;
        return Ok("noted".to_owned());
    }
    let noted = Counts::read(&std::fs::read_to_string(&file).unwrap_or_default());
    compare(&counted, &noted)
}

fn compare(counted: &Counts, noted: &Counts) -> Result<String> {
    if counted.tools != noted.tools {
        return Ok(format!(
            "not compared: noted with {}, counted with {}",
            noted.tools.join(" and "),
            counted.tools.join(" and ")
        ));
    }
    let mut more = String::new();
    let mut less = 0;
    for (step, count) in &counted.instructions {
        let Some(before) = noted.instructions.get(step) else {
            bail!("{step} is not noted; note it with: cargo xtask guard --update");
        };
        if *count > before + before * TOLERANCE / 100 {
            let _ = writeln!(more, "  {step}: {count} instructions, noted are {before}");
        }
        less += usize::from(*count < before - before * TOLERANCE / 100);
    }
    if !more.is_empty() && counted.processor != noted.processor {
        return Ok(format!(
            "more than noted, but on another processor ({}, noted on {}):\n{more}",
            counted.processor, noted.processor
        ));
    }
    if !more.is_empty() {
        bail!(
            "more instructions than noted in bench/instructions.txt:\n{more}\
             find out why (docs/performance.md says how); if it is worth it, note it with: cargo xtask guard --update"
        );
    }
    Ok(match less {
        0 => format!("{} steps", counted.instructions.len()),
        _ => format!("{less} steps take less than noted: cargo xtask guard --update"),
    })
}

impl Counts {
    fn read(text: &str) -> Counts {
        let mut counts = Counts {
            tools: Vec::new(),
            processor: String::new(),
            instructions: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once('\t') {
                Some((step, count)) => {
                    let count = count.trim().parse().unwrap_or_default();
                    counts.instructions.insert(step.to_owned(), count);
                }
                None => match line.strip_prefix(PROCESSOR) {
                    Some(processor) => processor.clone_into(&mut counts.processor),
                    None => counts.tools.push(line.to_owned()),
                },
            }
        }
        counts
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Instructions of each step, in the profile that tests use. Written by `cargo xtask guard --update`.\n",
        );
        for tool in &self.tools {
            let _ = writeln!(text, "{tool}");
        }
        let _ = writeln!(text, "{PROCESSOR}{}", self.processor);
        for (step, count) in &self.instructions {
            let _ = writeln!(text, "{step}\t{count}");
        }
        text
    }
}

/// Instructions of one round of a step: the lesser of two counts, since where memory lies makes a difference of one percent.
fn count(step: &str) -> Result<u64> {
    Ok(count_once(step)?.min(count_once(step)?))
}

fn count_once(step: &str) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*measured*"])
        .arg(program())
        .arg(step)
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{step}: {}", said.trim());
    }
    let collected = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<u64>().ok())
        .with_context(|| format!("{step}: callgrind tells no count"))?;
    if collected == 0 {
        bail!("{step}: nothing was counted");
    }
    Ok(collected / ROUNDS)
}

fn program() -> PathBuf {
    paths::target().join(Path::new("debug/examples/count"))
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(':'));
    name.map_or("unknown", |(_, name)| name.trim()).to_owned()
}

/// The first line of what a tool says of itself.
fn version(tool: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg("--version")
        .output()
        .with_context(|| format!("cannot run {tool}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tools: &str, read: u64) -> Counts {
        Counts {
            tools: vec![tools.to_owned()],
            processor: "a".to_owned(),
            instructions: BTreeMap::from([("read".to_owned(), read)]),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let counts = counts("rustc 1", 7);
        assert_eq!(Counts::read(&counts.text()), counts);
    }

    #[test]
    fn more_than_noted_is_an_error_unless_the_tools_differ() {
        let noted = counts("rustc 1", 1000);
        assert!(compare(&counts("rustc 1", 1030), &noted).is_ok());
        assert!(compare(&counts("rustc 1", 1031), &noted).is_err());
        assert!(compare(&counts("rustc 2", 9000), &noted).is_ok());
        let elsewhere = Counts {
            processor: "b".to_owned(),
            ..counts("rustc 1", 9000)
        };
        assert!(compare(&elsewhere, &noted).is_ok());
        assert!(
            compare(&counts("rustc 1", 500), &noted)
                .unwrap()
                .contains("less")
        );
    }
}
