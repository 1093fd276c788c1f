//! `POST`, `PATCH`, `PUT` and `DELETE`.

use std::collections::BTreeMap;

use super::choice::{count, one, place, weighted};
use super::request::{Body, Request};
use super::requests::{FAULTY_PERCENT, Maker, accept, prefer};
use super::schema::{Column, Identity, Table};
use super::values::{SUBJECTS, Ty, fresh_uuid, json, json_array};
use super::world::Source;

/// Names and JSON.
type Row = Vec<(String, String)>;

/// The rows that keys of one row point to, by key.
type Chosen<'a> = BTreeMap<usize, Pointer<'a>>;

#[derive(Clone, Copy)]
enum Pointer<'a> {
    Nothing,
    Anything,
    Row(&'a [Option<String>]),
}

/// What a `POST` does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Insert {
    One,
    Many,
    Upsert,
}

impl<'a> Maker<'a> {
    pub(super) fn insert(&mut self) -> Request {
        let of = place(&mut self.shape, self.model.tables.len());
        let (table, source) = (&self.model.tables[of], self.model.source(of));
        let mut request = Request::new("POST", format!("/rest/v1/{}", table.name));
        request.writes = true;
        let kind = weighted(
            &mut self.shape,
            &[(60, Insert::One), (25, Insert::Many), (15, Insert::Upsert)],
        );
        let number = match kind {
            Insert::One => 1,
            Insert::Upsert => count(&mut self.shape, 1, 3),
            Insert::Many => count(&mut self.shape, 2, 3),
        };
        let columns = self.inserted_columns(table);
        let mut rows: Vec<Row> = (0..number).map(|_| self.row(table, &columns)).collect();
        let mut preferences: Vec<String> = Vec::new();
        match kind {
            Insert::One => {}
            Insert::Many => self.ragged(&mut request, &columns, &mut rows, &mut preferences),
            Insert::Upsert => self.upsert(&mut request, table, &mut rows, &mut preferences),
        }
        let single = number == 1 && (kind == Insert::One || self.shape.chance(50));
        let single = single && self.shape.chance(85);
        request.body = Some(Body { rows, single });
        let returns = weighted(
            &mut self.shape,
            &[
                (58, "representation"),
                (15, "minimal"),
                (10, "headers-only"),
                (17, ""),
            ],
        );
        if !returns.is_empty() {
            preferences.push(format!("return={returns}"));
        }
        for (percent, preference) in [
            (8, "count=exact"),
            (3, "tx=rollback"),
            (4, "handling=strict"),
        ] {
            if self.shape.chance(percent) {
                preferences.push(preference.to_owned());
            }
        }
        if returns == "representation" {
            let media = weighted(
                &mut self.shape,
                &[(84, ""), (8, "object"), (4, "csv"), (4, "stripped")],
            );
            self.representation(&mut request, &source, (45, media));
        }
        prefer(&mut request, &preferences);
        request
    }

