//! The project's task runner: `cargo xtask --help`.
//!
//! Stands on the standard library and `anyhow` alone, so that it is built in seconds. What it builds goes to a
//! cache folder outside the checkout.

mod bench;
mod check;
mod engines;
mod examples;
mod guard;
mod install;
mod paths;
mod run;
mod test;
mod tidy;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::run::Run;

const HELP: &str = "\
cargo xtask: everything there is to do in this repository

USAGE
  cargo xtask COMMAND [OPTIONS]

COMMANDS
  dev [DIR] [ARGS…]       build plinth and run `plinth dev DIR` (default: examples/shop)
  check                   formatting, lints, documentation, tidy: what a commit must pass
  test                    install what is missing, then check and every test, on both engines
  cases [FILTER]          only the text cases, e.g. `cases postgres::dialect` or `cases rls_`
      --update            write PostgreSQL's answers into the case files
  differential            statements and requests made by chance, run on both engines and compared
      --seed LIST         which ones: `7`, `1,2,3` or `10-20` (default: a fixed list)
      --statements N      how many for each seed (default: 200)
      --minutes N         new worlds of requests for so long; each is told by its number
  cluster                 failover of a real cluster: ten rounds of everything that can break
      --rounds N          so many
  commerce                orders: their client on both engines, and every kill -9 while the provider of payments misbehaves
  media                   files: every client on both engines and both stores, and every kill -9
  examples                run each example's client against `plinth dev`
  fuzz [SECONDS]          broken and random input for the parsers, PostgreSQL's grammar as judge (default: 120)
  bench                   Plinth beside PocketBase, bare axum, raw SQLite, nginx and libvips; writes bench/RESULTS.md
      --quick             Plinth alone, one round, nothing written
      --only TEXT         only work whose name contains this, nothing written
      --seconds N         how long each figure is taken (default: 4)
      --crowd             only many users at once, on Plinth, nothing written
      --on-postgres       only Plinth on PostgreSQL beside pgbench, nothing written
      --media             only files and pictures beside nginx, libvips and PocketBase, nothing written
      --commerce          only orders beside the same statements by hand, nothing written
  guard                   counts the instructions of a request's steps and compares with bench/instructions.txt
      --update            notes what is counted, for this processor
  pg                      a private PostgreSQL with the system schemas, until Ctrl-C
  tidy                    only the rules that are checked by reading: crate arrows, error codes, file sizes, docs/engines.md
  engines                 writes docs/engines.md anew from the notes in the case files

OPTIONS
  -v, --verbose           show what the tools print while they run
  -h, --help              this text

ENVIRONMENT
  PLINTH_CACHE            where compiled artefacts go (default: ~/.cache/plinth)
  PLINTH_PG_BIN           PostgreSQL's programs, when they are not where Debian puts them
  PLINTH_SAMPLES          a folder of PostgreSQL dumps that `test` loads into both engines
";

fn main() -> ExitCode {
    match dispatch(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(mut args: Vec<String>) -> Result<ExitCode> {
    let command = if args.is_empty() {
        "--help".to_owned()
    } else {
        args.remove(0)
    };
    if matches!(command.as_str(), "-h" | "--help" | "help") {
        print(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    if command == "dev" {
        return dev(&args);
    }
    if take_flag(&mut args, "--help") || take_flag(&mut args, "-h") {
        print(HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let verbose = take_flag(&mut args, "--verbose") | take_flag(&mut args, "-v");
    let mut run = Run::new(verbose)?;
    match command.as_str() {
        "check" => check::all(&mut run),
        "test" => test::all(&mut run)?,
        "cases" => {
            let update = take_flag(&mut args, "--update");
            test::cases(&mut run, take_word(&mut args).as_deref(), update)?;
        }
        "differential" => {
            let chance = test::Chance {
                seeds: take_value(&mut args, "--seed")?,
                statements: take_value(&mut args, "--statements")?,
                minutes: take_value(&mut args, "--minutes")?,
            };
            test::differential(&mut run, &chance)?;
        }
        "cluster" => {
            let rounds = take_value(&mut args, "--rounds")?
                .map_or(Ok(10), |text| text.parse::<u32>())
                .context("--rounds must be a number")?;
            if test::build(&mut run) {
                test::cluster(&mut run, Some(rounds));
            }
        }
        "commerce" => {
            install::postgres()?;
            if test::build(&mut run) {
                test::commerce(&mut run);
            }
        }
        "media" => {
            install::postgres()?;
            if test::build(&mut run) {
                test::media(&mut run);
            }
        }
        "examples" => {
            if test::build(&mut run) {
                examples::all(&mut run);
            }
        }
        "fuzz" => {
            let seconds = take_word(&mut args)
                .map_or(Ok(120), |text| text.parse())
                .context("SECONDS must be a number")?;
            test::fuzz(&mut run, seconds)?;
        }
        "bench" => return bench::run(&mut args),
        "guard" => {
            let update = take_flag(&mut args, "--update");
            if test::build(&mut run) {
                run.task("guard", || guard::check(update));
            }
        }
        "pg" => return pg(),
        "tidy" => check::by_reading(&mut run),
        "engines" => run.task("engines", || {
            engines::write().map(|()| "written".to_owned())
        }),
        other => bail!("there is no command `{other}`; see `cargo xtask --help`"),
    }
    if let Some(extra) = args.first() {
        bail!("`{extra}` is not an option of `{command}`; see `cargo xtask --help`");
    }
    Ok(run.finish())
}

/// Builds the command and becomes its parent: Ctrl-C reaches it as the terminal sends it.
fn dev(args: &[String]) -> Result<ExitCode> {
    let (directory, rest) = match args.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (first.as_str(), rest),
        _ => ("examples/shop", args),
    };
    let built = paths::cargo()
        .args(["build", "--package", "plinth"])
        .status()?;
    if !built.success() {
        bail!("plinth could not be built");
    }
    wait(
        Command::new(paths::plinth())
            .arg("dev")
            .arg(directory)
            .args(rest),
    )
}

fn pg() -> Result<ExitCode> {
    install::postgres()?;
    wait(paths::cargo().args([
        "run",
        "--quiet",
        "--package",
        "plinth-testkit",
        "--example",
        "private_postgres",
    ]))
}

fn wait(command: &mut Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn take_flag(args: &mut Vec<String>, flag: &str) -> bool {
    let before = args.len();
    args.retain(|arg| arg != flag);
    args.len() < before
}

/// `--name VALUE` or `--name=VALUE`.
fn take_value(args: &mut Vec<String>, name: &str) -> Result<Option<String>> {
    let Some(place) = args
        .iter()
        .position(|arg| arg.split('=').next() == Some(name))
    else {
        return Ok(None);
    };
    let arg = args.remove(place);
    if let Some((_, value)) = arg.split_once('=') {
        return Ok(Some(value.to_owned()));
    }
    if place == args.len() {
        bail!("{name} needs a value");
    }
    Ok(Some(args.remove(place)))
}

fn take_word(args: &mut Vec<String>) -> Option<String> {
    args.first()
        .is_some_and(|arg| !arg.starts_with('-'))
        .then(|| args.remove(0))
}

#[expect(clippy::print_stdout, reason = "the help is what was asked for")]
fn print(text: &str) {
    print!("{text}");
}
