//! `ALTER TABLE` and its actions.

use super::{ColumnDef, ObjectKind, SequenceOptions, TableConstraint};
use crate::ast::{Expr, ObjectName, Span, TypeName};

/// `ALTER TABLE [IF EXISTS] [ONLY] name action, …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterTable {
    /// What kind of object the statement names.
    pub object: ObjectKind,
    /// Which.
    pub name: ObjectName,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// In order.
    pub actions: Vec<AlterAction>,
}

/// One action of `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AlterAction {
    /// `ADD COLUMN`.
    AddColumn {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The column.
        column: ColumnDef,
    },
    /// `DROP COLUMN`.
    DropColumn {
        /// Which.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `RENAME COLUMN a TO b`.
    RenameColumn {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `RENAME TO`.
    RenameTo(String),
    /// `RENAME CONSTRAINT a TO b`.
    RenameConstraint {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `SET SCHEMA`.
    SetSchema(String),
    /// `ADD CONSTRAINT`.
    AddConstraint(TableConstraint),
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// Which.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`.
    ValidateConstraint(String),
    /// `ALTER COLUMN … SET DEFAULT x` / `DROP DEFAULT`.
    SetDefault {
        /// The column.
        column: String,
        /// None drops it.
        default: Option<Expr>,
    },
    /// `ALTER COLUMN … SET NOT NULL` / `DROP NOT NULL`.
    SetNotNull {
        /// The column.
        column: String,
        /// Set or drop.
        not_null: bool,
    },
    /// `ALTER COLUMN … TYPE t USING x`.
    SetType {
        /// The column.
        column: String,
        /// The new type.
        ty: TypeName,
        /// `USING`.
        using: Option<Expr>,
    },
    /// `ALTER COLUMN … ADD GENERATED … AS IDENTITY`.
    AddIdentity {
        /// The column.
        column: String,
        /// `ALWAYS`.
        always: bool,
        /// Sequence options.
        options: SequenceOptions,
    },
    /// `ALTER COLUMN … DROP IDENTITY`.
    DropIdentity {
        /// The column.
        column: String,
        /// `IF EXISTS`.
        if_exists: bool,
    },
    /// `ENABLE` / `DISABLE ROW LEVEL SECURITY`.
    RowSecurity(bool),
    /// `FORCE` / `NO FORCE ROW LEVEL SECURITY`.
    ForceRowSecurity(bool),
    /// `ENABLE` / `DISABLE TRIGGER`.
    EnableTrigger {
        /// None: all of them.
        name: Option<String>,
        /// `ENABLE`.
        enabled: bool,
    },
    /// `OWNER TO role`.
    OwnerTo(String),
    /// `SET (name = value, …)` and `RESET (…)`, as for `security_invoker` of views. A reset option has no value.
    SetOptions(Vec<(String, Option<String>)>),
    /// `REPLICA IDENTITY`, `SET STATISTICS`, `CLUSTER ON`, `SET STORAGE` …: no meaning here; the text names it.
    NoOp(String),
    /// Known by name only.
    Unsupported(String, Span),
}
