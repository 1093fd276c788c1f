//! `plinth s3-keys`: access keys for tools that speak S3.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Data, Directory, Shared, application, ask_once, output};
use crate::control::{Reply, Request, S3KeyReport, S3KeysRequest};

/// Access keys for tools that speak S3, such as rclone and the AWS command line
#[derive(Debug, Args)]
#[command(
    after_help = "A key acts as service_role: policies do not apply to it, so give it to servers and tools alone. --bucket keeps it to
the buckets that are named. To let a user's program speak S3 under policies, sign with the project's anon key as the
secret and the user's token as the session token.

Examples:
  plinth s3-keys create shop --name backup --bucket photos
  plinth s3-keys create shop -o env >> .env      AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …
  plinth s3-keys list shop
  plinth s3-keys revoke shop PLNT…               every node notices within seconds"
)]
pub(super) struct S3Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; its secret is shown this once
    Create(Create),
    /// List every key
    List(List),
    /// End a key
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    directory: Directory,
    /// What it is for
    #[arg(long, default_value = "default")]
    name: String,
    /// A bucket that it opens; may be given several times. Without any it opens all
    #[arg(long = "bucket", value_name = "BUCKET")]
    buckets: Vec<String>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = Form::Pretty)]
    output: Form,
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    directory: Directory,
    #[command(flatten)]
    data: Data,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The application's folder
    #[arg(value_name = "DIR")]
    dir: std::path::PathBuf,
    /// The key, as the list shows it
    #[arg(value_name = "ACCESS_KEY_ID")]
    access_key_id: String,
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

pub(super) fn run(args: &S3Keys, shared: &Shared) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Create(args) => create(args, shared),
        Action::List(args) => list(args, shared),
        Action::Revoke(args) => revoke(args, shared),
    }
}

fn create(args: &Create, shared: &Shared) -> anyhow::Result<ExitCode> {
    let request = S3KeysRequest::Create {
        name: args.name.clone(),
        buckets: Some(args.buckets.clone()).filter(|buckets| !buckets.is_empty()),
    };
    let keys = ask(&args.directory.dir, &args.data, request, shared)?;
    let key = keys.first().context("the running server made no key")?;
    let form = if shared.json { Form::Json } else { args.output };
    match form {
        Form::Json => output::line(&serde_json::to_string_pretty(key)?)?,
        Form::Env => output::write(&env(key))?,
        Form::Pretty => {
            output::write(&pretty(key))?;
            eprintln!("the secret is not shown again");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &List, shared: &Shared) -> anyhow::Result<ExitCode> {
    let keys = ask(&args.directory.dir, &args.data, S3KeysRequest::List, shared)?;
    if shared.json {
        output::line(&json!({ "keys": keys }).to_string())?;
    } else if keys.is_empty() {
        output::line("there are no access keys; make one with: plinth s3-keys create")?;
    } else {
        output::write(&table(&keys))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(args: &Revoke, shared: &Shared) -> anyhow::Result<ExitCode> {
    let request = S3KeysRequest::Revoke {
        access_key_id: args.access_key_id.clone(),
    };
    let keys = ask(&args.dir, &args.data, request, shared)?;
    let key = keys.first().context("the running server ended no key")?;
    if shared.json {
        output::line(&serde_json::to_string_pretty(key)?)?;
    } else {
        output::line(&format!("{} ({}) is revoked", key.access_key_id, key.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn ask(
    dir: &std::path::Path,
    data: &Data,
    request: S3KeysRequest,
    shared: &Shared,
) -> anyhow::Result<Vec<S3KeyReport>> {
    let (project, config) = application(dir, shared)?;
    let keys = ask_once(
        &project,
        &config,
        data.choice("plinth s3-keys"),
        Request::S3Keys(request),
        |reply| match reply {
            Reply::S3Keys { keys } => Some(keys),
            _ => None,
        },
    )?;
    keys.context("the running server gave no keys")
}

fn env(key: &S3KeyReport) -> String {
    let secret = key.secret_access_key.as_deref().unwrap_or_default();
    let variables = [
        ("AWS_ACCESS_KEY_ID", key.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL_S3", key.endpoint.as_str()),
    ];
    variables
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\"\n"))
        .collect::<Vec<_>>()
        .concat()
}

fn pretty(key: &S3KeyReport) -> String {
    let lines = [
        ("access key id", key.access_key_id.clone()),
        (
            "secret access key",
            key.secret_access_key.clone().unwrap_or_default(),
        ),
        ("endpoint", key.endpoint.clone()),
        ("buckets", buckets(key)),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{name:<18} {value}\n"))
        .collect::<Vec<_>>()
        .concat()
}

fn table(keys: &[S3KeyReport]) -> String {
    let line = |key: &S3KeyReport| {
        let state = match (&key.revoked_at, &key.last_used_at) {
            (Some(at), _) => format!("revoked {at}"),
            (None, Some(at)) => format!("used {at}"),
            (None, None) => "never used".to_owned(),
        };
        format!(
            "{:<26} {:<20} {:<20} {state}\n",
            key.access_key_id,
            key.name,
            buckets(key)
        )
    };
    keys.iter().map(line).collect::<Vec<_>>().concat()
}

fn buckets(key: &S3KeyReport) -> String {
    match &key.buckets {
        Some(buckets) => buckets.join(", "),
        None => "all".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> S3KeyReport {
        S3KeyReport {
            access_key_id: "PLNTA".to_owned(),
            secret_access_key: Some("hush".to_owned()),
            endpoint: "http://127.0.0.1:54321/storage/v1/s3".to_owned(),
            name: "backup".to_owned(),
            buckets: Some(vec!["a".to_owned(), "b".to_owned()]),
            created_at: "2026-01-02T03:04:05Z".to_owned(),
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn env_is_what_tools_read() {
        assert_eq!(
            env(&key()),
            "AWS_ACCESS_KEY_ID=\"PLNTA\"\nAWS_SECRET_ACCESS_KEY=\"hush\"\nAWS_ENDPOINT_URL_S3=\"http://127.0.0.1:54321/storage/v1/s3\"\n"
        );
    }

    #[test]
    fn a_list_shows_no_secret() {
        let listed = table(&[key()]);
        assert!(
            listed.contains("PLNTA") && listed.contains("a, b") && listed.contains("never used")
        );
        assert!(!listed.contains("hush"));
    }
}
