//! Bad input for accounts: refused in the form that their clients read.

use serde_json::json;

use crate::refusals::{Refused, check, check_admin, check_auth};
use crate::server::{NOTES, with_server};
use plinth_testkit::http::Request;

const SIGNUP: &str = "/auth/v1/signup";
const SIGN_IN: &str = "/auth/v1/token?grant_type=password";
const REFRESH: &str = "/auth/v1/token?grant_type=refresh_token";
const USERS: &str = "/auth/v1/admin/users";

fn post(target: &str, body: impl Into<Vec<u8>>, code: &'static str) -> Refused {
    (Request::post(target, body), 400, code)
}

#[test]
fn bodies_that_are_no_object_are_refused() {
    let deep = format!("{{\"data\": {}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let bodies: [&[u8]; 14] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b"\"x\"",
        b"[{\"email\": \"a@example.com\"}]",
        b"{\"email\": 5}",
        b"{\"email\": {\"$ne\": null}}",
        b"{\"email\": [\"a@example.com\"]}",
        b"{\"email\": \"\xff\"}",
        b"{\"email\": \"\\ud800\"}",
        b"{\"email\": \"a\x00\"}",
        deep.as_bytes(),
    ];
    with_server(|server| {
        for target in [SIGNUP, SIGN_IN] {
            check_auth(server, bodies.map(|body| post(target, body, "bad_json")));
        }
        check_auth(
            server,
            [post(REFRESH, "{\"refresh_token\": 5}", "bad_json")],
        );
        check_auth(
            server,
            [post(
                SIGNUP,
                "{\"email\": \"a@example.com\", \"password\": \"long enough\", \"data\": \"x\"}",
                "bad_json",
            )],
        );
        check_admin(
            server,
            bodies[..7]
                .iter()
                .map(|body| post(USERS, *body, "bad_json")),
        );
    });
}

#[test]
fn values_that_make_no_account_are_refused() {
    let account =
        |email: &str, password: &str| json!({ "email": email, "password": password }).to_string();
    with_server(|server| {
        check_auth(
            server,
            [
                "x",
                "@",
                "a@",
                "a b@example.com",
                "a\u{0}@example.com",
                "a\n@example.com",
                &format!("{}@example.com", "a".repeat(5000)),
            ]
            .map(|email| post(SIGNUP, account(email, "long enough"), "validation_failed")),
        );
        check_auth(
            server,
            [
                post(
                    SIGNUP,
                    account("a@example.com", &"a".repeat(100_000)),
                    "validation_failed",
                ),
                post(
                    SIGN_IN,
                    account("a@example.com", &"a".repeat(100_000)),
                    "invalid_credentials",
                ),
                post(
                    SIGN_IN,
                    account("a\u{0}@example.com", "x\u{0}"),
                    "invalid_credentials",
                ),
                post(SIGN_IN, "{}", "validation_failed"),
                post(REFRESH, "{}", "validation_failed"),
                post(
                    REFRESH,
                    "{\"refresh_token\": \"a\\u0000b\"}",
                    "validation_failed",
                ),
                post("/auth/v1/token", "{}", "invalid_credentials"),
                post("/auth/v1/token?grant_type=%ff", "{}", "invalid_credentials"),
            ],
        );
    });
}

#[test]
fn paths_and_methods_that_are_not_there_are_refused() {
    with_server(|server| {
        check_auth(
            server,
            [
                (Request::get("/auth/v1/nowhere"), 404, "not_found"),
                (Request::new("PATCH", SIGNUP), 405, "method_not_allowed"),
                (Request::new("BREW", SIGNUP), 405, "method_not_allowed"),
            ],
        );
    });
}

#[test]
fn what_administrators_send_is_checked_too() {
    with_server(|server| {
        let user = |id: &str| Request::get(&format!("{USERS}/{id}"));
        check_admin(
            server,
            [
                (user("nobody"), 404, "validation_failed"),
                (user("%ff"), 404, "validation_failed"),
                (user("%00"), 404, "validation_failed"),
                (
                    user("00000000-0000-0000-0000-000000000000"),
                    404,
                    "user_not_found",
                ),
                (
                    Request::new("DELETE", &format!("{USERS}/'%20or%201=1")),
                    404,
                    "validation_failed",
                ),
                (
                    Request::get(&format!("{USERS}?per_page=x")),
                    400,
                    "validation_failed",
                ),
                (
                    Request::get(&format!("{USERS}?page=99999999999999999999")),
                    400,
                    "validation_failed",
                ),
                post(
                    USERS,
                    "{\"email\": \"a@example.com\", \"id\": \"x\"}",
                    "bad_json",
                ),
                post(
                    USERS,
                    "{\"email\": \"a@example.com\", \"ban_duration\": \"forever\"}",
                    "validation_failed",
                ),
            ],
        );
        for page in [
            "page=-1&per_page=-5",
            "page=9223372036854775807&per_page=9223372036854775807",
            "page=0",
        ] {
            server.read(&format!("{USERS}?{page}"));
        }
    });
}

/// An account may carry any role; its tokens open nothing that the role may not be taken for.
#[test]
fn an_account_of_the_owners_role_is_let_in_nowhere() {
    with_server(|server| {
        let account = json!({ "email": "owner@example.com", "password": "long enough", "role": "postgres", "email_confirm": true });
        let made = server.ask_as_admin(&Request::post(USERS, account.to_string()));
        assert_eq!(made.status, 200, "{}", made.text());
        let signed_in = server
            .ask(&Request::post(SIGN_IN, account.to_string()))
            .json();
        let token = signed_in["access_token"]
            .as_str()
            .expect("the account may sign in");
        let read = Request::get(NOTES)
            .header("apikey", server.keys.publishable.as_str())
            .header("authorization", format!("Bearer {token}"));
        check(server, [(read, 403, "42501")]);
        let id = made.json()["id"]
            .as_str()
            .expect("an account has an id")
            .to_owned();
        server.ask_as_admin(&Request::new("DELETE", &format!("{USERS}/{id}")));
    });
}
