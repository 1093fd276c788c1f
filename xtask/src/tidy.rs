//! Rules that are checked by reading the files: crate arrows, purity, error codes, module docs, sizes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::paths;

/// From the top down. A crate may use those below it, and no crate of its own row.
const ROWS: [&[&str]; 9] = [
    &["plinth-testkit", "plinth-load"],
    &["plinth"],
    &["plinth-server"],
    &[
        "plinth-rest",
        "plinth-auth",
        "plinth-storage",
        "plinth-realtime",
        "plinth-graphql",
        "plinth-functions",
        "plinth-jobs",
        "plinth-commerce",
    ],
    &["plinth-http", "plinth-query"],
    &["plinth-db"],
    &["plinth-embedded", "plinth-postgres"],
    &["plinth-sql"],
    &["plinth-private-postgres"],
];

/// No input or output, no clock, no async.
const PURE: [&str; 2] = ["plinth-sql", "plinth-query"];
/// What a pure crate may stand on.
const PURE_DEPENDENCIES: [&str; 11] = [
    "plinth-sql",
    // For its time zones alone, which are compiled in; see the words below.
    "jiff",
    "serde",
    "serde_json",
    "thiserror",
    "percent-encoding",
    "hex",
    "expect-test",
    "proptest",
    "uuid",
    "regex",
];
/// What a pure crate may not say.
const IMPURE_WORDS: [&str; 11] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "async fn",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
];

/// The first two characters of every SQLSTATE.
const SQLSTATE_CLASSES: [&str; 41] = [
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23",
    "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42",
    "44", "53", "54", "55", "57", "58", "F0", "P0", "XX",
];

/// Files longer than this are named, not refused.
const LONG_FILE_LINES: usize = 700;

/// Checks every rule; the error lists all that is wrong.
pub(crate) fn check(root: &Path) -> Result<String> {
    let mut wrong = Vec::new();
    let mut crates: Vec<PathBuf> = folders(&root.join("crates"))?;
    crates.sort();
    for folder in &crates {
        arrows(folder, &mut wrong)?;
    }
    let documented =
        std::fs::read_to_string(root.join("docs/errors.md")).context("docs/errors.md")?;
    let mut codes = BTreeSet::new();
    let mut long = Vec::new();
    for folder in crates.iter().chain([&root.join("xtask")]) {
        let name = file_name(folder);
        for file in paths::files_below(&folder.join("src"), "rs")? {
            let text = std::fs::read_to_string(&file)?;
            let shown = file
                .strip_prefix(root)
                .unwrap_or(&file)
                .display()
                .to_string();
            if !text.starts_with("//!") && !text.starts_with("#!") {
                wrong.push(format!(
                    "{shown} does not open with `//!`, saying what it is for"
                ));
            }
            if PURE.contains(&name.as_str()) && !is_test(&file) {
                let found = IMPURE_WORDS
                    .iter()
                    .filter(|word| product(&text).contains(*word));
                wrong
                    .extend(found.map(|word| format!("{shown} says `{word}`, and {name} is pure")));
            }
            // The names of conditions are what users may raise, not what we do.
            let names = shown.ends_with("plpgsql/conditions.rs");
            if name != "xtask" && name != "plinth-testkit" && !is_test(&file) && !names {
                codes.extend(error_codes(product(&text)));
            }
            if text.lines().count() > LONG_FILE_LINES {
                long.push(format!("{shown} ({})", text.lines().count()));
            }
        }
    }
    let missing = codes
        .iter()
        .filter(|code| !documented.contains(code.as_str()));
    wrong.extend(missing.map(|code| format!("docs/errors.md does not explain {code}")));
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(if long.is_empty() {
        String::new()
    } else {
        format!("long files: {}", long.join(", "))
    })
}

/// Every dependency points down, and pure crates stand on little.
fn arrows(folder: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let name = file_name(folder);
    let manifest =
        std::fs::read_to_string(folder.join("Cargo.toml")).with_context(|| name.clone())?;
    let Some(row) = row(&name) else {
        wrong.push(format!(
            "{name} has no place in the order of crates (xtask/src/tidy.rs)"
        ));
        return Ok(());
    };
    if !manifest.contains("[lints]\nworkspace = true") {
        wrong.push(format!("{name} does not take the workspace's lints"));
    }
    for (section, dependency) in dependencies(&manifest) {
        let for_tests = section == "dev-dependencies";
        if let Some(other) = self::row(&dependency)
            && !for_tests
            && other <= row
        {
            wrong.push(format!(
                "{name} uses {dependency}, which does not stand below it"
            ));
        }
        if PURE.contains(&name.as_str()) && !PURE_DEPENDENCIES.contains(&dependency.as_str()) {
            wrong.push(format!("{name} is pure and may not use {dependency}"));
        }
    }
    Ok(())
}

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}

/// (section, dependency) of a manifest, read line by line: ours are plain.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in manifest.lines() {
        if let Some(header) = line.trim().strip_prefix('[') {
            header.trim_end_matches(']').clone_into(&mut section);
        } else if section.ends_with("dependencies") {
            let name = line
                .split(['.', ' ', '='])
                .next()
                .unwrap_or_default()
                .trim();
            if !name.is_empty() && !name.starts_with('#') {
                found.push((section.clone(), name.to_owned()));
            }
        }
    }
    found
}

/// What ships: the part before the file's tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// `PGRST` codes anywhere, and string literals that are SQLSTATEs.
fn error_codes(text: &str) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let is_code = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    for (place, _) in text.match_indices("PGRST") {
        let code: String = text[place..].chars().take(8).collect();
        if code.len() == 8
            && code[5..]
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'X')
        {
            codes.insert(code);
        }
    }
    for literal in text.split('"') {
        let has_class = literal
            .get(..2)
            .is_some_and(|class| SQLSTATE_CLASSES.contains(&class));
        if literal.len() == 5 && has_class && literal.bytes().all(is_code) {
            codes.insert(literal.to_owned());
        }
    }
    codes
}

fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    Ok(paths
        .into_iter()
        .filter(|path| path.join("Cargo.toml").exists())
        .collect())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_are_found_and_words_are_not() {
        let text = r#"new("22012", "LIMIT", "HS256"); // PGRST116 and "PGRSTX00""#;
        let codes: Vec<String> = error_codes(text).into_iter().collect();
        assert_eq!(codes, ["22012", "PGRST116", "PGRSTX00"]);
    }

    #[test]
    fn dependencies_are_read_with_their_section() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nplinth-sql.workspace = true\nserde = \"1\"\n[dev-dependencies]\nexpect-test.workspace = true\n";
        let names: Vec<String> = dependencies(manifest)
            .into_iter()
            .map(|(section, name)| format!("{section} {name}"))
            .collect();
        assert_eq!(
            names,
            [
                "dependencies plinth-sql",
                "dependencies serde",
                "dev-dependencies expect-test"
            ]
        );
    }
}
