//! The query string as a request: well formed, within bounds, and ignorant of any schema.
//!
//! The grammar is that of `PostgREST`. Filters, orders and pages that address an embed (`items.order=…`) are hung on that
//! embed here already, since the select list alone says which names are embeds.

mod attach;
mod decode;
mod filter;
mod order;
mod scan;
mod select;

pub(crate) use decode::{decode, text as decode_text};

use crate::error::Error;

/// Filters of one request, terms of logic trees and elements of `any`/`all` lists included. It keeps statements within
/// what an engine can hold.
pub const MAX_FILTERS: usize = 1_000;
/// Nesting of `and(…)` and `or(…)`.
pub const MAX_LOGIC_DEPTH: usize = 10;
/// Nesting of embeds.
pub const MAX_EMBED_DEPTH: usize = 10;
/// Entries of all select lists of a request together.
pub const MAX_SELECT_ITEMS: usize = 1_000;
/// Steps of one JSON path, sort keys of one `order`.
pub const MAX_STEPS: usize = 32;
/// Elements of all `in` lists together. A longer list wants a table.
pub const MAX_IN_ELEMENTS: usize = 20_000;
/// Parameters of one query string.
pub const MAX_PARAMETERS: usize = 2_000;

/// A well-formed request for a relation or a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The relation or function.
    pub name: String,
    /// What is wanted of it.
    pub root: Level,
    /// `columns`: the columns a write takes from its body.
    pub columns: Option<Vec<String>>,
    /// `on_conflict`: the conflict target of an upsert.
    pub on_conflict: Option<Vec<String>>,
    /// Arguments of a function called by `GET`, in order.
    pub arguments: Vec<(String, String)>,
}

/// What is wanted of one relation of the select tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The select list. Empty means everything at the root and nothing in an embed.
    pub items: Vec<Item>,
    /// Filters, all of which hold.
    pub filters: Vec<Tree>,
    /// Sort keys.
    pub order: Vec<OrderTerm>,
    /// At most so many rows. May be negative as written.
    pub limit: Option<i64>,
    /// So many rows skipped. May be negative as written.
    pub offset: Option<i64>,
}

/// One entry of a select list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `*`.
    All,
    /// A column, or part of one.
    Column(ColumnItem),
    /// `sum()`, `count()`, …
    Aggregate {
        /// The function.
        function: String,
    },
    /// A related relation.
    Embed(Embed),
}

/// `alias:column->path::type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnItem {
    /// The output key, when given.
    pub alias: Option<String>,
    /// What is read.
    pub field: FieldRef,
    /// `::type`, as written.
    pub cast: Option<String>,
}

/// `alias:name!hint!inner(…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// The output key, when given.
    pub alias: Option<String>,
    /// Relation, foreign-key constraint or foreign-key column.
    pub name: String,
    /// Which relationship, when there are several.
    pub hint: Option<String>,
    /// Parents without a match vanish.
    pub inner: bool,
    /// `...`: its columns become the parent's.
    pub spread: bool,
    /// What is wanted of it.
    pub level: Level,
}

/// A column and a path into its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRef {
    /// The column.
    pub name: String,
    /// `->a->>b`.
    pub path: Vec<JsonStep>,
}

/// `->key` or `->>key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonStep {
    /// `->>`: as text.
    pub as_text: bool,
    /// Where to.
    pub key: JsonKey,
}

/// A key of an object or a place in an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonKey {
    /// From 0; negative from the end.
    Index(i32),
    /// By name.
    Name(String),
}

/// Filters under `and` and `or`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// One filter.
    Filter(Filter),
    /// `and(…)`, `or(…)`, `not.and(…)`, `not.or(…)`.
    Group {
        /// `not.`.
        negated: bool,
        /// `or` rather than `and`.
        any: bool,
        /// At least one.
        terms: Vec<Tree>,
    },
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is tested.
    pub field: FieldRef,
    /// `not.`.
    pub negated: bool,
    /// How.
    pub test: Test,
}

/// How a field is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `eq.1`, `like.a*`, `cs.{a}`, …
    Compare(Comparison, String),
    /// `eq(any).{1,2}`.
    Quantified {
        /// The operator.
        op: Comparison,
        /// `(all)` rather than `(any)`.
        all: bool,
        /// The array's elements.
        values: Vec<Option<String>>,
    },
    /// `in.(1,2)`.
    In(Vec<String>),
    /// `is.null`.
    Is(Is),
    /// `isdistinct.1`.
    IsDistinct(String),
    /// `fts.cat`, by its operator. Its value is not kept: there is no full-text search here.
    FullText(&'static str),
}

/// Operators between a field and one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is named as the protocol's table of operators has it"
)]
pub enum Comparison {
    Eq,
    Neq,
    Gt,
    Gte,
    Lt,
    Lte,
    Like,
    Ilike,
    Match,
    Imatch,
    Contains,
    ContainedBy,
    Overlaps,
    StrictlyLeft,
    StrictlyRight,
    NotRight,
    NotLeft,
    Adjacent,
}

/// What `is` compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as SQL names it")]
pub enum Is {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerm {
    /// The embed whose column it is, for `embed(column)`.
    pub embed: Option<String>,
    /// The key.
    pub field: FieldRef,
    /// `.desc`.
    pub descending: bool,
    /// `.nullsfirst` or `.nullslast`.
    pub nulls_first: Option<bool>,
}

/// Reads the query string (without `?`) of a request for the relation of this (decoded) name.
pub fn parse(name: &str, query: &str) -> Result<Request, Error> {
    attach::request(name, decode(query)?, false)
}

/// The same for a function called by `GET` or `HEAD`, where a parameter that is no filter is an argument.
pub fn parse_call(name: &str, query: &str) -> Result<Request, Error> {
    attach::request(name, decode(query)?, true)
}

impl Level {
    /// Its embeds, in order.
    pub fn embeds(&self) -> impl Iterator<Item = &Embed> {
        self.items.iter().filter_map(|item| match item {
            Item::Embed(embed) => Some(embed),
            _ => None,
        })
    }
}

impl Embed {
    /// The name by which the rest of the request calls it.
    pub fn key(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }
}

impl FieldRef {
    /// A plain column.
    pub fn column(name: impl Into<String>) -> FieldRef {
        FieldRef {
            name: name.into(),
            path: Vec::new(),
        }
    }

    /// The output key it has without an alias: the last name on its path.
    pub fn key(&self) -> &str {
        let named = self.path.iter().rev().find_map(|step| match &step.key {
            JsonKey::Name(name) => Some(name.as_str()),
            JsonKey::Index(_) => None,
        });
        named.unwrap_or(&self.name)
    }
}
