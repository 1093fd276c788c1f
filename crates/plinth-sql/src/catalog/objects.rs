//! The objects of a catalog.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Acl;
use crate::ast::{
    ArgMode, Deferrable, Expr, ForeignKeyAction, PolicyCommand, Query, SequenceOptions, Statement,
    TriggerEvent, TriggerTiming, Volatility,
};
use crate::types::{ColumnType, Type};

/// A full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QName {
    /// The schema.
    pub schema: String,
    /// The name in it.
    pub name: String,
}

impl QName {
    /// A full name from its two parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> QName {
        QName {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// As messages show it: without the schema when that is `public` or `pg_catalog`.
    pub fn display(&self) -> impl fmt::Display + '_ {
        struct Shown<'a>(&'a QName);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0.schema.as_str() {
                    "public" | "pg_catalog" => f.write_str(&self.0.name),
                    schema => write!(f, "{schema}.{}", self.0.name),
                }
            }
        }
        Shown(self)
    }
}

/// A schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Its owner.
    pub owner: String,
    /// Who may `usage` and `create`.
    pub acl: Acl,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// A table or a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// Stable identity.
    pub oid: u32,
    /// Its name.
    pub name: QName,
    /// Its owner.
    pub owner: String,
    /// Columns, in order.
    pub columns: Vec<Column>,
    /// Privileges on the whole relation; those on columns are in the columns.
    pub acl: Acl,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// What only a table or only a view has.
    pub kind: RelationKind,
}

/// Table or view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RelationKind {
    /// A table.
    Table(Table),
    /// A view.
    View(View),
}

/// What only a table has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Constraints, in order of creation, `NOT NULL` apart.
    pub constraints: Vec<Constraint>,
    /// Indexes that are not constraints.
    pub indexes: Vec<Index>,
    /// Policies, in order of creation.
    pub policies: Vec<Policy>,
    /// Triggers, in the order in which they fire: by name.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// `ENABLE ROW LEVEL SECURITY`.
    pub row_security: bool,
    /// `FORCE ROW LEVEL SECURITY`.
    pub force_row_security: bool,
}

/// What only a view has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Its query; every name in it was resolved when it was created.
    pub query: Query,
    /// `security_invoker = true`.
    pub security_invoker: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: ColumnType,
    /// `NOT NULL` (also by primary key).
    pub not_null: bool,
    /// `DEFAULT`; for a serial column its `nextval`.
    pub default: Option<Expr>,
    /// `GENERATED ALWAYS AS (…) STORED`.
    pub generated: Option<Expr>,
    /// `GENERATED … AS IDENTITY`.
    pub identity: Option<Identity>,
    /// Privileges on this column alone.
    pub acl: Acl,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// An identity column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// `ALWAYS` rather than `BY DEFAULT`.
    pub always: bool,
    /// Where its numbers come from.
    pub sequence: QName,
}

/// A constraint of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constraint {
    /// Its name, unique within the table.
    pub name: String,
    /// What it says.
    pub kind: ConstraintKind,
    /// When it is checked.
    pub deferrable: Deferrable,
    /// False for `NOT VALID`.
    pub validated: bool,
}

/// What a constraint says. Columns are named, in the order written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ConstraintKind {
    /// `PRIMARY KEY`.
    PrimaryKey {
        /// The key.
        columns: Vec<String>,
    },
    /// `UNIQUE`.
    Unique {
        /// The key.
        columns: Vec<String>,
        /// `NULLS NOT DISTINCT`.
        nulls_not_distinct: bool,
    },
    /// `CHECK`.
    Check {
        /// True or null for every row.
        expr: Expr,
    },
    /// `FOREIGN KEY`.
    ForeignKey(ForeignKey),
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Columns of this table.
    pub columns: Vec<String>,
    /// The other table.
    pub foreign_table: QName,
    /// As many columns of it.
    pub foreign_columns: Vec<String>,
    /// `ON DELETE`.
    pub on_delete: ForeignKeyAction,
    /// Columns of `ON DELETE SET NULL (…)`; empty means all.
    pub on_delete_columns: Vec<String>,
    /// `ON UPDATE`.
    pub on_update: ForeignKeyAction,
    /// `MATCH FULL`.
    pub match_full: bool,
}

