//! The database: three servers that Patroni keeps in one primary and two standbys, and the etcd where it notes which.
//!
//! Three, because after a loss the new primary needs a standby at once: in strict synchronous mode it acknowledges
//! nothing alone. Everything listens on loopback and lives in one folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use plinth_private_postgres::give_away;
use plinth_testkit::http::Request;
use plinth_testkit::postgres;
use serde_json::json;

use crate::processes::{self, Family, log_in, unprivileged, without_settings};
use crate::wait::until;

/// Of the superuser and of those who replicate. No secret: it holds for one run, on loopback.
pub(crate) const PASSWORD: &str = "for-this-run";

const MEMBERS: usize = 3;
/// Longest wait for a step of the start, and for a cluster to be whole again.
const WHOLE_LIMIT: Duration = Duration::from_secs(90);
/// Longest time without a primary. Patroni takes one from its standbys after `TTL_S`, and some seconds to promote it.
const PRIMARY_LIMIT: Duration = Duration::from_mins(1);

/// How long a primary that is not heard of stays the primary, in seconds. Patroni asks for at least `LOOP_WAIT_S` and
/// twice `RETRY_TIMEOUT_S`; half of this promoted in half the time, and a machine that is busy could miss it.
const TTL_S: u32 = 10;
const LOOP_WAIT_S: u32 = 2;
const RETRY_TIMEOUT_S: u32 = 3;

/// What a cluster is made of.
pub(crate) struct Programs {
    patroni: PathBuf,
    etcd: PathBuf,
    /// The folder of PostgreSQL's own.
    postgres: PathBuf,
}

/// A running cluster. Stopped when dropped.
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    psql: PathBuf,
    _etcd: Family,
}

/// A PostgreSQL server and the Patroni that keeps it.
pub(crate) struct Member {
    pub(crate) name: String,
    /// The server.
    pub(crate) address: SocketAddr,
    /// Patroni.
    rest: SocketAddr,
    home: PathBuf,
    patroni: PathBuf,
    family: Option<Family>,
    frozen: bool,
}

/// Free ports, each given out once. Below those that systems give to outgoing connections, so that nobody has taken
/// one when what listened there is started again.
pub(crate) struct Ports(u16);

impl Programs {
    /// None when one of them is missing.
    pub(crate) fn find() -> Option<Programs> {
        Some(Programs {
            patroni: processes::find("patroni")?,
            etcd: processes::find("etcd")?,
            postgres: postgres::find()?,
        })
    }
}

