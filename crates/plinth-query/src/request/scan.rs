//! A cursor over one parameter's text, and the small pieces that all parts of the grammar share.

use super::{FieldRef, JsonKey, JsonStep, MAX_STEPS};
use crate::error::Error;

/// Error messages quote at most so much of what was read.
const MAX_QUOTED_CHARS: usize = 100;

/// The cursor. `what` names the text in errors.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    what: &'static str,
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(what: &'static str, text: &'a str) -> Scanner<'a> {
        Scanner { what, text, at: 0 }
    }

    /// An error at the cursor.
    pub(super) fn error(&self, expecting: &'static str) -> Error {
        let mut text: String = self.text.chars().take(MAX_QUOTED_CHARS).collect();
        if text.len() < self.text.len() {
            text.push('…');
        }
        Error::Syntax {
            what: self.what,
            text,
            column: self.text[..self.at].chars().count() + 1,
            unexpected: self.peek(),
            expecting,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Steps over `token` if it stands here.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let here = self.rest().starts_with(token);
        if here {
            self.at += token.len();
        }
        here
    }

    /// Steps over `token` with blanks around it.
    pub(super) fn eat_spaced(&mut self, token: &str) -> bool {
        let before = self.at;
        self.blanks();
        let here = self.eat(token);
        if here {
            self.blanks();
        } else {
            self.at = before;
        }
        here
    }

    pub(super) fn blanks(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    /// Everything up to the first character that `stop` likes.
    pub(super) fn until(&mut self, stop: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(stop).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A word of lower-case letters and `_`; empty when there is none.
    pub(super) fn word(&mut self) -> &'a str {
        self.until(|c| !(c.is_ascii_lowercase() || c == '_'))
    }

    pub(super) fn end(&self, expecting: &'static str) -> Result<(), Error> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(self.error(expecting))
        }
    }

    /// `"…"` with backslash escapes. The cursor stays when it is not closed.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let start = self.at;
        let mut text = String::new();
        if !self.eat("\"") {
            return None;
        }
        loop {
            match self.next() {
                Some('"') => return Some(text),
                Some('\\') => text.extend(self.next()),
                Some(c) => text.push(c),
                None => {
                    self.at = start;
                    return None;
                }
            }
        }
    }

    /// The name of a column, a relation or an alias.
    pub(super) fn name(&mut self) -> Result<String, Error> {
        self.blanks();
        if self.peek() == Some('"') {
            let name = self.quoted().filter(|name| !name.is_empty());
            return name.ok_or_else(|| self.error("a closed quoted name"));
        }
        let rest = self.rest();
        let length = rest
            .char_indices()
            .find(|&(i, c)| !is_name_char(c) && (c != '-' || rest[i..].starts_with("->")))
            .map_or(rest.len(), |(i, _)| i);
        let name = rest[..length].trim_end_matches(' ');
        if name.is_empty() {
            return Err(self.error("field name (* or [a..z0..9_$])"));
        }
        self.at += length;
        Ok(name.to_owned())
    }

    /// `name->a->>b`.
    pub(super) fn field(&mut self) -> Result<FieldRef, Error> {
        Ok(FieldRef {
            name: self.name()?,
            path: self.json_path()?,
        })
    }

    /// `->a->>b`, or nothing.
    pub(super) fn json_path(&mut self) -> Result<Vec<JsonStep>, Error> {
        let mut path = Vec::new();
        while self.eat("->") {
            if path.len() == MAX_STEPS {
                return Err(Error::TooMany {
                    what: "steps of a JSON path",
                    limit: MAX_STEPS,
                });
            }
            let as_text = self.eat(">");
            path.push(JsonStep {
                as_text,
                key: self.json_key()?,
            });
        }
        Ok(path)
    }

    fn json_key(&mut self) -> Result<JsonKey, Error> {
        if self.peek() == Some('"') {
            let name = self
                .quoted()
                .ok_or_else(|| self.error("a closed quoted key"))?;
            return Ok(JsonKey::Name(name));
        }
        let rest = self.rest();
        let stops = |i: usize, c: char| match c {
            '-' => rest[i..].starts_with("->"),
            '(' | ')' | ':' | '.' | ',' | '>' => true,
            _ => false,
        };
        let length = rest
            .char_indices()
            .find(|&(i, c)| stops(i, c))
            .map_or(rest.len(), |(i, _)| i);
        let key = rest[..length].trim_end_matches(' ');
        if key.is_empty() {
            return Err(self.error("a JSON key or an index"));
        }
        self.at += length;
        Ok(key
            .parse()
            .map_or_else(|_| JsonKey::Name(key.to_owned()), JsonKey::Index))
    }
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '_' | ' ' | '$')
        || !(c.is_ascii() || c.is_whitespace() || c.is_control())
}
