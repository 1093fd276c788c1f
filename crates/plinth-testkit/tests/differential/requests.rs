//! Requests made by chance, over HTTP and on both engines: status, body and headers must be the same, and so must the tables
//! afterwards.
//!
//! `PLINTH_SEEDS` chooses worlds and `PLINTH_REQUESTS` how many requests each gets. `PLINTH_MINUTES=N` tries new worlds for so
//! long and prints the number of each. A difference is shrunk, and the case that shows it is written into the folder that
//! `PLINTH_FOUND` names.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use plinth_db::Db;
use plinth_testkit::generate_requests::difference::{self, HEADERS, Kind, Seen};
use plinth_testkit::generate_requests::{World, shrink, text, world};
use plinth_testkit::outcome::{Ask, Outcome, Who};
use plinth_testkit::{compare, rest, through};

use crate::Engines;
use crate::tally::Compared;

/// How many worlds a run has that asks for no others.
const WORLDS: u64 = 60;
/// Those worlds.
pub(crate) const SEEDS: RangeInclusive<u64> = 1..=WORLDS;
/// Requests of one world.
const REQUESTS: usize = 85;
/// So many at least are compared by a run that asks for nothing else.
const LEAST: u64 = 5_000;
const _: () = assert!(
    WORLDS * REQUESTS as u64 >= LEAST,
    "the worlds must make enough requests together"
);
/// A difference is made smaller in so many runs of both engines at most.
const MOST_TRIES: usize = 200;
/// More differences of one world tell nothing new.
const SHOWN_DIFFERENCES: usize = 4;
/// Of a long run so many are made smaller, one of each kind.
const SHRUNK_DIFFERENCES: usize = 20;

/// Where two runs of one world part.
#[derive(Clone, Debug)]
struct Difference {
    place: Place,
    kind: Kind,
    /// Differences of one sign are probably one fault.
    sign: String,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Setup,
    Request(usize),
    Contents,
}

/// What an engine made of a world.
struct Run {
    /// The first statement that failed. Nothing was asked then.
    failed: Option<String>,
    answers: Vec<Seen>,
    contents: Vec<Outcome>,
}

/// Two runs of one world, held against each other.
struct Comparison {
    /// Requests whose answers were compared: all of them, up to a difference that changed something.
    requests: usize,
    found: Vec<Difference>,
}

impl Comparison {
    fn sum(&self) -> Compared {
        let leaks = self.found.iter().filter(|one| one.kind == Kind::Leak);
        Compared {
            answers: self.requests,
            differences: self.found.len(),
            leaks: Some(leaks.count()),
        }
    }
}

/// Runs one world. Fails with its differences, the gravest in its smallest form.
pub(crate) fn check(engines: &Engines, seed: u64) -> Result<()> {
    let world = made(seed)?;
    let comparison = compared(engines, &world)?;
    engines.requests.add(seed, comparison.sum());
    let mut found = comparison.found;
    found.sort_by_key(|difference| difference.kind);
    let Some(gravest) = found.first() else {
        return Ok(());
    };
    let told = shrunk_and_kept(engines, &world, gravest)?;
    let others = found.iter().skip(1).take(SHOWN_DIFFERENCES);
    let others: Vec<String> = others.map(|other| told_of(&world, other)).collect();
    bail!("{told}\n{}", others.join("\n"));
}

/// For how many minutes new worlds are to be tried.
pub(crate) fn minutes() -> Result<Option<u64>> {
    match std::env::var("PLINTH_MINUTES") {
        Ok(text) => Ok(Some(
            text.parse().context("PLINTH_MINUTES must be a number")?,
        )),
        Err(_) => Ok(None),
    }
}

/// Tries new worlds until the time is over, on all processors. Fails when any differs.
pub(crate) fn check_for(engines: &Engines, minutes: u64) -> Result<()> {
    let end = Instant::now() + Duration::from_mins(minutes);
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() * 1_000;
    let next = AtomicU64::new(first);
    let signs = Mutex::new(Signs::default());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || -> Result<()> {
        while Instant::now() < end {
            examine(engines, next.fetch_add(1, Ordering::Relaxed), &signs)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(worked) => worked?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        anyhow::Ok(())
    })?;
    let signs = signs.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (sign, times) in &signs {
        eprintln!("{times:6} × {sign}");
    }
    if !signs.is_empty() {
        bail!("the engines differ; the report is above");
    }
    Ok(())
}

/// How often each sign was seen in a long run.
type Signs = BTreeMap<String, usize>;