impl Cluster {
    /// Starts a cluster in the folder and waits until it is whole.
    pub(crate) fn start(programs: &Programs, folder: &Path, ports: &mut Ports) -> Result<Cluster> {
        let (client, peer) = (ports.take()?, ports.take()?);
        let etcd = start_etcd(&programs.etcd, &folder.join("etcd"), client, peer)?;
        until("etcd", WHOLE_LIMIT, || says_yes(client, "/health"))?;
        let mut members = Vec::new();
        for place in 1..=MEMBERS {
            let home = folder.join(format!("pg{place}"));
            let (server, rest) = (ports.take()?, ports.take()?);
            members.push(Member::new(programs, &home, server, rest, client)?);
        }
        let mut cluster = Cluster {
            members,
            psql: programs.postgres.join("psql"),
            _etcd: etcd,
        };
        // The first makes the database, the others copy it.
        cluster.members[0].start()?;
        until("a first primary", WHOLE_LIMIT, || {
            cluster.members[0].is("primary").then_some(())
        })?;
        for member in &mut cluster.members[1..] {
            member.start()?;
        }
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    /// Waits until all members run, one is the primary, the others follow it, one of those does so synchronously, and Patroni
    /// has noted which.
    ///
    /// It does so two seconds after the server. A primary that is lost in between has no successor: of nobody is it known
    /// that it has everything.
    pub(crate) fn wait_until_whole(&self) -> Result<()> {
        let following = "select count(*) from pg_stat_replication where state = 'streaming'";
        let others = (MEMBERS - 1).to_string();
        until("a whole cluster", WHOLE_LIMIT, || {
            let primary = self.only_primary()?;
            let are = |role: &str| self.members.iter().filter(|one| one.is(role)).count();
            let in_place = are("replica") == MEMBERS - 1;
            if !in_place || self.psql(primary, "postgres", following).ok()? != others {
                return None;
            }
            let standby = self.synchronous(primary)?;
            let noted = self.members[primary].noted_standbys();
            (noted == [self.members[standby].name.as_str()]).then_some(())
        })
    }

    /// The place of the standby that a primary's commits wait for, as the server has it; none unless it is one.
    pub(crate) fn synchronous(&self, primary: usize) -> Option<usize> {
        let ask = "select application_name from pg_stat_replication
                    where state = 'streaming' and sync_state in ('sync', 'quorum')";
        // A standby connects under its member's name.
        let name = self.psql(primary, "postgres", ask).ok()?;
        self.members.iter().position(|member| member.name == name)
    }

    /// Waits for a primary; its place among the members.
    pub(crate) fn primary(&self) -> Result<usize> {
        until("a primary", PRIMARY_LIMIT, || self.only_primary())
    }

    /// Waits for a primary other than this one.
    pub(crate) fn primary_after(&self, old: usize) -> Result<usize> {
        until("a new primary", PRIMARY_LIMIT, || {
            (0..MEMBERS).find(|&place| place != old && self.members[place].is("primary"))
        })
    }

    /// Runs SQL as the superuser on one member and gives what it prints, unaligned and without headers. Rows are read
    /// from the table itself, whatever its indexes say.
    pub(crate) fn psql(&self, place: usize, database: &str, sql: &str) -> Result<String> {
        let address = self.members[place].address;
        let output = without_settings(Command::new(&self.psql))
            .env("PGPASSWORD", PASSWORD)
            .env("PGCONNECT_TIMEOUT", "5")
            .env(
                "PGOPTIONS",
                "-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off",
            )
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", &address.ip().to_string()])
            .args(["-p", &address.port().to_string()])
            .args(["-U", "postgres", "-d", database, "-c", sql])
            .output()
            .context("cannot run psql")?;
        ensure!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The URL of a database, naming all members.
    pub(crate) fn url(&self, database: &str) -> String {
        let hosts: Vec<String> = self
            .members
            .iter()
            .map(|member| member.address.to_string())
            .collect();
        format!(
            "postgres://postgres:{PASSWORD}@{}/{database}",
            hosts.join(",")
        )
    }

    /// One that thinks it is still the primary does not count as long as another one does, too.
    fn only_primary(&self) -> Option<usize> {
        let mut primaries = (0..MEMBERS).filter(|&place| self.members[place].is("primary"));
        primaries.next().filter(|_| primaries.next().is_none())
    }
}

impl Member {
    fn new(programs: &Programs, home: &Path, server: u16, rest: u16, etcd: u16) -> Result<Member> {
        fs::create_dir_all(home)?;
        let name = home
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let member = Member {
            name,
            address: on_loopback(server),
            rest: on_loopback(rest),
            home: home.to_owned(),
            patroni: programs.patroni.clone(),
            family: None,
            frozen: false,
        };
        let settings = member.settings(&programs.postgres, on_loopback(etcd));
        fs::write(member.settings_file(), settings)?;
        give_away(home)?;
        Ok(member)
    }

    /// Starts Patroni, which starts the server.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = log_in(&self.home)?;
        let mut command = unprivileged(&self.patroni)?;
        command
            .arg(self.settings_file())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.family = Some(Family::start(&mut command, &self.home)?);
        Ok(())
    }

    /// `kill -9` of Patroni and the server, as when a machine loses its power.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.family.take().map_or(Ok(()), Family::kill)
    }

