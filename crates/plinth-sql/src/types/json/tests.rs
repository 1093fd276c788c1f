//! Reading, normalizing and printing JSON, and taking it apart.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{
    Flavor, element, member, normalize, object_keys, parse, pretty, strip_nulls_text, validate,
    write_json_string,
};

#[test]
fn strings_read_back() {
    TestRunner::deterministic()
        .run(&"[^\\x00]*", |text| {
            let mut out = Vec::new();
            write_json_string(&mut out, &text);
            let written = String::from_utf8(out).unwrap();
            let (back, rest) = super::scan_string(&written)?;
            prop_assert_eq!(back.as_ref(), text.as_str());
            prop_assert_eq!(rest, "");
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_text_is_refused_or_normal_after_one_step_and_nothing_panics() {
    TestRunner::deterministic()
        .run(&"[\\[\\]{}:,\"\\\\a0-9. eEu+tfnl-]{0,24}", |text| {
            // The scanners trust their input, but must survive any.
            let _ = (
                member(&text, "a"),
                element(&text, -1, Flavor::Json),
                object_keys(&text, Flavor::Json),
            );
            strip_nulls_text(
                if validate(&text).is_ok() { &text } else { "" },
                &mut Vec::new(),
            );
            if let Ok(normal) = normalize(&text) {
                prop_assert!(validate(&text).is_ok());
                prop_assert_eq!(&normalize(&normal)?, &normal);
                prop_assert_eq!(parse(&pretty(&parse(&text)?))?, parse(&text)?);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn json_members_keep_their_own_text() {
    let text = r#" {"a" : [1,  2.50], "é": {"b":null}, "a\u0062": "x"} "#;
    assert_eq!(member(text, "a"), Some("[1,  2.50]"));
    assert_eq!(member(text, "ab"), Some("\"x\""));
    assert_eq!(member(text, "é"), Some("{\"b\":null}"));
    assert_eq!(member(text, "b"), None);
    let mut out = Vec::new();
    strip_nulls_text(text, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"a":[1,2.50],"é":{},"a\u0062":"x"}"#
    );
}

#[test]
fn pretty_is_as_in_postgres() {
    let expected =
        "{\n    \"a\": [\n        1,\n        {\n        }\n    ],\n    \"b\": [\n    ]\n}";
    assert_eq!(pretty(&parse(r#"{"b":[],"a":[1,{}]}"#).unwrap()), expected);
}
