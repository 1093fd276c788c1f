//! What was measured, and the report of it.

mod aims;
mod header;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::calm::TRIES;
use crate::commerce::{self, Orders};
use crate::crowd::Crowd;
use crate::generator::Tally;
use crate::media::Media;
use crate::on_postgres;
use crate::process::{DISTURBED_CORES, Disturbance, Used};
use crate::servers::{Kind, Places, RawFigures};
use crate::workload::Work;
pub(crate) use aims::{Aim, Bound};
use header::Header;

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
    pub(crate) disturbance: Disturbance,
}

impl Figure {
    /// `used` is of the whole run, warm-up included.
    pub(crate) fn of(tally: &Tally, used: Used) -> Figure {
        let answers = tally.rate() * used.took.as_secs_f64();
        Figure {
            rate: tally.rate(),
            p50: tally.within(0.5),
            p99: tally.within(0.99),
            cpu: used.server.as_secs_f64() * 1e6 / answers,
            disturbance: used.disturbance(),
        }
    }
}

/// A figure of the table that has all servers side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) kind: Kind,
    pub(crate) work: Work,
    pub(crate) clients: usize,
    pub(crate) figure: Figure,
    /// Memory of the server at the end, and the most of it during the run, in KiB.
    pub(crate) resident_kib: u64,
    pub(crate) most_kib: u64,
    /// How often the disk was flushed for each answer, where the system counts it.
    pub(crate) flushes: Option<f64>,
}

/// A server before any load but its filling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    pub(crate) kind: Kind,
    /// Time to the first answer, in an empty folder.
    pub(crate) made_in: Duration,
    /// Its memory when it was just filled.
    pub(crate) filled_kib: u64,
    /// Time to the first answer after it was killed with what it had been filled with.
    pub(crate) recovered_in: Duration,
    /// The same after an orderly end.
    pub(crate) started_in: Duration,
    /// Its memory then.
    pub(crate) started_kib: u64,
}

/// Everything of one run of the benchmark.
pub(crate) struct Report {
    header: Header,
    /// How often everything was measured that stands beside other servers.
    rounds: usize,
    figures: Vec<Measured>,
    rest: Vec<Rest>,
    raw: Vec<RawFigures>,
    crowd: Option<Crowd>,
    media: Option<Media>,
    orders: Vec<Orders>,
    on_postgres: Option<on_postgres::Found>,
    binary_bytes: u64,
}

impl Report {
    pub(crate) fn begin(places: &Places, rounds: usize) -> Result<Report> {
        let binary = std::fs::metadata(&places.plinth)
            .with_context(|| places.plinth.display().to_string())?;
        Ok(Report {
            header: Header::now(places),
            rounds,
            figures: Vec::new(),
            rest: Vec::new(),
            raw: Vec::new(),
            crowd: None,
            media: None,
            orders: Vec::new(),
            on_postgres: None,
            binary_bytes: binary.len(),
        })
    }

    pub(crate) fn add(&mut self, measured: Measured) {
        self.figures.push(measured);
    }

