//! The servers that are compared, each with the same data in it.

mod bare;
pub(crate) mod files;
mod plinth;
mod pocketbase;
mod postgres;
mod raw;
pub(crate) mod shop;

pub(crate) use bare::serve as serve_bare;
pub(crate) use postgres::Postgres;
pub(crate) use raw::{RawFigures, measure as measure_raw};

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::generator::{Pace, Plan, Tally, run};
use crate::http::{Request, send};
use crate::workload::{self, Work};

const READY_LIMIT: Duration = Duration::from_secs(20);
/// Time under load before anything counts.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// This project.
    Plinth,
    /// The rival.
    #[value(name = "pocketbase")]
    PocketBase,
    /// The limit: the HTTP stack alone, answering a constant.
    Bare,
}

impl Kind {
    /// As tables name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Plinth => "Plinth",
            Kind::PocketBase => "PocketBase",
            Kind::Bare => "bare axum",
        }
    }
}

/// Where the programs and their folders are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) plinth: PathBuf,
    pub(crate) pocketbase: PathBuf,
    pub(crate) scratch: PathBuf,
}

/// A server that runs, with its data in it; it ends when this is dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    /// From the start of the process to its first answer.
    pub(crate) started_in: Duration,
    users: Vec<User>,
    key: String,
}

/// Somebody who signed in.
#[derive(Clone, Debug)]
struct User {
    id: String,
    token: String,
}

impl Server {
    /// Starts a server in an empty folder and fills it.
    pub(crate) fn prepare(kind: Kind, places: &Places) -> Result<Server> {
        let folder = folder_of(kind, places);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        match kind {
            Kind::Plinth => plinth::prepare(&places.plinth, &folder, None),
            Kind::PocketBase => pocketbase::prepare(&places.pocketbase, &folder),
            Kind::Bare => bare::prepare(&folder),
        }
        .with_context(|| format!("cannot set up {}", kind.name()))
    }

    /// Plinth on a database server, filled in the same way.
    pub(crate) fn prepare_on(places: &Places, database_url: &str) -> Result<Server> {
        let folder = places.scratch.join("Plinth-on-PostgreSQL");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        plinth::prepare(&places.plinth, &folder, Some(database_url))
            .context("cannot set up Plinth on PostgreSQL")
    }

    /// The id of the first user.
    pub(crate) fn first_user(&self) -> &str {
        self.users.first().map_or("", |user| &user.id)
    }

    /// Stops it and starts it again on the same data; Plinth on one core alone when one is named.
    pub(crate) fn restart(&mut self, places: &Places, core: Option<usize>) -> Result<()> {
        self.kill();
        self.start_again(places, core)
    }

    /// The same after an orderly end.
    pub(crate) fn stop_and_start(&mut self, places: &Places) -> Result<()> {
        let process = Pid::from_child(&self.child);
        kill_process(process, Signal::TERM).context("a server cannot be told to end")?;
        self.child.wait()?;
        self.start_again(places, None)
    }

    fn start_again(&mut self, places: &Places, core: Option<usize>) -> Result<()> {
        let folder = folder_of(self.kind, places);
        let (child, started_in) = match self.kind {
            Kind::Plinth => plinth::launch(&places.plinth, &folder, self.address, core)?,
            Kind::PocketBase => pocketbase::launch(&places.pocketbase, &folder, self.address)?,
            Kind::Bare => bare::launch(&folder, self.address)?,
        };
        self.child = child;
        self.started_in = started_in;
        Ok(())
    }

    /// The key that anybody may have.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    fn kill(&mut self) {
        // What it would do at its end is not measured here.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }

    /// The process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Requests of a work, endlessly and by chance.
    pub(crate) fn requests(&self, work: Work, seed: u64) -> impl FnMut() -> Request + use<> {
        // Made before, so that the generator only copies a pointer.
        const KINDS: usize = 4096;
        let mut chance = workload::Chance::new(seed);
        let made: Vec<Request> = (0..KINDS)
            .map(|_| match self.kind {
                Kind::Plinth | Kind::Bare => plinth::request(self, work, &mut chance),
                Kind::PocketBase => pocketbase::request(self, work, &mut chance),
            })
            .collect();
        move || made[chance.below(KINDS)].clone()
    }

    /// Keeps so many clients busy with a work, each as fast as it is answered. Any answer is an error that is neither good nor a refusal for want
    /// of time.
    pub(crate) fn load(
        &self,
        work: Work,
        clients: usize,
        time: Duration,
        seed: u64,
    ) -> Result<Tally> {
        let plan = Plan {
            target: self.address,
            clients,
            pace: Pace::Closed,
            warm_up: WARM_UP,
            time,
        };
        let tally = run(&plan, self.requests(work, seed))?.answered();
        tally.with_context(|| format!("{} at {}", self.kind.name(), work.name()))
    }

    /// Sends one request of a work and looks at the answer: a server that answers wrongly is not measured.
    pub(crate) fn check(&self, work: Work) -> Result<()> {
        if self.kind == Kind::Bare {
            return Ok(());
        }
        let answer = send(self.address, &self.requests(work, 1)())?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            (200..300).contains(&answer.status),
            "{} answers {} to {}: {text}",
            self.kind.name(),
            answer.status,
            work.name()
        );
        let rows = text.matches("says hello to everybody").count();
        let expected = match work {
            Work::List | Work::ListRelated | Work::ListTotal => 30 * 6,
            _ => return Ok(()),
        };
        ensure!(
            rows >= expected,
            "{} gives too few rows for {}: {text}",
            self.kind.name(),
            work.name()
        );
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a program and waits until it answers `path` on `address`.
fn start(
    command: &mut Command,
    address: SocketAddr,
    path: &str,
    log: &Path,
) -> Result<(Child, Duration)> {
    let log = std::fs::File::create(log)?;
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let question = Request::new("GET", path, &[], b"");
    loop {
        if TcpStream::connect(address).is_ok()
            && send(address, &question).is_ok_and(|answer| answer.status < 500)
        {
            return Ok((child, begin.elapsed()));
        }
        if let Some(status) = child.try_wait()? {
            bail!("{} ended: {status}", command.get_program().display());
        }
        if begin.elapsed() > READY_LIMIT {
            let _gone = child.kill();
            bail!("{} does not answer", command.get_program().display());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn folder_of(kind: Kind, places: &Places) -> PathBuf {
    places.scratch.join(kind.name().replace(' ', "-"))
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Sends JSON while setting up; answers the JSON that comes back.
fn json(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Result<Value> {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    let answer = send(
        address,
        &Request::new(method, path, &headers, body.to_string().as_bytes()),
    )?;
    ensure!(
        (200..300).contains(&answer.status),
        "{method} {path}: {} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(&answer.body)?)
}

fn text_at(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no {pointer} in {value}"))?
        .to_owned())
}
