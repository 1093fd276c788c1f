//! The syntax tree of the dialect: what users write, what REST plans and what the engines rewrite.
//!
//! Identifiers are stored as Postgres sees them: unquoted ones folded to lower case, quoted ones as written.
//! A [`Span`] is where a node stood in its source text; two nodes that differ only in spans are equal.

mod ddl;
mod dml;
mod expr;
pub mod plpgsql;
mod query;
mod visit;

pub use ddl::*;
pub use dml::*;
pub use expr::*;
pub use query::*;
pub use visit::*;

use std::fmt;

/// Byte offsets `start..end` into the source text. `Span::default()` marks a node made by us.
#[derive(Clone, Copy, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}
impl Eq for Span {}
impl std::hash::Hash for Span {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// A possibly schema-qualified name: `orders` or `auth.users`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The schema, when one was written.
    pub schema: Option<String>,
    /// The object's own name.
    pub name: String,
    /// Where it stood.
    pub span: Span,
}

impl ObjectName {
    /// An unqualified name made by us.
    pub fn bare(name: impl Into<String>) -> ObjectName {
        ObjectName {
            schema: None,
            name: name.into(),
            span: Span::default(),
        }
    }

    /// A qualified name made by us.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> ObjectName {
        ObjectName {
            schema: Some(schema.into()),
            name: name.into(),
            span: Span::default(),
        }
    }
}

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Statement {
    /// `SELECT`, `VALUES`, `TABLE t`, set operations, with or without `WITH`.
    Query(Box<Query>),
    /// `INSERT`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE`.
    Delete(Box<Delete>),
    /// `TRUNCATE`.
    Truncate(Truncate),
    /// `CREATE TABLE`.
    CreateTable(Box<CreateTable>),
    /// `ALTER TABLE`, and the forms of `ALTER VIEW`/`ALTER INDEX`/`ALTER SEQUENCE` that share its actions.
    AlterTable(Box<AlterTable>),
    /// `CREATE INDEX`.
    CreateIndex(Box<CreateIndex>),
    /// `CREATE VIEW`.
    CreateView(Box<CreateView>),
    /// `CREATE SEQUENCE`.
    CreateSequence(CreateSequence),
    /// `ALTER SEQUENCE` with options.
    AlterSequence(AlterSequence),
    /// `CREATE SCHEMA`.
    CreateSchema(CreateSchema),
    /// `CREATE TYPE … AS ENUM`.
    CreateEnum(CreateEnum),
    /// `ALTER TYPE … ADD VALUE / RENAME VALUE / RENAME TO` of an enum.
    AlterEnum(AlterEnum),
    /// `CREATE FUNCTION`, whatever its language.
    CreateFunction(Box<CreateFunction>),
    /// `CREATE TRIGGER`.
    CreateTrigger(Box<CreateTrigger>),
    /// `CREATE POLICY`.
    CreatePolicy(Box<CreatePolicy>),
    /// `ALTER POLICY`.
    AlterPolicy(Box<AlterPolicy>),
    /// `CREATE ROLE` / `CREATE USER`.
    CreateRole(CreateRole),
    /// `ALTER ROLE` / `ALTER USER` with options (`SET` forms are [`Statement::NoOp`]).
    AlterRole(CreateRole),
    /// `DROP TABLE`, `DROP VIEW`, …
    Drop(Drop),
    /// `COMMENT ON`.
    Comment(Comment),
    /// `GRANT` and `REVOKE`.
    Grant(Grant),
    /// `ALTER DEFAULT PRIVILEGES`.
    AlterDefaultPrivileges(AlterDefaultPrivileges),
    /// `BEGIN`, `COMMIT`, `SAVEPOINT`, …
    Transaction(Transaction),
    /// `SET name = value`, `SET ROLE`, `RESET`.
    Set(SetVariable),
    /// `SHOW name`.
    Show(String),
    /// `DO $$ … $$`: language and body.
    Do {
        /// `plpgsql` unless said.
        language: String,
        /// The text between the dollar quotes.
        body: String,
    },
    /// Accepted and without any effect on an engine that has nothing to tune (`ALTER … OWNER TO` of
    /// kinds we do not keep owners for, `CREATE EXTENSION`, `ANALYZE`, `VACUUM`, …). The text names the statement for the notice.
    NoOp(String),
    /// Valid Postgres that Plinth knows by name and cannot do.
    Unsupported {
        /// What it is, as Postgres names it: `CREATE EVENT TRIGGER`.
        what: String,
        /// What to do instead, when something is.
        hint: Option<String>,
        /// Where it stood.
        span: Span,
    },
}

/// `BEGIN` and its siblings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transaction {
    /// `BEGIN`, `START TRANSACTION`.
    Begin {
        /// `READ ONLY` was written.
        read_only: bool,
    },
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT name`.
    Savepoint(String),
    /// `RELEASE name`.
    Release(String),
    /// `ROLLBACK TO name`.
    RollbackTo(String),
}

/// `SET [LOCAL | SESSION] name = value, …`. `SET ROLE x` has the name `role`, `SET TIME ZONE x` the name `timezone`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SetVariable {
    /// Lower case, dots kept.
    pub name: String,
    /// Until the end of the transaction.
    pub local: bool,
    /// None for `RESET` and `TO DEFAULT`; the name `all` for `RESET ALL`.
    pub value: Option<Vec<String>>,
}
