//! What fails in the database while others go on.

use std::thread;
use std::time::{Duration, Instant};

use plinth_testkit::http::{Answer, Request, value};
use serde_json::json;

use crate::Servers;
use crate::node::{Application, NOTES, Node, eventually, good, is_away, is_error};

/// Policies that raise, each in its own way, on tables with a row.
const BROKEN: (&str, &str) = (
    "0002_broken.sql",
    "create function boom(id integer) returns boolean language plpgsql stable as
       $$ begin raise exception 'no luck with %', id using hint = 'mend it'; end $$;
     create function nothing(id integer) returns boolean language sql stable as $$ select 1 / (id - id) = 1 $$;
     create function chosen() returns boolean language plpgsql stable as $$ begin raise sqlstate 'PT418'; end $$;
     create function lost(id integer) returns boolean language plpgsql stable as
       $$ begin return exists (select from not_there n where n.id = lost.id); end $$;
     create function secret() returns boolean language sql stable as 'select true';
     revoke execute on function secret() from public;
     create function nap(seconds float) returns integer language plpgsql as
       $$ begin perform pg_sleep(seconds); return 1; end $$;
     create table raises (id integer primary key);
     create table divides (id integer primary key);
     create table chooses (id integer primary key);
     create table looks (id integer primary key);
     create table may_not (id integer primary key);
     create table loops (id integer primary key);
     create policy p on raises for all to anon using (boom(id)) with check (boom(id));
     create policy p on divides for all to anon using (nothing(id));
     create policy p on chooses for all to anon using (chosen());
     create policy p on looks for all to anon using (lost(id));
     create policy p on may_not for all to anon using (secret());
     create policy p on loops for all to anon using (exists (select from loops));
     do $$ declare name text; begin
       foreach name in array array['raises', 'divides', 'chooses', 'looks', 'may_not', 'loops'] loop
         execute format('insert into %I values (1)', name);
         execute format('alter table %I enable row level security', name);
       end loop;
     end $$;",
);

fn nap(seconds: f64) -> Request {
    let body = json!({ "seconds": seconds }).to_string();
    Request::post("/rest/v1/rpc/nap", body)
}

/// Where somebody who runs the node finds the setting.
fn names(node: &Node, answer: &Answer, setting: &str) {
    let told = answer.text() + &node.log();
    assert!(told.contains(setting), "{setting} is not in {told}");
}

