//! A request and one catalog snapshot as statements.
//!
//! First every name is resolved into a `tree::Node`, level by level; then the tree is written out as `plinth_sql::shape`
//! fetches: one plain statement a level, children bound to columns of their parent's row. Nothing is quoted or printed
//! here, values are always parameters.

mod call;
mod condition;
mod embed;
mod fields;
mod order;
mod read;
mod template;
mod tree;
mod types;
mod upsert;
mod write;

pub use call::{CallPlan, RpcShape, call};
pub use read::{ReadPlan, read};
pub use template::{InsertTemplate, Shape, Template};
pub use types::CASTS;
pub use upsert::put;
pub use write::{WritePlan, delete, insert, update};

use std::sync::Arc;

use plinth_sql::ast::{Expr, FromItem, ObjectName, TableAlias};
use plinth_sql::catalog::{Catalog, QName, Relation};
use plinth_sql::shape::Argument;

use crate::error::Error;
use crate::names;
use crate::negotiate::Media;
use crate::preferences::Preferences;
use crate::range::RangeHeader;

/// How like a table's name must be to be suggested.
const LIKENESS_OF_TABLES: f64 = 0.6;
/// How like a column's name must be to be suggested.
const LIKENESS_OF_COLUMNS: f64 = 0.5;

/// Against what a request is planned.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The snapshot, one for the whole request.
    pub catalog: &'a Catalog,
    /// The exposed schema that the request is about.
    pub schema: &'a str,
    /// Who asks. Decides only what errors may name.
    pub role: &'a str,
    /// At most so many rows in each list of an answer.
    pub max_rows: Option<u64>,
}

/// What the headers ask.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `Prefer`.
    pub preferences: Preferences,
    /// `Accept`.
    pub media: Media,
    /// `Range`; reads only.
    pub range: Option<RangeHeader>,
}

impl<'a> Context<'a> {
    /// The table or view of this name.
    pub fn relation(&self, name: &str) -> Result<&'a Arc<Relation>, Error> {
        let full = QName::new(self.schema, name);
        self.catalog.relation_named(&full).ok_or_else(|| {
            let seen = self.catalog.relations.iter().filter(|(full, relation)| {
                full.schema == self.schema
                    && names::sees_relation(self.catalog, self.role, relation)
            });
            let near = names::nearest(
                name,
                seen.map(|(full, _)| full.name.as_str()),
                LIKENESS_OF_TABLES,
            );
            Error::UnknownTable {
                schema: self.schema.to_owned(),
                table: name.to_owned(),
                did_you_mean: near.map(str::to_owned),
            }
        })
    }

    /// A column's name near this one that the role may see.
    fn near_column(&self, relation: &Relation, name: &str) -> Option<String> {
        let seen = relation
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .filter(|column| names::sees_column(self.catalog, self.role, relation, column));
        names::nearest(name, seen, LIKENESS_OF_COLUMNS).map(str::to_owned)
    }
}

/// The parameters of a statement under construction. In an embed the bound columns come first.
pub(crate) struct Params {
    bound: usize,
    values: Vec<Argument>,
}

impl Params {
    fn new(bound: usize) -> Params {
        Params {
            bound,
            values: Vec::new(),
        }
    }

    fn add(&mut self, value: Option<String>) -> Expr {
        self.values.push(Argument::Given(value));
        self.nth(self.values.len())
    }

    fn nth(&self, number: usize) -> Expr {
        Expr::Param(u32::try_from(self.bound + number).unwrap_or(u32::MAX))
    }
}

/// The names that tables go by within one statement.
#[derive(Default)]
pub(crate) struct Aliases {
    taken: Vec<String>,
}

impl Aliases {
    /// The name itself if it is free, else the name and a number.
    fn take(&mut self, name: &str) -> String {
        let numbered = (1..).map(|number| format!("{name}_{number}"));
        let free = std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|alias| !self.taken.contains(alias));
        let alias = free.unwrap_or_default();
        self.taken.push(alias.clone());
        alias
    }
}

/// `schema.relation as alias`.
fn table(relation: &Relation, alias: &str) -> FromItem {
    FromItem::Table {
        name: object_name(&relation.name),
        alias: Some(TableAlias {
            name: alias.to_owned(),
            ..TableAlias::default()
        }),
    }
}

fn object_name(name: &QName) -> ObjectName {
    ObjectName::qualified(&name.schema, &name.name)
}

fn equal(left: Expr, right: Expr) -> Expr {
    Expr::binary("=", left, right)
}

/// All of the terms, as a tree no deeper than their number needs: engines bound the depth of expressions.
fn all_of(terms: Vec<Expr>) -> Option<Expr> {
    fold(terms, |a, b| Expr::And(Box::new(a), Box::new(b)))
}

/// Any of the terms, likewise.
fn any_of(terms: Vec<Expr>) -> Option<Expr> {
    fold(terms, |a, b| Expr::Or(Box::new(a), Box::new(b)))
}

fn fold(mut terms: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    const STILL_FLAT: usize = 16;
    if terms.len() <= STILL_FLAT {
        return terms.into_iter().reduce(join);
    }
    let right = terms.split_off(terms.len() / 2);
    match (fold(terms, join), fold(right, join)) {
        (Some(left), Some(right)) => Some(join(left, right)),
        (one, other) => one.or(other),
    }
}
