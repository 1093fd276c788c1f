//! PL/pgSQL: the text of a function's body to its syntax tree.
//!
//! As in Postgres, this grammar finds where an expression or a statement ends (at `;`, `THEN`, `LOOP`, …, outside of
//! parentheses) and the grammar of SQL reads what is in between, all of it. Hence the same errors at the same places.
//!
//! What is checked here needs the body alone: labels, cursors and their arguments, constants, conditions, the
//! places of a `RAISE`. What needs the function too (its arguments, what it returns) is left to whoever runs it, so
//! a name that the body does not declare may be anything.

mod block;
mod statement;

mod control;
mod loops;
mod query;

mod cursor;
mod declare;
mod diagnostics;
mod raise;

mod into;
mod piece;
mod scope;

pub mod conditions;

#[cfg(test)]
mod tests;

use super::lexer::Tok;
use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::Span;
use scope::Scopes;

/// Reads one body.
pub(super) struct Reader<'s> {
    /// Stands at the next token of the body; reads the SQL in it too.
    sql: Parser<'s>,
    /// What the blocks and loops around declare.
    scopes: Scopes,
}

/// Words that are no names here without quotes. Any other keyword of SQL may be a variable.
const RESERVED: &[&str] = &[
    "all", "begin", "by", "case", "declare", "else", "end", "execute", "for", "foreach", "from",
    "if", "in", "into", "loop", "not", "null", "or", "strict", "then", "to", "using", "when",
    "while",
];

impl<'s> Reader<'s> {
    pub(super) fn new(sql: Parser<'s>) -> Reader<'s> {
        Reader {
            sql,
            scopes: Scopes::default(),
        }
    }

    /// A name of a variable, label or condition.
    fn ident(&mut self) -> PResult<String> {
        if self.is_ident_at(0) {
            self.sql.label()
        } else {
            Err(self.sql.unexpected())
        }
    }

    fn is_ident_at(&self, ahead: usize) -> bool {
        match self.sql.tok_at(ahead) {
            Tok::Quoted(_) => true,
            Tok::Word(word) => !RESERVED.contains(&word.as_str()),
            _ => false,
        }
    }

    /// `:=` or `=`.
    fn is_assign_at(&self, ahead: usize) -> bool {
        self.sql.is_sym_at(ahead, ":=") || self.sql.is_sym_at(ahead, "=")
    }

    fn eat_assign(&mut self) -> bool {
        let found = self.is_assign_at(0);
        if found {
            self.sql.advance();
        }
        found
    }

    fn is_end(&self) -> bool {
        matches!(self.sql.tok_at(0), Tok::End)
    }

    /// A complaint about the token that stands here: `… at or near "x"`.
    fn complaint(&self, message: &str) -> Box<SqlError> {
        let unexpected = self.sql.unexpected();
        if matches!(self.sql.tok_at(0), Tok::Bad(_)) {
            return unexpected;
        }
        // The token is named as in a plain syntax error.
        let place = unexpected.message.trim_start_matches("syntax error");
        Box::new(SqlError {
            message: format!("{message}{place}"),
            ..*unexpected
        })
    }
}

/// A syntax error in words of its own.
fn mistake(message: impl Into<String>, span: Span) -> Box<SqlError> {
    Box::new(SqlError::syntax(message, span))
}
