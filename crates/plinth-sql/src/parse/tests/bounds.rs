//! Depth, length, and nonsense: an error at worst.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::SqlError;
use crate::ast::Statement;
use crate::parse::{expression, script, split, statement, type_name};

/// What a thread of a runtime has.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Runs on a small stack, and drops the tree there too.
fn code_on_small_stack(text: String) -> Option<String> {
    let run = move || match statement(&text) {
        Ok(tree) => {
            assert_eq!(tree, tree.clone());
            None
        }
        Err(SqlError { code, .. }) => Some(code),
    };
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap()
}

fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    format!(
        "select {}{inner}{}",
        open.repeat(levels),
        close.repeat(levels)
    )
}

#[test]
fn nesting_is_bounded_and_fits_a_small_stack() {
    let forms = [
        ("(", "1", ")"),
        ("- ", "1", ""),
        ("not ", "a", ""),
        ("f(", "1", ")"),
        ("(1 + ", "1", ")"),
        ("a in (1, ", "1", ")"),
        ("case when ", "a", " then 1 end"),
        ("array[", "1", "]"),
        ("a[", "1", "]"),
        ("(select ", "1", ")"),
        ("exists (select 1 from t where ", "a", ")"),
        ("(select 1 from (select 1 from t where ", "a", ") x)"),
        ("(with a as (select ", "1", ") select 1)"),
        ("coalesce(", "1", ")"),
        ("cast(", "1", " as int)"),
        ("extract(year from ", "a", ")"),
        ("sum(a) over (order by ", "a", ")"),
        ("1 = any (", "a", ")"),
        ("(a between b and ", "c", ")"),
        ("(1, ", "2", ")"),
    ];
    for (open, inner, close) in forms {
        // Few levels are always fine, many never; where it ends in between depends on how this was built.
        assert_eq!(
            code_on_small_stack(nested(open, inner, close, 12)),
            None,
            "{open}"
        );
        for levels in [50, 100, 200, 400] {
            let code = code_on_small_stack(nested(open, inner, close, levels));
            assert!(
                code.is_none() || code.as_deref() == Some("54001"),
                "{open} {levels}: {code:?}"
            );
        }
        for levels in [700, 100_000] {
            let code = code_on_small_stack(nested(open, inner, close, levels));
            assert_eq!(code.as_deref(), Some("54001"), "{open} {levels}");
        }
    }
    assert_eq!(code_on_small_stack(nested("(", "1", ")", 200)), None);
    let froms = [
        ("(", "a join b on true", ") join c on true"),
        ("(select * from ", "t", ") x"),
        ("a join ", "b", " on true"),
    ];
    for (open, inner, close) in froms {
        for levels in [12, 700, 100_000] {
            let text = format!(
                "select * from {}{inner}{}",
                open.repeat(levels),
                close.repeat(levels)
            );
            let code = code_on_small_stack(text);
            assert_eq!(
                code.as_deref(),
                if levels < 100 { None } else { Some("54001") },
                "{open} {levels}"
            );
        }
    }
}

#[test]
fn long_chains_are_balanced_or_refused() {
    let chain = |operator: &str, terms: usize| {
        format!("select a{}", format!(" {operator} a").repeat(terms - 1))
    };
    for (operator, fine) in [
        ("or", 5_000),
        ("and", 5_000),
        ("||", 450),
        ("+", 450),
        ("union select", 450),
    ] {
        assert_eq!(
            code_on_small_stack(chain(operator, fine)),
            None,
            "{operator}"
        );
        assert_eq!(
            code_on_small_stack(chain(operator, 10_000)).as_deref(),
            Some("54001"),
            "{operator}"
        );
    }
    let suffixes = [
        ("::int", 450),
        (" is null", 450),
        (" collate \"C\"", 450),
        (" at time zone 'utc'", 450),
    ];
    for (suffix, fine) in suffixes {
        assert_eq!(
            code_on_small_stack(format!("select a{}", suffix.repeat(fine))),
            None,
            "{suffix}"
        );
        assert_eq!(
            code_on_small_stack(format!("select a{}", suffix.repeat(9_999))).as_deref(),
            Some("54001"),
            "{suffix}"
        );
    }
    // Chains within each other add up.
    let right = format!("({}", "1 + ".repeat(99));
    let text = format!("select {}1{}", right.repeat(20), ")".repeat(20));
    assert_eq!(code_on_small_stack(text), None);
    let left = format!(
        "select {}1{}",
        "(".repeat(150),
        format!("){}", " + 1".repeat(100)).repeat(150)
    );
    assert_eq!(code_on_small_stack(left).as_deref(), Some("54001"));
}

