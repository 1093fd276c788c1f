//! Operators, by precedence climbing.
//!
//! The levels and what does not associate are those of Postgres's grammar. The loop mirrors one property of its
//! parser: a form that ends in a fixed token (`IS NULL`, `IN (…)`) is complete, so any operator may follow it, while
//! after an operand of a non-associative operator another of the same level is a syntax error.

use super::lexer::Tok;
use super::parser::{PResult, Parser, refused};
use crate::ast::{Expr, LikeKind, ObjectName, Query, Span};

/// From weakest to strongest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Or,
    And,
    Not,
    Is,
    Compare,
    Pattern,
    Escape,
    Other,
    Add,
    Multiply,
    Power,
    AtTimeZone,
    Collate,
    Sign,
}

impl Level {
    fn next(self) -> Level {
        match self {
            Level::Or => Level::And,
            Level::And => Level::Not,
            Level::Not => Level::Is,
            Level::Is => Level::Compare,
            Level::Compare => Level::Pattern,
            Level::Pattern => Level::Escape,
            Level::Escape => Level::Other,
            Level::Other => Level::Add,
            Level::Add => Level::Multiply,
            Level::Multiply => Level::Power,
            Level::Power => Level::AtTimeZone,
            Level::AtTimeZone => Level::Collate,
            Level::Collate | Level::Sign => Level::Sign,
        }
    }
}

/// Which operators may stand in an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All of them.
    Full,
    /// Those that no following `AND`, `NOT NULL` or `IN` could belong to: column defaults, lower bounds of `BETWEEN`.
    Restricted,
}

/// More terms than this in one chain of `AND` or `OR` are refused.
const MAX_TERMS: usize = 5_000;

/// Chains up to this long lean left, as written; longer ones are balanced, so that they are not deep.
const MAX_LEANING_TERMS: usize = 64;

/// What stands between parentheses.
pub(super) enum Paren {
    /// A query.
    Query(Query),
    /// One or more expressions.
    List(Vec<Expr>),
}

/// An operator that may continue an expression.
#[derive(Clone, Copy, PartialEq)]
enum Infix {
    Or,
    And,
    Is,
    Isnull,
    Notnull,
    Symbol,
    OperatorForm,
    Between,
    In,
    Like(LikeKind),
    Overlaps,
    AtTimeZone,
    Collate,
}

