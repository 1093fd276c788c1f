//! Bodies that are no JSON, the wrong JSON, or not what they claim to be.

use serde_json::json;

use crate::refusals::{Refused, check};
use crate::server::{NOTES, with_server};
use plinth_testkit::http::Request;

fn refused(body: impl Into<Vec<u8>>, code: &'static str) -> Refused {
    (Request::post(NOTES, body), 400, code)
}

#[test]
fn text_that_is_no_json_is_refused() {
    let bodies: [&[u8]; 16] = [
        b"",
        b" ",
        b"[",
        b"{",
        b"{\"title\": \"a\"",
        b"{\"title\": \"a\"} x",
        b"{\"title\": \"a\"}{\"title\": \"b\"}",
        b"{\"title\": \"a\",}",
        b"{'title': 'a'}",
        b"{title: \"a\"}",
        b"{\"title\": NaN}",
        b"{\"title\": 01}",
        b"\xef\xbb\xbf{\"title\": \"after a byte order mark\"}",
        b"{\"title\": \"\xff\xfe\"}",
        b"{\"title\": \"a\x00b\"}",
        b"nonsense",
    ];
    with_server(|server| {
        check(server, bodies.map(|body| refused(body, "PGRST102")));
        let update = |body: &[u8]| Request::new("PATCH", "/rest/v1/notes?id=eq.1").body(body);
        check(
            server,
            bodies[2..]
                .iter()
                .map(|body| (update(body), 400, "PGRST102")),
        );
        let call = |body: &[u8]| Request::post("/rest/v1/rpc/add_up", body);
        check(
            server,
            bodies[2..].iter().map(|body| (call(body), 400, "PGRST102")),
        );
        let half_a_character = br#"{"title": "\ud800"}"#;
        check(server, [refused(half_a_character, "PGRST102")]);
        check(server, [(update(half_a_character), 400, "PGRST102")]);
    });
}

#[test]
fn arrays_of_anything_but_objects_are_refused() {
    with_server(|server| {
        let bodies = [
            "[1, 2]",
            "[null]",
            "[[{\"title\": \"a\"}]]",
            "[\"title\"]",
            "[{\"title\": \"a\"}, 1]",
        ];
        check(server, bodies.map(|body| refused(body, "PGRST102")));
    });
}

/// As PostgREST has it: a bare scalar is a list of no rows.
#[test]
fn a_scalar_stores_nothing() {
    with_server(|server| {
        for body in ["\"x\"", "17", "true", "null"] {
            let answer =
                server.ask(&Request::post(NOTES, body).header("prefer", "return=representation"));
            assert_eq!((answer.status, answer.json()), (201, json!([])), "{body}");
        }
    });
}

#[test]
fn one_bad_row_keeps_out_all_of_its_request() {
    with_server(|server| {
        let mut rows: Vec<_> = (0..200)
            .map(|number| json!({ "title": "x", "rank": number }))
            .collect();
        rows.push(json!({ "title": "x", "rank": "many" }));
        check(server, [refused(json!(rows).to_string(), "22P02")]);
        rows.pop();
        rows.push(json!({ "title": null, "rank": 1 }));
        check(server, [refused(json!(rows).to_string(), "23502")]);
        rows.pop();
        rows.push(json!({ "title": "x" }));
        check(server, [refused(json!(rows).to_string(), "PGRST102")]);
    });
}

#[test]
fn unknown_columns_are_refused_with_a_near_name() {
    with_server(|server| {
        let answer = server.ask(&Request::post(NOTES, "{\"tite\": \"a\"}"));
        assert_eq!(answer.json()["code"], "PGRST204", "{}", answer.text());
        assert!(
            answer
                .text()
                .contains("Perhaps you meant the column 'title'"),
            "{}",
            answer.text()
        );
        check(
            server,
            [
                refused("{\"\": 1}", "PGRST204"),
                refused("{\"title\": \"a\", \"TITLE\": \"b\"}", "PGRST204"),
                refused("{\"title\\u0000\": \"a\"}", "PGRST204"),
                (
                    Request::post("/rest/v1/notes?columns=title,nope", "{\"title\": \"a\"}"),
                    400,
                    "PGRST204",
                ),
                (
                    Request::new("PATCH", "/rest/v1/notes?id=eq.1").body("{\"tite\": 1}"),
                    400,
                    "PGRST204",
                ),
            ],
        );
    });
}

#[test]
fn deep_documents_are_refused_before_they_are_read() {
    let deep =
        |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    with_server(|server| {
        check(
            server,
            [
                refused("[".repeat(1_000_000), "PGRST102"),
                refused(deep("{\"data\":", "}", 20_000), "PGRST102"),
                refused(
                    format!(
                        "{{\"title\": \"a\", \"data\": {}}}",
                        deep("[", "]", 100_000)
                    ),
                    "PGRST102",
                ),
                (
                    Request::post(
                        "/rest/v1/rpc/add_up",
                        format!("{{\"a\": {}}}", deep("[", "]", 100_000)),
                    ),
                    400,
                    "PGRST102",
                ),
            ],
        );
    });
}

#[test]
fn of_a_key_that_comes_twice_the_last_counts() {
    with_server(|server| {
        let insert = Request::post(NOTES, "{\"id\": 90, \"title\": \"a\", \"title\": \"b\"}");
        let inserted = server.ask(&insert.header("prefer", "return=representation"));
        assert_eq!(inserted.json()[0]["title"], "b", "{}", inserted.text());
        server.ask(&Request::new("DELETE", "/rest/v1/notes?id=eq.90"));
    });
}

#[test]
fn other_kinds_of_content_are_refused_by_name() {
    let kinds = [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "/",
        "json",
    ];
    with_server(|server| {
        for kind in kinds {
            let request = Request::post(NOTES, "{\"title\": \"a\"}").header("content-type", kind);
            let answer = server.ask(&request);
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (400, &json!("PGRST102")),
                "{kind}"
            );
            let named = kind.split(';').next().unwrap_or_default();
            assert!(answer.text().contains(named), "{kind}: {}", answer.text());
        }
        let as_kind = |kind: &str, body: &str, code| {
            (
                Request::post(NOTES, body).header("content-type", kind),
                400,
                code,
            )
        };
        check(
            server,
            [
                as_kind("text/csv", "{\"title\": \"a\"}", "PGRST204"),
                as_kind("text/csv", "title,rank\na\n", "PGRST102"),
                as_kind("text/csv", "title\n\"a\n", "PGRST102"),
                as_kind(
                    "application/x-www-form-urlencoded",
                    "{\"title\": \"a\"}",
                    "PGRST204",
                ),
            ],
        );
    });
}
