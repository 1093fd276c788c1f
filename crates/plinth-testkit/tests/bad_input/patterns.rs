//! Patterns that are made to take long: each is answered or ended in time, and nobody else waits for it.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::refusals::rest_difference;
use crate::server::{NOTES, Server, with_server};
use plinth_testkit::http::{Request, value};

/// An anonymous caller's statement is ended after three seconds; the rest is for slow machines.
const LIMIT: Duration = Duration::from_secs(12);

/// Long titles that almost match.
const ROWS: usize = 200;
const TITLE: usize = 20_000;

fn with_long_titles(test: impl FnOnce(&Server)) {
    with_server(|server| {
        let title = format!("{}b", "a".repeat(TITLE));
        let rows: Vec<_> = (0..ROWS)
            .map(|number| json!({ "id": 1000 + number, "title": title }))
            .collect();
        let inserted = server.ask(&Request::post(NOTES, json!(rows).to_string()));
        assert_eq!(inserted.status, 201, "{}", inserted.text());
        test(server);
        let deleted = server.ask(&Request::new("DELETE", "/rest/v1/notes?id=gte.1000"));
        assert_eq!(deleted.status, 204, "{}", deleted.text());
    });
}

/// Answered with rows or none, or ended as a statement that takes too long; in time either way.
fn ends_in_time(server: &Server, filter: &str) {
    let began = Instant::now();
    let answer = server.ask(&Request::get(&format!("{NOTES}?select=id&{filter}")));
    let took = began.elapsed();
    assert!(took < LIMIT, "{filter:.100}: {took:?}");
    let ended = rest_difference(&answer, 500, "57014").is_none();
    assert!(
        answer.status == 200 || ended,
        "{filter:.100}: {} {}",
        answer.status,
        answer.text()
    );
}

#[test]
fn wildcards_end_in_time() {
    with_long_titles(|server| {
        for pattern in [
            format!("{}%c", "%a".repeat(30)),
            format!("{}%c", "%a".repeat(10_000)),
            format!("{}%c", "%_a".repeat(1000)),
            "%".repeat(15_000),
            "_".repeat(15_000),
        ] {
            for operator in ["like", "ilike"] {
                ends_in_time(server, &format!("title={operator}.{}", value(&pattern)));
            }
        }
        let many = vec!["%a%a%a%a%a%c"; 900].join(",");
        ends_in_time(
            server,
            &format!("title=like(any).{}", value(&format!("{{{many}}}"))),
        );
    });
}

#[test]
fn regular_expressions_end_in_time_or_are_refused() {
    with_long_titles(|server| {
        for pattern in [
            "(a+)+$",
            "^(a|aa)+$",
            "(.*)*(.*)*c$",
            "(a*)*c",
            "^(([a-z])+.)+[A-Z]([a-z])+$",
            "(a?){255}c",
        ] {
            for operator in ["match", "imatch"] {
                ends_in_time(server, &format!("title={operator}.{}", value(pattern)));
            }
        }
        let groups = format!("{}{}", "(".repeat(5000), ")".repeat(5000));
        for (pattern, code) in [
            ("((a{1,255}){1,255}){1,255}c", "2201B"),
            (&groups, "2201B"),
            ("(", "2201B"),
            ("[[[", "2201B"),
            ("a{2,1}", "2201B"),
            ("(a?){1000}c", "2201B"),
            ("(a*)*\\1c", "0A000"),
            ("(?=a)b", "0A000"),
        ] {
            let answer = server.ask(&Request::get(&format!(
                "{NOTES}?title=match.{}",
                value(pattern)
            )));
            assert_eq!(
                rest_difference(&answer, 400, code),
                None,
                "{pattern:.100}: {}",
                answer.text()
            );
        }
    });
}

#[test]
fn others_are_answered_while_slow_ones_run() {
    with_long_titles(|server| {
        let many = vec!["%a%a%a%a%a%c"; 900].join(",");
        let slow = format!("title=like(any).{}", value(&format!("{{{many}}}")));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ends_in_time(server, &slow));
            }
            let began = Instant::now();
            let quick = server.ask(&Request::get("/rest/v1/people?select=name"));
            assert_eq!(quick.status, 200, "{}", quick.text());
            assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
        });
    });
}
