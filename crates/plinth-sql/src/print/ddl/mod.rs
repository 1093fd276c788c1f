//! Statements that change the schema, its policies and its privileges.

mod alter_table;
mod constraint;
mod enums;
mod function;
mod grant;
mod index;
mod object;
mod policy;
mod role;
mod schema;
mod sequence;
mod table;
mod trigger;
mod view;

use super::Printer;
use crate::ast::Expr;

/// What several of them have.
impl Printer {
    /// `(name = 'value', name)`.
    fn options(&mut self, options: &[(String, Option<String>)]) {
        self.parens(options, |p, (name, value)| {
            p.dotted(name);
            if let Some(value) = value {
                p.text(" = ");
                p.literal(value);
            }
        });
    }

    /// A keyword and an expression in parentheses, when there is one.
    fn in_parens(&mut self, keyword: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.text(keyword);
            self.text("(");
            self.expr(expr);
            self.text(")");
        }
    }
}
