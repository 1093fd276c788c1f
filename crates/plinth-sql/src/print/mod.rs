//! Printing: a tree back to text that Postgres accepts and that parses to an equal tree.
//!
//! One line, upper-case keywords, and more parentheses than a person would write: every operand that is not
//! plainly a single thing stands in its own, so no precedence table has to be kept in step with the parser's.
//! The exceptions are chains of one left-associative operator, where nesting would be as deep as the chain is long.

mod ddl;
mod expr;
mod names;
mod query;
#[cfg(test)]
mod tests;

pub use names::{ident, literal};

use crate::ast::{Expr, ObjectName, Query, SetVariable, Statement, Transaction, TypeName};

/// A statement, without a semicolon. What has no text of its own ([`Statement::NoOp`],
/// [`Statement::Unsupported`]) is a comment that names it.
pub fn statement(statement: &Statement) -> String {
    print(|p| p.statement(statement))
}

/// A query.
pub fn query(query: &Query) -> String {
    print(|p| p.query(query))
}

/// An expression, without parentheses around it.
pub fn expr(expr: &Expr) -> String {
    print(|p| p.expr(expr))
}

/// A type as it may follow `::`.
pub fn type_name(name: &TypeName) -> String {
    print(|p| p.type_name(name))
}

/// A name with its schema, each part quoted where needed.
pub fn object_name(name: &ObjectName) -> String {
    print(|p| p.name(name))
}

fn print(write: impl FnOnce(&mut Printer)) -> String {
    let mut printer = Printer { out: String::new() };
    write(&mut printer);
    printer.out
}

/// The text so far. Its methods, one for each kind of node, are spread over this module's files.
struct Printer {
    out: String,
}

impl Printer {
    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Query(query) => self.query(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Truncate(truncate) => self.truncate(truncate),
            Statement::CreateTable(table) => self.create_table(table),
            Statement::AlterTable(alter) => self.alter_table(alter),
            Statement::CreateIndex(index) => self.create_index(index),
            Statement::CreateView(view) => self.create_view(view),
            Statement::CreateSequence(sequence) => self.create_sequence(sequence),
            Statement::AlterSequence(sequence) => self.alter_sequence(sequence),
            Statement::CreateSchema(schema) => self.create_schema(schema),
            Statement::CreateEnum(create) => self.create_enum(create),
            Statement::AlterEnum(alter) => self.alter_enum(alter),
            Statement::CreateFunction(function) => self.create_function(function),
            Statement::CreateTrigger(trigger) => self.create_trigger(trigger),
            Statement::CreatePolicy(policy) => self.create_policy(policy),
            Statement::AlterPolicy(policy) => self.alter_policy(policy),
            Statement::CreateRole(role) => self.role("CREATE ROLE ", role),
            Statement::AlterRole(role) => self.role("ALTER ROLE ", role),
            Statement::Drop(drop) => self.drop(drop),
            Statement::Comment(comment) => self.comment_on(comment),
            Statement::Grant(grant) => self.grant(grant),
            Statement::AlterDefaultPrivileges(alter) => self.alter_default_privileges(alter),
            Statement::Transaction(transaction) => self.transaction(transaction),
            Statement::Set(set) => self.set(set),
            Statement::Show(name) => {
                self.text("SHOW ");
                self.dotted(name);
            }
            Statement::Do { language, body } => {
                self.text("DO");
                self.language(language);
                self.text(" ");
                self.body(body);
            }
            Statement::NoOp(what)
            | Statement::Unsupported {
                what,
                hint: _,
                span: _,
            } => self.note(what),
        }
    }

    fn transaction(&mut self, transaction: &Transaction) {
        match transaction {
            Transaction::Begin { read_only: false } => self.text("BEGIN"),
            Transaction::Begin { read_only: true } => self.text("BEGIN READ ONLY"),
            Transaction::Commit => self.text("COMMIT"),
            Transaction::Rollback => self.text("ROLLBACK"),
            Transaction::Savepoint(name) => self.named("SAVEPOINT ", name),
            Transaction::Release(name) => self.named("RELEASE SAVEPOINT ", name),
            Transaction::RollbackTo(name) => self.named("ROLLBACK TO SAVEPOINT ", name),
        }
    }

    fn set(&mut self, set: &SetVariable) {
        if set.value.is_none() && !set.local {
            self.text("RESET ");
            return self.dotted(&set.name);
        }
        self.text(if set.local { "SET LOCAL " } else { "SET " });
        self.setting(&set.name, set.value.as_deref());
    }

    /// `name TO 'a', 'b'`, as `SET` and `CREATE FUNCTION … SET` have it. Every value is quoted, numbers too.
    fn setting(&mut self, name: &str, value: Option<&[String]>) {
        self.dotted(name);
        self.text(" TO ");
        match value {
            None => self.text("DEFAULT"),
            Some([]) => self.text("''"),
            Some(values) => self.list(values, |p, value| p.literal(value)),
        }
    }

    /// A comment that names what has no text of its own.
    fn note(&mut self, what: &str) {
        self.text("/* ");
        self.text(&what.replace("*/", "* /").replace("/*", "/ *"));
        self.text(" */");
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// `text` when the condition holds.
    fn flag(&mut self, on: bool, text: &str) {
        if on {
            self.text(text);
        }
    }

    fn named(&mut self, keyword: &str, name: &str) {
        self.text(keyword);
        self.ident(name);
    }

    /// Items between commas.
    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Printer, &T)) {
        for (place, item) in items.iter().enumerate() {
            self.flag(place > 0, ", ");
            each(self, item);
        }
    }

    /// Items between commas, in parentheses.
    fn parens<T>(&mut self, items: &[T], each: impl FnMut(&mut Printer, &T)) {
        self.text("(");
        self.list(items, each);
        self.text(")");
    }
}
