//! Operators that are words: `IS NULL`, `BETWEEN`, `IN`, `LIKE` and their like.

use super::{Infix, Level, Mode, Paren, Rule, plain_call};
use crate::ast::{Expr, LikeKind};
use crate::parse::parser::{PResult, Parser, refused};

/// The rule of a pattern operator that this word begins.
pub(super) fn pattern_rule<'s>(word: &str) -> Option<Rule<'s>> {
    Some(match word {
        "between" => Parser::between,
        "in" => Parser::in_form,
        "like" | "ilike" | "similar" => Parser::like,
        _ => return None,
    })
}

impl<'s> Parser<'s> {
    /// `a IS NULL :: text`, `a COLLATE "C" :: text`.
    #[expect(clippy::boxed_local, reason = "rules have one shape")]
    pub(super) fn cast_form(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        Ok((self.postfix(*expr, false)?, false))
    }

    #[expect(clippy::unnecessary_wraps, reason = "rules have one shape")]
    pub(super) fn isnull(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        let negated = self.is("notnull");
        self.advance();
        Ok((Expr::IsNull { expr, negated }, false))
    }

    pub(super) fn is_form(&mut self, expr: Box<Expr>, infix: Infix<'s>) -> PResult<(Expr, bool)> {
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
    pub(super) fn overlaps(&mut self, left: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
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

    pub(super) fn at_time_zone(
        &mut self,
        expr: Box<Expr>,
        infix: Infix<'s>,
    ) -> PResult<(Expr, bool)> {
        self.expect_all(&["at", "time", "zone"])?;
        let zone = Box::new(self.climb(infix.level.next(), infix.mode)?);
        Ok((Expr::AtTimeZone { expr, zone }, false))
    }

    pub(super) fn collate(&mut self, expr: Box<Expr>, _: Infix<'s>) -> PResult<(Expr, bool)> {
        self.advance();
        Ok((
            Expr::Collate {
                expr,
                collation: self.object_name()?,
            },
            false,
        ))
    }
}
