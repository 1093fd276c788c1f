//! The tree of a `jsonb`, its text, its order and containment.

use std::cmp::Ordering;
use std::fmt;

use super::write_json_string;
use crate::types::numeric::compare_text;

/// A `jsonb` value.
#[derive(Clone, Debug)]
pub enum Jsonb {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// The text of a numeric.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Jsonb>),
    /// Members with distinct keys, ordered by `key_order`. Make it with [`Jsonb::object`].
    Object(Vec<(String, Jsonb)>),
}

impl Jsonb {
    /// An object of these members; of equal keys the last one counts.
    pub fn object(mut members: Vec<(String, Jsonb)>) -> Jsonb {
        // The sort is stable, so the last of equal keys is the last one given.
        members.sort_by(|(a, _), (b, _)| key_order(a, b));
        let mut kept: Vec<(String, Jsonb)> = Vec::with_capacity(members.len());
        for member in members {
            match kept.last_mut() {
                Some(last) if last.0 == member.0 => *last = member,
                _ => kept.push(member),
            }
        }
        Jsonb::Object(kept)
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Jsonb> {
        let Jsonb::Object(members) = self else {
            return None;
        };
        let at = members
            .binary_search_by(|(have, _)| key_order(have, key))
            .ok()?;
        Some(&members[at].1)
    }

    /// Neither an array nor an object.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Jsonb::Array(_) | Jsonb::Object(_))
    }

    /// Appends the text form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Jsonb::Null => out.extend_from_slice(b"null"),
            Jsonb::Bool(true) => out.extend_from_slice(b"true"),
            Jsonb::Bool(false) => out.extend_from_slice(b"false"),
            Jsonb::Number(text) => out.extend_from_slice(text.as_bytes()),
            Jsonb::String(text) => write_json_string(out, text),
            Jsonb::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b", ");
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Jsonb::Object(members) => {
                out.push(b'{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b", ");
                    }
                    write_json_string(out, key);
                    out.extend_from_slice(b": ");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Jsonb::Null => 0,
            Jsonb::String(_) => 1,
            Jsonb::Number(_) => 2,
            Jsonb::Bool(_) => 3,
            Jsonb::Array(_) => 4,
            Jsonb::Object(_) => 5,
        }
    }
}

impl fmt::Display for Jsonb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Shorter keys first, then by bytes.
pub(super) fn key_order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The order of `jsonb`: null, strings, numbers, booleans, arrays, objects; containers by length first. At the top, an
/// empty array comes before everything, as in Postgres.
pub fn compare(a: &Jsonb, b: &Jsonb) -> Ordering {
    // Postgres keeps a top-level scalar as an array of one, and compares lengths before all else.
    let top_length = |value: &Jsonb| match value {
        Jsonb::Array(items) => Some(items.len()),
        Jsonb::Object(_) => None,
        _ => Some(1),
    };
    match (top_length(a), top_length(b)) {
        (Some(left), Some(right)) if left != right => left.cmp(&right),
        _ => compare_nested(a, b),
    }
}

fn compare_nested(a: &Jsonb, b: &Jsonb) -> Ordering {
    match (a, b) {
        (Jsonb::Bool(a), Jsonb::Bool(b)) => a.cmp(b),
        (Jsonb::Number(a), Jsonb::Number(b)) => compare_text(a, b),
        (Jsonb::String(a), Jsonb::String(b)) => a.cmp(b),
        (Jsonb::Array(a), Jsonb::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter()
                .zip(b)
                .map(|(a, b)| compare_nested(a, b))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }),
        (Jsonb::Object(a), Jsonb::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            a.iter()
                .zip(b)
                .map(|((a_key, a), (b_key, b))| a_key.cmp(b_key).then_with(|| compare_nested(a, b)))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }),
        _ => a.rank().cmp(&b.rank()),
    }
}

/// `a @> b`: every part of `b` is in `a`. An array contains a bare scalar at the top.
pub fn contains(a: &Jsonb, b: &Jsonb) -> bool {
    match (a, b) {
        (Jsonb::Array(items), scalar) if scalar.is_scalar() => {
            items.iter().any(|item| equal_scalars(item, scalar))
        }
        _ => contains_nested(a, b),
    }
}

fn contains_nested(a: &Jsonb, b: &Jsonb) -> bool {
    match (a, b) {
        (Jsonb::Object(_), Jsonb::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| a.get(key).is_some_and(|have| contains_nested(have, value))),
        (Jsonb::Array(have), Jsonb::Array(wanted)) => wanted
            .iter()
            .all(|value| have.iter().any(|have| contains_nested(have, value))),
        _ => equal_scalars(a, b),
    }
}

fn equal_scalars(a: &Jsonb, b: &Jsonb) -> bool {
    a.is_scalar() && b.is_scalar() && compare_nested(a, b) == Ordering::Equal
}

impl PartialEq for Jsonb {
    fn eq(&self, other: &Jsonb) -> bool {
        compare(self, other) == Ordering::Equal
    }
}

impl Eq for Jsonb {}
