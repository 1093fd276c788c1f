//! All that a round needs, in one folder: the cluster, the nodes before it, and who writes.

use std::path::PathBuf;

use anyhow::Result;
use plinth_private_postgres::give_away;
use plinth_testkit::temp::TempDir;

use crate::cluster::{Cluster, Ports, Programs};
use crate::nodes::{NODES, Node};
use crate::writers::Writers;

/// The database that the nodes serve.
pub(crate) const DATABASE: &str = "shop";

/// Lines of each log that are shown when something fails.
const SHOWN_LINES: usize = 40;
/// The longest part of a line that is shown.
const SHOWN_CHARACTERS: usize = 400;

/// Everything that runs. Stopped, in this order, when dropped.
pub(crate) struct Stage {
    pub(crate) nodes: Vec<Node>,
    pub(crate) cluster: Cluster,
    pub(crate) writers: Writers,
    folder: PathBuf,
    _kept: TempDir,
}

impl Stage {
    /// Starts a cluster, makes a database on it, and starts the nodes.
    pub(crate) fn set(programs: &Programs) -> Result<Stage> {
        let kept = TempDir::new("cluster")?;
        let folder = kept.path().canonicalize()?;
        give_away(&folder)?;
        let mut ports = Ports::new();
        let cluster = Cluster::start(programs, &folder, &mut ports)?;
        cluster.psql(
            cluster.primary()?,
            "postgres",
            &format!("create database {DATABASE}"),
        )?;
        let url = cluster.url(DATABASE);
        let mut nodes = Vec::new();
        for place in 1..=NODES {
            let home = folder.join(format!("node{place}"));
            nodes.push(Node::start(&home, ports.take()?, &url)?);
        }
        let key = nodes[0].anon_key()?;
        let addresses = nodes.iter().map(|node| node.address).collect();
        Ok(Stage {
            writers: Writers::new(addresses, key),
            nodes,
            cluster,
            folder,
            _kept: kept,
        })
    }

    /// The ends of all logs.
    pub(crate) fn logs(&self) -> String {
        let folders = std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten();
        let mut logs: Vec<PathBuf> = folders.map(|entry| entry.path().join("log")).collect();
        logs.sort();
        let mut shown = String::new();
        for log in logs {
            let text = std::fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            shown += &format!("--- {}\n", log.display());
            for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
                shown.extend(line.chars().take(SHOWN_CHARACTERS));
                shown.push('\n');
            }
        }
        shown
    }
}
