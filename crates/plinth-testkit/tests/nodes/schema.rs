//! Changes of the schema, seen from a node that did not make them.

use std::thread;

use plinth_testkit::http::Request;
use plinth_testkit::server::write_migration;
use serde_json::json;

use crate::Servers;
use crate::node::{Application, NOTES, NOTICED, Node, eventually, is_error};

/// Connections of a node that have met a statement, and requests that find all of them.
const CONNECTIONS: usize = 8;
const REQUESTS: usize = 40;

/// Nodes on a fresh database, and its name.
fn nodes(servers: &Servers, count: usize) -> (Vec<Node>, String) {
    let database = servers.shared.database().unwrap();
    let url = servers.shared.url(&database);
    let node = |_| Application::new(&url, &[NOTES]).start();
    ((0..count).map(node).collect(), database)
}

fn open_table(name: &str) -> String {
    format!(
        "create table {name} (id integer primary key);
         alter table {name} enable row level security;
         create policy everyone on {name} for all to anon using (true) with check (true);
         insert into {name} values (7);"
    )
}

/// Waits until an anonymous caller reads what [`open_table`] made.
fn is_served(node: &Node, name: &str) {
    let target = format!("/rest/v1/{name}");
    let look = || {
        let answer = node.ask(&Request::get(&target));
        (answer.status, answer.json())
    };
    eventually(NOTICED, look, |(_, rows)| *rows == json!([{ "id": 7 }]));
}

pub(crate) fn a_policy_counts_at_the_next_request_of_every_node(servers: &Servers) {
    let (nodes, _) = nodes(servers, 2);
    let target = "/rest/v1/notes?select=id&order=id";
    assert_eq!(nodes[1].read(target), json!([{ "id": 1 }]));
    for round in 0..5 {
        let (limit, seen) = match round % 2 {
            0 => (30, json!([{ "id": 1 }, { "id": 20 }])),
            _ => (10, json!([{ "id": 1 }])),
        };
        nodes[0].sql(&format!("alter policy open on notes using (id < {limit})"));
        assert_eq!(nodes[1].read(target), seen, "round {round}");
    }
    nodes[0].sql("revoke select on notes from anon");
    is_error(&nodes[1].ask(&Request::get(target)), 401, "42501");
    nodes[0].sql("grant select on notes to anon");
    assert_eq!(nodes[1].read(target), json!([{ "id": 1 }, { "id": 20 }]));
}

pub(crate) fn a_table_made_through_one_node_is_served_by_the_other(servers: &Servers) {
    let (nodes, _) = nodes(servers, 2);
    nodes[0].sql(&open_table("made_here"));
    assert_eq!(nodes[0].read("/rest/v1/made_here"), json!([{ "id": 7 }]));
    is_served(&nodes[1], "made_here");
    nodes[0].sql("alter table made_here add column note text default 'new'");
    let read = || {
        nodes[1]
            .ask(&Request::get("/rest/v1/made_here?note=eq.new"))
            .status
    };
    eventually(NOTICED, read, |status| *status == 200);
}

/// What a connection has prepared is given up then, in the transaction of a read that wants one snapshot for two statements.
pub(crate) fn a_list_with_its_total_is_read_after_a_change(servers: &Servers) {
    let (nodes, _) = nodes(servers, 1);
    nodes[0].sql(&open_table("counted"));
    let list = Request::get("/rest/v1/counted").header("prefer", "count=exact");
    for change in ["add column more integer", "drop column more"] {
        // Every connection that has been used has prepared something.
        for _ in 0..REQUESTS {
            assert_eq!(nodes[0].ask(&list).status, 200);
        }
        nodes[0].sql(&format!("alter table counted {change}"));
        let answer = nodes[0].ask(&list);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let head = answer.head.to_lowercase();
        assert!(head.contains("content-range: 0-0/1"), "{head}");
    }
}

pub(crate) fn a_table_made_with_psql_is_served(servers: &Servers) {
    let (nodes, database) = nodes(servers, 2);
    let made = open_table("made_there");
    servers.shared.sql(&database, &made).unwrap();
    for node in &nodes {
        is_served(node, "made_there");
        assert_eq!(
            node.read_as_admin("/rest/v1/made_there"),
            json!([{ "id": 7 }])
        );
    }
    // The rule for open tables is the same, whoever made them.
    let closed = "create table closed_there (id integer primary key)";
    servers.shared.sql(&database, closed).unwrap();
    let read = || {
        nodes[1]
            .ask_as_admin(&Request::get("/rest/v1/closed_there"))
            .status
    };
    eventually(NOTICED, read, |status| *status == 200);
    is_error(
        &nodes[1].ask(&Request::get("/rest/v1/closed_there")),
        401,
        "42501",
    );
}

