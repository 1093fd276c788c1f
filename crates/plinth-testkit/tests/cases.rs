//! Runs every file of `tests/cases` through Plinth on every engine: one test for each (engine, file), such as
//! `postgres::dialect/numeric_scale`. What has no requests runs through `psql` as well, which says what is right. What has some
//! runs on PostgreSQL behind `PgBouncer` as well, which hands out connections by transaction.
//!
//! `UPDATE_EXPECT=1` writes PostgreSQL's answers into the files. Without PostgreSQL the embedded engine runs
//! alone and the run says so; with `PLINTH_REQUIRE_POSTGRES` set that is an error. So it is of `PgBouncer`, with
//! `PLINTH_REQUIRE_PGBOUNCER`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use plinth_db::Db;
use plinth_testkit::case::{self, Act, Case, Step};
use plinth_testkit::outcome::{Ask, Outcome};
use plinth_testkit::postgres::pgbouncer::{self, PgBouncer};
use plinth_testkit::{compare, embedded, postgres, rest, rewrite, through};

/// More differences than this in one case tell nothing new.
const SHOWN_DIFFERENCES: usize = 3;

fn main() -> Result<()> {
    let arguments = Arguments::from_args();
    let files = files(&cases_folder())?;
    let engines = Arc::new(if arguments.list {
        Engines::none()
    } else {
        Engines::start(&arguments)?
    });
    let trials = files
        .into_iter()
        .flat_map(|file| trials(&file, &engines, arguments.list))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops PostgreSQL, which leaving the process would not.
    drop(engines);
    conclusion.exit();
}

/// The template of a server's databases for cases that ask for nothing but the dialect and accounts.
const SMALL: &str = "plinth_small_template";

struct Engines {
    embedded: Option<Templates>,
    /// Before the server, so that it ends first.
    pooler: Option<PgBouncer>,
    postgres: Option<postgres::Postgres>,
    update: bool,
}

/// Files of data that are copied for each case: with all tables of the system, and with those that every application needs.
/// Most cases need no more, and each is made ready twice as fast.
struct Templates {
    whole: embedded::Template,
    small: embedded::Template,
}

impl Engines {
    fn none() -> Engines {
        Engines {
            embedded: None,
            pooler: None,
            postgres: None,
            update: false,
        }
    }

    fn start(arguments: &Arguments) -> Result<Engines> {
        let modules = plinth_server::modules();
        let small = [plinth_db::base_module(), plinth_auth::module()];
        let update = std::env::var_os("UPDATE_EXPECT").is_some();
        let asked = arguments.filter.as_deref().unwrap_or_default();
        let mut engines = Engines {
            update,
            ..Engines::none()
        };
        if !asked.starts_with("embedded::") {
            engines.postgres = match postgres::find() {
                Some(bin) => {
                    let server = postgres::Postgres::start(&bin, &modules)?;
                    server.make_template(SMALL, &small)?;
                    Some(server)
                }
                None if std::env::var_os("PLINTH_REQUIRE_POSTGRES").is_some() => {
                    bail!("PostgreSQL was not found")
                }
                None => {
                    eprintln!("PostgreSQL was not found: cases run on the embedded engine only.");
                    None
                }
            };
        }
        let pooler = pgbouncer::find();
        if pooler.is_none() && std::env::var_os("PLINTH_REQUIRE_PGBOUNCER").is_some() {
            bail!("PgBouncer was not found");
        }
        if let (Some(server), Some(program), false) = (&engines.postgres, pooler, update) {
            engines.pooler = Some(server.pooler(&program)?);
        }
        let on_server = ["postgres::", "psql::", "pgbouncer::"];
        if !on_server.iter().any(|one| asked.starts_with(one)) && !update {
            engines.embedded = Some(Templates {
                whole: embedded::Template::new(&modules)?,
                small: embedded::Template::new(&small)?,
            });
        }
        Ok(engines)
    }

    fn postgres(&self) -> Result<&postgres::Postgres> {
        self.postgres.as_ref().context("PostgreSQL is not running")
    }

    /// A fresh database on the server.
    fn on_server(&self, case: &Case) -> Result<postgres::Database<'_>> {
        let server = self.postgres()?;
        match is_small(case) {
            true => server.copy(SMALL, makes_roles(case)),
            false => server.database(makes_roles(case)),
        }
    }
}

/// The tests of one file.
fn trials(file: &Path, engines: &Arc<Engines>, list: bool) -> Vec<Trial> {
    let name = file
        .strip_prefix(cases_folder())
        .unwrap_or(file)
        .with_extension("");
    let name = name.to_string_lossy().into_owned();
    let parsed = std::fs::read_to_string(file)
        .map_err(anyhow::Error::from)
        .and_then(|text| case::parse(&text));
    let case = match parsed {
        Ok(case) => Arc::new(case),
        Err(error) => {
            let message = format!("{}: {error:#}", file.display());
            return vec![Trial::test(name, move || Err(Failed::from(message)))];
        }
    };
    let embedded = list || engines.embedded.is_some();
    let postgres = list || engines.postgres.is_some();
    let pooler = list || engines.pooler.is_some();
    let mut trials = Vec::new();
    for (engine, runner, runs) in [
        ("embedded", on_embedded as Runner, embedded),
        ("postgres", on_postgres, postgres && !engines.update),
        (
            "pgbouncer",
            behind_pgbouncer,
            pooler && has_requests(&case) && case.unpooled.is_none(),
        ),
        // What it answers is what the other two must.
        ("psql", with_psql, postgres && !has_requests(&case)),
    ] {
        let meant = |only: &case::Only| match engine {
            "psql" | "pgbouncer" => only.engine == "postgres",
            _ => only.engine == engine,
        };
        if runs && case.only.as_ref().is_none_or(meant) {
            let (case, file, engines) = (Arc::clone(&case), file.to_owned(), Arc::clone(engines));
            trials.push(Trial::test(format!("{engine}::{name}"), move || {
                report(&file, &runner(&case, &file, &engines)?)
            }));
        }
    }
    trials
}

