//! `plinth sql`.

mod aligned;
mod csv;
mod diagnostics;
mod interactive;
mod json;
mod printer;
mod progress;

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Data, Directory, Shared, application, runtime};
use crate::control::{Backend, Reply, Request, ScriptRequest};
use diagnostics::Source;
use printer::Printer;
use progress::Progress;

/// A script ran to its end, and some of its statements failed.
const EXIT_SCRIPT_ERRORS: u8 = 3;

/// Run SQL: a command, a file, or what you type
#[derive(Debug, Args)]
#[command(
    after_help = "Statements run one by one, each committed by itself, and an error does not stop the script (exit code 3 tells
of errors at the end). Without -c and -f, SQL is read from standard input, or typed at a prompt.

Examples:
  plinth sql shop                                   a prompt; \\q leaves it
  plinth sql shop -c 'select * from notes'
  plinth sql shop -f northwind.sql
  plinth sql shop -c 'table notes' --as 8a0c…       as that signed-in person, under the policies
  plinth sql shop -c 'table notes' --role anon
  plinth sql shop -c 'table notes' --format csv > notes.csv"
)]
pub(super) struct Sql {
    #[command(flatten)]
    directory: Directory,
    /// Run this SQL (may be given several times)
    #[arg(short, long = "command", value_name = "SQL", conflicts_with = "file")]
    command: Vec<String>,
    /// Run this file; - is standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Run as this signed-in user, under the policies
    #[arg(long = "as", value_name = "USER_ID", conflicts_with = "role")]
    user: Option<String>,
    /// Run as this role (default postgres, whom no policy holds)
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// The form of results
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    data: Data,
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, as psql shows it
    Table,
    /// An array of objects for each result, one a line
    Json,
    /// As psql --csv writes it
    Csv,
}

/// Who statements run as.
#[derive(Clone, Debug)]
struct Identity {
    role: String,
    claims: Option<String>,
}

pub(super) fn run(args: &Sql, shared: &Shared) -> anyhow::Result<ExitCode> {
    let (project, config) = application(&args.directory.dir, shared)?;
    let identity = identity(args);
    let format = if shared.json {
        Format::Json
    } else {
        args.format
    };
    // Read before anything is opened: a file that is not there should change nothing.
    let scripts = scripts(args)?;
    let runtime = runtime()?;
    let choice = args.data.choice("plinth sql");
    let mut backend = runtime.block_on(Backend::connect(&project, &config, choice))?;
    let done = match scripts {
        None => {
            let history = project.data(choice.stage).history();
            interactive::run(&runtime, &mut backend, &identity, format, &history)
        }
        Some(scripts) => run_scripts(&runtime, &mut backend, &identity, format, scripts),
    };
    runtime.block_on(backend.close());
    Ok(if done? {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_SCRIPT_ERRORS)
    })
}

fn identity(args: &Sql) -> Identity {
    match (&args.user, &args.role) {
        (Some(user), _) => Identity {
            role: "authenticated".to_owned(),
            claims: Some(
                json!({ "sub": user, "aud": "authenticated", "role": "authenticated" }).to_string(),
            ),
        },
        (None, Some(role)) if role != "postgres" => Identity {
            role: role.clone(),
            claims: Some(json!({ "role": role }).to_string()),
        },
        _ => Identity {
            role: "postgres".to_owned(),
            claims: None,
        },
    }
}

/// What is to be run; `None` means a prompt.
fn scripts(args: &Sql) -> anyhow::Result<Option<Vec<(Source, String)>>> {
    if !args.command.is_empty() {
        return Ok(Some(
            args.command
                .iter()
                .map(|sql| (Source::Command, sql.clone()))
                .collect(),
        ));
    }
    let (source, bytes) = match &args.file {
        Some(path) if path.as_os_str() != "-" => {
            let bytes =
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            (Source::File(path.display().to_string()), bytes)
        }
        None if io::stdin().is_terminal() => return Ok(None),
        _ => {
            let mut bytes = Vec::new();
            io::stdin()
                .read_to_end(&mut bytes)
                .context("cannot read standard input")?;
            (Source::File("<stdin>".to_owned()), bytes)
        }
    };
    match String::from_utf8(bytes) {
        // Some editors begin a file with a byte order mark, which is no SQL.
        Ok(sql) => Ok(Some(vec![(
            source,
            sql.strip_prefix('\u{feff}').unwrap_or(&sql).to_owned(),
        )])),
        Err(error) => {
            let good =
                String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let line = good.matches('\n').count() + 1;
            bail!(
                "{source}: line {line} is not valid UTF-8; convert the file, as in: iconv -f latin1 -t utf-8"
            )
        }
    }
}

/// True when no statement failed.
fn run_scripts(
    runtime: &tokio::runtime::Runtime,
    backend: &mut Backend,
    identity: &Identity,
    format: Format,
    scripts: Vec<(Source, String)>,
) -> anyhow::Result<bool> {
    let mut all_good = true;
    for (source, sql) in scripts {
        let bar = Progress::start(&source, &sql);
        let printer = Printer {
            format,
            source,
            tags: true,
        };
        all_good &= runtime.block_on(run_script(backend, identity, &printer, sql, &bar))?;
        bar.finish();
    }
    Ok(all_good)
}

async fn run_script(
    backend: &mut Backend,
    identity: &Identity,
    printer: &Printer,
    sql: String,
    progress: &Progress,
) -> anyhow::Result<bool> {
    let script = ScriptRequest {
        sql: sql.clone(),
        role: identity.role.clone(),
        claims: identity.claims.clone(),
    };
    let (mut good, mut end) = (true, Ok(()));
    backend
        .ask(Request::Sql(script), |reply| match reply {
            Reply::Statement(statement) => {
                good &= statement.error.is_none();
                let shown = progress.suspend(|| printer.print(&sql, &statement));
                progress.reach(statement.end);
                if end.is_ok() {
                    end = shown;
                }
            }
            Reply::Failed { message } => end = Err(anyhow::anyhow!(message)),
            _ => {}
        })
        .await?;
    end.map(|()| good)
}
