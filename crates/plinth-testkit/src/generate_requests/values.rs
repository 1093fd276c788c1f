//! Values of every type in PostgreSQL's text form, those at the edges among them.

use serde_json::Value;

/// Who is signed in: the owners of rows, too.
pub(super) const SUBJECTS: [&str; 3] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "33333333-3333-4333-8333-333333333333",
];

const UUIDS: [&str; 5] = [
    SUBJECTS[0],
    SUBJECTS[1],
    SUBJECTS[2],
    "aaaaaaaa-0000-4000-8000-000000000000",
    "ffffffff-ffff-4fff-8fff-ffffffffffff",
];

/// Arrays as literals and as JSON.
const TEXTS: [(&str, &str); 8] = [
    ("{}", "[]"),
    ("{a}", r#"["a"]"#),
    ("{a,b}", r#"["a","b"]"#),
    ("{b,a}", r#"["b","a"]"#),
    (r#"{NULL,"b c"}"#, r#"[null,"b c"]"#),
    (r#"{"",x}"#, r#"["","x"]"#),
    (r#"{"a,b","c\"d"}"#, r#"["a,b","c\"d"]"#),
    ("{null}", "[null]"),
];

const LITERALS: [&str; 8] = [
    TEXTS[0].0, TEXTS[1].0, TEXTS[2].0, TEXTS[3].0, TEXTS[4].0, TEXTS[5].0, TEXTS[6].0, TEXTS[7].0,
];

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    Int,
    Bigint,
    Text,
    Bool,
    Uuid,
    Numeric,
    Timestamptz,
    Date,
    Jsonb,
    Texts,
    /// The enumeration that every world has.
    Level,
}

impl Ty {
    /// As SQL names it.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Ty::Int => "int",
            Ty::Bigint => "bigint",
            Ty::Text => "text",
            Ty::Bool => "boolean",
            Ty::Uuid => "uuid",
            Ty::Numeric => "numeric",
            Ty::Timestamptz => "timestamptz",
            Ty::Date => "date",
            Ty::Jsonb => "jsonb",
            Ty::Texts => "text[]",
            Ty::Level => "level",
        }
    }

    /// Values to choose from.
    pub(super) fn pool(self) -> &'static [&'static str] {
        match self {
            Ty::Int => &[
                "0",
                "1",
                "-1",
                "2",
                "3",
                "7",
                "42",
                "2147483647",
                "-2147483648",
            ],
            Ty::Bigint => &[
                "0",
                "1",
                "-5",
                "100",
                "42",
                "9007199254740993",
                "9223372036854775807",
                "-9223372036854775808",
            ],
            Ty::Text => &[
                "",
                "a",
                "Ann",
                "ann",
                "Zoë",
                "b,c",
                "x_y",
                "100%",
                "O'Hara",
                "say \"hi\"",
                "back\\slash",
                "日本",
                "👍",
                " lead",
                "null",
                "(x)",
                "{a}",
                "two words",
                "a.b",
                "line\nbreak",
                "*",
                "red",
            ],
            Ty::Bool => &["true", "false"],
            Ty::Uuid => &UUIDS,
            Ty::Numeric => &[
                "0",
                "1.50",
                "1.5",
                "-2.25",
                "0.001",
                "100",
                "12345678901234567890.123",
                "-0.0",
                "99.99",
            ],
            Ty::Timestamptz => &[
                "2024-02-29 12:00:00+00",
                "1999-12-31 23:59:59.123456+00",
                "1970-01-01 00:00:00+00",
                "2024-06-15 08:30:00+02",
                "2024-02-29 12:00:00.5+00",
                "infinity",
            ],
            Ty::Date => &[
                "2024-02-29",
                "1970-01-01",
                "1999-12-31",
                "9999-12-31",
                "0001-01-01",
                "infinity",
            ],
            Ty::Jsonb => &[
                r#"{"a": 1, "b": {"c": [1, 2, null]}}"#,
                r#"{"a": "x", "ü": true}"#,
                "{}",
                "[]",
                "null",
                r#""text""#,
                r#"[1, 2, "x"]"#,
                "1.10",
                r#"{"b": 1, "a": 2, "b": 3}"#,
                r#"{"a": null}"#,
                r#"{"a": [{"c": 1}]}"#,
            ],
            Ty::Texts => &LITERALS,
            Ty::Level => &["low", "mid", "high"],
        }
    }

    /// Types that a select list may cast every value to.
    pub(super) fn casts(self) -> &'static [&'static str] {
        match self {
            Ty::Int => &["text", "bigint", "numeric", "float8"],
            Ty::Bigint => &["text", "numeric"],
            Ty::Text => &["varchar", "text"],
            Ty::Bool => &["text", "int"],
            Ty::Uuid | Ty::Level => &["text"],
            Ty::Numeric => &["text", "float8"],
            Ty::Timestamptz => &["text", "date", "timestamp"],
            Ty::Date => &["text", "timestamp"],
            Ty::Jsonb => &["text", "json"],
            Ty::Texts => &["text", "varchar[]"],
        }
    }
}

/// A value in a body.
pub(super) fn json(ty: Ty, value: Option<&str>) -> String {
    match (ty, value) {
        (_, None) => "null".to_owned(),
        (Ty::Int | Ty::Bigint | Ty::Bool | Ty::Numeric | Ty::Jsonb, Some(text)) => text.to_owned(),
        (_, Some(text)) => Value::from(text).to_string(),
    }
}

/// An array in a body, where it is one of the pool.
pub(super) fn json_array(literal: &str) -> Option<String> {
    let known = TEXTS.iter().find(|(text, _)| *text == literal);
    known.map(|(_, json)| (*json).to_owned())
}

/// A key that no two numbers share.
pub(super) fn fresh_uuid(number: usize) -> String {
    format!("{:08x}-0000-4000-8000-{number:012x}", number * 7919)
}
