//! Parentheses: only behind them is it known whether they hold a query, one value or a row.

use super::{Level, Mode};
use crate::ast::{Expr, Query};
use crate::parse::parser::{PResult, Parser};

/// What stands between parentheses.
pub(in crate::parse) enum Paren {
    /// A query.
    Query(Box<Query>),
    /// One or more expressions.
    List(Vec<Expr>),
}

impl Parser<'_> {
    /// `( … )`, with everything that may follow an inner parenthesis: `((SELECT 1) UNION SELECT 2)`, `((a) + 1)`.
    pub(in crate::parse) fn paren(&mut self) -> PResult<Paren> {
        let level = self.enter()?;
        self.expect_sym("(")?;
        let found = if self.starts_query() {
            Paren::Query(self.boxed_query()?)
        } else if self.is_sym("(") {
            let inner = self.paren()?;
            self.after_inner_paren(inner)?
        } else {
            self.list()?
        };
        self.expect_sym(")")?;
        self.leave_as_is(level);
        Ok(found)
    }

    /// What goes on behind a parenthesis that opened right behind another.
    fn after_inner_paren(&mut self, inner: Paren) -> PResult<Paren> {
        match inner {
            Paren::Query(query) if self.is_sym(")") => Ok(Paren::Query(query)),
            Paren::Query(query) if self.continues_query() => {
                Ok(Paren::Query(Box::new(self.query_after(*query)?)))
            }
            inner => {
                self.grow(1)?;
                let left = self.postfix(paren_value(inner), true)?;
                let first = self.operators(left, Level::Or, Mode::Full)?;
                self.rest_of_list(first)
            }
        }
    }

    fn list(&mut self) -> PResult<Paren> {
        let first = self.expr()?;
        self.rest_of_list(first)
    }

    fn rest_of_list(&mut self, first: Expr) -> PResult<Paren> {
        let mut list = vec![first];
        while self.eat_sym(",") {
            list.push(self.expr()?);
        }
        Ok(Paren::List(list))
    }
}

/// What a pair of parentheses around it means as a value.
pub(in crate::parse) fn paren_value(paren: Paren) -> Expr {
    match paren {
        Paren::Query(query) => Expr::Scalar(query),
        Paren::List(list) => row_or_one(list),
    }
}

pub(super) fn row_or_one(list: Vec<Expr>) -> Expr {
    match <[Expr; 1]>::try_from(list) {
        Ok([only]) => only,
        Err(several) => Expr::Row(several),
    }
}
