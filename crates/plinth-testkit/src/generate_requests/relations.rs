//! How tables are connected, and the ways to say so.

use std::collections::BTreeMap;

use super::schema::{Key, Table};

/// A relation to a table, from the one that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) target: usize,
    /// At most one row is related.
    pub(super) one: bool,
    /// What a select list may call it, by likelihood. Plain names that mean several relations are the least likely.
    pub(super) forms: Vec<(u64, String)>,
}

/// All relations of the table at this place.
pub(super) fn relations(tables: &[Table], place: usize) -> Vec<Relation> {
    let direct = direct(tables, place);
    let junctions = junctions(tables, place);
    let mut ways: BTreeMap<usize, u32> = BTreeMap::new();
    let targets = direct.iter().map(|way| way.target);
    for target in targets.chain(junctions.iter().map(|(target, _)| *target)) {
        *ways.entry(target).or_default() += 1;
    }
    let plain = |target: usize| {
        let weight = if ways.get(&target) == Some(&1) { 8 } else { 1 };
        (weight, tables[target].name.clone())
    };
    let mut relations = Vec::new();
    for Direct {
        target,
        key,
        forward,
        one,
    } in direct
    {
        let name = &tables[target].name;
        let column = &key.columns[0];
        let single = key.columns.len() == 1;
        let mut forms = vec![
            (3, format!("{name}!{}", key.name)),
            (if single { 3 } else { 0 }, format!("{name}!{column}")),
            plain(target),
        ];
        if forward && single {
            forms.push((3, column.clone()));
        }
        if forward {
            forms.push((1, key.name.clone()));
        }
        relations.push(Relation { target, one, forms });
    }
    for (target, junction) in junctions {
        if target != place {
            let hinted = format!("{}!{}", tables[target].name, junction.name);
            relations.push(Relation {
                target,
                one: false,
                forms: vec![(3, hinted), plain(target)],
            });
        }
    }
    relations.extend(to_itself(&tables[place], place));
    relations
}

/// A relation by one key.
struct Direct<'a> {
    target: usize,
    key: &'a Key,
    forward: bool,
    one: bool,
}

fn direct(tables: &[Table], place: usize) -> Vec<Direct<'_>> {
    let mut found = Vec::new();
    for key in &tables[place].keys {
        if key.target != place {
            found.push(Direct {
                target: key.target,
                key,
                forward: true,
                one: true,
            });
        }
    }
    for (other, table) in tables.iter().enumerate() {
        let keys = table
            .keys
            .iter()
            .filter(|key| other != place && key.target == place);
        for key in keys {
            let is_primary = key.columns.len() == table.primary.len() && is_part(table, key);
            found.push(Direct {
                target: other,
                key,
                forward: false,
                one: key.unique || is_primary,
            });
        }
    }
    found
}

/// What is reached over tables whose primary keys hold two keys.
fn junctions(tables: &[Table], place: usize) -> Vec<(usize, &Table)> {
    let mut found = Vec::new();
    for table in tables {
        let ends: Vec<&Key> = table
            .keys
            .iter()
            .filter(|key| is_part(table, key))
            .collect();
        for here in ends.iter().filter(|key| key.target == place) {
            for there in &ends {
                if there.name != here.name {
                    found.push((there.target, table));
                }
            }
        }
    }
    found
}

fn is_part(table: &Table, key: &Key) -> bool {
    key.columns.iter().all(|column| table.is_primary(column))
}

/// By a column to the one row, by the table's name to the many.
fn to_itself(table: &Table, place: usize) -> Vec<Relation> {
    let mut found = Vec::new();
    for key in table.keys.iter().filter(|key| key.target == place) {
        let column = &key.columns[0];
        found.push(Relation {
            target: place,
            one: true,
            forms: vec![(1, column.clone())],
        });
        found.push(Relation {
            target: place,
            one: false,
            forms: vec![(1, format!("{}!{column}", table.name))],
        });
    }
    found
}
