//! A PostgreSQL of our own: the oracle, and the other engine under test.
//!
//! It lives in a temporary folder, listens on a socket there and nowhere else, runs as an unprivileged user and
//! is gone with the test run. A template database holds the system migrations; each case gets a copy of it.
//! The oracle's statements go through `psql`, so that what is compared is what a person would see.

mod console;
pub mod guarded;
pub mod pgbouncer;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use plinth_db::migrations::{SystemModule, apply_system};
use plinth_db::{AutoExpose, Clock, Db, ServerOptions};
pub use plinth_private_postgres::find;
use plinth_private_postgres::{Cluster, Server};
use tokio::runtime::Runtime;

use self::console::Console;
use self::pgbouncer::PgBouncer;
use crate::outcome::{Ask, Failure, Outcome, Who};
use crate::temp::TempDir;

const TEMPLATE: &str = "plinth_template";
/// Durability is of no use to a database that lives for a minute; a runaway statement must not hold up the run.
const SETTINGS: [&str; 9] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "timezone=UTC",
    "datestyle=ISO, MDY",
    "intervalstyle=postgres",
    "statement_timeout=30s",
    "max_connections=60",
];

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    cluster: Cluster,
    /// As many as there were callers at once. Before the server, so that they end before it does.
    consoles: Mutex<Vec<Console>>,
    /// Before its folder, so that it ends before that goes away.
    _server: Server,
    folder: TempDir,
    /// Roles of the template. Roles belong to the whole server, so a case that makes one cleans up.
    roles: Vec<String>,
    next: AtomicU32,
    making_roles: Mutex<()>,
    runtime: Runtime,
}

/// A fresh copy of the template. Dropped when dropped.
#[derive(Debug)]
pub struct Database<'a> {
    server: &'a Postgres,
    name: String,
    making_roles: Option<MutexGuard<'a, ()>>,
}

impl Postgres {
    /// Makes a cluster, starts it and runs the system migrations into the template.
    ///
    /// Call it from a thread that lives as long as the server, which ends with it.
    pub fn start(bin: &Path, modules: &[SystemModule]) -> Result<Postgres> {
        let folder = TempDir::new("postgres")?;
        let cluster = Cluster::make(bin, folder.path(), "postgres", None)?;
        let server = cluster.start(None, SETTINGS)?;
        let mut postgres = Postgres {
            cluster,
            consoles: Mutex::default(),
            _server: server,
            folder,
            roles: Vec::new(),
            next: AtomicU32::new(0),
            making_roles: Mutex::new(()),
            runtime: Runtime::new()?,
        };
        postgres.make_template(TEMPLATE, modules)?;
        postgres.roles = postgres.role_names()?;
        Ok(postgres)
    }

    /// Makes another template, of which [`copy`](Self::copy) gives copies.
    pub fn make_template(&self, name: &str, modules: &[SystemModule]) -> Result<()> {
        self.command(&format!("create database {name}"))?;
        self.runtime.block_on(async {
            let db = self.open(name, None).await?;
            let setup = db.set_up().await?;
            apply_system(&db, modules).await?;
            setup.finish("of a server that trusts everyone").await?;
            db.close().await;
            Ok(())
        })
    }

