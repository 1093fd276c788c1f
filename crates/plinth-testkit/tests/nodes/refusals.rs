//! What is wrong before a node can serve: each refusal ends the command with 1, in bounded time, and names what to change.

use std::net::TcpListener;

use plinth_testkit::process::{Ended, run_with};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;

use crate::Servers;
use crate::node::{Application, NOTES};

/// How messages name the setting.
const URL: &str = "`[database] url`";
/// What does not help when something answered there.
const WHERE: &str = "check the host and port";

fn refused(url: &str, said: &[&str]) -> Ended {
    Application::new(url, &[]).is_refused(said)
}

fn leads_astray(ended: &Ended) {
    assert!(!ended.stderr.contains(WHERE), "{ended:?}");
}

pub(crate) fn whoever_is_not_let_in_is_told_why(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    leads_astray(&refused(
        &server.url_as("postgres", "wrong word", &database),
        &["refuses `postgres`", "password authentication failed", URL],
    ));
    leads_astray(&refused(
        &server.url_as("nobody", "some word", &database),
        &["refuses `nobody`", "password authentication failed", URL],
    ));
    let without = format!("postgres://postgres@127.0.0.1:{}/{database}", server.port());
    leads_astray(&refused(&without, &["password", URL]));
    leads_astray(&refused(
        &server.url("nowhere"),
        &["database \"nowhere\" does not exist", "create it", URL],
    ));
}

pub(crate) fn what_cannot_be_reached_is_named(_: &Servers) {
    // Nobody listens on port 1; somebody on this one who never says a word.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = silent.local_addr().unwrap().to_string();
    for (place, said) in [
        ("127.0.0.1:1", "refused"),
        (at.as_str(), "did not answer within 5 s"),
        ("no-such-host.invalid", "no-such-host.invalid:5432"),
    ] {
        let url = format!("postgres://postgres:a-long-word@{place}/shop");
        refused(&url, &[place, said, WHERE, URL]);
    }
}

pub(crate) fn a_url_that_is_none_is_refused(_: &Servers) {
    for url in [
        "nonsense",
        "shop.db",
        "http://127.0.0.1/shop",
        "mysql://me:a-long-word@127.0.0.1/shop",
        "postgres://",
        "postgres:///shop",
        "postgres://me:a-long-word@127.0.0.1:99999/shop",
        "postgres://me:a-long-word@127.0.0.1/shop?nonsense=1",
    ] {
        // The form that it should have.
        refused(url, &[URL, "postgres://user:password@host/database"]);
    }
}

pub(crate) fn tls_that_cannot_be_had_is_refused(servers: &Servers) {
    let url = servers.shared.url(&servers.shared.database().unwrap());
    let with = |parameters: &str| format!("{url}?{parameters}");
    refused(
        &with("sslmode=maybe"),
        &["unknown sslmode `maybe`", "verify-full"],
    );
    for mode in ["require", "verify-ca", "verify-full"] {
        let ended = refused(
            &with(&format!("sslmode={mode}")),
            &["does not support TLS", "sslmode"],
        );
        leads_astray(&ended);
    }
    refused(
        &with("sslmode=verify-full&sslrootcert=/no/such.pem"),
        &["`sslrootcert` /no/such.pem cannot be read"],
    );
    Application::new(&with("sslmode=disable"), &[]).start();
}

pub(crate) fn a_database_of_another_encoding_is_refused(servers: &Servers) {
    let server = &servers.shared;
    let made = "create database latin template template0 encoding 'LATIN1' locale 'C'";
    server.sql("postgres", made).unwrap();
    refused(
        &server.url("latin"),
        &["`latin`", "encoded in LATIN1", "encoding 'UTF8'", URL],
    );
}

pub(crate) fn a_database_that_a_newer_plinth_made_is_refused(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let url = server.url(&database);
    Application::new(&url, &[])
        .run(&["migrate", "."])
        .is(0, &[]);
    let row = |module: &str, version: &str| {
        format!(
            "insert into plinth.migrations (module, version, checksum) values ('{module}', '{version}', 'x')"
        )
    };
    for (change, named, back) in [
        (
            row("base", "0999"),
            "base/0999",
            "delete from plinth.migrations where version = '0999'",
        ),
        (
            row("a_module_to_come", "0001"),
            "a_module_to_come/0001",
            "delete from plinth.migrations where module = 'a_module_to_come'",
        ),
    ] {
        server.sql(&database, &change).unwrap();
        refused(&url, &[named, "newer plinth", "or a later one", URL]);
        server.sql(&database, back).unwrap();
    }
    let change =
        "update plinth.migrations set checksum = 'x' where module = 'auth' and version = '0002'";
    server.sql(&database, change).unwrap();
    refused(&url, &["auth/0002", "a different build", URL]);
}

