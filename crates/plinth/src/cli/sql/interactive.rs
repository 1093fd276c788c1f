//! A prompt.

use std::path::Path;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::diagnostics::Source;
use super::printer::Printer;
use super::progress::Progress;
use super::{Format, Identity, run_script};
use crate::cli::output;
use crate::control::Backend;

/// Lines that are remembered.
const HISTORY_LINES: usize = 1000;

const HELP: &str = "\
Type SQL; a statement ends with a semicolon and runs when its line is entered.
BEGIN … COMMIT is collected and runs as a whole at COMMIT or ROLLBACK.
  \\q  leave      \\r  forget what was typed      \\?  this help
";

/// Reads and runs statements until the end of input. True: errors at a prompt have been seen by whoever typed.
pub(super) fn run(
    runtime: &tokio::runtime::Runtime,
    backend: &mut Backend,
    identity: &Identity,
    format: Format,
    history: &Path,
) -> anyhow::Result<bool> {
    let config = rustyline::Config::builder()
        .max_history_size(HISTORY_LINES)?
        .auto_add_history(false)
        .build();
    let mut editor: DefaultEditor = rustyline::Editor::with_config(config)?;
    // A history that cannot be read is an empty one.
    let _fresh = editor.load_history(history);
    let printer = Printer {
        format,
        source: Source::Command,
        tags: true,
    };
    output::line(&format!(
        "plinth {}, as {}. Type \\? for help.",
        crate::cli::VERSION,
        identity.role
    ))?;
    let mut typed = String::new();
    loop {
        let prompt = if typed.is_empty() {
            "plinth=> "
        } else {
            "plinth-> "
        };
        match editor.readline(prompt) {
            Ok(line) => {
                match line.trim() {
                    "\\q" | "quit" | "exit" if typed.is_empty() || line.trim() == "\\q" => break,
                    "\\?" | "help" if typed.is_empty() || line.trim() == "\\?" => {
                        output::write(HELP)?;
                        continue;
                    }
                    "\\r" => {
                        typed.clear();
                        continue;
                    }
                    "" if typed.is_empty() => continue,
                    _ => {}
                }
                typed.push_str(&line);
                typed.push('\n');
                if !is_complete(&typed) {
                    continue;
                }
                let _remembered = editor.add_history_entry(typed.trim_end());
                let sql = std::mem::take(&mut typed);
                let ran = runtime.block_on(run_script(
                    backend,
                    identity,
                    &printer,
                    sql,
                    &Progress::none(),
                ));
                if let Err(error) = ran {
                    eprintln!("plinth: {error:#}");
                }
            }
            Err(ReadlineError::Interrupted) => typed.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if editor.save_history(history).is_ok() {
        let _best_effort = crate::project::close_to_others(history, 0o600);
    }
    Ok(true)
}

/// Whether the text ends with the end of a statement, and no transaction is open.
fn is_complete(text: &str) -> bool {
    let ranges = plinth_sql::parse::split(text);
    let Some(last) = ranges.last() else {
        return true;
    };
    // The splitter leaves the semicolon out; one inside quotes is part of the statement.
    if !text
        .get(last.end..)
        .unwrap_or_default()
        .trim_start()
        .starts_with(';')
    {
        return false;
    }
    let mut open = false;
    for range in ranges {
        match text
            .get(range)
            .unwrap_or_default()
            .split_whitespace()
            .next()
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("begin" | "start") => open = true,
            Some("commit" | "end" | "abort" | "rollback") => open = false,
            _ => {}
        }
    }
    !open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_complete_at_its_semicolon() {
        assert!(is_complete("select 1;\n"));
        assert!(!is_complete("select 1\n"));
        assert!(!is_complete("select ';\n"));
        assert!(!is_complete(
            "create function f() returns int language sql as $$ select 1;\n"
        ));
    }

    #[test]
    fn a_transaction_is_collected() {
        assert!(!is_complete("begin;\n"));
        assert!(!is_complete("begin; insert into t values (1);\n"));
        assert!(is_complete("begin; insert into t values (1); commit;\n"));
    }
}
