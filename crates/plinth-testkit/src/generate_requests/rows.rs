//! The first rows of tables.

use std::collections::BTreeSet;

use super::choice::{count, one};
use super::schema::{Column, Table};
use super::values::{SUBJECTS, Ty, fresh_uuid};
use super::world::Part;
use crate::random::Random;

/// Gives a table its rows. Those that some constraint would refuse are left out.
pub(super) fn fill(random: &mut Random, earlier: &[Table], table: &mut Table) {
    let number = if random.chance(60) {
        count(random, 4, 9)
    } else {
        count(random, 0, 12)
    };
    let mut primary = BTreeSet::new();
    let mut taken = Taken {
        values: vec![BTreeSet::new(); table.columns.len()],
        keys: vec![BTreeSet::new(); table.keys.len()],
    };
    for place in 0..number {
        let Some(row) = row(random, earlier, table, place, &mut taken) else {
            continue;
        };
        let key: Vec<Option<String>> = table
            .primary
            .iter()
            .map(|column| table.value(&row, column).map(str::to_owned))
            .collect();
        if primary.insert(key) {
            table.rows.push(row);
        }
    }
}

/// What unique columns and keys hold already.
struct Taken {
    values: Vec<BTreeSet<String>>,
    keys: Vec<BTreeSet<Vec<Option<String>>>>,
}

fn row(
    random: &mut Random,
    earlier: &[Table],
    table: &Table,
    place: usize,
    taken: &mut Taken,
) -> Option<Vec<Option<String>>> {
    let mut row = vec![None; table.columns.len()];
    for (key, taken) in table.keys.iter().zip(&mut taken.keys) {
        let target = earlier.get(key.target).unwrap_or(table);
        let nullable = table.column(&key.columns[0])?.nullable;
        if target.rows.is_empty() || (nullable && random.chance(20)) {
            if nullable {
                continue;
            }
            return None;
        }
        let chosen = one(random, &target.rows);
        let values: Vec<Option<String>> = key
            .target_columns
            .iter()
            .map(|column| target.value(chosen, column).map(str::to_owned))
            .collect();
        if !taken.insert(values.clone()) && key.unique {
            if nullable {
                continue;
            }
            return None;
        }
        for (column, value) in key.columns.iter().zip(values) {
            row[table.place(column)?] = value;
        }
    }
    let mut fits = true;
    for (number, column) in table.columns.iter().enumerate() {
        if column.key.is_some() || column.generated.is_some() {
            continue;
        }
        row[number] = if column.identity.is_some() {
            Some((table.rows.len() + 1).to_string())
        } else if table.is_primary(&column.name) {
            Some(key_value(random, column.ty, place))
        } else {
            let value = ordinary_value(random, column);
            let free = match &value {
                Some(value) if column.unique => taken.values[number].insert(value.clone()),
                _ => true,
            };
            fits &= free || column.nullable;
            value.filter(|_| free)
        };
    }
    fits.then_some(row)
}

fn key_value(random: &mut Random, ty: Ty, place: usize) -> String {
    match ty {
        Ty::Int => {
            let any = count(random, 1, 30);
            one(random, &[place + 1, any]).to_string()
        }
        Ty::Uuid => fresh_uuid(place + 1),
        _ => random.pick(&["a", "b", "x/y", "Zoë", "b,c"]).to_owned(),
    }
}

fn ordinary_value(random: &mut Random, column: &Column) -> Option<String> {
    let pool: Vec<&str> = match column.name.as_str() {
        "owner" => SUBJECTS.to_vec(),
        _ => {
            let pool = column.ty.pool().iter().copied();
            pool.filter(|value| !column.avoids(value)).collect()
        }
    };
    if column.nullable && random.chance(20) {
        return None;
    }
    Some(random.pick(&pool).to_owned())
}

/// The statement that adds a table's rows, if it has some.
pub(super) fn inserts(table: &Table) -> Option<Part> {
    let given = |column: &Column| column.generated.is_none() && column.identity.is_none();
    let places: Vec<usize> = (0..table.columns.len())
        .filter(|place| given(&table.columns[*place]))
        .collect();
    let given_of = |row: &Vec<Option<String>>| -> Vec<Option<String>> {
        places.iter().map(|place| row[*place].clone()).collect()
    };
    (!table.rows.is_empty()).then(|| Part::Rows {
        table: table.name.clone(),
        columns: places
            .iter()
            .map(|place| table.columns[*place].name.clone())
            .collect(),
        rows: table.rows.iter().map(given_of).collect(),
    })
}
