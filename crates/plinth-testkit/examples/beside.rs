//! Runs a program with a database server, a store of files or a provider of payments beside it, as its environment then says:
//! `beside [--postgres] [--s3] [--stripe] PROGRAM [ARGUMENTS…]`. All are private, empty, and gone when the program has ended.
//!
//! So the programs under `tests/clients` are the same whatever Plinth they start stands on.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use plinth_testkit::postgres;
use plinth_testkit::postgres::guarded::Guarded;
use plinth_testkit::seaweedfs::{self, SeaweedFs};
use plinth_testkit::stripe::{self, Stripe};

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let own = arguments
        .iter()
        .take_while(|argument| argument.starts_with("--"))
        .count();
    let (wanted, program) = arguments.split_at(own);
    let wants = |what: &str| wanted.iter().any(|one| one == what);
    let (name, arguments) = program.split_first().context("which program?")?;
    let mut command = Command::new(name);
    command.args(arguments);

    let _postgres = if wants("--postgres") {
        let bin = postgres::find().context("PostgreSQL was not found; set PLINTH_PG_BIN")?;
        let server = Guarded::start(&bin)?;
        command.env("PLINTH_DATABASE_URL", server.url(&server.database()?));
        Some(server)
    } else {
        None
    };
    let _store = if wants("--s3") {
        let program = seaweedfs::find().context("SeaweedFS was not found; set PLINTH_WEED")?;
        let store = SeaweedFs::start(&program)?;
        command.envs(store.environment(&store.bucket()?));
        Some(store)
    } else {
        None
    };
    let _stripe = if wants("--stripe") {
        let python = stripe::find().context("localstripe was not found; set PLINTH_LOCALSTRIPE")?;
        // Nothing goes wrong here, so there is nothing to decide by the seed.
        let stripe = Stripe::start(&python, 0)?;
        command.envs(stripe.environment());
        command.envs(stripe.environment_of_clients());
        Some(stripe)
    } else {
        None
    };
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
