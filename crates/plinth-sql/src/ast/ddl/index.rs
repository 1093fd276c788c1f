//! Indexes.

use crate::ast::{Expr, ObjectName, OrderBy};

/// `CREATE INDEX`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateIndex {
    /// Its name; Postgres makes one up when none is written.
    pub name: Option<String>,
    /// The table.
    pub table: ObjectName,
    /// `UNIQUE`.
    pub unique: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `USING method`: `btree` when none is written.
    pub method: String,
    /// Keys.
    pub keys: Vec<IndexKey>,
    /// `INCLUDE (…)`.
    pub include: Vec<String>,
    /// `NULLS NOT DISTINCT`.
    pub nulls_not_distinct: bool,
    /// `WHERE`.
    pub predicate: Option<Expr>,
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IndexKey {
    /// Column or expression, with its direction.
    pub order: OrderBy,
    /// The operator class: `text_pattern_ops`.
    pub operator_class: Option<ObjectName>,
}
