//! Text to the syntax tree: a hand-written recursive-descent parser of Postgres's SQL.
//!
//! What Postgres's grammar accepts is parsed or refused by name (`0A000`, or [`Statement::Unsupported`] for whole
//! statements); anything else is `42601` in Postgres's words, with the place. No input makes it panic, and nesting
//! is bounded (`54001`), so whoever walks a tree needs bounded stack.

mod groups;
mod keywords;
mod lexer;
mod parser;
mod strings;

mod dml;
mod from;
mod query;
mod statement;

mod call;
mod expr;
mod interval;
mod primary;
mod types;

mod ddl_alter;
mod ddl_alter_table;
mod ddl_constraint;
mod ddl_drop;
mod ddl_function;
mod ddl_grant;
mod ddl_policy;
mod ddl_role;
mod ddl_sequence;
mod ddl_table;
mod ddl_trigger;
mod ddl_view;
mod session;

mod plpgsql;

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::SqlError;
use crate::ast::plpgsql::Body;
use crate::ast::{Expr, Span, Statement, TypeName};
use parser::{PResult, Parser};

pub use parser::MAX_HEIGHT;
pub use plpgsql::conditions;

/// One statement of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// From its first to its last token, without the semicolon.
    pub span: Span,
}

/// Every statement of a script. The first error ends it.
pub fn script(source: &str) -> Result<Vec<Parsed>, SqlError> {
    groups::groups(source)
        .map(|group| whole_statement(source, group.tokens))
        .collect()
}

/// Exactly one statement, with or without a semicolon behind it.
pub fn statement(source: &str) -> Result<Statement, SqlError> {
    let mut groups = groups::groups(source);
    let Some(first) = groups.next() else {
        return whole(source, groups::all(source), |parser| {
            Err(parser.unexpected())
        });
    };
    let parsed = whole_statement(source, first.tokens)?;
    match groups.next() {
        None => Ok(parsed.statement),
        Some(second) => {
            let message = "cannot insert multiple commands into a prepared statement";
            Err(SqlError::syntax(
                message,
                lexer::span(second.text.start, second.text.end),
            ))
        }
    }
}

/// An expression and nothing else.
pub fn expression(source: &str) -> Result<Expr, SqlError> {
    whole(source, groups::all(source), Parser::expr)
}

/// A type and nothing else.
pub fn type_name(source: &str) -> Result<TypeName, SqlError> {
    whole(source, groups::all(source), Parser::function_type)
}

/// The body of a function or of `DO` in PL/pgSQL, to its end. Spans count from its start.
///
/// It is checked as far as it can be by itself: labels, cursors, constants, conditions. Names that it does not
/// declare may be arguments, so whoever knows the function must look for them.
pub fn plpgsql(source: &str) -> Result<Body, SqlError> {
    let sql = Parser::new(source, groups::all(source));
    plpgsql::Reader::new(sql).body().map_err(|error| *error)
}

/// Cuts a script at its top-level semicolons, whatever is between them: the text of each statement without its
/// semicolon, with the comments before it. Never fails, so that a script can go on after a bad statement.
///
/// Lines of data behind `COPY … FROM STDIN;` belong to no statement.
pub fn split(source: &str) -> Vec<Range<usize>> {
    groups::groups(source).map(|group| group.text).collect()
}

/// The unquoted words that a statement begins with, in lower case, comments left out: enough to tell what it is when it
/// cannot be parsed.
pub fn leading_words(source: &str, most: usize) -> Vec<String> {
    let mut lexer = lexer::Lexer { source, at: 0 };
    let mut words = Vec::new();
    while words.len() < most {
        match lexer.next_token().tok {
            lexer::Tok::Word(word) => words.push(word),
            _ => break,
        }
    }
    words
}

/// Whether a lower-case word must be quoted to be the name of a column or of a function: true for every keyword
/// that is not free to be both.
pub fn is_keyword_reserved(word: &str) -> bool {
    keywords::class(word) != keywords::Class::Free
}

fn whole_statement(source: &str, tokens: Vec<lexer::Token>) -> Result<Parsed, SqlError> {
    whole(source, tokens, |parser| {
        let start = parser.here();
        let statement = parser.statement()?;
        Ok(Parsed {
            statement,
            span: parser.since(start),
        })
    })
}

/// All tokens must be used up.
fn whole<'s, T>(
    source: &'s str,
    tokens: Vec<lexer::Token>,
    rule: impl FnOnce(&mut Parser<'s>) -> PResult<T>,
) -> Result<T, SqlError> {
    let mut parser = Parser::new(source, tokens);
    let found = rule(&mut parser).map_err(|error| *error)?;
    parser.finish().map_err(|error| *error)?;
    Ok(found)
}
