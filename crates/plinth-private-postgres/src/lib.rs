//! A PostgreSQL server for one run: made in a folder, and gone with whoever started it. For tests and measurements; nothing
//! that ships depends on it.
//!
//! PostgreSQL refuses to run as root, so there it runs as the user `postgres`, to whom the folder is given.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Longest wait for a server that starts.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// Becomes another user, and ends what it starts with its parent.
const SETPRIV: &str = "/usr/bin/setpriv";

/// A folder with a cluster in it, as PostgreSQL calls all that one server keeps. Its server runs or does not.
#[derive(Debug)]
pub struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
}

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct Server(Option<Child>);

/// The folder of PostgreSQL's programs: `PLINTH_PG_BIN`, the newest Debian package, or the search path.
pub fn find() -> Option<PathBuf> {
    if let Some(bin) = std::env::var_os("PLINTH_PG_BIN") {
        return Some(PathBuf::from(bin)).filter(|bin| bin.join("initdb").exists());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .pop()
        .map(|(_, bin)| bin)
        .or_else(|| std::env::split_paths(&path).find(|folder| folder.join("initdb").exists()))
}

/// The pooler `PgBouncer`, on the search path or where Debian puts it, which is where only root looks.
pub fn find_pgbouncer() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

impl Cluster {
    /// Makes one in a folder that is there, with this superuser. With a password everybody needs one, without it nobody does.
    pub fn make(
        bin: &Path,
        folder: &Path,
        superuser: &str,
        password: Option<&str>,
    ) -> Result<Cluster> {
        let cluster = Cluster {
            bin: bin.to_owned(),
            folder: folder.canonicalize()?,
        };
        let file = cluster.folder.join("password");
        if let Some(password) = password {
            fs::write(&file, password)?;
        }
        give_away(&cluster.folder)?;
        let mut initdb = unprivileged(&bin.join("initdb"))?;
        initdb
            .args(["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(["-U", superuser, "-D"])
            .arg(cluster.data());
        match password {
            Some(_) => initdb.args(["-A", "scram-sha-256", "--pwfile"]).arg(&file),
            None => initdb.args(["-A", "trust"]),
        };
        succeed(&mut initdb)?;
        Ok(cluster)
    }

    /// What the server keeps.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts the server and waits until it takes connections: on a port of loopback, or only on a socket in the folder. Settings are
    /// `name=value`; later ones count.
    ///
    /// On Linux it is told to stop when the thread that started it ends, so that a killed run leaves nothing behind.
    pub fn start<'a>(
        &self,
        port: Option<u16>,
        settings: impl IntoIterator<Item = &'a str>,
    ) -> Result<Server> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))?;
        let mut command = unprivileged(&self.bin.join("postgres"))?;
        command.arg("-D").arg(self.data());
        command.arg("-k").arg(&self.folder);
        match port {
            Some(port) => command
                .args(["-c", "listen_addresses=127.0.0.1", "-p"])
                .arg(port.to_string()),
            None => command.args(["-c", "listen_addresses="]),
        };
        for setting in settings {
            command.args(["-c", setting]);
        }
        let server = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut server = Server(Some(server));
        self.wait_until_ready(&mut server, port)?;
        Ok(server)
    }

    /// One of the programs that come with the server, without settings from outside.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("PGCLIENTENCODING", "UTF8");
        command
    }

    fn wait_until_ready(&self, server: &mut Server, port: Option<u16>) -> Result<()> {
        let began = Instant::now();
        loop {
            let mut look = self.program("pg_isready");
            look.arg("-q").arg("-h");
            match port {
                Some(port) => look.args(["127.0.0.1", "-p"]).arg(port.to_string()),
                None => look.arg(&self.folder),
            };
            let ready = look.status()?.success();
            // Somebody else may be the one who answers on this port.
            let ended = server.has_ended()?;
            if ready && !ended {
                return Ok(());
            }
            if ended || began.elapsed() > START_LIMIT {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("the private PostgreSQL did not start:\n{log}");
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Server {
    /// Ends it at once, as when its process is killed: nobody is told, nothing is finished.
    pub fn stop_at_once(mut self) -> Result<()> {
        self.end("-QUIT")
    }

    /// Sends a signal (`-STOP`) to all its processes, the first of them first, so that it starts no other one meanwhile.
    pub fn signal_all(&self, signal: &str) -> Result<()> {
        let Some(first) = self.0.as_ref().map(Child::id) else {
            return Ok(());
        };
        succeed(Command::new("kill").args([signal, &first.to_string()]))?;
        let children = Command::new("ps")
            .args(["-o", "pid=", "--ppid", &first.to_string()])
            .output()?;
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        // One that ends meanwhile needs no signal.
        let _best_effort = Command::new("kill")
            .arg(signal)
            .args(children.split_whitespace())
            .stderr(Stdio::null())
            .status()?;
        Ok(())
    }

    fn has_ended(&mut self) -> Result<bool> {
        match &mut self.0 {
            Some(server) => Ok(server.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    fn end(&mut self, signal: &str) -> Result<()> {
        if let Some(mut server) = self.0.take() {
            succeed(Command::new("kill").args([signal, &server.id().to_string()]))?;
            server.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: a fast shutdown, without waiting for clients. One that has ended by itself cannot be told.
        let running = matches!(self.has_ended(), Ok(false));
        if running && let Err(error) = self.signal_all("-CONT").and_then(|()| self.end("-INT")) {
            eprintln!("a private PostgreSQL may be left: {error:#}");
        }
    }
}

/// A program as a user who may run PostgreSQL, and who does not outlive us.
pub fn unprivileged(program: &Path) -> Result<Command> {
    if !Path::new(SETPRIV).exists() {
        ensure!(
            !is_root()?,
            "PostgreSQL refuses to run as root, and there is no setpriv to become another user with"
        );
        return Ok(Command::new(program));
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "TERM"]);
    if is_root()? {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--").arg(program).current_dir("/");
    Ok(command)
}

/// Gives what is in a folder to the user whom [`unprivileged`] programs run as.
pub fn give_away(folder: &Path) -> Result<()> {
    if !is_root()? {
        return Ok(());
    }
    succeed(Command::new("chown").args(["-R", "postgres:"]).arg(folder))
        .context("PostgreSQL refuses to run as root, and there is no user `postgres` to run it as")
}

fn is_root() -> Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.trim_ascii() == b"0")
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
