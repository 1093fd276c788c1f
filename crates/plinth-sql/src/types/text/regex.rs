//! Postgres's regular expressions (AREs), rewritten in the syntax of Rust's `regex` crate; text in, text out.
//!
//! Refused by name: back-references and look-around, which a linear-time engine cannot do, and basic REs. One thing
//! differs silently: where alternatives of different length match, Postgres takes the longest, Rust the first.

use crate::SqlError;

/// A rewritten pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regex {
    /// In Rust's syntax, with its flags in front.
    pub pattern: String,
    /// The `g` flag of `regexp_replace` and its kin.
    pub global: bool,
}

/// A piece of the replacement text of `regexp_replace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Literal(String),
    /// `\n`, or `\&` as group 0.
    Group(usize),
}

/// Rewrites a pattern with the flags of `regexp_match` and its kin (`i`, `n`, `x`, `g`, …).
pub fn translate_regex(pattern: &str, flags: &str) -> Result<Regex, SqlError> {
    let mut options = Options::default();
    let mut global = false;
    for flag in flags.chars() {
        match flag {
            'g' => global = true,
            other => options.apply(other).ok_or_else(|| {
                SqlError::new(
                    "22023",
                    format!("invalid regular expression option: \"{other}\""),
                )
            })??,
        }
    }
    let body = options.embedded(pattern)?;
    let translated = if options.literal {
        let mut out = String::new();
        body.chars().for_each(|c| push_literal(c, &mut out));
        out
    } else {
        Translator {
            rest: body,
            out: String::new(),
            options: &options,
            depth: 0,
        }
        .run()?
    };
    Ok(Regex {
        pattern: format!("{}{translated}", options.prefix()),
        global,
    })
}

/// `SIMILAR TO` as an ARE, with this escape character (`\` unless `ESCAPE` says otherwise).
pub fn similar_to_regex(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("^(?:");
    let mut in_brackets = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            if let Some(literal) = chars.next() {
                out.push('\\');
                out.push(literal);
            }
        } else if in_brackets {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_brackets = c != ']';
        } else {
            match c {
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                other => {
                    in_brackets = other == '[';
                    out.push(other);
                }
            }
        }
    }
    out.push_str(")$");
    out
}

/// Reads the replacement text of `regexp_replace`.
pub fn replacement(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            literal.push(c);
            continue;
        }
        let group = match chars.clone().next() {
            Some('&') => Some(0),
            Some(digit @ '1'..='9') => digit
                .to_digit(10)
                .and_then(|digit| usize::try_from(digit).ok()),
            Some('\\') => {
                chars.next();
                literal.push('\\');
                continue;
            }
            _ => None,
        };
        let Some(group) = group else {
            literal.push('\\');
            continue;
        };
        chars.next();
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Group(group));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

fn invalid(why: &str) -> SqlError {
    SqlError::new("2201B", format!("invalid regular expression: {why}"))
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the pattern"
)]
struct Options {
    ignore_case: bool,
    expanded: bool,
    /// `.` and negated brackets stop at a newline.
    newline_stops: bool,
    /// `^` and `$` match at each line.
    newline_anchors: bool,
    literal: bool,
}

