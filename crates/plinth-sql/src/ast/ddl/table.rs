//! Tables and their columns.

use super::{ColumnConstraint, TableConstraint};
use crate::ast::{ObjectName, Query, Span, TypeName};

/// `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Columns, in order.
    pub columns: Vec<ColumnDef>,
    /// Table constraints, in order.
    pub constraints: Vec<TableConstraint>,
    /// `LIKE other INCLUDING …`: the table and the upper-case options.
    pub like: Vec<(ObjectName, Vec<String>)>,
    /// `AS query`.
    pub query: Option<Box<Query>>,
    /// Clauses we know by name only: `PARTITION BY`, `INHERITS`, `OF`; refused when not empty.
    pub unsupported: Vec<(String, Span)>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TypeName,
    /// `COLLATE`.
    pub collation: Option<ObjectName>,
    /// Constraints, in order.
    pub constraints: Vec<ColumnConstraint>,
    /// Where it stood.
    pub span: Span,
}
