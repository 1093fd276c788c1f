//! The command line: what can be said, and who does it.
//!
//! Exit codes: 0 done, 1 failed, 2 not understood, 3 a script ran to its end with errors.

mod backup;
mod completions;
mod dev;
mod duration;
mod init;
mod keys;
mod ledger;
mod migrate;
mod orders;
mod output;
mod progress;
mod restore;
mod s3_keys;
mod serve;
mod sql;
mod status;
mod storage;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, Flags, LogFormat};
use crate::control::{Backend, Choice, Reply, Request};
use crate::logging;
use crate::project::{Project, Stage};

/// `0.1.0 (1a2b3c4)`: the version and the commit it was built from.
pub(crate) const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (", env!("PLINTH_COMMIT"), ")");

#[derive(Debug, Parser)]
#[command(
    name = "plinth",
    version = VERSION,
    about = "A folder of Postgres migrations becomes a backend: REST, accounts and policies in one process, one file of data.",
    arg_required_else_help = true,
    propagate_version = true,
    after_help = "Examples:
  plinth init shop                      a commented starter in the folder shop
  plinth dev shop                       run it for development, on http://127.0.0.1:54321
  plinth sql shop -c 'select now()'     run SQL in it
  plinth serve shop                     run it in production

Every command has --help with examples of its own."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    shared: Shared,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Shared {
    /// Address and port of the server (default 127.0.0.1:54321)
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// A PostgreSQL server in place of one file; a URL with a password is better kept in `PLINTH_DATABASE_URL`
    #[arg(long, global = true, value_name = "postgres://…")]
    database_url: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say more: -v information, -vv debugging, -vvv everything
    #[arg(short, long = "verbose", global = true, action = clap::ArgAction::Count)]
    verbosity: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Dev(dev::Dev),
    Serve(serve::Serve),
    Migrate(migrate::Migrate),
    Status(status::Status),
    Keys(keys::Keys),
    Sql(sql::Sql),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Storage(storage::Storage),
    Orders(orders::Orders),
    Ledger(ledger::Ledger),
    #[command(name = "s3-keys")]
    S3Keys(s3_keys::S3Keys),
    Completions(completions::Completions),
}

/// The application's folder.
#[derive(Clone, Debug, Args)]
struct Directory {
    /// The application's folder
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Which data a command means when no server runs.
#[derive(Clone, Debug, Args)]
struct Data {
    /// With no server running, use the data of `plinth dev` (data/dev/)
    #[arg(long)]
    dev: bool,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let Cli { command, shared } = Cli::parse();
    let done = match command {
        Command::Init(args) => init::run(&args, &shared),
        Command::Dev(args) => dev::run(&args, &shared),
        Command::Serve(args) => serve::run(&args, &shared),
        Command::Migrate(args) => migrate::run(&args, &shared),
        Command::Status(args) => status::run(&args, &shared),
        Command::Keys(args) => keys::run(&args, &shared),
        Command::Sql(args) => sql::run(&args, &shared),
        Command::Backup(args) => backup::run(&args, &shared),
        Command::Restore(args) => restore::run(&args, &shared),
        Command::Storage(args) => storage::run(&args, &shared),
        Command::Orders(args) => orders::run(&args, &shared),
        Command::Ledger(args) => ledger::run(&args, &shared),
        Command::S3Keys(args) => s3_keys::run(&args, &shared),
        Command::Completions(args) => completions::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            report(&error, shared.json);
            ExitCode::FAILURE
        }
    }
}

fn report(error: &anyhow::Error, json: bool) {
    if json {
        eprintln!("{}", serde_json::json!({ "error": format!("{error:#}") }));
    } else {
        eprintln!("plinth: {error:#}");
    }
}

/// The application and its settings; starts logging.
fn application(dir: &Path, shared: &Shared) -> anyhow::Result<(Project, Config)> {
    let project = Project::open(dir)?;
    let flags = Flags {
        listen: shared.listen,
        database_url: shared.database_url.clone(),
    };
    let config = config::load(dir, std::env::vars_os().filter_map(unicode), flags)?;
    let format = if shared.json {
        LogFormat::Json
    } else {
        config.log.format
    };
    logging::start(format, shared.verbosity);
    Ok((project, config))
}

/// Variables that are no text are none of ours.
fn unicode((name, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

impl Data {
    fn stage(&self) -> Stage {
        if self.dev { Stage::Dev } else { Stage::Serve }
    }

    fn choice(&self, command: &'static str) -> Choice {
        Choice {
            stage: self.stage(),
            command,
        }
    }
}

/// Backups are of files; a server has tools of its own.
fn refuse_server(config: &Config) -> anyhow::Result<()> {
    if config.database.is_server() {
        anyhow::bail!(
            "the data is on a PostgreSQL server (`[database] url`): back it up with pg_dump or pg_basebackup, and restore it with their counterparts"
        );
    }
    Ok(())
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        // What overflows a worker's own queue has waited longest. By default it comes last, and under overload waits for
        // seconds while others are served at once.
        .global_queue_interval(1)
        // What runs in place may call functions to some depth. Only what is used of it takes memory.
        .thread_stack_size(16 * 1024 * 1024)
        .enable_all()
        .build()?)
}

/// Asks one thing of whoever has the database, and closes again.
///
/// Every reply goes to `on`, which gives the one that is the answer; without such a reply there is none. A request that failed
/// is an error.
fn ask_once<T>(
    project: &Project,
    config: &Config,
    choice: Choice,
    request: Request,
    mut on: impl FnMut(Reply) -> Option<T>,
) -> anyhow::Result<Option<T>> {
    let (mut answer, mut failed) = (None, None);
    runtime()?.block_on(async {
        let mut backend = Backend::connect(project, config, choice).await?;
        let asked = backend.ask(request, |reply| match reply {
            Reply::Failed { message } => failed = Some(message),
            reply => {
                if let Some(answered) = on(reply) {
                    answer = Some(answered);
                }
            }
        });
        let asked = asked.await;
        backend.close().await;
        asked
    })?;
    match failed {
        Some(message) => anyhow::bail!(message),
        None => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shared_flags_may_follow_the_command() {
        let cli = Cli::try_parse_from([
            "plinth",
            "status",
            "shop",
            "--json",
            "-vv",
            "--listen",
            "127.0.0.1:1",
        ])
        .unwrap();
        assert!(cli.shared.json && cli.shared.verbosity == 2);
        assert_eq!(cli.shared.listen.unwrap().port(), 1);
    }

    #[test]
    fn keys_are_rotated_by_a_command_of_their_own() {
        let parse = |args: &[&str]| {
            let all: Vec<&str> = ["plinth", "keys", "rotate", "shop"]
                .iter()
                .chain(args)
                .copied()
                .collect();
            Cli::try_parse_from(all).is_ok()
        };
        assert!(parse(&[]));
        assert!(parse(&["--what", "signing", "--keep-old", "0", "--json"]));
        assert!(!parse(&["--what", "everything"]));
        assert!(!parse(&["--keep-old", "soon"]));
        assert!(!parse(&["--dev"]));
    }

    #[test]
    fn sql_takes_a_user_or_a_role_but_not_both() {
        assert!(
            Cli::try_parse_from([
                "plinth", "sql", "shop", "-c", "select 1", "--as", "x", "--role", "anon"
            ])
            .is_err()
        );
    }
}
