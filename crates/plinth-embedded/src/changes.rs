//! Every committed change of a row, in commit order.
//!
//! The executor knows old and new rows when it writes them, so it records them itself. What a rolled-back
//! savepoint recorded is cut off again before the commit is published.

use std::sync::Arc;

use plinth_sql::catalog::Relation;
use rusqlite::types::Value;

/// One changed row.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The table.
    pub table: Arc<Relation>,
    /// What happened.
    pub kind: ChangeKind,
    /// Where the row lies, or lay before; 0 when all rows went at once.
    pub key: i64,
    /// The row before, in table order; none for inserts, and when all rows went at once.
    pub old: Option<Arc<Vec<Value>>>,
    /// The row after, in table order; none for deletes.
    pub new: Option<Arc<Vec<Value>>>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was inserted.
    Insert,
    /// It was updated.
    Update,
    /// It was deleted.
    Delete,
    /// All rows of the table were deleted at once.
    Truncate,
}
