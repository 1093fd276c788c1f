//! `to_char` of numbers.
//!
//! Supported: `9 0 . D , G FM S MI PL SG PR L TH th`, quoted and other text. `V`, `EEEE` and `RN` are refused by name.

use super::pattern::Case;
use super::to_char::ordinal;
use crate::SqlError;
use crate::types::numeric::Numeric;

/// `to_char(number, template)`. `precision` is the digits a float can be trusted for (15, or 6 for `real`), `None` for
/// the exact types.
pub fn to_char_number(
    value: &Numeric,
    template: &str,
    precision: Option<usize>,
) -> Result<String, SqlError> {
    let layout = Layout::parse(template)?;
    let (negative, digits) = layout.digits_of(value, precision);
    Writer::new(&layout, negative, digits).write()
}

/// [`to_char_number`] of a float, with every digit of the binary value that a template could show.
pub fn to_char_float(value: f64, template: &str, precision: usize) -> Result<String, SqlError> {
    let exact = if value.is_finite() {
        format!("{value:.40}").parse()?
    } else {
        Numeric::from_f64(value)
    };
    to_char_number(&exact, template, Some(precision))
}

enum Node {
    Nine,
    Zero,
    Point,
    Group,
    Sign,
    Minus,
    Plus,
    PlusOrMinus,
    Currency,
    Ordinal(Case),
    Char(char),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Anchor {
    Before,
    After,
}

#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one pattern's presence"
)]
struct Layout {
    nodes: Vec<Node>,
    /// Digit places before and after the point.
    whole: usize,
    fraction: usize,
    /// Place of the first `0` before the point, counted from the left.
    zero_from: Option<usize>,
    /// Places up to and with the last `0`.
    zero_to: usize,
    has_point: bool,
    fill: bool,
    brackets: bool,
    minus: bool,
    plus: bool,
    sign: Option<(Anchor, usize)>,
}

fn syntax(message: &str) -> SqlError {
    SqlError::new("42601", message)
}

impl Layout {
    fn parse(template: &str) -> Result<Layout, SqlError> {
        const NAMES: [&str; 16] = [
            "EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "SP", "TH", "9", "0", ".", ",", "B", "D",
            "G",
        ];
        let mut layout = Layout::default();
        let mut rest = template;
        while let Some(first) = rest.chars().next() {
            if first == '"' {
                rest = layout.quoted(&rest[1..]);
                continue;
            }
            let name = NAMES.iter().chain(&["L", "S", "V"]).find(|name| {
                rest.get(..name.len())
                    .is_some_and(|head| head == **name || head == name.to_ascii_lowercase())
            });
            let Some(name) = name else {
                let skip = usize::from(rest.starts_with("\\\""));
                let shown = if skip == 1 { '"' } else { first };
                layout.nodes.push(Node::Char(shown));
                rest = &rest[first.len_utf8() + skip..];
                continue;
            };
            let lower = rest.starts_with(|c: char| c.is_ascii_lowercase());
            layout.key(name, lower)?;
            rest = &rest[name.len()..];
        }
        Ok(layout)
    }

