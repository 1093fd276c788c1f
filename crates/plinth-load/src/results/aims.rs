//! What was aimed at, and whether it was reached. Every chapter names its own; the report begins with all of them.

use std::fmt::Write as _;

use super::{Report, mebibytes, median};
use crate::commerce::Orders;
use crate::crowd::Crowd;
use crate::media::Media;
use crate::on_postgres;
use crate::servers::Kind;
use crate::workload::Work;

/// Work with so many clients, and how many times as much of it a second is wanted as of `PocketBase`.
const TIMES: [(Work, usize, f64); 6] = [
    (Work::Read, 64, 10.0),
    (Work::List, 64, 15.0),
    (Work::ListRelated, 64, 15.0),
    (Work::ListTotal, 64, 10.0),
    (Work::Insert, 64, 8.0),
    (Work::Insert, 256, 12.0),
];

/// One aim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    what: String,
    wanted: String,
    reached: String,
    is_met: bool,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// More than this.
    Above(f64),
    /// This or less.
    AtMost(f64),
    /// Less than this.
    Below(f64),
}

impl Aim {
    /// A figure beside its bound; the unit is for both.
    pub(crate) fn new(what: &str, found: f64, bound: Bound, unit: &str) -> Aim {
        let (word, limit) = match bound {
            Bound::AtLeast(limit) => ("at least", limit),
            Bound::Above(limit) => ("above", limit),
            Bound::AtMost(limit) => ("at most", limit),
            Bound::Below(limit) => ("below", limit),
        };
        Aim {
            what: what.to_owned(),
            wanted: format!("{word} {limit} {unit}"),
            reached: short(found),
            is_met: bound.holds(found),
        }
    }

    /// Ours beside theirs, of which it must be so many times as much, or such a share.
    pub(crate) fn beside(what: &str, ours: f64, theirs: f64, least: f64, rival: &str) -> Aim {
        let found = ours / theirs;
        if least >= 1.0 {
            let unit = format!("times {rival}");
            return Aim::new(what, found, Bound::AtLeast(least), &unit);
        }
        let percent = (100.0 * least).round();
        let unit = format!("% of {rival}");
        Aim::new(what, 100.0 * found, Bound::AtLeast(percent), &unit)
    }
}

impl Bound {
    /// What is no number at all holds nowhere.
    fn holds(self, found: f64) -> bool {
        found.is_finite()
            && match self {
                Bound::AtLeast(limit) => found >= limit,
                Bound::Above(limit) => found > limit,
                Bound::AtMost(limit) => found <= limit,
                Bound::Below(limit) => found < limit,
            }
    }
}

/// As many digits as tell two figures apart.
fn short(figure: f64) -> String {
    match figure.abs() < 1.0 {
        true => format!("{figure:.2}"),
        false => format!("{figure:.1}"),
    }
}

/// All of them, as a table.
pub(crate) fn table(aims: &[Aim]) -> String {
    let mut out = String::from("| aim | wanted | reached | met |\n|---|---|---|---|\n");
    for aim in aims {
        let met = if aim.is_met { "yes" } else { "no" };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {met} |",
            aim.what, aim.wanted, aim.reached
        );
    }
    out
}

impl Report {
    /// Those of all chapters that were run.
    pub(crate) fn aims(&self) -> Vec<Aim> {
        let mut aims = self.aims_beside_others();
        aims.extend(self.aims_beside_the_limits());
        aims.extend(self.aims_at_rest());
        aims.extend(self.crowd.iter().flat_map(Crowd::aims));
        aims.extend(self.on_postgres.iter().flat_map(on_postgres::Found::aims));
        aims.extend(self.media.iter().flat_map(Media::aims));
        aims.extend(self.orders.iter().map(Orders::aim));
        aims
    }

    fn aims_beside_others(&self) -> Vec<Aim> {
        let mut aims = Vec::new();
        for (work, clients, times) in TIMES {
            let ours = self.rate(Kind::Plinth, work, clients);
            if let Some((ours, theirs)) = ours.zip(self.rate(Kind::PocketBase, work, clients)) {
                let what = title(work, clients);
                aims.push(Aim::beside(&what, ours, theirs, times, "PocketBase"));
            }
        }
        if let Some(read) = self.middle(Kind::Plinth, Work::Read, 64) {
            let what = title(Work::Read, 64);
            if let Some(bare) = self.rate(Kind::Bare, Work::Read, 64) {
                let rate = read.figure.rate;
                aims.push(Aim::beside(&what, rate, bare, 0.45, "bare axum"));
            }
            let cpu = read.figure.cpu;
            aims.push(Aim::new(&what, cpu, Bound::AtMost(30.0), "µs of CPU"));
        }
        aims
    }