    /// Stops Patroni and the server where they are, as when a machine hangs or is cut off.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        self.frozen = true;
        self.family.as_ref().map_or(Ok(()), Family::freeze)
    }

    /// Lets them go on, not knowing that time has passed.
    pub(crate) fn thaw(&mut self) -> Result<()> {
        self.frozen = false;
        self.family.as_ref().map_or(Ok(()), Family::thaw)
    }

    /// Whether Patroni says that the server has this role: `primary`, `replica` or `synchronous`.
    pub(crate) fn is(&self, role: &str) -> bool {
        // One that is frozen would keep us waiting.
        self.family.is_some()
            && !self.frozen
            && says_yes(self.rest.port(), &format!("/{role}")).is_some()
    }

    /// Those that may take over without a loss, as Patroni has noted them in etcd.
    fn noted_standbys(&self) -> Vec<String> {
        let answer = Request::get("/cluster").try_send(self.rest);
        let cluster = answer.map(|answer| answer.json()).unwrap_or_default();
        let members = cluster["members"].as_array().into_iter().flatten();
        let noted = members.filter(|member| member["role"] == "sync_standby");
        noted
            .filter_map(|member| Some(member["name"].as_str()?.to_owned()))
            .collect()
    }

    /// Asks Patroni to hand the primary's part over to a standby, and waits until it has.
    pub(crate) fn switch_over(&self) -> Result<()> {
        let body = json!({ "leader": self.name }).to_string();
        let answer = Request::post("/switchover", body)
            .try_send(self.rest)
            .context("Patroni did not answer")?;
        ensure!(
            answer.status == 200,
            "Patroni refuses to switch over: {} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    fn settings_file(&self) -> PathBuf {
        self.home.join("patroni.yml")
    }

    /// Patroni's settings. It reads YAML, which JSON is.
    fn settings(&self, postgres: &Path, etcd: SocketAddr) -> String {
        let login = |name: &str| json!({ "username": name, "password": PASSWORD });
        let settings = json!({
            "scope": "plinth",
            "name": self.name,
            "restapi": { "listen": self.rest.to_string(), "connect_address": self.rest.to_string() },
            // Not `etcd3`: through that protocol Patroni 3.0.2 overwrites its successor's lock when it thaws in the middle of
            // its round (github.com/patroni/patroni/pull/2689), and what was acknowledged meanwhile is thrown away.
            "etcd": { "hosts": [etcd.to_string()] },
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_S,
                    "loop_wait": LOOP_WAIT_S,
                    "retry_timeout": RETRY_TIMEOUT_S,
                    "synchronous_mode": true,
                    "synchronous_mode_strict": true,
                    "postgresql": {
                        "use_pg_rewind": true,
                        "use_slots": true,
                        // A standby looks for its new primary so often. The default of 5 s was a third of an outage.
                        "parameters": { "wal_retrieve_retry_interval": "500ms" },
                    },
                },
                "initdb": [{ "encoding": "UTF8" }, { "locale": "C.UTF-8" }, "data-checksums"],
            },
            "postgresql": {
                "listen": self.address.to_string(),
                "connect_address": self.address.to_string(),
                "data_dir": self.home.join("data"),
                "bin_dir": postgres,
                "pgpass": self.home.join("pgpass"),
                "authentication": {
                    "superuser": login("postgres"),
                    "replication": login("replicator"),
                    "rewind": login("rewinder"),
                },
                // Nothing outside the folder, so that what is killed leaves nothing there.
                "parameters": { "unix_socket_directories": "", "dynamic_shared_memory_type": "mmap" },
                "pg_hba": [
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication replicator 127.0.0.1/32 scram-sha-256",
                ],
            },
        });
        settings.to_string()
    }
}

impl Ports {
    /// Two runs at the same time begin at different ports.
    pub(crate) fn new() -> Ports {
        let run = u16::try_from(std::process::id() % 500).unwrap_or_default();
        Ports(20_000 + 20 * run)
    }

    /// The next one that is free.
    pub(crate) fn take(&mut self) -> Result<u16> {
        loop {
            ensure!(self.0 < 32_000, "no port is free");
            let port = self.0;
            self.0 += 1;
            if TcpListener::bind(on_loopback(port)).is_ok() {
                return Ok(port);
            }
        }
    }
}

/// A port of this machine that no other one reaches.
pub(crate) fn on_loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn start_etcd(program: &Path, home: &Path, client: u16, peer: u16) -> Result<Family> {
    fs::create_dir_all(home)?;
    give_away(home)?;
    let log = log_in(home)?;
    let client = format!("http://{}", on_loopback(client));
    let peer = format!("http://{}", on_loopback(peer));
    let mut command = unprivileged(program)?;
    command
        .args(["--data-dir", "data", "--log-level", "warn", "--enable-v2"])
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .stdout(log.try_clone()?)
        .stderr(log);
    Family::start(&mut command, home)
}

fn says_yes(port: u16, path: &str) -> Option<()> {
    let answer = Request::get(path).try_send(on_loopback(port))?;
    (answer.status == 200).then_some(())
}
