//! `plinth status`.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::{Data, Directory, Shared, application, ask_once, output};
use crate::control::{Reply, Request, StatusReport};

/// Show how an application stands: URL, keys, migrations
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plinth status shop
  plinth status shop -o env > .env       API_URL, ANON_KEY, SERVICE_ROLE_KEY, …
  plinth status shop -o json")]
pub(super) struct Status {
    #[command(flatten)]
    directory: Directory,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Form::Pretty)]
    output: Form,
    #[command(flatten)]
    data: Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Pretty,
    /// Variables for a shell or a .env file
    Env,
    /// An object
    Json,
}

pub(super) fn run(args: &Status, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let status = ask_once(
        &project,
        &config,
        args.data.choice("plinth status"),
        Request::Status,
        |reply| match reply {
            Reply::Status(report) => Some(report),
            _ => None,
        },
    )?;
    let status = status.context("the running server gave no status")?;
    let form = if shared.json { Form::Json } else { args.output };
    match form {
        Form::Json => output::line(&serde_json::to_string_pretty(&status)?)?,
        Form::Env => output::write(&env(&status))?,
        Form::Pretty => output::write(&pretty(&status))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn env(status: &StatusReport) -> String {
    let variables = [
        ("API_URL", &status.api_url),
        ("ANON_KEY", &status.anon_key),
        ("SERVICE_ROLE_KEY", &status.service_role_key),
        ("PUBLISHABLE_KEY", &status.publishable_key),
        ("SECRET_KEY", &status.secret_key),
        ("JWT_SECRET", &status.jwt_secret),
    ];
    variables
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\"\n"))
        .collect::<Vec<_>>()
        .concat()
}

fn pretty(status: &StatusReport) -> String {
    let running = match status.pid {
        Some(pid) => format!("running, process {pid}"),
        None => "not running".to_owned(),
    };
    let stage = match status.stage {
        crate::project::Stage::Dev => "development",
        crate::project::Stage::Serve => "production",
    };
    let migrations = format!(
        "{} applied, {} pending",
        status.migrations_applied, status.migrations_pending
    );
    let lines = [
        ("state", running),
        (
            "data",
            format!("{stage}, {} KiB", status.database_bytes.div_ceil(1024)),
        ),
        ("migrations", migrations),
        ("API URL", status.api_url.clone()),
        ("anon key", status.anon_key.clone()),
        ("service key", status.service_role_key.clone()),
        ("publishable key", status.publishable_key.clone()),
        ("secret key", status.secret_key.clone()),
        ("JWT secret", status.jwt_secret.clone()),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{name:<16} {value}\n"))
        .collect::<Vec<_>>()
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_has_every_variable_in_double_quotes() {
        let text = |value: &str| value.to_owned();
        let status = StatusReport {
            stage: crate::project::Stage::Dev,
            pid: None,
            version: text("0"),
            api_url: text("http://127.0.0.1:54321"),
            anon_key: text("a"),
            service_role_key: text("b"),
            publishable_key: text("c"),
            secret_key: text("d"),
            jwt_secret: text("e"),
            migrations_applied: 0,
            migrations_pending: 0,
            database_bytes: 0,
        };
        assert_eq!(
            env(&status),
            "API_URL=\"http://127.0.0.1:54321\"\nANON_KEY=\"a\"\nSERVICE_ROLE_KEY=\"b\"\nPUBLISHABLE_KEY=\"c\"\nSECRET_KEY=\"d\"\nJWT_SECRET=\"e\"\n"
        );
    }
}
