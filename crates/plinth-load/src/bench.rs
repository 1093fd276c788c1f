//! The benchmark: each work on each server in turn, medians of three, undisturbed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::commerce;
use crate::crowd;
use crate::media;
use crate::on_postgres;
use crate::process::{Usage, memory_kib};
use crate::results::{self, Figure, Report};
pub use crate::servers::Kind;
use crate::servers::{Places, Server, WARM_UP, measure_raw, serve_bare};
use crate::workload::Work;

/// How often a disturbed run is taken again.
const TRIES: usize = 3;
/// What others may use of the machine, in cores, before a run counts as disturbed.
const DISTURBED_CORES: f64 = 0.15;

/// What is measured, with how many clients.
const PLAN: [(Work, usize); 10] = [
    (Work::Read, 1),
    (Work::Read, 64),
    (Work::List, 64),
    (Work::ListRelated, 64),
    (Work::ListTotal, 64),
    (Work::Insert, 1),
    (Work::Insert, 64),
    (Work::Insert, 256),
    (Work::SignIn, 16),
    (Work::SignIn, 64),
];

/// How to run the benchmark.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `plinth` program.
    pub plinth: PathBuf,
    /// The `pocketbase` program.
    pub pocketbase: PathBuf,
    /// A folder that may be filled with some 500 MB.
    pub scratch: PathBuf,
    /// Where the report goes; nowhere by default.
    pub output: Option<PathBuf>,
    /// How long each figure is taken.
    pub time: Duration,
    /// Only work whose name contains this.
    pub only: Option<String>,
    /// Which servers; none means all.
    pub servers: Vec<Kind>,
    /// Only many users at once, on Plinth.
    pub crowd: bool,
    /// Only Plinth on PostgreSQL, beside `pgbench`.
    pub on_postgres: bool,
    /// Only files and pictures, beside nginx, libvips and `PocketBase`.
    pub media: bool,
    /// Only orders, beside the same statements by hand.
    pub commerce: bool,
    /// Runs of each figure.
    pub rounds: usize,
}

/// Serves the bare HTTP server until it is killed.
pub fn bare(address: std::net::SocketAddr) -> Result<()> {
    serve_bare(address)
}

/// Holds idle connections until its input ends.
pub fn hold(
    target: std::net::SocketAddr,
    source: std::net::IpAddr,
    count: usize,
    key: &str,
) -> Result<()> {
    crowd::hold(target, (source, 0).into(), count, key)
}

/// Sends what no client should, for two minutes at most.
pub fn be_hostile(target: std::net::SocketAddr) -> Result<()> {
    crowd::be_hostile(target)
}

/// What SQLite does by itself, as a line.
pub fn raw(scratch: &Path) -> Result<String> {
    std::fs::create_dir_all(scratch)?;
    Ok(results::raw_line(&measure_raw(scratch)?))
}

/// Runs the benchmark. `say` hears of every step.
pub fn bench(options: &Options, say: &mut dyn FnMut(&str)) -> Result<()> {
    let all = [Kind::Plinth, Kind::PocketBase, Kind::Bare];
    let is_wanted = |kind: &Kind| options.servers.is_empty() || options.servers.contains(kind);
    std::fs::create_dir_all(&options.scratch)?;
    let places = Places {
        plinth: options.plinth.clone(),
        pocketbase: options.pocketbase.clone(),
        scratch: options.scratch.clone(),
    };
    if options.crowd {
        crowd::measure(&places, options.time, say)?;
        return Ok(());
    }
    let mut report = Report::begin(&options.plinth)?;
    if options.on_postgres {
        on_postgres::measure(&places, options.time, say)?;
        return Ok(());
    }
    if options.media {
        media::measure(&places, options.time, say)?;
        return Ok(());
    }
    if options.commerce {
        commerce::measure(&places, options.time, say)?;
        return Ok(());
    }
    for round in 0..options.rounds {
        for kind in all.into_iter().filter(is_wanted) {
            say(&format!("round {}: {} is filled", round + 1, kind.name()));
            let server = Server::prepare(kind, &places)?;
            report.rest(kind, server.started_in, memory_kib(server.process())?.0);
            for (work, clients) in PLAN {
                let wanted = options
                    .only
                    .as_ref()
                    .is_none_or(|only| work.name().contains(only.as_str()));
                if !wanted || (kind == Kind::Bare && !matches!(work, Work::Read | Work::Insert)) {
                    continue;
                }
                server.check(work)?;
                let figure = measure(&server, work, clients, options.time)?;
                say(&results::line(kind, work, clients, &figure));
                report.add(kind, work, clients, figure);
            }
        }
        if options.servers.is_empty() {
            say("raw SQLite");
            report.raw(measure_raw(&options.scratch)?);
        }
    }
    if options.servers.is_empty() && options.only.is_none() {
        report.beside_pgbench(on_postgres::measure(&places, options.time, say)?);
    }
    if options.servers.is_empty() && options.only.is_none() {
        report.crowd(crowd::measure(&places, options.time, say)?);
        report.media(media::measure(&places, options.time, say)?);
        report.orders(commerce::measure(&places, options.time, say)?);
    }
    if let Some(output) = &options.output {
        write(output, &report.text())?;
        say(&format!("written to {}", output.display()));
    }
    Ok(())
}

/// One figure; taken again when somebody else kept the machine busy.
fn measure(server: &Server, work: Work, clients: usize, time: Duration) -> Result<Figure> {
    let mut last = None;
    for try_number in 0..TRIES {
        let before = Usage::now(server.process())?;
        let tally = server.load(work, clients, time, try_number as u64 + 7)?;
        let used = Usage::now(server.process())?.since(before);
        let figure = Figure::of(&tally, used, WARM_UP + time);
        let calm = figure.others_cores < DISTURBED_CORES;
        last = Some(figure);
        if calm {
            break;
        }
    }
    last.context("nothing was measured")
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
