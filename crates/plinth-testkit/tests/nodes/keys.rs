//! Keys that are replaced through one node, and what all the others make of it.

use std::time::{Duration, Instant};

use plinth_testkit::http::Request;
use serde_json::{Value, json};

use crate::Servers;
use crate::node::{Application, NOTES, Node, eventually, good, is_error};

/// How long old keys are kept: longer than a few requests take.
const KEPT: Duration = Duration::from_secs(15);
/// By then they have ended, and are gone from the database.
const ENDED: Duration = Duration::from_secs(30);
const TARGET: &str = "/rest/v1/notes?select=id";

/// Nodes on a fresh database, and the database's name.
fn nodes(servers: &Servers, count: usize) -> (Vec<Node>, String) {
    let database = servers.shared.database().unwrap();
    let url = servers.shared.url(&database);
    let node = |_| Application::new(&url, &[NOTES]).start();
    ((0..count).map(node).collect(), database)
}

fn access_token(session: &Value) -> String {
    let token = session["access_token"].as_str();
    token.expect("a session has one").to_owned()
}

fn rotate(application: &Application, what: &str, keep: &str) {
    let args = [
        "keys",
        "rotate",
        ".",
        "--what",
        what,
        "--keep-old",
        keep,
        "--json",
    ];
    application.run(&args).is(0, &["\"rotated\""]);
}

/// With a key alone.
fn with_key(key: &str) -> Request {
    Request::get(TARGET).header("apikey", key)
}

/// Fails unless a node takes no token of this secret any more.
fn is_over(node: &Node, token: &str) {
    is_error(&node.ask_as(token, &Request::get(TARGET)), 401, "PGRST301");
}

pub(crate) fn a_rotation_counts_at_every_node_and_old_keys_until_their_end(servers: &Servers) {
    let (mut nodes, database) = nodes(servers, 3);
    let session = nodes[0].sign_up("ann@example.com");
    let old = access_token(&session);
    let before = nodes[0].keys.clone();
    let began = Instant::now();
    rotate(
        &nodes[0].application,
        "all",
        &format!("{}s", KEPT.as_secs()),
    );

    // What clients have goes on.
    for node in &nodes {
        node.read_as(&old, TARGET);
        assert_eq!(node.read(TARGET), json!([{ "id": 1 }]));
        node.read_as_admin(TARGET);
        good("an old key", &node.send(&with_key(node.key("SECRET_KEY"))));
    }
    let session = good("a refresh", &nodes[1].refresh(&session["refresh_token"]));
    let new = access_token(&session);
    for node in &mut nodes {
        node.keys = node.application.keys();
    }
    for node in &nodes {
        assert_eq!(node.keys, nodes[0].keys, "all nodes have the same keys");
        for (new, old) in node.keys.lines().zip(before.lines()) {
            assert_ne!(new, old);
        }
        node.read_as(&new, TARGET);
        node.read_as_admin(TARGET);
        good("a new key", &node.send(&with_key(node.key("SECRET_KEY"))));
    }
    // One that starts knows both.
    let url = servers.shared.url(&database);
    nodes.push(Application::new(&url, &[NOTES]).start());
    nodes[3].read_as(&old, TARGET);
    nodes[3].read_as(&new, TARGET);

    for node in &nodes {
        let ask = || node.ask_as(&old, &Request::get(TARGET)).status;
        eventually(ENDED, ask, |status| *status == 401);
        assert!(began.elapsed() >= KEPT, "it ended before its time");
        is_over(node, &old);
        let line = before.lines().find(|line| line.starts_with("SECRET_KEY"));
        let (_, key) = line.and_then(|line| line.split_once('=')).unwrap();
        let answer = node.send(&with_key(key.trim_matches('"')));
        assert_eq!(answer.status, 401, "{}", answer.text());
        node.read_as(&new, TARGET);
    }
    let stays = good("a refresh", &nodes[2].refresh(&session["refresh_token"]));
    nodes[3].read_as(&access_token(&stays), TARGET);

    let count = || {
        let counted = servers
            .shared
            .sql(&database, "select count(*) from plinth.keys");
        counted.unwrap()
    };
    eventually(ENDED, count, |rows| rows == "6\n");
    for node in &nodes {
        let log = node.log();
        for line in before.lines().chain(node.keys.lines()) {
            let (_, key) = line.split_once('=').unwrap();
            assert!(!log.contains(key.trim_matches('"')), "{log}");
        }
    }
}

pub(crate) fn old_keys_that_are_not_kept_end_at_every_node(servers: &Servers) {
    let (nodes, _) = nodes(servers, 3);
    let session = nodes[0].sign_up("bob@example.com");
    let token = access_token(&session);
    rotate(&nodes[0].application, "api", "0");
    for node in &nodes {
        for name in ["PUBLISHABLE_KEY", "SECRET_KEY"] {
            let answer = node.send(&with_key(node.key(name)));
            assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        }
        // Tokens are the secret's, which is the same.
        node.read_as(&token, TARGET);
        node.read_as_admin(TARGET);
    }
    rotate(&nodes[1].application, "signing", "0");
    for node in &nodes {
        is_over(node, &token);
        is_error(&node.send(&with_key(node.key("ANON_KEY"))), 401, "PGRST301");
    }
}

/// The command opens the database itself, and other nodes serve.
pub(crate) fn a_rotation_without_a_node_reaches_all_nodes(servers: &Servers) {
    let (mut nodes, database) = nodes(servers, 2);
    let session = nodes[0].sign_up("eve@example.com");
    let token = access_token(&session);
    let url = servers.shared.url(&database);
    rotate(&Application::new(&url, &[NOTES]), "signing", "0");
    for node in &nodes {
        is_over(node, &token);
    }
    for node in &mut nodes {
        node.keys = node.application.keys();
    }
    assert_eq!(nodes[0].keys, nodes[1].keys);
    let session = good("a refresh", &nodes[1].refresh(&session["refresh_token"]));
    nodes[0].read_as(&access_token(&session), TARGET);
}