/// The database is attached: its policies are somebody else's.
pub(crate) fn a_policy_that_fails_is_answered_and_others_go_on(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let url = server.url(&database);
    // The roles must be there for its policies to name.
    Application::new(&url, &[])
        .run(&["migrate", "."])
        .is(0, &[]);
    server.sql(&database, NOTES.1).unwrap();
    server.sql(&database, BROKEN.1).unwrap();
    let node = Application::new(&url, &[]).start();
    for (table, status, code) in [
        ("raises", 400, "P0001"),
        ("divides", 400, "22012"),
        ("chooses", 418, "PT418"),
        ("looks", 404, "42P01"),
        ("may_not", 401, "42501"),
        ("loops", 500, "42P17"),
    ] {
        let target = format!("/rest/v1/{table}");
        // Twice: a connection that met an error is as good as another.
        for _ in 0..2 {
            is_error(&node.ask(&Request::get(&target)), status, code);
            assert_eq!(node.read("/rest/v1/notes?select=id"), json!([{ "id": 1 }]));
        }
        // Nobody else is held up: the service key passes policies.
        assert_eq!(node.read_as_admin(&target), json!([{ "id": 1 }]));
    }
    let insert = node.ask(&Request::post("/rest/v1/raises", r#"{"id": 5}"#));
    is_error(&insert, 400, "P0001");
    assert_eq!(insert.json()["hint"], "mend it");
    assert!(
        !node.log().contains("for a reason of ours"),
        "{}",
        node.log()
    );
}

/// The server names neither, and the caller is not told.
pub(crate) fn the_log_names_the_table_and_the_policies_of_a_statement_that_failed(
    servers: &Servers,
) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, BROKEN]).start();
    node.sql(
        "create view through with (security_invoker = true) as select id from divides;
         grant select on through to anon;
         insert into storage.buckets (id, name) values ('b', 'b');
         create policy broken on storage.objects for insert to anon
           with check (1 / (length(name) - length(name)) = 1);",
    );
    for table in ["raises", "divides", "chooses", "looks", "may_not", "loops"] {
        node.ask(&Request::get(&format!("/rest/v1/{table}")));
    }
    // What is wrong with the request is no policy's fault.
    is_error(
        &node.ask(&Request::get("/rest/v1/notes?id=eq.none")),
        400,
        "22P02",
    );
    let anon = format!("Bearer {}", node.key("ANON_KEY"));
    let upload = Request::post("/storage/v1/object/b/a.txt", "text").header("authorization", anon);
    assert_eq!(node.ask(&upload).status, 400);
    let log = node.log();
    let told = |tables: &str, code: &str| {
        let is_it = |line: &&str| line.contains(tables) && line.contains(code);
        log.lines().find(is_it).unwrap_or_default().to_owned()
    };
    for (tables, code, said) in [
        ("raises (p)", "P0001", "no luck with 1"),
        ("raises (p)", "P0001", "function boom(integer)"),
        ("divides (p)", "22012", "division by zero"),
        ("looks (p)", "42P01", "not_there"),
        ("loops (p)", "42P17", "infinite recursion"),
        ("storage.objects (broken)", "22012", "division by zero"),
    ] {
        let line = told(tables, code);
        assert!(line.contains(said) && line.contains("WARN"), "{log}");
    }
    for table in ["chooses (", "may_not (", "notes ("] {
        assert!(!log.contains(table), "{log}");
    }
    // Not again at once, and by a view as little.
    let before = log.matches("divides (p)").count();
    node.ask(&Request::get("/rest/v1/divides"));
    let through = node.ask(&Request::get("/rest/v1/through"));
    is_error(&through, 400, "22012");
    assert_eq!(node.log().matches("divides (p)").count(), before);
}

pub(crate) fn a_statement_that_takes_too_long_is_ended(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, BROKEN])
        .with("PLINTH_LIMITS_ANONYMOUS_STATEMENT_TIMEOUT_MS", "500")
        .with("PLINTH_LIMITS_STATEMENT_TIMEOUT_MS", "1500")
        .start();
    let timed = |ask: &dyn Fn() -> Answer, limit_ms: u64, setting: &str| {
        let began = Instant::now();
        let answer = ask();
        let took = began.elapsed();
        is_error(&answer, 500, "57014");
        let limit = Duration::from_millis(limit_ms);
        let late = limit + Duration::from_secs(2);
        assert!(took >= limit && took < late, "{took:?}");
        names(&node, &answer, setting);
    };
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            timed(
                &|| node.ask(&nap(20.0)),
                500,
                "limits.anonymous_statement_timeout_ms",
            );
        });
        assert_eq!(node.read("/rest/v1/notes?select=id"), json!([{ "id": 1 }]));
        slow.join().unwrap();
    });
    timed(
        &|| node.ask_as_admin(&nap(20.0)),
        1500,
        "limits.statement_timeout_ms",
    );
    assert_eq!(node.ask(&nap(0.1)).json(), json!(1));
    // The server itself has ended them.
    assert_eq!(
        server.sql("postgres", &napping_in(&database)).unwrap(),
        "0\n"
    );
}

