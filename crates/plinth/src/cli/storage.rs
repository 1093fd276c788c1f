//! `plinth storage`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use plinth_storage::{Checked, Finding};
use serde_json::json;

use super::duration::seconds;
use super::progress::size;
use super::{Data, Directory, Shared, application, ask_once, output};
use crate::control::{Reply, Request};

/// Look after the files of an application
#[derive(Debug, Args)]
pub(super) struct Storage {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
}

/// Compare the rows of storage.objects with the files that are there
#[derive(Debug, Args)]
#[command(
    after_help = "Finds rows without bytes, bytes without rows, sizes that differ, and files that a crash left on their way. Works
beside a running server: bytes that no row names and that are younger than an hour may be an upload that is under way, and are
only noted. Where nothing is being uploaded, --older-than 0s counts them, too; with --repair on a server that receives uploads
it would take an upload's bytes away.
Exit code 0: nothing is wrong, or nothing any more; 1: something is.

--repair removes bytes that no row names, puts files into their place, and deletes rows whose bytes are nowhere. When rows
without bytes, or bytes without rows, are more than the rows that have their bytes, nothing is removed: the folder is probably
not mounted, or it or the database is another one.

Examples:
  plinth storage check shop
  plinth storage check shop --json
  plinth storage check shop --older-than 0s
  plinth storage check shop --repair"
)]
struct Check {
    #[command(flatten)]
    directory: Directory,
    /// Mend what can be mended
    #[arg(long)]
    repair: bool,
    /// Only note what no row names when it is younger: 0s, 15m, 1h
    #[arg(long, value_name = "DURATION", value_parser = seconds, default_value = "1h")]
    older_than: i64,
    #[command(flatten)]
    data: Data,
}

pub(super) fn run(args: &Storage, shared: &Shared) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check(args) => check(args, shared),
    }
}

fn check(args: &Check, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let mut written = Ok(());
    let checked = ask_once(
        &project,
        &config,
        args.data.choice("plinth storage check"),
        Request::StorageCheck {
            repair: args.repair,
            older_than_seconds: args.older_than.unsigned_abs(),
        },
        |reply| match reply {
            Reply::StorageChecked { checked } => Some(checked),
            Reply::StorageFinding { finding } if written.is_ok() => {
                written = show(&finding, shared.json);
                None
            }
            _ => None,
        },
    )?;
    written?;
    let checked = checked.context("the running server did not say what it found")?;
    if shared.json {
        let line = json!({ "checked": checked, "problems": checked.problems() });
        output::line(&line.to_string())?;
    } else {
        output::line(&summary(&checked))?;
    }
    Ok(match checked.problems() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// One line a finding.
fn show(finding: &Finding, json: bool) -> anyhow::Result<()> {
    if json {
        return output::line(&serde_json::to_string(finding)?);
    }
    output::line(&line(finding))
}

fn line(finding: &Finding) -> String {
    let done = |repaired: bool, done: &str| match repaired {
        true => format!(" ({done})"),
        false => String::new(),
    };
    match finding {
        Finding::MissingBytes {
            bucket,
            name,
            version,
        } => {
            let version = version.as_deref().unwrap_or("none");
            format!("row without bytes: {bucket}/{name} (version {version})")
        }
        Finding::SizeDiffers {
            bucket,
            name,
            version,
            row_bytes,
            store_bytes,
        } => format!(
            "wrong size: {bucket}/{name} has {store_bytes} bytes, its row says {row_bytes} (version {version})"
        ),
        Finding::OrphanBytes {
            version,
            bytes,
            repaired,
        } => {
            let bytes = bytes.map_or_else(|| "an unfinished upload".to_owned(), size);
            format!(
                "bytes without row: {version}, {bytes}{}",
                done(*repaired, "removed")
            )
        }
        Finding::Unplaced { version, repaired } => format!(
            "not in its place: {version}{}",
            done(*repaired, "moved there")
        ),
        Finding::Young { version, bytes } => format!(
            "note: no row names {version} yet ({}); an upload may be under way",
            size(*bytes)
        ),
        Finding::Stranger { path } => format!("note: {path} is not ours; it is left alone"),
    }
}

fn summary(checked: &Checked) -> String {
    let Checked {
        rows,
        missing,
        size_differs,
        orphans,
        unplaced,
        repaired,
        refused,
        ..
    } = checked;
    let mut text = format!(
        "{rows} rows: {missing} without bytes, {size_differs} of the wrong size; {orphans} bytes without row, {unplaced} not in their place"
    );
    if *repaired > 0 {
        text.push_str(&format!("; {repaired} mended"));
    }
    if *refused {
        text.push_str(
            "\nmore does not fit together than does, so nothing was removed: is this the right folder, is it mounted, and is the \
             database the one that belongs to it? If so, move what nobody names elsewhere by hand, or upload what is missing again",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_lines_for_people() {
        let missing = Finding::MissingBytes {
            bucket: "avatars".to_owned(),
            name: "a/b.png".to_owned(),
            version: None,
        };
        assert_eq!(
            line(&missing),
            "row without bytes: avatars/a/b.png (version none)"
        );
        let orphan = Finding::OrphanBytes {
            version: "v".to_owned(),
            bytes: Some(2048),
            repaired: true,
        };
        assert_eq!(line(&orphan), "bytes without row: v, 2.00 KiB (removed)");
    }

    #[test]
    fn a_summary_says_what_was_mended_and_what_was_refused() {
        let checked = Checked {
            rows: 3,
            whole: 1,
            missing: 2,
            orphans: 1,
            repaired: 1,
            refused: true,
            ..Checked::default()
        };
        let text = summary(&checked);
        assert!(text.starts_with("3 rows: 2 without bytes"), "{text}");
        assert!(
            text.contains("1 mended") && text.contains("is it mounted"),
            "{text}"
        );
        assert_eq!(checked.problems(), 2);
    }
}
