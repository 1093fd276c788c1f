//! The cursor over the tokens: looking, taking, expecting, names, and the errors of all of them.

use std::ops::Range;

use super::keywords::{self, Class};
use super::lexer::{Tok, Token};
use crate::SqlError;
use crate::ast::{ObjectName, Span};

/// Rules within each other. One level of `(1 + (1 + …` enters three rules, so some 200 of those are the most.
const MAX_NESTING: u32 = 600;

/// No tree is higher than this, chains such as `a || b || c` included: who walks one needs a stack frame for each.
pub const MAX_HEIGHT: u32 = 500;

/// How much stack the parser takes at most. Threads often have 2 MiB; unoptimised builds need some 10 KiB a level, so
/// counting levels alone would either overflow there or refuse too much elsewhere.
const STACK_BUDGET_BYTES: usize = 1024 * 1024;

/// What went wrong; boxed because every rule of the grammar returns it.
pub(super) type PResult<T> = Result<T, Box<SqlError>>;

/// Reads one statement.
pub(super) struct Parser<'a> {
    pub(super) source: &'a str,
    /// Ends with [`Tok::End`].
    tokens: Vec<Token>,
    at: usize,
    nesting: u32,
    /// Where the stack was when the parser began.
    stack_base: usize,
    /// The height of the highest tree finished since the enclosing rule began.
    height: u32,
}

/// Where a tree began: see [`Parser::enter`].
pub(super) struct Level {
    outer_height: u32,
}

