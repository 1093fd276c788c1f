//! Documents: rows written as JSON or CSV while SQLite steps through them, related rows fetched by nested statements in the
//! same transaction.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::Statement;
use plinth_sql::catalog::Relation;
use plinth_sql::shape::{BodyFormat, Embed, EmbedShape, Fetch, Field, FieldValue};
use plinth_sql::types::json::write_json_string;
use plinth_sql::types::{ColumnType, Type, io};
use rusqlite::types::Value;

use super::fetch::Planner;
use crate::connection::{Conn, ParamValue, Params, as_stored, lent};
use crate::error::Result;
use crate::translate::Plan;

/// Most rows that one embed gives for one parent row.
const EMBED_ROWS: usize = 100_000;
/// Largest body that is put together, in bytes.
const BODY_BYTES: usize = 256 * 1024 * 1024;
/// Bytes set aside for a body to begin with: what most answers need.
const USUAL_BYTES: usize = 1024;

/// A body that grows row by row.
pub(super) struct Document<'f> {
    layout: Layout<'f>,
    out: Vec<u8>,
    is_empty: bool,
}

/// How rows are written.
enum Layout<'f> {
    /// Not at all.
    Nothing,
    /// `[{…},{…}]`.
    Objects(Objects<'f>),
    /// `[1,2]`: the column at this place.
    Scalars(usize, Type),
    /// A header, and a line a row: places and types of its fields.
    Csv(Vec<(usize, Type)>),
}

impl<'f> Document<'f> {
    /// An empty document of what `fetch` yields, whose statement has these columns.
    pub(super) fn begin(
        planner: &Planner<'f>,
        fetch: &'f Fetch,
        columns: &[(String, ColumnType)],
        format: BodyFormat,
    ) -> Result<Document<'f>> {
        let mut out = Vec::new();
        let layout = match format {
            BodyFormat::None => Layout::Nothing,
            _ if fetch.fields.is_empty() && format != BodyFormat::Json => Layout::Nothing,
            BodyFormat::Json | BodyFormat::JsonNullsStripped => {
                out.reserve(USUAL_BYTES);
                out.push(b'[');
                let strip = format == BodyFormat::JsonNullsStripped;
                Layout::Objects(Objects::of(planner, &fetch.fields, columns, strip)?)
            }
            BodyFormat::JsonScalars => {
                out.push(b'[');
                let place = match fetch.fields.first().map(|field| &field.value) {
                    Some(FieldValue::Column(place)) => *place,
                    _ => 0,
                };
                Layout::Scalars(place, type_at(columns, place).ty)
            }
            BodyFormat::Csv => {
                let mut places = Vec::with_capacity(fetch.fields.len());
                let mut names = Vec::with_capacity(fetch.fields.len());
                for field in &fetch.fields {
                    let FieldValue::Column(place) = &field.value else {
                        return Err(SqlError::unsupported("embedding in CSV answers").into());
                    };
                    places.push((*place, type_at(columns, *place).ty));
                    names.push(csv_field(&field.key));
                }
                out.extend_from_slice(names.join(",").as_bytes());
                Layout::Csv(places)
            }
        };
        Ok(Document {
            layout,
            out,
            is_empty: true,
        })
    }

    /// Whether rows of other statements stand in its rows.
    pub(super) fn has_embeds(&self) -> bool {
        self.objects()
            .is_some_and(|objects| objects.embeds().next().is_some())
    }

    /// Whether its embeds look at a relation.
    pub(super) fn reads(&self, relation: &Relation) -> bool {
        self.objects()
            .is_some_and(|objects| objects.reads(relation))
    }

    /// Reads the values that its embeds were given, whether or not they will be needed.
    pub(super) fn read_values(&mut self) -> Result<()> {
        match &mut self.layout {
            Layout::Objects(objects) => objects.read_values(),
            Layout::Nothing | Layout::Scalars(..) | Layout::Csv(_) => Ok(()),
        }
    }

    fn objects(&self) -> Option<&Objects<'f>> {
        match &self.layout {
            Layout::Objects(objects) => Some(objects),
            Layout::Nothing | Layout::Scalars(..) | Layout::Csv(_) => None,
        }
    }

    /// Writes one row.
    pub(super) fn add(&mut self, row: &impl Lent) -> Result<()> {
        let out = &mut self.out;
        let first = std::mem::replace(&mut self.is_empty, false);
        match &mut self.layout {
            Layout::Nothing => {}
            Layout::Objects(objects) => {
                comma_unless(first, out);
                objects.object(row, out)?;
            }
            Layout::Scalars(place, ty) => {
                comma_unless(first, out);
                io::write_json(ty, row.at(*place), out);
            }
            Layout::Csv(fields) => {
                for (number, (place, ty)) in fields.iter().enumerate() {
                    out.push(if number == 0 { b'\n' } else { b',' });
                    if let Some(text) = io::output(ty, row.at(*place))? {
                        out.extend_from_slice(csv_field(&text).as_bytes());
                    }
                }
            }
        }
        Ok(())
    }

    /// The body.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if let Layout::Objects(_) | Layout::Scalars(..) = self.layout {
            self.out.push(b']');
        }
        self.out
    }
}

