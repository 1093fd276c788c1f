//! Where an expression or a statement within the body ends, and expressions.

use super::Reader;
use crate::ast::{Expr, Query, SelectItem, SetExpr, Span};
use crate::parse::lexer::{Tok, Token};
use crate::parse::parser::PResult;

/// What is looked for: only the complaints differ.
#[derive(Clone, Copy, PartialEq)]
enum Piece {
    Expression,
    Statement,
}

impl Reader<'_> {
    /// An expression up to one of these tokens, at which the reader then stands; `expected` names them.
    pub(super) fn expression(&mut self, until: &[&str], expected: &str) -> PResult<Expr> {
        let tokens = self.expression_tokens(until, expected)?;
        self.expression_of(tokens)
    }

    /// Expressions between commas.
    pub(super) fn expressions(&mut self, until: &[&str], expected: &str) -> PResult<Vec<Expr>> {
        let tokens = self.expression_tokens(until, expected)?;
        let place = first_span(&tokens);
        let query = self.select_of(tokens, place)?;
        let plain = |item: &SelectItem| matches!(item, SelectItem::Expr { .. });
        match query.body {
            SetExpr::Select(select)
                if select.from.is_empty() && select.projection.iter().all(plain) =>
            {
                Ok(select.projection.into_iter().filter_map(value).collect())
            }
            body => Ok(vec![Expr::Scalar(Box::new(Query { body, ..query }))]),
        }
    }

    /// An expression that ends before this token.
    pub(super) fn expression_up_to(&mut self, end: usize) -> PResult<Expr> {
        let tokens = self.sql.tokens(self.sql.mark()..end);
        self.sql.seek(end);
        self.expression_of(tokens)
    }

    /// Goes to the `;` of the statement.
    pub(super) fn statement_end(&mut self) -> PResult<usize> {
        self.end_of(&[";"], ";", Piece::Statement)
    }

    /// Goes to the `..` between two bounds, or else to `LOOP`.
    pub(super) fn end_of_first_bound(&mut self) -> PResult<usize> {
        let from = self.sql.mark();
        let end = self.end_of(&["..", "loop"], "LOOP", Piece::Expression)?;
        if from == end {
            return Err(self.complaint("missing expression"));
        }
        Ok(end)
    }

    fn expression_tokens(&mut self, until: &[&str], expected: &str) -> PResult<Vec<Token>> {
        let from = self.sql.mark();
        let end = self.end_of(until, expected, Piece::Expression)?;
        if from == end {
            return Err(self.complaint("missing expression"));
        }
        Ok(self.sql.tokens(from..end))
    }

    /// Goes to the first of these tokens outside of parentheses and brackets.
    fn end_of(&mut self, until: &[&str], expected: &str, piece: Piece) -> PResult<usize> {
        let mut depth = 0_u32;
        loop {
            if depth == 0 && self.is_one_of(until) {
                return Ok(self.sql.mark());
            }
            match self.sql.tok_at(0) {
                Tok::Bad(error) => return Err(error.clone()),
                Tok::End | Tok::Sym(";") if depth > 0 => {
                    return Err(self.complaint("mismatched parentheses"));
                }
                // Postgres looks for three tokens, of which those that are not given are the end.
                Tok::End if until.len() < 3 => return Ok(self.sql.mark()),
                Tok::End | Tok::Sym(";") => {
                    let what = match piece {
                        Piece::Expression => "expression",
                        Piece::Statement => "statement",
                    };
                    let message = format!("missing \"{expected}\" at end of SQL {what}");
                    return Err(super::mistake(message, self.sql.here()));
                }
                Tok::Sym("(" | "[") => depth += 1,
                Tok::Sym(")" | "]") if depth == 0 => {
                    return Err(self.complaint("mismatched parentheses"));
                }
                Tok::Sym(")" | "]") => depth -= 1,
                _ => {}
            }
            self.sql.advance();
        }
    }

    fn is_one_of(&self, texts: &[&str]) -> bool {
        match self.sql.tok_at(0) {
            Tok::Word(word) => texts.contains(&word.as_str()),
            Tok::Sym(text) => texts.contains(text),
            _ => false,
        }
    }

    /// What Postgres takes for an expression here is a `SELECT` without the word: `count(*) FROM t WHERE a`.
    fn expression_of(&mut self, tokens: Vec<Token>) -> PResult<Expr> {
        let place = first_span(&tokens);
        let into = outer_word(&tokens, &["into"]);
        let set_operation = outer_word(&tokens, &["union", "intersect", "except"]);
        let query = match self.select_of(tokens, place) {
            Ok(query) => query,
            Err(error) if error.code == "0A000" && starts_alike(error.span, into) => {
                return Err(self.sql.syntax_error(into.unwrap_or_default()));
            }
            Err(error) => return Err(error),
        };
        let clauses = !query.order_by.is_empty()
            || query.limit.is_some()
            || query.offset.is_some()
            || !query.locking.is_empty();
        match query.body {
            SetExpr::Select(mut select) => {
                let bare = !clauses
                    && select.projection.len() == 1
                    && select.distinct.is_none()
                    && select.from.is_empty()
                    && select.selection.is_none()
                    && select.group_by.is_empty()
                    && select.having.is_none()
                    && select.windows.is_empty();
                if bare
                    && matches!(select.projection[0], SelectItem::Expr { .. })
                    && let Some(expr) = select.projection.pop().and_then(value)
                {
                    return Ok(expr);
                }
                let body = SetExpr::Select(select);
                Ok(Expr::Scalar(Box::new(Query { body, ..query })))
            }
            SetExpr::SetOp { .. } | SetExpr::Query(_) | SetExpr::Values(_) => {
                Err(self.sql.syntax_error(set_operation.unwrap_or(place)))
            }
        }
    }
}

fn value(item: SelectItem) -> Option<Expr> {
    match item {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::Wildcard | SelectItem::QualifiedWildcard(_) => None,
    }
}

fn first_span(tokens: &[Token]) -> Span {
    tokens.first().map(|token| token.span).unwrap_or_default()
}

fn starts_alike(one: Option<Span>, other: Option<Span>) -> bool {
    one.is_some() && one.map(|span| span.start) == other.map(|span| span.start)
}

/// The first of these words outside of parentheses.
fn outer_word(tokens: &[Token], words: &[&str]) -> Option<Span> {
    let mut depth = 0_i64;
    tokens.iter().find_map(|token| {
        match &token.tok {
            Tok::Sym("(" | "[") => depth += 1,
            Tok::Sym(")" | "]") => depth -= 1,
            Tok::Word(word) if depth == 0 && words.contains(&word.as_str()) => {
                return Some(token.span);
            }
            _ => {}
        }
        None
    })
}
