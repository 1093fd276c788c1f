//! `order`, `limit`, `offset`, and lists of plain names.

use super::scan::Scanner;
use super::{MAX_SELECT_ITEMS, MAX_STEPS, OrderTerm};
use crate::error::Error;

/// `a.desc,b->>c.nullslast,client(name)`.
pub(super) fn order(text: &str) -> Result<Vec<OrderTerm>, Error> {
    let mut s = Scanner::new("order", text);
    let mut terms = Vec::new();
    loop {
        if terms.len() == MAX_STEPS {
            return Err(Error::TooMany {
                what: "order terms",
                limit: MAX_STEPS,
            });
        }
        terms.push(term(&mut s)?);
        if !s.eat_spaced(",") {
            break;
        }
    }
    s.blanks();
    s.end("\",\", \".asc\", \".desc\", \".nullsfirst\" or \".nullslast\"")?;
    Ok(terms)
}

fn term(s: &mut Scanner) -> Result<OrderTerm, Error> {
    let mut field = s.field()?;
    let mut embed = None;
    if field.path.is_empty() && s.eat("(") {
        embed = Some(field.name);
        field = s.field()?;
        s.blanks();
        if !s.eat(")") {
            return Err(s.error("\")\""));
        }
    }
    let descending = s.eat(".desc");
    if !descending {
        s.eat(".asc");
    }
    let nulls_first = if s.eat(".nullsfirst") {
        Some(true)
    } else if s.eat(".nullslast") {
        Some(false)
    } else {
        None
    };
    Ok(OrderTerm {
        embed,
        field,
        descending,
        nulls_first,
    })
}

/// The number after `limit=` or `offset=`; an empty text is no number and no error.
pub(super) fn count(what: &'static str, text: &str) -> Result<Option<i64>, Error> {
    match text.trim() {
        "" => Ok(None),
        number => match number.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Scanner::new(what, text).error("an integer")),
        },
    }
}

/// `"a","b",c`: the value of `columns` and `on_conflict`.
pub(super) fn names(what: &'static str, text: &str) -> Result<Vec<String>, Error> {
    let mut s = Scanner::new(what, text);
    let mut names: Vec<String> = Vec::new();
    s.blanks();
    while !s.is_at_end() {
        if names.len() == MAX_SELECT_ITEMS {
            return Err(Error::TooMany {
                what,
                limit: MAX_SELECT_ITEMS,
            });
        }
        let name = s.name()?;
        if !names.contains(&name) {
            names.push(name);
        }
        if !s.eat_spaced(",") {
            s.blanks();
            s.end("\",\" or the end")?;
        } else if s.is_at_end() {
            return Err(s.error("a column name"));
        }
    }
    Ok(names)
}
