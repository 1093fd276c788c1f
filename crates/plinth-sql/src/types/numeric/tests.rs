//! Arithmetic on `numeric`, with Postgres's scales and rounding.

use std::cmp::Ordering;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Numeric, compare_text};

fn number(text: &str) -> Numeric {
    text.parse().unwrap()
}

#[test]
fn arithmetic_agrees_with_128_bit_integers() {
    let sides = (any::<i64>(), any::<i64>(), 0u32..9, 0u32..9);
    TestRunner::deterministic()
        .run(&sides, |(a, b, a_scale, b_scale)| {
            let (left, right) = (i128::from(a), i128::from(b));
            let (x, y) = (
                Numeric::from_scaled(left, a_scale),
                Numeric::from_scaled(right, b_scale),
            );
            let scale = a_scale.max(b_scale);
            let (at_left, at_right) = (
                left * 10i128.pow(scale - a_scale),
                right * 10i128.pow(scale - b_scale),
            );
            prop_assert_eq!(
                x.add(&y)?.to_string(),
                Numeric::from_scaled(at_left + at_right, scale).to_string()
            );
            prop_assert_eq!(
                x.sub(&y)?.to_string(),
                Numeric::from_scaled(at_left - at_right, scale).to_string()
            );
            prop_assert_eq!(
                x.mul(&y)?.to_string(),
                Numeric::from_scaled(left * right, a_scale + b_scale).to_string()
            );
            prop_assert_eq!(x.cmp(&y), at_left.cmp(&at_right));
            if right != 0 {
                prop_assert_eq!(
                    x.rem(&y)?.to_string(),
                    Numeric::from_scaled(at_left % at_right, scale).to_string()
                );
                prop_assert_eq!(x.div_trunc(&y)?, Numeric::from(at_left / at_right));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn long_division_is_undone_by_multiplication() {
    TestRunner::deterministic()
        .run(&("[1-9][0-9]{0,90}", "[1-9][0-9]{0,60}"), |(a, b)| {
            let (a, b) = (number(&a), number(&b));
            let (quotient, rest) = (a.div_trunc(&b)?, a.rem(&b)?);
            prop_assert!(rest < b);
            prop_assert_eq!(quotient.mul(&b)?.add(&rest)?, a);
            Ok(())
        })
        .unwrap();
}

#[test]
fn text_reads_back_the_same() {
    TestRunner::deterministic()
        .run(&"-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,30})?", |text| {
            let value = number(&text);
            prop_assert_eq!(
                value.to_string().parse::<Numeric>()?.to_string(),
                value.to_string()
            );
            Ok(())
        })
        .unwrap();
}

#[test]
fn texts_are_ordered_as_their_values() {
    let some = "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,4})?|NaN|Infinity|-Infinity";
    TestRunner::deterministic()
        .run(&(some, some), |(a, b)| {
            prop_assert_eq!(compare_text(&a, &b), number(&a).cmp(&number(&b)));
            Ok(())
        })
        .unwrap();
}

#[test]
fn texts_that_are_no_numbers_come_last_in_a_fixed_order() {
    assert_eq!(compare_text("1.5", "1.50"), Ordering::Equal);
    assert_eq!(compare_text("NaN", "abc"), Ordering::Less);
    assert_eq!(compare_text("", "abc"), Ordering::Less);
    assert_eq!(compare_text("--1", "abc"), Ordering::Less);
}

#[test]
fn results_that_postgres_could_not_store_are_refused() {
    let huge = number("1e131071");
    assert_eq!(huge.mul(&huge).unwrap_err().code, "22003");
    assert_eq!(
        number("10").pow(&number("131073")).unwrap_err().code,
        "22003"
    );
    assert_eq!("1e2147483647".parse::<Numeric>().unwrap_err().code, "22003");
}
