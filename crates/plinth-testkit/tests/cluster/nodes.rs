//! Two nodes of Plinth on one database. They share nothing but that and the master key.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use plinth_testkit::process::{plinth, run_with};
use plinth_testkit::server::write_migration;
use serde_json::Value;

use crate::cluster::on_loopback;
use crate::processes::{Family, log_in, tied};

/// How many there are.
pub(crate) const NODES: usize = 2;

/// Longest wait for one that starts.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// No secret: it seals the keys of one run.
const MASTER_KEY: &str = "4242424242424242424242424242424242424242424242424242424242424242";

/// Everybody may place orders and see them. A number counts once for each writer, whoever sends it how often.
const SCHEMA: &str = "
create table orders (
  id uuid primary key default gen_random_uuid(),
  worker integer not null,
  number integer not null,
  unique (worker, number)
);
alter table orders enable row level security;
create policy place on orders for insert to anon, authenticated with check (true);
create policy see on orders for select to anon, authenticated using (true);
";

/// A node. Killed when dropped.
pub(crate) struct Node {
    /// Where it listens, also after it was killed and started again.
    pub(crate) address: SocketAddr,
    home: PathBuf,
    url: String,
    family: Option<Family>,
}

impl Node {
    /// Makes a node's application in this folder and starts it.
    pub(crate) fn start(home: &Path, port: u16, url: &str) -> Result<Node> {
        fs::create_dir_all(home)?;
        write_migration(home, "0001_orders.sql", SCHEMA);
        let mut node = Node {
            address: on_loopback(port),
            home: home.to_owned(),
            url: url.to_owned(),
            family: None,
        };
        node.start_again()?;
        Ok(node)
    }

    /// Starts it where it was, and waits until it serves.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        let mut command = plinth();
        command
            .args(["serve", ".", "--json", "--database-url", &self.url])
            .args(["--listen", &self.address.to_string()])
            .env("PLINTH_MASTER_KEY", MASTER_KEY);
        let mut command = tied(&command, "KILL");
        command.stdout(Stdio::piped()).stderr(log_in(&self.home)?);
        let mut family = Family::start(&mut command, &self.home)?;
        let stdout = family.stdout().context("it is piped")?;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            drop(BufReader::new(stdout).read_line(&mut line));
            drop(tell.send(line));
        });
        let line = told.recv_timeout(READY_LIMIT).unwrap_or_default();
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        ensure!(
            ready["event"] == "ready",
            "plinth serve did not become ready: {line}"
        );
        self.family = Some(family);
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.family.take().map_or(Ok(()), Family::kill)
    }

    /// The key of anonymous callers, which is the same at all nodes.
    pub(crate) fn anon_key(&self) -> Result<String> {
        let environment = [
            ("PLINTH_MASTER_KEY", MASTER_KEY),
            ("PLINTH_DATABASE_URL", self.url.as_str()),
        ];
        let ended = run_with(&self.home, &["status", ".", "-o", "json"], &environment);
        ended.is(0, &[]);
        let status: Value = serde_json::from_str(&ended.stdout)?;
        let key = status["anon_key"]
            .as_str()
            .context("plinth status names no anon_key")?;
        Ok(key.to_owned())
    }
}
