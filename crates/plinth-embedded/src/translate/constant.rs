//! Conditions that are `true` or `false` whatever the row, and what Postgres's planner drops beside them: nobody is asked for
//! privileges on the tables that stand only there.
//!
//! This is its folding of constants as far as policies are written by hand: `and`, `or`, `not`, comparisons of two constants.
//! What is not recognised here stays, and asks for more privileges rather than fewer.

use std::cmp::Ordering;

use plinth_sql::ast::Expr;

/// A condition without what its constants decide.
pub(super) struct Folded {
    /// What is left: it is true for the same rows.
    pub(super) condition: Expr,
    /// What was dropped.
    pub(super) dropped: Vec<Expr>,
}

impl Folded {
    /// Folds the condition of a policy.
    pub(super) fn of(condition: &Expr) -> Folded {
        let mut dropped = Vec::new();
        let condition = fold(condition, true, &mut dropped);
        Folded { condition, dropped }
    }

    /// Whether every row passes.
    pub(super) fn is_true(&self) -> bool {
        self.condition == Expr::Bool(true)
    }

    /// Whether no row passes.
    pub(super) fn is_false(&self) -> bool {
        self.condition == Expr::Bool(false)
    }
}

/// `decides` says that only whether the condition is true counts, so that null is as good as false.
fn fold(expr: &Expr, decides: bool, dropped: &mut Vec<Expr>) -> Expr {
    if let Some(constant) = constant(expr) {
        return match constant {
            Some(value) => Expr::Bool(value),
            None if decides => Expr::Bool(false),
            None => Expr::Null,
        };
    }
    let (left, right, absorbing) = match expr {
        Expr::And(left, right) => (left, right, false),
        Expr::Or(left, right) => (left, right, true),
        Expr::Not(inner) => {
            let inner = fold(inner, false, dropped);
            return match inner {
                Expr::Bool(value) => Expr::Bool(!value),
                inner => Expr::Not(Box::new(inner)),
            };
        }
        _ => return expr.clone(),
    };
    match (fold(left, decides, dropped), fold(right, decides, dropped)) {
        (Expr::Bool(value), other) | (other, Expr::Bool(value)) if value == absorbing => {
            dropped.push(other);
            Expr::Bool(value)
        }
        (Expr::Bool(_), other) | (other, Expr::Bool(_)) => other,
        (left, right) if absorbing => Expr::Or(Box::new(left), Box::new(right)),
        (left, right) => Expr::And(Box::new(left), Box::new(right)),
    }
}

/// The value of a condition that constants make up, `Some(None)` for null; `None` for any other.
#[expect(clippy::option_option, reason = "a condition has three values")]
fn constant(expr: &Expr) -> Option<Option<bool>> {
    match expr {
        Expr::Bool(value) => Some(Some(*value)),
        Expr::Null => Some(None),
        Expr::IsNull { expr, negated } => {
            let is_null = match &**expr {
                Expr::Null => true,
                Expr::Bool(_) | Expr::Number(_) | Expr::String(_) => false,
                _ => return None,
            };
            Some(Some(is_null != *negated))
        }
        Expr::Binary {
            op, left, right, ..
        } => {
            let order = match (&**left, &**right) {
                (Expr::String(left), Expr::String(right)) => left.cmp(right),
                (Expr::Number(left), Expr::Number(right)) => {
                    let left: i32 = left.parse().ok()?;
                    left.cmp(&right.parse().ok()?)
                }
                _ => return None,
            };
            Some(Some(match op.as_str() {
                "=" => order == Ordering::Equal,
                "<>" => order != Ordering::Equal,
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                ">" => order == Ordering::Greater,
                ">=" => order != Ordering::Less,
                _ => return None,
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use plinth_sql::{parse, print};

    use super::*;

    fn check(condition: &str, left: &str, dropped: &[&str]) {
        let folded = Folded::of(&parse::expression(condition).unwrap());
        assert_eq!(print::expr(&folded.condition), left);
        let shown: Vec<String> = folded.dropped.iter().map(print::expr).collect();
        assert_eq!(shown, dropped);
    }

    #[test]
    fn what_decides_alone_drops_the_rest() {
        check("a = 1 or true", "TRUE", &["a = 1"]);
        check("1 = 1 or a", "TRUE", &["a"]);
        check("'x' <> 'x' and a", "FALSE", &["a"]);
        check("not (a and false)", "TRUE", &["a"]);
        check("null and a", "FALSE", &["a"]);
    }

    #[test]
    fn what_decides_nothing_goes() {
        check("a and true", "a", &[]);
        check("false or null or a", "a", &[]);
        check("a or b", "a OR b", &[]);
        check("not (null and a)", "NOT (NULL AND a)", &[]);
    }
}
