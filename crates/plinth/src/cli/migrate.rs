//! `plinth migrate`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::{Data, Directory, Shared, application, ask_once, output};
use crate::control::{CheckReport, FileReport, MigrateMode, Reply, Request};

/// Apply pending migrations, or say what they would do
#[derive(Debug, Args)]
#[command(
    after_help = "Goes through the running server when there is one, else opens the data itself.

Examples:
  plinth migrate shop             apply what is pending
  plinth migrate shop --check     try it and roll back: what runs, what is refused and where
  plinth migrate shop --status    list every migration"
)]
pub(super) struct Migrate {
    #[command(flatten)]
    directory: Directory,
    /// Say what would run and what is refused, changing nothing
    #[arg(long, conflicts_with = "status")]
    check: bool,
    /// List migrations and where they stand
    #[arg(long)]
    status: bool,
    #[command(flatten)]
    data: Data,
}

pub(super) fn run(args: &Migrate, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let mode = match (args.check, args.status) {
        (true, _) => MigrateMode::Check,
        (_, true) => MigrateMode::Status,
        _ => MigrateMode::Apply,
    };
    let end = ask_once(
        &project,
        &config,
        args.data.choice("plinth migrate"),
        Request::Migrate { mode },
        |reply| End::of(reply, shared),
    )?;
    let end = end.context("the running server did not say what it did")?;
    if shared.json {
        output::line(&end.json.to_string())?;
    } else {
        output::write(&end.text)?;
    }
    Ok(if end.refused {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What is shown at the end, in either form.
struct End {
    json: Value,
    text: String,
    refused: bool,
}

impl End {
    /// The end, when this reply is it. What comes before is told at once.
    fn of(reply: Reply, shared: &Shared) -> Option<End> {
        match reply {
            Reply::Progress {
                text,
                warning: true,
            } => {
                eprintln!("warning: {text}");
                None
            }
            Reply::Progress {
                text,
                warning: false,
            } if !shared.json => {
                eprintln!("{text}");
                None
            }
            Reply::Applied {
                versions,
                policy_scans,
            } => Some(End {
                json: json!({ "applied": versions, "policy_scans": policy_scans }),
                text: match versions.len() {
                    0 => "nothing to do: every migration has been applied\n".to_owned(),
                    1 => "applied 1 migration\n".to_owned(),
                    many => format!("applied {many} migrations\n"),
                },
                refused: false,
            }),
            Reply::Checked { files } => {
                let refused = files.iter().any(|file| !file.refused.is_empty());
                Some(End {
                    json: json!({ "ok": !refused, "files": files }),
                    text: check_text(&files),
                    refused,
                })
            }
            Reply::Migrations { files } => Some(End {
                json: json!({ "migrations": files }),
                text: list_text(&files),
                refused: false,
            }),
            Reply::Progress { .. }
            | Reply::Statement(_)
            | Reply::Status(_)
            | Reply::S3Keys { .. }
            | Reply::StorageFinding { .. }
            | Reply::StorageChecked { .. }
            | Reply::OrdersReconciled { .. }
            | Reply::LedgerChecked { .. }
            | Reply::Rotated(_)
            | Reply::Database { .. }
            | Reply::Failed { .. }
            | Reply::Done => None,
        }
    }
}

fn check_text(files: &[CheckReport]) -> String {
    if files.is_empty() {
        return "nothing to do: every migration has been applied\n".to_owned();
    }
    let mut lines = Vec::new();
    for file in files {
        let statements = if file.runs == 1 {
            "statement runs"
        } else {
            "statements run"
        };
        lines.push(format!(
            "{}: {} {statements}, {} refused",
            file.path.display(),
            file.runs,
            file.refused.len()
        ));
        lines.extend(file.refused.iter().map(|refusal| format!("  {refusal}")));
    }
    lines.push("nothing was changed\n".to_owned());
    lines.join("\n")
}

fn list_text(files: &[FileReport]) -> String {
    let width = files
        .iter()
        .map(|file| file.version.len())
        .max()
        .unwrap_or_default();
    let lines = files.iter().map(|file| {
        format!(
            "{:<8} {:<width$}  {}\n",
            file.state, file.version, file.name
        )
    });
    match lines.collect::<Vec<_>>().concat() {
        text if text.is_empty() => "there are no migrations\n".to_owned(),
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_counts_and_lists_refusals() {
        let report = CheckReport {
            path: "migrations/0001_a.sql".into(),
            version: "0001".into(),
            runs: 2,
            refused: vec!["migrations/0001_a.sql:3:1: nope (0A000)".into()],
        };
        assert_eq!(
            check_text(&[report]),
            "migrations/0001_a.sql: 2 statements run, 1 refused\n  migrations/0001_a.sql:3:1: nope (0A000)\nnothing was changed\n"
        );
    }

    #[test]
    fn a_list_is_aligned() {
        let file = |version: &str, state: &str| FileReport {
            version: version.into(),
            name: "a".into(),
            state: state.into(),
        };
        assert_eq!(
            list_text(&[file("1", "applied"), file("20", "pending")]),
            "applied  1   a\npending  20  a\n"
        );
    }
}
