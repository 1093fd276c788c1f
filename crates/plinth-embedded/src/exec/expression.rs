//! An expression by itself, as PL/pgSQL has them: one row of SQLite's, which is a value or a row.

use plinth_sql::ast::Expr;
use plinth_sql::types::ColumnType;

use super::Executor;
use crate::connection::Params;
use crate::error::Result;
use crate::translate::{ExKind, Plan};

/// An expression, ready to be computed.
pub(super) struct Expression {
    written: Expr,
    pub(super) plan: Plan,
    /// The row's, or that of the one value. A type may be unknown still.
    pub(super) columns: Vec<(String, ColumnType)>,
    /// Whether it is a row, and not a value.
    pub(super) is_row: bool,
}

impl Expression {
    /// Whether it is what this says.
    pub(super) fn is_of(&self, written: &Expr) -> bool {
        self.written == *written
    }
}

impl Executor {
    pub(super) fn plan_expression(&self, written: &Expr, params: &Params) -> Result<Expression> {
        let role = self.role();
        let mut translator = self.translator(&role, params);
        let ex = translator.expr(written)?;
        let ex = translator.settle(ex)?;
        let is_row = matches!(ex.kind, ExKind::Row(_));
        let fields = match ex.kind {
            ExKind::Row(fields) => fields
                .into_iter()
                .map(|(name, ex)| (ex.sql, (name, ex.ty)))
                .collect(),
            _ => vec![(ex.sql, (String::new(), ex.ty))],
        };
        let (texts, columns): (Vec<String>, Vec<(String, ColumnType)>) = fields.into_iter().unzip();
        let sql = format!("SELECT {}", texts.join(", "));
        let plan = translator.finish(sql, columns.clone())?;
        Ok(Expression {
            written: written.clone(),
            plan,
            columns,
            is_row,
        })
    }
}
