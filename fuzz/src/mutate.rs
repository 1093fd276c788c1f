//! Makes bad input of good: by token, because a parser sees tokens, and now and then by byte.

use crate::seeds::Seeds;

/// Words and signs that parsers treat in ways of their own.
const WORDS: &[&str] = &[
    "select",
    "from",
    "where",
    "null",
    "not",
    "(",
    ")",
    ",",
    "'",
    "\"",
    "$$",
    "$1",
    "::",
    "->",
    "->>",
    "[",
    "]",
    "*",
    ".",
    ";",
    "--",
    "/*",
    "*/",
    "E'\\",
    "case",
    "end",
    "and",
    "or",
    "in",
    "is",
    "between",
    "like",
    "escape",
    "array",
    "row",
    "any",
    "all",
    "exists",
    "cast",
    "as",
    "with",
    "recursive",
    "returning",
    "on conflict",
    "do",
    "over",
    "partition by",
    "order by",
    "nulls first",
    "limit",
    "offset",
    "fetch first",
    "for update",
    "lateral",
    "interval '1'",
    "1e",
    "1e400",
    "0x1F",
    "1_000",
    "99999999999999999999",
    "-",
    "+",
    "@>",
    "<@",
    "&&",
    "||",
    "!=",
    "~*",
    "at time zone",
    "collate",
    "U&'\\0041'",
    "B'01'",
    "X'1F'",
    "é",
    "😀",
    "\u{0}",
    "\u{feff}",
    "\n",
    "default",
    "values",
    "union",
    "except",
    "tablesample",
    "grouping sets",
];
const QUERY_WORDS: &[&str] = &[
    "select=",
    "order=",
    "limit=",
    "offset=",
    "and=(",
    "or=(",
    "not.",
    "eq.",
    "in.(",
    "is.null",
    "cs.{",
    "like(any).{",
    "fts(english).",
    ".asc",
    ".nullslast",
    "!inner",
    "!left",
    "->",
    "->>",
    "::",
    "(",
    ")",
    ",",
    ".",
    "*",
    "\"",
    "\\",
    "%",
    "%22",
    "%00",
    "%ff",
    "+",
    "&",
    "=",
    "count()",
    "...",
    "é",
    "😀",
    "99999999999999999999",
    "on_conflict=",
    "columns=",
    "{",
    "}",
    ":",
    "-1",
];

/// Deepest nesting that is tried: far beyond any bound of ours.
const DEPTH: u64 = 20_000;

/// Repeatable chance over the seeds.
#[derive(Debug)]
pub(crate) struct Mutator<'a> {
    state: u64,
    seeds: &'a Seeds,
}

impl<'a> Mutator<'a> {
    /// Starts at this seed.
    pub(crate) fn new(seed: u64, seeds: &'a Seeds) -> Mutator<'a> {
        Mutator { state: seed, seeds }
    }

    /// True `percent` times out of a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A statement with something wrong in it, most of the time.
    pub(crate) fn sql(&mut self) -> String {
        if self.below(400) == 0 {
            return self.deep(&[
                "(",
                "select (",
                "not ",
                "case when ",
                "a[",
                "- ",
                "'a' || ",
                "x in (",
                "exists (select ",
            ]);
        }
        let seeds = self.seeds;
        let base = self.pick(&seeds.sql).clone();
        let other = self.pick(&seeds.sql).clone();
        self.mutated(&base, &other, WORDS)
    }

    /// A relation and a query string, alike.
    pub(crate) fn query(&mut self) -> (String, String) {
        if self.below(200) == 0 {
            return (
                "t".to_owned(),
                self.deep(&["and=(", "or(", "select=a(", "(", "not.and(", "a->", "in.("]),
            );
        }
        let seeds = self.seeds;
        if seeds.queries.is_empty() {
            return (
                "t".to_owned(),
                self.mutated(
                    "select=a,b(c)&a=eq.1&or=(a.gt.1,b.is.null)&order=a.desc",
                    "",
                    QUERY_WORDS,
                ),
            );
        }
        let (table, base) = self.pick(&seeds.queries).clone();
        let (_, other) = self.pick(&seeds.queries).clone();
        (table, self.mutated(&base, &other, QUERY_WORDS))
    }

    fn mutated(&mut self, base: &str, other: &str, words: &[&'static str]) -> String {
        let mut tokens = tokens(base);
        let others = self::tokens(other);
        for _ in 0..=self.below(4) {
            let at = self.index(tokens.len() + 1);
            match self.below(8) {
                0 | 1 if at < tokens.len() => drop(tokens.remove(at)),
                2 if at < tokens.len() => tokens.insert(at, tokens[at].clone()),
                3 if at < tokens.len() => {
                    let with = self.index(tokens.len());
                    tokens.swap(at, with);
                }
                4 if !others.is_empty() => {
                    let from = self.index(others.len());
                    let count = 1 + self.index(6);
                    tokens.splice(at..at, others[from..].iter().take(count).cloned());
                }
                5 => tokens.truncate(at),
                6 if at < tokens.len() => tokens[at] = (*self.pick(words)).to_owned(),
                _ => tokens.insert(at, format!(" {} ", self.pick(words))),
            }
        }
        let mut text = tokens.concat();
        if self.chance(5) {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() {
                let at = self.index(bytes.len());
                bytes[at] = self.below(256) as u8;
            }
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        text
    }

    fn deep(&mut self, openings: &[&'static str]) -> String {
        let opening = *self.pick(openings);
        let count = 1 + self.index(DEPTH as usize);
        format!("select {}1{}", opening.repeat(count), ")".repeat(count))
    }

    fn pick<'b, T>(&mut self, choices: &'b [T]) -> &'b T {
        &choices[self.index(choices.len())]
    }

    fn index(&mut self, end: usize) -> usize {
        self.below(end.max(1) as u64) as usize
    }

    /// splitmix64.
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Words, blanks and single signs; together they are the text again.
fn tokens(text: &str) -> Vec<String> {
    let kind = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut tokens: Vec<String> = Vec::new();
    let mut last = 2;
    for c in text.chars() {
        let this = kind(c);
        match tokens.last_mut() {
            Some(token) if this == last && this != 2 => token.push(c),
            _ => tokens.push(c.to_string()),
        }
        last = this;
    }
    tokens
}
