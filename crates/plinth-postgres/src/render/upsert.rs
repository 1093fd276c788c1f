//! Which rows of an upsert were inserted.
//!
//! The usual `xmax = 0` is no way to tell: it needs the right to read the whole table, where a role may have been granted
//! columns only, it fails for partitioned tables, and views do not have it. So the server takes a note instead: the `WHERE` of
//! `DO UPDATE` sets a variable just before a row is updated, and `RETURNING`, which follows for that row at once, reads and clears
//! it. This needs no right at all. It costs less than a microsecond a row.
//!
//! One case is told wrongly: where a trigger suppresses the update of a row, the next row that is inserted counts as updated.

use plinth_sql::ast::{ConflictAction, Expr, ObjectName, OnConflict, SelectItem, Statement};

/// The column that tells it, the last that is returned.
pub(super) const INSERTED: &str = "plinth_inserted";
/// The variable. It is set for the transaction only.
const NOTE: &str = "plinth.updated";
/// Its value while a row is updated.
const UPDATED: &str = "t";

/// Makes an upsert return [`INSERTED`], too. False when the statement is none.
pub(super) fn tell(statement: &mut Statement) -> bool {
    let Statement::Insert(insert) = statement else {
        return false;
    };
    let Some(OnConflict {
        target: _,
        action:
            ConflictAction::Update {
                assignments: _,
                selection,
            },
    }) = &mut insert.on_conflict
    else {
        return false;
    };
    let note = Expr::binary("=", set(UPDATED), text(UPDATED));
    *selection = Some(match selection.take() {
        None => note,
        // `AND` may take its sides in any order.
        Some(condition) => Expr::Case {
            operand: None,
            whens: vec![(condition, note)],
            otherwise: None,
        },
    });
    insert.returning.push(SelectItem::Expr {
        expr: inserted(),
        alias: Some(INSERTED.to_owned()),
    });
    true
}

/// True unless the note says otherwise, which is cleared then.
fn inserted() -> Expr {
    let current = function("current_setting", vec![text(NOTE), Expr::Bool(true)]);
    let cleared = Expr::binary("<>", set(""), text(""));
    Expr::Case {
        operand: Some(Box::new(current)),
        whens: vec![(text(UPDATED), cleared)],
        otherwise: Some(Box::new(Expr::Bool(true))),
    }
}

fn set(value: &str) -> Expr {
    function(
        "set_config",
        vec![text(NOTE), text(value), Expr::Bool(true)],
    )
}

fn function(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(ObjectName::qualified("pg_catalog", name), args)
}

fn text(text: &str) -> Expr {
    Expr::String(text.to_owned())
}
