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
    after_help = "Asks the provider about every payment and refund that is not final, about those of the last weeks that are
([commerce] reconcile_days), and for all refunds that it has made since. What the provider knows better is stored here, in the
order and in the books; so are refunds that people made at the provider itself, also of older payments. Disputes that are open
are listed, which nothing here mends. Works beside a running server, which asks by itself about what is not final, as time goes
by, and for refunds and disputes once a day; what it has found so and is found no more is listed as earlier. Payments by hand
are known by their rows alone, so nobody is asked about them.
Exit code 0: both sides say the same, or do so now; 1: something differs still, or a provider did not answer. What is listed as
earlier does not count.

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
    let report = ask_once(
        &project,
        &config,
        args.data.choice("plinth orders reconcile"),
        Request::OrdersReconcile,
        |reply| match reply {
            Reply::OrdersReconciled { report } => Some(report),
            Reply::Progress { text, .. } if !shared.json => {
                eprintln!("{text}");
                None
            }
            _ => None,
        },
    )?;
    let report = report.context("the running server did not say what it found")?;
    for difference in &report.differences {
        output::line(&match shared.json {
            true => serde_json::to_string(difference)?,
            false => line(difference),
        })?;
    }
    for difference in &report.earlier {
        output::line(&match shared.json {
            true => earlier_json(difference)?,
            false => format!("earlier: {}", line(difference)),
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

/// As other lines, with a member that they have not got.
fn earlier_json(difference: &Difference) -> serde_json::Result<String> {
    let mut object = json!(difference);
    object["earlier"] = json!(true);
    serde_json::to_string(&object)
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
    if id.is_nil() {
        return format!("{what}: here {ours}, at {provider} {theirs}{done}");
    }
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
        let earlier = earlier_json(&difference).unwrap();
        assert!(earlier.contains(r#""earlier":true"#), "{earlier}");
        assert!(earlier.contains(r#""theirs":"captured""#), "{earlier}");
        let report = Report {
            looked: 3,
            differences: vec![difference.clone()],
            mended: 1,
            earlier: vec![difference],
        };
        assert_eq!(
            summary(&report),
            "asked about 3 payments and refunds: 1 differed, 1 mended, 0 to be looked at"
        );
    }
}
