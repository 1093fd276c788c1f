//! `plinth keys rotate` on one file of data, as a person uses it: beside a running server, on a stopped one, in development.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "keys/s3_keys.rs"]
mod s3_keys;

use std::path::Path;
use std::time::{Duration, Instant};

use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::{POLL, run};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;
use serde_json::{Value, json};

/// How long old keys are kept where a test waits for their end: longer than a few requests take.
const KEPT: Duration = Duration::from_secs(5);
/// Longest wait for that.
const ENDED: Duration = Duration::from_secs(20);
const NOTES: &str = "/rest/v1/notes";

/// A key of each kind, as `plinth status` tells them.
struct Keys(Value);

impl Keys {
    fn of(folder: &Path) -> Keys {
        let status = run(folder, &["status", ".", "--json"]);
        status.is(0, &[]);
        Keys(serde_json::from_str(&status.stdout).unwrap())
    }

    fn get(&self, name: &str) -> &str {
        self.0[name].as_str().expect("status names every key")
    }
}

fn folder() -> TempDir {
    let folder = TempDir::new("keys").unwrap();
    let sql = "create table notes (id integer primary key);
               alter table notes enable row level security;
               create policy open on notes for select to anon, authenticated using (true);";
    write_migration(folder.path(), "0001_notes.sql", sql);
    folder
}

fn rotate(folder: &Path, args: &[&str]) -> String {
    let args: Vec<&str> = ["keys", "rotate", "."]
        .iter()
        .chain(args)
        .copied()
        .collect();
    let ended = run(folder, &args);
    ended.is(0, &[]);
    ended.stdout
}

fn with_key(server: &Process, key: &str) -> Answer {
    let request = Request::get(NOTES).header("apikey", key);
    request.send(server.address)
}

fn with_token(server: &Process, token: &str) -> Answer {
    let request = Request::get(NOTES).header("authorization", format!("Bearer {token}"));
    request.send(server.address)
}