impl Options {
    /// `None` for a letter that is no option.
    fn apply(&mut self, flag: char) -> Option<Result<(), SqlError>> {
        match flag {
            'i' => self.ignore_case = true,
            'c' => self.ignore_case = false,
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'n' | 'm' => (self.newline_stops, self.newline_anchors) = (true, true),
            'p' => (self.newline_stops, self.newline_anchors) = (true, false),
            'w' => (self.newline_stops, self.newline_anchors) = (false, true),
            's' => (self.newline_stops, self.newline_anchors) = (false, false),
            'q' => self.literal = true,
            'e' => {}
            'b' => {
                return Some(Err(SqlError::unsupported(
                    "the regular expression option b",
                )));
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    /// Takes `***:`, `***=` and `(?flags)` off the beginning.
    fn embedded<'a>(&mut self, pattern: &'a str) -> Result<&'a str, SqlError> {
        if let Some(rest) = pattern.strip_prefix("***=") {
            self.literal = true;
            return Ok(rest);
        }
        let pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
        let Some((flags, rest)) = pattern
            .strip_prefix("(?")
            .and_then(|rest| rest.split_once(')'))
        else {
            return Ok(pattern);
        };
        if self.literal || flags.is_empty() || !flags.bytes().all(|b| b.is_ascii_lowercase()) {
            return Ok(pattern);
        }
        for flag in flags.chars() {
            self.apply(flag)
                .ok_or_else(|| invalid("invalid embedded option"))??;
        }
        Ok(rest)
    }

    fn prefix(&self) -> String {
        let flags: String = [
            (self.ignore_case, 'i'),
            (self.newline_anchors, 'm'),
            (!self.newline_stops, 's'),
            (self.expanded && !self.literal, 'x'),
        ]
        .into_iter()
        .filter_map(|(on, flag)| on.then_some(flag))
        .collect();
        if flags.is_empty() {
            flags
        } else {
            format!("(?{flags})")
        }
    }
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
    options: &'a Options,
    /// Open parentheses.
    depth: usize,
}

impl Translator<'_> {
    fn run(mut self) -> Result<String, SqlError> {
        while let Some(c) = self.take() {
            match c {
                '\\' => self.escape()?,
                '[' => self.brackets()?,
                '(' => self.group()?,
                ')' => {
                    self.depth = self
                        .depth
                        .checked_sub(1)
                        .ok_or_else(|| invalid("parentheses () not balanced"))?;
                    self.out.push(')');
                }
                '{' if self.rest.starts_with(|c: char| c.is_ascii_digit()) => self.bound()?,
                '.' | '^' | '$' | '|' | '*' | '+' | '?' => self.out.push(c),
                // With `x`, blanks and comments mean nothing in either syntax.
                ' ' | '\t' | '\n' | '\r' | '#' if self.options.expanded => self.out.push(c),
                literal => push_literal(literal, &mut self.out),
            }
        }
        if self.depth > 0 {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(self.out)
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn group(&mut self) -> Result<(), SqlError> {
        self.depth += 1;
        let Some(tail) = self.rest.strip_prefix('?') else {
            self.out.push('(');
            return Ok(());
        };
        match tail.chars().next() {
            Some(':') => {
                self.rest = &tail[1..];
                self.out.push_str("(?:");
                Ok(())
            }
            Some('=' | '!' | '<') => {
                Err(SqlError::unsupported("look-around in a regular expression"))
            }
            _ => Err(invalid("quantifier operand invalid")),
        }
    }

    /// `{m}`, `{m,}`, `{m,n}`.
    fn bound(&mut self) -> Result<(), SqlError> {
        let Some((bound, tail)) = self.rest.split_once('}') else {
            return Err(invalid("braces {} not balanced"));
        };
        let (low, high) = bound.split_once(',').unwrap_or((bound, bound));
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= 255);
        let low_value = number(low).ok_or_else(|| invalid("invalid repetition count(s)"))?;
        let valid = high.is_empty() || number(high).is_some_and(|high| high >= low_value);
        if !valid {
            return Err(invalid("invalid repetition count(s)"));
        }
        self.out.push('{');
        self.out.push_str(bound);
        self.out.push('}');
        self.rest = tail;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), SqlError> {
        let Some(c) = self.take() else {
            return Err(invalid("invalid escape \\ sequence"));
        };
        let class = match c {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            'w' => "\\w",
            'W' => "\\W",
            's' => "\\s",
            'S' => "\\S",
            'A' => "\\A",
            'Z' => "\\z",
            'm' => "\\b{start}",
            'M' => "\\b{end}",
            'y' => "\\b",
            'Y' => "\\B",
            '1'..='9' => {
                return Err(SqlError::unsupported(
                    "a back-reference in a regular expression",
                ));
            }
            other => {
                let literal = self.character_escape(other)?;
                push_literal(literal, &mut self.out);
                return Ok(());
            }
        };
        self.out.push_str(class);
        Ok(())
    }

    /// An escape that stands for one character, behind its backslash.
    fn character_escape(&mut self, c: char) -> Result<char, SqlError> {
        Ok(match c {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'c' => {
                let control = self.take().and_then(|c| u8::try_from(c).ok());
                control.map_or_else(
                    || Err(invalid("invalid escape \\ sequence")),
                    |c| Ok(char::from(c & 0x1f)),
                )?
            }
            'u' => self.code(4, 4, 16)?,
            'U' => self.code(8, 8, 16)?,
            'x' => self.code(1, 255, 16)?,
            '0' => self.code(0, 2, 8)?,
            other if other.is_ascii_alphanumeric() => {
                return Err(invalid("invalid escape \\ sequence"));
            }
            other => other,
        })
    }

    fn code(&mut self, least: usize, most: usize, radix: u32) -> Result<char, SqlError> {
        let digits: String = self
            .rest
            .chars()
            .take_while(|c| c.is_digit(radix))
            .take(most)
            .collect();
        if digits.len() < least {
            return Err(invalid("invalid escape \\ sequence"));
        }
        self.rest = &self.rest[digits.len()..];
        let code = if digits.is_empty() {
            Ok(0)
        } else {
            u32::from_str_radix(&digits, radix)
        };
        code.ok()
            .and_then(char::from_u32)
            .ok_or_else(|| invalid("invalid escape \\ sequence"))
    }

    /// From behind `[` to behind `]`.
    fn brackets(&mut self) -> Result<(), SqlError> {
        for (word, anchor) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
            if let Some(tail) = self.rest.strip_prefix(word) {
                self.rest = tail;
                self.out.push_str(anchor);
                return Ok(());
            }
        }
        self.out.push('[');
        if let Some(tail) = self.rest.strip_prefix('^') {
            self.rest = tail;
            self.out.push('^');
            if self.options.newline_stops {
                self.out.push_str("\\n");
            }
        }
        let mut first = true;
        loop {
            let Some(c) = self.take() else {
                return Err(invalid("brackets [] not balanced"));
            };
            match c {
                ']' if !first => break,
                '\\' => self.bracket_escape()?,
                '[' if self.rest.starts_with([':', '=', '.']) => self.bracket_class()?,
                '-' if !first && !self.rest.starts_with(']') => self.out.push('-'),
                literal => push_literal(literal, &mut self.out),
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    fn bracket_escape(&mut self) -> Result<(), SqlError> {
        let Some(c) = self.take() else {
            return Err(invalid("invalid escape \\ sequence"));
        };
        match c {
            'd' => self.out.push_str("0-9"),
            'w' => self.out.push_str("\\w"),
            's' => self.out.push_str("\\s"),
            'D' | 'W' | 'S' => return Err(invalid("invalid escape \\ sequence")),
            other => {
                let literal = self.character_escape(other)?;
                push_literal(literal, &mut self.out);
            }
        }
        Ok(())
    }

    /// `[:alpha:]`, `[=x=]` or `[.x.]`, behind its first bracket.
    fn bracket_class(&mut self) -> Result<(), SqlError> {
        let kind = self.take().unwrap_or(':');
        let end = format!("{kind}]");
        let Some((name, tail)) = self.rest.split_once(end.as_str()) else {
            return Err(invalid("brackets [] not balanced"));
        };
        self.rest = tail;
        if kind != ':' {
            let mut chars = name.chars();
            let (Some(c), None) = (chars.next(), chars.next()) else {
                return Err(invalid("invalid collating element"));
            };
            push_literal(c, &mut self.out);
            return Ok(());
        }
        self.out.push_str(match name {
            "alpha" => "\\p{Alphabetic}",
            "alnum" => "\\p{Alphabetic}\\p{Nd}",
            "digit" => "0-9",
            "xdigit" => "0-9A-Fa-f",
            "upper" => "\\p{Uppercase}",
            "lower" => "\\p{Lowercase}",
            "space" => "\\s",
            "blank" => "\\x20\\t",
            "punct" => "\\p{P}\\p{S}",
            "cntrl" => "\\p{Cc}",
            "graph" => "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}",
            "print" => "\\x20\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}",
            "word" => "\\w",
            _ => return Err(invalid("invalid character class")),
        });
        Ok(())
    }
}

/// A character that stands for itself, whatever it would mean in Rust's syntax.
fn push_literal(c: char, out: &mut String) {
    if c.is_ascii_punctuation() {
        out.push('\\');
        out.push(c);
    } else if c.is_ascii_control() || c == ' ' {
        out.push_str("\\x");
        out.push_str(&hex::encode([u8::try_from(c).unwrap_or(0)]));
    } else {
        out.push(c);
    }
}