    /// A fresh database. With `makes_roles` it waits for others that make roles, and drops those made.
    pub fn database(&self, makes_roles: bool) -> Result<Database<'_>> {
        self.copy(TEMPLATE, makes_roles)
    }

    /// The same from another template.
    pub fn copy(&self, template: &str, makes_roles: bool) -> Result<Database<'_>> {
        let making_roles = makes_roles.then(|| {
            self.making_roles
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        });
        let name = format!("case_{}", self.next.fetch_add(1, Ordering::Relaxed));
        // What is copied as files needs no log, and nobody waits for this server's disk.
        self.command(&format!(
            "create database {name} template {template} strategy file_copy"
        ))?;
        Ok(Database {
            server: self,
            name,
            making_roles,
        })
    }

    /// Where requests run.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// `PgBouncer` before this server, which lets in everybody as the server does.
    pub fn pooler(&self, program: &Path) -> Result<PgBouncer> {
        let users = ["postgres", "authenticator"].map(|name| (name.to_owned(), String::new()));
        PgBouncer::start(
            program,
            &pgbouncer::Settings {
                server: format!("host={}", self.folder.path().display()),
                users: users.to_vec(),
                lines: vec!["auth_type = trust".to_owned()],
                user_lines: Vec::new(),
            },
        )
    }

    /// Plinth on a database of this server.
    async fn open(&self, database: &str, through: Option<&PgBouncer>) -> Result<Db> {
        let host = match through {
            Some(pooler) => format!("host=127.0.0.1 port={} pgbouncer=true", pooler.port()),
            None => format!("host={}", self.folder.path().display()),
        };
        let options = ServerOptions {
            url: format!("{host} user=postgres dbname={database}"),
            connections: 4,
            wait: Duration::from_secs(10),
            auto_expose: AutoExpose::Protected,
        };
        Ok(Db::connect(options, Clock::system()).await?)
    }

    /// The arguments that make `psql` connect to the template.
    pub fn connection(&self) -> String {
        format!(
            "-h {} -U postgres -d {TEMPLATE}",
            self.folder.path().display()
        )
    }

    /// Runs a statement as the superuser, in no case's database, and gives what it prints, unaligned and without headers.
    fn command(&self, sql: &str) -> Result<String> {
        let idle = self.consoles().pop();
        let mut console = match idle {
            Some(console) => console,
            None => Console::start(self.client("postgres"))?,
        };
        let printed = console.run(sql)?;
        self.consoles().push(console);
        Ok(printed)
    }

    fn consoles(&self) -> MutexGuard<'_, Vec<Console>> {
        self.consoles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `psql` on one of the databases.
    fn client(&self, database: &str) -> Command {
        let mut command = self.cluster.program("psql");
        command.args(["-X", "-q", "-U", "postgres", "-d", database, "-h"]);
        command.arg(self.folder.path());
        command
    }

    fn psql(&self, database: &str, options: &[&str], input: &str) -> Result<Output> {
        let mut child = self
            .client(database)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("psql has no input")?;
        // Written beside the reading of its output: a long script would fill both pipes.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // psql may leave early; its exit status says why.
                let _closed = stdin.write_all(input.as_bytes());
            });
            Ok(child.wait_with_output()?)
        })
    }

    fn role_names(&self) -> Result<Vec<String>> {
        let names = self.command("select quote_ident(rolname) from pg_roles order by oid")?;
        Ok(names.lines().map(str::to_owned).collect())
    }
}

impl Database<'_> {
    /// Plinth on it.
    pub fn open(&self) -> Result<Db> {
        let opened = self.server.open(&self.name, None);
        self.server.runtime.block_on(opened)
    }

    /// Plinth on it, with a pooler between.
    pub fn open_through(&self, pooler: &PgBouncer) -> Result<Db> {
        let opened = self.server.open(&self.name, Some(pooler));
        self.server.runtime.block_on(opened)
    }

    /// Runs statements in one session, going on after errors. One outcome for each.
    pub fn run(&self, asks: &[Ask]) -> Result<Vec<Outcome>> {
        let output = self.server.psql(
            &self.name,
            &["--csv", "-v", "VERBOSITY=verbose"],
            &session(asks),
        )?;
        let (rows, errors) = (
            String::from_utf8(output.stdout)?,
            String::from_utf8(output.stderr)?,
        );
        let (rows, errors) = (segments(&rows), segments(&errors));
        ensure!(
            rows.len() == asks.len() && errors.len() == asks.len(),
            "psql lost its place after {} of {} statements: {}",
            rows.len().min(errors.len()),
            asks.len(),
            errors.last().map_or("", String::as_str)
        );
        Ok(rows.into_iter().zip(errors).map(outcome).collect())
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let drop_database = format!("drop database {} with (force)", self.name);
        if let Err(error) = self.server.command(&drop_database) {
            eprintln!("{drop_database}: {error:#}");
        }
        if self.making_roles.is_some() {
            let now = self.server.role_names().unwrap_or_default();
            for role in now.iter().filter(|role| !self.server.roles.contains(role)) {
                drop(self.server.command(&format!("drop role {role}")));
            }
        }
    }
}

/// Stands alone on a line before a statement, on both of psql's outputs, so that each answer finds its statement.
const MARK: &str = "~~~ statement";
/// The same before what no case asks about.
const ASIDE: &str = "~~~ aside";

