//! Puts the parameters together: each filter, order and page on the level of the select tree it addresses.

use super::scan::Scanner;
use super::{Embed, FieldRef, Item, JsonStep, Level, Request, Tree, filter, order, select};
use crate::error::Error;

/// The request of these parameters; `call` when those that are no filters are arguments.
pub(super) fn request(
    name: &str,
    pairs: Vec<(String, Option<String>)>,
    call: bool,
) -> Result<Request, Error> {
    let mut request = Request {
        name: name.to_owned(),
        ..Request::default()
    };
    let mut rest = Vec::new();
    for (key, value) in pairs {
        let Some(value) = value else { continue };
        match key.as_str() {
            "select" => request.root.items = select::select(&value)?,
            "columns" => {
                request.columns =
                    Some(order::names("columns", &value)?).filter(|names| !names.is_empty());
            }
            "on_conflict" => {
                request.on_conflict =
                    Some(order::names("on_conflict", &value)?).filter(|names| !names.is_empty());
            }
            _ => rest.push((key, value)),
        }
    }
    let mut budget = filter::Budget::new();
    for (key, value) in rest {
        let is_argument = |key: &Key| {
            call && matches!(key.part, Part::Filter(_)) && !filter::looks_like_filter(&value)
        };
        match Key::parse(&key) {
            Err(_) if call && !filter::looks_like_filter(&value) => {
                request.arguments.push((key, value));
            }
            Ok(parsed) if is_argument(&parsed) => request.arguments.push((key, value)),
            parsed => attach(&mut request.root, parsed?, &value, &mut budget)?,
        }
    }
    Ok(request)
}

fn attach(
    root: &mut Level,
    key: Key,
    value: &str,
    budget: &mut filter::Budget,
) -> Result<(), Error> {
    let mut level = root;
    for name in &key.embeds {
        level = find(level, name).ok_or_else(|| Error::NotEmbedded { name: name.clone() })?;
    }
    match key.part {
        Part::Order => level.order.extend(order::order(value)?),
        Part::Limit => level.limit = order::count("limit", value)?.or(level.limit),
        Part::Offset => level.offset = order::count("offset", value)?.or(level.offset),
        Part::Group { negated, any } => {
            level
                .filters
                .push(filter::group(negated, any, value, budget)?);
        }
        Part::Filter(field) => {
            level
                .filters
                .push(Tree::Filter(filter::filter(field, value, budget)?));
        }
    }
    Ok(())
}

/// The level of the embed called so: by its alias before by its name.
fn find<'a>(level: &'a mut Level, name: &str) -> Option<&'a mut Level> {
    let embeds = || {
        level
            .items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| match item {
                Item::Embed(embed) => Some((i, embed)),
                _ => None,
            })
    };
    let found: fn(&Embed, &str) -> bool = |embed, name| embed.name == name;
    let at = embeds()
        .find(|(_, embed)| embed.key() == name)
        .or_else(|| embeds().find(|(_, embed)| found(embed, name)))
        .map(|(i, _)| i)?;
    match &mut level.items[at] {
        Item::Embed(embed) => Some(&mut embed.level),
        _ => None,
    }
}

/// The name of a parameter: which embed, and what of it.
struct Key {
    embeds: Vec<String>,
    part: Part,
}

enum Part {
    Order,
    Limit,
    Offset,
    Group { negated: bool, any: bool },
    Filter(FieldRef),
}

impl Key {
    fn parse(text: &str) -> Result<Key, Error> {
        let mut s = Scanner::new("tree path", text);
        // A quoted word is never a reserved one, so that a column may be called "order".
        let mut words: Vec<(String, bool)> = Vec::new();
        loop {
            s.blanks();
            let quoted = s.peek() == Some('"');
            words.push((s.name()?, quoted));
            if !s.eat(".") {
                break;
            }
        }
        let path = s.json_path()?;
        s.end("\".\" or \"->\"")?;
        let (last, quoted) = words.pop().unwrap_or_default();
        let mut key = Key {
            embeds: words.into_iter().map(|(name, _)| name).collect(),
            part: Part::Order,
        };
        key.part = key.part(last, quoted, path);
        Ok(key)
    }

    fn part(&mut self, last: String, quoted: bool, path: Vec<JsonStep>) -> Part {
        if quoted || !path.is_empty() {
            return Part::Filter(FieldRef { name: last, path });
        }
        match last.as_str() {
            "order" => Part::Order,
            "limit" => Part::Limit,
            "offset" => Part::Offset,
            "and" | "or" => {
                let negated = self.embeds.last().is_some_and(|word| word == "not");
                if negated {
                    self.embeds.pop();
                }
                Part::Group {
                    negated,
                    any: last == "or",
                }
            }
            _ => Part::Filter(FieldRef { name: last, path }),
        }
    }
}