/// An index that is not a constraint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its name, unique within the schema.
    pub name: String,
    /// `UNIQUE`.
    pub unique: bool,
    /// `NULLS NOT DISTINCT`.
    pub nulls_not_distinct: bool,
    /// Columns or expressions with their direction.
    pub keys: Vec<IndexPart>,
    /// `WHERE`.
    pub predicate: Option<Expr>,
    /// `btree`, `gin`, …: kept for round trips; only btree has an effect.
    pub method: String,
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexPart {
    /// Column or expression.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST` / `NULLS LAST` when written.
    pub nulls_first: Option<bool>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name, unique within the table.
    pub name: String,
    /// Permissive rather than restrictive.
    pub permissive: bool,
    /// What for.
    pub command: PolicyCommand,
    /// For whom; `public` is everyone.
    pub roles: Vec<String>,
    /// Which existing rows.
    pub using: Option<Expr>,
    /// Which new rows.
    pub check: Option<Expr>,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its name, unique within the table.
    pub name: String,
    /// Before or after the change.
    pub timing: TriggerTiming,
    /// Which changes.
    pub events: Vec<TriggerEvent>,
    /// Once a row rather than once a statement.
    pub for_each_row: bool,
    /// `WHEN`, over `old` and `new`.
    pub when: Option<Expr>,
    /// The oid of its function.
    pub function: u32,
    /// What the function finds in `tg_argv`.
    pub args: Vec<String>,
    /// False after `DISABLE TRIGGER`.
    pub enabled: bool,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// An enum type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnumType {
    /// Stable identity.
    pub oid: u32,
    /// Its name.
    pub name: QName,
    /// Its owner.
    pub owner: String,
    /// In order.
    pub labels: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// A sequence. Its current value is data, not schema, and lives with the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Stable identity.
    pub oid: u32,
    /// Its name.
    pub name: QName,
    /// Its owner.
    pub owner: String,
    /// Options with every default filled in.
    pub options: SequenceOptions,
    /// The column it goes with: serial, identity or `OWNED BY`.
    pub owned_by: Option<(QName, String)>,
    /// `usage`, `select`, `update`.
    pub acl: Acl,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Stable identity.
    pub oid: u32,
    /// Its name.
    pub name: QName,
    /// Its owner.
    pub owner: String,
    /// Arguments, `OUT` ones and `RETURNS TABLE` columns apart.
    pub args: Vec<Argument>,
    /// What comes back.
    pub returns: Returns,
    /// `sql`, later `plpgsql`.
    pub language: String,
    /// The statements of an SQL function, with parameters as written (`$1` or by name).
    pub body: Vec<Statement>,
    /// The body's text as given.
    pub source: String,
    /// How it may vary.
    pub volatility: Volatility,
    /// Null arguments give null without a call.
    pub strict: bool,
    /// Runs as its owner.
    pub security_definer: bool,
    /// `SET name = value`.
    pub settings: Vec<(String, Vec<String>)>,
    /// `execute`.
    pub acl: Acl,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// An argument of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    /// Its name, when it has one.
    pub name: Option<String>,
    /// Its type.
    pub ty: Type,
    /// `In`, `InOut` or `Variadic`.
    pub mode: ArgMode,
    /// `DEFAULT`.
    pub default: Option<Expr>,
}

/// What a function returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Returns {
    /// `SETOF` or `TABLE`.
    pub set: bool,
    /// The type; `Record` when `columns` says more.
    pub ty: Type,
    /// Names and types of `TABLE (…)` or of several `OUT` arguments.
    pub columns: Vec<(String, Type)>,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are Postgres's role attributes"
)]
pub struct Role {
    /// `SUPERUSER`.
    pub superuser: bool,
    /// `BYPASSRLS`.
    pub bypass_rls: bool,
    /// `LOGIN`.
    pub login: bool,
    /// `INHERIT`.
    pub inherit: bool,
    /// `CREATEROLE`.
    pub create_role: bool,
    /// Roles it was granted.
    pub member_of: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
}

/// One effect of `ALTER DEFAULT PRIVILEGES`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefaultPrivilege {
    /// Objects made by this role.
    pub role: String,
    /// In this schema; none means in any.
    pub schema: Option<String>,
    /// `tables`, `sequences`, `functions`, `types`, `schemas`.
    pub kind: String,
    /// What they get.
    pub acl: Acl,
}

/// A table's columns and parts, as most callers want them: `None` for views.
impl Relation {
    /// The table part.
    pub fn table(&self) -> Option<&Table> {
        match &self.kind {
            RelationKind::Table(table) => Some(table),
            RelationKind::View(_) => None,
        }
    }

    /// The view part.
    pub fn view(&self) -> Option<&View> {
        match &self.kind {
            RelationKind::View(view) => Some(view),
            RelationKind::Table(_) => None,
        }
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The primary key's columns; empty when there is none.
    pub fn primary_key(&self) -> &[String] {
        self.table()
            .into_iter()
            .flat_map(|table| &table.constraints)
            .find_map(|constraint| match &constraint.kind {
                ConstraintKind::PrimaryKey { columns } => Some(columns.as_slice()),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Foreign keys with their constraint names.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (&str, &ForeignKey)> {
        self.table()
            .into_iter()
            .flat_map(|table| &table.constraints)
            .filter_map(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey(key) => Some((constraint.name.as_str(), key)),
                _ => None,
            })
    }

    /// The row type.
    pub fn row_type(&self) -> Type {
        Type::Row(Arc::new(self.name.clone()))
    }
}
