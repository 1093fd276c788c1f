//! Failover on a real cluster: etcd, Patroni and three PostgreSQL servers with synchronous replication, two nodes of
//! Plinth before them, and writers that never stop.
//!
//! A trial is one round: something breaks while writes go on, service comes back, what broke is mended, and then every
//! row that was acknowledged must be there exactly once, through both nodes and in the table itself. Each round prints a
//! line, so does each kind at the end, and the last line, which begins with `summary:`, is of all of them.
//!
//! By itself it runs one kill and one freeze of the primary. `PLINTH_CLUSTER_ROUNDS=N` runs N rounds of every kind,
//! or of those that `PLINTH_CLUSTER_KINDS` names with commas between.
//! `PLINTH_BIN` names the command to test; without it, it is the one that was built into the same target folder.
//! Without Patroni and etcd nothing runs and the run says so; with `PLINTH_REQUIRE_CLUSTER` set that is an error.

mod cluster;
mod history;
mod nodes;
mod processes;
mod rounds;
mod rows;
mod stage;
mod wait;
mod writers;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::cluster::Programs;
use crate::rounds::{Kind, Round};
use crate::stage::Stage;

/// What the trials share.
#[derive(Default)]
struct Proof {
    /// Gone after a round that failed: what it left proves nothing.
    stage: Option<Stage>,
    rounds: Vec<Round>,
}

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    // They share one cluster, whose processes end with the thread that started them: this one.
    arguments.test_threads = Some(1);
    let plan = plan()?;
    let programs = Programs::find();
    if programs.is_none() && std::env::var_os("PLINTH_REQUIRE_CLUSTER").is_some() {
        bail!("Patroni, etcd or PostgreSQL was not found");
    }
    let absent = programs.is_none();
    let proof = Arc::new(Mutex::new(Proof::default()));
    match programs {
        _ if arguments.list => {}
        None => eprintln!("Patroni, etcd or PostgreSQL was not found: failover is not tested."),
        Some(programs) => {
            let began = Instant::now();
            lock(&proof).stage = Some(Stage::set(&programs)?);
            eprintln!(
                "a cluster and two nodes after {:.1} s",
                began.elapsed().as_secs_f64()
            );
        }
    }
    let trials = plan.into_iter().map(|(kind, number)| {
        let proof = Arc::clone(&proof);
        let test = move || run(&mut lock(&proof), kind, number).map_err(Failed::from);
        Trial::test(format!("{}::{number}", kind.name()), test).with_ignored_flag(absent)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    let mut proof = lock(&proof);
    for line in rounds::summary(&proof.rounds) {
        eprintln!("{line}");
    }
    if let Some(line) = rounds::in_one_line(&proof.rounds) {
        eprintln!("summary: {line}");
    }
    // Stops everything, which leaving the process would not.
    proof.stage = None;
    conclusion.exit();
}

/// Which rounds are run.
fn plan() -> Result<Vec<(Kind, u32)>> {
    let Ok(rounds) = std::env::var("PLINTH_CLUSTER_ROUNDS") else {
        return Ok(vec![(Kind::Kill, 1), (Kind::Freeze, 1)]);
    };
    let rounds: u32 = rounds
        .parse()
        .context("PLINTH_CLUSTER_ROUNDS must be a number")?;
    let kinds = match std::env::var("PLINTH_CLUSTER_KINDS") {
        Ok(names) => names.split(',').map(Kind::named).collect::<Result<_>>()?,
        Err(_) => Kind::ALL.to_vec(),
    };
    let of = |number| kinds.iter().map(move |&kind| (kind, number));
    Ok((1..=rounds).flat_map(of).collect())
}

fn run(proof: &mut Proof, kind: Kind, number: u32) -> Result<(), String> {
    let Some(mut stage) = proof.stage.take() else {
        return Err("an earlier round failed".to_owned());
    };
    let outcome = rounds::run(&mut stage, kind, number).and_then(|round| {
        eprintln!("{round}");
        let verdict = round.verdict();
        proof.rounds.push(round);
        verdict
    });
    match outcome {
        Ok(()) => {
            proof.stage = Some(stage);
            Ok(())
        }
        Err(error) => Err(format!("{error:#}\n{}", stage.logs())),
    }
}

fn lock(proof: &Mutex<Proof>) -> MutexGuard<'_, Proof> {
    proof.lock().unwrap_or_else(PoisonError::into_inner)
}
