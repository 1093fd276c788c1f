//! A statement together with the document its rows are answered as.
//!
//! This is how front ends (REST, later GraphQL) ask for nested documents without knowing the engine: a tree of
//! statements, each child bound to columns of its parent's row. An engine may run it as nested statements or
//! fold it into one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::SqlError;
use crate::ast::{Query, Statement};

/// A statement and the object that each of its rows becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetch {
    /// A query, or an `INSERT`/`UPDATE`/`DELETE` with `RETURNING`.
    pub statement: Statement,
    /// `$1`, `$2`, …, typed by where they stand. In an embed they follow the bound columns.
    pub params: Vec<Argument>,
    /// The object's entries, in order. Columns of the statement that no field names are not shown.
    pub fields: Vec<Field>,
    /// By which an engine knows the statement again.
    pub id: Option<StatementId>,
}

/// What `$n` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A value in Postgres's text form, or null.
    Given(Option<String>),
    /// The value at this place of those that come with each run.
    Slot(usize),
}

impl Argument {
    /// The text, where `values` came with this run; null for a slot without one.
    pub fn text<'a>(&'a self, values: &'a [Option<String>]) -> Option<&'a str> {
        match self {
            Argument::Given(text) => text.as_deref(),
            Argument::Slot(place) => values.get(*place)?.as_deref(),
        }
    }
}

/// Names a statement that is run again and again with nothing but its slots different, so that an engine may keep what it
/// made of it. No two statements of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(u64);

impl StatementId {
    /// One that no other statement has.
    pub fn fresh() -> StatementId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        StatementId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// One entry of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key. Not used for spreads, whose fields carry keys of their own.
    pub key: String,
    /// Its value.
    pub value: FieldValue,
}

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// The statement's column at this place, counted from 0.
    Column(usize),
    /// Rows of another statement.
    Embed(Box<Embed>),
}

/// Rows of a related table.
#[derive(Clone, Debug, PartialEq)]
pub struct Embed {
    /// How they are shown.
    pub shape: EmbedShape,
    /// Places of the parent statement's columns that become `$1`, `$2`, … of the child, before its own parameters.
    pub bind: Vec<usize>,
    /// What is fetched for each parent row.
    pub fetch: Fetch,
}

/// How related rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbedShape {
    /// An array of objects.
    Many,
    /// An object or null.
    One,
    /// The object's entries as entries of the parent (null when there is none).
    SpreadOne,
    /// An array for each entry, as an entry of the parent.
    SpreadMany,
}

/// A read: what is fetched and what is counted, in one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The rows.
    pub fetch: Fetch,
    /// How many rows there are without the page's limits.
    pub count: Option<Count>,
    /// How the body is written.
    pub format: BodyFormat,
    /// False for calls of functions that may write: those run on the writer.
    pub read_only: bool,
}

/// A query that yields one `bigint`.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// The query.
    pub query: Query,
    /// Its `$1`, `$2`, ….
    pub params: Vec<Argument>,
    /// By which an engine knows it again.
    pub id: Option<StatementId>,
}

/// A read or write, perhaps shared by many requests, with the values of its slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled<T> {
    /// What is run.
    pub what: Arc<T>,
    /// What its slots stand for, in Postgres's text form.
    pub values: Vec<Option<String>>,
}

impl<T> From<T> for Filled<T> {
    fn from(what: T) -> Filled<T> {
        Filled {
            what: Arc::new(what),
            values: Vec::new(),
        }
    }
}

/// A write, all of it or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The statement and what is answered. Without fields, only the number of rows is.
    pub fetch: Fetch,
    /// How the body is written.
    pub format: BodyFormat,
    /// More affected rows than this are an error (`PGRST124` above) and nothing is done.
    pub max_affected: Option<u64>,
    /// Other than one row is an error (`PGRST116` above) and nothing is done.
    pub exactly_one: bool,
    /// Run, answer, and roll back.
    pub rollback: bool,
}

impl Write {
    /// Fails when a number of affected rows is one that the write asked not to have.
    pub fn check_affected(&self, affected: u64) -> Result<(), SqlError> {
        if self.max_affected.is_some_and(|limit| affected > limit) {
            return Err(SqlError::new(
                "PGRST124",
                "Query result exceeds max-affected preference constraint",
            )
            .detail(format!("The query affects {affected} rows")));
        }
        if self.exactly_one && affected != 1 {
            return Err(SqlError::new(
                "PGRST116",
                "Cannot coerce the result to a single JSON object",
            )
            .detail(format!("The result contains {affected} rows")));
        }
        Ok(())
    }
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BodyFormat {
    /// An array of objects, `[{…},{…}]`.
    #[default]
    Json,
    /// The same without entries that are null, at every depth.
    JsonNullsStripped,
    /// The bare values of the first field, `[1,2]`: what scalar functions answer.
    JsonScalars,
    /// A header line and one line a row.
    Csv,
    /// No body is wanted.
    None,
}

/// What a read or a write gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The body in the asked format. JSON is always an array: a single object is `body[1..len-1]` when `rows == 1`.
    pub body: Vec<u8>,
    /// Rows in the body, or rows affected.
    pub rows: u64,
    /// What `count` gave.
    pub total: Option<u64>,
    /// Rows that an upsert inserted rather than updated.
    pub inserted: u64,
}
