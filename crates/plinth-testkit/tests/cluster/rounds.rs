//! The rounds: what breaks, how it is mended, and what must be true meanwhile.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use plinth_testkit::http::Request;

use crate::cluster::Cluster;
use crate::nodes::{NODES, Node};
use crate::rows::{self, Difference};
use crate::stage::Stage;
use crate::wait::POLL;
use crate::writers::{ALL, Counts, Load};

/// How long the standbys are cut off: longer than any client of these tests waits for its answer.
const CUT: Duration = Duration::from_secs(25);

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The primary's machine loses its power.
    Kill,
    /// The primary's machine hangs, and wakes up when another one is the primary.
    Freeze,
    /// Nothing: somebody wants another primary.
    Switchover,
    /// The machine of the standby that commits wait for loses its power, or hangs, in turn. The other standby takes its part.
    Standby,
    /// Both standbys hang. What no standby has must not be acknowledged.
    Cut,
    /// A node of Plinth is killed.
    Node,
}

/// What a round has shown.
pub(crate) struct Round {
    kind: Kind,
    number: u32,
    counts: Counts,
    difference: Difference,
}

/// Runs one round on a stage that is whole, and leaves it whole.
pub(crate) fn run(stage: &mut Stage, kind: Kind, number: u32) -> Result<Round> {
    let Stage {
        nodes,
        cluster,
        writers,
        ..
    } = stage;
    let (before, key) = (writers.next, writers.key.clone());
    let counts = writers.during(|load| {
        load.wait_for_service(&ALL)
            .context("before anything broke")?;
        match kind {
            Kind::Kill => kill(cluster, load)?,
            Kind::Freeze => freeze(cluster, load)?,
            Kind::Switchover => switch_over(cluster, load)?,
            Kind::Standby => lose_standby(cluster, number, load)?,
            Kind::Cut => cut(cluster, nodes, &key, load)?,
            Kind::Node => kill_node(nodes, number, load)?,
        }
        load.note("all was mended");
        cluster.wait_until_whole()?;
        load.note("the cluster is whole");
        load.wait_for_steady_service()
            .context("after everything was mended")
    })?;
    writers.history.note("the writers have stopped");
    let mut difference = rows::in_the_table(cluster, writers)?;
    if difference.lost > 0 {
        let lost = rows::lost(cluster, writers)?;
        eprintln!("{}", writers.history.of_lost(&lost));
    }
    for (place, node) in nodes.iter().enumerate() {
        let through = rows::through(node.address, writers, &before)?;
        if through.lost > difference.lost {
            eprintln!("node {} does not show {} rows", place + 1, through.lost);
        }
        difference.lost = difference.lost.max(through.lost);
        difference.doubled = difference.doubled.max(through.doubled);
    }
    difference.doubled += counts.doubled;
    Ok(Round {
        kind,
        number,
        counts,
        difference,
    })
}

fn kill(cluster: &mut Cluster, load: &Load) -> Result<()> {
    let old = cluster.primary()?;
    load.breaks();
    cluster.members[old].kill()?;
    load.count_anew();
    cluster.primary_after(old)?;
    load.wait_for_service(&ALL)?;
    cluster.members[old].start()
}

fn freeze(cluster: &mut Cluster, load: &Load) -> Result<()> {
    let old = cluster.primary()?;
    load.breaks();
    cluster.members[old].freeze()?;
    load.note(format!("{} is frozen", cluster.members[old].name));
    load.count_anew();
    let new = cluster.primary_after(old)?;
    load.note(format!("{} is the primary", cluster.members[new].name));
    load.wait_for_service(&ALL)?;
    load.note("it thaws");
    // It wakes as a primary that knows nothing of the other one, with its connections open and writers about.
    cluster.members[old].thaw()
}

fn switch_over(cluster: &mut Cluster, load: &Load) -> Result<()> {
    let old = cluster.primary()?;
    load.breaks();
    cluster.members[old].switch_over()?;
    cluster.primary_after(old)?;
    load.count_anew();
    load.wait_for_service(&ALL)
}

fn lose_standby(cluster: &mut Cluster, number: u32, load: &Load) -> Result<()> {
    let primary = cluster.primary()?;
    let lost = cluster.synchronous(primary);
    let lost = lost.context("commits wait for no standby, or for several")?;
    let is_killed = number % 2 == 1;
    load.breaks();
    match is_killed {
        true => cluster.members[lost].kill()?,
        false => cluster.members[lost].freeze()?,
    }
    load.note(format!("{} is lost", cluster.members[lost].name));
    load.count_anew();
    // Served while it is away: by the same primary, and with what was acknowledged on another standby.
    load.wait_for_service(&ALL)?;
    ensure!(
        cluster.primary()? == primary,
        "the loss of a standby cost the primary its part"
    );
    let other = cluster.synchronous(primary);
    ensure!(
        other.is_some_and(|other| other != lost),
        "writes are acknowledged, and not by the standby that is left"
    );
    load.note("it returns");
    match is_killed {
        true => cluster.members[lost].start(),
        false => cluster.members[lost].thaw(),
    }
}

