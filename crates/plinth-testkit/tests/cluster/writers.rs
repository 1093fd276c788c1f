//! Writers that go on through everything, and remember what they were told.
//!
//! Each sends its numbers one after the other, to the nodes in turn, and sends a number again until it knows that it
//! counts. So whatever happened meanwhile, when they stop there must be every number up to their last, once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plinth_testkit::http::{Answer, Request};
use serde_json::json;

use crate::history::History;
use crate::nodes::NODES;
use crate::wait::until;

/// How many write.
pub(crate) const WRITERS: usize = 8;

/// Between two writes of one writer: enough for a steady load, and not for so many rows that checking them takes long.
const PACE: Duration = Duration::from_millis(10);
/// Before a number is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// Who is not answered in this time was forgotten: the client of these tests gives up a second later.
const PATIENCE: Duration = Duration::from_secs(19);
/// How long writers that were told to stop try to get their last number through.
const LAST_TRY: Duration = Duration::from_mins(1);
/// Writes that each node must have acknowledged before service counts as back.
const SERVED: u64 = 50;
/// Longest time until that.
pub(crate) const SERVICE_LIMIT: Duration = Duration::from_mins(1);
/// Answers of a kind that should not be are shown so often.
const SHOWN: usize = 5;

/// All nodes.
pub(crate) const ALL: [usize; NODES] = [0, 1];

/// Who writes, and how far they have come.
pub(crate) struct Writers {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) key: String,
    /// Each one's next number. All before it were acknowledged.
    pub(crate) next: [u64; WRITERS],
    pub(crate) history: Arc<History>,
}

/// What goes on while they write.
pub(crate) struct Load {
    stop: AtomicBool,
    counts: Mutex<Counts>,
    history: Arc<History>,
}

/// What they were told.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    /// Writes that count.
    pub(crate) acknowledged: u64,
    /// Answers that left open whether a write counts, and requests without one.
    pub(crate) unclear: u64,
    /// Writes that were sent more than once.
    pub(crate) repeated: u64,
    /// Writes that were there already when they were sent for the first time: somebody else has repeated them.
    pub(crate) doubled: u64,
    /// Longest time in which nobody's write was acknowledged, since something broke.
    pub(crate) without_service: Duration,
    /// Answers that should not be.
    pub(crate) surprises: Vec<String>,
    /// When something broke.
    broke: Instant,
    /// When the last write was acknowledged.
    last: Instant,
    /// Writes that began after this moment, counted by the node that acknowledged them.
    counted_from: Instant,
    by_node: [u64; NODES],
}

/// What an answer says of a write.
enum Verdict {
    Counts,
    Unclear,
    /// It was there before.
    Doubled,
    /// Unclear, and no answer to be proud of.
    Surprise(String),
}

impl Writers {
    /// Who has written nothing yet.
    pub(crate) fn new(addresses: Vec<SocketAddr>, key: String) -> Writers {
        Writers {
            addresses,
            key,
            next: [0; WRITERS],
            history: Arc::new(History::new()),
        }
    }

    /// Has all of them write while the work is done, and then until each knows that its last number counts.
    pub(crate) fn during(&mut self, work: impl FnOnce(&Load) -> Result<()>) -> Result<Counts> {
        let load = Load::new(Arc::clone(&self.history));
        let Writers {
            addresses,
            key,
            next,
            ..
        } = self;
        thread::scope(|scope| {
            for (writer, next) in next.iter_mut().enumerate() {
                let (load, addresses, key) = (&load, addresses.as_slice(), key.as_str());
                scope.spawn(move || write(load, writer, next, addresses, key));
            }
            // Also when the work panics, or nobody would ever come to an end.
            let _stop = StopAtLast(&load);
            work(&load)
        })?;
        Ok(load.counts().clone())
    }
}

impl Load {
    fn new(history: Arc<History>) -> Load {
        let now = Instant::now();
        Load {
            stop: AtomicBool::new(false),
            history,
            counts: Mutex::new(Counts {
                acknowledged: 0,
                unclear: 0,
                repeated: 0,
                doubled: 0,
                without_service: Duration::ZERO,
                surprises: Vec::new(),
                broke: now,
                last: now,
                counted_from: now,
                by_node: [0; NODES],
            }),
        }
    }

    /// Something breaks now: the time without service is taken from here.
    pub(crate) fn breaks(&self) {
        let mut counts = self.counts();
        counts.broke = Instant::now();
        counts.last = counts.broke;
        counts.without_service = Duration::ZERO;
        self.note("something breaks");
    }

