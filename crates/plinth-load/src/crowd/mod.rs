//! Many users at once: connections that do nothing, more requests than can be answered, clients that mean no good, and a
//! flood of sign-ins.

mod helper;
pub(crate) mod hostile;
mod idle;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::calm::undisturbed;
use crate::generator::{Pace, Plan, Tally, run};
use crate::process::{Disturbance, Used, memory_kib};
use crate::results::{Aim, Bound, mebibytes, middle, millis};
use crate::servers::{Kind, Places, Server, WARM_UP};
use crate::workload::Work;
pub(crate) use hostile::{Hostile, be_hostile};
pub(crate) use idle::{Idle, hold};

/// Connections over which too much is asked.
const CROWD: usize = 2_000;
/// Clients of a peak.
const CLIENTS: usize = 64;
/// How often reads are measured with and without something beside them.
const PAIRS: usize = 3;
/// How many times the peak is asked for.
const TOO_MUCH: f64 = 2.0;

/// What was found.
pub(crate) struct Crowd {
    /// Time from start to the first answer, with data in place, and memory then, in KiB.
    pub(crate) start: (Duration, u64),
    pub(crate) idle: Idle,
    pub(crate) hostile: Hostile,
    pub(crate) flood: Flood,
    pub(crate) overload: Vec<Overload>,
}

/// Reads beside sign-ins without pause.
pub(crate) struct Flood {
    /// Reads a second without them, and with them.
    pub(crate) alone: f64,
    pub(crate) beside: f64,
    /// Of the reads beside them, in microseconds.
    pub(crate) p99: u64,
    pub(crate) sign_ins: f64,
    pub(crate) disturbance: Disturbance,
}

/// One kind of work, asked for twice as often as it can be done.
pub(crate) struct Overload {
    pub(crate) work: Work,
    /// Answers a second to as many as it can serve.
    pub(crate) peak: f64,
    pub(crate) tally: Tally,
    pub(crate) used: Used,
    /// Of both the peak and what followed.
    pub(crate) disturbance: Disturbance,
}

/// Measures all of it on a Plinth that is filled for it.
pub(crate) fn measure(places: &Places, time: Duration, say: &mut dyn FnMut(&str)) -> Result<Crowd> {
    let mut server = Server::prepare(Kind::Plinth, places)?;
    server.restart(places, None)?;
    let start = (server.started_in, memory_kib(server.process())?.0);
    say(&start_line(start));
    let idle = idle::measure(&server, time)?;
    say(&idle.line());
    server.restart(places, None)?;
    let hostile = hostile::measure(&server, time)?;
    say(&hostile.line());
    server.restart(places, None)?;
    let flood = flood(&server, time)?;
    say(&flood.line());
    server.restart(places, Some(0))?;
    let mut overload = Vec::new();
    for work in [Work::Read, Work::List, Work::ListTotal] {
        let found = overwhelm(&server, work, time)?;
        say(&found.line());
        overload.push(found);
    }
    Ok(Crowd {
        start,
        idle,
        hostile,
        flood,
        overload,
    })
}

/// Reads with and without something beside them.
struct Pair<T> {
    alone: f64,
    beside: Tally,
    others: T,
    disturbance: Disturbance,
}

/// In turn, and the pair in the middle counts, since a machine that is shared is now faster and now slower. `beside` is told where
/// chance begins.
fn pairs<T>(
    server: &Server,
    time: Duration,
    beside: impl Fn(u64) -> Result<(Tally, T)>,
) -> Result<Pair<T>> {
    let mut found = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let (alone, used_alone) = closed(server, Work::Read, time)?;
        let ((beside, others), used) =
            undisturbed(server.process(), |tries| beside(tries as u64 + 5))?;
        found.push(Pair {
            alone: alone.rate(),
            beside,
            others,
            disturbance: used.disturbance().worst(used_alone.disturbance()),
        });
    }
    middle(found, |pair| pair.beside.rate() / pair.alone).context("nothing was measured")
}