    fn quoted<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return &text[at + 1..],
                '\\' => self.nodes.extend(chars.next().map(|(_, c)| Node::Char(c))),
                other => self.nodes.push(Node::Char(other)),
            }
        }
        ""
    }

    fn key(&mut self, name: &str, lower: bool) -> Result<(), SqlError> {
        let node = match name {
            "9" | "0" => {
                if self.brackets {
                    return Err(syntax(&format!("\"{name}\" must be ahead of \"PR\"")));
                }
                self.digit(name == "0");
                return Ok(());
            }
            "." | "D" => {
                if self.has_point {
                    return Err(syntax("multiple decimal points"));
                }
                self.has_point = true;
                Node::Point
            }
            "," | "G" => Node::Group,
            "FM" => {
                self.fill = true;
                return Ok(());
            }
            "S" => {
                if self.sign.is_some() {
                    return Err(syntax("cannot use \"S\" twice"));
                }
                if self.plus || self.minus || self.brackets {
                    return Err(syntax(
                        "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together",
                    ));
                }
                let anchor = if self.has_point {
                    Anchor::After
                } else {
                    Anchor::Before
                };
                self.sign = Some((anchor, self.whole));
                Node::Sign
            }
            "MI" | "PL" | "SG" => {
                if self.sign.is_some() {
                    return Err(syntax(&format!("cannot use \"S\" and \"{name}\" together")));
                }
                self.minus |= name != "PL";
                self.plus |= name != "MI";
                match name {
                    "MI" => Node::Minus,
                    "PL" => Node::Plus,
                    _ => Node::PlusOrMinus,
                }
            }
            "PR" => {
                if self.sign.is_some() || self.plus || self.minus {
                    return Err(syntax(
                        "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together",
                    ));
                }
                self.brackets = true;
                return Ok(());
            }
            "L" => Node::Currency,
            "TH" => Node::Ordinal(if lower { Case::Lower } else { Case::Upper }),
            "B" | "SP" => return Ok(()),
            other => {
                return Err(SqlError::unsupported(format!(
                    "the pattern {other} of to_char"
                )));
            }
        };
        self.nodes.push(node);
        Ok(())
    }

    fn digit(&mut self, zero: bool) {
        if zero && !self.has_point && self.zero_from.is_none() {
            self.zero_from = Some(self.whole);
        }
        if self.has_point {
            self.fraction += 1;
        } else {
            self.whole += 1;
        }
        if zero {
            self.zero_to = self.whole + self.fraction;
        }
        self.nodes.push(if zero { Node::Zero } else { Node::Nine });
    }

    /// Whether the rounded value is negative, and its digits, or `###.##` when they do not fit.
    fn digits_of(&self, value: &Numeric, precision: Option<usize>) -> (bool, Vec<u8>) {
        let places = |count: usize| i64::try_from(count).unwrap_or(0);
        let mut fraction = self.fraction;
        if let Some(precision) = precision {
            let whole = value.abs().round(0).to_string().len();
            fraction = fraction.min(precision.saturating_sub(whole));
        }
        let rounded = value.round(places(fraction));
        let text = rounded.abs().to_string();
        let whole = text.find('.').unwrap_or(text.len());
        if whole > self.whole {
            let mut out = vec![b'#'; self.whole];
            out.push(b'.');
            out.resize(self.whole + 1 + fraction, b'#');
            return (rounded.is_negative(), out);
        }
        (rounded.is_negative(), text.into_bytes())
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about the place reached"
)]
struct Writer<'a> {
    layout: &'a Layout,
    negative: bool,
    digits: Vec<u8>,
    /// The next of `digits`.
    at: usize,
    /// Digit places before the first digit.
    blanks: usize,
    /// Digit places gone through.
    place: usize,
    /// How many places there are, as Postgres counts them to find the last one.
    count: usize,
    /// With `FM`: the last digit that is shown.
    last: Option<usize>,
    sign_done: bool,
    sign: Option<Anchor>,
    brackets: bool,
    /// Whether the last place showed something (else a group separator is blank).
    started: bool,
    out: String,
}