fn session(server: &Process, keys: &Keys, target: &str, body: &Value) -> Value {
    let request = Request::post(target, body.to_string());
    let request = request.header("apikey", keys.get("publishable_key"));
    let answer = request.send(server.address);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn sign_up(server: &Process, keys: &Keys) -> Value {
    let account = json!({ "email": "ann@example.com", "password": "nine brown herons" });
    session(server, keys, "/auth/v1/signup", &account)
}

fn refresh(server: &Process, keys: &Keys, session_before: &Value) -> Value {
    let token = json!({ "refresh_token": session_before["refresh_token"] });
    let target = "/auth/v1/token?grant_type=refresh_token";
    session(server, keys, target, &token)
}

fn access_token(session: &Value) -> &str {
    session["access_token"].as_str().expect("a session has one")
}

const NAMES: [&str; 4] = [
    "anon_key",
    "service_role_key",
    "publishable_key",
    "secret_key",
];

#[test]
fn old_keys_count_until_their_end_and_sessions_go_on() {
    let folder = folder();
    let server = Process::start("serve", folder.path());
    let old = Keys::of(folder.path());
    let first = sign_up(&server, &old);
    let began = Instant::now();
    let kept = format!("{}s", KEPT.as_secs());
    let said = rotate(folder.path(), &["--keep-old", &kept]);
    assert!(
        said.contains("all keys are new; the old ones count until 2"),
        "{said}"
    );
    let new = Keys::of(folder.path());
    for name in NAMES {
        assert_ne!(old.get(name), new.get(name));
        for keys in [&old, &new] {
            assert!(!said.contains(keys.get(name)), "{name}");
            let answer = with_key(&server, keys.get(name));
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
    }
    assert_ne!(old.get("jwt_secret"), new.get("jwt_secret"));
    assert_eq!(with_token(&server, access_token(&first)).status, 200);
    let second = refresh(&server, &new, &first);

    while with_token(&server, access_token(&first)).status == 200 {
        assert!(began.elapsed() < ENDED, "it does not end");
        std::thread::sleep(POLL);
    }
    // Ends are whole seconds.
    assert!(began.elapsed() + Duration::from_secs(1) >= KEPT);
    let over = with_token(&server, access_token(&first));
    assert_eq!(over.json()["code"], "PGRST301", "{}", over.text());
    for name in NAMES {
        assert_eq!(with_key(&server, old.get(name)).status, 401, "{name}");
        assert_eq!(with_key(&server, new.get(name)).status, 200, "{name}");
    }
    assert_eq!(with_token(&server, access_token(&second)).status, 200);

    server.kill();
    let server = Process::start("serve", folder.path());
    assert_eq!(with_token(&server, access_token(&first)).status, 401);
    assert_eq!(with_token(&server, access_token(&second)).status, 200);
    refresh(&server, &new, &second);
}

#[test]
fn keys_are_replaced_while_the_server_is_stopped() {
    let folder = folder();
    let server = Process::start("serve", folder.path());
    let old = Keys::of(folder.path());
    let first = sign_up(&server, &old);
    server.kill();
    let report: Value = serde_json::from_str(&rotate(folder.path(), &["--json"])).unwrap();
    assert_eq!(report["rotated"], "all");
    assert!(report["old_until"].is_string(), "{report}");
    let server = Process::start("serve", folder.path());
    assert_eq!(with_token(&server, access_token(&first)).status, 200);
    assert_eq!(with_key(&server, old.get("secret_key")).status, 200);
    server.kill();

    // Later on there is no time to lose.
    let report = rotate(folder.path(), &["--keep-old", "0", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["old_until"].is_null(), "{report}");
    let server = Process::start("serve", folder.path());
    assert_eq!(with_token(&server, access_token(&first)).status, 401);
    for name in NAMES {
        assert_eq!(with_key(&server, old.get(name)).status, 401, "{name}");
    }
    refresh(&server, &Keys::of(folder.path()), &first);
}

#[test]
fn what_is_not_named_stays() {
    let folder = folder();
    let server = Process::start("serve", folder.path());
    let first = Keys::of(folder.path());
    rotate(folder.path(), &["--what", "api", "--keep-old", "0"]);
    let second = Keys::of(folder.path());
    rotate(folder.path(), &["--what", "signing", "--keep-old", "0"]);
    let third = Keys::of(folder.path());
    for name in ["anon_key", "service_role_key", "jwt_secret"] {
        assert_eq!(first.get(name), second.get(name), "{name}");
        assert_ne!(second.get(name), third.get(name), "{name}");
    }
    for name in ["publishable_key", "secret_key"] {
        assert_ne!(first.get(name), second.get(name), "{name}");
        assert_eq!(second.get(name), third.get(name), "{name}");
        assert_eq!(with_key(&server, first.get(name)).status, 401, "{name}");
    }
    for name in NAMES {
        assert_eq!(with_key(&server, third.get(name)).status, 200, "{name}");
    }
    assert_eq!(with_key(&server, second.get("anon_key")).status, 401);
}

/// The address of a file that nobody but its holder may read.
fn signed_url(server: &Process, keys: &Keys) -> String {
    let make = |target: &str, body: &str| {
        let request = Request::post(target, body).header("apikey", keys.get("secret_key"));
        let answer = request.send(server.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    make("/storage/v1/bucket", r#"{"name": "letters"}"#);
    make("/storage/v1/object/letters/a.txt", "hello");
    let target = "/storage/v1/object/sign/letters/a.txt";
    let signed = make(target, r#"{"expiresIn": 3600}"#);
    let address = signed["signedURL"].as_str().expect("it is signed");
    format!("/storage/v1{address}")
}

#[test]
fn signed_urls_of_files_end_with_the_secret() {
    let folder = folder();
    let server = Process::start("serve", folder.path());
    let url = signed_url(&server, &Keys::of(folder.path()));
    let opens = || Request::get(&url).send(server.address).status;
    assert_eq!(opens(), 200);
    rotate(folder.path(), &["--what", "api", "--keep-old", "0"]);
    assert_eq!(opens(), 200);
    rotate(folder.path(), &["--what", "signing", "--keep-old", "1h"]);
    assert_eq!(opens(), 200);
    rotate(folder.path(), &["--what", "signing", "--keep-old", "0"]);
    assert_eq!(opens(), 400);
}

#[test]
fn the_keys_of_development_are_not_replaced() {
    let folder = folder();
    let server = Process::start("dev", folder.path());
    let keys = Keys::of(folder.path());
    run(folder.path(), &["keys", "rotate", "."]).is(1, &["`plinth dev`"]);
    for name in NAMES {
        assert_eq!(with_key(&server, keys.get(name)).status, 200, "{name}");
    }
}