fn flood(server: &Server, time: Duration) -> Result<Flood> {
    let pair = pairs(server, time, |number| {
        std::thread::scope(|scope| {
            let sign_ins = scope.spawn(|| server.load(Work::SignIn, CLIENTS, time, number));
            let beside = server.load(Work::Read, CLIENTS, time, number)?;
            let sign_ins = sign_ins.join().ok().context("the sign-ins failed")??;
            Ok((beside, sign_ins.rate()))
        })
    })?;
    Ok(Flood {
        alone: pair.alone,
        beside: pair.beside.rate(),
        p99: pair.beside.within(0.99),
        sign_ins: pair.others,
        disturbance: pair.disturbance,
    })
}

/// On one core, with the generator on the other.
fn overwhelm(server: &Server, work: Work, time: Duration) -> Result<Overload> {
    std::thread::scope(|scope| {
        let measured = scope.spawn(|| {
            let mut second = CpuSet::new();
            second.set(1);
            sched_setaffinity(None, &second).context("this needs two cores")?;
            let (peak, used_before) = closed(server, work, time)?;
            let peak = peak.rate();
            let plan = Plan {
                target: server.address,
                clients: CROWD,
                pace: Pace::Open(peak * TOO_MUCH),
                warm_up: WARM_UP,
                time,
            };
            let (tally, used) = undisturbed(server.process(), |tries| {
                let tally = run(&plan, server.requests(work, tries as u64 + 11))?;
                ensure!(
                    tally.other == 0 && tally.broken == 0,
                    "{} answers were neither good nor 503, {} connections broke: {:?}",
                    tally.other,
                    tally.broken,
                    tally.first_other
                );
                Ok(tally)
            })?;
            Ok(Overload {
                work,
                peak,
                tally,
                used,
                disturbance: used.disturbance().worst(used_before.disturbance()),
            })
        });
        measured.join().ok().context("the overload failed")?
    })
}

fn closed(server: &Server, work: Work, time: Duration) -> Result<(Tally, Used)> {
    undisturbed(server.process(), |tries| {
        server.load(work, CLIENTS, time, tries as u64 + 5)
    })
}

impl Crowd {
    /// As a chapter of the report.
    pub(crate) fn write(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n## Many users at once (Plinth)\n\nSingle runs, but for reads beside bad clients and beside sign-ins: each of those is the middle one of {PAIRS} pairs, alone and \
             beside them, taken in turn. At the end of each line, what others used meanwhile (other processes / stolen by the host, in cores).\n"
        );
        for line in [
            start_line(self.start),
            self.idle.line(),
            self.hostile.line(),
            self.flood.line(),
        ] {
            let _ = writeln!(out, "- {line}.");
        }
        let _ = writeln!(
            out,
            "\nOverload: the server on one core, the generator on the other, {TOO_MUCH} times the peak asked for over {CROWD} connections at a constant rate. Good answers \
             are those of 2xx; what is unanswered waits, more of it each second, unsent or with the server.\n\n\
             | work | peak /s | asked /s | answered /s | good /s | of peak | 503 /s | with Retry-After | unanswered /s | server cores | generator cores | others / stolen |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        for found in &self.overload {
            found.write_rates(out);
        }
        *out += "\nHow long they took, from the moment a request was due (with its wait for a free connection), and from the moment it was sent (the server's part):\n\n\
                 | work | good, since due: p50 ms | p99 ms | since sent: p50 ms | p99 ms | 503, since due: p99 ms | since sent: p99 ms |\n\
                 |---|---|---|---|---|---|---|\n";
        for found in &self.overload {
            found.write_times(out);
        }
    }

    /// What was aimed at.
    pub(crate) fn aims(&self) -> Vec<Aim> {
        let (hostile, flood) = (&self.hostile, &self.flood);
        let mut aims = vec![
            Aim::beside(
                "reads beside bad clients",
                hostile.beside,
                hostile.alone,
                0.8,
                "the same alone",
            ),
            Aim::beside(
                "reads beside a flood of sign-ins",
                flood.beside,
                flood.alone,
                0.5,
                "the same alone",
            ),
            Aim::new(
                "reads beside a flood of sign-ins, p99",
                millis(flood.p99),
                Bound::Below(25.0),
                "ms",
            ),
        ];
        aims.extend(self.overload.iter().map(|found| {
            let what = format!("good answers under overload, {}", found.work.name());
            let percent = 100.0 * found.tally.rate() / found.peak;
            Aim::new(&what, percent, Bound::Above(80.0), "% of the peak")
        }));
        aims
    }
}

