//! Statements made by chance: both engines must give the same rows and the same errors.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail, ensure};
use plinth_testkit::compare;
use plinth_testkit::generate;
use plinth_testkit::outcome::{Ask, Failure, Outcome, Who};
use plinth_testkit::random::Random;

use crate::Engines;
use crate::tally::Compared;

/// The seeds of a run that asks for no others.
pub(crate) const SEEDS: RangeInclusive<u64> = 1..=12;
/// Statements of one seed.
const STATEMENTS: usize = 200;
/// More than these of one seed tell nothing new.
const SHOWN_DIFFERENCES: usize = 8;

/// Runs one seed's statements. A difference in a write ends it: what follows rests on other rows.
pub(crate) fn check(engines: &Engines, seed: u64) -> Result<()> {
    let count = match std::env::var("PLINTH_STATEMENTS") {
        Ok(text) => text.parse().context("PLINTH_STATEMENTS must be a number")?,
        Err(_) => STATEMENTS,
    };
    let mut random = Random::new(seed);
    let generated = (0..count).map(|_| generate::statement(&mut random));
    let asks: Vec<Ask> = generate::SCHEMA
        .iter()
        .map(|sql| (*sql).to_owned())
        .chain(generated)
        .map(|sql| Ask {
            who: Who::postgres(),
            sql,
        })
        .collect();
    let expected = engines.postgres.database(false)?.run(&asks)?;
    let actual = engines.embedded.database()?.run(&asks)?;
    ensure!(
        expected.len() == asks.len() && actual.len() == asks.len(),
        "seed {seed}: not every statement was answered"
    );
    let (mut compared, mut differing) = (0, 0);
    let mut differences = Vec::new();
    for (number, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        compared = number + 1;
        if !same(expected, actual) {
            differing += 1;
            let difference = compare::lines(&expected.to_string(), &actual.to_string());
            let sql = &asks[number].sql;
            differences.push(format!(
                "seed {seed}, statement {number}:\n{sql};\n{difference}"
            ));
            if !(sql.starts_with("select") || sql.starts_with("with")) {
                differences.push("the tables differ from here on".to_owned());
                break;
            }
        }
    }
    let compared = Compared {
        // The schema is no statement of the seed's.
        answers: compared.saturating_sub(generate::SCHEMA.len()),
        differences: differing,
        leaks: None,
    };
    engines.statements.add(seed, compared);
    if !differences.is_empty() {
        differences.truncate(SHOWN_DIFFERENCES);
        bail!("{}", differences.join("\n"));
    }
    Ok(())
}

fn same(expected: &Outcome, actual: &Outcome) -> bool {
    match (expected, actual) {
        (Outcome::Failed(expected), Outcome::Failed(actual)) => same_failure(expected, actual),
        _ => expected == actual,
    }
}

/// A row may have two faults at once and Postgres does not promise which it meets first, so faults in values
/// count as one. Broken constraints must agree to the letter.
fn same_failure(expected: &Failure, actual: &Failure) -> bool {
    if expected.code.starts_with("22") {
        return actual.code.starts_with("22");
    }
    let texts = |failure: &Failure| {
        (
            failure.message.clone(),
            failure.detail.clone(),
            failure.constraint.clone(),
        )
    };
    expected.code == actual.code
        && (!expected.code.starts_with("23") || texts(expected) == texts(actual))
}
