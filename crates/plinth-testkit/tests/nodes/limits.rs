//! How often things may be tried, at several nodes: no more than at one, and a restart forgets nothing.

use std::thread;

use plinth_testkit::http::{Answer, Request};
use serde_json::json;

use crate::Servers;
use crate::node::{Application, Node, credentials, good, is_error};

/// Wrong passwords of an account, or wrong codes for an address, in ten minutes.
const GUESSES: usize = 10;
/// Guesses that are made together.
const CROWD: usize = 40;
/// Letters in an hour.
const LETTERS: [&str; 3] = ["a@example.com", "b@example.com", "c@example.com"];
const SIGN_IN: &str = "/auth/v1/token?grant_type=password";

/// Two nodes on a fresh database, whose mail server is never there.
fn nodes(servers: &Servers) -> [Node; 2] {
    let url = servers.shared.url(&servers.shared.database().unwrap());
    [(); 2].map(|()| {
        Application::new(&url, &[])
            .with("PLINTH_MAIL_SMTP_HOST", "127.0.0.1")
            .with("PLINTH_MAIL_SMTP_PORT", "1")
            .with("PLINTH_MAIL_SMTP_SECURITY", "none")
            .with("PLINTH_MAIL_FROM", "nodes@example.com")
            .with("PLINTH_MAIL_PER_HOUR", LETTERS.len().to_string())
            .with("PLINTH_AUTH_AUTOCONFIRM", "true")
            .start()
    })
}

pub(crate) fn an_account_has_its_guesses_at_all_nodes_together(servers: &Servers) {
    let nodes = nodes(servers);
    nodes[0].sign_up("a@example.com");
    let wrong = json!({ "email": "a@example.com", "password": "nine grey herons" });
    let wrong = Request::post(SIGN_IN, wrong.to_string());
    let right = credentials(SIGN_IN, "a@example.com");
    let is_closed = |node: &Node| is_error(&node.ask(&right), 429, "over_request_rate_limit");
    for guess in 0..GUESSES {
        is_error(&nodes[guess % 2].ask(&wrong), 400, "invalid_credentials");
    }
    for node in &nodes {
        is_closed(node);
    }
    let [first, second] = nodes;
    is_closed(&first.kill().start());
    second.sign_up("b@example.com");
    let other = credentials(SIGN_IN, "b@example.com");
    good("somebody else", &second.ask(&other));
}

pub(crate) fn guesses_at_one_moment_are_counted_one_by_one(servers: &Servers) {
    let nodes = nodes(servers);
    let guess = json!({ "type": "email", "email": "a@example.com", "token": "000000" });
    let guess = Request::post("/auth/v1/verify", guess.to_string());
    let statuses: Vec<u16> = thread::scope(|scope| {
        let asked: Vec<_> = (0..CROWD)
            .map(|number| {
                let (node, guess) = (&nodes[number % 2], &guess);
                scope.spawn(move || node.ask(guess).status)
            })
            .collect();
        asked
            .into_iter()
            .map(|answer| answer.join().unwrap())
            .collect()
    });
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!(
        (count(403), count(429)),
        (GUESSES, CROWD - GUESSES),
        "{statuses:?}"
    );
}

fn ask_for_letter(node: &Node, email: &str) -> Answer {
    let body = json!({ "email": email }).to_string();
    node.ask(&Request::post("/auth/v1/recover", body))
}

/// Fails unless a letter is refused with this said.
fn is_refused(node: &Node, email: &str, said: &str) {
    let answer = ask_for_letter(node, email);
    is_error(&answer, 429, "over_email_send_rate_limit");
    assert!(answer.text().contains(said), "{}", answer.text());
}

pub(crate) fn letters_are_counted_at_all_nodes_together(servers: &Servers) {
    let nodes = nodes(servers);
    for (number, email) in LETTERS.into_iter().enumerate() {
        let (one, other) = (&nodes[number % 2], &nodes[(number + 1) % 2]);
        good(email, &ask_for_letter(one, email));
        is_refused(other, email, "you can only request this after");
    }
    let over = "email rate limit exceeded";
    for node in &nodes {
        is_refused(node, "d@example.com", over);
    }
    let [first, _second] = nodes;
    is_refused(&first.kill().start(), "d@example.com", over);
}