    /// Those beside what SQLite and Argon2id do by themselves.
    fn aims_beside_the_limits(&self) -> Vec<Aim> {
        let Some(raw) = self.raw_medians() else {
            return Vec::new();
        };
        let mut aims = Vec::new();
        for (clients, limit) in [(64, raw.insert_64), (256, raw.insert_256)] {
            if let Some(rate) = self.rate(Kind::Plinth, Work::Insert, clients) {
                let rival = format!("raw SQLite, {clients} rows a commit");
                let what = title(Work::Insert, clients);
                aims.push(Aim::beside(&what, rate, limit, 0.5, &rival));
            }
        }
        if let Some(rate) = self.rate(Kind::Plinth, Work::Insert, 1) {
            let more_ms = 1e3 / rate - 1e3 / raw.insert_1;
            aims.push(Aim::new(
                "insert, 1 client",
                more_ms,
                Bound::AtMost(0.15),
                "ms more than a commit of raw SQLite",
            ));
        }
        if let Some(rate) = self.rate(Kind::Plinth, Work::SignIn, 64) {
            let rival = "Argon2id on all cores";
            let what = title(Work::SignIn, 64);
            aims.push(Aim::beside(&what, rate, raw.hash, 0.9, rival));
        }
        aims
    }

    fn aims_at_rest(&self) -> Vec<Aim> {
        let ours = || self.rest.iter().filter(|rest| rest.kind == Kind::Plinth);
        let start_ms = median(ours().map(|rest| rest.started_in.as_secs_f64() * 1e3));
        let memory_mib = median(ours().map(|rest| mebibytes(rest.started_kib)));
        let mut aims = Vec::new();
        if let Some((start_ms, memory_mib)) = start_ms.zip(memory_mib) {
            let start = Aim::new(
                "start, with data in place",
                start_ms,
                Bound::Below(40.0),
                "ms",
            );
            let memory = Aim::new("memory after it", memory_mib, Bound::Below(25.0), "MiB");
            let binary_mib = mebibytes(self.binary_bytes / 1024);
            let binary = Aim::new("the binary", binary_mib, Bound::Below(30.0), "MiB");
            aims.extend([start, memory, binary]);
        }
        aims
    }
}

fn title(work: Work, clients: usize) -> String {
    format!("{}, {clients} clients", work.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_at_their_edges() {
        let holds = |bound: Bound, found: f64| bound.holds(found);
        assert!(holds(Bound::AtLeast(10.0), 10.0) && !holds(Bound::AtLeast(10.0), 9.99));
        assert!(holds(Bound::AtMost(30.0), 30.0) && !holds(Bound::AtMost(30.0), 30.01));
        assert!(holds(Bound::Above(80.0), 80.01) && !holds(Bound::Above(80.0), 80.0));
        assert!(holds(Bound::Below(25.0), 24.99) && !holds(Bound::Below(25.0), 25.0));
        assert!(!holds(Bound::AtLeast(1.0), f64::INFINITY));
        assert!(!holds(Bound::AtMost(1.0), f64::NAN));
    }

    #[test]
    fn shares_are_written_as_percent_and_multiples_as_times() {
        let aims = [
            Aim::beside("reads", 300.0, 20.0, 10.0, "theirs"),
            Aim::beside("reads", 44.9, 100.0, 0.45, "the limit"),
            Aim::new("more time", 0.149, Bound::AtMost(0.15), "ms"),
        ];
        assert_eq!(
            table(&aims),
            "| aim | wanted | reached | met |\n|---|---|---|---|\n\
             | reads | at least 10 times theirs | 15.0 | yes |\n\
             | reads | at least 45 % of the limit | 44.9 | no |\n\
             | more time | at most 0.15 ms | 0.15 | yes |\n"
        );
    }
}
