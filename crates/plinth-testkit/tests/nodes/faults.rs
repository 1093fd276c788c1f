//! What a server does when it is at its worst: it hangs, it is a standby, it waits for one, it is too old.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use plinth_testkit::http::{Answer, Request};
use plinth_testkit::postgres::guarded::Guarded;

use crate::Servers;
use crate::node::{Application, NOTES, Node, credentials, eventually, is_away};

/// A statement's time, what the server is given beyond it, and what a busy machine takes.
const BOUND: Duration = Duration::from_secs(13);
const SOON: Duration = Duration::from_secs(10);

/// Sleeps on when it is told to end, once.
const STUBBORN: (&str, &str) = (
    "0002_stubborn.sql",
    "create function stubborn() returns integer language plpgsql as $$
       begin
         perform pg_sleep(20);
         return 1;
       exception when query_canceled then
         perform pg_sleep(8);
         return 2;
       end $$;",
);

/// Each request that was given up leaves a connection at work on the server. There are never more of them than the pool may have.
pub(crate) fn connections_that_were_given_up_count(servers: &Servers) {
    const CONNECTIONS: usize = 2;
    let server = servers.untouched();
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES, STUBBORN])
        .with("PLINTH_DATABASE_CONNECTIONS", CONNECTIONS.to_string())
        .with("PLINTH_LIMITS_ANONYMOUS_STATEMENT_TIMEOUT_MS", "300")
        .with("PLINTH_LIMITS_CONNECTION_WAIT_MS", "300")
        .start();
    let open = format!(
        "select count(*) from pg_stat_activity where usename = 'plinth_authenticator_{database}'"
    );
    let open = || {
        server
            .sql("postgres", &open)
            .unwrap()
            .trim()
            .parse::<usize>()
            .unwrap()
    };
    let stubborn = Request::post("/rest/v1/rpc/stubborn", "{}");
    for _ in 0..3 {
        thread::scope(|scope| {
            for _ in 0..=CONNECTIONS {
                scope.spawn(|| is_away(&node.ask(&stubborn)));
            }
        });
        assert!(open() <= CONNECTIONS, "{}", open());
    }
    let read = || node.ask(&Request::get("/rest/v1/notes?select=id")).status;
    eventually(SOON, read, |status| *status == 200);
    assert!(open() <= CONNECTIONS);
}

fn is_bounded(ask: impl Fn() -> Answer) {
    let began = Instant::now();
    is_away(&ask());
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}

/// All its processes stand still: connections stay, and nobody answers.
pub(crate) fn a_server_that_freezes_is_503_until_it_thaws(servers: &Servers) {
    let server = servers.untouched();
    let node = Application::new(&server.url(&server.database().unwrap()), &[NOTES]).start();
    node.sign_up("cold@example.com");
    let sign_in = credentials("/auth/v1/token?grant_type=password", "cold@example.com");
    let insert = Request::post("/rest/v1/notes", r#"{"body": "cold"}"#);
    let read = Request::get("/rest/v1/notes?select=id");
    assert_eq!(node.ask(&read).status, 200);
    server.freeze().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| is_bounded(|| node.ask(&sign_in)));
        scope.spawn(|| is_bounded(|| node.ask_as_admin(&insert)));
        scope.spawn(|| is_bounded(|| node.ask(&credentials("/auth/v1/signup", "new@example.com"))));
    });
    server.thaw().unwrap();
    let look = || (node.ask(&read).status, node.ask(&sign_in).status);
    eventually(SOON, look, |seen| *seen == (200, 200));
}

/// One line when the database goes, one when it is back, whoever asked how often.
pub(crate) fn an_outage_is_a_few_lines_of_the_log(servers: &Servers) {
    let server = servers.untouched();
    let node = Application::new(&server.url(&server.database().unwrap()), &[NOTES]).start();
    let read = Request::get("/rest/v1/notes?select=id");
    node.ask(&read);
    server.stop().unwrap();
    let began = Instant::now();
    for number in 0..30 {
        is_away(&node.ask(&read));
        is_away(&node.ask(&credentials(
            "/auth/v1/signup",
            &format!("{number}@example.com"),
        )));
        is_away(&node.ask_as_admin(&Request::get("/storage/v1/bucket")));
    }
    let lines = |level: &str| {
        let log = node.log();
        log.lines().filter(|line| line.contains(level)).count() as u64
    };
    // The count of those refused comes every ten seconds.
    let most = 1 + began.elapsed().as_secs() / 10;
    assert!((1..=most).contains(&lines("ERROR")), "{}", node.log());
    assert!(
        node.log().contains("the database is away"),
        "{}",
        node.log()
    );
    server.restart().unwrap();
    let back = || {
        node.ask(&read);
        node.log()
    };
    eventually(SOON, back, |log| log.contains("the database is back"));
    assert!(lines("ERROR") <= most + 1, "{}", node.log());
}

/// Starts as a standby of nobody until it is promoted.
fn as_standby(server: &Guarded) {
    server.stop().unwrap();
    std::fs::write(server.data().join("standby.signal"), "").unwrap();
    plinth_private_postgres::give_away(&server.data()).unwrap();
    server.restart().unwrap();
}

