//! Users of the URL that are no superusers.

use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use serde_json::json;

use crate::Servers;
use crate::node::{Application, NOTES, good, is_error};

const PASSWORD: &str = "a-long-word";

/// A user with these attributes.
fn make_user(server: &Guarded, name: &str, attributes: &str) {
    let make = format!("create role {name} login {attributes} password '{PASSWORD}'");
    server.sql("postgres", &make).unwrap();
}

fn make_database(server: &Guarded, name: &str, owner: &str) {
    let make = format!("create database {name} owner {owner}");
    server.sql("postgres", &make).unwrap();
}

pub(crate) fn missing_privileges_are_named(servers: &Servers) {
    let server = servers.untouched();
    make_user(&server, "plain", "");
    make_user(&server, "maker", "createrole");
    make_database(&server, "theirs", "postgres");
    make_database(&server, "own", "plain");
    let as_user = |user: &str, database: &str| {
        Application::new(&server.url_as(user, PASSWORD, database), &[NOTES])
    };
    let url = "`[database] url`";
    for user in ["plain", "maker"] {
        let grant = format!("`grant create on database theirs to {user}`");
        as_user(user, "theirs").is_refused(&[grant.as_str(), url]);
    }
    // Before anybody has made the roles, and after.
    as_user("plain", "own").is_refused(&["createrole", url]);
    Application::new(&server.url("theirs"), &[NOTES]).start();
    as_user("plain", "own").is_refused(&["`plain`", "createrole", url]);
}

/// Before version 16 only a superuser can give `bypassrls`.
pub(crate) fn the_service_key_passes_policies_without_a_superuser(servers: &Servers) {
    let server = servers.untouched();
    make_user(&server, "owner", "createrole");
    make_database(&server, "shop", "owner");
    let node = Application::new(&server.url_as("owner", PASSWORD, "shop"), &[NOTES]).start();
    let open = json!([{ "id": 1 }]);
    let target = "/rest/v1/notes?select=id&order=id";
    assert_eq!(node.read(target), open);
    assert_eq!(
        node.read_as_admin(target),
        json!([{ "id": 1 }, { "id": 20 }])
    );
    let session = node.sign_up("owner@example.com");
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(node.read_as(token, target), json!([]));
    let written = Request::post("/rest/v1/notes", r#"{"id": 30, "body": "by the service"}"#);
    good("an insert", &node.ask_as_admin(&written));
    is_error(&node.ask(&written), 401, "42501");
    let change = Request::new("PATCH", "/rest/v1/notes?id=eq.20").body(r#"{"body": "changed"}"#);
    good("an update", &node.ask_as_admin(&change));
    let changed = node.read_as_admin("/rest/v1/notes?select=body&id=eq.20");
    assert_eq!(changed, json!([{ "body": "changed" }]));
    // Tables that come later, with no policy at all.
    node.sql(
        "create table later (id integer primary key);
         alter table later enable row level security;
         insert into later values (1);",
    );
    assert_eq!(node.read_as_admin("/rest/v1/later"), open);
    assert_eq!(node.read("/rest/v1/later"), json!([]));
}

pub(crate) fn the_owner_may_have_any_name(servers: &Servers) {
    let server = Guarded::start_with(&servers.bin, "chief", &[]).unwrap();
    let database = server.database().unwrap();
    let node = Application::new(&server.url(&database), &[NOTES]).start();
    node.read("/rest/v1/notes");
    let who = node
        .application
        .run(&["sql", ".", "-c", "select current_user"]);
    who.is(0, &["chief"]);
}