    /// Start and memory of a server.
    pub(crate) fn rest(&mut self, rest: Rest) {
        self.rest.push(rest);
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
    pub(crate) fn on_postgres(&mut self, found: on_postgres::Found) {
        self.on_postgres = Some(found);
    }

    /// What was aimed at, as a table.
    pub(crate) fn table_of_aims(&self) -> String {
        aims::table(&self.aims())
    }

    /// The whole of it, as Markdown.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from(
            "# Results\n\nWritten by `cargo xtask bench`. Server and generator share the machine, so ratios say more than rates. Each chapter says how often it \
             was measured.\n\n",
        );
        self.header.write(&mut out);
        let _ = writeln!(
            out,
            "- Others: the cores that other processes kept busy meanwhile, and behind the stroke those that the machine's host gave to other machines (*steal*). A run with \
             {DISTURBED_CORES} or more of either is taken again; after {TRIES} such runs the last is kept, and marked as disturbed.\n\n\
             ## Aims\n"
        );
        out += &self.table_of_aims();
        self.write_beside_others(&mut out);
        self.write_rest(&mut out);
        self.write_raw(&mut out);
        if let Some(found) = &self.on_postgres {
            found.write(&mut out);
        }
        if let Some(crowd) = &self.crowd {
            crowd.write(&mut out);
        }
        if let Some(media) = &self.media {
            media.write(&mut out);
        }
        commerce::write(&self.orders, &mut out);
        out
    }

    fn write_beside_others(&self, out: &mut String) {
        if self.figures.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "\n## Beside others\n\nEach figure is {}. Memory is what the server has at the end of a run, and the most that it had during it.\n\n\
             | work | clients | server | /s | p50 ms | p99 ms | CPU µs | memory MiB | at most | others / stolen | times PocketBase |\n\
             |---|---|---|---|---|---|---|---|---|---|---|",
            self.of_rounds()
        );
        let mut seen: Vec<(Work, usize)> = Vec::new();
        for Measured { work, clients, .. } in &self.figures {
            if seen.contains(&(*work, *clients)) {
                continue;
            }
            seen.push((*work, *clients));
            let rival = self.rate(Kind::PocketBase, *work, *clients);
            for kind in [Kind::Plinth, Kind::PocketBase, Kind::Bare] {
                let Some(measured) = self.middle(kind, *work, *clients) else {
                    continue;
                };
                let figure = measured.figure;
                let ratio =
                    rival.map_or(String::new(), |rival| format!("{:.1}", figure.rate / rival));
                let _ = writeln!(
                    out,
                    "| {} | {clients} | {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} | {} | {ratio} |",
                    work.name(),
                    kind.name(),
                    figure.rate,
                    millis(figure.p50),
                    millis(figure.p99),
                    figure.cpu,
                    mebibytes(measured.resident_kib),
                    mebibytes(measured.most_kib),
                    figure.disturbance.text()
                );
            }
        }
        if let Some(durability) = self.durability() {
            let _ = writeln!(out, "\nDurability: {durability}");
        }
    }

    /// What is known of whether writes were on the disk before their answers: what connections say of themselves, and what the disk was told.
    fn durability(&self) -> Option<String> {
        let raw = self.raw.first()?;
        let mut text = format!(
            "raw SQLite says of its connection `journal_mode={}`, `synchronous={}`. What the connections of a server are set to cannot be asked from outside; by their sources Plinth's \
             have `synchronous=full`, PocketBase's, as it ships, `synchronous=normal`, which does not sync commits.",
            raw.journal, raw.synchronous
        );
        let alone = median(self.raw.iter().filter_map(|raw| raw.flushes)).unwrap_or(0.0);
        if alone < 0.5 {
            text += " The system does not count how often this disk is flushed.";
            return Some(text);
        }
        let _ = write!(
            text,
            " What shows from outside is how often the disk was flushed for each insert of one client: raw SQLite {alone:.2}"
        );
        for kind in [Kind::Plinth, Kind::PocketBase] {
            let runs = self.runs(kind, Work::Insert, 1);
            if let Some(flushes) = median(runs.filter_map(|run| run.flushes)) {
                let _ = write!(text, ", {} {flushes:.2}", kind.name());
            }
        }
        text.push('.');
        Some(text)
    }

    fn write_rest(&self, out: &mut String) {
        if self.rest.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "\n## At rest\n\nEach figure is {}: a server in an empty folder, the same when 100,000 messages and what belongs to them were just put in, killed (`kill -9`) and \
             started on this data, and stopped (`SIGTERM`) and started on it. Plinth's binary has {:.1} MiB.\n\n\
             | at rest | start, empty ms | just filled MiB | start after the kill ms | start after the stop ms | started on this data MiB |\n|---|---|---|---|---|---|",
            self.of_rounds(),
            mebibytes(self.binary_bytes / 1024)
        );
        for kind in [Kind::Plinth, Kind::PocketBase, Kind::Bare] {
            let of = |pick: fn(&Rest) -> f64| {
                let same = self.rest.iter().filter(|rest| rest.kind == kind);
                median(same.map(pick))
            };
            let Some(made_ms) = of(|rest| rest.made_in.as_secs_f64() * 1e3) else {
                continue;
            };
            let filled = of(|rest| mebibytes(rest.filled_kib)).unwrap_or_default();
            let recovered_ms = of(|rest| rest.recovered_in.as_secs_f64() * 1e3).unwrap_or_default();
            let start_ms = of(|rest| rest.started_in.as_secs_f64() * 1e3).unwrap_or_default();
            let started = of(|rest| mebibytes(rest.started_kib)).unwrap_or_default();
            let _ = writeln!(
                out,
                "| {} | {made_ms:.0} | {filled:.1} | {recovered_ms:.0} | {start_ms:.0} | {started:.1} |",
                kind.name()
            );
        }
    }

    fn write_raw(&self, out: &mut String) {
        if let Some(raw) = self.raw_medians() {
            let _ = writeln!(
                out,
                "\n## The limits\n\n{} Each figure is {}; of others the most of all runs.",
                raw_line(&raw),
                self.of_rounds()
            );
        }
    }

    /// What a figure of the chapters with rounds is.
    fn of_rounds(&self) -> String {
        match self.rounds {
            1 => "a single run".to_owned(),
            rounds => format!("the middle one of {rounds} runs, the servers taken in turn"),
        }
    }

    /// The middle one of each, and the most that others did.
    fn raw_medians(&self) -> Option<RawFigures> {
        let first = self.raw.first()?.clone();
        let of = |pick: fn(&RawFigures) -> f64| median(self.raw.iter().map(pick)).unwrap_or(0.0);
        let others = self.raw.iter().map(|raw| raw.disturbance);
        Some(RawFigures {
            read: of(|raw| raw.read),
            insert_1: of(|raw| raw.insert_1),
            insert_64: of(|raw| raw.insert_64),
            insert_256: of(|raw| raw.insert_256),
            hash: of(|raw| raw.hash),
            disturbance: others.fold(Disturbance::default(), Disturbance::worst),
            ..first
        })
    }

    fn rate(&self, kind: Kind, work: Work, clients: usize) -> Option<f64> {
        let measured = self.middle(kind, work, clients)?;
        Some(measured.figure.rate)
    }

    /// The run in the middle, by rate.
    fn middle(&self, kind: Kind, work: Work, clients: usize) -> Option<Measured> {
        let runs = self.runs(kind, work, clients).copied().collect();
        middle(runs, |run: &Measured| run.figure.rate)
    }

    fn runs(&self, kind: Kind, work: Work, clients: usize) -> impl Iterator<Item = &Measured> {
        let wanted = (kind, work, clients);
        self.figures
            .iter()
            .filter(move |run| (run.kind, run.work, run.clients) == wanted)
    }
}

