//! A private PostgreSQL with the system schemas, to try things on: `cargo xtask pg`. Ends with Ctrl-C.

use anyhow::{Context, Result};
use plinth_testkit::postgres::{Postgres, find};

fn main() -> Result<()> {
    let bin = find().context("PostgreSQL was not found; set PLINTH_PG_BIN")?;
    let server = Postgres::start(&bin, &plinth_server::modules())?;
    eprintln!("{}/psql {}", bin.display(), server.connection());
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::signal::ctrl_c())?;
    Ok(())
}
