//! What was measured, and the report of it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::commerce::{self, Orders};
use crate::crowd::{Crowd, HOSTILE};
use crate::generator::Tally;
use crate::media::Media;
use crate::on_postgres::{Beside, CLIENTS, CONNECTIONS};
use crate::process::Used;
use crate::servers::{Kind, RawFigures};
use crate::workload::Work;

/// One run of one work on one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Microseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    /// CPU time of the server for each answer, in microseconds.
    pub(crate) cpu: f64,
    /// Cores that others kept busy.
    pub(crate) others_cores: f64,
}

impl Figure {
    /// `during` is how long the CPU time was counted, warm-up included.
    pub(crate) fn of(tally: &Tally, used: Used, during: Duration) -> Figure {
        let answers = tally.rate() * during.as_secs_f64();
        Figure {
            rate: tally.rate(),
            p50: tally.within(0.5),
            p99: tally.within(0.99),
            cpu: used.server.as_secs_f64() * 1e6 / answers,
            others_cores: used.others.as_secs_f64() / during.as_secs_f64(),
        }
    }
}

/// Everything of one run of the benchmark.
pub(crate) struct Report {
    figures: Vec<(Kind, Work, usize, Figure)>,
    rest: Vec<(Kind, Duration, u64)>,
    raw: Vec<RawFigures>,
    crowd: Option<Crowd>,
    media: Option<Media>,
    orders: Vec<Orders>,
    beside_pgbench: Vec<Beside>,
    binary_bytes: u64,
}

impl Report {
    pub(crate) fn begin(plinth: &Path) -> Result<Report> {
        Ok(Report {
            figures: Vec::new(),
            rest: Vec::new(),
            raw: Vec::new(),
            crowd: None,
            media: None,
            orders: Vec::new(),
            beside_pgbench: Vec::new(),
            binary_bytes: std::fs::metadata(plinth)?.len(),
        })
    }

    pub(crate) fn add(&mut self, kind: Kind, work: Work, clients: usize, figure: Figure) {
        self.figures.push((kind, work, clients, figure));
    }

    /// Start and memory of a server, before any load but its filling.
    pub(crate) fn rest(&mut self, kind: Kind, started_in: Duration, memory_kib: u64) {
        self.rest.push((kind, started_in, memory_kib));
    }

    pub(crate) fn raw(&mut self, figures: RawFigures) {
        self.raw.push(figures);
    }

    /// What many users at once do to Plinth.
    pub(crate) fn crowd(&mut self, crowd: Crowd) {
        self.crowd = Some(crowd);
    }

    /// Files and pictures, beside programs that do nothing else.
    pub(crate) fn media(&mut self, media: Media) {
        self.media = Some(media);
    }

    /// Orders, beside the same statements by hand.
    pub(crate) fn orders(&mut self, orders: Vec<Orders>) {
        self.orders = orders;
    }

    /// What the road through HTTP costs on PostgreSQL.
    pub(crate) fn beside_pgbench(&mut self, measured: Vec<Beside>) {
        self.beside_pgbench = measured;
    }

    /// The whole of it, as Markdown.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from(
            "# Results\n\nWritten by `cargo xtask bench`. Server and generator share the machine, so ratios say more than \
             rates. Each figure is the median of three runs, the servers taken in turn.\n\n",
        );
        let _ = writeln!(out, "- Machine: {}", machine());
        out += "- Durability: Plinth and raw SQLite `synchronous=FULL`, every write on disk before its answer; PocketBase as it \
                ships, `synchronous=NORMAL`, which does not sync commits.\n\n";
        out += "| work | clients | server | /s | p50 ms | p99 ms | CPU µs | ratio to PocketBase |\n|---|---|---|---|---|---|---|---|\n";
        let mut seen: Vec<(Work, usize)> = Vec::new();
        for (_, work, clients, _) in &self.figures {
            if seen.contains(&(*work, *clients)) {
                continue;
            }
            seen.push((*work, *clients));
            let rival = self.median(Kind::PocketBase, *work, *clients);
            for kind in [Kind::Plinth, Kind::PocketBase, Kind::Bare] {
                let Some(figure) = self.median(kind, *work, *clients) else {
                    continue;
                };
                let ratio = rival.map_or(String::new(), |rival| {
                    format!("{:.1}", figure.rate / rival.rate)
                });
                let _ = writeln!(
                    out,
                    "| {} | {clients} | {} | {:.0} | {:.2} | {:.2} | {:.0} | {ratio} |",
                    work.name(),
                    kind.name(),
                    figure.rate,
                    millis(figure.p50),
                    millis(figure.p99),
                    figure.cpu
                );
            }
        }
        out += "\n| at rest | start ms | memory MiB |\n|---|---|---|\n";
        for kind in [Kind::Plinth, Kind::PocketBase, Kind::Bare] {
            let of_kind = || self.rest.iter().filter(|(known, ..)| *known == kind);
            let start = median(of_kind().map(|(_, start, _)| start.as_secs_f64() * 1e3));
            let memory = median(of_kind().map(|(.., kib)| mebibytes(*kib)));
            if let Some((start, memory)) = start.zip(memory) {
                let _ = writeln!(out, "| {} | {start:.0} | {memory:.0} |", kind.name());
            }
        }
        out += "\nMemory is that of a server that was just filled with 100,000 messages.\n\n";
        let raw = |pick: fn(&RawFigures) -> f64| median(self.raw.iter().map(pick)).unwrap_or(0.0);
        out += &raw_line(&RawFigures {
            read: raw(|raw| raw.read),
            insert_1: raw(|raw| raw.insert_1),
            insert_64: raw(|raw| raw.insert_64),
            insert_256: raw(|raw| raw.insert_256),
            hash: raw(|raw| raw.hash),
        });
        out.push('\n');
        let _ = writeln!(
            out,
            "\nBinary: {:.1} MiB.",
            mebibytes(self.binary_bytes / 1024)
        );
        write_beside_pgbench(&mut out, &self.beside_pgbench);
        if let Some(crowd) = &self.crowd {
            write_crowd(&mut out, crowd);
        }
        if let Some(media) = &self.media {
            media.write(&mut out);
        }
        commerce::write(&self.orders, &mut out);
        out
    }

    /// The run in the middle, by rate.
    fn median(&self, kind: Kind, work: Work, clients: usize) -> Option<Figure> {
        let mut runs: Vec<Figure> = self
            .figures
            .iter()
            .filter(|(known, of, with, _)| (*known, *of, *with) == (kind, work, clients))
            .map(|(.., figure)| *figure)
            .collect();
        runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        runs.get(runs.len() / 2).copied()
    }
}

