//! Histories of a shop made by chance: customers, staff, the provider's messages and everything cut short, in any order, at either of two
//! nodes or at both at once, with a provider that misbehaves; 1,000 on the embedded engine and 100 on PostgreSQL. After every moment stock
//! and books must be right and all money that is booked be at the provider, and at the end of each day of ten histories the provider and the
//! books must say the same. What fails is made shorter before it is told. In the end enough of everything must have happened.
//!
//! The seed says what happens, at which node, what happens in one moment, and when a node is cut off. Who is first within a moment is up to
//! the machine, as it is where nodes are processes; so a fault of order may need some runs of its seed.
//!
//! `PLINTH_HISTORIES` says how many on the embedded engine, `PLINTH_SEED` where chance begins.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counts;
mod node;
mod people;
mod steps;
mod world;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use plinth_db::Db;
use plinth_testkit::random::Random;
use plinth_testkit::stripe::{self, Stripe};
use plinth_testkit::{embedded, postgres};
use tokio::runtime::Runtime;

use counts::Counts;
use steps::Step;
use world::World;

const ON_EMBEDDED: u64 = 1_000;
const ON_POSTGRES: u64 = 100;
/// Histories that happen in one database, one after the other.
const A_DAY: u64 = 10;
/// Steps of a history, without what goes with some of them at the other node.
const STEPS: u64 = 9;
/// How often a day that failed is tried again with less in it.
const TRIES: u32 = 40;

/// Where days happen.
struct Stage {
    python: PathBuf,
    embedded: embedded::Template,
    postgres: Option<postgres::Postgres>,
}

#[derive(Clone, Copy)]
enum Engine {
    Embedded,
    Postgres,
}

fn main() -> Result<()> {
    let arguments = Arguments::from_args();
    let Some(python) = stripe::find() else {
        if std::env::var_os("PLINTH_REQUIRE_SERVICES").is_some() {
            bail!("localstripe was not found");
        }
        eprintln!("localstripe was not found: histories of orders are not tested.");
        return Ok(());
    };
    let stage = match arguments.list {
        true => None,
        false => Some(Arc::new(Stage::set(python)?)),
    };
    let all = number("PLINTH_HISTORIES").unwrap_or(ON_EMBEDDED);
    let seed = number("PLINTH_SEED").unwrap_or(1);
    // On two cores at once.
    let mut trials = vec![
        trial(
            stage.as_ref(),
            "embedded::one",
            Engine::Embedded,
            all / 2,
            seed,
        ),
        trial(
            stage.as_ref(),
            "embedded::two",
            Engine::Embedded,
            all - all / 2,
            seed + 1_000_000,
        ),
    ];
    if stage.as_ref().is_none_or(|stage| stage.postgres.is_some()) {
        trials.push(trial(
            stage.as_ref(),
            "postgres",
            Engine::Postgres,
            ON_POSTGRES,
            seed + 2_000_000,
        ));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops PostgreSQL, which leaving the process would not.
    drop(stage);
    conclusion.exit();
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn trial(
    stage: Option<&Arc<Stage>>,
    name: &str,
    engine: Engine,
    histories: u64,
    seed: u64,
) -> Trial {
    let stage = stage.cloned();
    Trial::test(name, move || {
        let stage = stage.expect("there is a stage unless tests are only listed");
        let days = histories.div_ceil(A_DAY);
        stage
            .run(engine, days, seed)
            .map_err(|error| Failed::from(format!("{error:#}")))
    })
}

impl Stage {
    fn set(python: PathBuf) -> Result<Stage> {
        let modules = [
            plinth_db::base_module(),
            plinth_auth::module(),
            plinth_commerce::module(),
        ];
        let postgres = match postgres::find() {
            Some(bin) => Some(postgres::Postgres::start(&bin, &modules)?),
            None if std::env::var_os("PLINTH_REQUIRE_POSTGRES").is_some() => {
                bail!("PostgreSQL was not found")
            }
            None => {
                eprintln!("PostgreSQL was not found: histories run on the embedded engine only.");
                None
            }
        };
        Ok(Stage {
            python,
            embedded: embedded::Template::new(&modules)?,
            postgres,
        })
    }

    /// So many days with one provider.
    fn run(&self, engine: Engine, days: u64, seed: u64) -> Result<()> {
        let stripe = Arc::new(Stripe::start(&self.python, seed)?);
        let mut counts = Counts::default();
        for day in 0..days {
            let seed = seed + day;
            let steps = steps::day(&mut Random::new(seed), A_DAY * STEPS);
            match self.live(engine, &stripe, &steps) {
                Ok(happened) => counts.add_all(&happened),
                Err(error) => {
                    let (steps, error) = self.shortened(engine, seed, steps, error);
                    bail!(
                        "the day of seed {seed}, after {} steps: {error:#}\n{steps:#?}",
                        steps.len()
                    );
                }
            }
        }
        eprintln!(
            "{days} days of {A_DAY} histories; {counts:?}; {:?}",
            stripe.tally()
        );
        counts.suffice(days * A_DAY)?;
        let complaints = stripe.complaints();
        if !complaints.is_empty() {
            bail!("{complaints:#?}");
        }
        Ok(())
    }

    /// One day, in a database of its own.
    fn live(&self, engine: Engine, stripe: &Arc<Stripe>, steps: &[Step]) -> Result<Counts> {
        match engine {
            Engine::Embedded => {
                let database = self.embedded.database()?;
                // One process has the file, so both nodes are in it: two shops that share a database and nothing else.
                let dbs = [database.db.clone(), database.db.clone()];
                day(self.embedded.runtime(), dbs, stripe, steps)
            }
            Engine::Postgres => {
                let server = self
                    .postgres
                    .as_ref()
                    .context("PostgreSQL is not running")?;
                let database = server.database(false)?;
                let dbs = [database.open()?, database.open()?];
                let lived = day(server.runtime(), dbs.clone(), stripe, steps);
                for db in dbs {
                    server.runtime().block_on(db.close());
                }
                lived
            }
        }
    }

    /// Leaves out halves, quarters, … as long as the rest still fails.
    fn shortened(
        &self,
        engine: Engine,
        seed: u64,
        mut steps: Vec<Step>,
        mut error: anyhow::Error,
    ) -> (Vec<Step>, anyhow::Error) {
        let (mut size, mut begin, mut tries) = (steps.len() / 2, 0, 0);
        while size > 0 && tries < TRIES {
            if begin >= steps.len() {
                (size, begin) = (size / 2, 0);
                continue;
            }
            let end = (begin + size).min(steps.len());
            let fewer = [&steps[..begin], &steps[end..]].concat();
            tries += 1;
            match self.again(engine, seed, &fewer) {
                Err(found) => (steps, error) = (fewer, found),
                Ok(_) => begin = end,
            }
        }
        (steps, error)
    }

    /// With a provider as on the first morning.
    fn again(&self, engine: Engine, seed: u64, steps: &[Step]) -> Result<Counts> {
        let stripe = Arc::new(Stripe::start(&self.python, seed)?);
        self.live(engine, &stripe, steps)
    }
}

/// One day of a shop whose nodes have these ways to its database. Gives what has happened.
fn day(runtime: &Runtime, dbs: [Db; 2], stripe: &Arc<Stripe>, steps: &[Step]) -> Result<Counts> {
    runtime.block_on(async {
        let mut world = World::open(dbs, stripe).await?;
        for (place, moment) in steps::moments(steps).into_iter().enumerate() {
            let done = world.take(moment).await;
            done.with_context(|| format!("moment {place}, {moment:?}"))?;
        }
        world.settle().await?;
        world.happened().await
    })
}
