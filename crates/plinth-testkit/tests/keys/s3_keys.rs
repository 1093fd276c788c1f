//! `plinth s3-keys` as a person uses it: a key is made, shown once, listed, used and ended, beside a server and without one.

use std::fs;
use std::path::Path;

use plinth_db::Clock;
use plinth_testkit::http::{Answer, Request};
use plinth_testkit::process::{Ended, run};
use plinth_testkit::s3::{self, Access};
use plinth_testkit::server::{Process, write_migration};
use plinth_testkit::temp::TempDir;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The buckets of a server, by its S3 protocol.
const BUCKETS: &str = "/storage/v1/s3";

fn folder() -> TempDir {
    let folder = TempDir::new("s3-keys").unwrap();
    let sql =
        "insert into storage.buckets (id, name) values ('photos', 'photos'), ('plans', 'plans');";
    write_migration(folder.path(), "0001_buckets.sql", sql);
    folder
}

fn keys(folder: &Path, act: &str, args: &[&str]) -> Ended {
    run(folder, &[&["s3-keys", act, "."][..], args].concat())
}

/// A key with its secret, which is told this once.
fn created(folder: &Path) -> Value {
    let args = ["--name", "backup", "--bucket", "photos", "--json"];
    let ended = keys(folder, "create", &args);
    ended.is(0, &[]);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn text<'a>(key: &'a Value, part: &str) -> &'a str {
    key[part].as_str().expect("a key has it")
}

/// The only key of the list, as it is shown for programs.
fn listed(folder: &Path) -> Value {
    let ended = keys(folder, "list", &["--json"]);
    ended.is(0, &[]);
    let list: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(list["keys"].as_array().map(Vec::len), Some(1), "{list}");
    list["keys"][0].clone()
}

/// Fails unless the key is in the list for people, in this state and without its secret.
fn is_listed(folder: &Path, key: &Value, state: &str) {
    let ended = keys(folder, "list", &[]);
    ended.is(0, &[text(key, "access_key_id"), "backup", "photos", state]);
    assert!(!ended.stdout.contains(text(key, "secret_access_key")));
}

/// Fails when the secret can be read anywhere in the data; the key's name can.
fn is_sealed(folder: &Path, key: &Value) {
    let holds = |bytes: &[u8], text: &str| {
        let text = text.as_bytes();
        bytes.windows(text.len()).any(|window| window == text)
    };
    let mut named = false;
    let mut folders = vec![folder.join("data")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                named |= holds(&bytes, text(key, "access_key_id"));
                let told = holds(&bytes, text(key, "secret_access_key"));
                assert!(!told, "the secret is in {}", path.display());
            }
        }
    }
    assert!(named, "this is not where keys are kept");
}

/// The list of buckets, asked for as clients of S3 do: with a signature by the key's secret.
fn buckets(server: &Process, key: &Value) -> Answer {
    let now = Clock::system().now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let nothing = hex::encode(Sha256::digest(b""));
    let headers = [
        ("host", "127.0.0.1"),
        ("x-amz-content-sha256", nothing.as_str()),
        ("x-amz-date", now.as_str()),
    ];
    let access = Access {
        id: text(key, "access_key_id"),
        secret: text(key, "secret_access_key"),
        region: "us-east-1",
    };
    let signed = s3::authorization(&access, "GET", BUCKETS, "", &headers);
    Request::get(BUCKETS)
        .header("x-amz-date", now)
        .header("x-amz-content-sha256", nothing)
        .header("authorization", signed)
        .send(server.address)
}

/// Fails unless the key opens its bucket and no other.
fn opens(server: &Process, key: &Value) {
    let answer = buckets(server, key);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 200, "{body}");
    assert!(body.contains("<Name>photos</Name>"), "{body}");
    assert!(!body.contains("plans"), "{body}");
}

fn opens_nothing(server: &Process, key: &Value, code: &str) {
    let answer = buckets(server, key);
    assert_eq!(answer.status, 403, "{}", answer.text());
    let code = format!("<Code>{code}</Code>");
    assert!(answer.text().contains(&code), "{}", answer.text());
}

#[test]
fn a_key_is_told_once_and_ends_when_it_is_revoked() {
    let folder = folder();
    let server = Process::start("serve", folder.path());
    keys(folder.path(), "list", &[]).is(0, &["there are no access keys"]);
    let key = created(folder.path());
    let mut shown = key.clone();
    shown.as_object_mut().unwrap().remove("secret_access_key");
    assert_eq!(listed(folder.path()), shown);
    is_listed(folder.path(), &key, "never used");
    is_sealed(folder.path(), &key);

    opens(&server, &key);
    let mut wrong = key.clone();
    wrong["secret_access_key"] = json!("x".repeat(40));
    opens_nothing(&server, &wrong, "SignatureDoesNotMatch");

    let id = text(&key, "access_key_id");
    keys(folder.path(), "revoke", &[id]).is(0, &[id, "(backup) is revoked"]);
    opens_nothing(&server, &key, "InvalidAccessKeyId");
    is_listed(folder.path(), &key, "revoked 2");
    assert!(listed(folder.path())["revoked_at"].is_string());
    keys(folder.path(), "revoke", &[id]).is(1, &[id, "has been revoked already"]);
    assert!(!server.log().contains(text(&key, "secret_access_key")));
}

#[test]
fn keys_are_made_and_ended_while_the_server_is_stopped() {
    let folder = folder();
    let key = created(folder.path());
    is_listed(folder.path(), &key, "never used");
    let server = Process::start("serve", folder.path());
    opens(&server, &key);
    server.kill();
    is_sealed(folder.path(), &key);
    let id = text(&key, "access_key_id");
    keys(folder.path(), "revoke", &[id]).is(0, &[id, "(backup) is revoked"]);
    let server = Process::start("serve", folder.path());
    opens_nothing(&server, &key, "InvalidAccessKeyId");
}

#[test]
fn what_no_key_can_be_is_refused() {
    let folder = folder();
    let refused = |act, args: &[&str], said: &str| keys(folder.path(), act, args).is(1, &[said]);
    refused("create", &["--name", ""], "1 to 100 characters");
    refused(
        "create",
        &["--bucket", "a/b"],
        "no bucket can be called \"a/b\"",
    );
    refused("revoke", &["PLNTNONE"], "there is no access key PLNTNONE");
    keys(folder.path(), "list", &[]).is(0, &["there are no access keys"]);
}
