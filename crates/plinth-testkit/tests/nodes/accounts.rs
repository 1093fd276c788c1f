//! Accounts at several nodes: one behaves as the other would.

use std::thread;

use plinth_testkit::http::{Answer, Request};

use crate::Servers;
use crate::node::{Application, MASTER_KEY, NOTES, Node, credentials, good, is_error};

/// Enough for both orders of two that meet.
const MEETINGS: usize = 50;

/// So many nodes on a fresh database, with this variable in their environment.
fn nodes(servers: &Servers, count: usize, (name, value): (&'static str, &str)) -> Vec<Node> {
    let url = servers.shared.url(&servers.shared.database().unwrap());
    let node = |_| Application::new(&url, &[NOTES]).with(name, value).start();
    (0..count).map(node).collect()
}

/// Asks both nodes at the same moment.
fn at_once(nodes: &[Node], ask: impl Fn(&Node) -> Answer + Sync) -> [Answer; 2] {
    let gate = std::sync::Barrier::new(2);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            gate.wait();
            ask(&nodes[1])
        });
        gate.wait();
        [ask(&nodes[0]), other.join().unwrap()]
    })
}

/// With the key that they have anyway, when there is nothing else to say.
const NOTHING: (&str, &str) = ("PLINTH_MASTER_KEY", MASTER_KEY);

pub(crate) fn a_session_moves_between_nodes(servers: &Servers) {
    let nodes = nodes(servers, 3, NOTHING);
    let first = nodes[0].sign_up("mover@example.com");
    let second = good("a refresh", &nodes[1].refresh(&first["refresh_token"]));
    let token = second["access_token"].as_str().unwrap();
    let user = nodes[2].read_as(token, "/auth/v1/user");
    assert_eq!(user["id"], first["user"]["id"]);
    let out = nodes[2].ask_as(token, &Request::new("POST", "/auth/v1/logout"));
    assert_eq!(out.status, 204, "{}", out.text());
    for node in &nodes {
        is_error(
            &node.refresh(&second["refresh_token"]),
            400,
            "session_not_found",
        );
        let user = node.ask_as(token, &Request::get("/auth/v1/user"));
        is_error(&user, 403, "session_not_found");
    }
}

pub(crate) fn one_refresh_token_at_two_nodes_has_one_successor(servers: &Servers) {
    let nodes = nodes(servers, 2, NOTHING);
    for meeting in 0..MEETINGS {
        let session = nodes[meeting % 2].sign_up(&format!("r{meeting}@example.com"));
        let token = &session["refresh_token"];
        let answers = at_once(&nodes, |node| node.refresh(token));
        let [one, two] = answers.map(|answer| good("a refresh", &answer)["refresh_token"].clone());
        assert_eq!(one, two, "whoever came second gets what the first got");
        assert_ne!(one, *token);
        good("the successor", &nodes[meeting % 2].refresh(&one));
    }
}

pub(crate) fn an_old_refresh_token_ends_the_session_at_all_nodes(servers: &Servers) {
    // Only the parent of the active token is forgiven.
    let nodes = nodes(servers, 2, ("PLINTH_AUTH_REFRESH_REUSE_SECONDS", "0"));
    let first = nodes[0].sign_up("thief@example.com")["refresh_token"].clone();
    let second = good("once", &nodes[0].refresh(&first))["refresh_token"].clone();
    let parent = good("its parent", &nodes[1].refresh(&first));
    assert_eq!(parent["refresh_token"], second);
    let third = good("twice", &nodes[1].refresh(&second))["refresh_token"].clone();
    is_error(&nodes[0].refresh(&first), 400, "refresh_token_already_used");
    for node in &nodes {
        is_error(&node.refresh(&third), 400, "session_not_found");
    }
}

pub(crate) fn one_address_at_two_nodes_is_one_account(servers: &Servers) {
    let nodes = nodes(servers, 2, NOTHING);
    for meeting in 0..MEETINGS / 2 {
        let request = credentials("/auth/v1/signup", &format!("s{meeting}@example.com"));
        let mut answers = at_once(&nodes, |node| node.ask(&request));
        answers.sort_by_key(|answer| answer.status);
        good("one of them", &answers[0]);
        is_error(&answers[1], 422, "user_already_exists");
    }
    let users = nodes[0].read_as_admin("/auth/v1/admin/users?per_page=1000");
    assert_eq!(users["users"].as_array().map(Vec::len), Some(MEETINGS / 2));
}
