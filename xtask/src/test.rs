//! Every test there is, and the parts of it that are run alone.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::paths::{self, cargo};
use crate::run::Run;
use crate::{check, examples, guard, install};

const BUILD_LIMIT: Duration = Duration::from_mins(40);
const CLIENT_LIMIT: Duration = Duration::from_mins(2);
const TEST_LIMIT: Duration = Duration::from_mins(15);
/// Ten rounds of everything.
const CLUSTER_LIMIT: Duration = Duration::from_mins(90);

/// Installs what is missing, then runs everything. A failed step does not keep the others from running, but for
/// the build.
pub(crate) fn all(run: &mut Run) -> Result<()> {
    run.task("install postgresql", install::postgres);
    run.task("install pgbouncer", install::pgbouncer);
    for project in install::example_clients() {
        let name = project
            .strip_prefix(paths::root())
            .unwrap_or(&project)
            .display()
            .to_string();
        run.task(&format!("npm {name}"), || install::npm(&project));
    }
    check::all(run);
    if !build(run) {
        return Ok(());
    }
    run.command("unit tests", &mut unit_tests(), TEST_LIMIT);
    run.task("guard", || guard::check(false));
    cases(run, None, false)?;
    differential(run, &Chance::default())?;
    run.command("nodes", &mut with_pooler("nodes", None), TEST_LIMIT);
    cluster(run, None);
    if std::env::var_os("PLINTH_SAMPLES").is_some() {
        run.command(
            "sample data",
            &mut engines("differential", Some("samples")),
            TEST_LIMIT,
        );
    } else {
        run.skip(
            "sample data",
            "PLINTH_SAMPLES names no folder of PostgreSQL dumps",
        );
    }
    examples::all(run);
    javascript_client(run);
    python_client(run);
    Ok(())
}

/// `supabase-js` against the command as it was built last, with a mail server beside it.
fn javascript_client(run: &mut Run) {
    let project = paths::root().join("tests/clients/javascript");
    if let Err(error) = install::npm(&project) {
        return run.task("supabase-js", || Err(error));
    }
    let mut program = Command::new("node");
    program.arg(".").arg(paths::plinth()).current_dir(&project);
    run.command("supabase-js", &mut program, CLIENT_LIMIT);
}

/// The same of `supabase-py`.
fn python_client(run: &mut Run) {
    let project = paths::root().join("tests/clients/python");
    match install::python(&project) {
        Ok(python) => {
            let mut program = Command::new(python);
            program
                .arg(project.join("accounts.py"))
                .arg(paths::plinth())
                .env("PYTHONDONTWRITEBYTECODE", "1");
            run.command("supabase-py", &mut program, CLIENT_LIMIT);
        }
        Err(error) => run.task("supabase-py", || Err(error)),
    }
}

/// Builds all that the steps after it run, once, with the same features.
pub(crate) fn build(run: &mut Run) -> bool {
    run.command(
        "build",
        cargo().args(["build", "--workspace", "--all-targets"]),
        BUILD_LIMIT,
    )
}

/// The text cases. With `update`, PostgreSQL's answers are written into them.
pub(crate) fn cases(run: &mut Run, filter: Option<&str>, update: bool) -> Result<()> {
    install::postgres()?;
    install::pgbouncer()?;
    let mut command = with_pooler("cases", filter);
    if update {
        command.env("UPDATE_EXPECT", "1");
    }
    run.command("cases", &mut command, TEST_LIMIT);
    Ok(())
}

/// What the differential test is asked for.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    /// Which seeds; a fixed list by default.
    pub(crate) seeds: Option<String>,
    /// How many statements each.
    pub(crate) statements: Option<String>,
    /// New worlds of requests for so long, instead of all that.
    pub(crate) minutes: Option<String>,
}

/// Statements and requests made by chance.
pub(crate) fn differential(run: &mut Run, chance: &Chance) -> Result<()> {
    install::postgres()?;
    if let Some(minutes) = &chance.minutes {
        let mut command = engines("differential", Some("requests::new_worlds"));
        command.arg("--nocapture").env("PLINTH_MINUTES", minutes);
        let time = Duration::from_mins(minutes.parse()?);
        run.command("differential", &mut command, time + TEST_LIMIT);
        return Ok(());
    }
    for part in ["generated", "requests"] {
        let mut command = engines("differential", Some(part));
        command.envs(chance.seeds.as_ref().map(|seeds| ("PLINTH_SEEDS", seeds)));
        let statements = chance.statements.as_ref();
        command.envs(statements.map(|statements| ("PLINTH_STATEMENTS", statements)));
        run.command(&format!("differential {part}"), &mut command, TEST_LIMIT);
    }
    Ok(())
}

/// Failover on a real cluster: a kill and a freeze, or so many rounds of all there is.
pub(crate) fn cluster(run: &mut Run, rounds: Option<&str>) {
    run.task("install patroni", install::cluster);
    let mut command = engines("cluster", None);
    command.env("PLINTH_REQUIRE_CLUSTER", "1");
    command.envs(rounds.map(|rounds| ("PLINTH_CLUSTER_ROUNDS", rounds)));
    let limit = match rounds {
        Some(_) => CLUSTER_LIMIT,
        None => TEST_LIMIT,
    };
    run.command("cluster", &mut command, limit);
}

/// The fuzzer is a package of its own, because its judge is PostgreSQL's parser in C.
pub(crate) fn fuzz(run: &mut Run, seconds: u64) -> Result<()> {
    if !has_libclang() {
        install::debian(&["libclang-dev"])?;
    }
    let mut command = cargo();
    command.args([
        "run",
        "--release",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--",
        &seconds.to_string(),
    ]);
    run.command(
        "fuzz",
        &mut command,
        BUILD_LIMIT + Duration::from_secs(seconds),
    );
    Ok(())
}

/// Everything but the binaries that start PostgreSQL, which nextest would do anew for each test.
fn unit_tests() -> Command {
    let nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let mut command = cargo();
    if nextest.is_ok_and(|status| status.success()) {
        let others =
            "not (binary(=cases) | binary(=differential) | binary(=nodes) | binary(=cluster))";
        command.args([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "-E",
            others,
        ]);
    } else {
        command.args([
            "test",
            "--workspace",
            "--no-fail-fast",
            "--lib",
            "--bins",
            "--test",
            "it",
            "--test",
            "routes",
            "--test",
            "bad_input",
            "--test",
            "keys",
        ]);
    }
    command
}

/// A test binary that needs both engines.
fn engines(binary: &str, filter: Option<&str>) -> Command {
    let mut command = cargo();
    command
        .args(["test", "--quiet", "--workspace", "--test", binary, "--"])
        .args(filter);
    command.env("PLINTH_REQUIRE_POSTGRES", "1");
    command
}

/// The same, with `PgBouncer` before the server as well.
fn with_pooler(binary: &str, filter: Option<&str>) -> Command {
    let mut command = engines(binary, filter);
    command.env("PLINTH_REQUIRE_PGBOUNCER", "1");
    command
}

/// Where Debian puts the library that bindings to C are made with.
fn has_libclang() -> bool {
    let folders = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let llvm = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("lib"));
    let mut files = folders
        .chain(llvm)
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    std::env::var_os("LIBCLANG_PATH").is_some()
        || files.any(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.starts_with("libclang.so") || name.starts_with("libclang-1")
        })
}
