//! `plinth orders`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use plinth_commerce::{Difference, Report};
use serde_json::json;

use super::{Data, Directory, Shared, application, ask_once, output};
use crate::control::{Reply, Request};

/// Look after the orders of an application
#[derive(Debug, Args)]
pub(super) struct Orders {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Reconcile(Reconcile),
}

/// Compare payments and refunds with what their providers say
#[derive(Debug, Args)]
#[command(
    after_help = "Asks the provider about every payment and refund that is not final, and about those of the last two days that are. What
the provider knows better is stored here, in the order and in the books. Works beside a running server, which does the same
by itself as time goes by. Payments by hand are known by their rows alone, so nobody is asked about them.
Exit code 0: both sides say the same, or do so now; 1: something differs still, or a provider did not answer.

Examples:
  plinth orders reconcile shop
  plinth orders reconcile shop --json"
)]
struct Reconcile {
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    data: Data,
}

pub(super) fn run(args: &Orders, shared: &Shared) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Reconcile(args) => reconcile(args, shared),
    }
}

fn reconcile(args: &Reconcile, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let (mut reconciled, mut failed) = (None, None);
    ask_once(
        &project,
        &config,
        args.data.choice("plinth orders reconcile"),
        Request::OrdersReconcile,
        |reply| match reply {
            Reply::Progress { text, .. } if !shared.json => eprintln!("{text}"),
            Reply::OrdersReconciled { report } => reconciled = Some(report),
            Reply::Failed { message } => failed = Some(message),
            _ => {}
        },
    )?;
    if let Some(message) = failed {
        anyhow::bail!(message);
    }
    let report = reconciled.context("the running server did not say what it found")?;
    for difference in &report.differences {
        output::line(&match shared.json {
            true => serde_json::to_string(difference)?,
            false => line(difference),
        })?;
    }
    output::line(&match shared.json {
        true => json!({ "looked": report.looked, "mended": report.mended, "problems": report.problems() }).to_string(),
        false => summary(&report),
    })?;
    Ok(match report.problems() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn line(difference: &Difference) -> String {
    let Difference {
        what,
        id,
        order_id,
        provider,
        ours,
        theirs,
        mended,
    } = difference;
    let done = if *mended { " (mended)" } else { "" };
    format!("{what} {id} of order {order_id}: here {ours}, at {provider} {theirs}{done}")
}

fn summary(report: &Report) -> String {
    format!(
        "asked about {} payments and refunds: {} differed, {} mended, {} to be looked at",
        report.looked,
        report.differences.len(),
        report.mended,
        report.problems()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_lines_for_people() {
        let text = r#"{"what":"payment","id":"00000000-0000-0000-0000-000000000001",
            "order_id":"00000000-0000-0000-0000-000000000002","provider":"stripe","ours":"pending","theirs":"captured","mended":true}"#;
        let difference: Difference = serde_json::from_str(text).unwrap();
        assert_eq!(
            line(&difference),
            "payment 00000000-0000-0000-0000-000000000001 of order 00000000-0000-0000-0000-000000000002: \
             here pending, at stripe captured (mended)"
        );
        let report = Report {
            looked: 3,
            differences: vec![difference],
            mended: 1,
        };
        assert_eq!(
            summary(&report),
            "asked about 3 payments and refunds: 1 differed, 1 mended, 0 to be looked at"
        );
    }
}
