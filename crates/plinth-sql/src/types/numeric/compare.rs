//! The order of numeric texts, without parsing them: the collation of numeric columns.

use std::cmp::Ordering;

/// Compares two canonical numeric texts by value: `1.5` equals `1.50`, `NaN` is last. Allocates nothing.
///
/// Texts that are not numeric still have a place in a total order (after the numbers, by bytes), because a
/// collation must never be inconsistent.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    let (left, right) = (Parts::of(a), Parts::of(b));
    left.class.cmp(&right.class).then_with(|| match left.class {
        Class::Negative => right.compare_size(&left),
        Class::Positive => left.compare_size(&right),
        Class::Other => a.cmp(b),
        _ => Ordering::Equal,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    NegativeInfinity,
    Negative,
    Zero,
    Positive,
    Infinity,
    NaN,
    Other,
}

struct Parts<'a> {
    class: Class,
    /// Without leading zeros.
    whole: &'a [u8],
    /// Without trailing zeros.
    fraction: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Parts<'a> {
        let special = |class| Parts {
            class,
            whole: &[],
            fraction: &[],
        };
        let (negative, body) = match text.as_bytes() {
            [b'-', body @ ..] => (true, body),
            body => (false, body),
        };
        let point = body.iter().position(|b| *b == b'.');
        let (whole, fraction) = match point {
            Some(at) => (&body[..at], &body[at + 1..]),
            None => (body, &body[..0]),
        };
        if whole.is_empty() || !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
            return special(match text {
                "NaN" => Class::NaN,
                "Infinity" => Class::Infinity,
                "-Infinity" => Class::NegativeInfinity,
                _ => Class::Other,
            });
        }
        let leading = whole.iter().take_while(|b| **b == b'0').count();
        let trailing = fraction.iter().rev().take_while(|b| **b == b'0').count();
        let whole = &whole[leading..];
        let fraction = &fraction[..fraction.len() - trailing];
        let class = match (whole.is_empty() && fraction.is_empty(), negative) {
            (true, _) => Class::Zero,
            (false, true) => Class::Negative,
            (false, false) => Class::Positive,
        };
        Parts {
            class,
            whole,
            fraction,
        }
    }

    fn compare_size(&self, other: &Parts<'_>) -> Ordering {
        self.whole
            .len()
            .cmp(&other.whole.len())
            .then_with(|| self.whole.cmp(other.whole))
            .then_with(|| self.fraction.cmp(other.fraction))
    }
}
