//! Bodies that are not JSON, and their bounds.

use expect_test::expect;
use plinth_query::body::{self, Cell, MAX_JSON_DEPTH};

use crate::show;

fn rows(content_type: &str, text: &str) -> String {
    match body::rows(Some(content_type), text.as_bytes(), None) {
        Ok(payload) => {
            payload
                .rows
                .iter()
                .fold(format!("{}\n", payload.columns.join("|")), |out, row| {
                    let cell = |cell: &Cell| match cell {
                        Cell::Text(text) => format!("{text:?}"),
                        other => format!("{other:?}"),
                    };
                    out + &row.iter().map(cell).collect::<Vec<_>>().join("|") + "\n"
                })
        }
        Err(error) => show::error(&error),
    }
}

#[test]
fn csv_has_a_header_and_nulls() {
    let text = "id,name\r\n1,\"a,\"\"b\"\"\"\n2,NULL\n3,\"NULL\"\n4,\n";
    expect![[r#"
        id|name
        "1"|"a,\"b\""
        "2"|Null
        "3"|"NULL"
        "4"|""
    "#]]
    .assert_eq(&rows("text/csv; charset=utf-8", text));
}

#[test]
fn ragged_csv_is_refused() {
    expect![[r#"
        PGRST102 All lines must have same number of fields
    "#]]
    .assert_eq(&rows("text/csv", "a,b\n1\n"));
}

#[test]
fn forms_are_one_row() {
    expect![[r#"
        a|b
        "3"|"é"
    "#]]
    .assert_eq(&rows(
        "application/x-www-form-urlencoded",
        "a=1+2&b=%C3%A9&a=3",
    ));
}

#[test]
fn other_types_are_refused() {
    expect![[r#"
        PGRST102 Content-Type not acceptable: application/xml
    "#]]
    .assert_eq(&rows("application/xml", "<a/>"));
}

#[test]
fn a_scalar_is_no_rows() {
    let payload = body::rows(None, b" 17 ", None).unwrap();
    assert!(payload.rows.is_empty());
}

#[test]
fn an_empty_body_is_refused() {
    expect![[r#"
        PGRST102 Empty or invalid json
    "#]]
    .assert_eq(&rows("application/json", ""));
}

#[test]
fn the_last_of_equal_keys_counts() {
    expect![[r#"
        a|b
        Json("{\"x\" : 1.50}")|Json("2")
    "#]]
    .assert_eq(&rows(
        "application/json",
        r#"[{"a":1,"b":2,"a":{"x" : 1.50}}]"#,
    ));
}

#[test]
fn depth_is_bounded() {
    let deep = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert!(body::rows(None, deep(MAX_JSON_DEPTH - 1).as_bytes(), None).is_ok());
    expect![[r#"
        PGRST102 Empty or invalid json
        details: It nests deeper than 100 levels
    "#]]
    .assert_eq(&rows("application/json", &deep(200_000)));
}

#[test]
fn many_keys_and_many_rows_take_linear_time() {
    let object: Vec<String> = (0..20_000).map(|i| format!("\"k{i}\":{i}")).collect();
    let payload = format!("{{{}}}", object.join(","));
    assert_eq!(
        body::rows(None, payload.as_bytes(), None)
            .unwrap()
            .columns
            .len(),
        20_000
    );
    let payload = format!("[{}]", vec!["{\"a\":1}"; 50_000].join(","));
    assert_eq!(
        body::rows(None, payload.as_bytes(), None)
            .unwrap()
            .rows
            .len(),
        50_000
    );
}
