//! Applies DDL and DCL statements to a catalog, purely.
//!
//! [`apply`] takes a snapshot and a statement and gives the next snapshot, together with what an engine must do to its
//! storage and what the caller is told. It touches nothing else: an engine carries out the effects in the same transaction
//! in which it stores the new snapshot, so a statement happens wholly or not at all.

mod alter;
mod column;
mod comment;
mod constraints;
mod defaults;
mod depend;
mod drop;
mod function;
mod grant;
mod index;
mod like;
mod names;
mod policy;
mod rename;
mod role;
mod schema;
mod sequence;
mod table;
mod trigger;
mod types;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Catalog, Function, QName, Relation};
use crate::SqlError;
use crate::ast::{Expr, ObjectKind, Query, Statement};
use crate::types::ColumnType;

/// Who changes the schema, and with what help.
pub struct Context<'a> {
    /// The current role: it needs the privileges and owns what is made.
    pub role: &'a str,
    /// Where names without a schema are looked for; new objects go into the first schema of it that exists.
    pub search_path: &'a [String],
    /// The engine's translator.
    pub infer: &'a dyn Infer,
}

/// What only an engine's translator can tell: whether an expression or a query means something, and its types.
pub trait Infer {
    /// The result columns of a query, in order. A bare string constant is [`Type::Unknown`](crate::types::Type::Unknown).
    fn query_columns(
        &self,
        catalog: &Catalog,
        query: &Query,
        search_path: &[String],
    ) -> Result<Vec<(String, ColumnType)>, SqlError>;

    /// The type of an expression over one relation's columns, which may not be in the catalog yet (none: no columns, as
    /// for a default). Subqueries are allowed for policies only.
    fn expr_type(
        &self,
        catalog: &Catalog,
        expr: &Expr,
        relation: Option<&Relation>,
        subqueries: bool,
        search_path: &[String],
    ) -> Result<ColumnType, SqlError>;

    /// Checks the body of an SQL function against its arguments and its result.
    fn function_body(
        &self,
        catalog: &Catalog,
        function: &Function,
        search_path: &[String],
    ) -> Result<(), SqlError>;
}

/// What a statement came to.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The new snapshot. Its version is one more, unless nothing changed.
    pub catalog: Catalog,
    /// What storage must do, in this order.
    pub effects: Vec<Effect>,
    /// `NOTICE`s, and `WARNING`s (codes that start with `01`).
    pub notices: Vec<SqlError>,
    /// The command tag: `CREATE TABLE`.
    pub tag: &'static str,
}

/// What an engine must do to its storage. Names are those of the new snapshot unless said otherwise.
///
/// `NOT NULL`, `CHECK`, `FOREIGN KEY`, views, policies and privileges live in the catalog alone.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant says what its fields are")]
pub enum Effect {
    /// A new, empty table with all its columns, unique constraints and indexes.
    CreateTable(QName),
    /// A table is gone, with its indexes. This is what it was.
    DropTable(Arc<Relation>),
    /// A table has another name or schema. Its indexes keep their names.
    RenameTable { from: QName, to: QName },
    /// A new column. Existing rows get its default, numbers of its own sequence, or its generation expression.
    AddColumn { table: QName, column: String },
    /// A column is gone. Its indexes went before.
    DropColumn { table: QName, column: String },
    /// A column has another name.
    RenameColumn {
        table: QName,
        from: String,
        to: String,
    },
    /// A column has another type. `using` is over the row with its old type; none means a plain cast.
    ChangeType {
        table: QName,
        column: String,
        from: ColumnType,
        using: Option<Expr>,
    },
    /// An index, or the index of a unique constraint or primary key.
    CreateIndex { table: QName, name: String },
    /// The same, gone.
    DropIndex { table: QName, name: String },
    /// The same, under another name.
    RenameIndex {
        table: QName,
        from: String,
        to: String,
    },
    /// Every row must satisfy this `CHECK` or `FOREIGN KEY`.
    Validate { table: QName, constraint: String },
    /// No row may have a null here.
    ValidateNotNull { table: QName, column: String },
    /// A new sequence, at its start.
    CreateSequence(QName),
    /// A sequence is gone.
    DropSequence(QName),
    /// The next number is this.
    RestartSequence { name: QName, value: i64 },
    /// A sequence has another name or schema.
    RenameSequence { from: QName, to: QName },
    /// `CREATE TABLE AS`: the rows of this query go into the new table. Its names are written out in full.
    FillTable { table: QName, query: Box<Query> },
    /// Stored labels of an enum change in every column of that type, arrays included.
    RenameEnumLabel { ty: QName, from: String, to: String },
}

