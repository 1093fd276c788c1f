//! `LIKE`, `SIMILAR TO` and regular expressions, rewritten for our matcher.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Piece, escape_character, like_match, replacement, similar_to_regex, translate_regex};

fn check(pattern: &str, flags: &str, expected: &Expect) {
    let shown = match translate_regex(pattern, flags) {
        Ok(regex) => format!(
            "{}{}",
            regex.pattern,
            if regex.global { " (global)" } else { "" }
        ),
        Err(fault) => fault.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn regular_expressions_become_rust_ones() {
    check(
        "^[a-z]+@x\\.org$",
        "i",
        &expect![[r"(?is)^[a-z]+\@x\.org$"]],
    );
    check(
        "\\mfoo\\M|\\ybar\\Y",
        "g",
        &expect![[r"(?s)\b{start}foo\b{end}|\bbar\B (global)"]],
    );
    check(
        "[[:alpha:]_][^[:space:]\\d]*?",
        "",
        &expect![[r"(?s)[\p{Alphabetic}\_][^\s0-9]*?"]],
    );
    check("[]a[-]", "n", &expect![[r"(?m)[\]a\[\-]"]]);
    check("[^a]", "n", &expect!["(?m)[^\\na]"]);
    check(
        "(?i)a{2,3}{x}(?:b)",
        "",
        &expect![[r"(?is)a{2,3}\{x\}(?:b)"]],
    );
    check("***=a.b*", "", &expect![[r"(?s)a\.b\*"]]);
    check("a b # c", "x", &expect!["(?sx)a b # c"]);
    check("\\u00e9\\x41\\0\\n", "", &expect![[r"(?s)éA\x00\x0a"]]);
    check("[[:<:]]x[[:>:]]", "", &expect![[r"(?s)\b{start}x\b{end}"]]);
}

#[test]
fn what_rust_cannot_do_is_refused_by_name() {
    check(
        "(a)\\1",
        "",
        &expect!["a back-reference in a regular expression is not supported (SQLSTATE 0A000)"],
    );
    check(
        "a(?=b)",
        "",
        &expect!["look-around in a regular expression is not supported (SQLSTATE 0A000)"],
    );
    check(
        "(a",
        "",
        &expect!["invalid regular expression: parentheses () not balanced (SQLSTATE 2201B)"],
    );
    check(
        "[a",
        "",
        &expect!["invalid regular expression: brackets [] not balanced (SQLSTATE 2201B)"],
    );
    check(
        "a{300}",
        "",
        &expect!["invalid regular expression: invalid repetition count(s) (SQLSTATE 2201B)"],
    );
    check(
        "a",
        "z",
        &expect![[r#"invalid regular expression option: "z" (SQLSTATE 22023)"#]],
    );
}

#[test]
fn replacements_name_groups() {
    let literal = |text: &str| Piece::Literal(text.to_owned());
    assert_eq!(
        replacement("a\\1b\\&\\\\c\\x"),
        [
            literal("a"),
            Piece::Group(1),
            literal("b"),
            Piece::Group(0),
            literal("\\c\\x")
        ]
    );
}

#[test]
fn similar_to_keeps_brackets() {
    expect![[r"^(?:a.b.*c[x-z_%]\.(?:d|e)\%)$"]]
        .assert_eq(&similar_to_regex("a_b%c[x-z_%].(d|e)\\%", Some('\\')));
}

#[test]
fn like_escapes_may_be_chosen_or_none() {
    assert_eq!(escape_character(""), Ok(None));
    assert_eq!(escape_character("xx").unwrap_err().code, "22025");
    assert_eq!(like_match("a%", "a#%", Some('#'), false), Ok(true));
    assert_eq!(like_match("a\\b", "a\\b", None, false), Ok(true));
    assert_eq!(
        like_match("ab", "a\\", Some('\\'), false).unwrap_err().code,
        "22025"
    );
}

#[test]
fn like_agrees_with_trying_everything() {
    fn slow(text: &[char], pattern: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skip| slow(&text[skip..], rest)),
            ['_', rest @ ..] => !text.is_empty() && slow(&text[1..], rest),
            [c, rest @ ..] => text.first() == Some(c) && slow(&text[1..], rest),
        }
    }
    TestRunner::deterministic()
        .run(&("[abé]{0,7}", "[abé%_]{0,6}"), |(text, pattern)| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                like_match(&text, &pattern, Some('\\'), false)?,
                slow(&chars(&text), &chars(&pattern))
            );
            Ok(())
        })
        .unwrap();
}
