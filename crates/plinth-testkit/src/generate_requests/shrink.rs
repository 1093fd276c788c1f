//! What may be left out of a world, so that a difference is seen in the smallest one that still has it.

use std::ops::Range;

use super::request::Request;
use super::world::{Part, World};

/// One thing to leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Requests, by place.
    Requests(Range<usize>),
    /// Tables, with everything that names them.
    Tables(Vec<String>),
    /// A statement, by place.
    Part(usize),
    /// Rows, by the statement that adds them and by place.
    Rows(usize, Range<usize>),
    /// A column or constraint, by the statement that makes its table and by place. Rows lose its values.
    Entry(usize, usize),
    /// A parameter of the last request.
    Parameter(usize),
    /// One of several values of a parameter of the last request.
    Value(usize, usize),
    /// A header of the last request.
    Header(usize),
    /// An object of the body of the last request.
    Object(usize),
    /// A key of all objects of the body of the last request.
    Key(String),
}

/// What can be left out, most first. With `keeps_last` the last request stays.
///
/// What is left out makes what follows it move up, so that the same place holds the next one.
pub fn cuts(world: &World, keeps_last: bool) -> Vec<Cut> {
    let mut cuts = of_requests(world.requests.len().saturating_sub(usize::from(keeps_last)));
    cuts.extend(of_tables(world));
    if let Some(last) = world.requests.last().filter(|_| keeps_last) {
        cuts.extend(of_request(last));
    }
    for (place, part) in world.parts.iter().enumerate().rev() {
        if matches!(part, Part::Statement(_)) {
            cuts.push(Cut::Part(place));
        }
    }
    for (place, part) in world.parts.iter().enumerate().rev() {
        if let Part::Rows { rows, .. } = part {
            cuts.push(Cut::Part(place));
            cuts.extend(ranges(rows.len(), 8).map(|rows| Cut::Rows(place, rows)));
        }
    }
    for (place, part) in world.parts.iter().enumerate().rev() {
        if let Part::Table { entries, .. } = part {
            cuts.extend(
                (0..entries.len())
                    .rev()
                    .map(|entry| Cut::Entry(place, entry)),
            );
        }
    }
    cuts
}

/// The world without it.
pub fn without(world: &World, cut: &Cut) -> World {
    let mut smaller = world.clone();
    match cut {
        Cut::Requests(places) => drop(smaller.requests.drain(places.clone())),
        Cut::Tables(names) => {
            let names_none = |text: &str| names.iter().all(|name| !mentions(text, name));
            smaller.parts.retain_mut(|part| match part {
                Part::Table { name, entries, .. } => {
                    entries.retain(|entry| names_none(entry.sql.as_str()));
                    !names.contains(name)
                }
                Part::Rows { table, .. } => !names.contains(table),
                Part::Statement(sql) => names_none(sql.as_str()),
            });
        }
        Cut::Part(place) => drop(smaller.parts.remove(*place)),
        Cut::Rows(place, range) => {
            if let Part::Rows { rows, .. } = &mut smaller.parts[*place] {
                rows.drain(range.clone());
            }
        }
        Cut::Entry(place, entry) => leave_out_entry(&mut smaller.parts, *place, *entry),
        Cut::Parameter(_) | Cut::Value(..) | Cut::Header(_) | Cut::Object(_) | Cut::Key(_) => {
            if let Some(last) = smaller.requests.last_mut() {
                leave_out_of_request(last, cut);
            }
        }
    }
    smaller
}

fn of_requests(number: usize) -> Vec<Cut> {
    let all = (number > 0).then_some(Cut::Requests(0..number));
    all.into_iter()
        .chain(ranges(number, 16).map(Cut::Requests))
        .collect()
}

/// Ranges of halves, quarters and so on, down to the given part of the whole, the last first.
fn ranges(number: usize, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let sizes = std::iter::successors(Some(number / 2), |size| Some(size / 2));
    let smallest = (number / parts).max(1);
    sizes
        .take_while(move |size| *size >= smallest)
        .flat_map(move |size| {
            let starts = (0..number).step_by(size).rev();
            starts.map(move |start| start..number.min(start + size))
        })
}