/// Applies one statement. `None` when it is not one that changes schema, policies or privileges.
pub fn apply(
    catalog: &Catalog,
    statement: &Statement,
    cx: &Context<'_>,
) -> Result<Option<Applied>, SqlError> {
    let mut work = Work {
        catalog: catalog.clone(),
        changed: false,
        cx,
        effects: Vec::new(),
        notices: Vec::new(),
    };
    let tag = match statement {
        Statement::Query(_)
        | Statement::Insert(_)
        | Statement::Update(_)
        | Statement::Delete(_)
        | Statement::Truncate(_)
        | Statement::Transaction(_)
        | Statement::Set(_)
        | Statement::Show(_) => return Ok(None),
        Statement::CreateTable(create) => table::create(&mut work, create)?,
        Statement::AlterTable(change) => alter::alter(&mut work, change)?,
        Statement::CreateIndex(create) => index::create(&mut work, create)?,
        Statement::CreateView(create) => view::create(&mut work, create)?,
        Statement::CreateSequence(create) => sequence::create(&mut work, create)?,
        Statement::AlterSequence(change) => sequence::alter(&mut work, change)?,
        Statement::CreateSchema(create) => schema::create(&mut work, create)?,
        Statement::CreateEnum(create) => types::create(&mut work, create)?,
        Statement::AlterEnum(change) => types::alter(&mut work, change)?,
        Statement::CreateFunction(create) => function::create(&mut work, create)?,
        Statement::CreateTrigger(create) => trigger::create(&mut work, create)?,
        Statement::CreatePolicy(create) => policy::create(&mut work, create)?,
        Statement::AlterPolicy(change) => policy::alter(&mut work, change)?,
        Statement::CreateRole(create) => role::create(&mut work, create)?,
        Statement::AlterRole(change) => role::alter(&mut work, change)?,
        Statement::Drop(gone) => drop::drop(&mut work, gone)?,
        Statement::Comment(comment) => comment::comment(&mut work, comment)?,
        Statement::Grant(grant) => grant::grant(&mut work, grant)?,
        Statement::AlterDefaultPrivileges(change) => {
            defaults::default_privileges(&mut work, change)?
        }
        Statement::Do { language, .. } => {
            return Err(not_yet(&format!("DO blocks in language {language}"))
                .hint("Write the statements themselves."));
        }
        Statement::NoOp(what) => {
            work.notice(SqlError::new("00000", format!("{what} has no effect here")));
            "OK"
        }
        Statement::Unsupported { what, hint, span } => {
            let error = SqlError::unsupported(what).at(*span);
            return Err(match hint {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
    };
    let Work {
        mut catalog,
        changed,
        effects,
        notices,
        ..
    } = work;
    catalog.version += u64::from(changed);
    Ok(Some(Applied {
        catalog,
        effects,
        notices,
        tag,
    }))
}

/// A statement at work.
struct Work<'a> {
    /// Read freely; changed through [`Work::edit`].
    catalog: Catalog,
    changed: bool,
    cx: &'a Context<'a>,
    effects: Vec<Effect>,
    notices: Vec<SqlError>,
}

impl Work<'_> {
    fn edit(&mut self) -> &mut Catalog {
        self.changed = true;
        &mut self.catalog
    }

    fn put(&mut self, relation: Relation) {
        self.edit()
            .relations
            .insert(relation.name.clone(), Arc::new(relation));
    }

    /// Changes one relation in place; nothing when it is gone.
    fn edit_relation<T>(
        &mut self,
        name: &QName,
        change: impl FnOnce(&mut Relation) -> T,
    ) -> Option<T> {
        self.edit()
            .relations
            .get_mut(name)
            .map(|relation| change(Arc::make_mut(relation)))
    }

    fn next_oid(&mut self) -> u32 {
        let catalog = self.edit();
        catalog.next_oid += 1;
        catalog.next_oid - 1
    }

    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn notice(&mut self, notice: SqlError) {
        self.notices.push(notice);
    }

    /// `… does not exist, skipping` and its siblings: the message of an error, as a notice.
    fn skip(&mut self, error: &SqlError, code: &str) {
        self.notice(SqlError::new(code, format!("{}, skipping", error.message)));
    }

    /// The error, which `IF EXISTS` and `IF NOT EXISTS` turn into a notice.
    fn skip_if(&mut self, allowed: bool, error: SqlError, code: &str) -> Result<(), SqlError> {
        if !allowed {
            return Err(error);
        }
        self.skip(&error, code);
        Ok(())
    }

    fn role(&self) -> &str {
        self.cx.role
    }

    fn path(&self) -> &[String] {
        self.cx.search_path
    }

    fn expr_type(&self, expr: &Expr, relation: Option<&Relation>) -> Result<ColumnType, SqlError> {
        self.cx
            .infer
            .expr_type(&self.catalog, expr, relation, false, self.cx.search_path)
    }
}

fn error(code: &str, message: impl Into<String>) -> SqlError {
    SqlError::new(code, message)
}

/// Valid Postgres that is on its way.
fn not_yet(what: &str) -> SqlError {
    SqlError::new("0A000", format!("{what} are not supported yet"))
}

/// The command tag of `CREATE`, `ALTER` and `DROP` of a kind.
fn tag(verb: Verb, kind: ObjectKind) -> &'static str {
    let [drop, alter] = match kind {
        ObjectKind::Table | ObjectKind::Column | ObjectKind::Constraint => {
            ["DROP TABLE", "ALTER TABLE"]
        }
        ObjectKind::View => ["DROP VIEW", "ALTER VIEW"],
        ObjectKind::MaterializedView => ["DROP MATERIALIZED VIEW", "ALTER MATERIALIZED VIEW"],
        ObjectKind::Index => ["DROP INDEX", "ALTER INDEX"],
        ObjectKind::Sequence => ["DROP SEQUENCE", "ALTER SEQUENCE"],
        ObjectKind::Schema => ["DROP SCHEMA", "ALTER SCHEMA"],
        ObjectKind::Type => ["DROP TYPE", "ALTER TYPE"],
        ObjectKind::Domain => ["DROP DOMAIN", "ALTER DOMAIN"],
        ObjectKind::Function => ["DROP FUNCTION", "ALTER FUNCTION"],
        ObjectKind::Procedure => ["DROP PROCEDURE", "ALTER PROCEDURE"],
        ObjectKind::Policy => ["DROP POLICY", "ALTER POLICY"],
        ObjectKind::Trigger => ["DROP TRIGGER", "ALTER TRIGGER"],
        ObjectKind::Role => ["DROP ROLE", "ALTER ROLE"],
        ObjectKind::Extension => ["DROP EXTENSION", "ALTER EXTENSION"],
        ObjectKind::Database => ["DROP DATABASE", "ALTER DATABASE"],
        ObjectKind::Publication => ["DROP PUBLICATION", "ALTER PUBLICATION"],
    };
    match verb {
        Verb::Drop => drop,
        Verb::Alter => alter,
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Drop,
    Alter,
}
