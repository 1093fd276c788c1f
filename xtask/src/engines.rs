//! `docs/engines.md`: what only one of the engines does, as the second lines of the case files say it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::paths;

/// The page, from the root.
const PAGE: &str = "docs/engines.md";
/// The folder of all cases, from the root.
const CASES: &str = "tests/cases";
/// The engines as case files name them, and the heading of each.
const ENGINES: [(&str, &str); 2] = [
    ("postgres", "Only on PostgreSQL"),
    ("embedded", "Only on the embedded engine"),
];

/// What a case file says of itself. They are ordered by folder, then by name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    /// Below the folder of all cases: `dialect/views`.
    folder: String,
    /// The file's, without its extension.
    name: String,
    /// The first line.
    sentence: String,
    /// The second line, where it is a note.
    only: Option<Only>,
}

/// The only engine that runs a case, and why.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Only {
    engine: String,
    reason: String,
}

/// Compares the page on disk with what the cases say.
pub(crate) fn check() -> Result<String> {
    let cases = cases(&paths::root().join(CASES))?;
    let written = std::fs::read_to_string(paths::root().join(PAGE)).unwrap_or_default();
    if written != page(&cases) {
        bail!("{PAGE} is not what the case files say; write it with: cargo xtask engines");
    }
    Ok(format!("{} cases", cases.len()))
}

/// Writes the page.
pub(crate) fn write() -> Result<()> {
    let cases = cases(&paths::root().join(CASES))?;
    std::fs::write(paths::root().join(PAGE), page(&cases))
        .with_context(|| format!("cannot write {PAGE}"))
}

fn page(cases: &[Case]) -> String {
    let all = cases.len();
    let alone = cases.iter().filter(|case| case.only.is_some()).count();
    let mut text = format!(
        "# The two engines\n\n\
         Every case of [`{CASES}`](../{CASES}) runs through Plinth on both engines, the embedded one and PostgreSQL, and must get the same answers. Of {all}\n\
         cases, {alone} run on one engine only and say why in their second line; `cargo xtask engines` writes this page from those lines. What differs where\n\
         both run is in [dialect.md](dialect.md#what-differs) and [postgres.md](postgres.md#what-differs).\n"
    );
    for (engine, heading) in ENGINES {
        let _ = writeln!(
            text,
            "\n## {heading}\n\n| folder | what | because | case |\n|---|---|---|---|"
        );
        let mut last = "";
        for case in cases {
            let Some(only) = case.only.as_ref().filter(|only| only.engine == engine) else {
                continue;
            };
            let Case { folder, name, .. } = case;
            // Named once, where its rows begin.
            let group = match folder == last {
                true => String::new(),
                false => format!("`{folder}`"),
            };
            last = folder;
            let (what, why) = (cell(&case.sentence), cell(&only.reason));
            let _ = writeln!(
                text,
                "| {group} | {what} | {why} | [`{name}`](../{CASES}/{folder}/{name}.case) |"
            );
        }
    }
    text
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn cases(folder: &Path) -> Result<Vec<Case>> {
    let mut found = Vec::new();
    for file in paths::files_below(folder, "case")? {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let within = file.strip_prefix(folder).unwrap_or(&file);
        let case = Case::read(within, &text).with_context(|| file.display().to_string())?;
        found.push(case);
    }
    found.sort();
    Ok(found)
}

impl Case {
    /// The first two lines; `crates/plinth-testkit/src/case.rs` reads the rest.
    fn read(path: &Path, text: &str) -> Result<Case> {
        let mut lines = text.lines();
        let sentence = lines.next().unwrap_or_default().trim().to_owned();
        let note = lines.next().and_then(|line| line.strip_prefix("only:"));
        let folder = path.parent().unwrap_or(Path::new(""));
        let name = path.file_stem().unwrap_or_default();
        Ok(Case {
            folder: folder.display().to_string(),
            name: name.to_string_lossy().into_owned(),
            sentence,
            only: note.map(Only::read).transpose()?,
        })
    }
}

impl Only {
    /// ` ENGINE, because REASON`.
    fn read(note: &str) -> Result<Only> {
        let (engine, reason) = note
            .split_once(", because ")
            .context("line 2: expected `only: ENGINE, because REASON`")?;
        let engine = engine.trim();
        if !ENGINES.iter().any(|(known, _)| *known == engine) {
            bail!("line 2: no engine is called {engine}");
        }
        Ok(Only {
            engine: engine.to_owned(),
            reason: reason.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Result<Case> {
        Case::read(Path::new(path), text)
    }

    #[test]
    fn a_note_is_read_with_its_engine_and_reason() {
        let case = read(
            "dialect/views/a.case",
            "A fact.\nonly: postgres, because b\n",
        )
        .unwrap();
        assert_eq!(
            (case.folder.as_str(), case.name.as_str()),
            ("dialect/views", "a")
        );
        let only = case.only.unwrap();
        assert_eq!(
            (only.engine.as_str(), only.reason.as_str()),
            ("postgres", "b")
        );
        assert!(
            read("a.case", "A fact.\n\nselect 1;\n")
                .unwrap()
                .only
                .is_none()
        );
        assert!(read("a.case", "A fact.\nonly: oracle, because b\n").is_err());
        assert!(read("a.case", "A fact.\nonly: postgres\n").is_err());
    }

    #[test]
    fn a_folder_is_named_once() {
        let note = "A | b.\nonly: embedded, because c\n";
        let cases = [
            read("d/x.case", note).unwrap(),
            read("d/y.case", note).unwrap(),
        ];
        let page = page(&cases);
        assert!(page.contains("| `d` | A \\| b. | c | [`x`](../tests/cases/d/x.case) |\n"));
        assert!(page.contains("|  | A \\| b. | c | [`y`](../tests/cases/d/y.case) |\n"));
    }
}
