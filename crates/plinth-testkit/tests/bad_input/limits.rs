//! More of everything than is allowed: each bound has its refusal, and what is just within it is answered.

use std::iter::repeat_n;

use crate::refusals::{Refused, check, check_auth};
use crate::server::{NOTES, with_server};
use plinth_testkit::http::Request;

fn with_query(query: &str) -> Request {
    Request::get(&format!("{NOTES}?{query}"))
}

fn refused(query: &str) -> Refused {
    (with_query(query), 400, "PGRST100")
}

fn many(item: &str, count: usize) -> String {
    repeat_n(item, count).collect::<Vec<_>>().join(",")
}

#[test]
fn bodies_have_a_largest_size() {
    let body = |bytes: usize| format!("{{\"title\": \"{}\"}}", "a".repeat(bytes));
    with_server(|server| {
        for mebibytes in [8, 12, 40] {
            let body = body(mebibytes << 20);
            check(
                server,
                [(
                    Request::post(NOTES, body.as_str()),
                    413,
                    "request_entity_too_large",
                )],
            );
            check_auth(
                server,
                [(
                    Request::post("/auth/v1/signup", body),
                    413,
                    "request_entity_too_large",
                )],
            );
        }
        // Announced only. The answer does not wait for what would be refused anyway.
        let announced =
            |target: &str| Request::post(target, "{}").header("content-length", "99999999999");
        check(
            server,
            [(announced(NOTES), 413, "request_entity_too_large")],
        );
        check_auth(
            server,
            [(
                announced("/auth/v1/signup"),
                413,
                "request_entity_too_large",
            )],
        );
    });
}

#[test]
fn addresses_have_a_longest_length() {
    with_server(|server| {
        let long = |bytes: usize| with_query(&format!("title=eq.{}", "a".repeat(bytes)));
        assert_eq!(server.ask(&long(65_000)).status, 200);
        check(
            server,
            [65_520, 65_600, 70_000, 300_000].map(|bytes| (long(bytes), 414, "uri_too_long")),
        );
    });
}

#[test]
fn headers_have_a_largest_size_and_number() {
    with_server(|server| {
        let long = |bytes: usize| Request::get(NOTES).header("x-long", "a".repeat(bytes));
        let numbered = |count: usize| {
            (0..count).fold(Request::get(NOTES), |request, number| {
                request.header(&format!("x-{number}"), "a")
            })
        };
        assert_eq!(server.ask(&long(30_000)).status, 200);
        assert_eq!(server.ask(&numbered(80)).status, 200);
        check(
            server,
            [
                long(33_000),
                long(300_000),
                long(2_000_000),
                numbered(200),
                numbered(2000),
            ]
            .map(|request| (request, 431, "headers_too_large")),
        );
    });
}

#[test]
fn filters_have_a_largest_number() {
    with_server(|server| {
        let filters = |count| vec!["id=eq.1"; count].join("&");
        assert_eq!(server.ask(&with_query(&filters(1000))).status, 200);
        check(
            server,
            [
                refused(&filters(1001)),
                refused(&vec!["a=b"; 10_000].join("&")),
                refused(&format!("or=({})", many("id.eq.1", 5000))),
                refused(&format!("and=({})", many("or(id.eq.1,id.eq.2)", 600))),
            ],
        );
    });
}

#[test]
fn filters_have_a_greatest_depth() {
    with_server(|server| {
        let nested = |depth: usize| {
            let inner = depth - 1;
            format!(
                "and=({}id.eq.1,id.eq.2{})",
                "or(".repeat(inner),
                ")".repeat(inner)
            )
        };
        assert_eq!(server.ask(&with_query(&nested(10))).status, 200);
        check(
            server,
            [11, 500, 10_000].map(|depth| refused(&nested(depth))),
        );
        check(
            server,
            [refused(&format!("id={}eq.1", "not.".repeat(10_000)))],
        );
    });
}

#[test]
fn embeds_have_a_greatest_depth_also_in_circles() {
    with_server(|server| {
        let circle = |depth: usize| {
            format!(
                "select=id{}{}",
                ",notes!parent(id".repeat(depth),
                ")".repeat(depth)
            )
        };
        assert_eq!(server.ask(&with_query(&circle(9))).status, 200);
        check(server, [50, 3000].map(|depth| refused(&circle(depth))));
        let there_and_back = format!("select={}id{}", "people(notes(".repeat(20), "))".repeat(20));
        check(server, [refused(&there_and_back)]);
    });
}

#[test]
fn lists_in_an_address_have_a_largest_number() {
    with_server(|server| {
        let numbers = (0..9000)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
            .join(",");
        assert_eq!(
            server
                .ask(&with_query(&format!("id=in.({numbers})")))
                .status,
            200
        );
        let aliases = (0..5000)
            .map(|number| format!("a{number}:id"))
            .collect::<Vec<_>>()
            .join(",");
        check(
            server,
            [
                refused(&format!("id=eq(any).{{{numbers}}}")),
                refused(&format!("select={}", many("id", 20_000))),
                refused(&format!("select={aliases}")),
                refused(&format!("order={}", many("id", 20_000))),
                refused(&format!("select=x:data{}", "->a".repeat(5000))),
                refused(&format!("data{}=eq.1", "->a".repeat(5000))),
                refused(&format!("select=id{}", "::text".repeat(8000))),
            ],
        );
    });
}

#[test]
fn rows_in_a_body_have_a_largest_number() {
    with_server(|server| {
        let rows = format!("[{}]", many("{}", 2_000_000));
        let answer = server.ask(&Request::post(NOTES, rows));
        assert!(
            (400..=413).contains(&answer.status),
            "{} {}",
            answer.status,
            answer.text()
        );
    });
}