/// All tables that no request names at once, then each.
fn of_tables(world: &World) -> Vec<Cut> {
    let names = world.parts.iter().filter_map(|part| match part {
        Part::Table { name, .. } => Some(name.clone()),
        Part::Rows { .. } | Part::Statement(_) => None,
    });
    let names: Vec<String> = names.collect();
    let asked: Vec<String> = world.requests.iter().map(words_of).collect();
    let unnamed: Vec<String> = names
        .iter()
        .filter(|name| asked.iter().all(|text| !mentions(text, name)))
        .cloned()
        .collect();
    let together = (unnamed.len() > 1).then_some(Cut::Tables(unnamed));
    let each = names.into_iter().rev().map(|name| Cut::Tables(vec![name]));
    together.into_iter().chain(each).collect()
}

/// All that may name tables. A function's name ends in that of its table.
fn words_of(request: &Request) -> String {
    let mut words = request.path.replace('_', " ");
    for (name, values) in &request.query {
        words += &format!(" {name} {}", values.join(" "));
    }
    words
}

fn of_request(request: &Request) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = (0..request.query.len()).rev().map(Cut::Parameter).collect();
    for (place, (_, values)) in request.query.iter().enumerate().rev() {
        if values.len() > 1 {
            cuts.extend(
                (0..values.len())
                    .rev()
                    .map(|value| Cut::Value(place, value)),
            );
        }
    }
    cuts.extend((0..request.headers.len()).rev().map(Cut::Header));
    if let Some(body) = &request.body {
        if body.rows.len() > 1 {
            cuts.extend((0..body.rows.len()).rev().map(Cut::Object));
        }
        let keys = body.rows.iter().flatten().map(|(key, _)| key.clone());
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.dedup();
        cuts.extend(keys.into_iter().map(Cut::Key));
    }
    cuts
}

fn leave_out_entry(parts: &mut [Part], place: usize, entry: usize) {
    let Part::Table { name, entries, .. } = &mut parts[place] else {
        return;
    };
    let (name, gone) = (name.clone(), entries.remove(entry));
    let Some(column) = gone.column else {
        return;
    };
    for part in parts {
        if let Part::Rows {
            table,
            columns,
            rows,
        } = part
            && *table == name
            && let Some(place) = columns.iter().position(|known| *known == column)
        {
            columns.remove(place);
            for row in rows {
                row.remove(place);
            }
        }
    }
}

fn leave_out_of_request(request: &mut Request, cut: &Cut) {
    match cut {
        Cut::Parameter(place) => drop(request.query.remove(*place)),
        Cut::Value(place, value) => drop(request.query[*place].1.remove(*value)),
        Cut::Header(place) => drop(request.headers.remove(*place)),
        Cut::Object(place) => {
            if let Some(body) = &mut request.body {
                body.rows.remove(*place);
            }
        }
        Cut::Key(key) => {
            for row in request.body.iter_mut().flat_map(|body| &mut body.rows) {
                row.retain(|(known, _)| known != key);
            }
        }
        Cut::Requests(_) | Cut::Tables(_) | Cut::Part(_) | Cut::Rows(..) | Cut::Entry(..) => {}
    }
}

/// Whether the text holds the name as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::world::world;
    use super::*;

    #[test]
    fn a_name_is_mentioned_as_a_word() {
        assert!(mentions("from \"Order Lines\" x", "Order Lines"));
        assert!(mentions("notes.id", "notes"));
        assert!(!mentions("my_notes()", "notes"));
    }

    #[test]
    fn ranges_get_smaller_down_to_a_part() {
        let found: Vec<Range<usize>> = ranges(4, 4).collect();
        assert_eq!(found, [2..4, 0..2, 3..4, 2..3, 1..2, 0..1]);
        assert_eq!(ranges(1, 4).count(), 0);
    }

    #[test]
    fn every_cut_leaves_less() {
        let size = |world: &World| format!("{:?}{:?}", world.parts, world.requests).len();
        for seed in 0..20 {
            let world = world(seed, 5);
            for cut in cuts(&world, true) {
                let smaller = without(&world, &cut);
                assert!(size(&smaller) < size(&world), "{cut:?}");
            }
        }
    }
}
