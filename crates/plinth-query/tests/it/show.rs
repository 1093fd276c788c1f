//! Short text for requests, fetches and errors, and the shortest way to each of them.

use std::fmt::Write as _;

use plinth_query::negotiate::{self, Media};
use plinth_query::plan::{self, Asked, Context};
use plinth_query::preferences::Preferences;
use plinth_query::request::{self, FieldRef, Item, JsonKey, Level, Request, Tree};
use plinth_query::{Error, body};
use plinth_sql::catalog::Catalog;
use plinth_sql::print;
use plinth_sql::shape::{Fetch, FieldValue};

use crate::schema;

pub(crate) fn context(catalog: &Catalog) -> Context<'_> {
    Context {
        catalog,
        schema: "public",
        role: "anon",
        max_rows: Some(1000),
    }
}

pub(crate) fn asked(prefer: &str, accept: Option<&str>) -> Asked {
    let preferences = Preferences::parse([prefer]).unwrap();
    Asked {
        preferences,
        media: negotiate::rows(accept).unwrap(),
        range: None,
    }
}

/// `orders?select=id` as what is run.
pub(crate) fn read(url: &str) -> String {
    match plan_read(url) {
        Ok(plan) => fetch(&plan.read.what.fetch),
        Err(error) => self::error(&error),
    }
}

pub(crate) fn plan_read(url: &str) -> Result<plan::ReadPlan, Error> {
    let (name, query) = url.split_once('?').unwrap_or((url, ""));
    plan::read(
        &request::parse(name, query)?,
        &context(&schema::catalog()),
        &asked("", None),
    )
}

/// `POST`, `PATCH`, `PUT` or `DELETE` as what is run.
pub(crate) fn write(method: &str, url: &str, prefer: &str, json: &str) -> String {
    plan_write(method, url, prefer, json).map_or_else(
        |error| self::error(&error),
        |plan| {
            let mut out = match &plan.write {
                Some(write) => fetch(&write.what.fetch),
                None => "nothing to do\n".to_owned(),
            };
            if let Some(applied) = &plan.applied {
                writeln!(out, "applied: {applied}").unwrap();
            }
            out
        },
    )
}

pub(crate) fn plan_write(
    method: &str,
    url: &str,
    prefer: &str,
    json: &str,
) -> Result<plan::WritePlan, Error> {
    let (name, query) = url.split_once('?').unwrap_or((url, ""));
    let request = request::parse(name, query)?;
    let asked = asked(prefer, None);
    let catalog = schema::catalog();
    let cx = context(&catalog);
    let payload = || body::rows(None, json.as_bytes(), request.columns.as_deref());
    match method {
        "POST" => plan::insert(&request, &payload()?, &cx, &asked),
        "PATCH" => plan::update(&request, &payload()?, &cx, &asked),
        "PUT" => plan::put(&request, &payload()?, &cx, &asked),
        _ => plan::delete(&request, &cx, &asked),
    }
}

pub(crate) fn plan_call(
    url: &str,
    json: Option<&str>,
    prefer: &str,
) -> Result<plan::CallPlan, Error> {
    let (name, query) = url.split_once('?').unwrap_or((url, ""));
    let catalog = schema::catalog();
    let asked = Asked {
        media: Media::Json,
        ..asked(prefer, None)
    };
    match json {
        Some(json) => {
            let arguments = body::arguments(None, json.as_bytes())?;
            plan::call(
                &request::parse(name, query)?,
                Some(&arguments),
                &context(&catalog),
                &asked,
            )
        }
        None => plan::call(
            &request::parse_call(name, query)?,
            None,
            &context(&catalog),
            &asked,
        ),
    }
}

pub(crate) fn call(url: &str, json: Option<&str>) -> String {
    match plan_call(url, json, "") {
        Ok(plan) => format!(
            "{:?}{}\n{}",
            plan.shape,
            if plan.read.read_only {
                ", read only"
            } else {
                ""
            },
            fetch(&plan.read.fetch)
        ),
        Err(error) => self::error(&error),
    }
}

pub(crate) fn fetch(fetch: &Fetch) -> String {
    let mut out = String::new();
    show_fetch(&mut out, fetch, 0);
    out
}