impl<'a> Parser<'a> {
    pub(super) fn new(source: &'a str, tokens: Vec<Token>) -> Parser<'a> {
        Parser {
            source,
            tokens,
            at: 0,
            nesting: 0,
            stack_base: stack_address(),
            height: 0,
        }
    }

    // Looking.

    pub(super) fn token(&self) -> &Token {
        self.token_at(0)
    }

    pub(super) fn tok_at(&self, ahead: usize) -> &Tok {
        &self.token_at(ahead).tok
    }

    fn token_at(&self, ahead: usize) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + ahead).min(last)]
    }

    /// The unquoted word ahead, or nothing's name.
    pub(super) fn word_at(&self, ahead: usize) -> &str {
        match self.tok_at(ahead) {
            Tok::Word(word) => word,
            _ => "",
        }
    }

    pub(super) fn word(&self) -> &str {
        self.word_at(0)
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.word() == word
    }

    /// Whether these words come next.
    pub(super) fn is_all(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.word_at(ahead) == *word)
    }

    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.contains(&self.word())
    }

    pub(super) fn is_sym(&self, text: &str) -> bool {
        self.is_sym_at(0, text)
    }

    /// Punctuation or an operator.
    pub(super) fn is_sym_at(&self, ahead: usize, text: &str) -> bool {
        match self.tok_at(ahead) {
            Tok::Sym(found) => *found == text,
            Tok::Op(found) => found == text,
            _ => false,
        }
    }

    /// Whether the token before this one was that.
    pub(super) fn was_sym(&self, text: &str) -> bool {
        self.at
            .checked_sub(1)
            .is_some_and(|last| matches!(&self.tokens[last].tok, Tok::Sym(found) if *found == text))
    }

    /// The unquoted word before this token.
    pub(super) fn last_word(&self) -> &str {
        match self.at.checked_sub(1).map(|last| &self.tokens[last].tok) {
            Some(Tok::Word(word)) => word,
            _ => "",
        }
    }

    /// Whether the statement is over.
    pub(super) fn at_end(&self) -> bool {
        self.is_statement_end(0)
    }

    pub(super) fn is_statement_end(&self, ahead: usize) -> bool {
        matches!(self.tok_at(ahead), Tok::End | Tok::Sym(";"))
    }

    pub(super) fn here(&self) -> Span {
        self.span_at(0)
    }

    pub(super) fn span_at(&self, ahead: usize) -> Span {
        self.token_at(ahead).span
    }

    /// From a place to the end of the last token taken.
    pub(super) fn since(&self, start: Span) -> Span {
        let end = self
            .at
            .checked_sub(1)
            .map_or(start.end, |last| self.tokens[last].span.end);
        Span {
            start: start.start,
            end: end.max(start.end),
        }
    }

    // Taking.

    /// Steps over one token.
    pub(super) fn advance(&mut self) -> Span {
        let span = self.here();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        span
    }

    pub(super) fn eat(&mut self, word: &str) -> bool {
        self.eat_all(&[word])
    }

    /// Takes all of these words or none.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let found = self.is_all(words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// Takes one of these words.
    pub(super) fn eat_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let found = words.iter().copied().find(|word| self.is(word))?;
        self.advance();
        Some(found)
    }

    pub(super) fn eat_sym(&mut self, text: &str) -> bool {
        let found = self.is_sym(text);
        if found {
            self.advance();
        }
        found
    }

    // Going elsewhere: for languages around SQL.

    /// The number of the token that stands here.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// Goes to a token by its number.
    pub(super) fn seek(&mut self, position: usize) {
        self.at = position.min(self.tokens.len() - 1);
    }

    /// Copies of tokens by their numbers.
    pub(super) fn tokens(&self, range: Range<usize>) -> Vec<Token> {
        self.tokens.get(range).unwrap_or_default().to_vec()
    }

    /// Reads other tokens, without their [`Tok::End`], by a rule that must use them up; then stands here again.
    /// Depth counts on. The parser is of no use after an error.
    pub(super) fn aside<T>(
        &mut self,
        mut tokens: Vec<Token>,
        rule: impl FnOnce(&mut Self) -> PResult<T>,
    ) -> PResult<T> {
        let end = tokens
            .last()
            .map_or(self.here().start, |last| last.span.end);
        tokens.push(Token {
            tok: Tok::End,
            span: Span { start: end, end },
        });
        let outer = std::mem::replace(&mut self.tokens, tokens);
        let at = std::mem::take(&mut self.at);
        let found = rule(self)?;
        if !matches!(self.token().tok, Tok::End) {
            return Err(self.unexpected());
        }
        self.tokens = outer;
        self.at = at;
        Ok(found)
    }

    // Expecting.

    pub(super) fn expect(&mut self, word: &str) -> PResult<Span> {
        if self.is(word) {
            Ok(self.advance())
        } else {
            Err(self.unexpected())
        }
    }

    /// Expects each of these words; the error is at the first that is not there.
    pub(super) fn expect_all(&mut self, words: &[&str]) -> PResult<()> {
        words
            .iter()
            .try_for_each(|word| self.expect(word).map(drop))
    }

    pub(super) fn expect_any(&mut self, words: &[&'static str]) -> PResult<&'static str> {
        self.eat_any(words).ok_or_else(|| self.unexpected())
    }

    pub(super) fn expect_sym(&mut self, text: &str) -> PResult<Span> {
        if self.is_sym(text) {
            Ok(self.advance())
        } else {
            Err(self.unexpected())
        }
    }

    /// A string constant.
    pub(super) fn string(&mut self) -> PResult<String> {
        match &self.token().tok {
            Tok::String(text) => {
                let text = text.clone();
                self.advance();
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn is_string(&self) -> bool {
        matches!(self.token().tok, Tok::String(_))
    }

    /// A whole number with an optional sign.
    pub(super) fn integer(&mut self) -> PResult<i64> {
        let span = self.here();
        let text = self.numeric()?;
        text.parse().map_err(|_| {
            let error = if text.contains(['.', 'e', 'E']) {
                SqlError::new(
                    "22P02",
                    format!("invalid input syntax for type bigint: \"{text}\""),
                )
            } else {
                SqlError::new(
                    "22003",
                    format!("value \"{text}\" is out of range for type bigint"),
                )
            };
            Box::new(error.at(span))
        })
    }

    /// A number with an optional sign, as text.
    pub(super) fn numeric(&mut self) -> PResult<String> {
        let sign = if self.eat_sym("-") { "-" } else { "" };
        if sign.is_empty() {
            self.eat_sym("+");
        }
        match &self.token().tok {
            Tok::Number(text) => {
                let text = format!("{sign}{text}");
                self.advance();
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `item, item, …`.
    pub(super) fn comma_list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> PResult<T>,
    ) -> PResult<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_sym(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// `(item, item, …)`.
    pub(super) fn paren_list<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> PResult<T>,
    ) -> PResult<Vec<T>> {
        self.expect_sym("(")?;
        let items = self.comma_list(item)?;
        self.expect_sym(")")?;
        Ok(items)
    }

    /// `(a, b)`: names of columns.
    pub(super) fn columns(&mut self) -> PResult<Vec<String>> {
        self.paren_list(Parser::name)
    }

    /// Names of columns when a parenthesis stands here.
    pub(super) fn optional_columns(&mut self) -> PResult<Vec<String>> {
        if self.is_sym("(") {
            self.columns()
        } else {
            Ok(Vec::new())
        }
    }

    // Names.

    /// Whether a name of one of these classes (or a quoted one) stands there.
    fn is_name_of(&self, ahead: usize, classes: &[Class]) -> bool {
        match self.tok_at(ahead) {
            Tok::Quoted(_) => true,
            Tok::Word(word) => classes.contains(&keywords::class(word)),
            _ => false,
        }
    }

    fn name_of(&mut self, classes: &[Class]) -> PResult<String> {
        if !self.is_name_of(0, classes) {
            return Err(self.unexpected());
        }
        self.label()
    }

    /// The name of a column, table or other object.
    pub(super) fn name(&mut self) -> PResult<String> {
        self.name_of(&[Class::Free, Class::ColumnName])
    }

    pub(super) fn is_name_at(&self, ahead: usize) -> bool {
        self.is_name_of(ahead, &[Class::Free, Class::ColumnName])
    }

    /// The name of a function, type or parameter.
    pub(super) fn function_name(&mut self) -> PResult<String> {
        self.name_of(&[Class::Free, Class::FunctionName])
    }

    pub(super) fn is_function_name_at(&self, ahead: usize) -> bool {
        self.is_name_of(ahead, &[Class::Free, Class::FunctionName])
    }

    /// A name where only reserved words are no names: roles, languages.
    pub(super) fn unreserved(&mut self) -> PResult<String> {
        self.name_of(&[Class::Free, Class::ColumnName, Class::FunctionName])
    }

    /// Any word: after a dot or `AS`.
    pub(super) fn label(&mut self) -> PResult<String> {
        match &self.token().tok {
            Tok::Word(name) | Tok::Quoted(name) => {
                let name = name.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A name or a string constant: `LANGUAGE sql`, `LANGUAGE 'sql'`.
    pub(super) fn unreserved_or_string(&mut self) -> PResult<String> {
        if self.is_string() {
            self.string()
        } else {
            self.unreserved()
        }
    }

    /// `name` or `schema.name`.
    pub(super) fn object_name(&mut self) -> PResult<ObjectName> {
        let start = self.here();
        let first = self.name()?;
        self.rest_of_name(first, start)
    }

    /// `.name` after the first part of a name.
    pub(super) fn rest_of_name(&mut self, first: String, start: Span) -> PResult<ObjectName> {
        let mut parts = vec![first];
        while self.eat_sym(".") {
            parts.push(self.label()?);
        }
        let span = self.since(start);
        object_name(parts, span)
    }

    // Errors.

    /// The error of the token that stands here.
    pub(super) fn unexpected(&self) -> Box<SqlError> {
        self.unexpected_at(0)
    }

    pub(super) fn unexpected_at(&self, ahead: usize) -> Box<SqlError> {
        let Token { tok, span } = self.token_at(ahead);
        match tok {
            Tok::Bad(error) => error.clone(),
            Tok::End => Box::new(SqlError {
                span: Some(*span),
                ..SqlError::new("42601", "syntax error at end of input")
            }),
            _ => self.syntax_error(*span),
        }
    }

    /// The text of a place.
    pub(super) fn text(&self, span: Span) -> &'a str {
        self.source
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    /// A syntax error at the text of a place.
    pub(super) fn syntax_error(&self, span: Span) -> Box<SqlError> {
        let text = self.text(span);
        Box::new(SqlError::syntax(
            format!("syntax error at or near \"{text}\""),
            span,
        ))
    }

    /// Something of Postgres's that is known by name only, here.
    pub(super) fn refused(&self, what: &str) -> Box<SqlError> {
        refused(what, self.here())
    }

    /// Nothing may follow but the end of the statement.
    pub(super) fn finish(&mut self) -> PResult<()> {
        self.eat_sym(";");
        if matches!(self.token().tok, Tok::End) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Goes to the end of the statement without looking.
    pub(super) fn skip_statement(&mut self) {
        let last = self.tokens.len() - 1;
        self.at = last;
        if last > 0 && matches!(self.tokens[last - 1].tok, Tok::Sym(";")) {
            self.at = last - 1;
        }
    }

    // Depth.

    /// Begins a nested tree.
    pub(super) fn enter(&mut self) -> PResult<Level> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING
            || stack_address().abs_diff(self.stack_base) > STACK_BUDGET_BYTES
        {
            return Err(self.too_deep());
        }
        Ok(Level {
            outer_height: std::mem::take(&mut self.height),
        })
    }

    /// Ends a nested tree: it is one higher than the highest within it.
    pub(super) fn leave(&mut self, level: Level) -> PResult<()> {
        self.grow(1)?;
        self.leave_as_is(level);
        Ok(())
    }

    /// Ends a nested rule that put no node of its own on top.
    pub(super) fn leave_as_is(&mut self, Level { outer_height }: Level) {
        self.nesting -= 1;
        self.height = self.height.max(outer_height);
    }

    /// A node was put on top of what this rule has made so far.
    pub(super) fn grow(&mut self, by: u32) -> PResult<()> {
        self.height = self.height.saturating_add(by);
        if self.height > MAX_HEIGHT {
            Err(self.too_deep())
        } else {
            Ok(())
        }
    }

    pub(super) fn too_deep(&self) -> Box<SqlError> {
        let error = SqlError::new("54001", "stack depth limit exceeded").at(self.here());
        Box::new(error.hint("Write the statement with fewer levels of nesting, or with shorter chains of operators."))
    }
}

/// About where the stack ends now.
#[inline(never)]
fn stack_address() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker).addr()
}

/// Something of Postgres's that is known by name only.
pub(super) fn refused(what: &str, span: Span) -> Box<SqlError> {
    Box::new(SqlError::unsupported(what).at(span))
}

/// At most two parts.
pub(super) fn object_name(mut parts: Vec<String>, span: Span) -> PResult<ObjectName> {
    if parts.len() > 2 {
        return Err(too_many_dots(&parts, 3, span));
    }
    let name = parts.pop().unwrap_or_default();
    Ok(ObjectName {
        schema: parts.pop(),
        name,
        span,
    })
}

/// A name of more parts than it may have; `database` parts would name another database.
pub(super) fn too_many_dots(parts: &[String], database: usize, span: Span) -> Box<SqlError> {
    let name = parts.join(".");
    Box::new(if parts.len() == database {
        SqlError::new(
            "0A000",
            format!("cross-database references are not implemented: {name}"),
        )
        .at(span)
    } else {
        SqlError::syntax(
            format!("improper qualified name (too many dotted names): {name}"),
            span,
        )
    })
}