pub(crate) fn a_table_that_is_gone_is_not_found(servers: &Servers) {
    let (nodes, database) = nodes(servers, 2);
    nodes[0].sql(&open_table("soon_gone"));
    is_served(&nodes[1], "soon_gone");
    servers
        .shared
        .sql(&database, "drop table soon_gone")
        .unwrap();
    for node in &nodes {
        let look = || {
            let answer = node.ask(&Request::get("/rest/v1/soon_gone"));
            (answer.status, answer.json()["code"].clone())
        };
        let (status, code) = look();
        assert_eq!(status, 404, "at once: {code}");
        eventually(NOTICED, look, |(_, code)| code == "PGRST205");
    }
}

/// Statements that were made ready on a connection know the types that columns had then.
pub(crate) fn a_column_may_change_its_type(servers: &Servers) {
    let (nodes, database) = nodes(servers, 1);
    let node = &nodes[0];
    node.sql(
        "create function nap() returns void language sql volatile as 'select pg_sleep(0.3)';
         create table coded (code integer);
         alter table coded enable row level security;
         create policy everyone on coded for select to anon using (true);
         insert into coded values (5);",
    );
    let target = "/rest/v1/coded?code=eq.5";
    let all_at_once = |request: &Request, count: usize| {
        thread::scope(|scope| {
            let asked: Vec<_> = (0..count)
                .map(|_| scope.spawn(move || node.ask(request)))
                .collect();
            asked
                .into_iter()
                .map(|answer| answer.join().unwrap())
                .collect::<Vec<_>>()
        })
    };
    all_at_once(&Request::post("/rest/v1/rpc/nap", "{}"), CONNECTIONS);
    for answer in all_at_once(&Request::get(target), REQUESTS) {
        assert_eq!(answer.json(), json!([{ "code": 5 }]), "{}", answer.text());
    }
    let change = "alter table coded alter column code type text using code::text";
    servers.shared.sql(&database, change).unwrap();
    let changed = json!([{ "code": "5" }]);
    let read = || node.ask(&Request::get(target)).json();
    eventually(NOTICED, read, |rows| *rows == changed);
    for answer in all_at_once(&Request::get(target), REQUESTS) {
        assert_eq!(answer.json(), changed, "{}", answer.text());
    }
}

pub(crate) fn nodes_may_change_the_schema_at_once(servers: &Servers) {
    const EACH: usize = 8;
    let (nodes, _) = nodes(servers, 3);
    thread::scope(|scope| {
        for (number, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                for table in 0..EACH {
                    node.sql(&open_table(&format!("t_{number}_{table}")));
                }
            });
        }
    });
    for number in 0..nodes.len() {
        for table in 0..EACH {
            is_served(&nodes[table % nodes.len()], &format!("t_{number}_{table}"));
        }
    }
}

/// A server has no index for a foreign key unless somebody makes one, as the engine of a file does.
pub(crate) fn a_policy_that_wants_an_index_is_told(servers: &Servers) {
    let url = servers.shared.url(&servers.shared.database().unwrap());
    let tables = "create table letters (
           id bigint generated always as identity primary key,
           owner uuid not null references auth.users (id),
           state text not null
         );
         alter table letters enable row level security;
         create policy own on letters for select to authenticated
           using (owner = (select auth.uid()) and state = 'sent');";
    let application = Application::new(&url, &[("0001_letters.sql", tables)]);
    let warning = "warning: lists of letters read every row, because policy \"own\" compares owner and no index begins with it; \
                   create index on letters (owner)";
    application
        .run(&["migrate", "."])
        .is(0, &[warning, "applied 1 migration"]);
    let index = "create index on letters (owner);";
    write_migration(application.folder(), "0002_index.sql", index);
    let ended = application.run(&["migrate", "."]);
    ended.is(0, &["applied 1 migration"]);
    assert!(!ended.stderr.contains("warning: "), "{ended:?}");
}