/// Runs a case.
type Runner = fn(&Case, &Path, &Engines) -> Result<Vec<Difference>>;

/// A difference and the line it belongs to, from 0.
type Difference = (usize, String);

fn with_psql(case: &Case, file: &Path, engines: &Engines) -> Result<Vec<Difference>> {
    let outcomes = engines.on_server(case)?.run(&asks(&case.steps))?;
    if engines.update {
        let text = std::fs::read_to_string(file)?;
        let rewritten = rewrite::expectations(&text, case, &outcomes);
        if rewritten != text {
            std::fs::write(file, rewritten)?;
        }
        return Ok(Vec::new());
    }
    Ok(differences(&case.steps, &outcomes))
}

fn on_postgres(case: &Case, _: &Path, engines: &Engines) -> Result<Vec<Difference>> {
    on_server(case, engines, None)
}

fn behind_pgbouncer(case: &Case, _: &Path, engines: &Engines) -> Result<Vec<Difference>> {
    let pooler = engines.pooler.as_ref();
    on_server(
        case,
        engines,
        Some(pooler.context("PgBouncer is not running")?),
    )
}

fn on_server(
    case: &Case,
    engines: &Engines,
    pooler: Option<&PgBouncer>,
) -> Result<Vec<Difference>> {
    let server = engines.postgres()?;
    let database = engines.on_server(case)?;
    let db = match pooler {
        Some(pooler) => database.open_through(pooler)?,
        None => database.open()?,
    };
    let found = server.runtime().block_on(through_plinth(case, &db));
    server.runtime().block_on(db.close());
    found
}

fn on_embedded(case: &Case, _: &Path, engines: &Engines) -> Result<Vec<Difference>> {
    let templates = engines.embedded.as_ref();
    let templates = templates.context("the embedded engine is not running")?;
    let template = match is_small(case) {
        true => &templates.small,
        false => &templates.whole,
    };
    let database = template.database()?;
    template
        .runtime()
        .block_on(through_plinth(case, &database.db))
}

/// Statements and requests of a case, in order.
async fn through_plinth(case: &Case, db: &Db) -> Result<Vec<Difference>> {
    let mut client = None;
    let mut found = Vec::new();
    for steps in case.steps.chunk_by(|a, b| is_sql(a) && is_sql(b)) {
        if let Act::Request(request) = &steps[0].act {
            let client = match &mut client {
                Some(client) => client,
                none => none.insert(rest::Client::new(db.clone()).await?),
            };
            let difference = client.send(&steps[0].who, request).await?;
            found.extend(difference.map(|difference| (steps[0].line, difference)));
        } else {
            let outcomes = through::run(db, &asks(steps)).await?;
            found.extend(differences(steps, &outcomes));
        }
    }
    Ok(found)
}

/// Whether nothing but SQL is asked, and nothing of files and orders. What answers requests has all tables.
fn is_small(case: &Case) -> bool {
    case.steps.iter().all(|step| match &step.act {
        Act::Sql(sql) => !["storage", "commerce"]
            .iter()
            .any(|word| sql.sql.contains(word)),
        Act::Request(_) => false,
    })
}

/// Roles belong to the whole server.
fn makes_roles(case: &Case) -> bool {
    case.steps.iter().any(|step| match &step.act {
        Act::Sql(sql) => ["create role", "create user"]
            .iter()
            .any(|words| sql.sql.to_lowercase().contains(words)),
        Act::Request(_) => false,
    })
}

fn asks(steps: &[Step]) -> Vec<Ask> {
    let sql = steps.iter().filter_map(|step| match &step.act {
        Act::Sql(sql) => Some(Ask {
            who: step.who.clone(),
            sql: sql.sql.clone(),
        }),
        Act::Request(_) => None,
    });
    sql.collect()
}

fn differences(steps: &[Step], outcomes: &[Outcome]) -> Vec<Difference> {
    let statements = steps.iter().filter_map(|step| match &step.act {
        Act::Sql(sql) => Some((step.line, sql)),
        Act::Request(_) => None,
    });
    let compared = statements
        .zip(outcomes)
        .filter_map(|((line, sql), outcome)| {
            let difference = compare::outcome(sql.expect.as_ref(), outcome)?;
            Some((line, format!("{}\n{difference}", sql.sql)))
        });
    compared.collect()
}

fn report(file: &Path, differences: &[Difference]) -> Result<(), Failed> {
    if differences.is_empty() {
        return Ok(());
    }
    let shown = differences.iter().take(SHOWN_DIFFERENCES);
    let mut text: Vec<String> = shown
        .map(|(line, difference)| format!("{}:{}\n{difference}", file.display(), line + 1))
        .collect();
    if differences.len() > SHOWN_DIFFERENCES {
        text.push(format!(
            "… and {} more",
            differences.len() - SHOWN_DIFFERENCES
        ));
    }
    Err(Failed::from(text.join("\n")))
}

fn is_sql(step: &Step) -> bool {
    matches!(step.act, Act::Sql(_))
}

fn has_requests(case: &Case) -> bool {
    !case.steps.iter().all(is_sql)
}

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/cases")
        .components()
        .collect()
}

/// All case files, in order of name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "case")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
