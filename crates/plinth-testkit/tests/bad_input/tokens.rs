//! Keys and tokens that are missing, forged, out of date or for roles that no caller may have.

use std::time::{SystemTime, UNIX_EPOCH};

use plinth_db::Clock;
use plinth_http::{Gate, GateKeys};
use serde_json::{Value, json};

use crate::refusals::{auth_difference, check, check_auth};
use crate::server::{NOTES, Server, with_server};
use plinth_testkit::http::Request;

/// A token that is signed with this secret.
fn signed(secret: &str, claims: &Value) -> String {
    let keys = GateKeys {
        jwt_secret: secret.to_owned(),
        ..GateKeys::default()
    };
    Gate::new(&keys, Clock::system()).sign(claims)
}

fn token(server: &Server, claims: &Value) -> String {
    signed(server.keys.jwt_secret.expose(), claims)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn bearing(server: &Server, token: &str) -> Request {
    Request::get(NOTES)
        .header("apikey", server.keys.publishable.as_str())
        .header("authorization", format!("Bearer {token}"))
}

#[test]
fn tokens_that_are_not_ours_are_refused() {
    // {"alg": "none"}, {"alg": "RS256"}, {"alg": "HS512"}: each with {"role": "service_role"}.
    let algorithms = [
        "eyJhbGciOiJub25lIn0",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJhbGciOiJIUzUxMiJ9",
    ];
    let claims = "eyJyb2xlIjoic2VydmljZV9yb2xlIn0";
    with_server(|server| {
        let genuine = token(server, &json!({ "role": "anon", "exp": now() + 600 }));
        let (head, rest) = genuine.split_once('.').expect("a token has three parts");
        let (_, signature) = rest.split_once('.').expect("a token has three parts");
        let mut tokens = vec![
            signed(
                "another secret that is long enough for anyone",
                &json!({ "role": "service_role" }),
            ),
            signed("", &json!({ "role": "service_role" })),
            format!("{head}.{claims}.{signature}"),
            format!("{head}.{claims}."),
            format!("{genuine}x"),
            format!("{genuine}.{signature}"),
            format!("{head}.{rest}="),
            "garbage".to_owned(),
            "..".to_owned(),
            "a.b.c".to_owned(),
            ".".repeat(20_000),
            "x".repeat(20_000),
            "' or 1=1 --".to_owned(),
            String::new(),
        ];
        tokens.extend(algorithms.map(|header| format!("{header}.{claims}.")));
        tokens.extend(algorithms.map(|header| format!("{header}.{claims}.{signature}")));
        check(
            server,
            tokens
                .iter()
                .map(|token| (bearing(server, token), 401, "PGRST301")),
        );
        check(
            server,
            tokens
                .iter()
                .filter(|token| !token.is_empty())
                .map(|token| {
                    (
                        Request::get(NOTES).header("apikey", token.as_str()),
                        401,
                        "PGRST301",
                    )
                }),
        );
    });
}

#[test]
fn tokens_out_of_their_time_or_with_odd_claims_are_refused() {
    with_server(|server| {
        let refused = |claims: Value, code| (bearing(server, &token(server, &claims)), 401, code);
        check(
            server,
            [
                refused(
                    json!({ "role": "authenticated", "exp": now() - 3600 }),
                    "PGRST303",
                ),
                refused(json!({ "role": "authenticated", "exp": 0 }), "PGRST303"),
                refused(
                    json!({ "role": "authenticated", "exp": -1e300 }),
                    "PGRST303",
                ),
                refused(
                    json!({ "role": "authenticated", "nbf": now() + 3600 }),
                    "PGRST303",
                ),
                refused(
                    json!({ "role": "authenticated", "iat": now() + 3600 }),
                    "PGRST303",
                ),
                refused(
                    json!({ "role": "authenticated", "exp": "never" }),
                    "PGRST303",
                ),
                refused(json!({ "role": ["service_role"] }), "PGRST303"),
                refused(json!({ "role": { "name": "service_role" } }), "PGRST303"),
            ],
        );
    });
}

#[test]
fn a_genuine_token_gives_only_roles_that_callers_may_have() {
    with_server(|server| {
        let request = |role: &str| {
            bearing(
                server,
                &token(server, &json!({ "role": role, "exp": now() + 600 })),
            )
        };
        for role in [
            "postgres",
            "authenticator",
            "supabase_admin",
            "supabase_auth_admin",
        ] {
            let answer = server.ask(&request(role));
            assert!(
                matches!(answer.status, 401 | 403),
                "{role}: {}",
                answer.text()
            );
            assert!(
                matches!(answer.json()["code"].as_str(), Some("42501" | "22023")),
                "{role}: {}",
                answer.text()
            );
        }
        check(
            server,
            [
                "",
                "nobody",
                "ANON",
                "anon; set role postgres",
                "\"postgres\"",
                "a\u{0}b",
            ]
            .map(|role| (request(role), 401, "22023")),
        );
    });
}

/// What is no bearer token is no token: the key alone says who calls.
#[test]
fn other_authorization_is_no_way_in() {
    with_server(|server| {
        for header in ["Basic eDp5", "Negotiate", ", ,", "Token x", "bearerx"] {
            let alone = server.ask(&Request::get(NOTES).header("authorization", header));
            assert_eq!(alone.status, 401, "{header}: {}", alone.text());
            assert_eq!(alone.json()["message"], "No API key found in request");
        }
        let raw = server.ask(&Request::get(NOTES).header("authorization", b"Bearer \xff\xfe"));
        assert_eq!(raw.status, 401, "{}", raw.text());
    });
}

#[test]
fn without_a_known_key_nothing_is_reached() {
    with_server(|server| {
        for target in [
            NOTES,
            "/rest/v1/",
            "/rest/v1/rpc/add_up",
            "/auth/v1/health",
            "/auth/v1/settings",
        ] {
            let no_key = Request::get(target).send(server.address());
            assert_eq!(no_key.status, 401, "{target}");
            assert_eq!(
                no_key.json()["message"],
                "No API key found in request",
                "{target}"
            );
            for key in [
                "sb_publishable_x",
                "sb_secret_x",
                "sb_",
                "sb_publishable_' or 1=1",
            ] {
                let unknown = server.ask(&Request::get(target).header("apikey", key));
                assert_eq!(unknown.status, 401, "{target}");
                assert_eq!(
                    unknown.json()["message"],
                    "Invalid API key",
                    "{target} {key}"
                );
            }
        }
        let not_text = server.ask(&Request::get(NOTES).header("apikey", b"\xff"));
        assert_eq!(not_text.status, 401, "{}", not_text.text());
        let in_the_address = format!("{NOTES}?apikey={}", server.keys.publishable);
        assert_eq!(
            Request::get(&in_the_address).send(server.address()).status,
            401
        );
    });
}

#[test]
fn accounts_ask_for_a_genuine_token_too() {
    with_server(|server| {
        let user = |token: &str| {
            Request::get("/auth/v1/user")
                .header("apikey", server.keys.publishable.as_str())
                .header("authorization", format!("Bearer {token}"))
        };
        let forged = signed(
            "another secret that is long enough for anyone",
            &json!({ "sub": "x" }),
        );
        let expired = token(server, &json!({ "role": "authenticated", "exp": 1 }));
        let no_user = token(
            server,
            &json!({ "role": "authenticated", "exp": now() + 600 }),
        );
        let odd_user = token(
            server,
            &json!({ "role": "authenticated", "sub": "' or 1=1", "exp": now() + 600 }),
        );
        check_auth(
            server,
            [forged, expired, no_user, odd_user, "garbage".to_owned()]
                .iter()
                .map(|token| (user(token), 403, "bad_jwt")),
        );
        let nobody = json!({ "role": "authenticated", "sub": "00000000-0000-4000-8000-00000000000f", "exp": now() + 600 });
        let answer = server.ask(&user(&token(server, &nobody)));
        assert_eq!(
            auth_difference(&answer, 403, "user_not_found"),
            None,
            "{}",
            answer.text()
        );
    });
}
