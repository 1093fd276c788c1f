//! `PgBouncer` before a private PostgreSQL, on a port of loopback.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
pub use plinth_private_postgres::find_pgbouncer as find;
use plinth_private_postgres::{give_away, unprivileged};

use crate::process::POLL;
use crate::temp::TempDir;

const START_LIMIT: Duration = Duration::from_secs(20);
/// Somebody else may take a port between our look and its own.
const PORTS: u32 = 5;

/// A running pooler. Killed when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    /// None only while it is started anew.
    process: Option<Child>,
}

/// What it is told beside where to listen.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the server is: `host=… port=…`, for every database.
    pub server: String,
    /// Names and passwords (or the server's hashes of them) of those it knows by itself.
    pub users: Vec<(String, String)>,
    /// Lines of the section `[pgbouncer]`.
    pub lines: Vec<String>,
    /// Lines of the section `[users]`.
    pub user_lines: Vec<String>,
}

impl PgBouncer {
    /// Starts it and waits until it listens. It ends with the thread that started it.
    pub fn start(program: &Path, settings: &Settings) -> Result<PgBouncer> {
        let mut pooler = PgBouncer {
            program: program.to_owned(),
            folder: TempDir::new("pgbouncer")?,
            port: 0,
            process: None,
        };
        for attempt in 1.. {
            pooler.port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            match pooler.start_anew(settings) {
                Err(error) if attempt == PORTS => return Err(error),
                Err(_) => {}
                Ok(()) => break,
            }
        }
        Ok(pooler)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it with all its connections, and starts it with these settings on the same port.
    pub fn start_anew(&mut self, settings: &Settings) -> Result<()> {
        self.end();
        let file = |name| self.folder.path().join(name);
        fs::write(file("users.txt"), passwords(settings))?;
        fs::write(file("pgbouncer.ini"), self.text(settings))?;
        give_away(self.folder.path())?;
        let log = File::create(file("log"))?;
        let process = unprivileged(&self.program)?
            .arg(file("pgbouncer.ini"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run pgbouncer")?;
        let process = self.process.insert(process);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = process.try_wait()?.is_some();
            if ended || began.elapsed() > START_LIMIT {
                bail!(
                    "PgBouncer did not start:\n{}",
                    fs::read_to_string(file("log"))?
                );
            }
            std::thread::sleep(POLL);
        }
        // Somebody else may be the one who answers on this port.
        ensure!(process.try_wait()?.is_none(), "the port was taken");
        Ok(())
    }

    fn text(&self, settings: &Settings) -> String {
        let mut text = format!(
            "[databases]\n* = {}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\nauth_file = {}\npool_mode = transaction\n",
            settings.server,
            self.port,
            self.folder.path().join("users.txt").display(),
        );
        for line in &settings.lines {
            let _infallible = writeln!(text, "{line}");
        }
        text += "[users]\n";
        for line in &settings.user_lines {
            let _infallible = writeln!(text, "{line}");
        }
        text
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.end();
    }
}

fn passwords(settings: &Settings) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    settings
        .users
        .iter()
        .fold(String::new(), |text, (name, password)| {
            text + &quoted(name) + " " + &quoted(password) + "\n"
        })
}
