//! Makes sure that what the tests need is there. Looks before it installs, so that a second run costs nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;

/// PostgreSQL's server and `psql`, from Debian's package when they are nowhere.
pub(crate) fn postgres() -> Result<String> {
    let is_there = || plinth_private_postgres::find().is_some();
    if is_there() {
        return Ok(String::new());
    }
    debian(&["postgresql", "postgresql-client"])?;
    if !is_there() {
        bail!(
            "the package `postgresql` was installed, yet initdb is not to be found; set PLINTH_PG_BIN"
        );
    }
    Ok("installed the Debian package".to_owned())
}

/// Patroni and etcd, from Debian's packages when they are nowhere.
pub(crate) fn cluster() -> Result<String> {
    let found = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if found("patroni") && found("etcd") {
        return Ok(String::new());
    }
    debian(&["patroni", "etcd-server", "python3-etcd"])?;
    Ok("installed the Debian packages".to_owned())
}

/// `PgBouncer`, from Debian's package when it is nowhere.
pub(crate) fn pgbouncer() -> Result<String> {
    if plinth_private_postgres::find_pgbouncer().is_some() {
        return Ok(String::new());
    }
    debian(&["pgbouncer"])?;
    Ok("installed the Debian package".to_owned())
}

/// A store that speaks S3, for files; answers the program.
pub(crate) fn seaweedfs() -> Result<PathBuf> {
    Ok(services_python()?.with_file_name("weed"))
}

/// What answers as Stripe does; answers the interpreter that has it.
pub(crate) fn localstripe() -> Result<PathBuf> {
    services_python()
}

fn services_python() -> Result<PathBuf> {
    let project = paths::root().join("tests/services");
    python_environment(&project, "services-python")
}

/// A client of such stores, from Debian's package when it is nowhere.
pub(crate) fn rclone() -> Result<String> {
    if Command::new("rclone").arg("version").output().is_ok() {
        return Ok(String::new());
    }
    debian(&["rclone"])?;
    Ok("installed the Debian package".to_owned())
}

/// What files and pictures are compared with in the benchmark, from Debian's packages when it is nowhere.
pub(crate) fn media_rivals() -> Result<()> {
    let missing = |program: &str| Command::new(program).arg("-v").output().is_err();
    if missing("nginx") {
        debian(&["nginx-light"])?;
    }
    if missing("vipsthumbnail") {
        debian(&["libvips-tools"])?;
    }
    Ok(())
}

/// Valgrind, from Debian's package when it is nowhere.
pub(crate) fn valgrind() -> Result<()> {
    let found = Command::new("valgrind").arg("--version").output().is_ok();
    if found { Ok(()) } else { debian(&["valgrind"]) }
}

/// What an npm project's lock file names.
pub(crate) fn npm(project: &Path) -> Result<String> {
    let installed = modified(&project.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&project.join("package-lock.json")) {
        return Ok(String::new());
    }
    let output = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(project)
        .output()
        .context("cannot run npm; install Node.js 20 or later")?;
    if !output.status.success() {
        bail!("npm ci: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok("installed".to_owned())
}

/// What a Python project's `requirements.txt` names, in an environment of its own; answers the interpreter in it.
pub(crate) fn python(project: &Path) -> Result<PathBuf> {
    python_environment(project, "python")
}

/// `PocketBase`, which the benchmark compares with; answers the program.
pub(crate) fn pocketbase() -> Result<PathBuf> {
    let interpreter = python_environment(&paths::root().join("bench"), "bench-python")?;
    Ok(interpreter.with_file_name("pocketbase"))
}

fn python_environment(project: &Path, name: &str) -> Result<PathBuf> {
    let wanted = project.join("requirements.txt");
    let environment = paths::cache().join(name);
    let interpreter = environment.join("bin/python");
    let installed = environment.join("installed.txt");
    let same = |path: &Path| std::fs::read(path).ok() == std::fs::read(&wanted).ok();
    if installed.exists() && same(&installed) {
        return Ok(interpreter);
    }
    if command("python3", &["-m", "venv", "--clear"], &environment).is_err() {
        // Debian keeps the module in a package of its own.
        debian(&["python3-venv"])?;
        command("python3", &["-m", "venv", "--clear"], &environment)?;
    }
    let pip = interpreter.to_string_lossy().into_owned();
    command(
        &pip,
        &["-m", "pip", "install", "--quiet", "--requirement"],
        &wanted,
    )?;
    std::fs::copy(&wanted, &installed)?;
    Ok(interpreter)
}

fn command(program: &str, args: &[&str], last: &Path) -> Result<()> {
    let output = Command::new(program)
        .args(args)
        .arg(last)
        .output()
        .with_context(|| format!("cannot run {program}; install Python 3.11 or later"))?;
    if !output.status.success() {
        bail!(
            "{program} {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Debian packages, as root or through sudo.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let by_hand = format!("install {} and try again", packages.join(" "));
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("{by_hand}");
    }
    let root = Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0";
    let apt = |args: &[&str]| -> Result<()> {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            Command::new("sudo")
        };
        if !root {
            command.args(["--non-interactive", "apt-get"]);
        }
        let output = command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(args)
            .output()?;
        if !output.status.success() {
            bail!(
                "apt-get {}: {}\n{by_hand}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    };
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    // The package lists of a fresh machine are empty or old; a failure to renew them shows in the second try.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    path.metadata()
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// The npm projects of the examples.
pub(crate) fn example_clients() -> Vec<std::path::PathBuf> {
    let examples = std::fs::read_dir(paths::root().join("examples"))
        .into_iter()
        .flatten()
        .flatten();
    let mut projects: Vec<_> = examples
        .map(|example| example.path().join("client"))
        .collect();
    projects.retain(|client| client.join("package.json").exists());
    projects.sort();
    projects
}
