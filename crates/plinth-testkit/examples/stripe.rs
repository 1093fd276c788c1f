//! The stand-in for Stripe by itself, until its input ends. Says first how Plinth and a client are told of it, one variable a line.
//!
//! So an example can be tried that sells something: `PLINTH_LOCALSTRIPE` names a Python that has the package `localstripe`.

use std::io::{Read as _, Write as _};

use anyhow::{Context, Result};
use plinth_testkit::stripe::{self, Stripe};

fn main() -> Result<()> {
    let python = stripe::find().context("localstripe was not found; set PLINTH_LOCALSTRIPE")?;
    let stripe = Stripe::start(&python, 0)?;
    let mut said = std::io::stdout();
    for (name, value) in [stripe.environment(), stripe.environment_of_clients()].concat() {
        writeln!(said, "{name}=\"{value}\"")?;
    }
    // Nothing follows.
    writeln!(said)?;
    said.flush()?;
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    Ok(())
}
