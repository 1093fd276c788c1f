//! Operators, by precedence climbing.
//!
//! The levels and what does not associate are those of Postgres's grammar. The loop mirrors one property of its
//! parser: a form that ends in a fixed token (`IS NULL`, `IN (…)`) is complete, so any operator may follow it, while
//! after an operand of a non-associative operator another of the same level is a syntax error.

mod chain;
mod level;
mod paren;
mod words;

use super::keywords::may_be_bare_label;
use super::lexer::Tok;
use super::parser::{PResult, Parser};
use crate::ast::{Expr, ObjectName, Query, Span};
use level::symbol_level;
use paren::row_or_one;
use words::pattern_rule;

pub(super) use level::Level;
pub(super) use paren::{Paren, paren_value};

/// Words that may stand behind result columns. All are reserved, and none begins an operand.
pub(super) const BEHIND_COLUMNS: [&str; 16] = [
    "except",
    "fetch",
    "for",
    "from",
    "group",
    "having",
    "intersect",
    "into",
    "limit",
    "offset",
    "on",
    "order",
    "returning",
    "union",
    "where",
    "window",
];

/// Which operators may stand in an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All of them.
    Full,
    /// Those that no following `AND`, `NOT NULL` or `IN` could belong to: column defaults, lower bounds of `BETWEEN`.
    Restricted,
    /// All of them, but a word that ends a result column is its name: `SELECT 1 is`, `SELECT a and FROM t`. Holds
    /// outside of every operand, because nothing within one has a name.
    Column,
}

/// An operator that may continue an expression.
#[derive(Clone, Copy)]
struct Infix<'s> {
    level: Level,
    rule: Rule<'s>,
    mode: Mode,
}

/// Reads an operator and what is behind it; true when it ended with an operand.
type Rule<'s> = fn(&mut Parser<'s>, Box<Expr>, Infix<'s>) -> PResult<(Expr, bool)>;

impl<'s> Parser<'s> {
    /// Any expression.
    pub(super) fn expr(&mut self) -> PResult<Expr> {
        let level = self.enter()?;
        let left = self.prefix(Mode::Full)?;
        let expr = self.operators(left, Level::Or, Mode::Full)?;
        self.leave(level)?;
        Ok(expr)
    }

    /// A result column's expression, up to the name that may follow without `AS`.
    pub(super) fn column_expr(&mut self) -> PResult<Expr> {
        let level = self.enter()?;
        let left = self.prefix(Mode::Full)?;
        let expr = self.operators(left, Level::Or, Mode::Column)?;
        self.leave(level)?;
        Ok(expr)
    }

    /// An expression in [`Mode::Restricted`].
    pub(super) fn restricted_expr(&mut self) -> PResult<Expr> {
        self.climb(Level::Or, Mode::Restricted)
    }

    /// `(expression)`, where the parentheses belong to the surrounding clause.
    pub(super) fn expr_in_parens(&mut self) -> PResult<Expr> {
        self.expect_sym("(")?;
        let expr = self.expr()?;
        self.expect_sym(")")?;
        Ok(expr)
    }

    /// An operand: its operators bind at least as strongly as `min`. Whoever asks counts the node above it.
    pub(super) fn climb(&mut self, min: Level, mode: Mode) -> PResult<Expr> {
        let mode = match mode {
            Mode::Full | Mode::Column => Mode::Full,
            Mode::Restricted => Mode::Restricted,
        };
        let level = self.enter()?;
        let left = self.prefix(mode)?;
        let expr = self.operators(left, min, mode)?;
        self.leave_as_is(level);
        Ok(expr)
    }

    pub(super) fn boxed_query(&mut self) -> PResult<Box<Query>> {
        self.query().map(Box::new)
    }

    fn prefix(&mut self, mode: Mode) -> PResult<Expr> {
        match &self.token().tok {
            Tok::Word(word) if word == "not" && mode == Mode::Full => {
                self.advance();
                let expr = self.climb(Level::Not, mode)?;
                self.grow(1)?;
                Ok(Expr::Not(Box::new(expr)))
            }
            Tok::Word(word) if word == "operator" && self.is_sym_at(1, "(") => {
                let (op, span) = self.operator_form()?;
                self.unary(op, span, Level::Other.next(), mode)
            }
            Tok::Op(op) => match op.as_str() {
                "+" | "-" => {
                    let op = op.clone();
                    let span = self.advance();
                    self.unary(op, span, Level::Sign, mode)
                }
                "*" | "/" | "%" | "^" | "<" | ">" | "=" | "<=" | ">=" | "<>" => {
                    Err(self.unexpected())
                }
                _ => {
                    let op = op.clone();
                    let span = self.advance();
                    self.unary(op, span, Level::Other.next(), mode)
                }
            },
            _ => self.primary(),
        }
    }

    fn unary(&mut self, op: String, span: Span, min: Level, mode: Mode) -> PResult<Expr> {
        let expr = Box::new(self.climb(min, mode)?);
        self.grow(1)?;
        Ok(Expr::Unary { op, expr, span })
    }

