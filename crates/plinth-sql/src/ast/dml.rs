//! Statements that change rows.

use super::{Expr, FromItem, ObjectName, Query, SelectItem, With};

/// `INSERT INTO …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Insert {
    /// `WITH`.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// `AS alias`.
    pub alias: Option<String>,
    /// Column names; empty means all, in order.
    pub columns: Vec<String>,
    /// `OVERRIDING SYSTEM VALUE` / `OVERRIDING USER VALUE`.
    pub overriding: Option<Overriding>,
    /// Where the rows come from.
    pub source: InsertSource,
    /// `ON CONFLICT`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `OVERRIDING …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overriding {
    /// `SYSTEM VALUE`: explicit values win over identity.
    System,
    /// `USER VALUE`: identity wins.
    User,
}

/// Where inserted rows come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InsertSource {
    /// `DEFAULT VALUES`.
    Default,
    /// `VALUES …` (entries may be `DEFAULT`) or any query.
    Query(Box<Query>),
}

/// `ON CONFLICT …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OnConflict {
    /// Which conflict; none is allowed for `DO NOTHING` only.
    pub target: Option<ConflictTarget>,
    /// What then.
    pub action: ConflictAction,
}

/// Which conflict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConflictTarget {
    /// `(a, lower(b)) WHERE …`.
    Columns {
        /// Columns or expressions.
        keys: Vec<Expr>,
        /// The predicate of a partial index.
        predicate: Option<Expr>,
    },
    /// `ON CONSTRAINT name`.
    Constraint(String),
}

/// What to do on a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ConflictAction {
    /// `DO NOTHING`.
    Nothing,
    /// `DO UPDATE SET … WHERE …`.
    Update {
        /// `SET`.
        assignments: Vec<Assignment>,
        /// `WHERE`.
        selection: Option<Expr>,
    },
}

/// One assignment of `SET`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Assignment {
    /// `a = x`.
    Column {
        /// The column.
        column: String,
        /// The value; may be `DEFAULT`.
        value: Expr,
    },
    /// `(a, b) = (x, y)`.
    Row {
        /// The columns.
        columns: Vec<String>,
        /// As many values.
        values: Vec<Expr>,
    },
    /// `(a, b) = (SELECT …)`.
    Query {
        /// The columns.
        columns: Vec<String>,
        /// Yields as many columns and at most one row.
        query: Box<Query>,
    },
}

/// `UPDATE …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Update {
    /// `WITH`.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// `AS alias`.
    pub alias: Option<String>,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `FROM`.
    pub from: Vec<FromItem>,
    /// `WHERE`.
    pub selection: Option<Expr>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `DELETE FROM …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delete {
    /// `WITH`.
    pub with: Option<With>,
    /// The table.
    pub table: ObjectName,
    /// `AS alias`.
    pub alias: Option<String>,
    /// `USING`.
    pub using: Vec<FromItem>,
    /// `WHERE`.
    pub selection: Option<Expr>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `TRUNCATE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Truncate {
    /// The tables.
    pub tables: Vec<ObjectName>,
    /// `RESTART IDENTITY`.
    pub restart_identity: bool,
    /// `CASCADE`.
    pub cascade: bool,
}