    /// The columns of an insert: those that need a value, and some others.
    fn inserted_columns(&mut self, table: &'a Table) -> Vec<&'a Column> {
        let mut columns = Vec::new();
        for column in &table.columns {
            let generated = column.generated.is_some();
            let chosen = if generated || column.identity == Some(Identity::Always) {
                self.shape.chance(2)
            } else if column.identity.is_some() {
                self.shape.chance(12)
            } else {
                let needed = !column.nullable && column.default.is_none();
                self.shape.chance(if needed { 98 } else { 60 })
            };
            if chosen {
                columns.push(column);
            }
        }
        columns
    }

    /// Makes the first row lack its last column, by chance.
    fn ragged(
        &mut self,
        request: &mut Request,
        columns: &[&Column],
        rows: &mut [Row],
        preferences: &mut Vec<String>,
    ) {
        if !self.shape.chance(30) {
            return;
        }
        let names = columns.iter().map(|column| column.name.clone()).collect();
        request.query.push(("columns".to_owned(), names));
        let how = self.shape.below(4);
        if how > 0 && !columns.is_empty() {
            rows[0].pop();
        }
        if how > 1 {
            preferences.push("missing=default".to_owned());
        }
    }

    fn upsert(
        &mut self,
        request: &mut Request,
        table: &Table,
        rows: &mut [Row],
        preferences: &mut Vec<String>,
    ) {
        let resolution =
            self.shape
                .pick(&["merge-duplicates", "merge-duplicates", "ignore-duplicates"]);
        preferences.push(format!("resolution={resolution}"));
        let unique = table.columns.iter().find(|column| column.unique);
        if self.shape.chance(40) {
            let target = ("on_conflict".to_owned(), table.primary.clone());
            request.query.push(target);
        } else if let Some(unique) = unique
            && self.shape.chance(50)
        {
            request.parameter("on_conflict", &unique.name);
        }
        if self.shape.chance(60) && !table.rows.is_empty() {
            let known = one(&mut self.values, &table.rows);
            for (name, value) in &mut rows[0] {
                if let Some(column) = table.column(name)
                    && table.is_primary(name)
                {
                    *value = json(column.ty, table.value(known, name));
                }
            }
        }
    }

    /// What an answer shows of rows that were written. `select` says how many out of a hundred have a select list.
    fn representation(
        &mut self,
        request: &mut Request,
        source: &Source,
        (select, media): (u64, &str),
    ) {
        if self.shape.chance(select) {
            let before = request.query.len();
            self.add_select(request, source, media != "csv");
            // Filters by the presence of an embed belong to reads.
            let mut place = 0;
            request.query.retain(|(name, _)| {
                place += 1;
                place <= before || name == "select" || name.contains('.')
            });
        }
        accept(request, media);
    }

    pub(super) fn update(&mut self) -> Request {
        let of = place(&mut self.shape, self.model.tables.len());
        let (table, source) = (&self.model.tables[of], self.model.source(of));
        let given = |column: &&Column| column.generated.is_none() && column.identity.is_none();
        let ordinary = table.columns.iter().filter(given);
        let mut columns: Vec<&Column> = ordinary
            .filter(|column| !table.is_primary(&column.name))
            .collect();
        if columns.is_empty() || self.shape.chance(6) {
            columns = table.columns.iter().collect();
        }
        if columns.is_empty() {
            return self.insert();
        }
        let mut chosen: Vec<&Column> = Vec::new();
        for _ in 0..count(&mut self.shape, 1, 3) {
            let column = self.shape.pick(&columns);
            if chosen.iter().all(|known| known.name != column.name) {
                chosen.push(column);
            }
        }
        let mut request = Request::new("PATCH", format!("/rest/v1/{}", table.name));
        request.writes = true;
        let rows = vec![self.row(table, &chosen)];
        request.body = Some(Body { rows, single: true });
        self.change(&mut request, &source, 60);
        request
    }

    pub(super) fn delete(&mut self) -> Request {
        let of = place(&mut self.shape, self.model.tables.len());
        let source = self.model.source(of);
        let mut request = Request::new("DELETE", format!("/rest/v1/{}", source.name));
        request.writes = true;
        self.change(&mut request, &source, 75);
        request
    }

    /// Which rows are changed, and what is told of them. `by_key` says how many out of a hundred change one row.
    fn change(&mut self, request: &mut Request, source: &Source, by_key: u64) {
        if self.shape.chance(by_key) {
            self.key_filter(request, source);
        } else {
            request.several = true;
            request.unordered = true;
            let number = weighted(&mut self.shape, &[(4, 0), (70, 1), (26, 2)]);
            self.filters(&mut request.query, source, "", number);
        }
        let returns = weighted(
            &mut self.shape,
            &[
                (65, "representation"),
                (15, "minimal"),
                (5, "headers-only"),
                (15, ""),
            ],
        );
        let mut preferences: Vec<String> = Vec::new();
        if !returns.is_empty() {
            preferences.push(format!("return={returns}"));
        }
        if self.shape.chance(10) {
            let most = count(&mut self.shape, 0, 3);
            preferences.push("handling=strict".to_owned());
            preferences.push(format!("max-affected={most}"));
        }
        if self.shape.chance(10) {
            preferences.push("count=exact".to_owned());
        }
        if returns == "representation" {
            let media = weighted(&mut self.shape, &[(86, ""), (8, "object"), (6, "stripped")]);
            self.representation(request, source, (40, media));
        }
        prefer(request, &preferences);
    }

    pub(super) fn put(&mut self) -> Request {
        let of = place(&mut self.shape, self.model.tables.len());
        let (table, source) = (&self.model.tables[of], self.model.source(of));
        let mut request = Request::new("PUT", format!("/rest/v1/{}", table.name));
        request.writes = true;
        let key = self.key_filter(&mut request, &source);
        let mut columns = Vec::new();
        for column in &table.columns {
            let is_key = table.is_primary(&column.name);
            let ordinary = column.generated.is_none() && column.identity.is_none();
            if is_key || (ordinary && self.shape.chance(80)) {
                columns.push(column);
            }
        }
        let mut row = self.row(table, &columns);
        for (name, value) in table.primary.iter().zip(&key) {
            let place = columns.iter().position(|column| column.name == *name);
            if let Some(place) = place {
                row[place].1 = json(columns[place].ty, Some(value.as_str()));
            }
        }
        let rows = vec![row];
        request.body = Some(Body { rows, single: true });
        if self.shape.chance(70) {
            request.header("prefer", "return=representation");
        }
        request
    }

    /// Values for these columns.
    fn row(&mut self, table: &'a Table, columns: &[&Column]) -> Row {
        let mut chosen = Chosen::new();
        let mut row = Row::new();
        for column in columns {
            let cell = self.cell(table, column, &mut chosen);
            let array = match &cell {
                Some(text) if column.ty == Ty::Texts && self.values.chance(50) => json_array(text),
                _ => None,
            };
            let value = array.unwrap_or_else(|| json(column.ty, cell.as_deref()));
            row.push((column.name.clone(), value));
        }
        row
    }

    fn cell(
        &mut self,
        table: &'a Table,
        column: &Column,
        chosen: &mut Chosen<'a>,
    ) -> Option<String> {
        if let Some(key) = column.key {
            return self.pointing_cell(table, column, (key, chosen));
        }
        if table.is_primary(&column.name) {
            return self.key_cell(table, column);
        }
        let pool = column.ty.pool();
        if column.name == "owner" {
            if column.nullable && self.values.chance(8) {
                return None;
            }
            let themselves = (1..=3).contains(&self.who) && self.values.chance(72);
            let owner = match themselves {
                true => SUBJECTS[self.who - 1],
                false => self.values.pick(&SUBJECTS),
            };
            return Some(owner.to_owned());
        }
        if column.nullable && self.values.chance(12) {
            return None;
        }
        let faulty = self.values.chance(FAULTY_PERCENT);
        let as_text = json(column.ty, Some("")) == "\"\"";
        if faulty && as_text {
            return Some("nonsense".to_owned());
        }
        Some(self.values.pick(pool).to_owned())
    }

    /// A value of a foreign key; all columns of one key point to the same row.
    fn pointing_cell(
        &mut self,
        table: &'a Table,
        column: &Column,
        (key, chosen): (usize, &mut Chosen<'a>),
    ) -> Option<String> {
        let key_of = &table.keys[key];
        let target = &self.model.tables[key_of.target];
        let pointer = match chosen.get(&key) {
            Some(pointer) => *pointer,
            None if column.nullable && self.values.chance(12) => Pointer::Nothing,
            None if !target.rows.is_empty() && self.values.chance(94) => {
                Pointer::Row(one(&mut self.values, &target.rows).as_slice())
            }
            None => Pointer::Anything,
        };
        chosen.insert(key, pointer);
        match pointer {
            Pointer::Nothing => None,
            Pointer::Anything => Some(self.values.pick(column.ty.pool()).to_owned()),
            Pointer::Row(row) => {
                let place = key_of
                    .columns
                    .iter()
                    .position(|name| *name == column.name)?;
                target
                    .value(row, &key_of.target_columns[place])
                    .map(str::to_owned)
            }
        }
    }

    /// A value of a primary key, mostly a new one.
    fn key_cell(&mut self, table: &Table, column: &Column) -> Option<String> {
        if !table.rows.is_empty() && self.values.chance(12) {
            let known = one(&mut self.values, &table.rows);
            return table.value(known, &column.name).map(str::to_owned);
        }
        Some(match column.ty {
            Ty::Int | Ty::Bigint => count(&mut self.values, 31, 90).to_string(),
            Ty::Uuid => fresh_uuid(count(&mut self.values, 20, 90)),
            _ => self.values.pick(&["n", "o", "p/q", "Ö", "r,s"]).to_owned(),
        })
    }
}