fn examine(engines: &Engines, seed: u64, signs: &Mutex<Signs>) -> Result<()> {
    let world = made(seed)?;
    let comparison = compared(engines, &world).with_context(|| format!("seed {seed}"))?;
    let sum = comparison.sum();
    engines.requests.add(seed, sum);
    eprintln!(
        "seed {seed}: {} requests, {} differences, {} leaks",
        sum.answers,
        sum.differences,
        sum.leaks.unwrap_or_default()
    );
    let mut fresh = Vec::new();
    {
        let mut signs = signs.lock().unwrap_or_else(PoisonError::into_inner);
        for difference in comparison.found {
            let shrunk = signs.len() < SHRUNK_DIFFERENCES || difference.kind == Kind::Leak;
            let times = signs.entry(difference.sign.clone()).or_default();
            *times += 1;
            if *times == 1 && shrunk {
                fresh.push(difference);
            }
        }
    }
    for difference in fresh {
        eprintln!("{}", shrunk_and_kept(engines, &world, &difference)?);
    }
    Ok(())
}

/// The world of a seed, with all the requests that are asked for: one that makes less tests less, and nobody would see it.
fn made(seed: u64) -> Result<World> {
    let requests = match std::env::var("PLINTH_REQUESTS") {
        Ok(text) => text.parse().context("PLINTH_REQUESTS must be a number")?,
        Err(_) => REQUESTS,
    };
    let world = world(seed, requests);
    ensure!(
        world.requests.len() == requests,
        "seed {seed} makes {} requests, not {requests}",
        world.requests.len()
    );
    Ok(world)
}

/// Where the engines differ. A difference in what may have changed something is the last: what follows rests on other rows.
fn compared(engines: &Engines, world: &World) -> Result<Comparison> {
    let (postgres, embedded) = (on_postgres(engines, world)?, on_embedded(engines, world)?);
    if let Some(failed) = postgres.failed {
        bail!(
            "seed {}: PostgreSQL refuses what was made:\n{failed}",
            world.seed
        );
    }
    if let Some(failed) = embedded.failed {
        let difference = Difference {
            place: Place::Setup,
            kind: Kind::Setup,
            sign: failed.lines().last().unwrap_or_default().to_owned(),
            text: failed,
        };
        return Ok(Comparison {
            requests: 0,
            found: vec![difference],
        });
    }
    let asked = world.requests.len();
    ensure!(
        postgres.answers.len() == asked && embedded.answers.len() == asked,
        "seed {}: not every request was answered",
        world.seed
    );
    let mut found = Vec::new();
    let answers = postgres.answers.iter().zip(&embedded.answers);
    for (number, (request, (expected, actual))) in world.requests.iter().zip(answers).enumerate() {
        if let Some((kind, text)) = difference::between(request, expected, actual) {
            found.push(Difference {
                place: Place::Request(number),
                kind,
                sign: format!(
                    "{kind:?} {} {} {}",
                    request.method,
                    sign_of(expected),
                    sign_of(actual)
                ),
                text,
            });
            if request.writes {
                return Ok(Comparison {
                    requests: number + 1,
                    found,
                });
            }
        }
    }
    let contents = postgres.contents.iter().zip(&embedded.contents);
    for (sql, (expected, actual)) in world.contents().iter().zip(contents) {
        if expected != actual {
            let lines = compare::lines(&expected.to_string(), &actual.to_string());
            found.push(Difference {
                place: Place::Contents,
                kind: Kind::Contents,
                sign: "contents".to_owned(),
                text: format!("{sql}\n{lines}"),
            });
        }
    }
    Ok(Comparison {
        requests: asked,
        found,
    })
}

/// `403 42501`.
fn sign_of(seen: &Seen) -> String {
    let error: serde_json::Value = match seen.status {
        400.. => serde_json::from_str(&seen.body).unwrap_or_default(),
        _ => serde_json::Value::Null,
    };
    let code = error.get("code").and_then(|code| code.as_str());
    format!("{} {}", seen.status, code.unwrap_or("-"))
}

fn on_postgres(engines: &Engines, world: &World) -> Result<Run> {
    let database = engines.postgres.database(false)?;
    let db = database.open()?;
    let runtime = engines.postgres.runtime();
    let found = runtime.block_on(run(&db, world));
    runtime.block_on(db.close());
    found
}

fn on_embedded(engines: &Engines, world: &World) -> Result<Run> {
    let database = engines.embedded.database()?;
    let runtime = engines.embedded.runtime();
    runtime.block_on(run(&database.db, world))
}

