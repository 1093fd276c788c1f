//! Plinth on a PostgreSQL server beside `pgbench` on the same server: what the road through HTTP costs.
//!
//! Both run the same transaction on as many connections: begin, the role and the claims, one statement that gives JSON,
//! commit. `pgbench` does it twice: each of the four sent by itself, as most programs do, and all four in one
//! pipeline, as Plinth does.

use std::time::Duration;

use anyhow::Result;

use crate::process::Usage;
use crate::results::Figure;
use crate::servers::{Places, Postgres, Server, WARM_UP};
use crate::workload::{self, Work};

/// Connections of each.
pub(crate) const CONNECTIONS: usize = 20;
/// Clients of Plinth: enough to keep its connections busy.
pub(crate) const CLIENTS: usize = 64;
const ROUNDS: usize = 3;

/// One work, by both.
pub(crate) struct Beside {
    pub(crate) work: Work,
    pub(crate) plinth: Figure,
    /// Transactions a second, statement by statement.
    pub(crate) plain: f64,
    /// The same in one pipeline.
    pub(crate) pipelined: f64,
}

/// Measures in turn, medians of three.
pub(crate) fn measure(
    places: &Places,
    time: Duration,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Beside>> {
    let postgres = Postgres::start(&places.scratch)?;
    say("Plinth on PostgreSQL is filled");
    let server = Server::prepare_on(places, &postgres.url())?;
    postgres.run("vacuum analyze")?;
    let somebody = server.first_user();
    let mut measured = Vec::new();
    for work in [Work::Read, Work::Insert] {
        server.check(work)?;
        let (mut rates, mut plain, mut pipelined) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let before = Usage::now(server.process())?;
            let tally = server.load(work, CLIENTS, time, round as u64 + 7)?;
            let used = Usage::now(server.process())?.since(before);
            rates.push(Figure::of(&tally, used, WARM_UP + time));
            let by_pgbench = |pipeline| {
                let script = script(work, somebody, pipeline);
                postgres.pgbench("authenticator", &script, CONNECTIONS, time)
            };
            plain.push(by_pgbench(false)?);
            pipelined.push(by_pgbench(true)?);
        }
        rates.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        plain.sort_by(f64::total_cmp);
        pipelined.sort_by(f64::total_cmp);
        let beside = Beside {
            work,
            plinth: rates[ROUNDS / 2],
            plain: plain[ROUNDS / 2],
            pipelined: pipelined[ROUNDS / 2],
        };
        say(&format!(
            "on PostgreSQL, {}: Plinth {:.0} a second, pgbench {:.0}, in a pipeline {:.0}",
            work.name(),
            beside.plinth.rate,
            beside.plain,
            beside.pipelined
        ));
        measured.push(beside);
    }
    Ok(measured)
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