    /// Notes what happens, to explain what follows.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.history.note(what);
    }

    /// Only writes that begin from now on tell whether there is service.
    pub(crate) fn count_anew(&self) {
        let mut counts = self.counts();
        counts.counted_from = Instant::now();
        counts.by_node = [0; NODES];
    }

    /// The writes that each node has acknowledged since.
    pub(crate) fn by_node(&self) -> [u64; NODES] {
        self.counts().by_node
    }

    /// Waits until each of these nodes has acknowledged enough of them, not too long after something broke.
    pub(crate) fn wait_for_service(&self, nodes: &[usize]) -> Result<()> {
        let since = self.counts().broke.elapsed();
        self.wait_within(SERVICE_LIMIT.saturating_sub(since), nodes)
    }

    /// The same of all nodes, counted from now on: what was mended must not have broken anything.
    pub(crate) fn wait_for_steady_service(&self) -> Result<()> {
        self.count_anew();
        self.wait_within(SERVICE_LIMIT, &ALL)
    }

    fn wait_within(&self, limit: Duration, nodes: &[usize]) -> Result<()> {
        let serves = || {
            let by_node = self.by_node();
            let all = nodes.iter().all(|&node| by_node[node] >= SERVED);
            all.then_some(())
        };
        until("service", limit, serves).map_err(|error| {
            error.context(format!(
                "writes that the nodes have acknowledged: {:?}",
                self.by_node()
            ))
        })
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Notes an answer; true when the number it is about counts.
    fn heard(&self, node: usize, began: Instant, tries: u64, verdict: Verdict) -> bool {
        let mut counts = self.counts();
        match verdict {
            Verdict::Counts => {
                counts.acknowledged += 1;
                counts.repeated += u64::from(tries > 1);
                let now = Instant::now();
                counts.without_service = counts.without_service.max(now - counts.last);
                counts.last = now;
                if began > counts.counted_from {
                    counts.by_node[node] += 1;
                }
                return true;
            }
            Verdict::Doubled => {
                counts.doubled += 1;
                return true;
            }
            Verdict::Unclear => counts.unclear += 1,
            Verdict::Surprise(what) => {
                counts.unclear += 1;
                if counts.surprises.len() < SHOWN {
                    counts.surprises.push(format!("node {}: {what}", node + 1));
                }
            }
        }
        false
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the writers to stop when it goes.
struct StopAtLast<'a>(&'a Load);

impl Drop for StopAtLast<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

/// Writes number after number until the load is over.
fn write(load: &Load, writer: usize, next: &mut u64, addresses: &[SocketAddr], key: &str) {
    let mut turn = writer;
    while !load.is_over() {
        let order = json!({ "worker": writer, "number": *next }).to_string();
        let request = Request::post("/rest/v1/orders", order)
            .header("apikey", key)
            .header("prefer", "return=minimal");
        let first = Instant::now();
        for tries in 1.. {
            let node = turn % addresses.len();
            turn += 1;
            let began = Instant::now();
            let answer = request.try_send(addresses[node]);
            let verdict = judge(answer.as_ref(), began.elapsed(), tries);
            if load.heard(node, began, tries, verdict) {
                let status = answer.map_or(0, |answer| answer.status);
                load.history
                    .acknowledged((writer, *next), began, (node, tries, status));
                *next += 1;
                break;
            }
            if load.is_over() && first.elapsed() > LAST_TRY {
                let never = format!("number {next} of writer {writer} was never acknowledged");
                load.heard(node, began, tries, Verdict::Surprise(never));
                return;
            }
            thread::sleep(PAUSE);
        }
        thread::sleep(PACE);
    }
}

/// What becomes of a write that was sent `tries` times.
fn judge(answer: Option<&Answer>, took: Duration, tries: u64) -> Verdict {
    let Some(answer) = answer else {
        return match took < PATIENCE {
            // The node was killed, or is not there.
            true => Verdict::Unclear,
            false => Verdict::Surprise(format!("no answer within {} s", took.as_secs())),
        };
    };
    let body = answer.json();
    let code = &body["code"];
    match answer.status {
        201 => Verdict::Counts,
        409 if code == "23505" && tries > 1 => Verdict::Counts,
        409 if code == "23505" => Verdict::Doubled,
        503 if has_retry_after(answer) => Verdict::Unclear,
        // It waited for its own earlier try, which waited for a standby.
        500 if code == "57014" => Verdict::Unclear,
        status => Verdict::Surprise(format!("{status} {}", answer.text())),
    }
}

fn has_retry_after(answer: &Answer) -> bool {
    answer.head.lines().any(|line| {
        line.split_once(':')
            .is_some_and(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
    })
}

impl Counts {
    /// Fails when there were answers that should not be, or none for too long.
    pub(crate) fn verdict(&self) -> Result<()> {
        ensure!(
            self.surprises.is_empty(),
            "answers that should not be: {:#?}",
            self.surprises
        );
        ensure!(
            self.without_service <= SERVICE_LIMIT,
            "{:.1} s without service",
            self.without_service.as_secs_f64()
        );
        Ok(())
    }
}
