//! Text to tokens, by Postgres's rules of where a token ends.
//!
//! The lexer never fails: what cannot be a token becomes [`Tok::Bad`], which carries its error and which no rule of
//! the grammar accepts. So an error that stands before it in the text is reported first, as Postgres does.

use super::strings;
use crate::SqlError;
use crate::ast::Span;

/// Longer identifiers lose their end, as in Postgres.
const MAX_IDENTIFIER_BYTES: usize = 63;

/// A token and its place.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) tok: Tok,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    /// An unquoted word, in lower case: a keyword or a name.
    Word(String),
    /// A quoted name.
    Quoted(String),
    /// A string constant, unescaped.
    String(String),
    /// `N'…'`, a constant of type `char`.
    National(String),
    /// A numeric constant, as written.
    Number(String),
    /// `$1`.
    Param(u32),
    /// An operator: `+`, `<>`, `->>`.
    Op(String),
    /// Punctuation: `( ) [ ] , ; . .. : :: := =>`.
    Sym(&'static str),
    /// Not a token.
    Bad(Box<SqlError>),
    /// The end of the text.
    End,
}

/// Reads tokens from `at` onwards.
pub(super) struct Lexer<'a> {
    pub(super) source: &'a str,
    pub(super) at: usize,
}

/// A span of two byte offsets.
pub(super) fn span(start: usize, end: usize) -> Span {
    let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span {
        start: clamp(start),
        end: clamp(end),
    }
}