fn start_line((started_in, kib): (Duration, u64)) -> String {
    format!(
        "Start on this data: {:.0} ms to the first answer, then {:.1} MiB",
        started_in.as_secs_f64() * 1e3,
        mebibytes(kib)
    )
}

impl Idle {
    fn line(&self) -> String {
        format!(
            "{} idle keep-alive connections: {:.1} KiB each beside {:.0} MiB; {CLIENTS} clients reading beside them p99 {:.1} ms, and all were still open after that. \
             Projected, not measured: 100,000 would take {:.1} GiB ({})",
            idle::IDLE,
            self.each_kib,
            mebibytes(self.before_kib),
            millis(self.beside_p99),
            (self.each_kib * 100_000.0 / 1024.0 + mebibytes(self.before_kib)) / 1024.0,
            self.disturbance.text()
        )
    }
}

impl Hostile {
    fn line(&self) -> String {
        let found = self.found;
        format!(
            "Beside {} bad clients, as many of each kind: malformed heads, oversized ones, heads byte by byte, endless bodies that come slowly, endless bodies as fast as they go, \
             bodies that stop a byte before 8 MiB: {:.0} of {:.0} reads a second ({:.0} %), at most {:.0} MiB. {} of them were connected before anything was measured, {} were at \
             the end; {} connections were ended by the server, {} were not taken; they themselves kept {:.2} cores of this machine busy ({})",
            hostile::HOSTILE,
            self.beside,
            self.alone,
            100.0 * self.beside / self.alone,
            mebibytes(self.most_kib),
            found.connected,
            found.open,
            found.turned_away,
            found.refused,
            self.cores,
            self.disturbance.text()
        )
    }
}

impl Flood {
    fn line(&self) -> String {
        format!(
            "Beside {CLIENTS} clients that sign in without pause ({:.0} a second): {:.0} of {:.0} reads a second ({:.0} %), p99 {:.1} ms ({})",
            self.sign_ins,
            self.beside,
            self.alone,
            100.0 * self.beside / self.alone,
            millis(self.p99),
            self.disturbance.text()
        )
    }
}

impl Overload {
    fn line(&self) -> String {
        let tally = &self.tally;
        format!(
            "overload, {}: {:.0} a second asked for, {:.0} answered, {:.0} good of a peak of {:.0}, p99 {:.1} ms since sent",
            self.work.name(),
            self.asked(),
            tally.answered_rate(),
            tally.rate(),
            self.peak,
            millis(tally.good.since_sent.value_at_quantile(0.99))
        )
    }

    /// Requests a second.
    fn asked(&self) -> f64 {
        self.peak * TOO_MUCH
    }

    fn write_rates(&self, out: &mut String) {
        let tally = &self.tally;
        let _ = writeln!(
            out,
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} | {} of {} | {:.0} | {:.2} | {:.2} | {} |",
            self.work.name(),
            self.peak,
            self.asked(),
            tally.answered_rate(),
            tally.rate(),
            100.0 * tally.rate() / self.peak,
            tally.refused_rate(),
            tally.refused_with_retry_after,
            tally.refused.len(),
            tally.unanswered_rate(),
            self.used.server_cores(),
            self.used.generator_cores(),
            self.disturbance.text()
        );
    }

    fn write_times(&self, out: &mut String) {
        let at =
            |times: &hdrhistogram::Histogram<u64>, share| millis(times.value_at_quantile(share));
        let (good, refused) = (&self.tally.good, &self.tally.refused);
        let _ = writeln!(
            out,
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            self.work.name(),
            at(&good.since_due, 0.5),
            at(&good.since_due, 0.99),
            at(&good.since_sent, 0.5),
            at(&good.since_sent, 0.99),
            at(&refused.since_due, 0.99),
            at(&refused.since_sent, 0.99)
        );
    }
}
