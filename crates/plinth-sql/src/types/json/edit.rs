//! Changing `jsonb` values. Each function takes and gives trees; the caller parses and prints.

use super::path::index;
use super::value::key_order;
use super::{Jsonb, scan, write_json_string};
use crate::SqlError;

fn refuse(message: &str) -> SqlError {
    SqlError::new("22023", message)
}

/// `a || b`: objects merge, everything else becomes one array.
pub fn concat(a: Jsonb, b: Jsonb) -> Jsonb {
    match (a, b) {
        (Jsonb::Object(mut left), Jsonb::Object(right)) => {
            left.extend(right);
            Jsonb::object(left)
        }
        (a, b) => {
            let items = |value| match value {
                Jsonb::Array(items) => items,
                other => vec![other],
            };
            let mut left = items(a);
            left.extend(items(b));
            Jsonb::Array(left)
        }
    }
}

/// `value - 'key'`: the member of this name, or all elements that are this string.
pub fn delete_key(value: Jsonb, key: &str) -> Result<Jsonb, SqlError> {
    delete_keys(value, &[Some(key)])
}

/// `value - array`.
pub fn delete_keys(value: Jsonb, keys: &[Option<&str>]) -> Result<Jsonb, SqlError> {
    let named = |name: &str| keys.iter().flatten().any(|key| *key == name);
    match value {
        Jsonb::Object(mut members) => {
            members.retain(|(key, _)| !named(key));
            Ok(Jsonb::Object(members))
        }
        Jsonb::Array(mut items) => {
            items.retain(|item| !matches!(item, Jsonb::String(text) if named(text)));
            Ok(Jsonb::Array(items))
        }
        _ => Err(refuse("cannot delete from scalar")),
    }
}

/// `value - index`; an index outside changes nothing.
pub fn delete_index(value: Jsonb, index: i64) -> Result<Jsonb, SqlError> {
    match value {
        Jsonb::Array(mut items) => {
            if let Some(at) = inside(index, items.len()) {
                items.remove(at);
            }
            Ok(Jsonb::Array(items))
        }
        Jsonb::Object(_) => Err(refuse("cannot delete from object using integer index")),
        _ => Err(refuse("cannot delete from scalar")),
    }
}

/// `value #- path`.
pub fn delete_path(value: Jsonb, path: &[Option<&str>]) -> Result<Jsonb, SqlError> {
    if value.is_scalar() {
        return Err(refuse("cannot delete path in scalar"));
    }
    change(value, path, &Change::Delete)
}

/// `jsonb_set(value, path, new, create_missing)`.
pub fn set(
    value: Jsonb,
    path: &[Option<&str>],
    new: Jsonb,
    create_missing: bool,
) -> Result<Jsonb, SqlError> {
    if value.is_scalar() {
        return Err(refuse("cannot set path in scalar"));
    }
    change(
        value,
        path,
        &Change::Set {
            new,
            create_missing,
        },
    )
}

/// `jsonb_insert(value, path, new, insert_after)`.
pub fn insert(
    value: Jsonb,
    path: &[Option<&str>],
    new: Jsonb,
    after: bool,
) -> Result<Jsonb, SqlError> {
    if value.is_scalar() {
        return Err(refuse("cannot set path in scalar"));
    }
    change(value, path, &Change::Insert { new, after })
}

/// `jsonb_strip_nulls`: members that are null go, elements stay.
pub fn strip_nulls(value: Jsonb) -> Jsonb {
    match value {
        Jsonb::Array(items) => Jsonb::Array(items.into_iter().map(strip_nulls).collect()),
        Jsonb::Object(members) => Jsonb::Object(
            members
                .into_iter()
                .filter(|(_, value)| !matches!(value, Jsonb::Null))
                .map(|(key, value)| (key, strip_nulls(value)))
                .collect(),
        ),
        scalar => scalar,
    }
}

/// `json_strip_nulls`: as [`strip_nulls`], on text, keeping the order and all duplicates. The text must be valid, which
/// bounds its depth.
pub fn strip_nulls_text(text: &str, out: &mut Vec<u8>) {
    let text = scan::trim(text);
    match text.as_bytes().first() {
        Some(b'{') => {
            out.push(b'{');
            for (i, (key, value)) in scan::members(text)
                .filter(|(_, value)| *value != "null")
                .enumerate()
            {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key.as_bytes());
                out.push(b':');
                strip_nulls_text(value, out);
            }
            out.push(b'}');
        }
        Some(b'[') => {
            out.push(b'[');
            for (i, item) in scan::elements(text).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                strip_nulls_text(item, out);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(text.as_bytes()),
    }
}

