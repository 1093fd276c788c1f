//! The benchmark: each work on each server in turn, the middle one of several runs, undisturbed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::calm::undisturbed;
use crate::commerce;
use crate::crowd;
use crate::machine::flushes;
use crate::media;
use crate::on_postgres;
use crate::process::{forget_peak, memory_kib};
use crate::results::{self, Figure, Measured, Report, Rest};
pub use crate::servers::Kind;
use crate::servers::{Places, Server, WARM_UP, measure_raw, serve_bare};
use crate::workload::Work;

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
    /// Runs of each figure that stands beside other servers.
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

/// Sends what no client should, until its input ends, and for two minutes at most.
pub fn be_hostile(target: std::net::SocketAddr, key: &str) -> Result<()> {
    crowd::be_hostile(target, key)
}

/// What SQLite does by itself, as a line.
pub fn raw(scratch: &Path) -> Result<String> {
    std::fs::create_dir_all(scratch)?;
    Ok(results::raw_line(&measure_raw(scratch)?))
}

/// Runs the benchmark. `say` hears of every step, and at the end of what was aimed at.
pub fn bench(options: &Options, say: &mut dyn FnMut(&str)) -> Result<()> {
    std::fs::create_dir_all(&options.scratch)?;
    let places = Places {
        plinth: options.plinth.clone(),
        pocketbase: options.pocketbase.clone(),
        scratch: options.scratch.clone(),
    };
    let mut report = Report::begin(&places, options.rounds)?;
    let one = options.crowd || options.on_postgres || options.media || options.commerce;
    let all = !one && options.servers.is_empty() && options.only.is_none();
    // Whatever fails later does not take with it what has been found.
    let keep = |report: &Report| match &options.output {
        Some(output) => write(output, &report.text()),
        None => Ok(()),
    };
    if !one {
        beside_others(options, &places, &mut report, say)?;
        keep(&report)?;
    }
    if all || options.on_postgres {
        report.on_postgres(on_postgres::measure(&places, options.time, say)?);
        keep(&report)?;
    }
    if all || options.media {
        report.media(media::measure(&places, options.time, say)?);
        keep(&report)?;
    }
    if all || options.commerce {
        report.orders(commerce::measure(&places, options.time, say)?);
        keep(&report)?;
    }
    if all || options.crowd {
        report.crowd(crowd::measure(&places, options.time, say)?);
        keep(&report)?;
    }
    say(&report.table_of_aims());
    if let Some(output) = &options.output {
        say(&format!("written to {}", output.display()));
    }
    Ok(())
}

/// All work on all servers, in turn, and what SQLite does by itself.
fn beside_others(
    options: &Options,
    places: &Places,
    report: &mut Report,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let all = [Kind::Plinth, Kind::PocketBase, Kind::Bare];
    let is_wanted = |kind: &Kind| options.servers.is_empty() || options.servers.contains(kind);
    for round in 0..options.rounds {
        for kind in all.into_iter().filter(is_wanted) {
            say(&format!("round {}: {} is filled", round + 1, kind.name()));
            let mut server = Server::prepare(kind, places)?;
            report.rest(rest(&mut server, places)?);
            for (work, clients) in PLAN {
                let wanted = options
                    .only
                    .as_ref()
                    .is_none_or(|only| work.name().contains(only.as_str()));
                if !wanted || (kind == Kind::Bare && !matches!(work, Work::Read | Work::Insert)) {
                    continue;
                }
                server.check(work)?;
                let measured = measure(&server, work, clients, options.time, &places.scratch)?;
                say(&results::line(&measured));
                report.add(measured);
            }
        }
        if options.servers.is_empty() {
            say("raw SQLite");
            report.raw(measure_raw(&places.scratch)?);
        }
    }
    Ok(())
}

/// A server that was just filled, which is started anew for it, after a kill and after an orderly end: so everything after is measured on one that
/// was started on its data.
fn rest(server: &mut Server, places: &Places) -> Result<Rest> {
    let (made_in, filled_kib) = (server.started_in, memory_kib(server.process())?.0);
    server.restart(places, None)?;
    let recovered_in = server.started_in;
    server.stop_and_start(places)?;
    Ok(Rest {
        kind: server.kind,
        made_in,
        filled_kib,
        recovered_in,
        started_in: server.started_in,
        started_kib: memory_kib(server.process())?.0,
    })
}

fn measure(
    server: &Server,
    work: Work,
    clients: usize,
    time: Duration,
    scratch: &Path,
) -> Result<Measured> {
    let process = server.process();
    let ((tally, flushed, memory), used) = undisturbed(process, |tries| {
        forget_peak(process)?;
        let before = flushes(scratch);
        let tally = server
            .load(work, clients, time, tries as u64 + 7)?
            .all_good()?;
        let flushed = flushes(scratch).zip(before);
        let flushed = flushed.map(|(after, before)| after.saturating_sub(before));
        Ok((tally, flushed, memory_kib(process)?))
    })?;
    let answers = tally.rate() * (WARM_UP + time).as_secs_f64();
    Ok(Measured {
        kind: server.kind,
        work,
        clients,
        figure: Figure::of(&tally, used),
        resident_kib: memory.0,
        most_kib: memory.1,
        flushes: flushed.map(|flushed| share(flushed, answers)),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn share(part: u64, whole: f64) -> f64 {
    part as f64 / whole
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
