//! Documents: a statement's rows written as JSON or CSV, related rows fetched by nested statements in the same
//! transaction.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Query, Statement};
use plinth_sql::catalog::Catalog;
use plinth_sql::shape::{
    Answer, BodyFormat, Embed, EmbedShape, Fetch, Field, FieldValue, Read, Write,
};
use plinth_sql::types::io;
use plinth_sql::types::json::write_json_string;
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::{Executed, Executor};
use crate::connection::{Conn, ParamValue, Params, as_stored, text_of};
use crate::error::Result;
use crate::plans::Plans;
use crate::translate::{self, Plan};

/// Most rows that one embed gives for one parent row.
const EMBED_ROWS: usize = 100_000;
/// Largest body that is put together, in bytes.
const BODY_BYTES: usize = 256 * 1024 * 1024;

/// Runs a read on a reader.
pub(crate) fn read(
    conn: &Conn,
    catalog: &Arc<Catalog>,
    plans: &Plans,
    role: &str,
    read: &Read,
) -> Result<Answer> {
    let planner = Planner {
        conn,
        catalog,
        role,
        plans: Known::Kept(plans),
    };
    let mut total = None;
    if let Some((query, params)) = &read.count {
        let params = Params::texts(params);
        let plan = planner.plan_query(query, &params)?;
        let rows = conn.run(&plan, &params, &[])?;
        if let Some(Value::Integer(count)) = rows.first().and_then(|row| row.first()) {
            total = u64::try_from(*count).ok();
        }
    }
    let Statement::Query(query) = &read.fetch.statement else {
        return Err(SqlError::new(
            "25006",
            "cannot execute a writing statement in a read-only transaction",
        )
        .into());
    };
    let params = Params::texts(&read.fetch.params);
    let plan = planner.plan_query(query, &params)?;
    let rows = conn.run(&plan, &params, &[])?;
    let document = Document {
        planner,
        format: read.format,
    };
    let body = document.body(&read.fetch, &plan.columns, &rows)?;
    Ok(Answer {
        body,
        rows: rows.len() as u64,
        total,
        inserted: 0,
    })
}

/// Runs a write on the writer.
pub(crate) fn write(exec: &mut Executor, write: &Write) -> Result<Answer> {
    let params = Params::texts(&write.fetch.params);
    let done = exec.statement(&write.fetch.statement, &params)?;
    if let Some(limit) = write.max_affected
        && done.affected > limit
    {
        return Err(SqlError::new(
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
        )
        .detail(format!("The query affects {} rows", done.affected))
        .into());
    }
    let Executed {
        columns,
        rows,
        affected,
        inserted,
        ..
    } = done;
    if write.exactly_one && affected != 1 {
        return Err(SqlError::new(
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
        )
        .detail(format!("The result contains {affected} rows"))
        .into());
    }
    let role = exec.role();
    let search_path = exec.search_path();
    let planner = Planner {
        conn: &exec.conn,
        catalog: &exec.catalog,
        role: &role,
        plans: Known::None {
            search_path: &search_path,
        },
    };
    let document = Document {
        planner,
        format: write.format,
    };
    let body = document.body(&write.fetch, &columns, &rows)?;
    Ok(Answer {
        body,
        rows: affected,
        total: None,
        inserted,
    })
}

/// Translates the statements of one document.
struct Planner<'a> {
    conn: &'a Conn,
    catalog: &'a Arc<Catalog>,
    role: &'a str,
    plans: Known<'a>,
}

/// Where plans may be found.
enum Known<'a> {
    /// Among those of the readers, who all have the same search path.
    Kept(&'a Plans),
    /// Nowhere: a script may have set another path.
    None { search_path: &'a [String] },
}

impl Planner<'_> {
    fn plan_query(&self, query: &Query, params: &Params) -> Result<Arc<Plan>> {
        let types = params.types();
        let now = self.conn.state.session.lock().now;
        match self.plans {
            Known::Kept(plans) => plans.plan(self.catalog, self.role, types, query, now),
            Known::None { search_path } => {
                let (plan, _) =
                    translate::query(self.catalog, self.role, search_path, types, query, now)?;
                Ok(Arc::new(plan))
            }
        }
    }
}