impl Parser<'_> {
    /// Any expression.
    pub(super) fn expr(&mut self) -> PResult<Expr> {
        self.climb(Level::Or, Mode::Full)
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

    /// An expression whose operators bind at least as strongly as `min`.
    pub(super) fn climb(&mut self, min: Level, mode: Mode) -> PResult<Expr> {
        let level = self.enter()?;
        let left = self.prefix(mode)?;
        let expr = self.operators(left, min, mode)?;
        self.leave(level)?;
        Ok(expr)
    }

    /// `( … )`, with everything that may follow an inner parenthesis: `((SELECT 1) UNION SELECT 2)`, `((a) + 1)`.
    pub(super) fn paren(&mut self) -> PResult<Paren> {
        let level = self.enter()?;
        self.expect_sym("(")?;
        let found = if self.starts_query() {
            Paren::Query(self.query()?)
        } else if self.is_sym("(") {
            match self.paren()? {
                Paren::Query(query) if self.is_sym(")") => Paren::Query(query),
                Paren::Query(query) if self.continues_query() => Paren::Query(self.query_after(query)?),
                inner => {
                    let left = self.postfix(paren_value(inner), true)?;
                    let first = self.operators(left, Level::Or, Mode::Full)?;
                    self.rest_of_list(first)?
                }
            }
        } else {
            let first = self.expr()?;
            self.rest_of_list(first)?
        };
        self.expect_sym(")")?;
        self.leave(level)?;
        Ok(found)
    }

    fn rest_of_list(&mut self, first: Expr) -> PResult<Paren> {
        let mut list = vec![first];
        while self.eat_sym(",") {
            list.push(self.expr()?);
        }
        Ok(Paren::List(list))
    }

    fn prefix(&mut self, mode: Mode) -> PResult<Expr> {
        match &self.token().tok {
            Tok::Word(word) if word == "not" && mode == Mode::Full => {
                self.advance();
                Ok(Expr::Not(Box::new(self.climb(Level::Not, mode)?)))
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
                "*" | "/" | "%" | "^" | "<" | ">" | "=" | "<=" | ">=" | "<>" => Err(self.unexpected()),
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
        Ok(Expr::Unary { op, expr, span })
    }

    /// Operators after `left` that bind at least as strongly as `min`.
    fn operators(&mut self, mut left: Expr, min: Level, mode: Mode) -> PResult<Expr> {
        // The level of a non-associative operator whose right operand was read last.
        let mut closed = None;
        while let Some((infix, level)) = self.infix(mode) {
            if level < min {
                break;
            }
            if closed == Some(level) {
                return Err(self.unexpected());
            }
            closed = None;
            left = match infix {
                Infix::Or | Infix::And => self.chain(left, infix, mode)?,
                Infix::Is => {
                    let (expr, open) = self.is_form(left, mode)?;
                    closed = open.then_some(level);
                    expr
                }
                Infix::Isnull | Infix::Notnull => {
                    self.advance();
                    Expr::IsNull { expr: Box::new(left), negated: infix == Infix::Notnull }
                }
                Infix::Symbol | Infix::OperatorForm => {
                    let (expr, open) = self.binary(left, infix, level, mode)?;
                    closed = (open && level == Level::Compare).then_some(level);
                    expr
                }
                Infix::Between => {
                    closed = Some(level);
                    self.between(left)?
                }
                Infix::In => self.in_form(left)?,
                Infix::Like(kind) => {
                    let (expr, open) = self.like(left, kind)?;
                    closed = open.then_some(level);
                    expr
                }
                Infix::Overlaps => self.overlaps(left)?,
                Infix::AtTimeZone => {
                    self.expect_all(&["at", "time", "zone"])?;
                    let zone = Box::new(self.climb(level.next(), mode)?);
                    Expr::AtTimeZone { expr: Box::new(left), zone }
                }
                Infix::Collate => {
                    self.advance();
                    Expr::Collate { expr: Box::new(left), collation: self.object_name()? }
                }
            };
            self.grow(1)?;
        }
        Ok(left)
    }

    /// The operator that stands here, if it may in this mode.
    fn infix(&self, mode: Mode) -> Option<(Infix, Level)> {
        let full = mode == Mode::Full;
        let word = match &self.token().tok {
            Tok::Op(op) => return Some((Infix::Symbol, symbol_level(op))),
            Tok::Word(word) => word.as_str(),
            _ => return None,
        };
        Some(match word {
            "operator" if self.is_sym_at(1, "(") => (Infix::OperatorForm, Level::Other),
            "is" if full || self.is_distinct_ahead() => (Infix::Is, Level::Is),
            _ if !full => return None,
            "or" => (Infix::Or, Level::Or),
            "and" => (Infix::And, Level::And),
            "isnull" => (Infix::Isnull, Level::Is),
            "notnull" => (Infix::Notnull, Level::Is),
            "at" if self.word_at(1) == "time" => (Infix::AtTimeZone, Level::AtTimeZone),
            "collate" => (Infix::Collate, Level::Collate),
            "overlaps" => (Infix::Overlaps, Level::Other),
            "not" => (pattern_form(self.word_at(1))?, Level::Pattern),
            word => (pattern_form(word)?, Level::Pattern),
        })
    }

    fn is_distinct_ahead(&self) -> bool {
        self.word_at(1) == "distinct" || (self.word_at(1) == "not" && self.word_at(2) == "distinct")
    }

    /// `a OR b OR c`, without recursion.
    fn chain(&mut self, left: Expr, infix: Infix, mode: Mode) -> PResult<Expr> {
        let (word, operand) = if infix == Infix::Or { ("or", Level::And) } else { ("and", Level::Not) };
        let mut terms = vec![left];
        while self.eat(word) {
            if terms.len() == MAX_TERMS {
                return Err(self.too_deep());
            }
            terms.push(self.climb(operand, mode)?);
        }
        let join = |a, b| match infix {
            Infix::Or => Expr::Or(Box::new(a), Box::new(b)),
            _ => Expr::And(Box::new(a), Box::new(b)),
        };
        if terms.len() > MAX_LEANING_TERMS {
            self.grow(terms.len().ilog2())?;
            return Ok(balanced(terms, join));
        }
        // The caller counts one node itself.
        self.grow(u32::try_from(terms.len()).unwrap_or(u32::MAX) - 2)?;
        Ok(terms.into_iter().reduce(join).unwrap_or(Expr::Null))
    }

    /// After `IS`; true when it ended with an operand.
    fn is_form(&mut self, left: Expr, mode: Mode) -> PResult<(Expr, bool)> {
        let start = self.advance();
        let negated = self.eat("not");
        let expr = Box::new(left);
        if self.eat("distinct") {
            self.expect("from")?;
            let right = Box::new(self.climb(Level::Is.next(), mode)?);
            return Ok((Expr::IsDistinct { left: expr, right, negated }, true));
        }
        let form = match self.word() {
            "null" => Expr::IsNull { expr, negated },
            "true" => Expr::IsBool { expr, value: Some(true), negated },
            "false" => Expr::IsBool { expr, value: Some(false), negated },
            "unknown" => Expr::IsBool { expr, value: None, negated },
            "document" => return Err(refused("IS DOCUMENT", self.since(start))),
            "json" => return Err(refused("IS JSON", self.since(start))),
            "normalized" | "nfc" | "nfd" | "nfkc" | "nfkd" => return Err(refused("IS NORMALIZED", self.since(start))),
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok((form, false))
    }

    /// `a + b` and `a = ANY (…)`; true when it ended with an operand.
    fn binary(&mut self, left: Expr, infix: Infix, level: Level, mode: Mode) -> PResult<(Expr, bool)> {
        let (op, span) = match (&self.token().tok, infix) {
            (Tok::Op(op), Infix::Symbol) => (op.clone(), self.here()),
            _ => self.operator_form()?,
        };
        if infix == Infix::Symbol {
            self.advance();
        }
        let left = Box::new(left);
        if mode == Mode::Full && self.is_quantifier() {
            return Ok((self.quantified(left, op, span)?, false));
        }
        let right = Box::new(self.climb(level.next(), mode)?);
        Ok((Expr::Binary { op, left, right, span }, true))
    }

    fn is_quantifier(&self) -> bool {
        self.is_any(&["any", "some", "all"])
    }

    /// `ANY (…)`, `SOME (…)`, `ALL (…)` after an operator.
    fn quantified(&mut self, left: Box<Expr>, op: String, span: Span) -> PResult<Expr> {
        let all = self.is("all");
        self.advance();
        Ok(match self.paren()? {
            Paren::Query(query) => Expr::AnyQuery { left, op, query: Box::new(query), all, span },
            Paren::List(list) => Expr::AnyArray { left, op, array: Box::new(row_or_one(list)), all, span },
        })
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

    fn between(&mut self, left: Expr) -> PResult<Expr> {
        let negated = self.eat("not");
        self.expect("between")?;
        let symmetric = self.eat("symmetric");
        if !symmetric {
            self.eat("asymmetric");
        }
        let low = Box::new(self.restricted_expr()?);
        self.expect("and")?;
        let high = Box::new(self.climb(Level::Pattern.next(), Mode::Full)?);
        Ok(Expr::Between { expr: Box::new(left), low, high, symmetric, negated })
    }

    fn in_form(&mut self, left: Expr) -> PResult<Expr> {
        let negated = self.eat("not");
        self.expect("in")?;
        let expr = Box::new(left);
        Ok(match self.paren()? {
            Paren::Query(query) => Expr::InQuery { expr, query: Box::new(query), negated },
            Paren::List(list) => Expr::InList { expr, list, negated },
        })
    }

    /// `LIKE` and siblings; true when it ended with an operand.
    fn like(&mut self, left: Expr, kind: LikeKind) -> PResult<(Expr, bool)> {
        let start = self.here();
        let negated = self.eat("not");
        self.advance();
        if kind == LikeKind::Similar {
            self.expect("to")?;
        } else if self.is_quantifier() {
            let op = match (kind, negated) {
                (LikeKind::Ilike, false) => "ILIKE",
                (LikeKind::Ilike, true) => "NOT ILIKE",
                (_, false) => "LIKE",
                (_, true) => "NOT LIKE",
            };
            let span = self.since(start);
            return Ok((self.quantified(Box::new(left), op.to_owned(), span)?, false));
        }
        let pattern = Box::new(self.climb(Level::Pattern.next(), Mode::Full)?);
        let escape = if self.eat("escape") { Some(Box::new(self.climb(Level::Escape.next(), Mode::Full)?)) } else { None };
        Ok((Expr::Like { kind, expr: Box::new(left), pattern, escape, negated }, true))
    }

    /// `(a, b) OVERLAPS (c, d)` is a call of `overlaps` with four arguments.
    fn overlaps(&mut self, left: Expr) -> PResult<Expr> {
        let span = self.advance();
        let right = self.primary()?;
        let (Expr::Row(mut args), Expr::Row(others)) = (left, right) else {
            return Err(self.syntax_error(span));
        };
        for (side, count) in [("left", args.len()), ("right", others.len())] {
            if count != 2 {
                let message = format!("wrong number of parameters on {side} side of OVERLAPS expression");
                return Err(Box::new(crate::SqlError::syntax(message, span)));
            }
        }
        args.extend(others);
        Ok(plain_call("overlaps", args, span))
    }
}

/// What a pair of parentheses around it means as a value.
pub(super) fn paren_value(paren: Paren) -> Expr {
    match paren {
        Paren::Query(query) => Expr::Scalar(Box::new(query)),
        Paren::List(list) => row_or_one(list),
    }
}

fn row_or_one(mut list: Vec<Expr>) -> Expr {
    match (list.len(), list.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            list.extend(last);
            Expr::Row(list)
        }
    }
}

/// A call of a built-in function that its own syntax stands for.
pub(super) fn plain_call(name: &str, args: Vec<Expr>, span: Span) -> Expr {
    Expr::call(ObjectName { span, ..ObjectName::bare(name) }, args)
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

fn symbol_level(op: &str) -> Level {
    match op {
        "<" | ">" | "=" | "<=" | ">=" | "<>" => Level::Compare,
        "+" | "-" => Level::Add,
        "*" | "/" | "%" => Level::Multiply,
        "^" => Level::Power,
        _ => Level::Other,
    }
}

fn pattern_form(word: &str) -> Option<Infix> {
    Some(match word {
        "between" => Infix::Between,
        "in" => Infix::In,
        "like" => Infix::Like(LikeKind::Like),
        "ilike" => Infix::Like(LikeKind::Ilike),
        "similar" => Infix::Like(LikeKind::Similar),
        _ => return None,
    })
}
