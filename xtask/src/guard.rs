//! Instructions that a request takes, step by step, counted by callgrind: the same on a busy machine as on an idle one.
//!
//! They are noted for each processor apart. On one for which nothing is noted, those of the others are a wide bound.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{install, paths};

/// The steps, as `crates/plinth-testkit/examples/count.rs` knows and explains them.
const STEPS: [&str; 9] = [
    "parse",
    "plan",
    "render",
    "translate",
    "rows",
    "insert",
    "request: read",
    "request: list",
    "request: insert",
];
/// Rounds that are counted there.
const ROUNDS: u64 = 10;
/// Begins the file.
const HEADER: &str = "\
# Instructions of each step, in the profile that tests use, a block for each processor. Written by `cargo xtask guard --update`.
# render: the statement that `plan` makes of a list, as text for PostgreSQL; no server is asked.
# translate: a read by key on the file of data that nobody has asked for yet, from its plan to its JSON: made SQL of SQLite's, prepared, run.
# rows: the same once it was asked for: its SQL is found, run, and its row is written.
";
/// Begins a block.
const PROCESSOR: &str = "processor ";
/// How much more than noted is let pass, in percent.
const TOLERANCE: u64 = 3;
/// The same beside what other processors take. Two of them differed by one percent; a third may have quite other code in its C
/// library, and what takes a fifth more fails there all the same.
const TOLERANCE_ELSEWHERE: u64 = 10;
/// What to do about counts that are missing or no longer true.
const NOTE: &str = "note it with: cargo xtask guard --update";

/// What was counted on one processor, and with which tools: others make other code of the same source.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    tools: Vec<String>,
    instructions: BTreeMap<String, u64>,
}

/// What is noted, by processor: the C library has other code for other ones.
#[derive(Debug, Default, PartialEq, Eq)]
struct Noted(BTreeMap<String, Counts>);

/// What is noted of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// On this processor.
    Here(u64),
    /// The most on any other.
    Elsewhere(u64),
}

/// Counts and compares with what is noted; with `update`, notes it. The program must have been built.
pub(crate) fn check(update: bool) -> Result<String> {
    let file = paths::root().join("bench/instructions.txt");
    // Read first: counting takes its time.
    let noted = Noted::at(&file, update)?;
    install::valgrind()?;
    let processor = processor();
    let counted = Counts {
        tools: vec![version("rustc")?, version("valgrind")?],
        instructions: STEPS
            .iter()
            .map(|step| Ok(((*step).to_owned(), count(step)?)))
            .collect::<Result<_>>()?,
    };
    if update {
        let said = format!("noted for {processor}");
        std::fs::write(&file, noted.with(processor, counted).text())?;
        return Ok(said);
    }
    compare(&processor, &counted, &noted)
}

fn compare(processor: &str, counted: &Counts, noted: &Noted) -> Result<String> {
    if !noted.0.values().any(|known| known.tools == counted.tools) {
        let tools: BTreeSet<String> = noted.0.values().map(Counts::made_with).collect();
        let tools: Vec<String> = tools.into_iter().collect();
        return Ok(format!(
            "not compared: noted with {}, counted with {}",
            tools.join("; "),
            counted.made_with()
        ));
    }
    let mut more = String::new();
    let mut less = 0;
    let mut elsewhere = 0;
    let mut unknown = Vec::new();
    for (step, &count) in &counted.instructions {
        let (before, tolerance, place) = match noted.of(step, processor, &counted.tools) {
            Some(Known::Here(before)) => {
                less += usize::from(count < before - before * TOLERANCE / 100);
                (before, TOLERANCE, "")
            }
            Some(Known::Elsewhere(before)) => {
                elsewhere += 1;
                (before, TOLERANCE_ELSEWHERE, " on other processors")
            }
            None => {
                unknown.push(step.as_str());
                continue;
            }
        };
        if count > before + before * tolerance / 100 {
            let _ = writeln!(
                more,
                "  {step}: {count} instructions, noted{place} are {before}"
            );
        }
    }
    if !more.is_empty() {
        bail!(
            "more instructions than noted in bench/instructions.txt, on {processor}:\n{more}\
             find out why (docs/performance.md says how); if it is worth it, {NOTE}"
        );
    }
    let steps = counted.instructions.len();
    let mut remarks = vec![format!("{steps} steps")];
    if elsewhere > 0 {
        remarks.push(format!(
            "{elsewhere} of them not noted for this processor ({processor}) and these tools, so compared with \
             other processors' counts and {TOLERANCE_ELSEWHERE} % more"
        ));
    }
    if !unknown.is_empty() {
        remarks.push(format!(
            "not compared, being noted nowhere: {}",
            unknown.join(", ")
        ));
    }
    if less > 0 {
        remarks.push(format!("{less} take less than noted"));
    }
    if remarks.len() > 1 {
        remarks.push(NOTE.to_owned());
    }
    Ok(remarks.join("; "))
}

