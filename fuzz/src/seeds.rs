//! What the fuzzer begins with: the SQL and the requests of all case files.

use std::path::{Path, PathBuf};

/// Texts that are known to be good.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    /// Statements.
    pub sql: Vec<String>,
    /// Relation and query string.
    pub queries: Vec<(String, String)>,
}

/// Reads `tests/cases` and the SQL of migrations.
pub(crate) fn collect() -> Seeds {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Seeds::default();
    for file in files(&root.join("tests/cases"), "case") {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let is_sql = |line: &&str| {
            !["= ", "! ", "as ", "only:"]
                .iter()
                .any(|start| line.starts_with(start))
                && !is_request(line)
        };
        let sql: String = text
            .lines()
            .skip(1)
            .filter(is_sql)
            .map(|line| format!("{line}\n"))
            .collect();
        seeds.sql.extend(statements(&sql));
        seeds.queries.extend(
            text.lines()
                .filter(|line| is_request(line))
                .filter_map(query),
        );
    }
    for folder in ["crates", "examples"] {
        for file in files(&root.join(folder), "sql") {
            seeds.sql.extend(statements(
                &std::fs::read_to_string(file).unwrap_or_default(),
            ));
        }
    }
    seeds
}

fn statements(text: &str) -> Vec<String> {
    plinth_sql::parse::split(text)
        .into_iter()
        .map(|range| text[range].trim().to_owned())
        .collect()
}

fn is_request(line: &str) -> bool {
    line.split_once(" /")
        .is_some_and(|(method, _)| method.bytes().all(|byte| byte.is_ascii_uppercase()))
}

fn query(line: &str) -> Option<(String, String)> {
    let (path, query) = line.split_once('?')?;
    Some((path.rsplit('/').next()?.to_owned(), query.to_owned()))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("node_modules") {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}