/// What `psql` is given: each statement between marks, and changes of role between them.
fn session(asks: &[Ask]) -> String {
    let mark = |mark: &str| format!("\\echo {mark}\n\\warn {mark}\n");
    let mut text = String::new();
    let mut current = Who::postgres();
    for ask in asks {
        if ask.who != current {
            current = ask.who.clone();
            text += &(mark(ASIDE) + &become_caller(&current));
        }
        text += &(mark(MARK) + &ask.sql + "\n;\n");
    }
    text
}

fn become_caller(who: &Who) -> String {
    let claims = who
        .claims
        .as_deref()
        .unwrap_or_default()
        .replace('\'', "''");
    let role = who.role.replace('"', "\"\"");
    let set_role = if who.role == "postgres" {
        String::new()
    } else {
        format!("set role \"{role}\";\n")
    };
    format!(
        "reset role;\nselect set_config('request.jwt.claims', E'{}', false);\n{set_role}",
        claims.replace('\\', "\\\\")
    )
}

/// What was printed for each statement, asides left out.
fn segments(output: &str) -> Vec<String> {
    let mut segments: Vec<String> = Vec::new();
    let mut aside = true;
    for line in output.split_inclusive('\n') {
        match line.trim_end() {
            MARK => {
                segments.push(String::new());
                aside = false;
            }
            ASIDE => aside = true,
            _ if aside => {}
            _ => segments
                .last_mut()
                .into_iter()
                .for_each(|segment| segment.push_str(line)),
        }
    }
    segments
}

fn outcome((rows, messages): (String, String)) -> Outcome {
    match failure(&messages) {
        Some(failure) => Outcome::Failed(failure),
        None if rows.is_empty() => Outcome::Done,
        None => Outcome::Rows(rows),
    }
}

/// Reads psql's verbose form of an error: `ERROR:  23505: message`, then one labelled line for each part.
fn failure(messages: &str) -> Option<Failure> {
    let start = messages
        .lines()
        .position(|line| line.starts_with("ERROR:  ") || line.starts_with("FATAL:  "))?;
    let mut parts: Vec<(&str, String)> = Vec::new();
    for line in messages.lines().skip(start) {
        match line.split_once(": ").filter(|(label, _)| is_label(label)) {
            Some((label, text)) => parts.push((label, text.trim_start().to_owned())),
            // A part of several lines, or the line that shows the place.
            None => parts
                .last_mut()
                .into_iter()
                .for_each(|(_, text)| *text = format!("{text}\n{line}")),
        }
    }
    let part = |name: &str| {
        parts
            .iter()
            .find(|(label, _)| *label == name)
            .map(|(_, text)| text.clone())
    };
    let (code, message) = parts[0].1.split_once(": ")?;
    Some(Failure {
        code: code.to_owned(),
        message: message.to_owned(),
        detail: part("DETAIL"),
        hint: part("HINT"),
        constraint: part("CONSTRAINT NAME"),
    })
}

fn is_label(label: &str) -> bool {
    let line_of_statement = label
        .strip_prefix("LINE ")
        .is_some_and(|number| number.parse::<u32>().is_ok());
    line_of_statement
        || (label.len() > 3
            && label
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verbose_error_is_read_part_by_part() {
        let text = "NOTICE:  00000: x\nERROR:  23505: duplicate key: really\nLINE 1: select\n        ^\nDETAIL:  Key (id)=(1) already exists.\nSCHEMA NAME:  public\nCONSTRAINT NAME:  t_pkey\nLOCATION:  f, x.c:1\n";
        let failure = failure(text).unwrap();
        assert_eq!(failure.code, "23505");
        assert_eq!(failure.message, "duplicate key: really");
        assert_eq!(
            failure.detail.as_deref(),
            Some("Key (id)=(1) already exists.")
        );
        assert_eq!(failure.constraint.as_deref(), Some("t_pkey"));
    }

    #[test]
    fn answers_find_their_statements() {
        let output = "~~~ statement\nn\n1\n~~~ aside\nset_config\n\n~~~ statement\n";
        assert_eq!(segments(output), ["n\n1\n", ""]);
    }
}
