//! Every test there is, and the parts of it that are run alone.

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::paths::{self, cargo};
use crate::run::Run;
use crate::{check, examples, guard, install};

/// A machine waits for the run of everything. The others are asked for by somebody, and may take what their steps may.
const RUN_LIMIT: Duration = Duration::from_mins(80);
const BUILD_LIMIT: Duration = Duration::from_mins(40);
const CLIENT_LIMIT: Duration = Duration::from_mins(2);
const TEST_LIMIT: Duration = Duration::from_mins(15);
/// A cluster's start, a kill and a freeze take little more than a minute on a machine that has nothing else to do.
const CLUSTER_LIMIT: Duration = Duration::from_mins(4);
/// One round of everything that can break in a cluster takes two minutes there.
const CLUSTER_ROUND_LIMIT: Duration = Duration::from_mins(9);

/// Installs what is missing, then runs everything. A failed step does not keep the others from running, but for
/// the build.
pub(crate) fn all(run: &mut Run) -> Result<()> {
    run.gives_up_after(RUN_LIMIT);
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
    let mut tests = unit_tests();
    tests.envs(services(run));
    run.command("unit tests", &mut tests, TEST_LIMIT);
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
    client(run, "supabase-js", javascript("main.js"), &[]);
    client(run, "supabase-py", python("accounts.py"), &[]);
    clients_of_files(run, &[&[], &["--postgres", "--s3"]]);
    clients_of_the_shop(run);
    histories(run);
    Ok(())
}

/// Orders in full: their client on both engines, histories, and every kill.
pub(crate) fn commerce(run: &mut Run) {
    clients_of_the_shop(run);
    histories(run);
    kills(run, "orders", "commerce::");
}

/// Histories of a shop, made by chance, on both engines.
fn histories(run: &mut Run) {
    let mut command = engines("histories", None);
    command.envs(services(run));
    run.command("orders: histories", &mut command, TEST_LIMIT);
}

/// The program under `tests/clients` that orders and pays, with the stand-in for Stripe beside Plinth.
fn clients_of_the_shop(run: &mut Run) {
    let places: [&[&str]; 2] = [&["--stripe"], &["--stripe", "--postgres"]];
    for services in places {
        let name = format!("orders: {}", services.join(" ").replace("--", ""));
        client(run, &name, javascript("commerce.js"), services);
    }
}

/// Files in full: their clients wherever rows and bytes can be, and every kill.
pub(crate) fn media(run: &mut Run) {
    clients_of_files(
        run,
        &[&[], &["--s3"], &["--postgres"], &["--postgres", "--s3"]],
    );
    kills(run, "files", "media::");
}

/// Every kill -9 that some tests know, more than where time is short.
fn kills(run: &mut Run, what: &str, tests: &str) {
    let mut command = engines("safety", Some(tests));
    command
        .arg("--nocapture")
        .env("PLINTH_ALL_ROUNDS", "1")
        .envs(services(run));
    run.command(&format!("{what}: kill -9"), &mut command, TEST_LIMIT);
}

/// The programs under `tests/clients` that are about files, with each of these services beside Plinth.
fn clients_of_files(run: &mut Run, services: &[&[&str]]) {
    run.task("install rclone", install::rclone);
    for services in services {
        let place = match *services {
            [] => String::new(),
            beside => format!(" {}", beside.join(" ").replace("--", "")),
        };
        let name = |of: &str| format!("files: {of}{place}");
        client(run, &name("supabase-js"), javascript("media.js"), services);
        client(run, &name("supabase-py"), python("media.py"), services);
        client(run, &name("s3"), python("s3.py"), services);
    }
}

/// A program that starts the command as it was built last, with services beside it.
fn client(run: &mut Run, name: &str, program: Result<Command>, services: &[&str]) {
    let prepared = program.and_then(|program| {
        if services.is_empty() {
            return Ok(program);
        }
        beside(services, &program)
    });
    match prepared {
        Ok(mut program) => {
            program.arg(paths::plinth());
            run.command(name, &mut program, CLIENT_LIMIT);
        }
        Err(error) => run.task(name, || Err(error)),
    }
}

/// A program of `tests/clients/javascript`.
fn javascript(file: &str) -> Result<Command> {
    let project = paths::root().join("tests/clients/javascript");
    install::npm(&project)?;
    let mut program = Command::new("node");
    program.arg(project.join(file));
    Ok(program)
}

/// A program of `tests/clients/python`.
fn python(file: &str) -> Result<Command> {
    let project = paths::root().join("tests/clients/python");
    let mut program = Command::new(install::python(&project)?);
    program
        .arg(project.join(file))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(program)
}

/// The same program, run by one that starts services for it.
fn beside(services: &[&str], program: &Command) -> Result<Command> {
    let mut command = Command::new(paths::target().join("debug/examples/beside"));
    command
        .args(services)
        .env("PLINTH_WEED", install::seaweedfs()?)
        .env("PLINTH_LOCALSTRIPE", install::localstripe()?);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    Ok(command)
}

/// Where tests find the services that they start, and that they may not do without.
fn services(run: &mut Run) -> Vec<(&'static str, OsString)> {
    let mut found = vec![("PLINTH_REQUIRE_SERVICES", "1".into())];
    run.task("install seaweedfs", || {
        found.push(("PLINTH_WEED", install::seaweedfs()?.into()));
        Ok(String::new())
    });
    run.task("install localstripe", || {
        found.push(("PLINTH_LOCALSTRIPE", install::localstripe()?.into()));
        Ok(String::new())
    });
    found
}

/// Builds all that the steps after it run, once, with the same features.
pub(crate) fn build(run: &mut Run) -> bool {
    run.compiler(
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
pub(crate) fn cluster(run: &mut Run, rounds: Option<u32>) {
    run.task("install patroni", install::cluster);
    let mut command = engines("cluster", None);
    command.env("PLINTH_REQUIRE_CLUSTER", "1");
    command.envs(rounds.map(|rounds| ("PLINTH_CLUSTER_ROUNDS", rounds.to_string())));
    let limit = CLUSTER_LIMIT + CLUSTER_ROUND_LIMIT * rounds.unwrap_or_default();
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
        let others = "not (binary(=cases) | binary(=differential) | binary(=nodes) | binary(=cluster) | binary(=histories))";
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
            "--test",
            "policy_scans",
            "--test",
            "safety",
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