pub(crate) fn what_only_a_file_has_is_refused_on_a_server(servers: &Servers) {
    let url = servers.shared.url(&servers.shared.database().unwrap());
    let application = Application::new(&url, &[NOTES]);
    let reset = ["dev", ".", "--reset", "--listen", "127.0.0.1:0"];
    application
        .run(&reset)
        .is(1, &["--reset", "drop and create the database"]);
    application.run(&["backup", "."]).is(1, &["pg_dump", URL]);

    // Data in a file, from before, must not pass for the application's.
    let before = Application::new(&url, &[NOTES]).without("PLINTH_DATABASE_URL");
    before.run(&["migrate", "."]).is(0, &[]);
    before.run(&["backup", ".", "before.tar.zst"]).is(0, &[]);
    let after = before.with("PLINTH_DATABASE_URL", &url);
    after
        .run(&["backup", ".", "after.tar.zst"])
        .is(1, &["pg_dump", URL]);
    assert!(!after.folder().join("after.tar.zst").exists());
    // Nor may they be put where nobody looks.
    let restore = ["restore", ".", "before.tar.zst"];
    after.run(&restore).is(1, &["pg_dump", URL]);
}

/// A command beside a running server works where that does, and must not be told to work elsewhere.
pub(crate) fn a_url_of_another_database_than_the_running_server_s_is_refused(servers: &Servers) {
    let server = &servers.shared;
    let (first, second) = (server.database().unwrap(), server.database().unwrap());
    let (url, other) = (server.url(&first), server.url(&second));
    let is_refused = |ended: &Ended, running: &str| {
        ended.is(
            1,
            &[running, &format!("`{second}` at"), "--database-url", URL],
        );
        for secret in ["p@ss", "p%40ss"] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
        }
    };
    let node = Application::new(&url, &[NOTES]).start();
    let on_node = |args: &[&str]| node.application.run(args);
    let running = format!("`{first}` at");
    for command in ["migrate", "status"] {
        is_refused(
            &on_node(&[command, ".", "--database-url", &other]),
            &running,
        );
        on_node(&[command, ".", "--database-url", &url]).is(0, &[]);
        run_with(node.application.folder(), &[command, "."], &[]).is(0, &[]);
    }
    // A file from before is not what the server is on, whatever a backup without the URL finds.
    let unused = node.application.folder().join("data/plinth.db");
    std::fs::write(unused, "").unwrap();
    let backup = ["backup", ".", "unused.tar.zst"];
    let ended = run_with(node.application.folder(), &backup, &[]);
    ended.is(1, &[&running, "pg_dump"]);
    assert!(!node.application.folder().join("unused.tar.zst").exists());

    let folder = TempDir::new("nodes").unwrap();
    write_migration(folder.path(), NOTES.0, NOTES.1);
    let _dev = Process::start("dev", folder.path());
    let with_url = ["migrate", ".", "--database-url", other.as_str()];
    is_refused(&run_with(folder.path(), &with_url, &[]), "its file");
    run_with(folder.path(), &["migrate", "."], &[]).is(0, &[]);
    let schemas = "select count(*) from pg_namespace where nspname = 'plinth'";
    assert_eq!(server.sql(&second, schemas).unwrap(), "0\n");
}

pub(crate) fn a_server_without_room_says_what_to_change(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let limit = format!("alter database {database} connection limit 0");
    server.sql("postgres", &limit).unwrap();
    let user = "create role crowded login createrole password 'a-long-word'";
    server.sql("postgres", user).unwrap();
    let grant = format!("grant create on database {database} to crowded");
    server.sql("postgres", &grant).unwrap();
    let application = Application::new(&server.url_as("crowded", "a-long-word", &database), &[]);
    application.is_refused(&[
        "no connection left",
        "`[database] connections`",
        "max_connections",
    ]);
}
