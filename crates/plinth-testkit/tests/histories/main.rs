//! Histories of a shop made by chance: customers, staff, the provider's messages and everything cut short, in any order, with a provider that
//! misbehaves; 1,000 on the embedded engine and 100 on PostgreSQL. After every step stock and books must be right, and at the end of
//! each day of ten histories the provider and the books must say the same. What fails is made shorter before it is told.
//!
//! `PLINTH_HISTORIES` says how many on the embedded engine, `PLINTH_SEED` where chance begins.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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

use steps::Step;
use world::World;

const ON_EMBEDDED: u64 = 1_000;
const ON_POSTGRES: u64 = 100;
/// Histories that happen in one database, one after the other.
const A_DAY: u64 = 10;
/// Steps of a history.
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
        let stripe = Stripe::start(&self.python, seed)?;
        for day in 0..days {
            let seed = seed + day;
            let steps = steps::day(&mut Random::new(seed), A_DAY * STEPS);
            if let Err(error) = self.live(engine, &stripe, &steps) {
                let (steps, error) = self.shortened(engine, seed, steps, error);
                bail!(
                    "the day of seed {seed}, after {} steps: {error:#}\n{steps:#?}",
                    steps.len()
                );
            }
        }
        eprintln!("{days} days of {A_DAY} histories; {:?}", stripe.tally());
        let complaints = stripe.complaints();
        if !complaints.is_empty() {
            bail!("{complaints:#?}");
        }
        Ok(())
    }

    /// One day, in a database of its own.
    fn live(&self, engine: Engine, stripe: &Stripe, steps: &[Step]) -> Result<()> {
        match engine {
            Engine::Embedded => {
                let database = self.embedded.database()?;
                let runtime = self.embedded.runtime();
                day(runtime, database.db.clone(), stripe, steps)
            }
            Engine::Postgres => {
                let server = self
                    .postgres
                    .as_ref()
                    .context("PostgreSQL is not running")?;
                let database = server.database(false)?;
                let db = database.open()?;
                let lived = day(server.runtime(), db.clone(), stripe, steps);
                server.runtime().block_on(db.close());
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
                Ok(()) => begin = end,
            }
        }
        (steps, error)
    }

    /// With a provider as on the first morning.
    fn again(&self, engine: Engine, seed: u64, steps: &[Step]) -> Result<()> {
        let stripe = Stripe::start(&self.python, seed)?;
        self.live(engine, &stripe, steps)
    }
}

fn day(runtime: &Runtime, db: Db, stripe: &Stripe, steps: &[Step]) -> Result<()> {
    runtime.block_on(async {
        let mut world = World::open(db, stripe).await?;
        for (place, step) in steps.iter().enumerate() {
            let done = world.take(step).await;
            done.with_context(|| format!("step {place}, {step:?}"))?;
        }
        world.settle().await
    })
}
