//! Users of the URL that are no superusers.

use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use serde_json::json;

use crate::Servers;
use crate::node::{Application, NOTES, good, is_away, is_error};

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

/// Who may connect to a database can be narrowed to those who are named.
pub(crate) fn a_missing_right_to_connect_is_named(servers: &Servers) {
    const LOGIN: &str = "plinth_authenticator_shut";
    let server = servers.untouched();
    make_user(&server, "owner", "createrole");
    make_user(&server, "stranger", "createrole");
    make_database(&server, "shut", "owner");
    let on_server = |sql: &str| server.sql("postgres", sql).unwrap();
    on_server("revoke connect on database shut from public");
    Application::new(&server.url_as("stranger", PASSWORD, "shut"), &[]).is_refused(&[
        "`stranger`",
        "`grant connect on database shut to stranger`",
        "`[database] url`",
    ]);

    // Whoever owns it lets the login in.
    let node = Application::new(&server.url_as("owner", PASSWORD, "shut"), &[NOTES]).start();
    let target = "/rest/v1/notes?select=id";
    assert_eq!(node.read(target), json!([{ "id": 1 }]));

    // What is taken back while the node serves is waited for.
    on_server(&format!("revoke connect on database shut from {LOGIN}"));
    on_server(&format!(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = '{LOGIN}'"
    ));
    is_away(&node.ask(&Request::get(target)));
    is_away(&node.ask_as_admin(&Request::get("/storage/v1/bucket")));
    let grant = format!("`grant connect on database shut to {LOGIN}`");
    let log = node.log();
    assert!(
        log.contains("the database is away") && log.contains(&grant),
        "{log}"
    );
    assert!(!log.contains("for a reason of ours"), "{log}");
    on_server(&format!("grant connect on database shut to {LOGIN}"));
    assert_eq!(node.read(target), json!([{ "id": 1 }]));
}

/// From 16 on `createrole` gives no right to roles that another user has made. To a superuser it gives none in any version.
pub(crate) fn roles_that_another_user_made_are_named_with_the_grant(servers: &Servers) {
    let server = servers.untouched();
    let made = "create role authenticator login noinherit superuser";
    server.sql("postgres", made).unwrap();
    make_user(&server, "newcomer", "createrole");
    make_database(&server, "two", "newcomer");
    Application::new(&server.url_as("newcomer", PASSWORD, "two"), &[]).is_refused(&[
        "`newcomer` may not grant `authenticator`",
        "`grant authenticator, anon, authenticated, service_role to newcomer with admin option`",
        "`[database] url`",
    ]);
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