/// A row to be written: one that SQLite lends while it steps, or one in memory.
pub(super) trait Lent {
    /// The value of the column at this place; null when there is none.
    fn at(&self, place: usize) -> io::StoredRef<'_>;
    /// A copy of it.
    fn value(&self, place: usize) -> Value;
}

impl Lent for rusqlite::Row<'_> {
    fn at(&self, place: usize) -> io::StoredRef<'_> {
        self.get_ref(place).map_or(io::StoredRef::Null, lent)
    }

    fn value(&self, place: usize) -> Value {
        self.get(place).unwrap_or(Value::Null)
    }
}

impl Lent for Vec<Value> {
    fn at(&self, place: usize) -> io::StoredRef<'_> {
        self.get(place).map_or(io::StoredRef::Null, as_stored)
    }

    fn value(&self, place: usize) -> Value {
        self.get(place).cloned().unwrap_or(Value::Null)
    }
}

/// Objects of one fetch, the document's own or an embed's: made once with all nested plans, filled from every row.
struct Objects<'f> {
    entries: Vec<Entry<'f>>,
    /// Entries that are null are left out.
    strip: bool,
}

struct Entry<'f> {
    /// The key as JSON, with its colon.
    key: Vec<u8>,
    part: Part<'f>,
}

enum Part<'f> {
    Column(usize, Type),
    Embed(Nested<'f>),
}

/// An embed, ready to run for one parent row after the other.
struct Nested<'f> {
    conn: &'f Conn,
    embed: &'f Embed,
    plan: Arc<Plan>,
    /// The bound columns, then the embed's own.
    params: Params,
    objects: Objects<'f>,
    /// What it gives depends on nothing but what is bound.
    repeatable: bool,
    /// Where the last value stands in the body: often the next row refers to the same.
    last: Option<Range<usize>>,
}

impl<'f> Objects<'f> {
    fn of(
        planner: &Planner<'f>,
        fields: &'f [Field],
        columns: &[(String, ColumnType)],
        strip: bool,
    ) -> Result<Objects<'f>> {
        let mut entries = Vec::with_capacity(fields.len());
        for field in fields {
            let mut key = Vec::with_capacity(field.key.len() + 3);
            write_json_string(&mut key, &field.key);
            key.push(b':');
            let part = match &field.value {
                FieldValue::Column(place) => Part::Column(*place, type_at(columns, *place).ty),
                FieldValue::Embed(embed) => {
                    Part::Embed(Nested::of(planner, embed, columns, strip)?)
                }
            };
            entries.push(Entry { key, part });
        }
        Ok(Objects { entries, strip })
    }

    fn embeds(&self) -> impl Iterator<Item = &Nested<'f>> {
        self.entries.iter().filter_map(|entry| match &entry.part {
            Part::Column(..) => None,
            Part::Embed(nested) => Some(nested),
        })
    }

    fn reads(&self, relation: &Relation) -> bool {
        let mut embeds = self.embeds();
        embeds.any(|nested| nested.plan.reads(relation) || nested.objects.reads(relation))
    }

    fn read_values(&mut self) -> Result<()> {
        for entry in &mut self.entries {
            if let Part::Embed(nested) = &mut entry.part {
                nested.conn.read_params(&nested.plan, &mut nested.params)?;
                nested.objects.read_values()?;
            }
        }
        Ok(())
    }

    fn object(&mut self, row: &impl Lent, out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        let start = out.len();
        self.entries(Some(row), start, out)?;
        out.push(b'}');
        if out.len() > BODY_BYTES {
            return Err(SqlError::new("54000", "the answer is too large")
                .hint("Ask for fewer rows or columns.")
                .into());
        }
        Ok(())
    }

    /// The entries of an object that begins at `start`; without a row (an absent to-one spread) all are null.
    fn entries(&mut self, row: Option<&impl Lent>, start: usize, out: &mut Vec<u8>) -> Result<()> {
        let strip = self.strip;
        for Entry { key, part } in &mut self.entries {
            match part {
                Part::Column(place, ty) => {
                    let value = row.map_or(io::StoredRef::Null, |row| row.at(*place));
                    if strip && value == io::StoredRef::Null {
                        continue;
                    }
                    begin_entry(key, start, out);
                    io::write_json(ty, value, out);
                }
                Part::Embed(nested) => nested.write(key, row, start, out)?,
            }
        }
        Ok(())
    }
}

