//! Results to standard output, errors and notices to standard error, as psql parts them.

use super::Format;
use super::diagnostics::{self, Source};
use super::{aligned, csv, json};
use crate::cli::output;
use crate::control::StatementReply;

/// How results are printed.
pub(super) struct Printer {
    pub format: Format,
    pub source: Source,
    /// Whether tables are followed by command tags.
    pub tags: bool,
}

impl Printer {
    /// Prints what one statement came to.
    pub(super) fn print(&self, sql: &str, statement: &StatementReply) -> anyhow::Result<()> {
        let said = diagnostics::render(&self.source, sql, statement);
        if !said.is_empty() {
            eprint!("{said}");
        }
        if statement.error.is_some() {
            return Ok(());
        }
        output::write(&self.result(statement))
    }

    fn result(&self, statement: &StatementReply) -> String {
        let (columns, rows) = (&statement.columns, &statement.rows);
        match self.format {
            Format::Csv if statement.returns_rows => csv::render(columns, rows),
            Format::Json if statement.returns_rows => json::render(columns, rows),
            Format::Csv | Format::Json => String::new(),
            Format::Table => {
                let mut text = if statement.returns_rows {
                    aligned::render(columns, rows)
                } else {
                    String::new()
                };
                if self.tags && shows_tag(statement) {
                    text.push_str(&statement.tag);
                    text.push('\n');
                }
                text
            }
        }
    }
}

/// A table says itself how many rows were read; what changed rows says so besides.
fn shows_tag(statement: &StatementReply) -> bool {
    let changes = ["INSERT", "UPDATE", "DELETE", "MERGE"]
        .iter()
        .any(|verb| statement.tag.starts_with(verb));
    !statement.tag.is_empty() && (!statement.returns_rows || changes)
}