fn write_beside_pgbench(out: &mut String, measured: &[Beside]) {
    if measured.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## On PostgreSQL, beside pgbench\n\nThe same transaction (begin, role and claims, one statement, commit) on {CONNECTIONS} connections each, \
         every commit on disk; {CLIENTS} clients of Plinth. pgbench sends statement by statement, and once more all in one pipeline, as Plinth does.\n\n\
         | work | Plinth /s | p50 ms | p99 ms | CPU µs | pgbench /s | of it | in a pipeline /s | of it |\n|---|---|---|---|---|---|---|---|---|"
    );
    for beside in measured {
        let rate = beside.plinth.rate;
        let _ = writeln!(
            out,
            "| {} | {rate:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} % | {:.0} | {:.0} % |",
            beside.work.name(),
            millis(beside.plinth.p50),
            millis(beside.plinth.p99),
            beside.plinth.cpu,
            beside.plain,
            100.0 * rate / beside.plain,
            beside.pipelined,
            100.0 * rate / beside.pipelined,
        );
    }
}

fn write_crowd(out: &mut String, crowd: &Crowd) {
    let percent = |part: f64, whole: f64| 100.0 * part / whole;
    *out += "\n## Many users at once (Plinth)\n\n";
    let _ = writeln!(
        out,
        "- Start on this data: {:.0} ms to the first answer, then {:.1} MiB.",
        crowd.start.0.as_secs_f64() * 1e3,
        mebibytes(crowd.start.1)
    );
    let _ = writeln!(
        out,
        "- 18,000 idle keep-alive connections: {:.1} KiB each beside {:.0} MiB; 64 clients reading beside them p99 {:.1} ms. \
         Projected, not measured: 100,000 would take {:.1} GiB.",
        crowd.idle_kib,
        mebibytes(crowd.before_kib),
        millis(crowd.beside_idle_p99),
        (crowd.idle_kib * 100_000.0 / 1024.0 + mebibytes(crowd.before_kib)) / 1024.0
    );
    let (alone, beside, most_kib) = crowd.hostile;
    let _ = writeln!(
        out,
        "- Beside {HOSTILE} connections that send malformed, oversized, byte-by-byte and endless requests: {beside:.0} of {alone:.0} \
         reads a second ({:.0} %), at most {:.0} MiB.",
        percent(beside, alone),
        mebibytes(most_kib)
    );
    let (alone, beside, p99, sign_ins) = crowd.flood;
    let _ = writeln!(
        out,
        "- Beside 64 clients that sign in without pause ({sign_ins:.0} a second): {beside:.0} of {alone:.0} reads a second ({:.0} %), \
         p99 {:.1} ms.",
        percent(beside, alone),
        millis(p99)
    );
    *out += "\nOverload: the server on one core, the generator on the other, twice the peak asked for over 2,000 connections at a \
             constant rate. Times count from the moment a request was due.\n\n\
             | work | peak /s | goodput /s | of peak | accepted p50 ms | p99 ms | 503 /s | p99 ms | with Retry-After |\n\
             |---|---|---|---|---|---|---|---|---|\n";
    for found in &crowd.overload {
        let tally = &found.tally;
        let refused = tally.refused.len();
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.0} | {:.0} % | {:.1} | {:.1} | {:.0} | {:.1} | {} |",
            found.work.name(),
            found.peak,
            tally.rate(),
            percent(tally.rate(), found.peak),
            millis(tally.within(0.5)),
            millis(tally.within(0.99)),
            tally.refused_rate(),
            millis(tally.refused.value_at_quantile(0.99)),
            if tally.refused_with_retry_after == refused {
                "all"
            } else {
                "not all"
            }
        );
    }
}

/// One figure as a line for whoever watches.
pub(crate) fn line(kind: Kind, work: Work, clients: usize, figure: &Figure) -> String {
    format!(
        "{:<11} {:<25} {clients:>4} clients {:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  {:>6.1} µs CPU  (others {:.2} cores)",
        kind.name(),
        work.name(),
        figure.rate,
        millis(figure.p50),
        millis(figure.p99),
        figure.cpu,
        figure.others_cores
    )
}

/// What SQLite does by itself, as a line.
pub(crate) fn raw_line(raw: &RawFigures) -> String {
    format!(
        "Raw SQLite, one thread, no HTTP: read {:.0}/s; insert 1 a commit {:.0}/s, 64 a commit {:.0}/s, 256 a commit {:.0}/s. Argon2id on all cores: {:.0}/s.",
        raw.read, raw.insert_1, raw.insert_64, raw.insert_256, raw.hash
    )
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[expect(clippy::cast_precision_loss, reason = "times stay far below 2^52")]
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(':').nth(1))
        .unwrap_or("unknown");
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default();
    format!("{cores} cores, {}, Linux {kernel}", model.trim())
}
