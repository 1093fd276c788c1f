//! Speed: Plinth beside others.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::paths::{self, cargo};
use crate::{install, take_flag, take_value, wait};

/// Builds for release, installs the rivals and runs the benchmark, which tells its steps itself.
pub(crate) fn run(args: &mut Vec<String>) -> Result<ExitCode> {
    let quick = take_flag(args, "--quick");
    let crowd = take_flag(args, "--crowd");
    let on_postgres = take_flag(args, "--on-postgres");
    let media = take_flag(args, "--media");
    let commerce = take_flag(args, "--commerce");
    let only = take_value(args, "--only")?;
    let seconds = take_value(args, "--seconds")?;
    if let Some(extra) = args.first() {
        bail!("`{extra}` is not an option of `bench`; see `cargo xtask --help`");
    }
    let built = cargo()
        .args(["build", "--release", "--package", "plinth"])
        .args(["--package", "plinth-load"])
        .status()?;
    if !built.success() {
        bail!("the programs could not be built");
    }
    let programs = paths::target().join("release");
    let mut command = Command::new(programs.join("plinth-load"));
    command
        .arg("bench")
        .arg("--plinth")
        .arg(programs.join("plinth"))
        .arg("--scratch")
        .arg(paths::cache().join("bench"));
    if let Some(seconds) = seconds {
        command.args(["--seconds", &seconds]);
    }
    if let Some(only) = &only {
        command.args(["--only", only]);
    }
    let all = !(quick || crowd || on_postgres || media || commerce || only.is_some());
    if on_postgres || commerce || all {
        install::postgres()?;
    }
    if media || all {
        install::media_rivals()?;
    }
    if crowd {
        command.arg("--crowd");
    } else if on_postgres {
        command.arg("--on-postgres");
    } else if commerce {
        command.arg("--commerce");
    } else if media {
        command.arg("--media");
        command.arg("--pocketbase").arg(install::pocketbase()?);
    } else if quick {
        command.args(["--server", "plinth", "--rounds", "1"]);
    } else {
        command.arg("--pocketbase").arg(install::pocketbase()?);
    }
    if all {
        command
            .arg("--output")
            .arg(paths::root().join("bench/RESULTS.md"));
    }
    wait(&mut command)
}