impl<'a> Writer<'a> {
    fn new(layout: &'a Layout, negative: bool, digits: Vec<u8>) -> Writer<'a> {
        let point = digits.iter().position(|b| *b == b'.');
        let blanks = layout.whole.saturating_sub(point.unwrap_or(digits.len()));
        let sign_done = if layout.plus || layout.minus {
            layout.minus || !layout.plus
        } else {
            !negative && layout.fill && layout.sign.is_none()
        };
        let sign = layout.sign.map(|(anchor, whole)| {
            if anchor == Anchor::Before && whole == layout.whole {
                Anchor::After
            } else {
                anchor
            }
        });
        let last = (layout.fill && layout.has_point)
            .then(|| {
                let point = point?;
                let last = digits
                    .iter()
                    .rposition(|b| *b != b'0')
                    .unwrap_or(point)
                    .max(point);
                let kept = (digits.len() - 1).min(layout.zero_to.saturating_sub(blanks));
                Some(if layout.zero_to > blanks {
                    last.max(kept)
                } else {
                    last
                })
            })
            .flatten();
        let count = (layout.whole + layout.fraction).saturating_sub(1)
            + usize::from(!sign_done && blanks == 0);
        Writer {
            layout,
            negative,
            digits,
            at: 0,
            blanks,
            place: 0,
            count,
            last,
            sign_done,
            sign,
            brackets: layout.brackets && (negative || !layout.fill),
            started: false,
            out: String::new(),
        }
    }

    fn write(mut self) -> Result<String, SqlError> {
        let fill = self.layout.fill;
        for node in &self.layout.nodes {
            match node {
                Node::Nine | Node::Point => self.place(false),
                Node::Zero => self.place(true),
                Node::Group if self.started => self.out.push(','),
                Node::Group if fill => {}
                Node::Group | Node::Currency => self.out.push(' '),
                Node::Sign => {}
                Node::Minus if self.negative => self.out.push('-'),
                Node::Plus if !self.negative => self.out.push('+'),
                Node::Minus | Node::Plus => self.blank(),
                Node::PlusOrMinus => self.out.push(if self.negative { '-' } else { '+' }),
                Node::Ordinal(case) => {
                    let number = String::from_utf8_lossy(&self.digits).into_owned();
                    if !self.negative && !number.starts_with('#') && !self.layout.has_point {
                        if !number.ends_with(|c: char| c.is_ascii_digit()) {
                            return Err(SqlError::new(
                                "22P02",
                                format!("\"{number}\" is not a number"),
                            ));
                        }
                        self.out.push_str(ordinal(&number, *case));
                    }
                }
                Node::Char(c) => self.out.push(*c),
            }
        }
        Ok(self.out)
    }

    fn blank(&mut self) {
        if !self.layout.fill {
            self.out.push(' ');
        }
    }

    fn digit_at(&self) -> Option<u8> {
        self.digits.get(self.at).copied()
    }

    /// `0.5` in `9.9` shows a blank for the zero.
    fn hides_leading_zero(&self) -> bool {
        self.layout.zero_from.is_none()
            && self.at == 0
            && self.digit_at() == Some(b'0')
            && self.layout.fraction != 0
    }

    fn last_is_point(&self) -> bool {
        self.last
            .is_some_and(|last| self.digits.get(last) == Some(&b'.'))
    }

    fn place(&mut self, zero: bool) {
        self.started = false;
        let zero_from = self.layout.zero_from;
        let number_begins = self.place >= self.blanks || zero_from == Some(self.place);
        if !self.sign_done && number_begins && (!self.hides_leading_zero() || self.last_is_point())
        {
            self.write_sign();
        }
        if self.place < self.blanks && zero_from.is_none_or(|from| from > self.place) {
            self.blank();
        } else if self.place < self.blanks {
            self.out.push('0');
            self.started = true;
        } else {
            self.write_digit(zero);
            self.at += usize::from(self.at < self.digits.len());
        }
        let mut end =
            self.count + usize::from(self.blanks > 0) + usize::from(self.layout.has_point);
        if self.last == Some(self.at) && self.last.is_some() {
            end = self.place;
        }
        if self.place + 1 == end {
            if self.sign_done && self.brackets {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if self.sign == Some(Anchor::After) {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.place += 1;
    }

    fn write_sign(&mut self) {
        if let Some(anchor) = self.sign {
            if anchor == Anchor::Before {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        } else if self.brackets {
            self.out.push(if self.negative { '<' } else { ' ' });
        } else if self.negative {
            self.out.push('-');
        } else {
            self.blank();
        }
        self.sign_done = true;
    }

    fn write_digit(&mut self, zero: bool) {
        match self.digit_at() {
            Some(b'.') if !self.last_is_point() || self.layout.fill => self.out.push('.'),
            Some(b'.') => {}
            _ if self.last.is_some_and(|last| self.at > last) && !zero => {}
            _ if self.hides_leading_zero() => {
                if self.last_is_point() {
                    self.out.push('0');
                    self.started = true;
                } else {
                    self.blank();
                }
            }
            Some(digit) => {
                self.out.push(char::from(digit));
                self.started = true;
            }
            None => {}
        }
    }
}
