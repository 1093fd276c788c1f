//! Statements as entries of `FROM`.

use std::slice;

use plinth_sql::ast::{Cte, Statement, With};
use plinth_sql::print::{self, ident};
use plinth_sql::shape::{Field, FieldValue};

/// What the result of a write goes by. A write is allowed nowhere but in a `WITH` at the top.
const WRITTEN: &str = "plinth_written";

/// A statement as an entry of `FROM`.
pub(super) struct Source {
    /// `WITH … `: what must stand before everything else. Empty for most queries.
    pub(super) with: String,
    /// `(SELECT …)`, or the name of something in `with`.
    pub(super) from: String,
}

impl Source {
    /// A query, or a write with `RETURNING`.
    pub(super) fn of(mut statement: Statement) -> Source {
        let hoisted = hoist(&mut statement);
        let recursive = hoisted.as_ref().is_some_and(|with| with.recursive);
        let ctes = hoisted.into_iter().flat_map(|with| with.ctes);
        let mut ctes: Vec<String> = ctes.map(|it| cte(&it)).collect();
        let text = print::statement(&statement);
        let from = if matches!(statement, Statement::Query(_)) {
            format!("({text})")
        } else {
            ctes.push(format!("{WRITTEN} AS ({text})"));
            WRITTEN.to_owned()
        };
        let with = match (ctes.is_empty(), recursive) {
            (true, _) => String::new(),
            (false, false) => format!("WITH {} ", ctes.join(", ")),
            (false, true) => format!("WITH RECURSIVE {} ", ctes.join(", ")),
        };
        Source { with, from }
    }
}

/// Whether a statement has rows to show: a write without `RETURNING` has none.
pub(super) fn yields_rows(statement: &Statement) -> bool {
    match statement {
        Statement::Query(_) => true,
        Statement::Insert(insert) => !insert.returning.is_empty(),
        Statement::Update(update) => !update.returning.is_empty(),
        Statement::Delete(delete) => !delete.returning.is_empty(),
        _ => false,
    }
}

/// How many columns, counted from the first, fields and the embeds among them may refer to.
pub(super) fn width(fields: &[Field]) -> usize {
    let places = fields.iter().flat_map(|field| match &field.value {
        FieldValue::Column(place) => slice::from_ref(place),
        FieldValue::Embed(embed) => embed.bind.as_slice(),
    });
    places.map(|place| place + 1).max().unwrap_or(0)
}

/// `from AS alias("0", "1")`: columns go by their places, since their names may be missing or met twice.
pub(super) fn named(from: &str, alias: &str, width: usize) -> String {
    if width == 0 {
        return format!("{from} AS {alias}");
    }
    let places: Vec<String> = (0..width).map(|place| format!("\"{place}\"")).collect();
    format!("{from} AS {alias}({})", places.join(", "))
}

/// The column at a place of the rows called `alias`.
pub(super) fn column(alias: &str, place: usize) -> String {
    format!("{alias}.\"{place}\"")
}

/// Takes out the `WITH` of a statement if something is written in it.
fn hoist(statement: &mut Statement) -> Option<With> {
    let with = match statement {
        Statement::Query(query) => &mut query.with,
        Statement::Insert(insert) => &mut insert.with,
        Statement::Update(update) => &mut update.with,
        Statement::Delete(delete) => &mut delete.with,
        _ => return None,
    };
    let writes = |cte: &Cte| !matches!(*cte.body, Statement::Query(_));
    with.take_if(|with| with.ctes.iter().any(writes))
}

fn cte(cte: &Cte) -> String {
    let columns: Vec<String> = cte.columns.iter().map(|column| ident(column)).collect();
    let columns = match columns.is_empty() {
        true => String::new(),
        false => format!("({})", columns.join(", ")),
    };
    let materialized = match cte.materialized {
        None => "",
        Some(true) => "MATERIALIZED ",
        Some(false) => "NOT MATERIALIZED ",
    };
    let (name, body) = (ident(&cte.name), print::statement(&cte.body));
    format!("{name}{columns} AS {materialized}({body})")
}
