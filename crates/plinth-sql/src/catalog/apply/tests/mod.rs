//! Scripts against an empty catalog: what each statement says and does, then what the catalog holds.
//!
//! Messages are those of `PostgreSQL` 15, which every script here was also given.

mod alter;
mod drop;
mod dump;
mod function;
mod grant;
mod rename;
mod stub;
mod table;
mod types;
mod view;

use std::fmt::Write;

use expect_test::Expect;

use super::{Context, apply};
use crate::SqlError;
use crate::ast::Statement;
use crate::catalog::Catalog;
use crate::parse;

/// Runs a script as `postgres` (or whom `set role` says) and compares notices, errors and effects, and, after a line of
/// dashes, the tables, views and so on that are there at the end.
fn check(script: &str, expect: Expect) {
    expect.assert_eq(&run(script, true));
}

/// Without the catalog at the end and without effects: what the caller is told.
fn says(script: &str, expect: Expect) {
    expect.assert_eq(&run(script, false));
}

fn run(script: &str, all: bool) -> String {
    let (catalog, mut said) = play(script, all);
    if all {
        said.push_str("--\n");
        said.push_str(&dump::catalog(&catalog));
    }
    said
}

fn play(script: &str, effects: bool) -> (Catalog, String) {
    let mut catalog = Catalog::bootstrap();
    let mut said = String::new();
    let mut role = "postgres".to_owned();
    let path = ["pg_catalog", "public"].map(str::to_owned);
    for range in parse::split(script) {
        let statement = match parse::statement(&script[range]) {
            Ok(statement) => statement,
            Err(error) => {
                tell(&mut said, "ERROR", &error);
                continue;
            }
        };
        if let Statement::Set(set) = &statement {
            if set.name != "role" {
                continue;
            }
            role = set
                .value
                .as_ref()
                .map_or("postgres".to_owned(), |value| value[0].clone());
            continue;
        }
        let cx = Context {
            role: &role,
            search_path: &path,
            infer: &stub::Stub,
        };
        match apply(&catalog, &statement, &cx) {
            Ok(Some(applied)) => {
                for notice in &applied.notices {
                    tell(
                        &mut said,
                        if notice.code.starts_with("01") {
                            "WARNING"
                        } else {
                            "NOTICE"
                        },
                        notice,
                    );
                }
                if effects {
                    applied
                        .effects
                        .iter()
                        .for_each(|effect| writeln!(said, "{}", dump::effect(effect)).unwrap());
                }
                catalog = applied.catalog;
            }
            Ok(None) => writeln!(said, "not DDL").unwrap(),
            Err(error) => tell(&mut said, "ERROR", &error),
        }
    }
    (catalog, said)
}

fn tell(said: &mut String, severity: &str, error: &SqlError) {
    writeln!(said, "{severity}:  {}: {}", error.code, error.message).unwrap();
    if let Some(detail) = &error.detail {
        writeln!(said, "DETAIL:  {detail}").unwrap();
    }
    if let Some(hint) = &error.hint {
        writeln!(said, "HINT:  {hint}").unwrap();
    }
}
