//! Requests, shape by shape.

use super::choice::{one, weighted};
use super::request::{Request, caller};
use super::schema::Column;
use super::values::{SUBJECTS, Ty};
use super::world::{Model, Source};
use crate::random::Random;

/// So many of a hundred requests have the shape of one before.
const REPEATED_PERCENT: u64 = 72;
/// So many of a hundred values are none of their type.
pub(super) const FAULTY_PERCENT: u64 = 1;

/// What a request does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Read,
    Insert,
    Update,
    Delete,
    Put,
    Call,
    Describe,
}

/// So many requests about a world.
pub(super) fn requests(random: &mut Random, model: &Model, count: usize) -> Vec<Request> {
    let mut shapes: Vec<(Deed, u64)> = Vec::new();
    let mut requests = Vec::with_capacity(count);
    for _ in 0..count {
        let (deed, seed) = if !shapes.is_empty() && random.chance(REPEATED_PERCENT) {
            *one(random, &shapes)
        } else {
            let shape = (deed(random), random.bits());
            shapes.push(shape);
            shape
        };
        let values = Random::new(random.bits());
        let who = weighted(random, &[(14, 0), (25, 1), (23, 2), (14, 3), (24, 4)]);
        let mut maker = Maker {
            model,
            shape: Random::new(seed),
            values,
            who,
            related_order: None,
        };
        let mut request = match deed {
            Deed::Read => maker.read(),
            Deed::Insert => maker.insert(),
            Deed::Update => maker.update(),
            Deed::Delete => maker.delete(),
            Deed::Put => maker.put(),
            Deed::Call => maker.call(),
            Deed::Describe => Request::new("GET", "/rest/v1/"),
        };
        request.who = caller(who);
        request.shape = seed;
        requests.push(request);
    }
    requests
}

fn deed(random: &mut Random) -> Deed {
    weighted(
        random,
        &[
            (54, Deed::Read),
            (17, Deed::Insert),
            (10, Deed::Update),
            (5, Deed::Delete),
            (2, Deed::Put),
            (12, Deed::Call),
            (2, Deed::Describe),
        ],
    )
}

/// Makes one request. What it looks like comes from `shape`, what stands in it from `values`.
pub(super) struct Maker<'a> {
    pub(super) model: &'a Model,
    pub(super) shape: Random,
    pub(super) values: Random,
    /// The caller's number.
    pub(super) who: usize,
    /// An embed by which the rows may be ordered, and what is in it.
    pub(super) related_order: Option<(String, Source)>,
}

impl Maker<'_> {
    /// A value to compare a column with, mostly one that is there.
    pub(super) fn value(&mut self, source: &Source, column: &Column) -> String {
        if self.values.chance(70) {
            let table = &self.model.tables[source.table];
            let known: Vec<&str> = table
                .rows
                .iter()
                .filter_map(|row| table.value(row, &column.name))
                .collect();
            if !known.is_empty() {
                return self.values.pick(&known).to_owned();
            }
        }
        if self.values.chance(FAULTY_PERCENT) {
            return "nonsense".to_owned();
        }
        match column.name.as_str() {
            "owner" => self.values.pick(&SUBJECTS).to_owned(),
            _ => self.values.pick(column.ty.pool()).to_owned(),
        }
    }

    /// Filters that find one row by its key, mostly one that is there. Gives the key's values.
    pub(super) fn key_filter(&mut self, request: &mut Request, source: &Source) -> Vec<String> {
        let table = &self.model.tables[source.table];
        let known = !table.rows.is_empty() && self.values.chance(90);
        let row = if known {
            one(&mut self.values, &table.rows).as_slice()
        } else {
            &[]
        };
        let mut key = Vec::new();
        for column in &source.primary {
            let value = match table.value(row, column) {
                Some(value) => value.to_owned(),
                None => {
                    let ty = table.column(column).map_or(Ty::Text, |column| column.ty);
                    self.values.pick(ty.pool()).to_owned()
                }
            };
            request.parameter(column, format!("eq.{value}"));
            key.push(value);
        }
        key
    }
}

/// `Accept`, for other forms than an array of objects.
pub(super) fn accept(request: &mut Request, media: &str) {
    let value = match media {
        "object" => "application/vnd.pgrst.object+json",
        "csv" => "text/csv",
        "stripped" => "application/vnd.pgrst.array+json;nulls=stripped",
        _ => return,
    };
    request.header("accept", value);
}

/// `Prefer`, when something is preferred.
pub(super) fn prefer(request: &mut Request, preferences: &[String]) {
    if !preferences.is_empty() {
        request.header("prefer", preferences.join(", "));
    }
}