/// Writes bodies.
struct Document<'a> {
    planner: Planner<'a>,
    format: BodyFormat,
}

/// A fetch with its nested plans, made once and run for every parent row.
struct Node<'f> {
    fields: Vec<(&'f str, Part<'f>)>,
}

enum Part<'f> {
    Column(usize, Type),
    Embed {
        embed: &'f Embed,
        plan: Arc<Plan>,
        node: Box<Node<'f>>,
        types: Vec<ColumnType>,
    },
}

impl Document<'_> {
    fn body(
        &self,
        fetch: &Fetch,
        columns: &[(String, ColumnType)],
        rows: &[Vec<Value>],
    ) -> Result<Vec<u8>> {
        if fetch.fields.is_empty() && self.format != BodyFormat::Json {
            return Ok(Vec::new());
        }
        match self.format {
            BodyFormat::None => Ok(Vec::new()),
            BodyFormat::Csv => self.csv(fetch, columns, rows),
            BodyFormat::JsonScalars => self.scalars(fetch, columns, rows),
            BodyFormat::Json | BodyFormat::JsonNullsStripped => {
                let node = self.node(&fetch.fields, columns)?;
                let mut out = Vec::with_capacity(rows.len() * 128 + 2);
                out.push(b'[');
                for (place, row) in rows.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    self.object(&node, row, &mut out)?;
                }
                out.push(b']');
                Ok(out)
            }
        }
    }

    fn node<'f>(&self, fields: &'f [Field], columns: &[(String, ColumnType)]) -> Result<Node<'f>> {
        let mut parts = Vec::with_capacity(fields.len());
        for field in fields {
            let part = match &field.value {
                FieldValue::Column(place) => Part::Column(
                    *place,
                    columns
                        .get(*place)
                        .map_or(Type::Text, |(_, ty)| ty.ty.clone()),
                ),
                FieldValue::Embed(embed) => {
                    let types: Vec<ColumnType> = embed
                        .bind
                        .iter()
                        .map(|place| {
                            columns
                                .get(*place)
                                .map_or(Type::Text.into(), |(_, ty)| ty.clone())
                        })
                        .collect();
                    let mut params = Params::texts(&embed.fetch.params);
                    let keys = types
                        .iter()
                        .map(|ty| ParamValue::Typed(ty.clone(), Value::Null));
                    params.values.splice(0..0, keys);
                    let Statement::Query(query) = &embed.fetch.statement else {
                        return Err(SqlError::new("XX000", "an embed must be a query").into());
                    };
                    let plan = self.planner.plan_query(query, &params)?;
                    let node = self.node(&embed.fetch.fields, &plan.columns)?;
                    Part::Embed {
                        embed,
                        plan,
                        node: Box::new(node),
                        types,
                    }
                }
            };
            parts.push((field.key.as_str(), part));
        }
        Ok(Node { fields: parts })
    }

    fn object(&self, node: &Node<'_>, row: &[Value], out: &mut Vec<u8>) -> Result<()> {
        out.push(b'{');
        let start = out.len();
        self.entries(node, Some(row), start, out)?;
        out.push(b'}');
        if out.len() > BODY_BYTES {
            return Err(SqlError::new("54000", "the answer is too large")
                .hint("Ask for fewer rows or columns.")
                .into());
        }
        Ok(())
    }

    /// The entries of an object; without a row (an absent to-one spread) all are null.
    fn entries(
        &self,
        node: &Node<'_>,
        row: Option<&[Value]>,
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let strip = self.format == BodyFormat::JsonNullsStripped;
        for (key, part) in &node.fields {
            match part {
                Part::Column(place, ty) => {
                    let value = row.and_then(|row| row.get(*place)).unwrap_or(&Value::Null);
                    if strip && *value == Value::Null {
                        continue;
                    }
                    entry(key, start, out);
                    io::write_json(ty, as_stored(value), out);
                }
                Part::Embed {
                    embed,
                    plan,
                    node,
                    types,
                } => {
                    let children = match row {
                        Some(row) => self.children(embed, plan, types, row)?,
                        None => Vec::new(),
                    };
                    match embed.shape {
                        EmbedShape::Many => {
                            entry(key, start, out);
                            out.push(b'[');
                            for (place, child) in children.iter().enumerate() {
                                if place > 0 {
                                    out.push(b',');
                                }
                                self.object(node, child, out)?;
                            }
                            out.push(b']');
                        }
                        EmbedShape::One => match children.first() {
                            Some(child) => {
                                entry(key, start, out);
                                self.object(node, child, out)?;
                            }
                            None if strip => {}
                            None => {
                                entry(key, start, out);
                                out.extend_from_slice(b"null");
                            }
                        },
                        EmbedShape::SpreadOne => {
                            self.entries(node, children.first().map(Vec::as_slice), start, out)?;
                        }
                        EmbedShape::SpreadMany => self.spread(node, &children, start, out)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// One array an entry, all in the same order.
    fn spread(
        &self,
        node: &Node<'_>,
        children: &[Vec<Value>],
        start: usize,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        for (key, part) in &node.fields {
            let Part::Column(place, ty) = part else {
                return Err(SqlError::new("PGRST127", "Feature not implemented")
                    .detail("Embedding inside a to-many spread is not supported")
                    .into());
            };
            entry(key, start, out);
            out.push(b'[');
            for (number, child) in children.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                io::write_json(
                    ty,
                    as_stored(child.get(*place).unwrap_or(&Value::Null)),
                    out,
                );
            }
            out.push(b']');
        }
        Ok(())
    }

    fn children(
        &self,
        embed: &Embed,
        plan: &Plan,
        types: &[ColumnType],
        row: &[Value],
    ) -> Result<Vec<Vec<Value>>> {
        let mut keys = Vec::with_capacity(types.len());
        for (place, ty) in embed.bind.iter().zip(types) {
            let value = row.get(*place).cloned().unwrap_or(Value::Null);
            // A null refers to nothing.
            if value == Value::Null {
                return Ok(Vec::new());
            }
            keys.push(ParamValue::Typed(ty.clone(), value));
        }
        let mut params = Params::texts(&embed.fetch.params);
        params.values.splice(0..0, keys);
        let rows = self.planner.conn.run(plan, &params, &[])?;
        if rows.len() > EMBED_ROWS {
            return Err(SqlError::new("54000", "too many related rows")
                .hint("Give the embed a limit.")
                .into());
        }
        Ok(rows)
    }

    fn scalars(
        &self,
        fetch: &Fetch,
        columns: &[(String, ColumnType)],
        rows: &[Vec<Value>],
    ) -> Result<Vec<u8>> {
        let place = match fetch.fields.first().map(|field| &field.value) {
            Some(FieldValue::Column(place)) => *place,
            _ => 0,
        };
        let ty = columns
            .get(place)
            .map_or(Type::Text, |(_, ty)| ty.ty.clone());
        let mut out = vec![b'['];
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            io::write_json(
                &ty,
                as_stored(row.get(place).unwrap_or(&Value::Null)),
                &mut out,
            );
        }
        out.push(b']');
        Ok(out)
    }

    fn csv(
        &self,
        fetch: &Fetch,
        columns: &[(String, ColumnType)],
        rows: &[Vec<Value>],
    ) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut shown = Vec::new();
        for field in &fetch.fields {
            match &field.value {
                FieldValue::Column(place) => shown.push((field.key.as_str(), *place)),
                FieldValue::Embed(_) => {
                    return Err(SqlError::unsupported("embedding in CSV answers").into());
                }
            }
        }
        let names: Vec<String> = shown.iter().map(|(key, _)| csv_field(key)).collect();
        out.extend_from_slice(names.join(",").as_bytes());
        for row in rows {
            out.push(b'\n');
            for (number, (_, place)) in shown.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                let ty = columns
                    .get(*place)
                    .map_or(Type::Text, |(_, ty)| ty.ty.clone());
                if let Some(text) = text_of(&ty, row.get(*place).unwrap_or(&Value::Null))? {
                    out.extend_from_slice(csv_field(&text).as_bytes());
                }
            }
        }
        Ok(out)
    }
}

fn entry(key: &str, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    write_json_string(out, key);
    out.push(b':');
}

fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
