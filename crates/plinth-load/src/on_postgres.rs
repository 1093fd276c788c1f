//! Plinth on a PostgreSQL server beside `pgbench` on the same server: what the road through HTTP costs.
//!
//! Both run the same transaction on as many connections: begin, the role and the claims, one statement that gives JSON,
//! commit. `pgbench` does it twice: each of the four sent by itself, as most programs do, and all four in one
//! pipeline, as Plinth does.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::calm::undisturbed;
use crate::process::Disturbance;
use crate::results::{Aim, Figure, middle, millis};
use crate::servers::{Places, Postgres, Server};
use crate::workload::{self, Work};

/// Connections of each.
pub(crate) const CONNECTIONS: usize = 20;
/// Clients of Plinth: enough to keep its connections busy.
const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
/// The settings on which it depends whether a commit is on the disk before its answer.
const DURABILITY: &str = "select string_agg(name || '=' || setting, ', ' order by name) from pg_settings \
    where name in ('fsync', 'full_page_writes', 'synchronous_commit')";

/// What was found.
pub(crate) struct Found {
    /// The server's version.
    pub(crate) version: String,
    /// What it says of whether commits are on the disk.
    pub(crate) durability: String,
    pub(crate) works: Vec<Beside>,
}

/// One work, by both.
pub(crate) struct Beside {
    pub(crate) work: Work,
    pub(crate) plinth: Figure,
    /// Transactions a second, statement by statement.
    pub(crate) plain: f64,
    /// The same in one pipeline.
    pub(crate) pipelined: f64,
    /// The most of the three.
    pub(crate) disturbance: Disturbance,
}

/// Measures in turn; the middle one of several runs counts.
pub(crate) fn measure(places: &Places, time: Duration, say: &mut dyn FnMut(&str)) -> Result<Found> {
    let postgres = Postgres::start(&places.scratch)?;
    say("Plinth on PostgreSQL is filled");
    let server = Server::prepare_on(places, &postgres.url())?;
    postgres.run("vacuum analyze")?;
    let somebody = server.first_user();
    let mut works = Vec::new();
    for work in [Work::Read, Work::Insert] {
        server.check(work)?;
        let (mut ours, mut plain, mut pipelined) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let (tally, used) = undisturbed(server.process(), |tries| {
                server
                    .load(work, CLIENTS, time, (round + tries) as u64 + 7)?
                    .all_good()
            })?;
            ours.push(Figure::of(&tally, used));
            let by_pgbench = |pipeline| {
                let script = script(work, somebody, pipeline);
                let (rate, used) = undisturbed(std::process::id(), |_| {
                    postgres.pgbench("authenticator", &script, CONNECTIONS, time)
                })?;
                Ok::<_, anyhow::Error>((rate, used.disturbance()))
            };
            plain.push(by_pgbench(false)?);
            pipelined.push(by_pgbench(true)?);
        }
        let ours = middle(ours, |figure| figure.rate).context("nothing was measured")?;
        let (plain, others) = middle(plain, |run| run.0).unwrap_or_default();
        let (pipelined, still_others) = middle(pipelined, |run| run.0).unwrap_or_default();
        let beside = Beside {
            work,
            plinth: ours,
            plain,
            pipelined,
            disturbance: ours.disturbance.worst(others).worst(still_others),
        };
        say(&format!(
            "on PostgreSQL, {}: Plinth {:.0} a second, pgbench {plain:.0}, in a pipeline {pipelined:.0} (others {})",
            work.name(),
            ours.rate,
            beside.disturbance.text()
        ));
        works.push(beside);
    }
    Ok(Found {
        version: postgres.run("show server_version")?,
        durability: postgres.run(DURABILITY)?,
        works,
    })
}

impl Found {
    /// As a chapter of the report.
    pub(crate) fn write(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n## On PostgreSQL, beside pgbench\n\nThe same transaction (begin, role and claims, one statement, commit) on {CONNECTIONS} connections each; {CLIENTS} clients of \
             Plinth. pgbench sends statement by statement, and once more all in one pipeline, as Plinth does. Each figure is the middle one of {ROUNDS} runs, taken in turn; \
             of others the most of the three. PostgreSQL {} says of itself: `{}`.\n\n\
             | work | Plinth /s | p50 ms | p99 ms | CPU µs | pgbench /s | of it | in a pipeline /s | of it | others / stolen |\n|---|---|---|---|---|---|---|---|---|---|",
            self.version, self.durability
        );
        for beside in &self.works {
            let rate = beside.plinth.rate;
            let _ = writeln!(
                out,
                "| {} | {rate:.0} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} % | {:.0} | {:.0} % | {} |",
                beside.work.name(),
                millis(beside.plinth.p50),
                millis(beside.plinth.p99),
                beside.plinth.cpu,
                beside.plain,
                100.0 * rate / beside.plain,
                beside.pipelined,
                100.0 * rate / beside.pipelined,
                beside.disturbance.text()
            );
        }
    }

    /// What was aimed at.
    pub(crate) fn aims(&self) -> Vec<Aim> {
        let aim = |beside: &Beside| {
            let what = format!("on PostgreSQL, {}", beside.work.name());
            let rival = "pgbench, statement by statement";
            Aim::beside(&what, beside.plinth.rate, beside.plain, 0.8, rival)
        };
        self.works.iter().map(aim).collect()
    }
}

/// The transaction that Plinth runs, for `pgbench`.
fn script(work: Work, user: &str, pipeline: bool) -> String {
    let claims = format!(r#"{{"sub":"{user}","role":"authenticated","aud":"authenticated"}}"#);
    let enter = format!(
        "select set_config(name, value, true) from unnest(array['statement_timeout', 'request.method', 'request.path', \
         'request.jwt.claims', 'role'], array['8000', 'GET', '/messages', '{claims}', 'authenticated']) settings (name, value);"
    );
    let last_room = workload::ROOMS_A_USER - 1;
    let step = workload::ROOMS / workload::ROOMS_A_USER;
    let last_page = workload::MESSAGES / workload::ROOMS - 1;
    let chance = format!(
        "\\set room random(0, {last_room}) * {step}\n\\set id :room + {} * random(0, {last_page}) + 1\n",
        workload::ROOMS
    );
    let (begin, statement) = match work {
        Work::Insert => (
            "begin;",
            format!(
                "insert into public.messages (room, owner, body) values (:room + 1, '{user}', 'pgbench says hello to everybody in this room');"
            ),
        ),
        _ => (
            "begin read only;",
            "select row_to_json(object.*)::text from (select id, room, owner, body, created from public.messages where id = :id) \
             as p(\"0\", \"1\", \"2\", \"3\", \"4\") cross join lateral (select p.\"0\" as id, p.\"1\" as room, p.\"2\" as owner, \
             p.\"3\" as body, p.\"4\" as created) as object;"
                .to_owned(),
        ),
    };
    let (open, close) = match pipeline {
        true => ("\\startpipeline\n", "\n\\endpipeline"),
        false => ("", ""),
    };
    format!("{chance}{open}{begin}\n{enter}\n{statement}\ncommit;{close}\n")
}
