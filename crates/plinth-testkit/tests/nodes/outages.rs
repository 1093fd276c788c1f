//! A server that has no room, or is away: bounded waits, 503 with the word when to come back, and service again by itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plinth_testkit::http::{Answer, Request};
use plinth_testkit::postgres::guarded::{Guarded, IdleClient};

use crate::Servers;
use crate::node::{Application, NOTES, NOTICED, Node, credentials, eventually, is_away, is_error};

/// Longest wait for an answer when the server is not there.
const BOUND: Duration = Duration::from_secs(3);
/// Longest wait for service, once the server is back.
const BACK: Duration = Duration::from_secs(5);
const READ: &str = "/rest/v1/notes?select=id";

/// Everybody may also write, and sleep.
const OPEN: (&str, &str) = (
    "0002_open.sql",
    "create policy write on notes for insert to anon with check (true);
     create function nap(seconds float) returns integer language plpgsql as
       $$ begin perform pg_sleep(seconds); return 1; end $$;",
);

fn start(server: &Guarded) -> (Node, String) {
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, OPEN]).start();
    node.read(READ);
    (node, database)
}

fn insert(node: &Node) -> Answer {
    node.ask(&Request::post("/rest/v1/notes", r#"{"body": "written"}"#))
}

fn sign_up(node: &Node) -> Answer {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let email = format!("u{number}@example.com");
    node.ask(&credentials("/auth/v1/signup", &email))
}

fn is_back(node: &Node) {
    let look = || (node.ask(&Request::get(READ)).status, insert(node).status);
    eventually(BACK, look, |seen| *seen == (200, 201));
    assert_eq!(node.ask(&Request::get("/health")).status, 200);
    assert_eq!(sign_up(node).status, 200);
}

/// Asks, and fails when the answer takes longer than it may.
fn soon(ask: impl Fn() -> Answer) -> Answer {
    let began = Instant::now();
    let answer = ask();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    answer
}

/// Whom requests connect as.
fn login(server: &Guarded, database: &str) -> String {
    let who = format!(
        "select distinct usename from pg_stat_activity
          where datname = '{database}' and application_name = 'plinth' and usename <> 'postgres'"
    );
    server.sql("postgres", &who).unwrap().trim().to_owned()
}

/// Ends the connections of a login; new ones are needed.
fn disconnect(server: &Guarded, login: &str) {
    let end = format!(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '{login}'"
    );
    server.sql("postgres", &end).unwrap();
}

pub(crate) fn a_login_without_connections_is_503_until_it_has_some(servers: &Servers) {
    let server = servers.untouched();
    let (node, database) = start(&server);
    let login = login(&server, &database);
    let limit = |connections: i32| {
        let limit = format!("alter role {login} connection limit {connections}");
        server.sql("postgres", &limit).unwrap();
    };
    limit(0);
    disconnect(&server, &login);
    for _ in 0..3 {
        is_away(&soon(|| node.ask(&Request::get(READ))));
        is_away(&soon(|| insert(&node)));
    }
    assert!(
        node.log().contains("`[database] connections`"),
        "{}",
        node.log()
    );
    limit(-1);
    is_back(&node);
}

pub(crate) fn connections_that_others_took_are_503_until_they_leave(servers: &Servers) {
    let server = Guarded::start_with(&servers.bin, "postgres", &["max_connections=20"]).unwrap();
    let (node, database) = start(&server);
    let login = login(&server, &database);
    let make = "create role crowd login password 'a-long-word'";
    server.sql("postgres", make).unwrap();
    let mut crowd = Vec::new();
    let fill = |crowd: &mut Vec<IdleClient>| {
        while let Some(client) = server
            .idle_client("crowd", "a-long-word", "postgres")
            .unwrap()
        {
            crowd.push(client);
        }
    };
    fill(&mut crowd);
    disconnect(&server, &login);
    fill(&mut crowd);
    for _ in 0..3 {
        is_away(&soon(|| node.ask(&Request::get(READ))));
        is_away(&soon(|| insert(&node)));
        is_away(&soon(|| node.ask(&Request::get("/health"))));
    }
    assert!(node.log().contains("max_connections"), "{}", node.log());
    assert_eq!(node.ask(&Request::get("/health/live")).status, 200);
    crowd.clear();
    is_back(&node);
}

/// A setting that changed under a node that serves ends as an outage does: by itself, when it is changed back.
pub(crate) fn a_login_that_is_not_let_in_any_more_is_503_until_it_is(servers: &Servers) {
    let server = servers.untouched();
    let (node, database) = start(&server);
    let login = login(&server, &database);
    let file = server.data().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&file).unwrap();
    let set = |rules: &str| {
        std::fs::write(&file, rules).unwrap();
        server.sql("postgres", "select pg_reload_conf()").unwrap();
    };
    set(&format!("host all {login} all reject\n{rules}"));
    // The server reads its rules when it gets to it.
    let look = || {
        disconnect(&server, &login);
        node.ask(&Request::get(READ)).status
    };
    eventually(BACK, look, |status| *status == 503);
    for _ in 0..3 {
        is_away(&soon(|| node.ask(&Request::get(READ))));
        is_away(&soon(|| insert(&node)));
        is_away(&soon(|| {
            node.ask_as_admin(&Request::get("/storage/v1/bucket"))
        }));
        is_away(&soon(|| node.ask(&Request::get("/health"))));
    }
    let log = node.log();
    assert!(
        log.contains("the database is away") && log.contains("pg_hba.conf"),
        "{log}"
    );
    assert!(!log.contains("for a reason of ours"), "{log}");
    set(&rules);
    is_back(&node);
    let told = || {
        node.ask(&Request::get(READ));
        node.log()
    };
    eventually(BACK, told, |log| log.contains("the database is back"));
}

pub(crate) fn a_server_that_stops_is_503_until_it_is_back(servers: &Servers) {
    let server = servers.untouched();
    let (node, database) = start(&server);
    thread::scope(|scope| {
        let nap = Request::post("/rest/v1/rpc/nap", r#"{"seconds": 20}"#);
        let under_way = scope.spawn({
            let node = &node;
            move || node.ask(&nap)
        });
        let running = format!(
            "select count(*) from pg_stat_activity where datname = '{database}' and state = 'active' and wait_event = 'PgSleep'"
        );
        let look = || server.sql("postgres", &running).unwrap();
        eventually(BACK, look, |count| count.trim() == "1");
        server.stop().unwrap();
        is_away(&under_way.join().unwrap());
    });
    // More than once, because the first finds connections that are broken.
    for _ in 0..3 {
        is_away(&soon(|| node.ask(&Request::get(READ))));
        is_away(&soon(|| insert(&node)));
        is_away(&soon(|| node.ask(&Request::get("/health"))));
        is_away(&soon(|| sign_up(&node)));
        is_away(&soon(|| {
            node.ask(&credentials(
                "/auth/v1/token?grant_type=password",
                "a@example.com",
            ))
        }));
        let live = soon(|| node.ask(&Request::get("/health/live")));
        assert_eq!(live.status, 200);
    }
    let status = node.application.run(&["status", "."]);
    status.is(1, &["check the host and port in `[database] url`"]);

    server.restart().unwrap();
    let written = "select count(*) from notes where body = 'written'";
    let written = server.sql(&database, written).unwrap();
    assert_eq!(written, "0\n", "nothing is done later");
    is_back(&node);
    // It still follows the schema.
    let made = "create table made_after (id integer); grant select on made_after to anon";
    server.sql(&database, made).unwrap();
    let read = || node.ask(&Request::get("/rest/v1/made_after")).status;
    eventually(NOTICED, read, |status| *status == 200);
    let gone = node.ask(&Request::get("/rest/v1/not_there"));
    is_error(&gone, 404, "PGRST205");
}
