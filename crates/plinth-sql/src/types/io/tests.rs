//! What is read prints back the same, what a type cannot hold is refused, and nothing panics.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Stored, input, output, write_json};
use crate::catalog::QName;
use crate::types::{ColumnType, Type};

const DAY: i64 = 86_400_000_000;

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature that input asks for"
)]
fn labels(_: &QName) -> Option<Vec<String>> {
    Some(vec!["sad".to_owned(), "happy".to_owned()])
}

fn read(ty: &ColumnType, text: &str) -> Result<Stored, crate::SqlError> {
    input(ty, text, &labels, 0)
}

/// What is printed reads back as the same stored value.
fn round_trip(ty: &Type, stored: &Stored) -> Result<(), TestCaseError> {
    let text = output(ty, stored.as_ref())?.unwrap();
    prop_assert_eq!(&read(&ty.clone().into(), &text)?, stored);
    Ok(())
}

#[test]
fn numbers_read_back() {
    TestRunner::deterministic()
        .run(
            &(any::<i64>(), any::<f64>(), any::<f32>()),
            |(int, double, single)| {
                round_trip(&Type::Int8, &Stored::Int(int))?;
                if !double.is_nan() {
                    round_trip(&Type::Float8, &Stored::Real(double))?;
                }
                if !single.is_nan() {
                    round_trip(&Type::Float4, &Stored::Real(single.into()))?;
                }
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn dates_and_times_read_back() {
    let moments = (
        -2_451_545..2_145_031_948i64,
        -211_813_488_000_000_000..9_223_371_331_200_000_000i64,
        0..DAY,
    );
    TestRunner::deterministic()
        .run(&moments, |(date, timestamp, time)| {
            round_trip(&Type::Date, &Stored::Int(date))?;
            round_trip(&Type::Timestamp, &Stored::Int(timestamp))?;
            round_trip(&Type::Timestamptz, &Stored::Int(timestamp))?;
            round_trip(&Type::Time, &Stored::Int(time))
        })
        .unwrap();
}

#[test]
fn intervals_read_back() {
    let parts = (
        any::<i32>(),
        any::<i32>(),
        -1_000_000 * DAY..1_000_000 * DAY,
    );
    TestRunner::deterministic()
        .run(&parts, |(months, days, micros)| {
            round_trip(
                &Type::Interval,
                &Stored::Text(format!("{months} {days} {micros}")),
            )
        })
        .unwrap();
}

#[test]
fn bytes_and_arrays_read_back() {
    let values = (
        any::<[u8; 16]>(),
        any::<Vec<u8>>(),
        prop::collection::vec(prop::option::of("[^\\x00]{0,6}"), 0..5),
    );
    TestRunner::deterministic()
        .run(&values, |(uuid, bytes, texts)| {
            round_trip(&Type::Uuid, &Stored::Blob(uuid.to_vec()))?;
            round_trip(&Type::Bytea, &Stored::Blob(bytes))?;
            let mut json = Vec::new();
            json.push(b'[');
            for (i, text) in texts.iter().enumerate() {
                if i > 0 {
                    json.push(b',');
                }
                match text {
                    Some(text) => crate::types::json::write_json_string(&mut json, text),
                    None => json.extend_from_slice(b"null"),
                }
            }
            json.push(b']');
            round_trip(
                &Type::Text.array(),
                &Stored::Text(String::from_utf8(json).unwrap()),
            )
        })
        .unwrap();
}

#[test]
fn json_form_is_always_valid_json() {
    let types = [
        Type::Bool,
        Type::Int4,
        Type::Numeric,
        Type::Float8,
        Type::Text,
        Type::Uuid,
        Type::Date,
        Type::Time,
        Type::Timestamptz,
        Type::Interval,
        Type::Bytea,
        Type::Int4.array(),
        Type::Text.array(),
    ];
    let values = (
        0..types.len(),
        "\\PC{0,12}",
        any::<i64>(),
        any::<f64>(),
        any::<Vec<u8>>(),
        0..4,
    );
    TestRunner::deterministic()
        .run(&values, |(ty, text, int, real, bytes, kind)| {
            // Any storage class under any type, as in a damaged file.
            let stored = match kind {
                0 => Stored::Int(int),
                1 => Stored::Real(real),
                2 => Stored::Text(text),
                _ => Stored::Blob(bytes),
            };
            let mut out = Vec::new();
            write_json(&types[ty], stored.as_ref(), &mut out);
            let written = String::from_utf8(out).unwrap();
            prop_assert!(
                crate::types::json::validate(&written).is_ok(),
                "{} from {:?} as {}",
                written,
                stored,
                types[ty]
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn assignment_refuses_what_is_too_long() {
    let varchar = |length| ColumnType {
        ty: Type::Varchar,
        modifier: Some((length, 0)),
    };
    let bpchar = |length| ColumnType {
        ty: Type::Bpchar,
        modifier: Some((length, 0)),
    };
    assert_eq!(
        read(&varchar(3), "abc  ").unwrap(),
        Stored::Text("abc".to_owned())
    );
    assert_eq!(
        read(&bpchar(5), "abc").unwrap(),
        Stored::Text("abc  ".to_owned())
    );
    let message = |ty, text| read(&ty, text).unwrap_err().to_string();
    assert_eq!(
        message(varchar(3), "abcd"),
        "value too long for type character varying(3) (SQLSTATE 22001)"
    );
    assert_eq!(
        message(bpchar(3), "abcd"),
        "value too long for type character(3) (SQLSTATE 22001)"
    );
}

#[test]
fn enums_take_their_labels_only() {
    let mood = Type::Enum(std::sync::Arc::new(QName::new("public", "mood")));
    assert_eq!(
        read(&mood.clone().into(), "happy").unwrap(),
        Stored::Text("happy".to_owned())
    );
    let fault = read(&mood.into(), "Happy").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "invalid input value for enum mood: \"Happy\" (SQLSTATE 22P02)"
    );
}

#[test]
fn not_a_number_is_refused_in_floats_because_sqlite_has_none() {
    assert_eq!(read(&Type::Float8.into(), "NaN").unwrap_err().code, "0A000");
    assert_eq!(
        read(&Type::Numeric.into(), "NaN").unwrap(),
        Stored::Text("NaN".to_owned())
    );
}

#[test]
fn relative_dates_start_from_the_given_now() {
    let now = 3 * DAY + 1_000_000;
    let at = |ty: Type, text: &str| input(&ty.into(), text, &labels, now).unwrap();
    assert_eq!(at(Type::Date, "tomorrow"), Stored::Int(4));
    assert_eq!(at(Type::Timestamptz, "now"), Stored::Int(now));
    assert_eq!(at(Type::Timestamp, "yesterday"), Stored::Int(2 * DAY));
    assert_eq!(
        at(Type::Timestamp, "today 12:00"),
        Stored::Int(3 * DAY + DAY / 2)
    );
    assert_eq!(at(Type::Time, "now"), Stored::Int(1_000_000));
}

/// Texts built from the pieces that the parsers look for, and any others.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,12}",
        "[-+:./ ,TZ{}\\[\\]\"\\\\%$*()?|]",
        "(jan|day|mon|year|ago|am|bc|infinity|now|utc|NaN|e|P|Y|null|true)",
        "(YYYY|FM|DDD|HH24|TH|MS|IW|IYYY|CC|TZH|FF6|RM|Month|9|0|S|MI|PR|EEEE)",
        "\\PC{1,2}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

#[test]
fn nothing_panics_on_any_text() {
    use crate::types::interval::Interval;
    use crate::types::{datetime, text};
    let types = [
        Type::Bool,
        Type::Int2,
        Type::Numeric,
        Type::Float4,
        Type::Float8,
        Type::Uuid,
        Type::Date,
        Type::Time,
        Type::Timestamp,
        Type::Timestamptz,
        Type::Interval,
        Type::Json,
        Type::Jsonb,
        Type::Bytea,
        Type::Name,
        Type::Interval.array(),
    ];
    let config = ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    runner
        .run(
            &(nasty(), nasty(), any::<i64>(), any::<f64>()),
            |(a, b, int, real)| {
                for ty in &types {
                    let _ = read(&ty.clone().into(), &a);
                }
                let _ = (datetime::to_date(&a, &b), datetime::to_timestamp(&a, &b));
                let interval = Interval {
                    months: i32::MAX,
                    days: i32::MIN,
                    micros: int,
                };
                let _ = (
                    datetime::to_char_interval(&interval, &a),
                    interval.mul(real),
                    interval.justify(),
                );
                let _ = datetime::to_char_timestamp(
                    int.clamp(-200_000_000_000_000_000, i64::MAX),
                    &a,
                    true,
                );
                let _ = (
                    datetime::to_char_float(real, &a, 15),
                    datetime::at_time_zone(0, &a, true),
                );
                let _ = (
                    datetime::date_trunc(&a, 0, &Type::Timestamp),
                    datetime::extract_interval(&a, &interval),
                );
                let _ = (
                    text::translate_regex(&a, &b),
                    text::similar_to_regex(&a, Some('\\')),
                    text::replacement(&a),
                );
                let _ = (
                    text::format(&a, &[Some(b.clone())]),
                    text::like_match(&a, &b, Some('\\'), true),
                );
                let _ = (
                    text::split_part(&a, &b, int),
                    text::substring(&a, int, Some(int)),
                    text::left(&a, int),
                );
                let _ = (
                    text::right(&a, int),
                    text::overlay(&a, &b, int, None),
                    text::lpad(&a, 5, &b),
                );
                Ok(())
            },
        )
        .unwrap();
}