#[test]
fn a_wide_statement_is_no_deep_one() {
    let list = vec!["1 + 2"; 20_000].join(", ");
    assert_eq!(code_on_small_stack(format!("select {list}")), None);
    assert_eq!(code_on_small_stack(format!("select a in ({list})")), None);
    let rows = vec!["(1, 'a', f(2))"; 20_000].join(", ");
    assert_eq!(
        code_on_small_stack(format!("insert into t values {rows}")),
        None
    );
}

/// Parts of the language, whole and broken.
const TOKENS: &[&str] = &[
    "select",
    "from",
    "where",
    "insert into",
    "values",
    "update",
    "set",
    "delete",
    "create",
    "table",
    "alter",
    "drop",
    "function",
    "trigger",
    "policy",
    "view",
    "index",
    "grant",
    "revoke",
    "on",
    "to",
    "as",
    "with",
    "recursive",
    "union",
    "join",
    "left",
    "lateral",
    "using",
    "group by",
    "order by",
    "limit",
    "case",
    "when",
    "then",
    "end",
    "cast",
    "array",
    "row",
    "exists",
    "in",
    "not",
    "and",
    "or",
    "is",
    "null",
    "between",
    "like",
    "any",
    "all",
    "interval",
    "date",
    "extract",
    "substring",
    "trim",
    "over",
    "partition",
    "filter",
    "within group",
    "for",
    "default",
    "primary key",
    "references",
    "check",
    "constraint",
    "begin",
    "atomic",
    "commit",
    "a",
    "b.c",
    "\"D\"",
    "t",
    "int",
    "text[]",
    "timestamp with time zone",
    "1",
    "1.5",
    "'x'",
    "E'\\n'",
    "$$y$$",
    "$1",
    "$",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ".",
    "*",
    "+",
    "-",
    "=",
    "<>",
    "::",
    ":=",
    "=>",
    ":",
    "||",
    "->",
    "'",
    "\"",
    "/*",
    "*/",
    "--\n",
    "é",
    "\u{0}",
    "\\",
    "1a",
    "é'",
];

#[test]
fn nothing_panics() {
    let config = Config {
        cases: 600,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let soup = prop::collection::vec((prop::sample::select(TOKENS), any::<bool>()), 0..40);
    runner
        .run(&soup, |parts| {
            let text: String = parts
                .iter()
                .flat_map(|(token, space)| [*token, if *space { " " } else { "" }])
                .collect();
            let mut end = 0;
            for range in split(&text) {
                prop_assert!(
                    range.start >= end
                        && range.end <= text.len()
                        && !text[range.clone()].is_empty()
                );
                end = range.end;
            }
            let results = [
                script(&text).err(),
                expression(&text).err(),
                type_name(&text).err(),
            ];
            for error in results.into_iter().flatten() {
                let span = error.span.expect("every error of the parser has a place");
                prop_assert!(
                    text.get(span.start as usize..span.end as usize).is_some(),
                    "{error:?}"
                );
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_text_cut_anywhere_is_only_an_error() {
    let whole = "with a as (select $$x$$, E'\\u0041', \"b\" from t) insert into s.t (a, b) values (1, 'é') \
                 on conflict (a) do update set b = excluded.b || 'x' where t.a > 1.5e3 returning *, /* c */ a::int[]";
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        drop(script(&whole[..end]));
        drop(script(&whole[end..]));
    }
    assert!(matches!(statement(whole), Ok(Statement::Insert(_))));
}
