//! Files and pictures beside programs that do nothing else: what a large file costs in memory, how fast files come and go,
//! how fast pictures are made small.

mod exchange;
mod large;
mod thumbnails;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::calm::undisturbed;
use crate::process::Disturbance;
use crate::results::{Aim, middle};
use crate::servers::Places;
use crate::servers::files::Plinth;
use large::Large;

const ROUNDS: usize = 3;

/// All that was measured.
pub(crate) struct Media {
    large: Large,
    rates: Vec<Beside>,
}

/// Plinth beside somebody else at the same work.
pub(crate) struct Beside {
    work: String,
    unit: &'static str,
    rival: &'static str,
    found: InTurn,
    /// What share of theirs ours is to be; none where it only shows what the machine can do.
    promised: Option<f64>,
}

/// What two did at the same work, each the middle one of its runs.
#[derive(Clone, Copy)]
struct InTurn {
    ours: f64,
    theirs: f64,
    /// The most of both.
    disturbance: Disturbance,
}

/// Measures everything; some five gigabytes of scratch are filled and freed.
pub(crate) fn measure(places: &Places, time: Duration, say: &mut dyn FnMut(&str)) -> Result<Media> {
    let server = Plinth::start(places)?;
    let large = large::measure(&server)?;
    say(&large.line());
    let mut rates = Vec::new();
    let mut add = |beside: Beside, say: &mut dyn FnMut(&str)| {
        say(&beside.line());
        rates.push(beside);
    };
    for beside in exchange::beside_nginx(&server, places, time)? {
        add(beside, say);
    }
    for size in thumbnails::SIZES {
        add(thumbnails::measure(&server, places, size)?, say);
    }
    for beside in exchange::beside_pocketbase(&server, places, time)? {
        add(beside, say);
    }
    drop(server);
    for folder in ["Plinth-files", "PocketBase-files", "nginx", "pictures"] {
        std::fs::remove_dir_all(places.scratch.join(folder))?;
    }
    Ok(Media { large, rates })
}

impl Media {
    /// As a chapter of the report.
    pub(crate) fn write(&self, out: &mut String) {
        *out += "\n## Files and pictures\n\n";
        let _ = writeln!(
            out,
            "Policies are checked for every file and picture of Plinth; nginx, on the same files of the same disk, asks nobody. Every upload is on the \
             disk before its answer; PocketBase does not wait for it. Each figure is the middle one of {ROUNDS} runs, taken in turn, but for 1 GiB, which goes there and back once; \
             of others the most of the two. Thumbnails are made anew each time, \
             on all cores, by `vipsthumbnail` in as many processes. *The disk alone* is as many threads that write files of the same length and sync \
             each, without syncing the folder, without rows, without HTTP.\n"
        );
        let _ = writeln!(out, "- {}", self.large.line());
        *out += "\n| work | Plinth | beside | | of it | promised | others / stolen |\n|---|---|---|---|---|---|---|\n";
        for beside in &self.rates {
            let _ = writeln!(
                out,
                "| {} | {:.0} {} | {} | {:.0} {} | {:.0} % | {} | {} |",
                beside.work,
                beside.found.ours,
                beside.unit,
                beside.rival,
                beside.found.theirs,
                beside.unit,
                100.0 * beside.share(),
                beside.promise(),
                beside.found.disturbance.text(),
            );
        }
    }

    /// What was aimed at.
    pub(crate) fn aims(&self) -> Vec<Aim> {
        let mut aims = self.large.aims();
        aims.extend(self.rates.iter().filter_map(Beside::aim));
        aims
    }
}

impl Beside {
    fn share(&self) -> f64 {
        self.found.ours / self.found.theirs
    }

    fn aim(&self) -> Option<Aim> {
        let InTurn { ours, theirs, .. } = self.found;
        let least = self.promised?;
        Some(Aim::beside(&self.work, ours, theirs, least, self.rival))
    }

    fn line(&self) -> String {
        format!(
            "{:<32} Plinth {:>8.1} {}  {} {:>8.1}  {:>4.0} % of it (promised: {})",
            self.work,
            self.found.ours,
            self.unit,
            self.rival,
            self.found.theirs,
            100.0 * self.share(),
            self.promise(),
        )
    }

    fn promise(&self) -> String {
        match self.promised {
            Some(share) => format!("{:.0} %", 100.0 * share),
            None => "nothing".to_owned(),
        }
    }
}

/// Both, measured in turn; each is told how often it was run before.
fn in_turn(
    mut ours: impl FnMut(usize) -> Result<f64>,
    mut theirs: impl FnMut(usize) -> Result<f64>,
) -> Result<InTurn> {
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    let (mut our_number, mut their_number) = (0, 0);
    for _ in 0..ROUNDS {
        our_runs.push(calm(&mut ours, &mut our_number)?);
        their_runs.push(calm(&mut theirs, &mut their_number)?);
    }
    let (ours, others) = middle(our_runs, |run| run.0).context("nothing was measured")?;
    let (theirs, still_others) = middle(their_runs, |run| run.0).context("nothing was measured")?;
    Ok(InTurn {
        ours,
        theirs,
        disturbance: others.worst(still_others),
    })
}

fn calm(
    work: &mut impl FnMut(usize) -> Result<f64>,
    number: &mut usize,
) -> Result<(f64, Disturbance)> {
    let (rate, used) = undisturbed(std::process::id(), |_| {
        let rate = work(*number);
        *number += 1;
        rate
    })?;
    Ok((rate, used.disturbance()))
}

/// Bytes by chance, so that nothing on the way can make them fewer.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut chance = crate::workload::Chance::new(seed);
    (0..length)
        .map(|_| u8::try_from(chance.below(256)).unwrap_or_default())
        .collect()
}
