//! What the functions answer, as PostgreSQL 15 does.

mod lists;
mod numbers;
mod texts;

use std::collections::BTreeSet;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::catalog::{EnumType, QName};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::{raise, raised, register, register_enum};
use crate::state::ConnState;
use crate::translate::BUILTINS;

fn connection() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    register(&connection, &Arc::new(ConnState::default())).unwrap();
    let mood = EnumType {
        oid: 7,
        name: QName::new("public", "mood"),
        owner: "postgres".into(),
        labels: ["sad", "ok", "happy"].map(str::to_owned).to_vec(),
        comment: None,
    };
    register_enum(&connection, &mood).unwrap();
    connection
}

/// All rows of one column, as one text.
fn ask(connection: &Connection, sql: &str) -> Result<String, SqlError> {
    let read = |sql: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(match row.get::<_, Value>(0)? {
                Value::Null => "NULL".to_owned(),
                Value::Integer(value) => value.to_string(),
                Value::Real(value) => format!("{value:?}"),
                Value::Text(text) => text,
                Value::Blob(bytes) => plinth_sql::types::bytea::format(&bytes),
            })
        })?;
        rows.collect()
    };
    match read(sql) {
        Ok(rows) => Ok(rows.join(" ")),
        Err(error) => {
            Err(raised(&error).unwrap_or_else(|| SqlError::new("?????", error.to_string())))
        }
    }
}

/// Lines of `expression = answer`, where `! code message` is an error.
fn check(table: &str) {
    let connection = connection();
    let mut wrong = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expression, expected) = line
            .rsplit_once(" => ")
            .unwrap_or_else(|| panic!("no answer: {line}"));
        let sql = if expression.starts_with("select") {
            expression.to_owned()
        } else {
            format!("select {expression}")
        };
        let answer = match ask(&connection, &sql) {
            Ok(answer) => answer,
            Err(error) => format!("! {} {}", error.code, error.message),
        };
        let answer = answer.replace('\n', "\\n");
        if answer != expected {
            wrong.push(format!(
                "{expression}\n   gives {answer}\n  wanted {expected}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn errors_travel_whole() {
    let mut error = SqlError::new("23505", "duplicate \u{0} key")
        .detail("d \"q\"")
        .hint("h");
    error.table = Some("t".into());
    error.column = Some("c".into());
    error.constraint = Some("t_pkey".into());
    assert_eq!(raised(&raise(error.clone())), Some(error.clone()));

    let connection = connection();
    let carried = error.clone();
    connection
        .create_scalar_function(
            "fails",
            0,
            rusqlite::functions::FunctionFlags::default(),
            move |_| Err::<i64, _>(raise(carried.clone())),
        )
        .unwrap();
    assert_eq!(ask(&connection, "select fails()"), Err(error));
}

#[test]
fn every_named_function_is_registered() {
    let connection = connection();
    let mut statement = connection
        .prepare("select name from pragma_function_list")
        .unwrap();
    let known: BTreeSet<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for line in BUILTINS.lines().filter(|line| !line.starts_with('#')) {
        let template = line
            .split_once(" = ")
            .map(|(_, template)| template)
            .unwrap_or_default();
        let calls: Vec<&str> = template.split('(').collect();
        for before in &calls[..calls.len().saturating_sub(1)] {
            let name = before
                .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default();
            wanted.insert(name.to_owned());
        }
    }
    for prefix in ["i2", "i4", "i8", "n", "f4", "f8"] {
        for op in ["add", "sub", "mul", "div"] {
            wanted.insert(format!("{prefix}_{op}"));
        }
    }
    for flavor in ["json", "jsonb"] {
        for access in [
            "key",
            "key_text",
            "index",
            "index_text",
            "path",
            "path_text",
        ] {
            wanted.insert(format!("{flavor}_{access}"));
        }
    }
    for kind in ["n", "f"] {
        for name in ["stddev_samp", "stddev_pop", "var_samp", "var_pop"] {
            wanted.insert(format!("{name}_{kind}"));
        }
    }
    wanted.extend(EMITTED.split_whitespace().map(str::to_owned));
    wanted.remove("");
    let missing: Vec<&String> = wanted
        .iter()
        .filter(|name| !known.contains(*name))
        .collect();
    assert!(missing.is_empty(), "not registered: {missing:?}");
}

/// What the translator writes by itself.
const EMITTED: &str = "i2_mod i4_mod i8_mod n_mod n_pow f8_pow i2_neg i4_neg i8_neg n_neg
    date_add date_sub date_diff ts_add ts_sub ts_diff time_add time_sub time_diff iv_add iv_sub iv_mul iv_div iv_neg
    ts_from_zone ts_to_zone pg_in pg_out pg_element pg_cast pg_mod pg_to_json pg_json_object pg_json_merge pg_like pg_ilike
    pg_similar pg_regex pg_limit pg_single pg_pack pg_unpack pg_array pg_nextval pg_currval pg_setval array_cat array_append
    array_prepend array_contains array_overlaps array_item array_slice array_agg_ array_join_ string_agg_ json_agg_
    json_object_agg_ bit_and_ bit_or_ sum_n avg_n sum_iv avg_iv jsonb_concat jsonb_delete jsonb_delete_keys jsonb_delete_index
    jsonb_delete_path jsonb_contains jsonb_exists jsonb_exists_any jsonb_exists_all bytea_cat";

#[test]
fn nulls_and_wrong_storage_do_no_harm() {
    let connection = connection();
    let mut statement = connection
        .prepare("select distinct name, narg, type from pragma_function_list where builtin = 0")
        .unwrap();
    let functions: Vec<(String, i64, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(functions.len() > 200);
    for (name, arity, kind) in functions {
        let arities = if arity < 0 {
            vec![0, 1, 2, 3, 4, 7]
        } else {
            vec![arity]
        };
        for arity in arities {
            for value in [
                "NULL",
                "1",
                "-1",
                "x'00'",
                "1.5",
                "'x'",
                "''",
                "'[]'",
                "9223372036854775807",
            ] {
                let arguments = vec![value; usize::try_from(arity).unwrap()].join(",");
                let over = if kind == "w" { " over ()" } else { "" };
                let answer = ask(&connection, &format!("select {name}({arguments}){over}"));
                let code = answer.err().map(|error| error.message).unwrap_or_default();
                assert!(!code.contains("panic"), "{name}({arguments}): {code}");
            }
        }
    }
}

#[test]
fn session() {
    check(
        "pg_current_setting('a.b',0) => ! 42704 unrecognized configuration parameter \"a.b\"
        pg_current_setting('a.b',1) => NULL
        pg_set_config('A.b','x',1) => x
        pg_current_setting('a.B',0) => x
        length(pg_set_config('a.b',NULL,0)) => 0
        pg_set_config('role','postgres',0) => ! 0A000 set_config of role is not supported
        pg_set_config('nope','1',0) => ! 42704 unrecognized configuration parameter \"nope\"
        pg_current_setting('TimeZone',0) => UTC
        pg_nextval('public.nope') => ! 42P01 relation \"public.nope\" does not exist
        pg_lastval() => ! 55000 lastval is not yet defined in this session
        length(pg_random_uuid()) => 16
        pg_random() between 0 and 1 => 1
        pg_clock() > 800000000000000 => 1
        length(pg_random_bytes(5)) => 5
        pg_random_bytes(2000) => ! 39000 Length not in range",
    );
}
