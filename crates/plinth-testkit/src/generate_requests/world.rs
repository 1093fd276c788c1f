//! A world as the runner sees it: statements that make it, and requests.

use plinth_sql::print::{ident, literal};

use super::access;
use super::choice::one;
use super::condition::{self, Scene};
use super::functions::{self, Function};
use super::request::Request;
use super::requests;
use super::rows;
use super::schema::{self, Column, Table};
use super::views::{self, View};
use crate::random::Random;

/// A schema with rows and rules, and requests about it.
#[derive(Clone, Debug)]
pub struct World {
    /// What all of it follows from.
    pub seed: u64,
    /// The statements that make it, in order.
    pub parts: Vec<Part>,
    /// What is asked of it, in order.
    pub requests: Vec<Request>,
}

/// One statement, in pieces as far as some may be left out.
#[derive(Clone, Debug)]
pub enum Part {
    /// A table.
    Table {
        /// Its name.
        name: String,
        /// The columns of its primary key.
        key: Vec<String>,
        /// Its columns and constraints.
        entries: Vec<Entry>,
    },
    /// Rows of a table.
    Rows {
        /// The table.
        table: String,
        /// Columns that have values.
        columns: Vec<String>,
        /// The values, none for null.
        rows: Vec<Vec<Option<String>>>,
    },
    /// Anything else.
    Statement(String),
}

/// A column or a constraint of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The column's name.
    pub column: Option<String>,
    /// As it stands in `create table`.
    pub sql: String,
}

/// What is known of a schema while requests about it are made.
pub(super) struct Model {
    pub(super) tables: Vec<Table>,
    pub(super) views: Vec<View>,
    pub(super) functions: Vec<Function>,
}

/// The world of a seed with so many requests.
pub fn world(seed: u64, requests: usize) -> World {
    let mut random = Random::new(seed);
    let random = &mut random;
    let mut tables = schema::tables(random);
    let mut parts = vec![
        statement("create type level as enum ('low', 'mid', 'high')"),
        statement("create schema private"),
    ];
    for table in &tables {
        parts.push(schema::create(table, &tables));
        parts.extend(rows::inserts(table));
        if table.has("owner") && random.chance(25) {
            let name = ident(&table.name);
            parts.push(statement(format!("create index on {name} (owner)")));
        }
    }
    let mut statements = Vec::new();
    let helpers = condition::helpers(random, &tables, &mut statements);
    for place in 0..tables.len() {
        let scene = Scene {
            tables: &tables,
            helpers: &helpers,
        };
        let rules = access::policies(random, &scene, place);
        let asks_others = rules.statements.iter().any(|sql| sql.contains(" from "));
        statements.extend(rules.statements);
        let table = &mut tables[place];
        table.protected = rules.protected;
        let grants = access::grants(random, table);
        table.plain = table.protected && !asks_others && grants.is_empty();
        statements.extend(grants);
    }
    let scene = Scene {
        tables: &tables,
        helpers: &helpers,
    };
    let views = views::views(random, &scene, &mut statements);
    let functions = functions::functions(random, &tables, &mut statements);
    parts.extend(statements.into_iter().map(Part::Statement));
    let model = Model {
        tables,
        views,
        functions,
    };
    World {
        seed,
        parts,
        requests: requests::requests(random, &model, requests),
    }
}

fn statement(sql: impl Into<String>) -> Part {
    Part::Statement(sql.into())
}

impl Part {
    /// The statement.
    pub fn sql(&self) -> String {
        match self {
            Part::Statement(sql) => sql.clone(),
            Part::Table { name, entries, .. } => {
                let entries: Vec<&str> = entries.iter().map(|entry| entry.sql.as_str()).collect();
                format!(
                    "create table {} (\n  {}\n)",
                    ident(name),
                    entries.join(",\n  ")
                )
            }
            Part::Rows {
                table,
                columns,
                rows,
            } => {
                let cell = |value: &Option<String>| match value {
                    Some(text) => literal(text),
                    None => "null".to_owned(),
                };
                let row = |row: &Vec<Option<String>>| {
                    let cells: Vec<String> = row.iter().map(cell).collect();
                    format!("({})", cells.join(", "))
                };
                let rows: Vec<String> = rows.iter().map(row).collect();
                format!(
                    "insert into {} ({}) values\n  {}",
                    ident(table),
                    schema::listed(columns),
                    rows.join(",\n  ")
                )
            }
        }
    }
}

impl World {
    /// For each table the query that shows all of it, in the order of its key.
    pub fn contents(&self) -> Vec<String> {
        let tables = self.parts.iter().filter_map(|part| match part {
            Part::Table { name, key, .. } => Some((name, key)),
            Part::Rows { .. } | Part::Statement(_) => None,
        });
        tables
            .map(|(name, key)| {
                format!(
                    "select * from {} order by {}",
                    ident(name),
                    schema::listed(key)
                )
            })
            .collect()
    }
}

/// What a request is about: a table, a view, or the rows of a function.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The columns that tell its rows apart.
    pub(super) primary: Vec<String>,
    /// The table whose rows are in it.
    pub(super) table: usize,
    /// Whether others may be embedded in it.
    pub(super) embeds: bool,
}

impl Model {
    pub(super) fn source(&self, table: usize) -> Source {
        let found = &self.tables[table];
        Source {
            name: found.name.clone(),
            columns: found.columns.clone(),
            primary: found.primary.clone(),
            table,
            embeds: true,
        }
    }

    pub(super) fn view(&self, random: &mut Random) -> Source {
        let view = one(random, &self.views);
        Source {
            name: view.name.to_owned(),
            columns: view.columns.clone(),
            primary: self.tables[view.table].primary.clone(),
            table: view.table,
            embeds: false,
        }
    }
}
