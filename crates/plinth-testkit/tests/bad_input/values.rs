//! Values that are not of their column's type.

use serde_json::{Value, json};

use crate::refusals::check;
use crate::server::{NOTES, with_server};
use plinth_testkit::http::{Request, value};

/// A column, a value that is none of its type, and the code.
fn wrong() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("rank", json!("x"), "22P02"),
        ("rank", json!(""), "22P02"),
        ("rank", json!(1.5), "22P02"),
        ("rank", json!(true), "22P02"),
        ("rank", json!("NaN"), "22P02"),
        ("rank", json!(2_147_483_648_i64), "22003"),
        ("rank", json!(-2_147_483_649_i64), "22003"),
        ("id", json!("99999999999999999999999"), "22003"),
        ("price", json!("1e20"), "22003"),
        ("price", json!("Infinity"), "22003"),
        ("price", json!("12,50"), "22P02"),
        ("owner", json!("nobody"), "22P02"),
        (
            "owner",
            json!("00000000-0000-4000-8000-00000000000"),
            "22P02",
        ),
        ("seen", json!("yesterdayish"), "22007"),
        ("seen", json!("2024-13-45"), "22008"),
        ("day", json!("2023-02-30"), "22008"),
        ("day", json!(""), "22007"),
        ("done", json!("perhaps"), "22P02"),
        ("tags", json!("{a"), "22P02"),
        ("tags", json!(5), "22P02"),
        ("parent", json!(424_242), "23503"),
        ("title", json!("a\u{0}b"), "22P05"),
        ("title", Value::Null, "23502"),
    ]
}

#[test]
fn a_value_of_another_type_is_refused_in_a_body() {
    with_server(|server| {
        let insert = |column: &str, value: Value| {
            let mut row = json!({ "title": "a" });
            row[column] = value;
            Request::post(NOTES, row.to_string())
        };
        let update = |column: &str, value: Value| {
            let target = "/rest/v1/notes?id=eq.1";
            Request::new("PATCH", target).body(json!({ column: value }).to_string())
        };
        let status = |code| if code == "23503" { 409 } else { 400 };
        check(
            server,
            wrong()
                .into_iter()
                .map(|(column, value, code)| (insert(column, value), status(code), code)),
        );
        check(
            server,
            wrong()
                .into_iter()
                .map(|(column, value, code)| (update(column, value), status(code), code)),
        );
    });
}

#[test]
fn numbers_beyond_every_type_are_refused() {
    with_server(|server| {
        let row = |column: &str, number: &str| {
            Request::post(
                NOTES,
                format!("{{\"title\": \"a\", \"{column}\": {number}}}"),
            )
        };
        let digits = "9".repeat(100_000);
        check(
            server,
            [
                (row("rank", &digits), 400, "22003"),
                (row("id", &digits), 400, "22003"),
                (row("price", &digits), 400, "22003"),
                (row("rank", "1e400"), 400, "22P02"),
                (row("price", "1e999999"), 400, "22003"),
            ],
        );
    });
}

#[test]
fn a_value_of_another_type_is_refused_in_a_filter() {
    with_server(|server| {
        let filters = [
            ("rank=eq.x", "22P02"),
            ("rank=eq.NaN", "22P02"),
            ("rank=eq.", "22P02"),
            ("rank=gt.99999999999999", "22003"),
            ("rank=in.(1,a)", "22P02"),
            ("id=eq(any).{1,x}", "22P02"),
            ("id=eq.99999999999999999999", "22003"),
            ("owner=eq.nobody", "22P02"),
            ("seen=lt.yesterdayish", "22007"),
            ("day=eq.2023-02-30", "22008"),
            ("done=eq.perhaps", "22P02"),
            ("data=cs.{", "22P02"),
            ("tags=cs.{a", "22P02"),
            ("tags=cs.x", "22P02"),
            ("title=eq.%00", "22021"),
            ("title=in.(%00)", "22021"),
            ("or=(title.eq.%00,id.eq.1)", "22021"),
        ];
        for method in ["GET", "DELETE"] {
            let request = |filter| Request::new(method, &format!("{NOTES}?{filter}"));
            check(
                server,
                filters.map(|(filter, code)| (request(filter), 400, code)),
            );
        }
    });
}

#[test]
fn arguments_of_another_type_are_refused() {
    with_server(|server| {
        let call = |arguments: &str| Request::post("/rest/v1/rpc/add_up", arguments);
        let by_address =
            |arguments: &str| Request::get(&format!("/rest/v1/rpc/add_up?{arguments}"));
        check(
            server,
            [
                (call(r#"{"a": "x", "b": 1}"#), 400, "22P02"),
                (call(r#"{"a": {}, "b": 1}"#), 400, "22P02"),
                (call(r#"{"a": 99999999999, "b": 1}"#), 400, "22003"),
                (call(r#"{"a": 2147483647, "b": 1}"#), 400, "22003"),
                (call(r#"{"a": 1}"#), 404, "PGRST202"),
                (call(r#"{"a": 1, "b": 2, "c": 3}"#), 404, "PGRST202"),
                (call("[1, 2]"), 404, "PGRST202"),
                (call("7"), 404, "PGRST202"),
                (by_address("a=x&b=1"), 400, "22P02"),
                (by_address("a=1"), 404, "PGRST202"),
                (
                    by_address(&format!("a=1&b={}", value("1\u{0}"))),
                    400,
                    "22021",
                ),
                (Request::get("/rest/v1/rpc/add_down"), 404, "PGRST202"),
                (
                    Request::new("PUT", "/rest/v1/rpc/add_up").body("{}"),
                    405,
                    "PGRST101",
                ),
            ],
        );
    });
}
