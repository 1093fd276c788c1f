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

    fn is_non_associative(self) -> bool {
        matches!(self, Level::Is | Level::Compare | Level::Pattern)
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
    Query(Box<Query>),
    /// One or more expressions.
    List(Vec<Expr>),
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
        let level = self.enter()?;
        let left = self.prefix(mode)?;
        let expr = self.operators(left, min, mode)?;
        self.leave_as_is(level);
        Ok(expr)
    }

    /// `( … )`, with everything that may follow an inner parenthesis: `((SELECT 1) UNION SELECT 2)`, `((a) + 1)`.
    pub(super) fn paren(&mut self) -> PResult<Paren> {
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

    pub(super) fn boxed_query(&mut self) -> PResult<Box<Query>> {
        self.query().map(Box::new)
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
        let full = mode == Mode::Full;
        let found = |level: Level, rule: Rule<'s>| Some(Infix { level, rule, mode });
        let word = match &self.token().tok {
            Tok::Op(op) => return found(symbol_level(op), Parser::symbol),
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

    fn is_distinct_ahead(&self) -> bool {
        self.word_at(1) == "distinct" || (self.word_at(1) == "not" && self.word_at(2) == "distinct")
    }

    /// `a OR b OR c`, without recursion.
    #[expect(clippy::boxed_local, reason = "rules have one shape")]
    fn chain(&mut self, left: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
        let or = infix.level == Level::Or;
        let word = if or { "or" } else { "and" };
        let mut terms = vec![*left];
        while self.eat(word) {
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

    #[expect(clippy::unnecessary_wraps, reason = "rules have one shape")]
    fn isnull(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        let negated = self.is("notnull");
        self.advance();
        Ok((Expr::IsNull { expr, negated }, false))
    }

    fn is_form(&mut self, expr: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
        let start = self.advance();
        let negated = self.eat("not");
        if self.eat("distinct") {
            self.expect("from")?;
            let right = Box::new(self.climb(Level::Is.next(), infix.mode)?);
            return Ok((
                Expr::IsDistinct {
                    left: expr,
                    right,
                    negated,
                },
                true,
            ));
        }
        let form = match self.word() {
            "null" => Expr::IsNull { expr, negated },
            "true" => Expr::IsBool {
                expr,
                value: Some(true),
                negated,
            },
            "false" => Expr::IsBool {
                expr,
                value: Some(false),
                negated,
            },
            "unknown" => Expr::IsBool {
                expr,
                value: None,
                negated,
            },
            "document" => return Err(refused("IS DOCUMENT", self.since(start))),
            "json" => return Err(refused("IS JSON", self.since(start))),
            "normalized" | "nfc" | "nfd" | "nfkc" | "nfkd" => {
                return Err(refused("IS NORMALIZED", self.since(start)));
            }
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok((form, false))
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
        if infix.mode == Mode::Full && self.is_quantifier() {
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

    fn at_time_zone(&mut self, expr: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
        self.expect_all(&["at", "time", "zone"])?;
        let zone = Box::new(self.climb(infix.level.next(), infix.mode)?);
        Ok((Expr::AtTimeZone { expr, zone }, false))
    }

    fn collate(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        self.advance();
        Ok((
            Expr::Collate {
                expr,
                collation: self.object_name()?,
            },
            false,
        ))
    }

    fn between(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        let negated = self.eat("not");
        self.expect("between")?;
        let symmetric = self.eat("symmetric");
        if !symmetric {
            self.eat("asymmetric");
        }
        let low = Box::new(self.restricted_expr()?);
        self.expect("and")?;
        let high = Box::new(self.climb(Level::Pattern.next(), Mode::Full)?);
        Ok((
            Expr::Between {
                expr,
                low,
                high,
                symmetric,
                negated,
            },
            true,
        ))
    }

    fn in_form(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        let negated = self.eat("not");
        self.expect("in")?;
        let form = match self.paren()? {
            Paren::Query(query) => Expr::InQuery {
                expr,
                query,
                negated,
            },
            Paren::List(list) => Expr::InList {
                expr,
                list,
                negated,
            },
        };
        Ok((form, false))
    }

    /// `LIKE` and siblings.
    fn like(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        let start = self.here();
        let negated = self.eat("not");
        let kind = match self.word() {
            "like" => LikeKind::Like,
            "ilike" => LikeKind::Ilike,
            _ => LikeKind::Similar,
        };
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
            return self.quantified(expr, op.to_owned(), span);
        }
        let pattern = Box::new(self.climb(Level::Pattern.next(), Mode::Full)?);
        let escape = if self.eat("escape") {
            Some(Box::new(self.climb(Level::Escape.next(), Mode::Full)?))
        } else {
            None
        };
        Ok((
            Expr::Like {
                kind,
                expr,
                pattern,
                escape,
                negated,
            },
            true,
        ))
    }

    /// `(a, b) OVERLAPS (c, d)` is a call of `overlaps` with four arguments.
    #[expect(clippy::boxed_local, reason = "rules have one shape")]
    fn overlaps(&mut self, left: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        let span = self.advance();
        let right = self.primary()?;
        let (Expr::Row(mut args), Expr::Row(others)) = (*left, right) else {
            return Err(self.syntax_error(span));
        };
        for (side, count) in [("left", args.len()), ("right", others.len())] {
            if count != 2 {
                let message =
                    format!("wrong number of parameters on {side} side of OVERLAPS expression");
                return Err(Box::new(crate::SqlError::syntax(message, span)));
            }
        }
        args.extend(others);
        Ok((plain_call("overlaps", args, span), false))
    }
}

/// What a pair of parentheses around it means as a value.
pub(super) fn paren_value(paren: Paren) -> Expr {
    match paren {
        Paren::Query(query) => Expr::Scalar(query),
        Paren::List(list) => row_or_one(list),
    }
}

fn row_or_one(list: Vec<Expr>) -> Expr {
    match <[Expr; 1]>::try_from(list) {
        Ok([only]) => only,
        Err(several) => Expr::Row(several),
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

fn pattern_rule<'s>(word: &str) -> Option<Rule<'s>> {
    Some(match word {
        "between" => Parser::between,
        "in" => Parser::in_form,
        "like" | "ilike" | "similar" => Parser::like,
        _ => return None,
    })
}