/// One figure as a line for whoever watches.
pub(crate) fn line(measured: &Measured) -> String {
    let figure = &measured.figure;
    format!(
        "{:<11} {:<25} {:>4} clients {:>8.0}/s  p50 {:>7.2} ms  p99 {:>7.2} ms  {:>6.1} µs CPU  {:>4.0} MiB  (others {})",
        measured.kind.name(),
        measured.work.name(),
        measured.clients,
        figure.rate,
        millis(figure.p50),
        millis(figure.p99),
        figure.cpu,
        mebibytes(measured.most_kib),
        figure.disturbance.text()
    )
}

/// What SQLite does by itself, as a line.
pub(crate) fn raw_line(raw: &RawFigures) -> String {
    format!(
        "Raw SQLite, one thread, no HTTP: read {:.0}/s; insert 1 a commit {:.0}/s, 64 a commit {:.0}/s, 256 a commit {:.0}/s. Argon2id on all cores: {:.0}/s. Others: {}.",
        raw.read,
        raw.insert_1,
        raw.insert_64,
        raw.insert_256,
        raw.hash,
        raw.disturbance.text()
    )
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    middle(values.collect(), |value| *value)
}

/// The one in the middle by a number; of two, the greater.
pub(crate) fn middle<T>(mut runs: Vec<T>, by: impl Fn(&T) -> f64) -> Option<T> {
    runs.sort_by(|a, b| by(a).total_cmp(&by(b)));
    let place = runs.len() / 2;
    runs.into_iter().nth(place)
}

#[expect(clippy::cast_precision_loss, reason = "times stay far below 2^52")]
pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
pub(crate) fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests;
