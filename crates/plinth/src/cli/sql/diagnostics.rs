//! Errors and notices in psql's words: `psql:FILE:LINE: ERROR:  message`, then the line and what helps.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::control::{Diagnostic, StatementReply};

/// Longest piece of a source line that is shown with an error.
const SHOWN_COLUMNS: usize = 160;

/// Where a script came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `-c`, or the prompt.
    Command,
    /// A file, by name.
    File(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Command => f.write_str("command"),
            Source::File(name) => f.write_str(name),
        }
    }
}

/// Everything one statement had to say.
pub(super) fn render(source: &Source, sql: &str, statement: &StatementReply) -> String {
    if statement.notices.is_empty() && statement.error.is_none() {
        // Counting lines for every statement of a long script would take longer than running it.
        return String::new();
    }
    let prefix = match source {
        Source::Command => String::new(),
        // psql names the line at which the statement ends, because that is how far it has read.
        Source::File(name) => format!("psql:{name}:{}: ", line_of(sql, statement.end)),
    };
    let mut text = String::new();
    for notice in &statement.notices {
        let severity = if notice.code.starts_with("01") {
            "WARNING"
        } else {
            "NOTICE"
        };
        text.push_str(&message(&prefix, severity, notice, ""));
    }
    if let Some(error) = &statement.error {
        let place = error
            .at
            .and_then(|at| point(sql, statement, at))
            .unwrap_or_default();
        text.push_str(&message(&prefix, "ERROR", error, &place));
    }
    text
}

fn message(prefix: &str, severity: &str, said: &Diagnostic, place: &str) -> String {
    let detail = said
        .detail
        .as_ref()
        .map_or_else(String::new, |detail| format!("DETAIL:  {detail}\n"));
    let hint = said
        .hint
        .as_ref()
        .map_or_else(String::new, |hint| format!("HINT:  {hint}\n"));
    format!(
        "{prefix}{severity}:  {}\n{place}{detail}{hint}",
        said.message
    )
}

/// `LINE 2: from nope` and a caret below. Lines are counted from the start of the statement, as in psql.
fn point(sql: &str, statement: &StatementReply, at: usize) -> Option<String> {
    let body = sql.get(statement.start..statement.end)?;
    let first = statement.start + (body.len() - body.trim_start().len());
    let before = sql.get(first..at.max(first))?;
    let number = before.matches('\n').count() + 1;
    let line_start = before
        .rfind('\n')
        .map_or(first, |newline| first + newline + 1);
    let line = sql.get(line_start..)?.lines().next()?;
    let label = format!("LINE {number}: ");
    let indent = label.width() + sql.get(line_start..at)?.width();
    let shown: String = line
        .chars()
        .take(SHOWN_COLUMNS)
        .map(|c| if c == '\t' { ' ' } else { c })
        .collect();
    (indent <= SHOWN_COLUMNS).then(|| format!("{label}{shown}\n{}^\n", " ".repeat(indent)))
}

fn line_of(sql: &str, offset: usize) -> usize {
    sql.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(sql: &str, part: &str, at: &str) -> StatementReply {
        let start = sql.find(part).unwrap();
        let error = Diagnostic {
            code: "42P01".into(),
            message: "relation \"nope\" does not exist".into(),
            detail: None,
            hint: Some("Create it.".into()),
            at: Some(sql.find(at).unwrap()),
        };
        StatementReply {
            start,
            end: start + part.len(),
            error: Some(error),
            ..StatementReply::default()
        }
    }

    /// Apart from the hint, what psql 15 wrote.
    #[test]
    fn an_error_in_a_file_names_the_line_where_the_statement_ends() {
        let sql = "select 1;\n\nselect * from\n nope;\nselect 2;\n";
        let statement = failed(sql, "\n\nselect * from\n nope", "nope");
        assert_eq!(
            render(&Source::File("t.sql".into()), sql, &statement),
            "psql:t.sql:4: ERROR:  relation \"nope\" does not exist\nLINE 2:  nope\n         ^\nHINT:  Create it.\n"
                .replace("LINE 2:  nope\n", "LINE 2:  nope;\n")
        );
    }

    #[test]
    fn a_command_has_no_prefix_and_notices_come_first() {
        let notice = Diagnostic {
            code: "00000".into(),
            message: "hi".into(),
            detail: None,
            hint: None,
            at: None,
        };
        let mut statement = failed("select nope", "select nope", "nope");
        statement.notices = vec![notice];
        assert_eq!(
            render(&Source::Command, "select nope", &statement),
            "NOTICE:  hi\nERROR:  relation \"nope\" does not exist\nLINE 1: select nope\n               ^\nHINT:  Create it.\n"
        );
    }

    #[test]
    fn offsets_that_fit_nothing_are_left_out() {
        let mut statement = failed("select nope", "select nope", "nope");
        statement.end = 999;
        assert!(!render(&Source::Command, "select nope", &statement).contains("LINE"));
    }
}
