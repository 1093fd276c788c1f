//! A PostgreSQL as it stands on a network: on a port of loopback, where everybody needs a password.
//!
//! It makes no template and knows nothing of Plinth, which has to prepare each database by itself. It can be stopped and
//! started again, and its connections can be taken.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use plinth_private_postgres::{Cluster, Server};

use crate::http;
use crate::temp::TempDir;

/// Somebody else may take a port between our look and the server's.
const PORTS: u32 = 5;
/// The superuser's password, with what a URL has to escape.
const PASSWORD: &str = "it's a p@ss/word:?&%";
/// As [`super::SETTINGS`]: nothing here has to survive the machine.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "synchronous_commit=on",
    "full_page_writes=off",
    "autovacuum=off",
    "timezone=UTC",
    "max_connections=200",
];

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct Guarded {
    cluster: Cluster,
    /// None while it is stopped.
    server: Mutex<Option<Server>>,
    folder: TempDir,
    superuser: String,
    settings: Vec<String>,
    port: u16,
    next: AtomicU32,
}

/// A client that holds its connection and does nothing with it, until it is dropped.
#[derive(Debug)]
pub struct IdleClient(Child);

impl Guarded {
    /// Makes a cluster of the superuser `postgres` and starts it.
    pub fn start(bin: &Path) -> Result<Guarded> {
        Guarded::start_with(bin, "postgres", &[])
    }

    /// The same with a superuser of another name, and with settings (`name=value`) over ours.
    ///
    /// As with [`Postgres::start`](super::Postgres::start), the server ends with the thread that started it.
    pub fn start_with(bin: &Path, superuser: &str, settings: &[&str]) -> Result<Guarded> {
        let folder = TempDir::new("guarded")?;
        let cluster = Cluster::make(bin, folder.path(), superuser, Some(PASSWORD))?;
        let mut guarded = Guarded {
            cluster,
            server: Mutex::new(None),
            folder,
            superuser: superuser.to_owned(),
            settings: settings.iter().map(|one| (*one).to_owned()).collect(),
            port: 0,
            next: AtomicU32::new(0),
        };
        for attempt in 1.. {
            guarded.port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            match guarded.restart() {
                Err(error) if attempt == PORTS => return Err(error),
                Err(_) => {}
                Ok(()) => break,
            }
        }
        Ok(guarded)
    }

    /// The superuser and the password.
    pub fn superuser(&self) -> (&str, &str) {
        (&self.superuser, PASSWORD)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database for the superuser.
    pub fn url(&self, database: &str) -> String {
        self.url_as(&self.superuser, PASSWORD, database)
    }

    /// The URL of a database for somebody else.
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let (user, password) = (http::value(user), http::value(password));
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// The name of a fresh database.
    pub fn database(&self) -> Result<String> {
        let name = format!("app_{}", self.next.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("create database {name}"))?;
        Ok(name)
    }

    /// Runs statements as the superuser, each by itself, and gives what they print: unaligned, without headers.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        self.sql_as(&self.superuser, PASSWORD, database, sql)
    }

    /// The same as somebody else.
    pub fn sql_as(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.path().join(format!("input-{number}.sql"));
        fs::write(&file, sql)?;
        self.run_file(user, password, database, &file)
    }

    /// Runs a file of statements as the superuser.
    pub fn load(&self, database: &str, file: &Path) -> Result<()> {
        self.run_file(&self.superuser, PASSWORD, database, file)?;
        Ok(())
    }

    /// Takes a connection and keeps it. None where there is no room for it.
    pub fn idle_client(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Option<IdleClient>> {
        let mut child = self
            .psql(user, password, database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = child.stdin.take().context("psql has no input")?;
        let stdout = child.stdout.take().context("psql has no output")?;
        let mut client = IdleClient(child);
        // A psql that was refused has closed its input.
        drop(writeln!(stdin, "select 'connected';"));
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim_end() != "connected" {
            return Ok(None);
        }
        // Open as long as the client is.
        client.0.stdin = Some(stdin);
        Ok(Some(client))
    }

    /// The folder with all that the server keeps.
    pub fn data(&self) -> PathBuf {
        self.cluster.data()
    }

    /// Ends it at once, as when its process is killed: nobody is told, nothing is finished.
    pub fn stop(&self) -> Result<()> {
        self.server().take().map_or(Ok(()), Server::stop_at_once)
    }

    /// Stops all its processes where they are, as on a machine that hangs: no connection breaks, and none is answered.
    pub fn freeze(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets them go on, not knowing that time has passed.
    pub fn thaw(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        match &*self.server() {
            Some(server) => server.signal_all(signal),
            None => Ok(()),
        }
    }

    /// Starts it, also again, and waits until it takes connections.
    pub fn restart(&self) -> Result<()> {
        let settings = SETTINGS
            .into_iter()
            .chain(self.settings.iter().map(String::as_str));
        *self.server() = Some(self.cluster.start(Some(self.port), settings)?);
        Ok(())
    }

    fn run_file(&self, user: &str, password: &str, database: &str, file: &Path) -> Result<String> {
        let output = self
            .psql(user, password, database)
            .stdin(File::open(file)?)
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    fn psql(&self, user: &str, password: &str, database: &str) -> Command {
        let mut command = self.cluster.program("psql");
        command
            .env("PGPASSWORD", password)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", user, "-d", database]);
        command
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for IdleClient {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
