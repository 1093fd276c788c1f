//! Filters and the boolean trees over them.

use super::scan::Scanner;
use super::{
    Comparison, FieldRef, Filter, Is, MAX_FILTERS, MAX_IN_ELEMENTS, MAX_LOGIC_DEPTH, Test, Tree,
};
use crate::array;
use crate::error::Error;

const EXPECTED_OPERATOR: &str = "\"not\" or operator (eq, gt, ...)";

/// What is left of a request's bounds.
pub(super) struct Budget {
    filters: usize,
    in_elements: usize,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget {
            filters: MAX_FILTERS,
            in_elements: MAX_IN_ELEMENTS,
        }
    }

    fn filter(&mut self) -> Result<(), Error> {
        let left = self.filters.checked_sub(1);
        self.filters = left.ok_or(Error::TooMany {
            what: "filters",
            limit: MAX_FILTERS,
        })?;
        Ok(())
    }

    fn in_element(&mut self) -> Result<(), Error> {
        let left = self.in_elements.checked_sub(1);
        self.in_elements = left.ok_or(Error::TooMany {
            what: "elements of in lists",
            limit: MAX_IN_ELEMENTS,
        })?;
        Ok(())
    }
}

/// `[not.]op.value`, the text after `=`.
pub(super) fn filter(field: FieldRef, written: &str, budget: &mut Budget) -> Result<Filter, Error> {
    budget.filter()?;
    let mut s = Scanner::new("filter", written);
    let (negated, found) = operator(&mut s)?;
    let test = match found {
        Operator::In => {
            let list = in_list(&mut s, budget)?;
            s.end("the end after \")\"")?;
            Test::In(list)
        }
        operator => {
            let value = s.clone();
            finish(&operator, s.rest().to_owned(), &value, budget)?
        }
    };
    Ok(Filter {
        field,
        negated,
        test,
    })
}

/// Whether the text starts as a filter does, so that it is none of a function's arguments.
pub(super) fn looks_like_filter(text: &str) -> bool {
    operator(&mut Scanner::new("filter", text)).is_ok()
}

/// `(a.eq.1,or(b.is.null,c.gt.2))`, the text after `and=` or `or=`.
pub(super) fn group(
    negated: bool,
    any: bool,
    text: &str,
    budget: &mut Budget,
) -> Result<Tree, Error> {
    let mut s = Scanner::new("logic tree", text);
    let terms = terms(&mut s, 1, budget)?;
    s.blanks();
    s.end("the end after \")\"")?;
    Ok(Tree::Group {
        negated,
        any,
        terms,
    })
}

fn terms(s: &mut Scanner, depth: usize, budget: &mut Budget) -> Result<Vec<Tree>, Error> {
    if depth > MAX_LOGIC_DEPTH {
        return Err(Error::TooMany {
            what: "levels of and/or",
            limit: MAX_LOGIC_DEPTH,
        });
    }
    if !s.eat_spaced("(") {
        return Err(s.error("\"(\""));
    }
    let mut terms = Vec::new();
    loop {
        terms.push(term(s, depth, budget)?);
        if !s.eat_spaced(",") {
            break;
        }
    }
    s.blanks();
    if !s.eat(")") {
        return Err(s.error("\",\" or \")\""));
    }
    Ok(terms)
}

fn term(s: &mut Scanner, depth: usize, budget: &mut Budget) -> Result<Tree, Error> {
    s.blanks();
    for (prefix, negated, any) in [
        ("and", false, false),
        ("or", false, true),
        ("not.and", true, false),
        ("not.or", true, true),
    ] {
        let mut ahead = s.clone();
        if ahead.eat(prefix) {
            ahead.blanks();
            if ahead.peek() == Some('(') {
                *s = ahead;
                budget.filter()?;
                return Ok(Tree::Group {
                    negated,
                    any,
                    terms: terms(s, depth + 1, budget)?,
                });
            }
        }
    }
    budget.filter()?;
    let field = s.field()?;
    if !s.eat(".") {
        return Err(s.error("\".\" and an operator"));
    }
    let (negated, operator) = operator(s)?;
    let test = match operator {
        Operator::In => Test::In(in_list(s, budget)?),
        operator => {
            let before = s.clone();
            let value = logic_value(s);
            finish(&operator, value, &before, budget)?
        }
    };
    Ok(Tree::Filter(Filter {
        field,
        negated,
        test,
    }))
}

