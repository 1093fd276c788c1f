//! A script cut at its top-level semicolons, by tokens alone, so that a bad statement cannot hide the next one.
//!
//! Semicolons inside parentheses (`CREATE RULE`) and inside `BEGIN ATOMIC … END` do not cut, as in psql.

use std::ops::Range;

use super::lexer::{Lexer, Tok, Token};

/// One statement: its tokens, a closing semicolon included, and its text without it.
pub(super) struct Group {
    /// Not empty; ends with [`Tok::End`].
    pub(super) tokens: Vec<Token>,
    /// Where its text stands, with the comments before it.
    pub(super) text: Range<usize>,
}

/// The statements of a script, empty ones left out.
pub(super) fn groups(source: &str) -> impl Iterator<Item = Group> {
    let mut lexer = Lexer { source, at: 0 };
    std::iter::from_fn(move || {
        loop {
            match group(&mut lexer) {
                Cut::Statement(group) => return Some(group),
                Cut::Empty => {}
                Cut::End => return None,
            }
        }
    })
}

/// Every token of a text, as one group.
pub(super) fn all(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next_token();
        let end = token.tok == Tok::End;
        tokens.push(token);
        if end {
            return tokens;
        }
    }
}

enum Cut {
    Statement(Group),
    Empty,
    End,
}

fn group(lexer: &mut Lexer<'_>) -> Cut {
    let start = lexer.at;
    let mut tokens = Vec::new();
    let mut nesting = Nesting::default();
    let end = loop {
        let token = lexer.next_token();
        match &token.tok {
            Tok::End if tokens.is_empty() => return Cut::End,
            Tok::End => break lexer.at,
            Tok::Sym(";") if nesting.at_top() => {
                let end = lexer.at - 1;
                if tokens.is_empty() {
                    return Cut::Empty;
                }
                if reads_inline_data(&tokens) {
                    lexer.skip_copy_data();
                }
                tokens.push(token);
                break end;
            }
            tok => nesting.see(tok),
        }
        tokens.push(token);
    };
    let after = super::lexer::span(end, end);
    tokens.push(Token {
        tok: Tok::End,
        span: after,
    });
    let text = lexer.source[start..end].trim();
    let start = end - lexer.source[start..end].trim_start().len();
    Cut::Statement(Group {
        tokens,
        text: start..start + text.len(),
    })
}

/// How deep in parentheses and in `BEGIN ATOMIC` the next token stands.
#[derive(Default)]
pub(super) struct Nesting {
    parentheses: u32,
    words: u32,
    routine: Routine,
    blocks: u32,
    /// The last token was `BEGIN`, which opens a block before `ATOMIC` only: a setting's value may be called so.
    began: bool,
}

/// How much of `CREATE [OR REPLACE] FUNCTION | PROCEDURE` has been seen.
#[derive(Default, PartialEq)]
enum Routine {
    #[default]
    Unknown,
    Create,
    Yes,
    No,
}

impl Nesting {
    pub(super) fn at_top(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    pub(super) fn see(&mut self, tok: &Tok) {
        let began = std::mem::replace(
            &mut self.began,
            matches!(tok, Tok::Word(word) if word == "begin"),
        );
        match tok {
            Tok::Sym("(") => self.parentheses += 1,
            Tok::Sym(")") => self.parentheses = self.parentheses.saturating_sub(1),
            Tok::Word(word) => self.see_word(word, began),
            _ => {}
        }
    }

    fn see_word(&mut self, word: &str, began: bool) {
        self.words += 1;
        match (&self.routine, word) {
            (Routine::Unknown, "create") if self.words == 1 => self.routine = Routine::Create,
            (Routine::Create, "or" | "replace") => {}
            (Routine::Create, "function" | "procedure") => self.routine = Routine::Yes,
            (Routine::Unknown | Routine::Create, _) => self.routine = Routine::No,
            (Routine::Yes, "atomic") if began => self.blocks += 1,
            (Routine::Yes, "case") if self.blocks > 0 => self.blocks += 1,
            (Routine::Yes, "end") => self.blocks = self.blocks.saturating_sub(1),
            (Routine::Yes | Routine::No, _) => {}
        }
    }
}

fn reads_inline_data(tokens: &[Token]) -> bool {
    let is = |token: &Token, word: &str| matches!(&token.tok, Tok::Word(found) if found == word);
    tokens.first().is_some_and(|first| is(first, "copy"))
        && tokens
            .windows(2)
            .any(|pair| is(&pair[0], "from") && is(&pair[1], "stdin"))
}
