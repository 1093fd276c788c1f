//! Real data: a dump is loaded whole into both engines, and every table must hold the same rows, compared in
//! full rather than by checksum.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use plinth_testkit::compare;
use plinth_testkit::outcome::{Ask, Outcome, Who};

use crate::Engines;

/// The dumps in the folder that `PLINTH_SAMPLES` names, if it does.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("PLINTH_SAMPLES").map(PathBuf::from) else {
        return Ok(Vec::new());
    };
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("PLINTH_SAMPLES: {}", folder.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    Ok(files)
}

/// Loads one dump. No statement may fail that succeeds on PostgreSQL; counts and rows must be equal.
pub(crate) fn check(engines: &Engines, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let load: Vec<Ask> = plinth_sql::parse::split(&text)
        .into_iter()
        .map(|range| ask(&text[range]))
        .collect();
    let postgres = engines.postgres.database(false)?;
    let embedded = engines.embedded.database()?;
    let (expected, actual) = (postgres.run(&load)?, embedded.run(&load)?);
    let failed =
        expected.iter().zip(&actual).zip(&load).filter_map(
            |((expected, actual), ask)| match actual {
                Outcome::Failed(failure) if !matches!(expected, Outcome::Failed(_)) => {
                    Some(format!("{}\n{failure}", short(&ask.sql)))
                }
                _ => None,
            },
        );
    let failed: Vec<String> = failed.collect();
    ensure!(
        failed.is_empty(),
        "{} statements fail on the embedded engine only; the first:\n{}",
        failed.len(),
        failed[0]
    );

    let tables = one(postgres.run(&[ask(
        "select tablename from pg_tables where schemaname = 'public' order by 1",
    )])?)?;
    ensure!(tables.lines().count() > 1, "the dump makes no tables");
    for table in tables.lines().skip(1) {
        let columns = one(postgres.run(&[ask(&format!("select * from \"{table}\" limit 0"))])?)?
            .trim()
            .split(',')
            .count();
        let order: Vec<String> = (1..=columns).map(|number| number.to_string()).collect();
        let all = [
            ask(&format!("select count(*) from \"{table}\"")),
            ask(&format!(
                "select * from \"{table}\" order by {}",
                order.join(", ")
            )),
        ];
        let (expected, actual) = (postgres.run(&all)?, embedded.run(&all)?);
        for (expected, actual) in expected.iter().zip(&actual) {
            if expected != actual {
                bail!(
                    "table {table}: {}",
                    compare::lines(&expected.to_string(), &actual.to_string())
                );
            }
        }
    }
    Ok(())
}

fn ask(sql: &str) -> Ask {
    Ask {
        who: Who::postgres(),
        sql: sql.to_owned(),
    }
}

fn one(outcomes: Vec<Outcome>) -> Result<String> {
    match outcomes.into_iter().next() {
        Some(Outcome::Rows(csv)) => Ok(csv),
        other => bail!("rows were expected, not {other:?}"),
    }
}

fn short(sql: &str) -> String {
    sql.trim().chars().take(200).collect()
}
