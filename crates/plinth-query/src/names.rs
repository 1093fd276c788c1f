//! "Did you mean": near names, and who may be told which.

use plinth_sql::catalog::{Catalog, Function, Privilege, Relation};

/// Longer names are not compared: the cost is the product of the lengths.
const LONGEST_COMPARED_CHARS: usize = 100;

/// The name most like `wanted`, if its likeness (1 is equal, 0 has nothing in common) is at least `least`.
pub(crate) fn nearest<T: AsRef<str>>(
    wanted: &str,
    known: impl IntoIterator<Item = T>,
    least: f64,
) -> Option<T> {
    if wanted.chars().count() > LONGEST_COMPARED_CHARS {
        return None;
    }
    known
        .into_iter()
        .map(|name| (likeness(wanted, name.as_ref()), name))
        .filter(|(likeness, _)| *likeness >= least)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// A name for an error message: a body may hold one of any length.
pub(crate) fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_COMPARED_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Whether the role may do anything at all with the relation.
pub(crate) fn sees_relation(catalog: &Catalog, role: &str, relation: &Relation) -> bool {
    [
        Privilege::Select,
        Privilege::Insert,
        Privilege::Update,
        Privilege::Delete,
    ]
    .into_iter()
    .any(|privilege| catalog.may_any_column(role, relation, privilege))
        && sees_schema(catalog, role, &relation.name.schema)
}

/// Whether the role may read, insert or update the column.
pub(crate) fn sees_column(
    catalog: &Catalog,
    role: &str,
    relation: &Relation,
    column: &str,
) -> bool {
    [Privilege::Select, Privilege::Insert, Privilege::Update]
        .into_iter()
        .any(|privilege| catalog.may_column(role, relation, column, privilege))
}

/// Whether the role may call the function.
pub(crate) fn sees_function(catalog: &Catalog, role: &str, function: &Function) -> bool {
    catalog.allows(role, &function.owner, &function.acl, Privilege::Execute)
        && sees_schema(catalog, role, &function.name.schema)
}

fn sees_schema(catalog: &Catalog, role: &str, schema: &str) -> bool {
    catalog
        .schemas
        .get(schema)
        .is_none_or(|found| catalog.allows(role, &found.owner, &found.acl, Privilege::Usage))
}

/// One minus the edit distance over the longer length.
fn likeness(one: &str, other: &str) -> f64 {
    let one: Vec<char> = one.chars().flat_map(char::to_lowercase).collect();
    let other: Vec<char> = other.chars().flat_map(char::to_lowercase).collect();
    let longest = one.len().max(other.len());
    if longest == 0 || longest > 2 * LONGEST_COMPARED_CHARS {
        return 0.0;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "lengths of names")]
    let distance = row[other.len()] as f64 / longest as f64;
    1.0 - distance
}
