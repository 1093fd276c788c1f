//! A PostgreSQL server of our own, as a user would run it: every commit on the disk before its answer.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use plinth_private_postgres::{Cluster, Server};

const DATABASE: &str = "bench";
/// Room for the clients of both that are measured, and for what they read to stay in memory.
const SETTINGS: [&str; 2] = ["max_connections=200", "shared_buffers=256MB"];

/// Where disks are disks and everybody may have a folder.
const FOR_EVERYBODY: &str = "/var/tmp";

/// A running server; it ends when this is dropped.
pub(crate) struct Postgres {
    cluster: Cluster,
    folder: PathBuf,
    _server: Server,
}

impl Postgres {
    /// Makes a server in a folder of the scratch space, with one empty database.
    pub(crate) fn start(scratch: &Path) -> Result<Postgres> {
        let folder = &home(scratch);
        let bin = plinth_private_postgres::find()
            .context("PostgreSQL is not installed; set PLINTH_PG_BIN")?;
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let cluster = Cluster::make(&bin, &folder, "postgres", None)?;
        let server = Postgres {
            _server: cluster.start(None, SETTINGS)?,
            cluster,
            folder,
        };
        server.run_in("postgres", &format!("create database {DATABASE}"))?;
        Ok(server)
    }

    /// How Plinth reaches it.
    pub(crate) fn url(&self) -> String {
        format!(
            "host={} user=postgres dbname={DATABASE}",
            self.folder.display()
        )
    }

    /// Runs SQL as the superuser; what it says, without any frame.
    pub(crate) fn run(&self, sql: &str) -> Result<String> {
        self.run_in(DATABASE, sql)
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
        let output = self
            .cluster
            .program("pgbench")
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

    fn run_in(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = self.cluster.program("psql");
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-U", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-d", database, "-c", sql]);
        let output = command.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "psql: {said}");
        let answer = String::from_utf8_lossy(&output.stdout);
        Ok(answer.trim().to_owned())
    }
}

/// The folder of its files. A server that root starts runs as somebody else, who may not enter root's own folders.
fn home(scratch: &Path) -> PathBuf {
    match rustix::process::geteuid().is_root() {
        true => Path::new(FOR_EVERYBODY).join("plinth-bench-postgres"),
        false => scratch.join("postgres"),
    }
}