impl<'f> Nested<'f> {
    fn of(
        planner: &Planner<'f>,
        embed: &'f Embed,
        columns: &[(String, ColumnType)],
        strip: bool,
    ) -> Result<Nested<'f>> {
        let mut params = Params::filled(&embed.fetch.params, planner.values);
        let keys = embed
            .bind
            .iter()
            .map(|place| ParamValue::Typed(type_at(columns, *place), Value::Null));
        params.values.splice(0..0, keys);
        let Statement::Query(query) = &embed.fetch.statement else {
            return Err(SqlError::new("XX000", "an embed must be a query").into());
        };
        let plan = planner.plan_query(query, &params, embed.fetch.id)?;
        let objects = Objects::of(planner, &embed.fetch.fields, &plan.columns, strip)?;
        let repeatable = plan.repeatable && objects.embeds().all(|nested| nested.repeatable);
        Ok(Nested {
            conn: planner.conn,
            embed,
            plan,
            params,
            objects,
            repeatable,
            last: None,
        })
    }

    /// Binds the parent's columns. False when one of them is null, which refers to nothing.
    fn bind(&mut self, parent: &impl Lent) -> bool {
        let mut refers = true;
        for (place, param) in self.embed.bind.iter().zip(&mut self.params.values) {
            if let ParamValue::Typed(_, known) = param {
                let value = parent.value(*place);
                if *known != value {
                    self.last = None;
                }
                refers &= value != Value::Null;
                *known = value;
            }
        }
        refers
    }

    /// Shows each row related to what is bound, if that refers to anything; gives their number.
    fn each(
        &mut self,
        refers: bool,
        mut show: impl FnMut(&mut Objects<'f>, &rusqlite::Row<'_>, usize) -> Result<()>,
    ) -> Result<usize> {
        let mut count = 0;
        if !refers {
            return Ok(count);
        }
        let only_one = matches!(self.embed.shape, EmbedShape::One | EmbedShape::SpreadOne);
        let Nested {
            plan,
            params,
            objects,
            conn,
            ..
        } = self;
        conn.each(plan, params, &[], |row| {
            if count >= EMBED_ROWS {
                return Err(SqlError::new("54000", "too many related rows")
                    .hint("Give the embed a limit.")
                    .into());
            }
            show(objects, row, count)?;
            count += 1;
            Ok(match only_one {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        })?;
        Ok(count)
    }
}

impl Nested<'_> {
    /// The entry, or for spreads the entries, of an embed.
    fn write(
        &mut self,
        key: &[u8],
        parent: Option<&impl Lent>,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let refers = parent.is_some_and(|parent| self.bind(parent));
        if let Some(last) = self.last.clone() {
            begin_entry(key, start, out);
            out.extend_from_within(last);
            return Ok(());
        }
        match self.embed.shape {
            EmbedShape::Many => {
                begin_entry(key, start, out);
                let from = out.len();
                out.push(b'[');
                self.each(refers, |objects, row, number| {
                    comma_unless(number == 0, out);
                    objects.object(row, out)
                })?;
                out.push(b']');
                self.note(from..out.len());
            }
            EmbedShape::One => {
                let mut from = None;
                self.each(refers, |objects, row, _| {
                    begin_entry(key, start, out);
                    from = Some(out.len());
                    objects.object(row, out)
                })?;
                match from {
                    Some(from) => self.note(from..out.len()),
                    None if self.objects.strip => {}
                    None => {
                        begin_entry(key, start, out);
                        out.extend_from_slice(b"null");
                    }
                }
            }
            EmbedShape::SpreadOne => {
                let found = self.each(refers, |objects, row, _| {
                    objects.entries(Some(row), start, out)
                })?;
                if found == 0 {
                    self.objects.entries(None::<&Vec<Value>>, start, out)?;
                }
            }
            EmbedShape::SpreadMany => self.spread(refers, start, out)?,
        }
        Ok(())
    }

    /// Remembers where a value stands, if the next row may use it, too.
    fn note(&mut self, written: Range<usize>) {
        if self.repeatable {
            self.last = Some(written);
        }
    }

    /// One array an entry, all in the same order.
    fn spread(&mut self, refers: bool, start: usize, out: &mut Vec<u8>) -> Result<()> {
        let mut arrays: Vec<Vec<u8>> = vec![vec![b'[']; self.objects.entries.len()];
        self.each(refers, |objects, row, number| {
            for (Entry { part, .. }, array) in objects.entries.iter().zip(&mut arrays) {
                if let Part::Column(place, ty) = part {
                    comma_unless(number == 0, array);
                    io::write_json(ty, row.at(*place), array);
                }
            }
            Ok(())
        })?;
        for (Entry { key, part }, array) in self.objects.entries.iter().zip(arrays) {
            if let Part::Embed(_) = part {
                return Err(SqlError::new("PGRST127", "Feature not implemented")
                    .detail("Embedding inside a to-many spread is not supported")
                    .into());
            }
            begin_entry(key, start, out);
            out.extend_from_slice(&array);
            out.push(b']');
        }
        Ok(())
    }
}

fn type_at(columns: &[(String, ColumnType)], place: usize) -> ColumnType {
    let column = columns.get(place);
    column.map_or_else(|| Type::Text.into(), |(_, ty)| ty.clone())
}

fn begin_entry(key: &[u8], start: usize, out: &mut Vec<u8>) {
    comma_unless(out.len() == start, out);
    out.extend_from_slice(key);
}

fn comma_unless(first: bool, out: &mut Vec<u8>) {
    if !first {
        out.push(b',');
    }
}

fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
