//! Bounds hold and nothing panics.

use plinth_query::Error;
use plinth_query::body;
use plinth_query::request::{self, MAX_FILTERS};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

use crate::show;

/// The same cases every time, so that a failure is everybody's.
fn config() -> Config {
    Config {
        cases: 2_000,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(20_240_229),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Pieces of the grammar in any order reach further than letters at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "select=",
        "order=",
        "or=",
        "and=",
        "&",
        "=",
        "(",
        ")",
        ",",
        ".",
        ":",
        "::",
        "!",
        "...",
        "*",
        "->",
        "->>",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        "eq",
        "in",
        "is",
        "not",
        "not.",
        "and",
        "or",
        "null",
        "any",
        "(any)",
        "like",
        "cs",
        "fts",
        "id",
        "clients",
        "orders",
        "items",
        "employees",
        "boss_id",
        "inner",
        "left",
        "count",
        "sum()",
        "1",
        "-1",
        "99999999999999999999",
        "%",
        "%2",
        "%C3",
        "%C3%A9",
        "%00",
        "+",
        " ",
        "é",
        "limit",
        "offset",
        ".desc",
        "columns=",
        "on_conflict=",
        "data",
        "tags",
        "total",
        "name",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_a_request_or_an_error(query in any::<String>()) {
        let _ = request::parse("orders", &query);
        let _ = request::parse_call("add", &query);
    }

    #[test]
    fn any_pieces_are_a_plan_or_an_error(query in pieces()) {
        show::read(&format!("orders?{query}"));
        show::write("PATCH", &format!("clients?{query}"), "return=representation", r#"{"name":"x"}"#);
        show::call(&format!("orders_of?{query}"), None);
    }

    #[test]
    fn any_bytes_are_a_body_or_an_error(bytes in any::<Vec<u8>>()) {
        for kind in ["application/json", "text/csv", "application/x-www-form-urlencoded"] {
            let _ = body::rows(Some(kind), &bytes, None);
            let _ = body::arguments(Some(kind), &bytes);
        }
    }

    #[test]
    fn any_json_is_a_plan_or_an_error(json in "[\\[\\]{}:,\"a1n\\\\u0 ]{0,40}") {
        show::write("POST", "orders", "return=representation", &format!("{{\"tags\":{json}}}"));
        show::call("words", Some(&format!("{{\"ws\":{json}}}")));
    }
}

fn bounded(query: &str) -> bool {
    matches!(request::parse("orders", query), Err(Error::TooMany { .. }))
}

#[test]
fn ten_thousand_filters_are_too_many() {
    assert!(bounded(&vec!["id=eq.1"; 10_000].join("&")));
    assert!(bounded(&format!(
        "or=({})",
        vec!["id.eq.1"; 10_000].join(",")
    )));
    assert!(bounded(&format!(
        "id=eq(any).{{{}}}",
        vec!["1"; 10_000].join(",")
    )));
    assert!(bounded(&vec!["id=eq.1"; MAX_FILTERS + 1].join("&")));
    assert!(!bounded(&vec!["id=eq.1"; MAX_FILTERS].join("&")));
}

#[test]
fn deep_nesting_is_too_deep() {
    assert!(bounded(&format!(
        "or={}a.eq.1{}",
        "(or".repeat(30_000),
        ")".repeat(30_000)
    )));
    assert!(bounded(&format!(
        "or=({}a.eq.1{})",
        "and(".repeat(30_000),
        ")".repeat(30_000)
    )));
    assert!(bounded(&format!(
        "select={}id{}",
        "a(".repeat(30_000),
        ")".repeat(30_000)
    )));
    assert!(bounded(&format!("select=data{}", "->a".repeat(20_000))));
    assert!(bounded(&format!("select={}", vec!["id"; 10_000].join(","))));
    assert!(bounded(&format!("order={}", vec!["id"; 10_000].join(","))));
}

#[test]
fn long_in_lists_become_one_parameter() {
    let list: Vec<String> = (0..51).map(|i| i.to_string()).collect();
    let shown = show::read(&format!("items?select=id&id=in.({})", list.join(",")));
    assert!(
        shown.contains("= any ($1)") || shown.to_lowercase().contains("= any"),
        "{shown}"
    );
    assert!(shown.contains("with {0,1,2,"), "{shown}");
}

#[test]
fn as_many_filters_as_allowed_make_a_flat_condition() {
    let shown = show::read(&format!("items?{}", vec!["id=eq.1"; MAX_FILTERS].join("&")));
    assert!(shown.contains("$1000"));
}
