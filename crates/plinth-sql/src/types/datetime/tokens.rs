//! Cuts a date, time or interval text into tokens, by the rules of the Postgres manual, appendix B.1.

/// What a token looks like; its meaning is decided later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Digits, perhaps with one point: `20240102`, `040506.789`.
    Number,
    /// Parts joined by `-`, `/` or `.`: `2024-01-02`, `8-jan-1999`, `america/new_york`.
    Date,
    /// Contains a colon: `03:04:05.6`.
    Time,
    /// A sign and digits: `+02:30`, `-7`.
    Signed,
    /// Letters, in lower case.
    Word,
    /// A sign and letters: `-infinity`.
    SignedWord,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

/// More tokens than any valid text has.
const MAX_TOKENS: usize = 25;
/// Postgres's own bound on the working copy of a date text.
const MAX_LENGTH: usize = 128;

/// The tokens in lower case, or `None` when the text cannot be a date, time or interval. `is_keyword` tells words
/// that end a token even if a digit follows (`t0304`, `j2451187`).
pub(crate) fn split(text: &str, is_keyword: impl Fn(&str) -> bool) -> Option<Vec<Token>> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let mut cursor = Cursor {
        rest: text.as_bytes(),
    };
    let mut tokens = Vec::new();
    while let Some(byte) = cursor.peek() {
        let token = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                cursor.advance();
                continue;
            }
            b'0'..=b'9' => number_like(&mut cursor),
            b'.' => {
                let mut text = cursor.take_one();
                text.push_str(&cursor.take(|b| b.is_ascii_digit()));
                Token {
                    kind: Kind::Number,
                    text,
                }
            }
            b'a'..=b'z' | b'A'..=b'Z' => word_like(&mut cursor, &is_keyword),
            b'+' | b'-' => signed(&mut cursor)?,
            _ if byte.is_ascii_punctuation() => {
                cursor.advance();
                continue;
            }
            _ => return None,
        };
        tokens.push(token);
        if tokens.len() > MAX_TOKENS {
            return None;
        }
    }
    Some(tokens)
}

fn number_like(cursor: &mut Cursor<'_>) -> Token {
    let mut text = cursor.take(|b| b.is_ascii_digit());
    match cursor.peek() {
        Some(b':') => {
            text.push_str(&cursor.take(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')));
            Token {
                kind: Kind::Time,
                text,
            }
        }
        Some(separator @ (b'-' | b'/' | b'.')) => {
            text.push_str(&cursor.take_one());
            if !cursor.peek().is_some_and(|b| b.is_ascii_digit()) {
                text.push_str(&cursor.take(|b| b.is_ascii_alphanumeric() || b == separator));
                return Token {
                    kind: Kind::Date,
                    text,
                };
            }
            text.push_str(&cursor.take(|b| b.is_ascii_digit()));
            let mut kind = if separator == b'.' {
                Kind::Number
            } else {
                Kind::Date
            };
            if cursor.peek() == Some(separator) {
                kind = Kind::Date;
                text.push_str(&cursor.take(|b| b.is_ascii_digit() || b == separator));
            }
            Token { kind, text }
        }
        _ => Token {
            kind: Kind::Number,
            text,
        },
    }
}

fn word_like(cursor: &mut Cursor<'_>, is_keyword: &impl Fn(&str) -> bool) -> Token {
    let mut text = cursor.take(|b| b.is_ascii_alphabetic());
    let joined = match cursor.peek() {
        Some(b'-' | b'/' | b'.') => true,
        Some(b'+' | b'0'..=b'9') => !is_keyword(&text),
        _ => false,
    };
    if !joined {
        return Token {
            kind: Kind::Word,
            text,
        };
    }
    text.push_str(&cursor.take(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
    }));
    Token {
        kind: Kind::Date,
        text,
    }
}

fn signed(cursor: &mut Cursor<'_>) -> Option<Token> {
    let mut text = cursor.take_one();
    cursor.take(|b| b.is_ascii_whitespace());
    match cursor.peek()? {
        b'0'..=b'9' => {
            text.push_str(&cursor.take(|b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'-')));
            Some(Token {
                kind: Kind::Signed,
                text,
            })
        }
        b'a'..=b'z' | b'A'..=b'Z' => {
            text.push_str(&cursor.take(|b| b.is_ascii_alphabetic()));
            Some(Token {
                kind: Kind::SignedWord,
                text,
            })
        }
        _ => None,
    }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn advance(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or(&[]);
    }

    fn take_one(&mut self) -> String {
        let byte = self.peek();
        self.advance();
        byte.map(|byte| char::from(byte.to_ascii_lowercase()).to_string())
            .unwrap_or_default()
    }

    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> String {
        let end = self
            .rest
            .iter()
            .position(|b| !wanted(*b))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
            .iter()
            .map(|b| char::from(b.to_ascii_lowercase()))
            .collect()
    }
}
