//! Indexes.

use crate::ast::{CreateIndex, Expr};
use crate::print::Printer;

impl Printer {
    pub(in crate::print) fn create_index(&mut self, index: &CreateIndex) {
        self.text(if index.unique {
            "CREATE UNIQUE INDEX "
        } else {
            "CREATE INDEX "
        });
        self.flag(index.if_not_exists, "IF NOT EXISTS ");
        if let Some(name) = &index.name {
            self.ident(name);
            self.text(" ");
        }
        self.text("ON ");
        self.name(&index.table);
        self.named(" USING ", &index.method);
        self.text(" ");
        self.parens(&index.keys, |p, key| {
            p.index_expr(&key.order.expr);
            if let Some(class) = &key.operator_class {
                p.text(" ");
                p.name(class);
            }
            p.direction(&key.order);
        });
        if !index.include.is_empty() {
            self.text(" INCLUDE");
            self.column_list(&index.include);
        }
        self.flag(index.nulls_not_distinct, " NULLS NOT DISTINCT");
        self.clause(" WHERE ", index.predicate.as_ref());
    }

    /// A key of an index or of `ON CONFLICT`: a column, perhaps with a collation, or anything in parentheses.
    pub(in crate::print) fn index_expr(&mut self, key: &Expr) {
        match key {
            Expr::Column(column) if column.parts.len() == 1 => self.expr(key),
            Expr::Collate { expr, collation: _ } if matches!(&**expr, Expr::Column(c) if c.parts.len() == 1) =>
            {
                self.expr(key);
            }
            _ => self.in_parens("", Some(key)),
        }
    }
}