pub(crate) fn a_node_that_starts_in_a_failover_waits_for_the_primary(servers: &Servers) {
    let server = servers.untouched();
    let database = server.database().unwrap();
    as_standby(&server);
    // The old primary is gone, the standby does not know it yet.
    let address = format!("127.0.0.1:{}", server.port());
    let url = server
        .url(&database)
        .replace(&address, &format!("127.0.0.1:1,{address}"));
    let beginning = Application::new(&url, &[NOTES]).begin();
    let log = || beginning.log();
    let told = |log: &String| {
        log.contains("waiting for a primary")
            && log.contains("127.0.0.1:1: ")
            && log.contains(&format!("{address} takes no writes"))
    };
    eventually(SOON, log, told);
    server.sql("postgres", "select pg_promote()").unwrap();
    beginning.ready().read("/rest/v1/notes");
}

pub(crate) fn every_host_is_named_with_its_reason(_: &Servers) {
    let url = "postgres://postgres:a-long-word@127.0.0.1:1,no-such-host.invalid/shop";
    Application::new(url, &[]).is_refused(&[
        "127.0.0.1:1: ",
        "refused",
        "no-such-host.invalid:5432: ",
        "`[database] url`",
    ]);
}

/// Waits until somebody waits for a standby, and ends the waiting.
fn end_waiting(server: &Guarded, database: &str) {
    let end = format!(
        "select count(pg_cancel_backend(pid)) from pg_stat_activity where datname = '{database}' and wait_event = 'SyncRep'"
    );
    eventually(
        SOON,
        || server.sql("postgres", &end).unwrap(),
        |ended| ended == "1\n",
    );
}

pub(crate) fn a_script_whose_commit_no_standby_has_says_so(servers: &Servers) {
    let server = servers.untouched();
    let database = server.database().unwrap();
    let node: Node = Application::new(&server.url(&database), &[NOTES]).start();
    server
        .sql(
            "postgres",
            "alter system set synchronous_standby_names = 'nobody'",
        )
        .unwrap();
    server.sql("postgres", "select pg_reload_conf()").unwrap();
    let waits = || {
        server
            .sql("postgres", "show synchronous_standby_names")
            .unwrap()
    };
    eventually(SOON, waits, |names| names == "nobody\n");
    let insert = "insert into notes (id, body) values (7, 'alone'); select 'went ' || 'on'";
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| node.application.run(&["sql", ".", "-c", insert]));
        end_waiting(&server, &database);
        running.join().unwrap()
    });
    ended.is(3, &["has not reached a standby", "went on"]);
}

pub(crate) fn status_tells_the_size_of_the_database(servers: &Servers) {
    let server = &servers.shared;
    let application = Application::new(&server.url(&server.database().unwrap()), &[NOTES]);
    let status = application.run(&["status", ".", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    // An empty database is as large already.
    assert!(
        told["database_bytes"].as_u64().unwrap() > 1_000_000,
        "{status:?}"
    );
}

/// A server that answers every question as one of version 14 would.
pub(crate) fn a_server_that_is_too_old_is_refused(_: &Servers) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drop(be_old(stream)));
        }
    });
    let url = format!("postgres://postgres:a-long-word@{address}/shop");
    Application::new(&url, &[]).is_refused(&[
        "is PostgreSQL 14.9",
        "15 or later",
        "`[database] url`",
    ]);
}

fn be_old(mut stream: TcpStream) -> std::io::Result<()> {
    /// What a client sends before the first message, when it would like TLS.
    const TLS: i32 = 80_877_103;
    let message = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len() + 4).unwrap_or_default();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    };
    loop {
        let start = read_body(&mut stream)?;
        if start.starts_with(&TLS.to_be_bytes()) {
            stream.write_all(b"N")?;
            continue;
        }
        break;
    }
    let ready = message(b'Z', b"I");
    let welcome = [
        message(b'R', &[0; 4]),
        message(b'S', b"server_version\x0014.9\0"),
        ready.clone(),
    ];
    stream.write_all(&welcome.concat())?;
    loop {
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        let body = read_body(&mut stream)?;
        if kind != *b"Q" {
            return Ok(());
        }
        let values: &[&str] = match body.starts_with(b"SHOW") {
            true => &["off"],
            false => &["140009", "14.9", "UTF8", "t", "shop"],
        };
        let count = u16::try_from(values.len())
            .unwrap_or_default()
            .to_be_bytes();
        let (mut columns, mut row) = (count.to_vec(), count.to_vec());
        for value in values {
            // A name, then which table and column it is from, its type (25 is text), size and form.
            columns.extend(b"value\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
            row.extend(u32::try_from(value.len()).unwrap_or_default().to_be_bytes());
            row.extend(value.as_bytes());
        }
        let answer = [
            message(b'T', &columns),
            message(b'D', &row),
            message(b'C', b"SELECT 1\0"),
            ready.clone(),
        ];
        stream.write_all(&answer.concat())?;
    }
}

/// A length, which counts itself, and as many bytes.
fn read_body(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    stream.read_exact(&mut body)?;
    Ok(body)
}
