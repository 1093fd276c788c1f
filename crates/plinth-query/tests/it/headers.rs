//! `Prefer`, `Accept`, `Range`, `Content-Range`.

use expect_test::{Expect, expect};
use plinth_query::negotiate;
use plinth_query::preferences::Preferences;
use plinth_query::range::{RangeHeader, Window};

use crate::show;

fn check_prefer(headers: &[&str], expected: &Expect) {
    let shown = match Preferences::parse(headers.iter().copied()) {
        Ok(preferences) => format!("{preferences:?}\n"),
        Err(error) => show::error(&error),
    };
    expected.assert_eq(&shown);
}

#[test]
fn the_first_preference_wins() {
    check_prefer(
        &["return=minimal, count=exact", "return=representation"],
        &expect![[r#"
            Preferences { resolution: None, missing: None, returns: Some(Minimal), count: Some(Exact), handling: None, max_affected: None }
        "#]],
    );
}

#[test]
fn unknown_preferences_are_ignored() {
    check_prefer(
        &["handling=lenient, anything, count=roughly"],
        &expect![[r#"
            Preferences { resolution: None, missing: None, returns: None, count: None, handling: Some(Lenient), max_affected: None }
        "#]],
    );
}

#[test]
fn strict_handling_refuses_unknown_preferences() {
    check_prefer(
        &["anything", "handling=strict, max-affected=x, tx=rollback"],
        &expect![[r#"
            PGRST122 Invalid preferences given with handling=strict
            details: Invalid preferences: anything, max-affected=x
        "#]],
    );
}

fn check_accept(accept: &str, expected: &Expect) {
    let shown = match negotiate::rows(Some(accept)) {
        Ok(media) => format!("{}\n", media.content_type()),
        Err(error) => show::error(&error),
    };
    expected.assert_eq(&shown);
}

#[test]
fn the_best_quality_that_can_be_made_wins() {
    check_accept(
        "text/html, text/csv;q=0.5, application/json;q=0.8, */*;q=0.1",
        &expect![[r#"
            application/json; charset=utf-8
        "#]],
    );
}

#[test]
fn objects_may_be_stripped() {
    check_accept(
        "application/vnd.pgrst.object+json; nulls=stripped",
        &expect![[r#"
            application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8
        "#]],
    );
}

#[test]
fn unknown_types_are_refused() {
    check_accept(
        "image/png, text/html;q=0.3",
        &expect![[r#"
        PGRST107 None of these media types are available: image/png, text/html;q=0.3
    "#]],
    );
}

#[test]
fn an_absent_header_accepts_anything() {
    assert_eq!(negotiate::rows(None).unwrap(), negotiate::Media::Json);
    assert_eq!(negotiate::root(None).unwrap(), negotiate::Media::OpenApi);
}

fn window(limit: Option<i64>, offset: Option<i64>, header: &str) -> String {
    let window =
        RangeHeader::parse(header).and_then(|range| Window::new(limit, offset, range, Some(100)));
    match window {
        Ok(Window { offset, limit }) => format!("{offset}+{}", limit.unwrap_or_default()),
        Err(error) => error.details().to_string(),
    }
}

#[test]
fn ranges_meet_limits() {
    assert_eq!(window(None, None, ""), "0+100");
    assert_eq!(window(None, None, "0-9"), "0+10");
    assert_eq!(window(None, None, "items=10-"), "10+100");
    assert_eq!(window(Some(5), Some(2), "0-3"), "2+2");
    assert_eq!(window(Some(0), None, "0-3"), "0+0");
    assert_eq!(window(None, None, "rows"), "0+100");
    assert!(window(None, None, "9-0").contains("lower boundary"));
    assert!(window(Some(2), None, "5-9").contains("lower boundary"));
    assert!(window(None, None, "0-18446744073709551615").starts_with("0+100"));
}

#[test]
fn pages_are_announced() {
    let page = |offset, rows, total| {
        let page = Window {
            offset,
            limit: None,
        }
        .page(rows, total);
        page.map(|page| (page.content_range, page.partial))
            .map_err(|error| show::error(&error))
    };
    assert_eq!(page(0, 15, None), Ok(("0-14/*".to_owned(), false)));
    assert_eq!(page(0, 0, None), Ok(("*/*".to_owned(), false)));
    assert_eq!(page(0, 10, Some(57)), Ok(("0-9/57".to_owned(), true)));
    assert_eq!(page(0, 57, Some(57)), Ok(("0-56/57".to_owned(), false)));
    assert_eq!(page(0, 0, Some(0)), Ok(("*/0".to_owned(), false)));
    assert_eq!(page(90, 0, None), Ok(("*/*".to_owned(), false)));
    expect![[r#"
        PGRST103 Requested range not satisfiable
        details: An offset of 90 was requested, but there are only 57 rows.
    "#]]
    .assert_eq(&page(90, 0, Some(57)).unwrap_err());
}