impl Counts {
    fn made_with(&self) -> String {
        self.tools.join(" and ")
    }
}

impl Noted {
    /// What a file has. That there is none, or nothing in it, is an error unless it is about to be written.
    fn at(file: &Path, update: bool) -> Result<Noted> {
        let text = match std::fs::read_to_string(file) {
            Err(error) if update && error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {}; {NOTE}", file.display()))?,
        };
        let noted = Noted::read(&text).with_context(|| file.display().to_string())?;
        if noted.0.is_empty() && !update {
            bail!("nothing stands in {}; {NOTE}", file.display());
        }
        Ok(noted)
    }

    fn read(text: &str) -> Result<Noted> {
        let mut noted = Noted::default();
        let mut block: Option<&mut Counts> = None;
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(processor) = line.strip_prefix(PROCESSOR) {
                block = Some(noted.0.entry(processor.to_owned()).or_default());
                continue;
            }
            let Some(counts) = block.as_deref_mut() else {
                bail!("`{line}` stands above every processor");
            };
            match line.split_once('\t') {
                Some((step, count)) => {
                    let count = count.trim().parse::<u64>();
                    let count = count.with_context(|| format!("`{line}` has no count"))?;
                    counts.instructions.insert(step.to_owned(), count);
                }
                None => counts.tools.push(line.to_owned()),
            }
        }
        Ok(noted)
    }

    /// The same with these counts in place of what was noted for this processor.
    fn with(mut self, processor: String, counted: Counts) -> Noted {
        self.0.insert(processor, counted);
        self
    }

    /// What is noted of a step with these tools.
    fn of(&self, step: &str, processor: &str, tools: &[String]) -> Option<Known> {
        let most = |here: bool| {
            let blocks = self.0.iter().filter(|(name, counts)| {
                (name.as_str() == processor) == here && counts.tools == tools
            });
            blocks
                .filter_map(|(_, counts)| counts.instructions.get(step).copied())
                .max()
        };
        most(true)
            .map(Known::Here)
            .or_else(|| most(false).map(Known::Elsewhere))
    }

    fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        for (processor, counts) in &self.0 {
            let _ = writeln!(text, "\n{PROCESSOR}{processor}");
            for tool in &counts.tools {
                let _ = writeln!(text, "{tool}");
            }
            for (step, count) in &counts.instructions {
                let _ = writeln!(text, "{step}\t{count}");
            }
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

    fn counts(tools: &str, instructions: &[(&str, u64)]) -> Counts {
        Counts {
            tools: vec![tools.to_owned()],
            instructions: instructions
                .iter()
                .map(|(step, count)| ((*step).to_owned(), *count))
                .collect(),
        }
    }

    fn read(count: u64) -> Counts {
        counts("rustc 1", &[("read", count)])
    }

    /// On processor `a`, a read takes 1000 instructions; on `b`, 1200.
    fn noted() -> Noted {
        let noted = Noted::default().with("a".to_owned(), read(1000));
        noted.with("b".to_owned(), read(1200))
    }

    fn refusal(result: Result<String>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn the_file_is_as_it_is_written() {
        let file = paths::root().join("bench/instructions.txt");
        let noted = Noted::at(&file, false).unwrap();
        assert_eq!(noted.text(), std::fs::read_to_string(&file).unwrap());
        assert!(noted.0.values().all(|counts| !counts.tools.is_empty()));
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(Noted::read(&noted().text()).unwrap(), noted());
    }

    #[test]
    fn an_update_replaces_the_block_of_its_processor_and_no_other() {
        let new = counts("rustc 2", &[("read", 700), ("render", 7)]);
        let noted = Noted::read(&noted().with("b".to_owned(), new).text()).unwrap();
        assert_eq!(
            noted.0,
            BTreeMap::from([
                ("a".to_owned(), read(1000)),
                (
                    "b".to_owned(),
                    counts("rustc 2", &[("read", 700), ("render", 7)])
                ),
            ])
        );
    }

    #[test]
    fn a_missing_file_is_an_error_unless_it_is_about_to_be_written() {
        let missing = paths::root().join("bench/there is no such file");
        assert!(Noted::at(&missing, false).is_err());
        assert_eq!(Noted::at(&missing, true).unwrap(), Noted::default());
        // What cannot be read would be lost.
        assert!(Noted::at(&paths::root(), true).is_err());
    }

    #[test]
    fn a_file_without_counts_is_as_good_as_none() {
        let file = std::env::temp_dir().join(format!("plinth-guard-{}", std::process::id()));
        std::fs::write(&file, HEADER).unwrap();
        let (compared, replaced) = (Noted::at(&file, false), Noted::at(&file, true));
        std::fs::remove_file(&file).unwrap();
        assert!(compared.is_err());
        assert_eq!(replaced.unwrap(), Noted::default());
    }

    #[test]
    fn what_is_no_block_is_an_error() {
        assert!(Noted::read("rustc 1\nprocessor a\nread\t7\n").is_err());
        assert!(Noted::read("processor a\nrustc 1\nread\tmany\n").is_err());
    }

    #[test]
    fn more_than_noted_is_an_error_unless_the_tools_differ() {
        assert_eq!(compare("a", &read(1030), &noted()).unwrap(), "1 steps");
        // What others take does not count where there is a count of this processor's own.
        let refused = refusal(compare("a", &read(1031), &noted()));
        assert!(refused.contains("read: 1031 instructions, noted are 1000"));
        let other_tools = counts("rustc 2", &[("read", 9000)]);
        let said = compare("a", &other_tools, &noted()).unwrap();
        assert_eq!(
            said,
            "not compared: noted with rustc 1, counted with rustc 2"
        );
        let said = compare("a", &read(500), &noted()).unwrap();
        assert!(said.contains("1 take less than noted"));
    }

    #[test]
    fn on_a_processor_without_counts_what_takes_far_more_fails() {
        // The bound is the most of any other processor, and a tenth.
        let said = compare("c", &read(1320), &noted()).unwrap();
        assert!(said.contains("1 of them not noted for this processor (c)"));
        let refused = refusal(compare("c", &read(1321), &noted()));
        assert!(refused.contains("noted on other processors are 1200"));
    }

    #[test]
    fn counts_of_this_processor_with_other_tools_give_way_to_those_of_others() {
        let noted = noted().with("a".to_owned(), counts("rustc 0", &[("read", 10)]));
        let said = compare("a", &read(1320), &noted).unwrap();
        assert!(said.contains("1 of them not noted for this processor (a) and these tools"));
        assert!(compare("a", &read(1321), &noted).is_err());
    }

    #[test]
    fn a_new_step_is_told_and_bound_as_soon_as_it_is_noted_anywhere() {
        let new = |count| counts("rustc 1", &[("read", 1000), ("render", count)]);
        let said = compare("a", &new(9000), &noted()).unwrap();
        assert!(said.contains("not compared, being noted nowhere: render"));
        // It does not hide what else takes more.
        let more = counts("rustc 1", &[("read", 2000), ("render", 1)]);
        assert!(compare("a", &more, &noted()).is_err());
        let elsewhere = noted().with("b".to_owned(), new(100));
        let said = compare("a", &new(110), &elsewhere).unwrap();
        assert!(said.contains("1 of them not noted for this processor (a)"));
        assert!(compare("a", &new(111), &elsewhere).is_err());
    }
}
