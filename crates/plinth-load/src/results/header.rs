//! What the report begins with: when, of what, and where it was measured.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::machine;
use crate::servers::Places;

/// The circumstances of one run of the benchmark.
pub(crate) struct Header {
    /// In UTC.
    date: String,
    /// Programs with their versions; Plinth's has the commit that it was built from.
    programs: Vec<String>,
    machine: String,
}

impl Header {
    /// As it is now. A program that is not there or says nothing of itself is left out.
    pub(crate) fn now(places: &Places) -> Header {
        let programs = [
            version_of(&places.plinth),
            version_of(&places.pocketbase),
            Some(format!(
                "SQLite {} (Plinth's, and by itself)",
                rusqlite::version()
            )),
            version_of(Path::new("rustc")),
        ];
        Header {
            date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
            programs: programs.into_iter().flatten().collect(),
            machine: machine::describe(&places.scratch),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let _ = writeln!(out, "- Date: {}", self.date);
        let _ = writeln!(out, "- Programs: {}", self.programs.join("; "));
        let _ = writeln!(out, "- Machine: {}", self.machine);
    }

    /// A made-up one.
    #[cfg(test)]
    pub(super) fn sample() -> Header {
        Header {
            date: "2026-01-02".to_owned(),
            programs: vec!["plinth 1.2.3 (abc1234)".to_owned(), "rival 4.5".to_owned()],
            machine: "2 cores".to_owned(),
        }
    }
}

/// What a program answers to `--version`, its first line.
fn version_of(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}
