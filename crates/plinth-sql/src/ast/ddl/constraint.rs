//! Constraints, written with a column or with a table.

use super::SequenceOptions;
use crate::ast::{Expr, ObjectName, Span};

/// A constraint of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<String>,
    /// What it says.
    pub kind: TableConstraintKind,
    /// When it is checked.
    pub deferrable: Deferrable,
    /// `NOT VALID`.
    pub not_valid: bool,
    /// Where it stood.
    pub span: Span,
}

/// What a table constraint says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TableConstraintKind {
    /// `CHECK (x)`.
    Check(Expr),
    /// `UNIQUE (…)`.
    Unique {
        /// Columns.
        columns: Vec<String>,
        /// `NULLS NOT DISTINCT`.
        nulls_not_distinct: bool,
    },
    /// `PRIMARY KEY (…)`.
    PrimaryKey(Vec<String>),
    /// `FOREIGN KEY (…) REFERENCES …`.
    ForeignKey {
        /// Columns of this table.
        columns: Vec<String>,
        /// The other side.
        references: References,
    },
    /// `UNIQUE | PRIMARY KEY USING INDEX name`.
    UsingIndex {
        /// The index.
        index: String,
        /// As a primary key.
        primary: bool,
    },
    /// `EXCLUDE …`, known by name only.
    Exclude,
}

/// A constraint written with a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<String>,
    /// What it says.
    pub kind: ColumnConstraintKind,
    /// `DEFERRABLE` and `INITIALLY DEFERRED`.
    pub deferrable: Deferrable,
}

/// What a column constraint says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnConstraintKind {
    /// `NOT NULL`.
    NotNull,
    /// `NULL`.
    Null,
    /// `DEFAULT x`.
    Default(Expr),
    /// `GENERATED ALWAYS AS (x) STORED`.
    Generated(Expr),
    /// `GENERATED ALWAYS | BY DEFAULT AS IDENTITY (…)`.
    Identity {
        /// `ALWAYS`.
        always: bool,
        /// Sequence options.
        options: SequenceOptions,
    },
    /// `CHECK (x)`.
    Check(Expr),
    /// `UNIQUE`.
    Unique {
        /// `NULLS NOT DISTINCT`.
        nulls_not_distinct: bool,
    },
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `REFERENCES …`.
    References(References),
}

/// `REFERENCES table (columns) MATCH … ON DELETE … ON UPDATE …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct References {
    /// The other table.
    pub table: ObjectName,
    /// Its columns; empty means its primary key.
    pub columns: Vec<String>,
    /// `ON DELETE`.
    pub on_delete: ForeignKeyAction,
    /// Columns of `ON DELETE SET NULL (a, b)`.
    pub on_delete_columns: Vec<String>,
    /// `ON UPDATE`.
    pub on_update: ForeignKeyAction,
    /// `MATCH FULL`.
    pub match_full: bool,
}

/// What happens to referencing rows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum ForeignKeyAction {
    /// `NO ACTION`.
    #[default]
    NoAction,
    /// `RESTRICT`.
    Restrict,
    /// `CASCADE`.
    Cascade,
    /// `SET NULL`.
    SetNull,
    /// `SET DEFAULT`.
    SetDefault,
}

/// When a constraint is checked.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum Deferrable {
    /// At the end of each statement.
    #[default]
    Not,
    /// `DEFERRABLE INITIALLY IMMEDIATE`.
    InitiallyImmediate,
    /// `DEFERRABLE INITIALLY DEFERRED`.
    InitiallyDeferred,
}
