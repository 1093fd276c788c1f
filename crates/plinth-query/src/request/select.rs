//! `select`: columns, embeds and spreads.

use super::scan::Scanner;
use super::{ColumnItem, Embed, Item, Level, MAX_EMBED_DEPTH, MAX_SELECT_ITEMS};
use crate::error::Error;

const AGGREGATES: [&str; 5] = ["sum", "avg", "count", "min", "max"];

/// A whole select list.
pub(super) fn select(text: &str) -> Result<Vec<Item>, Error> {
    let mut scanner = Scanner::new("select parameter", text);
    let mut count = 0;
    scanner.blanks();
    if scanner.is_at_end() {
        return Ok(Vec::new());
    }
    let items = items(&mut scanner, 0, &mut count)?;
    scanner.blanks();
    scanner.end("\",\" or the end")?;
    Ok(items)
}

fn items(s: &mut Scanner, depth: usize, count: &mut usize) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    loop {
        *count += 1;
        if *count > MAX_SELECT_ITEMS {
            return Err(Error::TooMany {
                what: "select items",
                limit: MAX_SELECT_ITEMS,
            });
        }
        items.push(item(s, depth, count)?);
        if !s.eat_spaced(",") {
            return Ok(items);
        }
    }
}

fn item(s: &mut Scanner, depth: usize, count: &mut usize) -> Result<Item, Error> {
    s.blanks();
    if s.eat("*") {
        return Ok(Item::All);
    }
    if s.eat("...") {
        let name = s.name()?;
        return embed(s, None, name, true, depth, count);
    }
    let mut name = s.name()?;
    let mut alias = None;
    if s.peek() == Some(':') && !s.rest().starts_with("::") {
        s.next();
        alias = Some(std::mem::replace(&mut name, s.name()?));
    }
    if name == "count" && s.eat("()") {
        cast(s)?;
        return Ok(Item::Aggregate { function: name });
    }
    if matches!(s.peek(), Some('(' | '!')) {
        return embed(s, alias, name, false, depth, count);
    }
    let field = super::FieldRef {
        name,
        path: s.json_path()?,
    };
    let written_cast = cast(s)?;
    if s.eat(".") {
        let function = s.word();
        if !AGGREGATES.contains(&function) || !s.eat("()") {
            return Err(s.error("an aggregate (sum(), avg(), count(), min(), max())"));
        }
        cast(s)?;
        return Ok(Item::Aggregate {
            function: function.to_owned(),
        });
    }
    Ok(Item::Column(ColumnItem {
        alias,
        field,
        cast: written_cast,
    }))
}

fn cast(s: &mut Scanner) -> Result<Option<String>, Error> {
    if !s.eat("::") {
        return Ok(None);
    }
    let name = s
        .until(|c| !(c.is_alphanumeric() || matches!(c, '_' | ' ' | '[' | ']')))
        .trim();
    if name.is_empty() {
        return Err(s.error("a type name"));
    }
    Ok(Some(name.to_owned()))
}

fn embed(
    s: &mut Scanner,
    alias: Option<String>,
    name: String,
    spread: bool,
    depth: usize,
    count: &mut usize,
) -> Result<Item, Error> {
    if depth == MAX_EMBED_DEPTH {
        return Err(Error::TooMany {
            what: "levels of embedding",
            limit: MAX_EMBED_DEPTH,
        });
    }
    let (mut hint, mut join) = (None, None);
    while s.eat("!") {
        match s.name()?.as_str() {
            kind @ ("inner" | "left") if join.is_none() => join = Some(kind == "inner"),
            other if hint.is_none() => hint = Some(other.to_owned()),
            _ => return Err(s.error("one hint and one of !inner and !left")),
        }
    }
    if !s.eat_spaced("(") {
        return Err(s.error("\"(\""));
    }
    let items = if s.peek() == Some(')') {
        Vec::new()
    } else {
        items(s, depth + 1, count)?
    };
    s.blanks();
    if !s.eat(")") {
        return Err(s.error("\",\" or \")\""));
    }
    let level = Level {
        items,
        ..Level::default()
    };
    Ok(Item::Embed(Embed {
        alias,
        name,
        hint,
        inner: join == Some(true),
        spread,
        level,
    }))
}
