//! `plinth keys`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use plinth_db::keys::Which;
use serde_json::json;

use super::duration::seconds;
use super::{Directory, Shared, application, ask_once, output};
use crate::control::{Choice, Reply, Request, RotateReport, RotateRequest};
use crate::project::{Project, Stage};

/// Replace an application's keys
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Rotate(Rotate),
}

/// Put fresh keys into the place of those in use
#[derive(Debug, Args)]
#[command(
    after_help = "Goes through the running server when there is one, else opens the data itself. All nodes on a database follow before it ends.
The anon key and the service key are tokens that the signing secret has signed: they are replaced with it, and end with it.
So do signed URLs of files: those that hold for longer need a longer --keep-old, or are made anew.
Whoever is signed in stays so, because refresh tokens are left alone. See the new keys with: plinth status DIR

Examples:
  plinth keys rotate shop                             all of them; the old ones count for one hour more
  plinth keys rotate shop --what api --keep-old 30d   time for clients to get the new publishable and secret keys
  plinth keys rotate shop --keep-old 0                a key has leaked: the old ones end at once"
)]
struct Rotate {
    #[command(flatten)]
    directory: Directory,
    /// Which keys
    #[arg(long, value_enum, default_value_t = What::All)]
    what: What,
    /// How long the old ones still count: 0, 90s, 15m, 12h, 30d (default: as long as an access token holds)
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    keep_old: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The signing secret, the anon key and the service key
    Signing,
    /// The publishable key and the secret key
    Api,
    /// All of them
    All,
}

pub(super) fn run(args: &Keys, shared: &Shared) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Rotate(rotate) => run_rotate(rotate, shared),
    }
}

fn run_rotate(args: &Rotate, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let token_seconds = i64::from(config.auth.access_token_seconds);
    let request = RotateRequest {
        which: args.what.into(),
        keep_old_seconds: args.keep_old.unwrap_or(token_seconds),
    };
    let choice = Choice {
        stage: Stage::Serve,
        command: "plinth keys rotate",
    };
    let rotated = ask_once(
        &project,
        &config,
        choice,
        Request::RotateKeys(request),
        |reply| match reply {
            Reply::Rotated(report) => Some(report),
            _ => None,
        },
    )?;
    let rotated = rotated.context("the running server did not say what it did")?;
    if shared.json {
        let report = json!({ "rotated": rotated.which, "old_until": rotated.old_until });
        output::line(&report.to_string())?;
    } else {
        output::write(&text(&project, &rotated))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(project: &Project, rotated: &RotateReport) -> String {
    let what = match rotated.which {
        Which::Signing => "the signing secret, the anon key and the service key are new",
        Which::Api => "the publishable key and the secret key are new",
        Which::All => "all keys are new",
    };
    let old = match &rotated.old_until {
        Some(until) => format!("the old ones count until {until}"),
        None => "the old ones count no more".to_owned(),
    };
    let dir = project.dir.display();
    format!("{what}; {old}\nsee the new ones with: plinth status {dir}\n")
}

impl From<What> for Which {
    fn from(what: What) -> Which {
        match what {
            What::Signing => Which::Signing,
            What::Api => Which::Api,
            What::All => Which::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_until_when_the_old_ones_count() {
        let project = Project { dir: "shop".into() };
        let rotated = |which, old_until: Option<&str>| {
            let old_until = old_until.map(str::to_owned);
            text(&project, &RotateReport { which, old_until })
        };
        assert_eq!(
            rotated(Which::All, Some("2026-01-02T03:04:05Z")),
            "all keys are new; the old ones count until 2026-01-02T03:04:05Z\n\
             see the new ones with: plinth status shop\n"
        );
        assert_eq!(
            rotated(Which::Api, None),
            "the publishable key and the secret key are new; the old ones count no more\n\
             see the new ones with: plinth status shop\n"
        );
    }
}
