//! What the functions answer, as PostgreSQL 15 does.

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
        Err(error) => Err(raised(&error).unwrap_or_else(|| SqlError::new("?????", error.to_string()))),
    }
}

/// Lines of `expression = answer`, where `! code message` is an error.
fn check(table: &str) {
    let connection = connection();
    let mut wrong = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (expression, expected) = line.rsplit_once(" => ").unwrap_or_else(|| panic!("no answer: {line}"));
        let sql = if expression.starts_with("select") { expression.to_owned() } else { format!("select {expression}") };
        let answer = match ask(&connection, &sql) {
            Ok(answer) => answer,
            Err(error) => format!("! {} {}", error.code, error.message),
        };
        let answer = answer.replace('\n', "\\n");
        if answer != expected {
            wrong.push(format!("{expression}\n   gives {answer}\n  wanted {expected}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn errors_travel_whole() {
    let mut error = SqlError::new("23505", "duplicate \u{0} key").detail("d \"q\"").hint("h");
    error.table = Some("t".into());
    error.column = Some("c".into());
    error.constraint = Some("t_pkey".into());
    assert_eq!(raised(&raise(error.clone())), Some(error.clone()));

    let connection = connection();
    let carried = error.clone();
    connection
        .create_scalar_function("fails", 0, rusqlite::functions::FunctionFlags::default(), move |_| {
            Err::<i64, _>(raise(carried.clone()))
        })
        .unwrap();
    assert_eq!(ask(&connection, "select fails()"), Err(error));
}

#[test]
fn every_named_function_is_registered() {
    let connection = connection();
    let mut statement = connection.prepare("select name from pragma_function_list").unwrap();
    let known: BTreeSet<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for line in BUILTINS.lines().filter(|line| !line.starts_with('#')) {
        let template = line.split_once(" = ").map(|(_, template)| template).unwrap_or_default();
        let calls: Vec<&str> = template.split('(').collect();
        for before in &calls[..calls.len().saturating_sub(1)] {
            let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
            wanted.insert(name.to_owned());
        }
    }
    for prefix in ["i2", "i4", "i8", "n", "f4", "f8"] {
        for op in ["add", "sub", "mul", "div"] {
            wanted.insert(format!("{prefix}_{op}"));
        }
    }
    for flavor in ["json", "jsonb"] {
        for access in ["key", "key_text", "index", "index_text", "path", "path_text"] {
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
    let missing: Vec<&String> = wanted.iter().filter(|name| !known.contains(*name)).collect();
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
    let mut statement = connection.prepare("select distinct name, narg, type from pragma_function_list where builtin = 0").unwrap();
    let functions: Vec<(String, i64, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(functions.len() > 200);
    for (name, arity, kind) in functions {
        let arities = if arity < 0 { vec![0, 1, 2, 3, 4, 7] } else { vec![arity] };
        for arity in arities {
            for value in ["NULL", "1", "-1", "x'00'", "1.5", "'x'", "''", "'[]'", "9223372036854775807"] {
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
fn arithmetic() {
    check(
        "i4_add(1,2) => 3
        i4_add(2147483647,1) => ! 22003 integer out of range
        i2_mul(300,300) => ! 22003 smallint out of range
        i8_sub(-9223372036854775807,2) => ! 22003 bigint out of range
        i4_div(7,2) => 3
        i4_div(-7,2) => -3
        i4_div(1,0) => ! 22012 division by zero
        i8_mod(-7,3) => -1
        i8_mod(1,0) => ! 22012 division by zero
        i4_neg(-2147483648) => ! 22003 integer out of range
        i4_add(1,NULL) => NULL
        n_add('1.50','2') => 3.50
        n_div('1','3') => 0.33333333333333333333
        n_div('1','0') => ! 22012 division by zero
        n_pow('2.0','0.5') => 1.4142135623730950
        n_pow('2','10') => 1024.0000000000000000
        f8_add(0.1,0.2) => 0.30000000000000004
        f8_div(1.0,0.0) => ! 22012 division by zero
        f8_mul(1e300,1e300) => ! 22003 value out of range: overflow
        f4_add(0.100000001490116,0.200000002980232) => 0.30000001192092896
        f8_pow(0.0,-1.0) => ! 2201F zero raised to a negative power is undefined
        f8_pow(-8.0,0.5) => ! 2201F a negative number raised to a non-integer power yields a complex result
        i4_abs(-5) => 5
        i4_gcd(12,18) => 6
        i4_lcm(4,6) => 12
        i4_lcm(2147483647,2) => ! 22003 integer out of range",
    );
}

#[test]
fn numbers() {
    check(
        "n_round('2.5',0) => 3
        n_round('2.345',2) => 2.35
        n_round('12345.6',-2) => 12300
        n_trunc('2.79',1) => 2.7
        n_ceil('-2.5') => -2
        f8_round(2.5) => 2.0
        f8_trunc(-2.7) => -2.0
        n_ln('2.0') => 0.6931471805599453
        n_ln('10') => 2.3025850929940457
        n_ln('0.99999') => -0.000010000050000333336
        n_ln('1.0') => 0.0000000000000000
        n_ln('0.00000000000000000001') => -46.05170185988091368036
        n_ln('0') => ! 2201E cannot take logarithm of zero
        n_ln('-1') => ! 2201E cannot take logarithm of a negative number
        n_exp('1') => 2.7182818284590452
        n_exp('0.0') => 1.0000000000000000
        n_exp('-100.5') => 0.00000000000000000000000000000000000000000002256340135917036
        n_exp('300.25') => 24941248615349212861016143149068194319534538911968655233944294799923214326116125181595464258898104103812467954874105309081890765515.38
        n_exp('10000') => ! 22003 value overflows numeric format
        n_log('10','100.0') => 2.0000000000000000
        n_log('2.0','64.0') => 6.0000000000000000
        n_log('10','3') => 0.4771212547196624
        n_log('10','0.00001') => -5.000000000000000
        n_log('1.0','2.0') => ! 22012 division by zero
        n_gcd('1.5','0.6') => 0.3
        n_lcm('1.5','0.6') => 3.0
        n_factorial(20) => 2432902008176640000
        n_bucket('5.35','0.024','10.06',5) => 3
        n_bucket('0.9','10','1',4) => 5
        n_bucket('1','1','1',4) => ! 2201G lower bound cannot equal upper bound
        f8_bucket(5.35,0.024,10.06,5) => 3
        f8_sqrt(-1.0) => ! 2201F cannot take square root of a negative number
        f8_asin(2.0) => ! 22003 input is out of range
        f8_exp(1000.0) => ! 22003 value out of range: overflow
        f8_exp(-1000.0) => ! 22003 value out of range: underflow
        f8_degrees(1.0) => 57.29577951308232
        n_trim_scale('1.500') => 1.5
        pg_to_hex4(-1) => ffffffff
        pg_to_hex8(-1) => ffffffffffffffff",
    );
}

#[test]
fn casts() {
    check(
        "pg_in('12','int4') => 12
        pg_in('x','int4') => ! 22P02 invalid input syntax for type integer: \"x\"
        pg_in('{1,NULL}','int4[]') => [\"1\",null]
        pg_in('{\"b\":1,\"a\":1.50}','jsonb') => {\"a\": 1.50, \"b\": 1}
        pg_out(1,'bool') => true
        pg_element(1,'bool') => t
        pg_out(0,'date') => 2000-01-01
        pg_out('[\"a b\",null]','text[]') => {\"a b\",NULL}
        pg_cast('2.5','numeric','int4') => 3
        pg_cast('99999999999','numeric','int4') => ! 22003 integer out of range
        pg_cast(2.5,'float8','int4') => 2
        pg_cast(0.1,'float8','numeric') => 0.1
        pg_cast(70000,'int4','int2') => ! 22003 smallint out of range
        pg_cast(1,'date','timestamp') => 86400000000
        pg_cast('1.50','jsonb','numeric') => 1.50
        pg_cast('1.5','jsonb','int4') => 2
        pg_cast('\"a\"','jsonb','int4') => ! 22023 cannot cast jsonb string to type integer
        pg_cast('true','jsonb','bool') => 1
        pg_cast('[\"1\",null]','int4[]','float8[]') => [\"1\",null]
        pg_cast('[\"1.5\"]','numeric[]','int4[]') => [\"2\"]
        pg_cast('0 0 90061000000','interval','time') => 3661000000
        pg_mod('1.005','numeric',10,2,0) => 1.01
        pg_mod('100','numeric',4,2,0) => ! 22003 numeric field overflow
        pg_mod('abcd','varchar',3,0,0) => ! 22001 value too long for type character varying(3)
        pg_mod('abcd','varchar',3,0,1) => abc
        pg_mod('[\"abcd\"]','varchar[]',3,0,1) => [\"abc\"]
        pg_mod(1234567,'timestamp',3,0,0) => 1235000
        pg_to_json(NULL,'int4') => null
        pg_to_json('a\"b','text') => \"a\\\"b\"
        pg_to_json(1,'bool') => true
        pg_to_json(0,'timestamptz') => \"2000-01-01T00:00:00+00:00\"
        pg_to_json('[\"1\",null]','int4[]') => [1,null]
        pg_to_json('[[\"t\"]]','bool[]') => [[true]]
        pg_in('x','nosuch') => ! XX000 unknown type code \"nosuch\"",
    );
}

#[test]
fn times() {
    check(
        "date_add(1,2) => 3
        pg_out(ts_add(0,'1 1 3600000000'),'timestamp') => 2000-02-02 01:00:00
        pg_out(ts_diff(90000000000,0),'interval') => 1 day 01:00:00
        pg_out(time_sub(3600000000,'0 0 7200000000'),'time') => 23:00:00
        pg_out(iv_mul('1 0 0',1.5),'interval') => 1 mon 15 days
        iv_div('1 0 0',0.0) => ! 22012 division by zero
        pg_extract('epoch','0 1 7200000000','interval') => 93600.000000
        pg_date_part('year',pg_in('2024-01-01','date'),'date') => 2024.0
        pg_date_part('hour',pg_in('2024-01-01','date'),'date') => 0.0
        pg_extract('hour',pg_in('2024-01-01','date'),'date') => ! 0A000 unit \"hour\" not supported for type date
        pg_out(pg_date_trunc('month',pg_in('2024-03-15 10:00','timestamp'),'timestamp'),'timestamp') => 2024-03-01 00:00:00
        pg_out(pg_date_trunc_zone('day',pg_in('2024-03-15 01:00+00','timestamptz'),'EST'),'timestamptz') => 2024-03-14 05:00:00+00
        pg_out(pg_age(pg_in('2024-03-15','timestamp'),pg_in('2023-01-20 10:00','timestamp')),'interval') => 1 year 1 mon 25 days 14:00:00
        pg_out(pg_date_bin('0 0 900000000',pg_in('2000-02-11 15:44:17','timestamp'),pg_in('2001-01-01','timestamp')),'timestamp') => 2000-02-11 15:30:00
        pg_date_bin('1 0 0',0,0) => ! 0A000 timestamps cannot be binned into intervals containing months or years
        pg_date_bin('0 0 0',0,0) => ! 22008 stride must be greater than zero
        pg_out(pg_make_interval(1,2,3,4,5,6,7.5),'interval') => 1 year 2 mons 25 days 05:06:07.5
        pg_make_date(2023,2,30) => ! 22008 date field value out of range: 2023-02-30
        pg_out(pg_epoch_to_timestamp(1284352323.5),'timestamptz') => 2010-09-13 04:32:03.5+00
        pg_epoch_to_timestamp(1e20) => ! 22008 timestamp out of range: \"1e+20\"
        pg_to_char(0,'YYYY-MM-DD HH24:MI','timestamp') => 2000-01-01 00:00
        pg_to_char('1234.5','9,999.99','numeric') =>  1,234.50
        pg_to_char(12,'FM000','int4') => 012
        pg_out(pg_to_date('05 Dec 2000','DD Mon YYYY'),'date') => 2000-12-05
        pg_isfinite(9223372036854775807,'timestamptz') => 0
        pg_to_number('12,454.8-','99G999D9S') => -12454.8
        pg_to_number('-12','S99') => -12
        pg_to_number('$1,234.50','L9,999.99') => 1234.50
        pg_to_number('','9') => ! 22P02 invalid input syntax for type numeric: \" \"",
    );
}

#[test]
fn series() {
    check(
        "series_int(1,4) => [1,2,3,4]
        series_int(4,1) => []
        series_int(4,1,-2) => [4,2]
        series_int(1,1) => [1]
        series_int(0,-1,5) => []
        series_int(1,10,0) => ! 22023 step size cannot equal zero
        series_int(1,NULL) => NULL
        series_int(9223372036854775806,9223372036854775807,1) => [9223372036854775806,9223372036854775807]
        series_int(1,100000000) => ! 54000 a series cannot have more than 10000000 rows
        series_num('1.5','3','0.5') => [\"1.5\",\"2.0\",\"2.5\",\"3.0\"]
        series_num('1','Infinity') => ! 22023 stop value cannot be infinity
        series_num('1','2','NaN') => ! 22023 step size cannot be NaN
        series_ts(0,172800000000,'0 1 43200000000','timestamp') => [\"2000-01-01 00:00:00\",\"2000-01-02 12:00:00\"]
        series_ts(0,0,'0 0 0','timestamp') => ! 22023 step size cannot equal zero",
    );
}

#[test]
fn texts() {
    check(
        "pg_lower('ÀB') => àb
        pg_upper('straße') => STRAßE
        pg_initcap('hello wORLD-x') => Hello World-X
        pg_substr('abc',0,2) => a
        pg_substr('abc',1,-1) => ! 22011 negative substring length not allowed
        pg_bytes_substr(x'616263646566',2,3) => \\x626364
        pg_left('abc',-1) => ab
        pg_lpad('abc',5,'xy') => xyabc
        pg_btrim('xxaxx','x') => a
        pg_replace('aaa','a','bb') => bbbbbb
        pg_split_part('a,b,c',',',-1) => c
        pg_strpos('abc','b') => 2
        pg_string_to_array('a,b,,c',',') => [\"a\",\"b\",\"\",\"c\"]
        pg_string_to_array('abc',NULL) => [\"a\",\"b\",\"c\"]
        pg_string_to_array('',',') => []
        pg_string_to_array('a,b',',','b') => [\"a\",null]
        pg_concat('text','int4','text','bool','int4[]','a',1,NULL,1,'[\"1\",\"2\"]') => a1t{1,2}
        length(pg_concat()) => 0
        pg_concat_ws(',','text','text','bool','a',NULL,1) => a,t
        pg_format('%s %I %L %1$s|%5s|%%','text','text','text','text','a b','x y','it''s','q') => a b \"x y\" 'it''s' a b|  x y|%
        pg_quote_literal('a\\b') => E'a\\\\b'
        pg_quote_nullable(NULL) => NULL
        pg_md5('abc') => 900150983cd24fb0d6963f7d28e17f72
        pg_digest('abc','sha1') => \\xa9993e364706816aba3e25717850c26c9cd0d89d
        pg_digest(x'616263','sha256') => \\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
        pg_digest('a','foo') => ! 22023 Cannot use \"foo\": No such hash algorithm
        pg_hmac('abc','key','sha256') => \\x9c196e32dc0175f86f4b1cb89289d6619de6bee699e4c378e68309ed97a1a6ab
        pg_hmac('a',pg_repeat('k',200),'md5') => \\x6b826f9e3672155600cf826eac32f264
        pg_encode(x'000180ff41','escape') => \\000\u{1}\\200\\377A
        pg_encode('abc','base64') => YWJj
        pg_decode(' YWJj','base64') => \\x616263
        pg_decode('YW!j','base64') => ! 22023 invalid symbol \"!\" found while decoding base64 sequence
        pg_decode('YWJ','base64') => ! 22023 invalid base64 end sequence
        pg_encode('abc','foo') => ! 22023 unrecognized encoding: \"foo\"
        pg_convert_from(x'ff','UTF8') => ! 22021 invalid byte sequence for encoding \"UTF8\": 0xff
        pg_size_pretty(10752) => 11 kB",
    );
}

#[test]
fn patterns() {
    check(
        "pg_like('abc','a%') => 1
        pg_like('abc','A%') => 0
        pg_ilike('abc','A_C') => 1
        pg_like('a%c','a!%c','!') => 1
        pg_like('abc','a\\') => ! 22025 LIKE pattern must not end with escape character
        pg_like('abc','a','xx') => ! 22025 invalid escape string
        pg_similar('x','(x|y)') => 1
        pg_similar('abc','b') => 0
        pg_regex('foo bar','\\mbar',0) => 1
        pg_regex('ABC','b',1) => 1
        pg_regex('a<b','<',0) => 1
        pg_regex('ab','a<',0) => 0
        pg_regex('abc','(',0) => ! 2201B invalid regular expression: parentheses () not balanced
        pg_regex('abc','[',0) => ! 2201B invalid regular expression: brackets [] not balanced
        pg_regex('abc','*',0) => ! 2201B invalid regular expression: quantifier operand invalid
        pg_regex('abc','[z-a]',0) => ! 2201B invalid regular expression: invalid character range
        pg_regex('abc','(((a{200}){200}){200})',0) => ! 2201B invalid regular expression: regular expression is too complex
        pg_regexp_match('foobarbequebaz','(bar)(beque)') => [\"bar\",\"beque\"]
        pg_regexp_match('foo','x') => NULL
        pg_regexp_match('abc','(x)?b') => [null]
        pg_regexp_match('abc','b','g') => ! 22023 regexp_match() does not support the \"global\" option
        pg_regexp_matches('foobarbequebazilbarfbonk','(b[^b]+)(b[^b]+)','g') => [\"{bar,beque}\",\"{bazil,barf}\"]
        pg_regexp_split('hello world','\\s+') => [\"hello\",\"world\"]
        pg_regexp_split('abc','') => [\"a\",\"b\",\"c\"]
        pg_regexp_split('abc','b*') => [\"a\",\"c\"]
        pg_regexp_split(',a,',',') => [\"\",\"a\",\"\"]
        pg_regexp_replace('abc','b*','X','g') => XaXXcX
        pg_regexp_replace('foobarbaz','b..','X','') => fooXbaz
        pg_regexp_replace('foobarbaz','b(..)','X\\1Y','g') => fooXarYXazY
        pg_regexp_replace_from('foobarbaz','b..','X',1,2) => foobarX
        pg_regexp_replace_from('foobarbaz','b..','X',5) => foobarX
        pg_regexp_replace('abc','b','X','z') => ! 22023 invalid regular expression option: \"z\"
        pg_regexp_count('abab','a') => 2
        pg_regexp_instr('abab','b') => 2
        pg_regexp_substr('abcabc','b.') => bc
        pg_substring_regex('foobar','o(.)b') => o
        pg_substring_regex('foobar','o.b') => oob
        pg_substring_similar('foobar','%#\"o_b#\"%','#') => oob",
    );
}

#[test]
fn arrays() {
    check(
        "pg_array('a',NULL,'1') => [\"a\",null,\"1\"]
        pg_array(json('[\"1\"]'),json('[\"2\"]')) => [[\"1\"],[\"2\"]]
        pg_array(json('[\"1\"]'),json('[\"2\",\"3\"]')) => ! 2202E multidimensional arrays must have array expressions with matching dimensions
        array_cat('[\"1\"]','[\"2\"]') => [\"1\",\"2\"]
        array_cat(NULL,'[\"2\"]') => [\"2\"]
        array_cat('[\"1\"]','[[\"2\"]]') => [[\"1\"],[\"2\"]]
        array_cat('[\"1\"]','[[\"1\",\"2\"]]') => ! 2202E cannot concatenate incompatible arrays
        array_append(NULL,'a') => [\"a\"]
        array_append('[\"a\"]',NULL) => [\"a\",null]
        array_append('[[\"a\"]]','b') => ! 22000 argument must be empty or one-dimensional array
        array_prepend('b','[\"a\"]') => [\"b\",\"a\"]
        array_contains('[\"a\",\"b\"]','[\"b\"]') => 1
        array_contains('[\"a\",null]','[null]') => 0
        array_contains('[\"1.0\"]','[\"1.00\"]') => 0
        array_contains('[\"1.0\"]','[\"1.00\"]','numeric[]') => 1
        array_overlaps('[\"a\"]','[\"b\",\"a\"]') => 1
        array_item('[\"a\",\"b\"]',2) => b
        array_item('[\"a\"]',0) => NULL
        array_slice('[\"1\",\"2\",\"3\"]',0,2,0,0) => [\"1\",\"2\"]
        array_slice('[\"1\",\"2\",\"3\"]',2,NULL,0,1) => [\"2\",\"3\"]
        array_slice('[\"1\",\"2\",\"3\"]',NULL,2,0,0) => NULL
        array_flatten('[[\"1\"],[\"2\"]]') => [\"1\",\"2\"]
        array_to_string_('[[\"1\",\"2\"],[\"3\",null]]',',','x') => 1,2,3,x
        array_length_('[]',1) => NULL
        array_length_('[[\"1\",\"2\"]]',2) => 2
        array_dims_('[[\"1\",\"2\"]]') => [1:1][1:2]
        array_cardinality_('[[\"1\",\"2\"]]') => 2
        array_remove_('[\"1.0\",\"2\",null]','1.00','numeric[]') => [\"2\",null]
        array_remove_('[[\"1\"]]','1','int4[]') => ! 0A000 removing elements from multidimensional arrays is not supported
        array_position_('[\"1\",\"2\",\"1\"]','1',2,'int4[]') => 3
        array_positions_('[\"1\",\"2\",\"1\"]','1','int4[]') => [\"1\",\"3\"]
        array_fill_('7','[\"2\",\"2\"]') => [[\"7\",\"7\"],[\"7\",\"7\"]]
        array_trim_('[\"1\",\"2\"]',3) => ! 2202E number of elements to trim must be between 0 and 2
        array_subscripts_('[\"a\",\"b\"]',1,1) => [2,1]",
    );
}

#[test]
fn json() {
    check(
        "json_key('{\"a\":1,\"a\":{\"b\": 2}}','a') => {\"b\": 2}
        jsonb_key_text('{\"a\": \"x\\ny\"}','a') => x\\ny
        jsonb_index('[1, 2]',-1) => 2
        json_index_text('[null]',0) => NULL
        jsonb_path('{\"a\": [1, {\"b\": 2}]}','[\"a\",\"1\",\"b\"]') => 2
        jsonb_concat('{\"a\": 1}','{\"b\": 2}') => {\"a\": 1, \"b\": 2}
        jsonb_delete('{\"a\": 1}','a') => {}
        jsonb_delete('1','a') => ! 22023 cannot delete from scalar
        jsonb_contains('{\"a\": [1, 2]}','{\"a\": [2]}') => 1
        jsonb_exists_any('{\"a\": 1}','[\"b\",\"a\"]') => 1
        jsonb_set_('{\"a\": 1}','[\"b\"]','2',1) => {\"a\": 1, \"b\": 2}
        jsonb_set_('[1]','[\"x\"]','2',1) => ! 22P02 path element at position 1 is not an integer: \"x\"
        jsonb_set_lax_('{\"a\": 1}','[\"a\"]',NULL,1,'delete_key') => {}
        jsonb_insert_('{\"a\": 1}','[\"a\"]','5',0) => ! 22023 cannot replace existing key
        json_build_object_('\"a\"','1','1','null','true','[1,2]') => {\"a\" : 1, \"1\" : null, \"true\" : [1,2]}
        json_build_object_('\"a\"') => ! 22023 argument list must have even number of elements
        json_build_object_('null','1') => ! 22023 argument 1 cannot be null
        jsonb_build_object_('null','1') => ! 22023 argument 1: key must not be null
        json_build_object_('[1]','1') => ! 22023 key value must be scalar, not array, composite, or json
        json_build_array_('1','\"a\"','null') => [1, \"a\", null]
        json_build_array_() => []
        json_object_('[\"a\",\"1\",\"b\",null]') => {\"a\" : \"1\", \"b\" : null}
        json_object_('[\"a\"]') => ! 2202E array must have even number of elements
        json_object_of_('[\"a\"]','[\"1\",\"2\"]') => ! 2202E mismatched array dimensions
        pg_json_object('a','1','b',NULL) => {\"a\":1,\"b\":null}
        pg_json_merge('{\"a\":1}','{}','{\"b\":2}') => {\"a\":1,\"b\":2}
        json_each_('{\"a\":1,\"b\":null}','json_each') => [[\"a\",\"1\"],[\"b\",\"null\"]]
        json_each_text_('{\"a\":1,\"b\":null}','json_each_text') => [[\"a\",\"1\"],[\"b\",null]]
        json_each_('[]','jsonb_each') => ! 22023 cannot call jsonb_each on a non-object
        json_elements_('[1,\"a\"]','json_array_elements') => [\"1\",\"\\\"a\\\"\"]
        json_elements_text_('[1,\"a\",null]','json_array_elements_text') => [\"1\",\"a\",null]
        json_keys_('{\"b\":1,\"a\":2}','json_object_keys') => [\"b\",\"a\"]
        json_record_('[1]') => ! 22023 cannot call populate_composite on an array
        json_recordset_('[1]','json_to_recordset') => ! 22023 argument of json_to_recordset must be an array of objects
        select json_extract(value,'$[0]') from json_each(json_each_text_('{\"a\":1}','json_each_text')) => a",
    );
}

#[test]
fn aggregates() {
    let rows = "from (values ('1.50',1),('2',2),('3',3)) ";
    check(&format!(
        "select sum_n(column1) {rows} => 6.50
        select avg_n(column1) {rows} => 2.1666666666666667
        select sum_n(column1) over (order by column2 rows 1 preceding) {rows} => 1.50 3.50 5
        select avg_n(column1) over (order by column2 rows 1 preceding) {rows} => 1.50000000000000000000 1.7500000000000000 2.5000000000000000
        select sum_n(column1) from (values ('1'),('NaN'),('Infinity')) => NaN
        select sum_n(column1) from (values ('123456789012345678901234567890.5'),('0.5')) => 123456789012345678901234567891.0
        select sum_n(column1) {rows} where 0 => NULL
        select stddev_samp_n(column1) from (values ('1'),('2'),('2'),('7')) => 2.7080128015453201
        select var_pop_n(column1) from (values ('1'),('2'),('2'),('7')) => 5.5000000000000000
        select stddev_samp_n('1') => NULL
        select stddev_pop_n('1') => 0
        select stddev_samp_f(column1) from (values (1.0),(2.0),(2.0),(7.0)) => 2.70801280154532
        select var_pop_f(column1) over (order by column2 rows 1 preceding) from (values (1.0,1),(3.0,2),(5.0,3)) => 0.0 1.0 1.0
        select pg_out(avg_iv(column1),'interval') from (values ('0 1 0'),('0 0 10800000000')) => 13:30:00
        select array_agg_(column1 order by column2 desc) {rows} => [\"3\",\"2\",\"1.50\"]
        select array_agg_(column1) over (order by column2 rows 1 preceding) {rows} => [\"1.50\"] [\"1.50\",\"2\"] [\"2\",\"3\"]
        select array_agg_(json(column1) order by column1) from (values ('[\"2\"]'),('[\"1\"]')) => [[\"1\"],[\"2\"]]
        select array_agg_(json(column1)) from (values ('[\"2\"]'),('[\"1\",\"2\"]')) => ! 2202E cannot accumulate arrays of different dimensionality
        select string_agg_(column1,',') from (values ('a'),(NULL),('b')) => a,b
        select string_agg_(column1,',') from (values (NULL)) => NULL
        select array_join_(array_agg_(distinct column1),',') from (values ('a'),('a'),(NULL)) => a
        select json_agg_(column1) from (values ('1'),('null')) => [1, null]
        select json_agg_(column1,1) from (values ('{{}}'),('{{}}')) => [{{}}, \\n {{}}]
        select json_object_agg_(column1,column2) from (values ('a','1'),('b','null')) => {{ \"a\" : 1, \"b\" : null }}
        select json_object_agg_(NULL,'1') => ! 22023 field name must not be null
        select bit_and_(column1) from (values (6),(3),(NULL)) => 2
        select bit_or_(column1) from (values (-8),(3)) => -5
        select pg_single(column1) from (values (6)) => 6
        select pg_single(column1) {rows} where 0 => NULL
        select pg_single(column1) {rows} => ! 21000 more than one row returned by a subquery used as an expression",
    ));
}

#[test]
fn collations() {
    let ordered = |collation: &str, values: &str| {
        ask(&connection(), &format!("select column1 from (values {values}) order by column1 collate \"{collation}\"")).unwrap()
    };
    assert_eq!(ordered("num", "('10'),('NaN'),('9.5'),('-3')"), "-3 9.5 10 NaN");
    assert_eq!(ordered("interval", "('1 0 0'),('0 29 0'),('0 31 0')"), "0 29 0 1 0 0 0 31 0");
    assert_eq!(ordered("enum:7", "('happy'),('gone'),('sad')"), "sad happy gone");
    assert_eq!(ordered("array:enum:7", "('[\"happy\"]'),('[\"sad\",\"ok\"]')"), "[\"sad\",\"ok\"] [\"happy\"]");
    assert_eq!(ordered("array:int4", "('[\"10\"]'),('[\"9\",\"1\"]'),('[\"9\"]'),('[null]')"), "[\"9\"] [\"9\",\"1\"] [\"10\"] [null]");
    assert_eq!(ordered("jsonb", "('{}'),('[]'),('\"a\"'),('null')"), "[] null \"a\" {}");
    check(
        "'1.5' = '1.50' collate num => 1
        '[\"1.0\"]' = '[\"1.00\"]' collate \"array:numeric\" => 1
        '0 1 0' = '0 0 86400000000' collate interval => 1",
    );
}

#[test]
fn rows_in_transit() {
    check(
        "pg_unpack(json_array(pg_pack('a\"b'),pg_pack(1),pg_pack(0.1),pg_pack(NULL),pg_pack(x'00ff')),0) => a\"b
        pg_unpack(json_array(pg_pack(-5),pg_pack(1)),0) => -5
        pg_unpack(json_array(pg_pack(9e999)),0) => inf
        pg_unpack(json_array(pg_pack(NULL)),0) => NULL
        typeof(pg_unpack(json_array(pg_pack(x'00ff')),0)) => blob
        pg_unpack(json_array(pg_pack('null')),0) => null
        pg_limit(NULL,'LIMIT') => -1
        pg_limit(-1,'LIMIT') => ! 2201W LIMIT must not be negative
        pg_limit(-1,'OFFSET') => ! 2201X OFFSET must not be negative",
    );
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