fn show_fetch(out: &mut String, fetch: &Fetch, depth: usize) {
    let margin = "    ".repeat(depth);
    writeln!(
        out,
        "{margin}{}",
        print::statement(&fetch.statement).replace('\n', " ")
    )
    .unwrap();
    if !fetch.params.is_empty() {
        let shown: Vec<&str> = fetch
            .params
            .iter()
            .map(|param| param.text(&[]).unwrap_or("NULL"))
            .collect();
        writeln!(out, "{margin}with {}", shown.join(" | ")).unwrap();
    }
    let mut columns = Vec::new();
    for field in &fetch.fields {
        match &field.value {
            FieldValue::Column(place) => columns.push(format!("{}={place}", field.key)),
            FieldValue::Embed(embed) => {
                columns.push(format!("{}={:?}{:?}", field.key, embed.shape, embed.bind));
            }
        }
    }
    if !columns.is_empty() {
        writeln!(out, "{margin}as {}", columns.join(" ")).unwrap();
    }
    for field in &fetch.fields {
        if let FieldValue::Embed(embed) = &field.value {
            show_fetch(out, &embed.fetch, depth + 1);
        }
    }
}

pub(crate) fn error(error: &Error) -> String {
    let mut out = format!("{} {}\n", error.code(), error.message());
    match error.details() {
        serde_json::Value::Null => {}
        serde_json::Value::String(text) => writeln!(out, "details: {text}").unwrap(),
        other => writeln!(out, "details: {other}").unwrap(),
    }
    if let Some(hint) = error.hint() {
        writeln!(out, "hint: {hint}").unwrap();
    }
    out
}

/// A query string as a request.
pub(crate) fn parsed(query: &str) -> String {
    match request::parse("t", query) {
        Ok(request) => self::request(&request),
        Err(error) => self::error(&error),
    }
}

pub(crate) fn request(request: &Request) -> String {
    let mut out = String::new();
    level(&mut out, &request.root, 0);
    if let Some(columns) = &request.columns {
        writeln!(out, "columns {columns:?}").unwrap();
    }
    if let Some(columns) = &request.on_conflict {
        writeln!(out, "on_conflict {columns:?}").unwrap();
    }
    for (name, value) in &request.arguments {
        writeln!(out, "argument {name} = {value:?}").unwrap();
    }
    out
}

fn level(out: &mut String, level: &Level, depth: usize) {
    let margin = "    ".repeat(depth);
    for item in &level.items {
        match item {
            Item::All => writeln!(out, "{margin}*").unwrap(),
            Item::Aggregate { function } => writeln!(out, "{margin}{function}()").unwrap(),
            Item::Column(item) => {
                let alias = item
                    .alias
                    .as_ref()
                    .map(|alias| format!(" as {alias:?}"))
                    .unwrap_or_default();
                let cast = item
                    .cast
                    .as_ref()
                    .map(|cast| format!("::{cast}"))
                    .unwrap_or_default();
                writeln!(out, "{margin}{}{cast}{alias}", field(&item.field)).unwrap();
            }
            Item::Embed(embed) => {
                let spread = if embed.spread { "..." } else { "" };
                let hint = embed
                    .hint
                    .as_ref()
                    .map(|hint| format!(" by {hint}"))
                    .unwrap_or_default();
                let inner = if embed.inner { " inner" } else { "" };
                writeln!(
                    out,
                    "{margin}{spread}{}: {}{hint}{inner}",
                    embed.key(),
                    embed.name
                )
                .unwrap();
                self::level(out, &embed.level, depth + 1);
            }
        }
    }
    for tree in &level.filters {
        writeln!(out, "{margin}where {}", self::tree(tree)).unwrap();
    }
    for term in &level.order {
        let embed = term
            .embed
            .as_ref()
            .map(|embed| format!("{embed}."))
            .unwrap_or_default();
        let direction = if term.descending { " desc" } else { "" };
        let nulls = match term.nulls_first {
            Some(true) => " nulls first",
            Some(false) => " nulls last",
            None => "",
        };
        writeln!(
            out,
            "{margin}order {embed}{}{direction}{nulls}",
            field(&term.field)
        )
        .unwrap();
    }
    if let Some(limit) = level.limit {
        writeln!(out, "{margin}limit {limit}").unwrap();
    }
    if let Some(offset) = level.offset {
        writeln!(out, "{margin}offset {offset}").unwrap();
    }
}

fn field(field: &FieldRef) -> String {
    let mut out = field.name.clone();
    for step in &field.path {
        out.push_str(if step.as_text { "->>" } else { "->" });
        match &step.key {
            JsonKey::Index(index) => write!(out, "{index}").unwrap(),
            JsonKey::Name(name) => write!(out, "{name:?}").unwrap(),
        }
    }
    out
}

fn tree(tree: &Tree) -> String {
    match tree {
        Tree::Filter(filter) => {
            let not = if filter.negated { "not " } else { "" };
            format!("{not}{} {:?}", field(&filter.field), filter.test)
        }
        Tree::Group {
            negated,
            any,
            terms,
        } => {
            let terms: Vec<String> = terms.iter().map(self::tree).collect();
            let not = if *negated { "not " } else { "" };
            format!(
                "{not}{}[{}]",
                if *any { "or" } else { "and" },
                terms.join("; ")
            )
        }
    }
}
