//! `plinth ledger`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Data, Directory, Shared, application, ask_once, output};
use crate::control::{LedgerFinding, Reply, Request};

/// Look after the books of an application
#[derive(Debug, Args)]
pub(super) struct Ledger {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
}

/// Compare the books with orders, payments, refunds and stock
#[derive(Debug, Args)]
#[command(
    after_help = "Every transaction must sum to zero in its currency, every account be in each currency what orders, payments and refunds say,
every order's sums be those of its transactions, every captured payment and every refund be booked once, and every reservation
stand in the inventory. All of it is read in one snapshot and nothing is changed, so it works beside a running server.
Exit code 0: everything fits; 1: something does not, and the lines say what.

Examples:
  plinth ledger check shop
  plinth ledger check shop --json"
)]
struct Check {
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    data: Data,
}

pub(super) fn run(args: &Ledger, shared: &Shared) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check(args) => check(args, shared),
    }
}

fn check(args: &Check, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let findings = ask_once(
        &project,
        &config,
        args.data.choice("plinth ledger check"),
        Request::LedgerCheck,
        |reply| match reply {
            Reply::LedgerChecked { findings } => Some(findings),
            Reply::Progress { text, .. } if !shared.json => {
                eprintln!("{text}");
                None
            }
            _ => None,
        },
    )?;
    let findings = findings.context("the running server did not say what it found")?;
    for finding in &findings {
        output::line(&match shared.json {
            true => serde_json::to_string(finding)?,
            false => line(finding),
        })?;
    }
    output::line(&match shared.json {
        true => json!({ "problems": findings.len() }).to_string(),
        false => summary(findings.len()),
    })?;
    Ok(match findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn line(finding: &LedgerFinding) -> String {
    let LedgerFinding {
        rule,
        subject,
        expected,
        found,
    } = finding;
    format!("{rule}: {subject}: expected {expected}, found {found}")
}

fn summary(problems: usize) -> String {
    match problems {
        0 => "the books fit".to_owned(),
        1 => "1 thing does not fit".to_owned(),
        many => format!("{many} things do not fit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_lines_for_people() {
        let finding = LedgerFinding {
            rule: "order_captured".to_owned(),
            subject: "an order".to_owned(),
            expected: "1234".to_owned(),
            found: "0".to_owned(),
        };
        assert_eq!(
            line(&finding),
            "order_captured: an order: expected 1234, found 0"
        );
        assert_eq!(summary(0), "the books fit");
        assert_eq!(summary(2), "2 things do not fit");
    }
}