enum Operator {
    Compare(Comparison),
    Quantified(Comparison, bool),
    In,
    Is,
    IsDistinct,
    FullText(&'static str),
}

/// `[not.]op.`
fn operator(s: &mut Scanner) -> Result<(bool, Operator), Error> {
    let negated = s.eat("not.");
    let start = s.clone();
    let word = s.word();
    let operator = match word {
        "in" => Operator::In,
        "is" => Operator::Is,
        "isdistinct" => Operator::IsDistinct,
        _ => match (comparison(word), full_text(word)) {
            (Some(op), _) => Operator::Compare(op),
            (None, Some(op)) => Operator::FullText(op),
            (None, None) => return Err(start.error(EXPECTED_OPERATOR)),
        },
    };
    let operator = match operator {
        Operator::Compare(op) if takes_quantifier(op) && s.eat("(any)") => {
            Operator::Quantified(op, false)
        }
        Operator::Compare(op) if takes_quantifier(op) && s.eat("(all)") => {
            Operator::Quantified(op, true)
        }
        Operator::FullText(_) if s.eat("(") => {
            s.until(|c| c == ')');
            if !s.eat(")") {
                return Err(s.error("\")\""));
            }
            operator
        }
        other => other,
    };
    if !s.eat(".") {
        return Err(if s.is_at_end() {
            s.error("\".\"")
        } else {
            start.error(EXPECTED_OPERATOR)
        });
    }
    Ok((negated, operator))
}

fn comparison(word: &str) -> Option<Comparison> {
    Some(match word {
        "eq" => Comparison::Eq,
        "neq" => Comparison::Neq,
        "gt" => Comparison::Gt,
        "gte" => Comparison::Gte,
        "lt" => Comparison::Lt,
        "lte" => Comparison::Lte,
        "like" => Comparison::Like,
        "ilike" => Comparison::Ilike,
        "match" => Comparison::Match,
        "imatch" => Comparison::Imatch,
        "cs" => Comparison::Contains,
        "cd" => Comparison::ContainedBy,
        "ov" => Comparison::Overlaps,
        "sl" => Comparison::StrictlyLeft,
        "sr" => Comparison::StrictlyRight,
        "nxr" => Comparison::NotRight,
        "nxl" => Comparison::NotLeft,
        "adj" => Comparison::Adjacent,
        _ => return None,
    })
}

fn full_text(word: &str) -> Option<&'static str> {
    ["fts", "plfts", "phfts", "wfts"]
        .into_iter()
        .find(|op| *op == word)
}

fn takes_quantifier(op: Comparison) -> bool {
    use Comparison::{Eq, Gt, Gte, Ilike, Imatch, Like, Lt, Lte, Match};
    matches!(op, Eq | Gte | Gt | Lte | Lt | Like | Ilike | Match | Imatch)
}

/// The test of an operator other than `in`; `at` is where the value stood.
fn finish(
    operator: &Operator,
    value: String,
    at: &Scanner,
    budget: &mut Budget,
) -> Result<Test, Error> {
    Ok(match operator {
        Operator::Compare(op) => Test::Compare(*op, value),
        Operator::IsDistinct => Test::IsDistinct(value),
        Operator::FullText(op) => Test::FullText(op),
        Operator::Quantified(op, all) => {
            let values =
                array::parse(&value).ok_or_else(|| at.error("an array literal ({a,b})"))?;
            for _ in &values {
                budget.filter()?;
            }
            Test::Quantified {
                op: *op,
                all: *all,
                values,
            }
        }
        Operator::Is | Operator::In => Test::Is(match value.to_ascii_lowercase().as_str() {
            "null" => Is::Null,
            "not_null" => Is::NotNull,
            "true" => Is::True,
            "false" => Is::False,
            "unknown" => Is::Unknown,
            _ => return Err(at.error("null, not_null, true, false or unknown")),
        }),
    })
}

/// `(a,"b,c")`.
fn in_list(s: &mut Scanner, budget: &mut Budget) -> Result<Vec<String>, Error> {
    if !s.eat_spaced("(") {
        return Err(s.error("\"(\""));
    }
    if s.eat(")") {
        return Ok(Vec::new());
    }
    let mut list = Vec::new();
    loop {
        budget.in_element()?;
        list.push(element(s));
        if s.eat(")") {
            return Ok(list);
        }
        if !s.eat(",") {
            return Err(s.error("\",\" or \")\""));
        }
    }
}

/// A quoted value that ends where a value may end, else everything up to `,` or `)`.
fn element(s: &mut Scanner) -> String {
    let mut ahead = s.clone();
    ahead.blanks();
    if let Some(value) = ahead.quoted() {
        ahead.blanks();
        if matches!(ahead.peek(), None | Some(',' | ')')) {
            *s = ahead;
            return value;
        }
    }
    s.until(|c| matches!(c, ',' | ')')).to_owned()
}

/// A value inside of `and(…)`: as an element, and `{…}` or `[…]` whole.
fn logic_value(s: &mut Scanner) -> String {
    if matches!(s.peek(), Some('{' | '[')) {
        let length = bracketed(s.rest());
        let (value, rest) = s.rest().split_at(length);
        if length > 0
            && matches!(
                rest.trim_start_matches(' ').chars().next(),
                None | Some(',' | ')')
            )
        {
            s.eat(value);
            return value.to_owned();
        }
    }
    element(s)
}

/// The length of the bracketed text at the start; 0 when it does not close.
fn bracketed(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    0
}
