//! A database that a Supabase stack made: its users, its policies and its files' rows are served, and the stack may go on
//! beside us.

use plinth_testkit::http::Request;
use plinth_testkit::postgres::guarded::Guarded;
use serde_json::{Value, json};

use crate::Servers;
use crate::node::{Application, credentials, good, is_error};
use crate::supabase_schema::{APPLICATION, ROLES, SERVICES, SIGN_IN_OF_THEIRS};

const WORD: &str = "a-long-word";
const OLD: &str = "11111111-1111-1111-1111-111111111111";

/// A server of such a stack, and its database.
fn stack(servers: &Servers) -> (Guarded, String) {
    let server = servers.untouched();
    server.sql("postgres", ROLES).unwrap();
    let database = server.database().unwrap();
    let grant = format!("grant all on database {database} to developer");
    server.sql("postgres", &grant).unwrap();
    for part in [SERVICES, APPLICATION] {
        server
            .sql_as("supabase_admin", WORD, &database, part)
            .unwrap();
    }
    (server, database)
}

/// The application as its superuser attaches it.
fn attached(server: &Guarded, database: &str) -> Application {
    Application::new(&server.url_as("supabase_admin", WORD, database), &[])
        .with("PLINTH_AUTH_ANONYMOUS_SIGN_INS", "true")
        // Letters wait for a mail server that is never there.
        .with("PLINTH_MAIL_SMTP_HOST", "127.0.0.1")
        .with("PLINTH_MAIL_SMTP_PORT", "1")
        .with("PLINTH_MAIL_SMTP_SECURITY", "none")
        .with("PLINTH_MAIL_FROM", "stack@example.com")
        .with("PLINTH_AUTH_AUTOCONFIRM", "true")
}

fn post(target: &str, body: &Value) -> Request {
    Request::post(target, body.to_string())
}

pub(crate) fn a_stack_s_database_is_attached(servers: &Servers) {
    let (server, database) = stack(servers);
    let node = attached(&server, &database).start();

    // Whoever had an account has it still.
    let sign_in = json!({ "email": "old@example.com", "password": "the old password" });
    let sign_in = post("/auth/v1/token?grant_type=password", &sign_in);
    let session = good("an old user", &node.ask(&sign_in));
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(session["user"]["id"], OLD);
    assert_eq!(
        node.read_as(token, "/rest/v1/notes?select=body"),
        json!([{ "body": "mine" }])
    );
    assert_eq!(
        node.read_as(token, "/rest/v1/profiles?select=name"),
        json!([{ "name": "Old" }])
    );
    assert_eq!(node.read("/rest/v1/notes"), json!([]));
    good("a refresh", &node.refresh(&session["refresh_token"]));
    let out = node.ask_as(token, &Request::new("POST", "/auth/v1/logout"));
    assert_eq!(out.status, 204, "{}", out.text());
    // Tokens that their service gave out are not ours to exchange; clients then ask to sign in.
    is_error(
        &node.refresh(&json!("abcdefghijkl")),
        400,
        "refresh_token_not_found",
    );

    // The application's trigger on auth.users runs for ours.
    let new = json!({ "email": "new@example.com", "password": "nine brown herons", "data": { "name": "New" } });
    let session = good("a new user", &node.ask(&post("/auth/v1/signup", &new)));
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(
        node.read_as(token, "/rest/v1/profiles?select=name"),
        json!([{ "name": "New" }])
    );
    good(
        "a note",
        &node.ask_as(token, &post("/rest/v1/notes", &json!({ "body": "new" }))),
    );
    assert_eq!(
        node.read_as(token, "/rest/v1/notes?select=body"),
        json!([{ "body": "new" }])
    );

    // Everything that writes to the tables of auth.
    good("anonymous", &node.ask(&post("/auth/v1/signup", &json!({}))));
    good(
        "recover",
        &node.ask(&post(
            "/auth/v1/recover",
            &json!({ "email": "old@example.com" }),
        )),
    );
    let link = json!({ "email": "new@example.com", "code_challenge": "c".repeat(43), "code_challenge_method": "s256" });
    good("a link", &node.ask(&post("/auth/v1/otp", &link)));
    good(
        "a change",
        &node.ask_as(
            token,
            &Request::new("PUT", "/auth/v1/user").body(r#"{"data": {"a": 1}}"#),
        ),
    );
    good(
        "an admin's",
        &node.ask_as_admin(&credentials("/auth/v1/admin/users", "made@example.com")),
    );
    let users = node.read_as_admin("/auth/v1/admin/users");
    let users = users["users"].as_array().unwrap();
    assert_eq!(users.len(), 4);
    for user in users {
        let user = format!("/auth/v1/admin/users/{}", user["id"].as_str().unwrap());
        good(&user, &node.ask_as_admin(&Request::new("DELETE", &user)));
    }
    let notes = node.read_as_admin("/rest/v1/notes?select=body&order=id");
    assert_eq!(
        notes,
        json!([{ "body": "mine" }, { "body": "of nobody" }, { "body": "new" }])
    );
    assert!(
        !node.log().contains("for a reason of ours"),
        "{}",
        node.log()
    );
}

pub(crate) fn the_stack_goes_on_beside(servers: &Servers) {
    let (server, database) = stack(servers);
    let node = attached(&server, &database).start();
    // Its services still write as they did, and its own login keeps its password.
    server
        .sql_as(
            "supabase_auth_admin",
            "the word of auth",
            &database,
            SIGN_IN_OF_THEIRS,
        )
        .unwrap();
    let theirs = "set role anon; select count(*) from notes";
    let count = server
        .sql_as("authenticator", "their own word", &database, theirs)
        .unwrap();
    assert_eq!(count, "0\n");
    let bucket = "insert into storage.buckets (id, name) values ('b', 'b')";
    server
        .sql_as(
            "supabase_storage_admin",
            "the word of storage",
            &database,
            bucket,
        )
        .unwrap();
    // Nothing of theirs has changed hands.
    let owners = "select distinct tableowner from pg_tables where schemaname = 'auth' and tablename in ('users', 'sessions')
                  union select distinct tableowner from pg_tables where schemaname = 'storage' and tablename = 'objects' order by 1";
    let owners = server.sql(&database, owners).unwrap();
    assert_eq!(owners, "supabase_auth_admin\nsupabase_storage_admin\n");
    let user = node.read_as_admin(&format!("/auth/v1/admin/users/{OLD}"));
    assert_eq!(user["email"], "old@example.com");
    // Its migrations are known to have run.
    let list = node.application.run(&["migrate", ".", "--status"]);
    list.is(0, &["20240101000000"]);
    // A second node, and a second start, find all in place.
    attached(&server, &database).start().read("/rest/v1/notes");
}

pub(crate) fn without_the_right_user_it_is_refused(servers: &Servers) {
    let (server, database) = stack(servers);
    let as_developer = Application::new(&server.url_as("developer", WORD, &database), &[]);
    as_developer.is_refused(&["supabase_auth_admin", "`[database] url`"]);
    // Which leaves the way open for the right one.
    attached(&server, &database).start();
}
