//! Nodes that start: the database is prepared once, by one of them, and all agree on its keys.

use std::thread;

use plinth_testkit::http::Request;
use plinth_testkit::server::write_migration;

use crate::Servers;
use crate::node::{Application, Beginning, MASTER_KEY, NOTES, Node, good};

const NODES: usize = 10;

/// Files that must run once, and take long enough for every node to come by meanwhile. One has no transaction around it
/// that could undo what a second run did.
const SLOW: [(&str, &str); 3] = [
    NOTES,
    (
        "0002_runs.sql",
        "create table runs (file text not null);
         insert into runs values ('0002');
         select pg_sleep(0.5);",
    ),
    (
        "0003_more_runs.sql",
        "-- plinth: no-transaction
         select pg_sleep(0.3);
         insert into runs values ('0003');",
    ),
];
const COUNT_RUNS: &str = "select file, count(*) from runs group by file order by file";

pub(crate) fn ten_nodes_that_start_together_migrate_once(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let applications: Vec<_> = (0..NODES)
        .map(|_| Application::new(&server.url(&database), &SLOW))
        .collect();
    let beginning: Vec<_> = applications.into_iter().map(Application::begin).collect();
    let nodes: Vec<Node> = beginning.into_iter().map(Beginning::ready).collect();

    let runs = server.sql(&database, COUNT_RUNS).unwrap();
    assert_eq!(runs, "0002|1\n0003|1\n");
    for node in &nodes {
        assert_eq!(node.keys, nodes[0].keys, "all nodes have the same keys");
    }
    let session = nodes[0].sign_up("ten@example.com");
    let token = session["access_token"].as_str().unwrap();
    for node in &nodes {
        let user = node.read_as(token, "/auth/v1/user");
        assert_eq!(user["email"], "ten@example.com");
        let note = Request::post("/rest/v1/notes", r#"{"body": "mine"}"#);
        good("a note", &node.ask_as(token, &note));
    }
    let written = nodes[0].read_as(token, "/rest/v1/notes?select=body");
    assert_eq!(written.as_array().map(Vec::len), Some(NODES));
}

pub(crate) fn migrate_at_several_nodes_at_once_runs_once(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let nodes: Vec<Node> = (0..3)
        .map(|_| Application::new(&server.url(&database), &SLOW[..1]).start())
        .collect();
    for node in &nodes {
        for (name, sql) in &SLOW[1..] {
            write_migration(node.application.folder(), name, sql);
        }
    }
    thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || node.application.run(&["migrate", "."]).is(0, &[]));
        }
    });
    let runs = server.sql(&database, COUNT_RUNS).unwrap();
    assert_eq!(runs, "0002|1\n0003|1\n");
}

/// Roles belong to a whole server: what requests connect as is an application's own, or one would change it under another.
pub(crate) fn applications_on_one_server_do_not_meet(servers: &Servers) {
    let server = &servers.shared;
    let nodes: Vec<(String, Node)> = (1..=4)
        .map(|number| {
            let database = server.database().unwrap();
            let application = Application::new(&server.url(&database), &[NOTES])
                .with("PLINTH_MASTER_KEY", format!("{number:064x}"));
            (database, application.start())
        })
        .collect();
    for (database, node) in &nodes {
        // As after any break, new connections are needed.
        let part = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'"
        );
        server.sql("postgres", &part).unwrap();
        let found = node.read("/rest/v1/notes?select=body");
        assert_eq!(found, serde_json::json!([{ "body": "open" }]));
        let elsewhere = nodes.iter().filter(|(other, _)| other != database);
        for (_, other) in elsewhere {
            assert_ne!(node.keys, other.keys);
        }
    }
}

pub(crate) fn applications_may_first_start_together(servers: &Servers) {
    let server = servers.untouched();
    let applications: Vec<_> = (0..4)
        .map(|_| Application::new(&server.url(&server.database().unwrap()), &[NOTES]))
        .collect();
    let beginning: Vec<_> = applications.into_iter().map(Application::begin).collect();
    for one in beginning {
        one.ready().read("/rest/v1/notes");
    }
}

pub(crate) fn a_node_with_another_master_key_is_refused(servers: &Servers) {
    let server = &servers.shared;
    let database = server.database().unwrap();
    let url = server.url(&database);
    let node = Application::new(&url, &[NOTES]).start();
    let keys = node.keys.clone();
    let with_key = |key: &str| Application::new(&url, &[NOTES]).with("PLINTH_MASTER_KEY", key);
    with_key(&"22".repeat(32)).is_refused(&["the master key does not open", "PLINTH_MASTER_KEY"]);
    with_key("nonsense").is_refused(&["PLINTH_MASTER_KEY must be 32 bytes"]);
    let keyless = with_key("").without("PLINTH_MASTER_KEY");
    let ended = keyless.is_refused(&[
        "no master key",
        "PLINTH_MASTER_KEY",
        "delete from plinth.keys",
    ]);
    assert!(!ended.stderr.contains("plinth restore"), "{ended:?}");
    let made = keyless.folder().join("data/master.key");
    assert!(!made.exists(), "a fresh key would open nothing");
    // The right one in a file does.
    std::fs::write(&made, MASTER_KEY).unwrap();
    let keyless = keyless.start();
    assert_eq!(keyless.keys, node.keys);
    node.read("/rest/v1/notes");
    drop(node);
    // With what the message says, there is a way on without it.
    let application = keyless.kill();
    std::fs::remove_file(&made).unwrap();
    server.sql(&database, "delete from plinth.keys").unwrap();
    let anew = application.start();
    assert_ne!(anew.keys, keys);
    anew.read("/rest/v1/notes");
}
