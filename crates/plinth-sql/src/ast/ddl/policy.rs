//! Row-level security policies.

use crate::ast::{Expr, ObjectName};

/// `CREATE POLICY`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreatePolicy {
    /// Its name.
    pub name: String,
    /// The table.
    pub table: ObjectName,
    /// `AS PERMISSIVE` (the default) or `AS RESTRICTIVE`.
    pub permissive: bool,
    /// `FOR`.
    pub command: PolicyCommand,
    /// `TO`; `public` alone when not written.
    pub roles: Vec<String>,
    /// `USING`.
    pub using: Option<Expr>,
    /// `WITH CHECK`.
    pub check: Option<Expr>,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum PolicyCommand {
    /// `ALL`.
    All,
    /// `SELECT`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

/// `ALTER POLICY`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterPolicy {
    /// Its name.
    pub name: String,
    /// The table.
    pub table: ObjectName,
    /// `RENAME TO`.
    pub rename_to: Option<String>,
    /// `TO`.
    pub roles: Option<Vec<String>>,
    /// `USING`.
    pub using: Option<Expr>,
    /// `WITH CHECK`.
    pub check: Option<Expr>,
}
