//! Triggers.

use super::Deferrable;
use crate::ast::{Expr, ObjectName};

/// `CREATE TRIGGER`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateTrigger {
    /// Its name.
    pub name: String,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `CONSTRAINT`.
    pub constraint: bool,
    /// When.
    pub timing: TriggerTiming,
    /// `INSERT`, `UPDATE [OF …]`, `DELETE`, `TRUNCATE`.
    pub events: Vec<TriggerEvent>,
    /// The table.
    pub table: ObjectName,
    /// `FOR EACH ROW`.
    pub for_each_row: bool,
    /// `REFERENCING OLD TABLE AS x`.
    pub old_table: Option<String>,
    /// `REFERENCING NEW TABLE AS x`.
    pub new_table: Option<String>,
    /// `WHEN (x)`.
    pub when: Option<Expr>,
    /// The function.
    pub function: ObjectName,
    /// Its constant arguments.
    pub args: Vec<String>,
    /// When a constraint trigger runs.
    pub deferrable: Deferrable,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum TriggerTiming {
    /// `BEFORE`.
    Before,
    /// `AFTER`.
    After,
    /// `INSTEAD OF`.
    InsteadOf,
}

/// What fires a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum TriggerEvent {
    /// `INSERT`.
    Insert,
    /// `UPDATE [OF columns]`.
    Update(Vec<String>),
    /// `DELETE`.
    Delete,
    /// `TRUNCATE`.
    Truncate,
}