/// `jsonb_pretty`.
pub fn pretty(value: &Jsonb) -> String {
    let mut out = Vec::new();
    write_pretty(value, 0, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn write_pretty(value: &Jsonb, depth: usize, out: &mut Vec<u8>) {
    let line = |depth: usize, out: &mut Vec<u8>| {
        out.push(b'\n');
        out.resize(out.len() + depth * 4, b' ');
    };
    match value {
        Jsonb::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line(depth + 1, out);
                write_pretty(item, depth + 1, out);
            }
            line(depth, out);
            out.push(b']');
        }
        Jsonb::Object(members) => {
            out.push(b'{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                line(depth + 1, out);
                write_json_string(out, key);
                out.extend_from_slice(b": ");
                write_pretty(value, depth + 1, out);
            }
            line(depth, out);
            out.push(b'}');
        }
        scalar => scalar.write(out),
    }
}

enum Change {
    Delete,
    Set { new: Jsonb, create_missing: bool },
    Insert { new: Jsonb, after: bool },
}

impl Change {
    fn creates(&self) -> bool {
        !matches!(
            self,
            Change::Delete
                | Change::Set {
                    create_missing: false,
                    ..
                }
        )
    }
}

/// Applies a change at the end of a path; where the path leads nowhere, the value stays.
fn change(value: Jsonb, path: &[Option<&str>], what: &Change) -> Result<Jsonb, SqlError> {
    if path.is_empty() {
        Ok(value)
    } else {
        change_at(value, path, 0, what)
    }
}

fn change_at(
    value: Jsonb,
    path: &[Option<&str>],
    level: usize,
    what: &Change,
) -> Result<Jsonb, SqlError> {
    let last = level + 1 == path.len();
    let text = path[level].ok_or_else(|| {
        SqlError::new(
            "22004",
            format!("path element at position {} is null", level + 1),
        )
    })?;
    match value {
        Jsonb::Object(mut members) => {
            let key = text;
            let place = members.binary_search_by(|(have, _)| key_order(have, key));
            match (place, last) {
                (Ok(at), false) => {
                    let old = std::mem::replace(&mut members[at].1, Jsonb::Null);
                    members[at].1 = change_at(old, path, level + 1, what)?;
                }
                (Err(_), false) => {}
                (place, true) => change_member(&mut members, place, key, what)?,
            }
            Ok(Jsonb::Object(members))
        }
        // Nothing to look for, so the step need not even be a number.
        Jsonb::Array(items) if items.is_empty() && !what.creates() => Ok(Jsonb::Array(items)),
        Jsonb::Array(mut items) => {
            let index = index(text).ok_or_else(|| {
                let message = format!(
                    "path element at position {} is not an integer: \"{text}\"",
                    level + 1
                );
                SqlError::new("22P02", message)
            })?;
            match (inside(index, items.len()), last) {
                (Some(at), false) => {
                    let old = std::mem::replace(&mut items[at], Jsonb::Null);
                    items[at] = change_at(old, path, level + 1, what)?;
                }
                (None, false) => {}
                (at, true) => change_element(&mut items, at, index, what),
            }
            Ok(Jsonb::Array(items))
        }
        scalar => Ok(scalar),
    }
}

fn change_member(
    members: &mut Vec<(String, Jsonb)>,
    place: Result<usize, usize>,
    key: &str,
    what: &Change,
) -> Result<(), SqlError> {
    match (place, what) {
        (Ok(at), Change::Delete) => {
            members.remove(at);
        }
        (Err(_), change) if !change.creates() => {}
        (Err(_), Change::Delete) => {}
        (Ok(at), Change::Set { new, .. }) => members[at].1 = new.clone(),
        (Ok(_), Change::Insert { .. }) => {
            return Err(refuse("cannot replace existing key")
                .hint("Try using the function jsonb_set to replace key value."));
        }
        (Err(at), Change::Set { new, .. } | Change::Insert { new, .. }) => {
            members.insert(at, (key.to_owned(), new.clone()));
        }
    }
    Ok(())
}

fn change_element(items: &mut Vec<Jsonb>, at: Option<usize>, index: i64, what: &Change) {
    match (at, what) {
        (Some(at), Change::Delete) => {
            items.remove(at);
        }
        (None, change) if !change.creates() => {}
        (None, Change::Delete) => {}
        (Some(at), Change::Set { new, .. }) => items[at] = new.clone(),
        (Some(at), Change::Insert { new, after }) => {
            items.insert(at + usize::from(*after), new.clone());
        }
        // Outside: before the first or behind the last.
        (None, Change::Set { new, .. } | Change::Insert { new, .. }) => {
            let at = if index < 0 { 0 } else { items.len() };
            items.insert(at, new.clone());
        }
    }
}

/// The place an index means, counting from the end if negative.
fn inside(index: i64, length: usize) -> Option<usize> {
    let at = match usize::try_from(index) {
        Ok(at) => at,
        Err(_) => length.checked_sub(usize::try_from(index.checked_neg()?).ok()?)?,
    };
    (at < length).then_some(at)
}
