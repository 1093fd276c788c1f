//! Runs each example as a person would: `plinth dev` on a copy, its client against it, Ctrl-C. Once with a file, and once with a
//! private PostgreSQL, on which the same client must find the same; the shop once more with the stand-in for Stripe.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use plinth_private_postgres::Cluster;

use crate::run::Run;
use crate::{install, paths};

const READY_LIMIT: Duration = Duration::from_secs(20);
const CLIENT_LIMIT: Duration = Duration::from_mins(2);
const STOP_LIMIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
const DATABASE_URL: &str = "PLINTH_DATABASE_URL";

/// Every example that has a client, with the command as it was built last.
pub(crate) fn all(run: &mut Run) {
    for client in install::example_clients() {
        let example = client.parent().unwrap_or(&client).to_owned();
        let name = example.file_name().unwrap_or_default().display();
        run.task(&format!("example {name}"), || {
            install::npm(&client)?;
            check(&example, &client, &[])
        });
        run.task(&format!("example {name}, PostgreSQL"), || {
            let postgres = Postgres::start()?;
            let url = (DATABASE_URL.to_owned(), postgres.url());
            check(&example, &client, &[url])
        });
        if example.ends_with("shop") {
            run.task(&format!("example {name}, cards"), || {
                let stripe = StandIn::start()?;
                check(&example, &client, &stripe.environment)
            });
        }
    }
}

/// `environment` is both the server's and the client's.
fn check(example: &Path, client: &Path, environment: &[(String, String)]) -> Result<String> {
    let copy = copy_of(example)?;
    let listen = free_address()?;
    let mut server = Server::start(&copy.0, listen, environment)?;
    let ready_after = server.wait_until_ready(listen)?;
    let keys = Command::new(paths::plinth())
        .arg("status")
        .arg(&copy.0)
        .args(["-o", "env"])
        .env_remove(DATABASE_URL)
        .output()?;
    ensure!(
        keys.status.success(),
        "plinth status: {}",
        String::from_utf8_lossy(&keys.stderr)
    );
    let keys = String::from_utf8(keys.stdout)?;
    let mut program = Command::new("node");
    program
        .arg(".")
        .current_dir(client)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .envs(keys.lines().filter_map(variable))
        .stdin(Stdio::null());
    let log = copy.0.join("client.log");
    let output = File::create(&log)?;
    let mut program = program
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("cannot run node")?;
    let status = wait(&mut program, CLIENT_LIMIT)?;
    let said = std::fs::read_to_string(&log)?;
    let stopped = server.stop()?;
    match status {
        Some(status) if status.success() => {}
        Some(status) => bail!("the client: {status}\n{said}\n{}", server.log()),
        None => bail!(
            "the client did not end within {CLIENT_LIMIT:?}\n{said}\n{}",
            server.log()
        ),
    }
    ensure!(
        stopped.is_some_and(|status| status.success()),
        "plinth dev must end with 0 after SIGTERM, not {stopped:?}\n{}",
        server.log()
    );
    Ok(format!(
        "ready after {} ms, {} lines of client",
        ready_after.as_millis(),
        said.lines().count()
    ))
}

/// `NAME="value"`.
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    Some((name, value.strip_prefix('"')?.strip_suffix('"')?))
}

/// A server with nothing in it, in a temporary folder that goes away.
struct Postgres {
    _server: plinth_private_postgres::Server,
    folder: Folder,
}

impl Postgres {
    fn start() -> Result<Postgres> {
        let bin = plinth_private_postgres::find().context("PostgreSQL was not found")?;
        let folder = Folder::new("postgres");
        std::fs::create_dir_all(&folder.0)?;
        let cluster = Cluster::make(&bin, &folder.0, "postgres", None)?;
        Ok(Postgres {
            _server: cluster.start(None, ["fsync=off"])?,
            folder,
        })
    }

    fn url(&self) -> String {
        format!(
            "host={} user=postgres dbname=postgres",
            self.folder.0.display()
        )
    }
}

/// The stand-in for Stripe, as a process of its own; it ends with its owner.
struct StandIn {
    child: Child,
    environment: Vec<(String, String)>,
}

impl StandIn {
    fn start() -> Result<StandIn> {
        let child = Command::new(paths::target().join("debug/examples/stripe"))
            .env("PLINTH_LOCALSTRIPE", install::localstripe()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run the stand-in for Stripe")?;
        let mut stand_in = StandIn {
            child,
            environment: Vec::new(),
        };
        let said = stand_in.child.stdout.take().context("it is piped")?;
        for line in BufReader::new(said).lines() {
            let line = line?;
            // An empty line is the last.
            let Some((name, value)) = variable(&line) else {
                break;
            };
            let named = (name.to_owned(), value.to_owned());
            stand_in.environment.push(named);
        }
        ensure!(
            !stand_in.environment.is_empty(),
            "the stand-in for Stripe did not start"
        );
        Ok(stand_in)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        // It takes its own processes along when its input ends.
        drop(self.child.stdin.take());
        if !matches!(wait(&mut self.child, STOP_LIMIT), Ok(Some(_))) {
            drop(self.child.kill());
        }
    }
}

/// A temporary folder, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("plinth-example-{name}-{}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The example without what runs leave in it.
fn copy_of(example: &Path) -> Result<Folder> {
    let folder = Folder::new("copy");
    copy(example, &folder.0)?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if name == "client" || name == "data" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    fn start(
        folder: &Path,
        listen: SocketAddr,
        environment: &[(String, String)],
    ) -> Result<Server> {
        let log = folder.join("server.log");
        let output = File::create(&log)?;
        let child = Command::new(paths::plinth())
            .env_remove(DATABASE_URL)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .arg("dev")
            .arg(folder)
            .args(["--listen", &listen.to_string()])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot run plinth")?;
        Ok(Server { child, log })
    }

    /// Gives the time until it answered a request, whatever the answer.
    fn wait_until_ready(&mut self, listen: SocketAddr) -> Result<Duration> {
        let began = Instant::now();
        while !answers(listen) {
            let ended = self.child.try_wait()?;
            if ended.is_some() || began.elapsed() > READY_LIMIT {
                bail!(
                    "plinth dev did not become ready ({ended:?})\n{}",
                    self.log()
                );
            }
            std::thread::sleep(POLL);
        }
        Ok(began.elapsed())
    }

    fn stop(&mut self) -> Result<Option<ExitStatus>> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        wait(&mut self.child, STOP_LIMIT)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn answers(listen: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&listen, Duration::from_secs(1)) else {
        return false;
    };
    let request =
        format!("GET /auth/v1/health HTTP/1.1\r\nhost: {listen}\r\nconnection: close\r\n\r\n");
    let mut answer = [0; 8];
    let limited = stream.set_read_timeout(Some(Duration::from_secs(5)));
    limited.is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.starts_with(b"HTTP/1.")
}

/// Another program could take it in between; then the run fails and says so.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// `None` when it had to be killed.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}
