//! Both engines side by side: statements and requests made by chance, and real data loaded whole.
//!
//! `PLINTH_SEEDS` (`7` or `1,2,3` or `10-20`) and `PLINTH_STATEMENTS` choose what is generated; the default is a
//! fixed list, so that a run can be repeated. `PLINTH_SAMPLES` names a folder of PostgreSQL dumps to load.
//!
//! The last line, which begins with `summary:`, tells which seeds were compared, and how much that was.

mod generated;
mod requests;
mod samples;
mod tally;

use std::sync::Arc;

use anyhow::{Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use plinth_testkit::{embedded, postgres};

use crate::tally::Tally;

/// The two that must agree, and in what they were compared.
struct Engines {
    embedded: embedded::Template,
    postgres: postgres::Postgres,
    statements: Tally,
    requests: Tally,
}

fn main() -> Result<()> {
    let arguments = Arguments::from_args();
    let engines = if arguments.list {
        None
    } else {
        Engines::start()?.map(Arc::new)
    };
    let mut trials = Vec::new();
    if let Some(minutes) = requests::minutes()? {
        trials.push(trial(
            "requests::new_worlds".to_owned(),
            engines.as_ref(),
            move |engines| requests::check_for(engines, minutes),
        ));
    } else {
        for seed in seeds(requests::SEEDS)? {
            trials.push(trial(
                format!("requests::world_{seed}"),
                engines.as_ref(),
                move |engines| requests::check(engines, seed),
            ));
        }
    }
    for seed in seeds(generated::SEEDS)? {
        trials.push(trial(
            format!("generated::seed_{seed}"),
            engines.as_ref(),
            move |engines| generated::check(engines, seed),
        ));
    }
    for file in samples::files()? {
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        trials.push(trial(
            format!("samples::{name}"),
            engines.as_ref(),
            move |engines| samples::check(engines, &file),
        ));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(line) = engines.as_ref().and_then(|engines| engines.summary()) {
        eprintln!("summary: {line}");
    }
    // Stops PostgreSQL, which leaving the process would not.
    drop(engines);
    conclusion.exit();
}

impl Engines {
    fn start() -> Result<Option<Engines>> {
        let modules = [
            plinth_db::base_module(),
            plinth_auth::module(),
            plinth_storage::module(),
        ];
        let Some(bin) = postgres::find() else {
            if std::env::var_os("PLINTH_REQUIRE_POSTGRES").is_some() {
                bail!("PostgreSQL was not found");
            }
            eprintln!("PostgreSQL was not found: there is nothing to compare with.");
            return Ok(None);
        };
        let postgres = postgres::Postgres::start(&bin, &modules)?;
        Ok(Some(Engines {
            embedded: embedded::Template::new(&modules)?,
            postgres,
            statements: Tally::default(),
            requests: Tally::default(),
        }))
    }

    /// What they were compared in; nothing when they were not.
    fn summary(&self) -> Option<String> {
        let parts = [
            self.requests.told("requests"),
            self.statements.told("statements"),
        ];
        let told: Vec<String> = parts.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

fn trial(
    name: String,
    engines: Option<&Arc<Engines>>,
    check: impl Fn(&Engines) -> Result<()> + Send + 'static,
) -> Trial {
    let engines = engines.cloned();
    let absent = engines.is_none();
    let test = move || match &engines {
        Some(engines) => check(engines).map_err(|error| Failed::from(format!("{error:#}"))),
        None => Ok(()),
    };
    Trial::test(name, test).with_ignored_flag(absent)
}

/// Those that are asked for, or else the given ones.
fn seeds(usual: std::ops::RangeInclusive<u64>) -> Result<Vec<u64>> {
    let Ok(text) = std::env::var("PLINTH_SEEDS") else {
        return Ok(usual.collect());
    };
    let mut seeds = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((first, last)) => {
                seeds.extend(first.trim().parse::<u64>()?..=last.trim().parse()?);
            }
            None => seeds.push(part.trim().parse()?),
        }
    }
    Ok(seeds)
}
