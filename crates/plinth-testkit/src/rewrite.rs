//! Writes PostgreSQL's answers back into a case file (`UPDATE_EXPECT=1`).

use crate::case::{Act, Case};
use crate::outcome::{Failure, Outcome};

/// The file's text with every expectation of a statement replaced by what PostgreSQL answered. Errors that no
/// expectation names are added; rows that none asks for are not (write a line `=` to have them filled in).
///
/// `outcomes` are those of the case's SQL steps, in order.
pub fn expectations(text: &str, case: &Case, outcomes: &[Outcome]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let statements = case.steps.iter().filter_map(|step| match &step.act {
        Act::Sql(sql) => Some((step.line, sql)),
        Act::Request(_) => None,
    });
    // From the end, so that line numbers before stay right.
    for ((line, step), outcome) in statements
        .zip(outcomes)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
    {
        let written = match (&step.expect, outcome) {
            (None, Outcome::Done | Outcome::Rows(_)) => continue,
            (_, Outcome::Done) => Vec::new(),
            (_, Outcome::Rows(csv)) => csv.lines().map(row_line).collect(),
            (_, Outcome::Failed(failure)) => {
                let shown = Failure {
                    hint: None,
                    ..failure.clone()
                };
                shown.to_string().lines().map(str::to_owned).collect()
            }
        };
        let place = if step.expect.is_some() {
            step.expect_lines.clone()
        } else {
            line + 1..line + 1
        };
        lines.splice(place, written);
    }
    lines.join("\n") + "\n"
}

fn row_line(row: &str) -> String {
    if row.is_empty() {
        "=".to_owned()
    } else {
        format!("= {row}")
    }
}