/// A server reads a message by what was set before it came, and what a function has set can last.
pub(crate) fn a_backslash_stays_one_whatever_a_function_has_set(servers: &Servers) {
    const LOOSE: (&str, &str) = (
        "0002_loose.sql",
        "create function loose() returns void language plpgsql as $$ begin
           perform set_config('standard_conforming_strings', 'off', false);
           perform set_config('request.jwt.claims', '{\"sub\": \"00000000-0000-0000-0000-000000000001\"}', false);
         end $$;
         create function echo(said text) returns text language sql as 'select said';
         create function sub() returns uuid language sql stable as 'select auth.uid()';",
    );
    let server = &servers.shared;
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, LOOSE])
        .with("PLINTH_DATABASE_CONNECTIONS", "1")
        .start();
    let loose = Request::post("/rest/v1/rpc/loose", "{}");
    for text in [
        r"\'; drop table notes; --",
        r"\\'; drop table notes; --",
        r"\",
        "'",
        r"\x41",
    ] {
        good("loose", &node.ask(&loose));
        let echo = Request::post("/rest/v1/rpc/echo", json!({ "said": text }).to_string());
        // Twice: prepared now, and prepared before.
        for _ in 0..2 {
            assert_eq!(good(text, &node.ask(&echo)), json!(text));
        }
        let found = format!("/rest/v1/notes?select=id&body=eq.{}", value(text));
        assert_eq!(node.read(&found), json!([]));
        assert_eq!(node.read("/rest/v1/rpc/sub"), json!(null));
    }
    assert_eq!(node.read("/rest/v1/notes?select=id"), json!([{ "id": 1 }]));
}

pub(crate) fn a_node_whose_connections_are_all_in_use_says_so(servers: &Servers) {
    const CONNECTIONS: usize = 2;
    let server = &servers.shared;
    let url = server.url(&server.database().unwrap());
    let node = Application::new(&url, &[NOTES, BROKEN])
        .with("PLINTH_DATABASE_CONNECTIONS", CONNECTIONS.to_string())
        .with("PLINTH_LIMITS_CONNECTION_WAIT_MS", "300")
        .start();
    let answers = thread::scope(|scope| {
        let asked: Vec<_> = (0..CONNECTIONS + 2)
            .map(|_| scope.spawn(|| node.ask(&nap(2.0))))
            .collect();
        asked
            .into_iter()
            .map(|answer| answer.join().unwrap())
            .collect::<Vec<_>>()
    });
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((done.len(), refused.len()), (CONNECTIONS, 2));
    for answer in refused {
        is_error(answer, 503, "PGRST003");
        is_away(answer);
        names(&node, answer, "[database] connections");
    }
    node.read("/rest/v1/notes");
}

/// Files wait for a connection as rows do.
pub(crate) fn a_request_for_files_that_finds_no_connection_says_so(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, BROKEN])
        .with("PLINTH_DATABASE_CONNECTIONS", "1")
        .with("PLINTH_LIMITS_CONNECTION_WAIT_MS", "300")
        .start();
    thread::scope(|scope| {
        let busy = scope.spawn(|| node.ask_as_admin(&nap(3.0)));
        let napping = || server.sql("postgres", &napping_in(&database)).unwrap();
        eventually(Duration::from_secs(3), napping, |count| count == "1\n");
        let buckets = node.ask_as_admin(&Request::get("/storage/v1/bucket"));
        is_error(&buckets, 503, "SlowDown");
        is_away(&buckets);
        assert_eq!(busy.join().unwrap().json(), json!(1));
    });
}

/// A load balancer does not wait as long as a request does.
pub(crate) fn health_is_told_in_time_when_connections_are_in_use(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, BROKEN])
        .with("PLINTH_DATABASE_CONNECTIONS", "1")
        .start();
    thread::scope(|scope| {
        let busy = scope.spawn(|| node.ask_as_admin(&nap(5.0)));
        let napping = || server.sql("postgres", &napping_in(&database)).unwrap();
        eventually(Duration::from_secs(3), napping, |count| count == "1\n");
        let began = Instant::now();
        is_away(&node.ask(&Request::get("/health")));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(4), "{took:?}");
        let live = node.ask(&Request::get("/health/live"));
        assert_eq!(live.status, 200);
        assert_eq!(busy.join().unwrap().json(), json!(1));
    });
    assert_eq!(node.ask(&Request::get("/health")).status, 200);
}

fn napping_in(database: &str) -> String {
    format!(
        "select count(*) from pg_stat_activity where datname = '{database}' and wait_event = 'PgSleep'"
    )
}
