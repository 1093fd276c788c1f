//! Input of `json` and `jsonb`.

use super::lexer::{Kind, Lexer, Token};
use super::string::{invalid, unescape};
use super::{Flavor, Jsonb, MAX_DEPTH};
use crate::SqlError;
use crate::types::fault::too_deep;
use crate::types::numeric::Numeric;

/// Checks that a text is JSON: `22P02 invalid input syntax for type json`.
pub fn validate(text: &str) -> Result<(), SqlError> {
    document(text, Flavor::Json, false).map(drop)
}

/// Parses a `jsonb`.
pub fn parse(text: &str) -> Result<Jsonb, SqlError> {
    document(text, Flavor::Jsonb, true)
}

/// The text that `jsonb` has for this text, which is also what is stored.
pub fn normalize(text: &str) -> Result<String, SqlError> {
    Ok(parse(text)?.to_string())
}

fn document(text: &str, flavor: Flavor, build: bool) -> Result<Jsonb, SqlError> {
    let mut lexer = Lexer::new(text, flavor);
    let token = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        build,
    };
    let value = parser.value(0)?;
    if parser.token.kind != Kind::End {
        return Err(parser.expected("end of input"));
    }
    Ok(value)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    /// Whether the value is wanted or only that it is valid.
    build: bool,
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Result<Token<'a>, SqlError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn expected(&self, what: &str) -> SqlError {
        if self.token.kind == Kind::End {
            return invalid("The input string ended unexpectedly.");
        }
        invalid(format!(
            "Expected {what}, but found \"{}\".",
            self.token.text
        ))
    }

    fn value(&mut self, depth: usize) -> Result<Jsonb, SqlError> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        match self.token.kind {
            Kind::Punctuation(b'{') => self.object(depth),
            Kind::Punctuation(b'[') => self.array(depth),
            Kind::Punctuation(_) | Kind::End => Err(self.expected("JSON value")),
            kind => {
                let token = self.advance()?;
                if self.build {
                    scalar(kind, token.text)
                } else {
                    Ok(Jsonb::Null)
                }
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Jsonb, SqlError> {
        self.advance()?;
        let mut items = Vec::new();
        if self.token.kind != Kind::Punctuation(b']') {
            loop {
                let item = self.value(depth + 1)?;
                if self.build {
                    items.push(item);
                }
                if self.token.kind != Kind::Punctuation(b',') {
                    break;
                }
                self.advance()?;
            }
        }
        if self.token.kind != Kind::Punctuation(b']') {
            return Err(self.expected("\",\" or \"]\""));
        }
        self.advance()?;
        Ok(Jsonb::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Jsonb, SqlError> {
        self.advance()?;
        let mut members = Vec::new();
        if self.token.kind != Kind::Punctuation(b'}') {
            let mut wanted = "string or \"}\"";
            loop {
                if self.token.kind != Kind::String {
                    return Err(self.expected(wanted));
                }
                wanted = "string";
                let key = self.advance()?;
                if self.token.kind != Kind::Punctuation(b':') {
                    return Err(self.expected("\":\""));
                }
                self.advance()?;
                let value = self.value(depth + 1)?;
                if self.build {
                    members.push((unescape(key.text)?.into_owned(), value));
                }
                if self.token.kind != Kind::Punctuation(b',') {
                    break;
                }
                self.advance()?;
            }
        }
        if self.token.kind != Kind::Punctuation(b'}') {
            return Err(self.expected("\",\" or \"}\""));
        }
        self.advance()?;
        Ok(Jsonb::object(members))
    }
}

fn scalar(kind: Kind, text: &str) -> Result<Jsonb, SqlError> {
    Ok(match kind {
        Kind::String => Jsonb::String(unescape(text)?.into_owned()),
        Kind::Number => Jsonb::Number(number(text)?),
        Kind::True => Jsonb::Bool(true),
        Kind::False => Jsonb::Bool(false),
        _ => Jsonb::Null,
    })
}

/// Numbers are numerics; most are written as they print already.
fn number(text: &str) -> Result<String, SqlError> {
    let plain = text.len() < 1000 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain {
        Ok(text.to_owned())
    } else {
        Ok(text.parse::<Numeric>()?.to_string())
    }
}