    /// Operators after `left` that bind at least as strongly as `min`.
    fn operators(&mut self, mut left: Expr, min: Level, mode: Mode) -> PResult<Expr> {
        // The level of a non-associative operator whose right operand was read last.
        let mut closed = None;
        while let Some(infix) = self.infix(mode) {
            let level = infix.level;
            if level < min {
                break;
            }
            if closed == Some(level) {
                return Err(self.unexpected());
            }
            if mode == Mode::Column && self.is_column_end() {
                break;
            }
            // One call for all: a call for each would make this frame, on which expressions nest, several times larger.
            let (expr, open) = (infix.rule)(self, Box::new(left), infix)?;
            left = expr;
            closed = (open && level.is_non_associative()).then_some(level);
            self.grow(1)?;
        }
        Ok(left)
    }

    /// The operator that stands here, if it may in this mode.
    fn infix(&self, mode: Mode) -> Option<Infix<'s>> {
        let full = mode != Mode::Restricted;
        let found = |level: Level, rule: Rule<'s>| Some(Infix { level, rule, mode });
        let word = match &self.token().tok {
            Tok::Op(op) => return found(symbol_level(op), Parser::symbol),
            // Behind a form that ends in a fixed token; behind other operands it is read with them.
            Tok::Sym("::") => return found(Level::Cast, Parser::cast_form),
            Tok::Word(word) => word.as_str(),
            _ => return None,
        };
        match word {
            "operator" if self.is_sym_at(1, "(") => found(Level::Other, Parser::operator_infix),
            "is" if full || self.is_distinct_ahead() => found(Level::Is, Parser::is_form),
            _ if !full => None,
            "or" => found(Level::Or, Parser::chain),
            "and" => found(Level::And, Parser::chain),
            "isnull" | "notnull" => found(Level::Is, Parser::isnull),
            "at" if self.word_at(1) == "time" => found(Level::AtTimeZone, Parser::at_time_zone),
            "collate" => found(Level::Collate, Parser::collate),
            "overlaps" => found(Level::Other, Parser::overlaps),
            "not" => found(Level::Pattern, pattern_rule(self.word_at(1))?),
            word => found(Level::Pattern, pattern_rule(word)?),
        }
    }

    /// Whether the word here names the result column that ends behind it, although it could be an operator.
    fn is_column_end(&self) -> bool {
        let may_follow = self.is_statement_end(1)
            || self.is_sym_at(1, ",")
            || self.is_sym_at(1, ")")
            || BEHIND_COLUMNS.contains(&self.word_at(1));
        may_follow && matches!(&self.token().tok, Tok::Word(word) if may_be_bare_label(word))
    }

    fn is_distinct_ahead(&self) -> bool {
        self.word_at(1) == "distinct" || (self.word_at(1) == "not" && self.word_at(2) == "distinct")
    }

    /// `a + b` and `a = ANY (…)`.
    fn symbol(&mut self, left: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
        let span = self.here();
        let op = self.operator_text()?;
        self.right_side(left, op, span, infix)
    }

    /// `a OPERATOR(schema.+) b`.
    fn operator_infix(&mut self, left: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
        let (op, span) = self.operator_form()?;
        self.right_side(left, op, span, infix)
    }

    fn right_side(
        &mut self,
        left: Box<Expr>,
        op: String,
        span: Span,
        infix: Infix<'s>,
    ) -> PResult<(Expr, bool)> {
        if infix.mode != Mode::Restricted && self.is_quantifier() {
            return self.quantified(left, op, span);
        }
        let right = Box::new(self.climb(infix.level.next(), infix.mode)?);
        Ok((
            Expr::Binary {
                op,
                left,
                right,
                span,
            },
            true,
        ))
    }

    fn is_quantifier(&self) -> bool {
        self.is_any(&["any", "some", "all"])
    }

    /// `ANY (…)`, `SOME (…)`, `ALL (…)` after an operator.
    fn quantified(&mut self, left: Box<Expr>, op: String, span: Span) -> PResult<(Expr, bool)> {
        let all = self.is("all");
        self.advance();
        let expr = match self.paren()? {
            Paren::Query(query) => Expr::AnyQuery {
                left,
                op,
                query,
                all,
                span,
            },
            Paren::List(list) => Expr::AnyArray {
                left,
                op,
                array: Box::new(row_or_one(list)),
                all,
                span,
            },
        };
        Ok((expr, false))
    }

    /// `OPERATOR(schema.+)`: the operator.
    fn operator_form(&mut self) -> PResult<(String, Span)> {
        let start = self.expect("operator")?;
        self.expect_sym("(")?;
        while !matches!(self.token().tok, Tok::Op(_)) {
            self.name()?;
            self.expect_sym(".")?;
        }
        let op = self.operator_text()?;
        self.expect_sym(")")?;
        Ok((op, self.since(start)))
    }

    /// Any operator.
    pub(super) fn operator_text(&mut self) -> PResult<String> {
        match &self.token().tok {
            Tok::Op(op) => {
                let op = op.clone();
                self.advance();
                Ok(op)
            }
            _ => Err(self.unexpected()),
        }
    }
}

/// A call of a built-in function that its own syntax stands for.
pub(super) fn plain_call(name: &str, args: Vec<Expr>, span: Span) -> Expr {
    Expr::call(
        ObjectName {
            span,
            ..ObjectName::bare(name)
        },
        args,
    )
}