impl Lexer<'_> {
    /// The next token; [`Tok::End`] for ever at the end.
    pub(super) fn next_token(&mut self) -> Token {
        let bad = self.skip_blanks().err();
        let start = self.at;
        let tok = match bad {
            Some(bad) => {
                self.at = self.source.len();
                bad
            }
            None => self.token(),
        };
        Token {
            tok,
            span: span(start, self.at),
        }
    }

    /// After `COPY … FROM STDIN;`: skips the lines of data, when a line `\.` ends them.
    pub(super) fn skip_copy_data(&mut self) {
        let rest = &self.source[self.at..];
        let mut offset = 0;
        for line in rest.split_inclusive('\n') {
            offset += line.len();
            if line.trim_end_matches(['\r', '\n']) == "\\." {
                self.at += offset;
                return;
            }
        }
    }

    fn token(&mut self) -> Tok {
        let start = self.at;
        let Some(first) = self.peek(0) else {
            return Tok::End;
        };
        match first {
            b'\'' => self.string(start, false),
            b'"' => self.quoted(),
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            b'(' => self.symbol("("),
            b')' => self.symbol(")"),
            b'[' => self.symbol("["),
            b']' => self.symbol("]"),
            b',' => self.symbol(","),
            b';' => self.symbol(";"),
            b'.' if self.peek(1) == Some(b'.') => self.symbol(".."),
            b'.' => self.symbol("."),
            b':' if self.peek(1) == Some(b':') => self.symbol("::"),
            b':' if self.peek(1) == Some(b'=') => self.symbol(":="),
            b':' => self.symbol(":"),
            _ if is_operator_byte(first) => self.operator(),
            _ if is_name_start(first) => self.word(),
            _ => {
                let width = self.source[start..]
                    .chars()
                    .next()
                    .map_or(1, char::len_utf8);
                self.at += width;
                self.bad("syntax error", start, self.at)
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn symbol(&mut self, text: &'static str) -> Tok {
        self.at += text.len();
        Tok::Sym(text)
    }

    fn bad(&self, message: &str, start: usize, end: usize) -> Tok {
        let near = self.source.get(start..end).unwrap_or_default();
        Tok::Bad(Box::new(SqlError::syntax(
            format!("{message} at or near \"{near}\""),
            span(start, end),
        )))
    }

    fn unterminated(&mut self, what: &str, start: usize) -> Tok {
        self.at = self.source.len();
        self.bad(&format!("unterminated {what}"), start, self.at)
    }

    /// Skips blanks and comments; an open comment is a bad token.
    fn skip_blanks(&mut self) -> Result<(), Tok> {
        loop {
            match self.peek(0) {
                Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0c | 0x0b) => self.at += 1,
                Some(b'-') if self.peek(1) == Some(b'-') => self.skip_line(),
                Some(b'/') if self.peek(1) == Some(b'*') => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.source.as_bytes()[self.at..];
        self.at += rest
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r'))
            .unwrap_or(rest.len());
    }

    fn skip_comment(&mut self) -> Result<(), Tok> {
        let start = self.at;
        self.at += 2;
        let mut depth = 1_u32;
        while depth > 0 {
            match (self.peek(0), self.peek(1)) {
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(_), _) => self.at += 1,
                (None, _) => {
                    self.at = start;
                    return Err(self.bad("unterminated /* comment", start, self.source.len()));
                }
            }
        }
        Ok(())
    }

    /// A word, or a string with a letter before it.
    fn word(&mut self) -> Tok {
        let start = self.at;
        match (self.peek(0), self.peek(1), self.peek(2)) {
            (Some(b'e' | b'E'), Some(b'\''), _) => {
                self.at += 1;
                return self.string(start, true);
            }
            (Some(b'n' | b'N'), Some(b'\''), _) => {
                self.at += 1;
                return match self.string(start, false) {
                    Tok::String(text) => Tok::National(text),
                    other => other,
                };
            }
            (Some(b'b' | b'B' | b'x' | b'X'), Some(b'\''), _) => {
                self.at += 1;
                let inner = self.string(start, false);
                return self.unless_bad(inner, "a bit string constant", start);
            }
            (Some(b'u' | b'U'), Some(b'&'), Some(b'\'')) => {
                self.at += 2;
                let inner = self.string(start, false);
                return self.unless_bad(inner, "a string constant with U&", start);
            }
            (Some(b'u' | b'U'), Some(b'&'), Some(b'"')) => {
                self.at += 2;
                let inner = self.quoted();
                return self.unless_bad(inner, "a name with U&", start);
            }
            _ => {}
        }
        let rest = &self.source.as_bytes()[start..];
        let length = rest
            .iter()
            .position(|&byte| !is_name_part(byte))
            .unwrap_or(rest.len());
        self.at += length;
        Tok::Word(cut_identifier(
            self.source[start..self.at].to_ascii_lowercase(),
        ))
    }

    fn unless_bad(&self, inner: Tok, what: &str, start: usize) -> Tok {
        match inner {
            Tok::Bad(error) => Tok::Bad(error),
            _ => Tok::Bad(Box::new(
                SqlError::unsupported(what).at(span(start, self.at)),
            )),
        }
    }

    /// A string constant whose quote stands at `self.at`; the token starts at `start`.
    fn string(&mut self, start: usize, escapes: bool) -> Tok {
        match strings::quoted_text(self.source, self.at, escapes) {
            Some((Ok(text), end)) => {
                self.at = end;
                Tok::String(text)
            }
            Some((Err(error), end)) => {
                self.at = end;
                Tok::Bad(Box::new(error.at(span(start, end))))
            }
            None => self.unterminated("quoted string", start),
        }
    }

    fn quoted(&mut self) -> Tok {
        let start = self.at;
        let mut name = String::new();
        loop {
            let open = self.at + 1;
            let Some(length) = self.source[open..].find('"') else {
                return self.unterminated("quoted identifier", start);
            };
            name.push_str(&self.source[open..open + length]);
            self.at = open + length;
            if self.peek(1) != Some(b'"') {
                break;
            }
            name.push('"');
            self.at += 1;
        }
        self.at += 1;
        if name.is_empty() {
            return self.bad("zero-length delimited identifier", start, self.at);
        }
        match strings::without_zero(name) {
            Ok(name) => Tok::Quoted(cut_identifier(name)),
            Err(error) => Tok::Bad(Box::new(error.at(span(start, self.at)))),
        }
    }

    /// `$1` or `$tag$ … $tag$`.
    fn dollar(&mut self) -> Tok {
        let start = self.at;
        if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
            self.skip_digits();
            if self.peek(0).is_some_and(is_name_start) {
                return self.junk("trailing junk after parameter", start);
            }
            let digits = &self.source[start + 1..self.at];
            return match digits.parse() {
                Ok(number) => Tok::Param(number),
                Err(_) => self.bad("parameter number too large", start, self.at),
            };
        }
        let bytes = self.source.as_bytes();
        let mut close = start + 1;
        while bytes
            .get(close)
            .is_some_and(|&byte| is_name_part(byte) && byte != b'$')
        {
            close += 1;
        }
        if bytes.get(close) != Some(&b'$') {
            self.at += 1;
            return self.bad("syntax error", start, self.at);
        }
        let tag = &self.source[start..=close];
        let body = close + 1;
        match self.source[body..].find(tag) {
            Some(length) => {
                self.at = body + length + tag.len();
                match strings::without_zero(self.source[body..body + length].to_owned()) {
                    Ok(text) => Tok::String(text),
                    Err(error) => Tok::Bad(Box::new(error.at(span(start, self.at)))),
                }
            }
            None => self.unterminated("dollar-quoted string", start),
        }
    }

    fn number(&mut self) -> Tok {
        let start = self.at;
        self.skip_digits();
        // `1..10` is two numbers around `..`.
        if self.peek(0) == Some(b'.') && self.peek(1) != Some(b'.') {
            self.at += 1;
            self.skip_digits();
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self
                .peek(1 + sign)
                .is_some_and(|byte| byte.is_ascii_digit())
            {
                self.at += 1 + sign;
                self.skip_digits();
            }
        }
        if self.peek(0).is_some_and(is_name_start) {
            return self.junk("trailing junk after numeric literal", start);
        }
        Tok::Number(self.source[start..self.at].to_owned())
    }

    fn skip_digits(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn junk(&mut self, message: &str, start: usize) -> Tok {
        while self.peek(0).is_some_and(is_name_part) {
            self.at += 1;
        }
        self.bad(message, start, self.at)
    }

    /// The longest run of operator characters, less a comment's start and less a trailing sign that the standard
    /// wants to be an operator of its own.
    fn operator(&mut self) -> Tok {
        let rest = &self.source[self.at..];
        let mut length = rest
            .bytes()
            .position(|byte| !is_operator_byte(byte))
            .unwrap_or(rest.len());
        for comment in ["--", "/*"] {
            if let Some(found) = rest[..length].find(comment) {
                length = found;
            }
        }
        let keeps_sign = |text: &str| text.bytes().any(|byte| b"~!@#^&|`?%".contains(&byte));
        while length > 1 && rest[..length].ends_with(['+', '-']) && !keeps_sign(&rest[..length - 1])
        {
            length -= 1;
        }
        let text = &rest[..length];
        self.at += length;
        match text {
            "=>" => Tok::Sym("=>"),
            "!=" => Tok::Op("<>".to_owned()),
            _ if length > MAX_IDENTIFIER_BYTES => {
                self.bad("operator too long", self.at - length, self.at)
            }
            _ => Tok::Op(text.to_owned()),
        }
    }
}

fn cut_identifier(mut name: String) -> String {
    if name.len() > MAX_IDENTIFIER_BYTES {
        let end = (0..=MAX_IDENTIFIER_BYTES)
            .rev()
            .find(|&end| name.is_char_boundary(end))
            .unwrap_or(0);
        name.truncate(end);
    }
    name
}

fn is_operator_byte(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