async fn run(db: &Db, world: &World) -> Result<Run> {
    let statements: Vec<Ask> = world.parts.iter().map(|part| ask(part.sql())).collect();
    let outcomes = through::run(db, &statements).await?;
    let failed = outcomes.iter().zip(&statements).find_map(|(outcome, ask)| {
        let is_failure = matches!(outcome, Outcome::Failed(_));
        is_failure.then(|| format!("{};\n{}", ask.sql, outcome.to_string().trim_end()))
    });
    let mut run = Run {
        failed,
        answers: Vec::new(),
        contents: Vec::new(),
    };
    if run.failed.is_some() {
        return Ok(run);
    }
    let client = rest::Client::new(db.clone()).await?;
    for request in &world.requests {
        let mut headers = client.credentials(&request.who);
        headers.extend(request.headers.iter().cloned());
        let body = request.body_text();
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let answer = client
            .call(request.method, &request.target(), &headers, body)
            .await?;
        let seen = HEADERS.iter().filter_map(|name| {
            let value = answer.headers.get(*name)?;
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Some(((*name).to_owned(), value))
        });
        run.answers.push(Seen {
            status: answer.status.as_u16(),
            headers: seen.collect(),
            body: answer.text(),
        });
    }
    let queries: Vec<Ask> = world.contents().into_iter().map(ask).collect();
    run.contents = through::run(db, &queries).await?;
    Ok(run)
}

fn ask(sql: String) -> Ask {
    Ask {
        who: Who::postgres(),
        sql,
    }
}

/// Makes a difference as small as it gets, writes the case that shows it, and tells of both.
fn shrunk_and_kept(engines: &Engines, world: &World, found: &Difference) -> Result<String> {
    let (small, difference) = shrunk(engines, world, found);
    let told = told_of(&small, &difference);
    let postgres = on_postgres(engines, &small)?;
    let contents: Vec<(String, String)> = match difference.place {
        Place::Contents => small
            .contents()
            .into_iter()
            .zip(postgres.contents.iter().map(rows_of))
            .collect(),
        Place::Setup | Place::Request(_) => Vec::new(),
    };
    let sentence = format!(
        "The engines differ in seed {} ({:?}).",
        world.seed, difference.kind
    );
    let case = text::case(&small, &sentence, &told, &postgres.answers, &contents);
    let folder = match std::env::var_os("PLINTH_FOUND") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("differential"),
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let kind = format!("{:?}", difference.kind).to_lowercase();
    let file = folder.join(format!("seed_{}_{kind}.case", world.seed));
    std::fs::write(&file, &case).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(format!("{told}\n{}:\n{case}", file.display()))
}

fn rows_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rows(csv) => csv.clone(),
        Outcome::Done | Outcome::Failed(_) => String::new(),
    }
}

/// The smallest world found that still differs in the same way at its last request (or in its tables, or as it is made).
fn shrunk(engines: &Engines, world: &World, found: &Difference) -> (World, Difference) {
    let mut small = world.clone();
    let keeps_last = match found.place {
        Place::Setup => {
            small.requests.clear();
            false
        }
        Place::Request(number) => {
            small.requests.truncate(number + 1);
            true
        }
        Place::Contents => false,
    };
    let mut best = found.clone();
    if let Some(difference) = still(engines, &small, found, keeps_last) {
        best = difference;
    }
    let (mut at, mut progress) = (0, false);
    for _ in 0..MOST_TRIES {
        let cuts = shrink::cuts(&small, keeps_last);
        if at >= cuts.len() {
            if !progress {
                break;
            }
            (at, progress) = (0, false);
        }
        let Some(cut) = cuts.get(at) else {
            break;
        };
        let smaller = shrink::without(&small, cut);
        match still(engines, &smaller, found, keeps_last) {
            Some(difference) => {
                (small, best) = (smaller, difference);
                progress = true;
            }
            None => at += 1,
        }
    }
    (small, best)
}

/// The difference in a smaller world, if it has it. A world that PostgreSQL refuses has none.
fn still(
    engines: &Engines,
    world: &World,
    found: &Difference,
    keeps_last: bool,
) -> Option<Difference> {
    let last = world.requests.len().checked_sub(1).map(Place::Request);
    let wanted = if keeps_last { last? } else { found.place };
    let same = |difference: &Difference| {
        difference.place == wanted && difference.kind == found.kind && difference.sign == found.sign
    };
    let comparison = compared(engines, world).ok()?;
    comparison.found.into_iter().find(same)
}

/// A difference in words; a leak is told first.
fn told_of(world: &World, difference: &Difference) -> String {
    let place = match difference.place {
        Place::Setup => "its statements".to_owned(),
        Place::Contents => "its tables after all requests".to_owned(),
        Place::Request(number) => match world.requests.get(number) {
            Some(request) => format!(
                "request {number}\n{}\n{} {} {:?}\n{}",
                text::caller(&request.who),
                request.method,
                request.target(),
                request.headers,
                request.body_text().unwrap_or_default()
            ),
            None => format!("request {number}"),
        },
    };
    let loudly = match difference.kind {
        Kind::Leak => "LEAK: the embedded engine shows or does what PostgreSQL does not.\n",
        _ => "",
    };
    format!(
        "{loudly}seed {}, {:?}, in {place}\n{}",
        world.seed, difference.kind, difference.text
    )
}
