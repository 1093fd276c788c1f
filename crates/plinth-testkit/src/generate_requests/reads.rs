//! `GET` and `HEAD` of tables and views, and calls of functions.

use super::choice::{count, one, place, weighted};
use super::functions::{Argument, Kind};
use super::request::{Body, Request};
use super::requests::{Maker, accept};
use super::select::Level;
use super::values::{Ty, json};
use super::world::Source;

impl Maker<'_> {
    pub(super) fn read(&mut self) -> Request {
        let method = if self.shape.chance(6) { "HEAD" } else { "GET" };
        let is_view = !self.model.views.is_empty() && self.shape.chance(14);
        let source = if is_view {
            self.model.view(&mut self.shape)
        } else {
            let table = place(&mut self.shape, self.model.tables.len());
            self.model.source(table)
        };
        let mut request = Request::new(method, format!("/rest/v1/{}", source.name));
        let media = weighted(
            &mut self.shape,
            &[(80, ""), (7, "object"), (6, "csv"), (7, "stripped")],
        );
        if self.shape.chance(78) {
            self.add_select(&mut request, &source, media != "csv");
        }
        if media == "object" && self.shape.chance(85) {
            self.key_filter(&mut request, &source);
        } else {
            let number = weighted(&mut self.shape, &[(42, 0), (40, 1), (15, 2), (3, 3)]);
            self.filters(&mut request.query, &source, "", number);
        }
        // Of views only an order says in which order their rows come; tables have that of their key.
        let loose = !is_view && media.is_empty() && self.shape.chance(8);
        if loose {
            self.order(&mut request.query, &source, "", false);
            request.unordered = true;
        } else {
            if is_view || self.shape.chance(45) {
                self.order_of_read(&mut request, &source);
            }
            self.page(&mut request);
        }
        if self.shape.chance(28) {
            request.header("prefer", "count=exact");
        }
        accept(&mut request, media);
        request
    }

    /// `select`, with what belongs to its embeds.
    pub(super) fn add_select(&mut self, request: &mut Request, source: &Source, embeds: bool) {
        let mut parameters = Vec::new();
        let items = self.select(source, &Level::top(embeds), &mut parameters);
        if !items.is_empty() {
            request.query.push(("select".to_owned(), items));
        }
        request.query.extend(parameters);
    }

    fn order_of_read(&mut self, request: &mut Request, source: &Source) {
        let related = match self.related_order.take() {
            Some(related) if self.shape.chance(70) => related,
            _ => return self.order(&mut request.query, source, "", true),
        };
        let (embed, target) = related;
        let column = &one(&mut self.shape, &target.columns).name;
        let how = self.shape.pick(&["", ".desc", ".nullsfirst"]);
        let mut terms = vec![format!("{embed}({column}){how}")];
        terms.extend(source.primary.iter().cloned());
        request.query.push(("order".to_owned(), terms));
    }

    fn page(&mut self, request: &mut Request) {
        if self.shape.chance(22) {
            request.parameter("limit", count(&mut self.shape, 0, 5).to_string());
        }
        if self.shape.chance(10) {
            request.parameter("offset", count(&mut self.shape, 0, 3).to_string());
        }
        if self.shape.chance(7) {
            let first = count(&mut self.shape, 0, 2);
            let last = self.shape.pick(&["", "3", "4", "2"]);
            request.header("range", format!("{first}-{last}"));
        }
    }

    pub(super) fn call(&mut self) -> Request {
        let function = one(&mut self.shape, &self.model.functions);
        let writes = function.writes();
        let posted = (writes && self.shape.chance(90)) || self.shape.chance(50);
        let method = if posted { "POST" } else { "GET" };
        let mut request = Request::new(method, format!("/rest/v1/rpc/{}", function.name));
        request.writes = writes;
        request.unordered = writes;
        request.several = writes;
        let mut arguments = Vec::new();
        for argument in &function.arguments {
            let left_out = match argument.name {
                "b" => 50,
                "amount" => 40,
                _ => 0,
            };
            if left_out == 0 || !self.shape.chance(left_out) {
                let value = self.argument(function.kind, function.table, *argument);
                arguments.push((*argument, value));
            }
        }
        if posted {
            let entry = |(argument, value): &(Argument, String)| {
                (
                    argument.name.to_owned(),
                    json(argument.ty, Some(value.as_str())),
                )
            };
            request.body = Some(Body {
                rows: vec![arguments.iter().map(entry).collect()],
                single: true,
            });
        } else {
            for (argument, value) in arguments {
                request.parameter(argument.name, value);
            }
        }
        match function.kind {
            Kind::Rows | Kind::Change => self.rows_of_call(&mut request, function.table),
            Kind::Groups if self.shape.chance(30) => {
                let order = self.shape.pick(&["label", "label.desc", "size.desc,label"]);
                request.parameter("order", order);
            }
            _ => {}
        }
        if self.shape.chance(15) {
            request.header("prefer", "count=exact");
        }
        let csv = if request.query.is_empty() && !request.unordered {
            "csv"
        } else {
            ""
        };
        let media = weighted(&mut self.shape, &[(88, ""), (6, "object"), (6, csv)]);
        accept(&mut request, media);
        request
    }

    /// What is wanted of the rows that a function gives.
    fn rows_of_call(&mut self, request: &mut Request, table: usize) {
        let source = self.model.source(table);
        let selects = self.shape.chance(45);
        if selects {
            self.add_select(request, &source, true);
        }
        if self.shape.chance(35) && !request.writes {
            self.filters(&mut request.query, &source, "", 1);
        }
        // What is asked of embeds may be found in another order than the function's own.
        if selects || self.shape.chance(20) {
            self.order(&mut request.query, &source, "", true);
        }
        if !request.writes && self.shape.chance(20) {
            request.parameter("limit", count(&mut self.shape, 0, 3).to_string());
        }
    }

    fn argument(&mut self, kind: Kind, table: usize, argument: Argument) -> String {
        let table = &self.model.tables[table];
        match argument.name {
            "a" | "b" => self.values.pick(&["0", "1", "-7", "2147483647"]),
            "amount" => self.values.pick(&["1", "5", "-3"]),
            "pattern" => self.values.pick(&["%", "a%", "%n%", "A_n"]),
            "lowest" => self.values.pick(&["0", "1", "2"]),
            "was" if kind == Kind::Change => {
                let mut known = Vec::new();
                for row in &table.rows {
                    let texts = table.columns.iter().filter(|column| column.ty == Ty::Text);
                    known.extend(texts.filter_map(|column| table.value(row, &column.name)));
                }
                if known.is_empty() {
                    "a"
                } else {
                    self.values.pick(&known)
                }
            }
            "k" if !table.rows.is_empty() && self.values.chance(85) => {
                let row = one(&mut self.values, &table.rows);
                table.value(row, &table.primary[0]).unwrap_or_default()
            }
            _ => self.values.pick(argument.ty.pool()),
        }
        .to_owned()
    }
}
