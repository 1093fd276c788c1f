//! Cuts JSON text into tokens and refuses what is none, in Postgres's words.

use super::string::{hex4, invalid};
use super::{Flavor, string};
use crate::SqlError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{ } [ ] , :`
    Punctuation(u8),
    String,
    Number,
    True,
    False,
    Null,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    flavor: Flavor,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, flavor: Flavor) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            flavor,
        }
    }

    pub(super) fn next(&mut self) -> Result<Token<'a>, SqlError> {
        let bytes = self.text.as_bytes();
        while bytes
            .get(self.at)
            .is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
        {
            self.at += 1;
        }
        let Some(first) = bytes.get(self.at) else {
            return Ok(Token {
                kind: Kind::End,
                text: "",
            });
        };
        let start = self.at;
        let kind = match first {
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                self.at += 1;
                Kind::Punctuation(*first)
            }
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => self.word()?,
        };
        Ok(Token {
            kind,
            text: &self.text[start..self.at],
        })
    }

    fn word(&mut self) -> Result<Kind, SqlError> {
        let start = self.at;
        let length = self.text.as_bytes()[start..]
            .iter()
            .position(|b| !is_word_byte(*b));
        let end = length.map_or(self.text.len(), |length| start + length);
        self.at = end;
        match &self.text[start..end] {
            "true" => Ok(Kind::True),
            "false" => Ok(Kind::False),
            "null" => Ok(Kind::Null),
            "" => {
                let first: String = self.text[start..].chars().take(1).collect();
                Err(bad_token(&first))
            }
            other => Err(bad_token(other)),
        }
    }

    fn number(&mut self) -> Result<Kind, SqlError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + usize::from(bytes[start] == b'-');
        let digits = |from: usize| {
            bytes[from..]
                .iter()
                .position(|b| !b.is_ascii_digit())
                .map_or(bytes.len(), |n| from + n)
        };
        let mut valid = true;
        match bytes.get(at) {
            Some(b'0') => at += 1,
            Some(b'1'..=b'9') => at = digits(at),
            _ => valid = false,
        }
        if valid && bytes.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            valid = end > at + 1;
            at = end;
        }
        if valid && matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            let end = digits(at);
            valid = end > at;
            at = end;
        }
        while bytes.get(at).is_some_and(|b| is_word_byte(*b)) {
            valid = false;
            at += 1;
        }
        self.at = at;
        if valid {
            Ok(Kind::Number)
        } else {
            Err(bad_token(&self.text[start..at]))
        }
    }

    fn string(&mut self) -> Result<Kind, SqlError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut at = start + 1;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                None => return Err(bad_token(&self.text[start..])),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(start, at)?;
                }
                Some(control @ 0..0x20) => {
                    return Err(invalid(format!(
                        "Character with value 0x{control:02x} must be escaped."
                    )));
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        if escaped && self.flavor == Flavor::Jsonb {
            // Only jsonb has to turn escapes into characters, and may fail at it.
            string::unescape(&self.text[start..self.at])?;
        }
        Ok(Kind::String)
    }

    /// Behind the escape at `at`.
    fn escape(&self, start: usize, at: usize) -> Result<usize, SqlError> {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            None => Err(bad_token(&self.text[start..])),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                if hex4(self.text.get(at + 2..at + 6).unwrap_or("")).is_none() {
                    let short = self.text.len() < at + 6
                        && bytes[at + 2..].iter().all(u8::is_ascii_hexdigit);
                    if short {
                        return Err(bad_token(&self.text[start..]));
                    }
                    return Err(invalid(
                        "\"\\u\" must be followed by four hexadecimal digits.",
                    ));
                }
                Ok(at + 6)
            }
            Some(_) => {
                let shown = self.text[at + 1..].chars().next().unwrap_or(' ');
                Err(invalid(format!(
                    "Escape sequence \"\\{shown}\" is invalid."
                )))
            }
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn bad_token(token: &str) -> SqlError {
    invalid(format!("Token \"{token}\" is invalid."))
}
