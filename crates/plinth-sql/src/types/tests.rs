//! The values against Postgres 15: each line of `testdata/*.txt` is a call and what Postgres answered.
//!
//! `operation ¦ argument ¦ … ⇒ result`, where the result is a text, `NULL` or `! SQLSTATE message (detail: …) (hint: …)`.

use crate::SqlError;
use crate::types::datetime::{self as dt};
use crate::types::io::{StoredRef, input, output, write_json};
use crate::types::json::{self, Flavor, Jsonb};
use crate::types::numeric::Numeric;
use crate::types::{ColumnType, Type, array, float, integer, interval, text};

#[test]
fn numbers_are_as_in_postgres() {
    check(include_str!("testdata/numbers.txt"));
}

#[test]
fn dates_and_times_are_as_in_postgres() {
    check(include_str!("testdata/datetime.txt"));
}

#[test]
fn to_char_is_as_in_postgres() {
    check(include_str!("testdata/to_char.txt"));
}

#[test]
fn json_and_arrays_are_as_in_postgres() {
    check(include_str!("testdata/json.txt"));
}

#[test]
fn text_functions_are_as_in_postgres() {
    check(include_str!("testdata/text.txt"));
}

fn check(cases: &str) {
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let (call, expected) = line
            .split_once(" ⇒ ")
            .unwrap_or_else(|| panic!("no result in {line}"));
        // A line break within a text is written as ␤.
        let call = call.replace('␤', "\n");
        let arguments: Vec<&str> = call.split(" ¦ ").collect();
        let actual = show(run(&arguments)).replace('\n', "␤");
        if actual != expected {
            wrong.push(format!(
                "{call}\n  postgres: {expected}\n  plinth:   {actual}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.lines().count(),
        wrong.join("\n")
    );
}

fn show(result: Result<Option<String>, SqlError>) -> String {
    match result {
        Ok(Some(text)) => text,
        Ok(None) => "NULL".to_owned(),
        Err(fault) => {
            let part = |name: &str, text: Option<String>| {
                text.map_or(String::new(), |text| format!(" ({name}: {text})"))
            };
            format!(
                "! {} {}{}{}",
                fault.code,
                fault.message,
                part("detail", fault.detail),
                part("hint", fault.hint)
            )
        }
    }
}

/// `numeric(5,2)`, `text[]`.
fn column_type(name: &str) -> ColumnType {
    if let Some(element) = name.strip_suffix("[]") {
        return column_type(element).ty.array().into();
    }
    let (base, modifier) = name.split_once('(').unwrap_or((name, ""));
    let mut numbers = modifier
        .trim_end_matches(')')
        .split(',')
        .filter_map(|number| number.parse().ok());
    let modifier = numbers
        .next()
        .map(|first| (first, numbers.next().unwrap_or(0)));
    ColumnType {
        ty: Type::built_in(base).unwrap(),
        modifier,
    }
}

fn stored(ty: &str, text: &str) -> Result<crate::types::io::Stored, SqlError> {
    input(&column_type(ty), text, &|_| None, 0)
}

fn moment(text: &str) -> Result<i64, SqlError> {
    dt::parse_timestamp(text, 0)
}

fn number(text: &str) -> Result<Numeric, SqlError> {
    text.parse()
}

fn int(text: &str) -> i64 {
    text.parse().unwrap()
}

fn steps(text: &str) -> Vec<Option<String>> {
    let value = array::parse(text).unwrap();
    array::flatten(&value)
        .into_iter()
        .map(|step| step.map(str::to_owned))
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "what run returns")]
#[expect(clippy::needless_pass_by_value, reason = "results of calls")]
fn some(text: impl ToString) -> Result<Option<String>, SqlError> {
    Ok(Some(text.to_string()))
}

fn truth(value: bool) -> Result<Option<String>, SqlError> {
    some(value)
}

fn run(arguments: &[&str]) -> Result<Option<String>, SqlError> {
    match *arguments {
        ["in", "bool", text] => some(crate::types::boolean::long(crate::types::boolean::parse(
            text,
        )?)),
        ["in", "float8", text] => some(float::format_f64(float::parse_f64(text)?)),
        ["in", ty, text] => output(&column_type(ty).ty, stored(ty, text)?.as_ref()),
        ["json", ty, text] => {
            let mut out = Vec::new();
            write_json(&column_type(ty).ty, stored(ty, text)?.as_ref(), &mut out);
            Ok(String::from_utf8(out).ok())
        }
        ["num", op, a, b] => arithmetic(op, &number(a)?, &number(b)?),
        ["numf", function, a] => numeric_function(function, &number(a)?),
        ["round", a, n] => some(number(a)?.round(int(n))),
        ["trunc", a, n] => some(number(a)?.trunc(int(n))),
        ["div", a, b] => some(number(a)?.div_trunc(&number(b)?)?),
        ["float_numeric", a] => some(Numeric::from_f64(float::parse_f64(a)?)),
        ["real_numeric", a] => some(Numeric::from_f32(float::parse_f32(a)?)),
        ["float_int", ty, a] => some(float::to_integer(
            &column_type(ty).ty,
            float::parse_f64(a)?,
        )?),
        ["numeric_int", ty, a] => some(number(a)?.to_integer(&column_type(ty).ty)?),
        ["numeric_float", a] => some(float::format_f64(number(a)?.to_f64()?)),
        ["jsonb", op, a, b] => jsonb_operator(op, a, b),
        ["jsonget", ty, op, a, b] => json_get(
            if ty == "json" {
                Flavor::Json
            } else {
                Flavor::Jsonb
            },
            op,
            a,
            b,
        ),
        ["jsonb-i", a, b] => some(json::delete_index(json::parse(a)?, int(b))?),
        ["jsonb_cmp", a, b] => some(json::compare(&json::parse(a)?, &json::parse(b)?) as i32),
        ["jsonb_set" | "jsonb_insert", a, path, new, flag] => {
            let (path, new, flag) = (steps(path), json::parse(new)?, flag == "true");
            let path: Vec<_> = path.iter().map(Option::as_deref).collect();
            let change = if arguments[0] == "jsonb_set" {
                json::set
            } else {
                json::insert
            };
            some(change(json::parse(a)?, &path, new, flag)?)
        }
        _ => run_time(arguments).unwrap_or_else(|| run_text(arguments)),
    }
}

fn arithmetic(op: &str, a: &Numeric, b: &Numeric) -> Result<Option<String>, SqlError> {
    some(match op {
        "+" => a.add(b)?,
        "-" => a.sub(b)?,
        "*" => a.mul(b)?,
        "/" => a.div(b)?,
        "%" => a.rem(b)?,
        _ => a.pow(b)?,
    })
}

fn numeric_function(function: &str, a: &Numeric) -> Result<Option<String>, SqlError> {
    let finite = a.is_finite();
    some(match function {
        "sqrt" => a.sqrt()?,
        "ceil" => a.ceil(),
        "floor" => a.floor(),
        "round" => a.round(0),
        "trunc" => a.trunc(0),
        "abs" => a.abs(),
        "sign" => a.sign(),
        "trim_scale" => a.trim_scale(),
        "scale" if finite => Numeric::from(i64::from(a.scale())),
        "min_scale" if finite => Numeric::from(i64::from(a.min_scale())),
        _ => return Ok(None),
    })
}

fn jsonb_operator(op: &str, a: &str, b: &str) -> Result<Option<String>, SqlError> {
    let value = json::parse(a)?;
    let text = value.to_string();
    match op {
        "@>" => return truth(json::contains(&value, &json::parse(b)?)),
        "||" => return some(json::concat(value, json::parse(b)?)),
        "?" => return truth(json::exists(&text, b)),
        "-" => return some(json::delete_key(value, b)?),
        _ => {}
    }
    let keys = steps(b);
    let keys: Vec<_> = keys.iter().map(Option::as_deref).collect();
    match op {
        "?|" => truth(json::exists_any(&text, &keys)),
        "?&" => truth(json::exists_all(&text, &keys)),
        _ => some(json::delete_path(value, &keys)?),
    }
}

fn json_get(flavor: Flavor, op: &str, a: &str, b: &str) -> Result<Option<String>, SqlError> {
    let text = if flavor == Flavor::Json {
        a.to_owned()
    } else {
        json::normalize(a)?
    };
    let raw = match op {
        "->" | "->>" => json::member(&text, b),
        "->i" | "->>i" => json::element(&text, int(b), flavor),
        _ => {
            let path = steps(b);
            let path: Vec<_> = path.iter().map(Option::as_deref).collect();
            json::path(&text, &path)
        }
    };
    match raw {
        Some(raw) if op.contains(">>") => Ok(json::as_text(raw)?.map(std::borrow::Cow::into_owned)),
        raw => Ok(raw.map(str::to_owned)),
    }
}

fn run_time(arguments: &[&str]) -> Option<Result<Option<String>, SqlError>> {
    let show_interval =
        |value: Result<interval::Interval, SqlError>| value.map(|value| Some(value.to_string()));
    let show_moment =
        |value: Result<i64, SqlError>| value.map(|value| Some(dt::format_timestamp(value)));
    Some((|| match *arguments {
        ["ts+", a, b] => show_moment(dt::timestamp_plus_interval(
            moment(a)?,
            &interval::parse(b)?,
        )),
        ["ts-", a, b] => show_interval(dt::timestamp_minus(moment(a)?, moment(b)?)),
        ["age", a, b] => show_interval(dt::age(moment(a)?, moment(b)?)),
        ["date_trunc", field, a] => {
            show_moment(dt::date_trunc(field, moment(a)?, &Type::Timestamp))
        }
        ["date_trunc_interval", field, a] => {
            show_interval(dt::date_trunc_interval(field, &interval::parse(a)?))
        }
        ["extract", field, "interval", a] => {
            some(dt::extract_interval(field, &interval::parse(a)?)?)
        }
        ["extract", field, "time", a] => some(dt::extract_time(field, dt::parse_time(a, 0)?)?),
        ["extract", field, ty, a] => {
            let mut timestamp = moment(a)?;
            if ty == "date" {
                timestamp = dt::date_to_timestamp(dt::date_from_timestamp(timestamp))?;
            }
            Ok(dt::extract(field, timestamp, &column_type(ty).ty)?.map(|value| value.to_string()))
        }
        ["interval*", a, b] => show_interval(interval::parse(a)?.mul(float::parse_f64(b)?)),
        ["interval/", a, b] => show_interval(interval::parse(a)?.div(float::parse_f64(b)?)),
        ["justify", "justify_hours", a] => show_interval(interval::parse(a)?.justify_hours()),
        ["justify", "justify_days", a] => show_interval(interval::parse(a)?.justify_days()),
        ["justify", _, a] => show_interval(interval::parse(a)?.justify()),
        ["to_char", "numeric", a, template] => {
            some(dt::to_char_number(&number(a)?, template, None)?)
        }
        ["to_char", "float8", a, template] => {
            some(dt::to_char_float(float::parse_f64(a)?, template, 15)?)
        }
        ["to_char", "interval", a, template] => {
            dt::to_char_interval(&interval::parse(a)?, template)
        }
        ["to_char", ty, a, template] => {
            dt::to_char_timestamp(moment(a)?, template, ty == "timestamptz")
        }
        ["to_date", a, template] => some(dt::format_date(dt::to_date(a, template)?)),
        ["to_timestamp", a, template] => {
            some(dt::format_timestamptz(dt::to_timestamp(a, template)?))
        }
        ["at_zone", "timestamp", a, zone] => some(dt::format_timestamptz(dt::at_time_zone(
            moment(a)?,
            zone,
            true,
        )?)),
        ["at_zone", _, a, zone] => show_moment(dt::at_time_zone(moment(a)?, zone, false)),
        ["make_date", y, m, d] => some(dt::format_date(dt::make_date(int(y), int(m), int(d))?)),
        ["make_timestamp", y, mo, d, h, mi, s] => show_moment(dt::make_timestamp(
            (int(y), int(mo), int(d)),
            (int(h), int(mi), float::parse_f64(s)?),
        )),
        _ => Ok(None),
    })())
    .filter(|_| {
        matches!(
            arguments[0],
            "ts+"
                | "ts-"
                | "age"
                | "date_trunc"
                | "date_trunc_interval"
                | "extract"
                | "interval*"
                | "interval/"
                | "justify"
                | "to_char"
                | "to_date"
                | "to_timestamp"
                | "at_zone"
                | "make_date"
                | "make_timestamp"
        )
    })
}

fn run_text(arguments: &[&str]) -> Result<Option<String>, SqlError> {
    match *arguments {
        ["like", a, b] => truth(text::like_match(a, b, Some('\\'), false)?),
        ["ilike", a, b] => truth(text::like_match(a, b, Some('\\'), true)?),
        ["similar_to", a] => some(text::similar_to_regex(a, Some('\\'))),
        ["case", "upper", a] => some(text::upper(a)),
        ["case", "lower", a] => some(text::lower(a)),
        ["case", "initcap", a] => some(text::initcap(a)),
        ["case", _, a] => some(text::reverse(a)),
        ["pad", "lpad", a, n, fill] => some(text::lpad(a, int(n), fill)?),
        ["pad", _, a, n, fill] => some(text::rpad(a, int(n), fill)?),
        ["substr", a, start, length] => some(text::substring(a, int(start), Some(int(length)))?),
        ["split_part", a, delimiter, n] => some(text::split_part(a, delimiter, int(n))?),
        ["side", "left", a, n] => some(text::left(a, int(n))),
        ["side", "right", a, n] => some(text::right(a, int(n))),
        ["side", _, a, n] => some(text::repeat(a, int(n))?),
        ["overlay", a, new, start] => some(text::overlay(a, new, int(start), None)?),
        ["translate", a, from, to] => some(text::translate(a, from, to)),
        ["quote", "quote_ident", a] => some(text::quote_ident(a)),
        ["quote", _, a] => some(text::quote_literal(a)),
        ["format", template, ref arguments @ ..] => {
            let arguments: Vec<_> = arguments
                .iter()
                .map(|text| Some((*text).to_owned()))
                .collect();
            some(text::format(template, &arguments)?)
        }
        _ => panic!("unknown call {arguments:?}"),
    }
}

#[test]
fn integer_arithmetic_refuses_to_wrap() {
    let message = |result: Result<i64, SqlError>| result.map_err(|fault| fault.to_string());
    assert_eq!(
        message(integer::add(&Type::Int4, 2_147_483_647, 1)),
        Err("integer out of range (SQLSTATE 22003)".to_owned())
    );
    assert_eq!(
        message(integer::mul(&Type::Int8, i64::MAX, 2)),
        Err("bigint out of range (SQLSTATE 22003)".to_owned())
    );
    assert_eq!(
        message(integer::div(&Type::Int2, -32_768, -1)),
        Err("smallint out of range (SQLSTATE 22003)".to_owned())
    );
    assert_eq!(
        message(integer::div(&Type::Int4, 1, 0)),
        Err("division by zero (SQLSTATE 22012)".to_owned())
    );
    assert_eq!(message(integer::rem(-7, 3)), Ok(-1));
    assert_eq!(message(integer::rem(i64::MIN, -1)), Ok(0));
}

#[test]
fn nested_too_deeply_is_an_error_not_a_crash() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(json::parse(&deep(1000)).is_ok());
    assert_eq!(json::parse(&deep(1_000_000)).unwrap_err().code, "54001");
    assert_eq!(json::validate(&deep(1_000_000)).unwrap_err().code, "54001");
}

#[test]
fn null_has_no_text_and_is_null_in_json() {
    assert_eq!(output(&Type::Int4, StoredRef::Null), Ok(None));
    let mut out = Vec::new();
    write_json(&Type::Int4, StoredRef::Null, &mut out);
    assert_eq!(out, b"null");
    assert!(matches!(json::parse("null"), Ok(Jsonb::Null)));
}
