//! Chains of `AND` and `OR`, which may be long and must not become deep.

use super::{Infix, Level, Mode};
use crate::ast::Expr;
use crate::parse::parser::{PResult, Parser};

/// More terms than this in one chain of `AND` or `OR` are refused.
const MAX_TERMS: usize = 5_000;

/// Chains up to this long lean left, as written; longer ones are balanced, so that they are not deep.
const MAX_LEANING_TERMS: usize = 64;

impl<'s> Parser<'s> {
    /// `a OR b OR c`, without recursion.
    #[expect(clippy::boxed_local, reason = "rules have one shape")]
    pub(super) fn chain(&mut self, left: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
        let or = infix.level == Level::Or;
        let word = if or { "or" } else { "and" };
        let mut terms = vec![*left];
        while self.is(word) && !(infix.mode == Mode::Column && self.is_column_end()) {
            self.advance();
            if terms.len() == MAX_TERMS {
                return Err(self.too_deep());
            }
            terms.push(self.climb(infix.level.next(), infix.mode)?);
        }
        let join = |a, b| {
            let (a, b) = (Box::new(a), Box::new(b));
            if or { Expr::Or(a, b) } else { Expr::And(a, b) }
        };
        if terms.len() > MAX_LEANING_TERMS {
            self.grow(terms.len().ilog2())?;
            return Ok((balanced(terms, join), false));
        }
        // The caller counts one node itself.
        self.grow(u32::try_from(terms.len()).unwrap_or(u32::MAX) - 2)?;
        Ok((terms.into_iter().reduce(join).unwrap_or(Expr::Null), false))
    }
}

/// Neighbours joined in pairs until one is left.
fn balanced(mut terms: Vec<Expr>, join: impl Fn(Expr, Expr) -> Expr) -> Expr {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(first) = rest.next() {
            pairs.push(match rest.next() {
                Some(second) => join(first, second),
                None => first,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or(Expr::Null)
}