fn cut(cluster: &mut Cluster, nodes: &[Node], key: &str, load: &Load) -> Result<()> {
    let primary = cluster.primary()?;
    let standbys: Vec<usize> = (0..cluster.members.len())
        .filter(|&place| place != primary)
        .collect();
    load.breaks();
    for &standby in &standbys {
        cluster.members[standby].freeze()?;
    }
    load.count_anew();
    let began = Instant::now();
    while began.elapsed() < CUT {
        ensure!(
            load.by_node() == [0; NODES],
            "a write was acknowledged that no standby has"
        );
        for node in nodes {
            can_be_read(node, key)?;
        }
        thread::sleep(POLL);
    }
    for &standby in &standbys {
        cluster.members[standby].thaw()?;
    }
    load.wait_for_service(&ALL)
}

fn kill_node(nodes: &mut [Node], number: u32, load: &Load) -> Result<()> {
    let (killed, other) = if number % 2 == 1 { (0, 1) } else { (1, 0) };
    load.breaks();
    nodes[killed].kill()?;
    load.count_anew();
    load.wait_for_service(&[other])?;
    nodes[killed].start_again()?;
    load.count_anew();
    load.wait_for_service(&ALL)
}

/// Reads wait for no standby.
fn can_be_read(node: &Node, key: &str) -> Result<()> {
    let answer = Request::get("/rest/v1/orders?limit=1")
        .header("apikey", key)
        .try_send(node.address)
        .context("a read was not answered while writes waited")?;
    ensure!(
        answer.status == 200,
        "a read failed while writes waited: {} {}",
        answer.status,
        answer.text()
    );
    Ok(())
}

impl Kind {
    pub(crate) const ALL: [Kind; 6] = [
        Kind::Kill,
        Kind::Freeze,
        Kind::Switchover,
        Kind::Standby,
        Kind::Cut,
        Kind::Node,
    ];

    /// The kind of this name.
    pub(crate) fn named(name: &str) -> Result<Kind> {
        let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        found.with_context(|| format!("there is no kind of round called `{name}`"))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Kill => "kill",
            Kind::Freeze => "freeze",
            Kind::Switchover => "switchover",
            Kind::Standby => "standby",
            Kind::Cut => "cut",
            Kind::Node => "node",
        }
    }
}

impl Round {
    /// Fails unless service was back in time and every acknowledged write is there once.
    pub(crate) fn verdict(&self) -> Result<()> {
        ensure!(self.difference == Difference::default(), "{self}");
        self.counts.verdict()
    }

    fn seconds(&self) -> f64 {
        self.counts.without_service.as_secs_f64()
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Round {
            kind,
            number,
            counts,
            difference,
        } = self;
        write!(
            f,
            "{} {number}: {:.1} s without service, {} acknowledged, {} unclear, {} repeated, {} lost, {} doubled",
            kind.name(),
            self.seconds(),
            counts.acknowledged,
            counts.unclear,
            counts.repeated,
            difference.lost,
            difference.doubled
        )
    }
}

/// One line for each kind that was run.
pub(crate) fn summary(rounds: &[Round]) -> Vec<String> {
    let line = |kind: Kind| {
        let of_kind: Vec<&Round> = rounds.iter().filter(|round| round.kind == kind).collect();
        let seconds = seconds_of(rounds, kind);
        let (shortest, longest) = (seconds.first()?, seconds.last()?);
        let median = seconds[seconds.len() / 2];
        let sum = |of: fn(&Round) -> u64| of_kind.iter().map(|round| of(round)).sum::<u64>();
        Some(format!(
            "all of {}: {} rounds, without service {shortest:.1} to {longest:.1} s (median {median:.1}), \
             {} acknowledged, {} unclear, {} repeated, {} lost, {} doubled",
            kind.name(),
            of_kind.len(),
            sum(|round| round.counts.acknowledged),
            sum(|round| round.counts.unclear),
            sum(|round| round.counts.repeated),
            sum(|round| round.difference.lost),
            sum(|round| round.difference.doubled),
        ))
    };
    Kind::ALL.into_iter().filter_map(line).collect()
}

/// All of it in one line, for those who see no other; none when nothing was run.
pub(crate) fn in_one_line(rounds: &[Round]) -> Option<String> {
    let range = |kind: Kind| match seconds_of(rounds, kind).as_slice() {
        [] => None,
        [only] => Some(format!("{} {only:.1} s", kind.name())),
        [shortest, .., longest] => Some(format!("{} {shortest:.1}–{longest:.1} s", kind.name())),
    };
    let ranges: Vec<String> = Kind::ALL.into_iter().filter_map(range).collect();
    let sum = |of: fn(&Round) -> u64| rounds.iter().map(of).sum::<u64>();
    (!ranges.is_empty()).then(|| {
        format!(
            "without service {}; {} writes acknowledged, {} lost, {} doubled",
            ranges.join(", "),
            sum(|round| round.counts.acknowledged),
            sum(|round| round.difference.lost),
            sum(|round| round.difference.doubled)
        )
    })
}

/// The times without service in rounds of one kind, the shortest first.
fn seconds_of(rounds: &[Round], kind: Kind) -> Vec<f64> {
    let of_kind = rounds.iter().filter(|round| round.kind == kind);
    let mut seconds: Vec<f64> = of_kind.map(Round::seconds).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}
