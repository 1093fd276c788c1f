//! A PostgreSQL server of our own, as a user would run it: every commit on the disk before its answer.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const READY_LIMIT: Duration = Duration::from_secs(20);
const DATABASE: &str = "bench";

/// A running server; it ends when this is dropped.
pub(crate) struct Postgres {
    bin: PathBuf,
    folder: PathBuf,
    child: Child,
}

impl Postgres {
    /// Makes a server in a folder, with one empty database.
    pub(crate) fn start(folder: &Path) -> Result<Postgres> {
        let bin = find().context("PostgreSQL is not installed; set PLINTH_PG_BIN")?;
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let data = folder.join("data");
        if rustix::process::geteuid().is_root() {
            succeed(Command::new("chown").arg("postgres:").arg(&folder))?;
        }
        succeed(
            unprivileged(&bin.join("initdb"))
                .args([
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-D",
                ])
                .arg(&data),
        )?;
        let log = std::fs::File::create(folder.join("log"))?;
        let child = unprivileged(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder)
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            .args(["-c", "shared_buffers=256MB"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let server = Postgres { bin, folder, child };
        let began = Instant::now();
        while !server.psql("postgres", "select 1").status()?.success() {
            if began.elapsed() > READY_LIMIT {
                bail!(
                    "PostgreSQL did not start; see {}",
                    server.folder.join("log").display()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        succeed(&mut server.psql("postgres", &format!("create database {DATABASE}")))?;
        Ok(server)
    }

    /// How Plinth reaches it.
    pub(crate) fn url(&self) -> String {
        format!(
            "host={} user=postgres dbname={DATABASE}",
            self.folder.display()
        )
    }

    /// Runs SQL as the superuser.
    pub(crate) fn run(&self, sql: &str) -> Result<()> {
        succeed(&mut self.psql(DATABASE, sql))
    }

    /// Transactions a second of a script, as `pgbench` counts them, on so many connections of a login.
    pub(crate) fn pgbench(
        &self,
        login: &str,
        script: &str,
        connections: usize,
        time: Duration,
    ) -> Result<f64> {
        let file = self.folder.join("script.sql");
        std::fs::write(&file, script)?;
        let output = Command::new(self.bin.join("pgbench"))
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .args(["--client", &connections.to_string()])
            .args(["--time", &time.as_secs().max(1).to_string()])
            .args(["--host"])
            .arg(&self.folder)
            .args(["--username", login, "--file"])
            .arg(&file)
            .arg(DATABASE)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "pgbench: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said.lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
            .with_context(|| format!("pgbench names no rate: {said}"))
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-d", database, "-c", sql])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(id) = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            // A fast shutdown, without waiting for clients.
            let _gone = rustix::process::kill_process(id, rustix::process::Signal::INT);
        }
        let _gone = self.child.wait();
    }
}

/// The folder of PostgreSQL's programs: `PLINTH_PG_BIN`, or the newest Debian package.
fn find() -> Option<PathBuf> {
    if let Some(bin) = std::env::var_os("PLINTH_PG_BIN") {
        return Some(bin.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin"))))
        .filter(|(_, bin)| bin.join("pgbench").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}

/// PostgreSQL refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
