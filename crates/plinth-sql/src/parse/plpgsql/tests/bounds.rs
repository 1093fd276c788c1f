//! Depth, length, and nonsense: an error at worst.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::parse::plpgsql;

/// What a thread of a runtime has.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// Runs on a small stack, and drops the tree there too.
fn code_on_small_stack(text: String) -> Option<String> {
    let run = move || match plpgsql(&text) {
        Ok(tree) => {
            assert_eq!(tree, tree.clone());
            None
        }
        Err(error) => Some(error.code),
    };
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap()
}

#[test]
fn nesting_is_bounded_and_fits_a_small_stack() {
    let forms = [
        ("begin ", "null;", " end;"),
        (
            "declare x int; begin ",
            "null;",
            " exception when others then null; end;",
        ),
        ("begin exception when others then ", "null;", " end;"),
        ("if a then ", "null;", " end if;"),
        ("if a then null; else ", "null;", " end if;"),
        ("case when a then ", "null;", " end case;"),
        ("loop ", "exit;", " end loop;"),
        ("<<l>> while a loop ", "exit l;", " end loop l;"),
        ("for i in 1..2 loop ", "null;", " end loop;"),
        ("for r in select 1 loop ", "null;", " end loop;"),
        ("foreach x in array a loop ", "null;", " end loop;"),
    ];
    for (open, inner, close) in forms {
        let nested = |levels: usize| {
            format!(
                "begin {}{inner}{} end",
                open.repeat(levels),
                close.repeat(levels)
            )
        };
        assert_eq!(code_on_small_stack(nested(12)), None, "{open}");
        for levels in [50, 100, 200, 400] {
            let code = code_on_small_stack(nested(levels));
            assert!(
                code.is_none() || code.as_deref() == Some("54001"),
                "{open} {levels}: {code:?}"
            );
        }
        for levels in [700, 20_000] {
            let code = code_on_small_stack(nested(levels));
            assert_eq!(code.as_deref(), Some("54001"), "{open} {levels}");
        }
    }
}

#[test]
fn depth_adds_up_over_the_border_to_sql() {
    let text = |levels: usize, terms: usize| {
        let (open, close) = ("if a then ".repeat(levels), " end if;".repeat(levels));
        format!("begin {open} x := 1{}; {close} end", " + 1".repeat(terms))
    };
    assert_eq!(code_on_small_stack(text(20, 440)), None);
    assert_eq!(code_on_small_stack(text(90, 440)).as_deref(), Some("54001"));
}

#[test]
fn a_long_body_is_no_deep_one() {
    let long = [
        "x := x + 1; ".repeat(20_000),
        format!(
            "if a then null; {} end if;",
            "elsif a then null; ".repeat(20_000)
        ),
        format!("case {} end case;", "when a then null; ".repeat(20_000)),
        format!("select {} into x;", vec!["1"; 20_000].join(", ")),
        format!("raise '{}'{};", "%-".repeat(20_000), ", 1".repeat(20_000)),
        "x[1] := 1; r.a.b := 2; ".repeat(10_000),
    ];
    for body in long {
        assert_eq!(code_on_small_stack(format!("begin {body} end")), None);
    }
}

/// Parts of the language, whole and broken.
const TOKENS: &[&str] = &[
    "declare",
    "begin",
    "end",
    "exception",
    "when",
    "others",
    "then",
    "if",
    "elsif",
    "else",
    "case",
    "loop",
    "while",
    "for",
    "foreach",
    "in",
    "reverse",
    "by",
    "slice",
    "array",
    "exit",
    "continue",
    "return",
    "next",
    "query",
    "raise",
    "notice",
    "sqlstate",
    "using",
    "message",
    "errcode",
    "assert",
    "execute",
    "into",
    "strict",
    "perform",
    "get",
    "stacked",
    "diagnostics",
    "row_count",
    "open",
    "fetch",
    "move",
    "close",
    "from",
    "cursor",
    "c",
    "scroll",
    "no",
    "alias",
    "constant",
    "not null",
    "default",
    "collate",
    "record",
    "int",
    "%type",
    "%rowtype",
    "<<",
    ">>",
    "<<l>>",
    "l",
    "null",
    "commit",
    "call",
    "select",
    "insert into",
    "values",
    "update",
    "set",
    "where",
    "union",
    "x",
    "r.f",
    "a[1]",
    "$1",
    "#",
    "variable_conflict",
    "use_column",
    "1",
    "'%'",
    "$$y$$",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ";",
    ";",
    "..",
    ".",
    ":=",
    "=",
    "+",
    "::",
    "'",
    "\"",
    "/*",
    "--\n",
    "é",
    "\u{0}",
];

#[test]
fn nothing_panics() {
    let config = Config {
        cases: 3_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let soup = prop::collection::vec(prop::sample::select(TOKENS), 0..40);
    let openings = prop::sample::select(vec![
        "",
        "begin ",
        "declare ",
        "declare c cursor (a int) for select a; x int; begin ",
        "begin loop ",
        "<<l>> declare r record; begin exception when ",
    ]);
    runner
        .run(&(openings, soup), |(opening, parts)| {
            let text = format!("{opening}{}", parts.join(" "));
            if let Err(error) = plpgsql(&text) {
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
