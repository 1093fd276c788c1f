//! The template patterns of `to_char`, `to_date` and `to_timestamp`.

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Key(Key),
    /// A character that stands for itself.
    Char(char),
    /// The same, from `"quotes"` or behind a backslash.
    Quoted(char),
}

/// A pattern such as `YYYY` or `FMDDth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// In upper case.
    pub(super) name: &'static str,
    pub(super) case: Case,
    /// `FM`: no padding.
    pub(super) fill: bool,
    /// `TH` or `th`.
    pub(super) ordinal: Option<Case>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capital,
    Lower,
}

/// Longer names first, where one begins another.
const NAMES: [&str; 56] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "D", "FF1", "FF2",
    "FF3", "FF4", "FF5", "FF6", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I",
    "J", "MI", "MM", "MONTH", "MON", "MS", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS",
    "TZH", "TZM", "TZ", "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y", "FX", "FM", "TM",
];
const CAPITAL_NAMES: [(&str, &str); 4] = [
    ("Month", "MONTH"),
    ("Mon", "MON"),
    ("Day", "DAY"),
    ("Dy", "DY"),
];

/// The template in pieces, and whether it begins with `FX`.
pub(super) fn parse(template: &str) -> (Vec<Node>, bool) {
    let mut nodes = Vec::new();
    let mut exact = false;
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let (fill, after) = prefixes(rest, &mut exact);
        if let Some((name, case, tail)) = keyword(after) {
            let (ordinal, tail) = match tail.get(..2) {
                Some("TH") => (Some(Case::Upper), &tail[2..]),
                Some("th") => (Some(Case::Lower), &tail[2..]),
                _ => (None, tail),
            };
            nodes.push(Node::Key(Key {
                name,
                case,
                fill,
                ordinal,
            }));
            rest = tail;
            continue;
        }
        if after.len() < rest.len() {
            // A modifier before something that is no pattern disappears.
            rest = after;
            continue;
        }
        rest = &rest[first.len_utf8()..];
        match first {
            '"' => rest = quoted(rest, &mut nodes),
            '\\' if rest.starts_with('"') => {
                nodes.push(Node::Quoted('"'));
                rest = &rest[1..];
            }
            other => nodes.push(Node::Char(other)),
        }
    }
    (nodes, exact)
}

/// Takes `FM`, `FX` and `TM` off the beginning.
fn prefixes<'a>(mut rest: &'a str, exact: &mut bool) -> (bool, &'a str) {
    let mut fill = false;
    loop {
        match rest.get(..2) {
            Some("FM" | "fm" | "TM" | "tm") => fill = true,
            Some("FX" | "fx") => *exact = true,
            _ => return (fill, rest),
        }
        rest = &rest[2..];
    }
}

fn keyword(text: &str) -> Option<(&'static str, Case, &str)> {
    for (written, name) in CAPITAL_NAMES {
        if let Some(tail) = text.strip_prefix(written) {
            return Some((name, Case::Capital, tail));
        }
    }
    let head = |name: &str| text.get(..name.len());
    for name in NAMES {
        if head(name) == Some(name) {
            return Some((name, Case::Upper, &text[name.len()..]));
        }
        if head(name).is_some_and(|head| head == name.to_ascii_lowercase()) {
            return Some((name, Case::Lower, &text[name.len()..]));
        }
    }
    None
}

/// Reads up to the closing quote; a backslash protects the next character.
fn quoted<'a>(text: &'a str, nodes: &mut Vec<Node>) -> &'a str {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return &text[at + 1..],
            '\\' => {
                if let Some((_, c)) = chars.next() {
                    nodes.push(Node::Quoted(c));
                }
            }
            other => nodes.push(Node::Quoted(other)),
        }
    }
    ""
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
pub(super) const ROMAN: [&str; 12] = [
    "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII",
];
