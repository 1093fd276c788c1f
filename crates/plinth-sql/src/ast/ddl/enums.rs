//! Enum types.

use crate::ast::ObjectName;

/// `CREATE TYPE … AS ENUM`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateEnum {
    /// Its name.
    pub name: ObjectName,
    /// In order.
    pub labels: Vec<String>,
}

/// `ALTER TYPE` of an enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterEnum {
    /// Which.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterEnumAction,
}

/// What changes about an enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterEnumAction {
    /// `ADD VALUE [IF NOT EXISTS] x [BEFORE | AFTER y]`.
    AddValue {
        /// The label.
        label: String,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// `(true, y)` before, `(false, y)` after.
        neighbour: Option<(bool, String)>,
    },
    /// `RENAME VALUE a TO b`.
    RenameValue {
        /// Old label.
        from: String,
        /// New label.
        to: String,
    },
    /// `RENAME TO`.
    RenameTo(String),
    /// `OWNER TO`.
    OwnerTo(String),
    /// `SET SCHEMA`.
    SetSchema(String),
}
