//! Who may call what: every route has a line here, or this test fails.

mod lines;
mod resumable;

use anyhow::Result;
use plinth_testkit::embedded::{Database, Template};
use plinth_testkit::outcome::{Ask, Outcome, Who};
use plinth_testkit::rest::{Answer, Client};
use serde_json::Map;

/// What the routes are tried on. `anon` may do nothing with the table.
const SCHEMA: [&str; 6] = [
    "create table items (id integer primary key, label text)",
    "alter table items enable row level security",
    "create policy everything on items for all to authenticated using (true) with check (true)",
    "grant select, insert, update, delete on items to authenticated, service_role",
    "insert into storage.buckets (id, name) values ('b', 'b')",
    "create function hello() returns text language sql stable as $$ select 'hello' $$",
];

/// Who calls, in the order of every line's statuses.
const CALLERS: [&str; 5] = ["nobody", "wrong key", "anon", "signed in", "service key"];

#[test]
fn every_route_has_a_line_for_each_caller() {
    let lines = lines::LINES
        .iter()
        .map(|(method, route, ..)| (*method, *route));
    let resumable = resumable::LINES
        .iter()
        .map(|(method, route, ..)| (*method, *route));
    let lines: Vec<_> = lines.chain(resumable).collect();
    for route in plinth_server::routes() {
        assert!(
            lines.contains(route),
            "{route:?} has no line: say who may call it"
        );
    }
    for line in &lines {
        assert!(
            plinth_server::routes().contains(line),
            "{line:?} is not a route"
        );
    }
}

#[test]
fn every_caller_gets_the_status_that_the_table_says() -> Result<()> {
    let template = Template::new(&plinth_server::modules())?;
    let (_database, client) = stage(&template)?;
    let mut wrong = Vec::new();
    let mut number = 0;
    for (method, route, query, body, expected) in lines::LINES {
        for (caller, expected) in CALLERS.iter().zip(expected) {
            number += 1;
            let fill = |text: &str| text.replace("$n", &number.to_string());
            let path = route
                .replace("{relation}", "items")
                .replace("{function}", "hello")
                .replace("{bucket}", "b")
                .replace("{provider}", "manual")
                .replace("{*path}", "a.txt")
                .replace("{id}", "7f1c3c7e-0000-4000-8000-000000000001")
                + &fill(query);
            let answer = template.runtime().block_on(async {
                let mut headers = headers(&client, caller, number).await?;
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
                client.call(method, &path, &headers, Some(fill(body))).await
            })?;
            wrong.extend(difference(
                &format!("{method} {path}"),
                caller,
                &answer,
                *expected,
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn resumable_uploads_are_begun_and_gone_on_with_by_whom_the_table_says() -> Result<()> {
    let template = Template::new(&plinth_server::modules())?;
    let (_database, client) = stage(&template)?;
    let mut wrong = Vec::new();
    let mut number = 0;
    for line in resumable::LINES {
        let (method, route, with_token, expected) = line;
        for (caller, expected) in CALLERS.iter().zip(expected) {
            number += 1;
            let answer = template.runtime().block_on(async {
                let headers = headers(&client, caller, number).await?;
                resumable::send(&client, line, &format!("{number}.txt"), headers).await
            })?;
            let asked = format!("{method} {route} (token: {with_token})");
            wrong.extend(difference(&asked, caller, &answer, *expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A fresh database with all that lines are about, and a client of its server.
fn stage(template: &Template) -> Result<(Database<'_>, Client)> {
    let database = template.database()?;
    let asks = SCHEMA.map(|sql| Ask {
        who: Who::postgres(),
        sql: sql.to_owned(),
    });
    for (ask, outcome) in asks.iter().zip(database.run(&asks)?) {
        assert_eq!(outcome, Outcome::Done, "{}", ask.sql);
    }
    let client = template
        .runtime()
        .block_on(Client::new(database.db.clone()))?;
    Ok((database, client))
}

fn difference(asked: &str, caller: &str, answer: &Answer, expected: u16) -> Option<String> {
    let (status, text) = (answer.status, answer.text());
    (status.as_u16() != expected)
        .then(|| format!("{asked} as {caller}: {status}, expected {expected}\n  {text}"))
}

async fn headers(client: &Client, caller: &str, number: u32) -> Result<Vec<(String, String)>> {
    let by_key = |role: &str| client.credentials(&Who::with_claims(role, None, Map::new()));
    Ok(match caller {
        "nobody" => Vec::new(),
        "wrong key" => vec![(
            "apikey".to_owned(),
            "sb_secret_AAAAAAAAAAAAAAAAAAAAAA_AAAAAAAA".to_owned(),
        )],
        "anon" => by_key("anon"),
        "service key" => by_key("service_role"),
        // A real session of a person of its own, because some routes end it.
        _ => {
            let mut headers = by_key("anon");
            let body =
                format!(r#"{{"email": "caller{number}@example.com", "password": "long enough"}}"#);
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            let answer: Answer = client
                .call("POST", "/auth/v1/signup", &headers, Some(body))
                .await?;
            let token = answer.json()["access_token"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(
                !token.is_empty(),
                "signing up gave no token: {}",
                answer.text()
            );
            vec![
                headers[0].clone(),
                ("authorization".to_owned(), format!("Bearer {token}")),
            ]
        }
    })
}
