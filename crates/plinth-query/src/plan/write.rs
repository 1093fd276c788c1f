//! Inserts, upserts, updates and deletes.

use std::sync::Arc;

use plinth_sql::ast::{
    Assignment, ConflictAction, ConflictTarget, Delete, Expr, Insert, InsertSource, OnConflict,
    Query, SelectItem, SetExpr, Statement, Update,
};
use plinth_sql::catalog::{Column, Relation};
use plinth_sql::shape::{BodyFormat, Fetch, Field, FieldValue, Filled, Write};

use super::condition::{self, Place};
use super::fields::{self, Projection};
use super::tree::{Node, Source};
use super::{Aliases, Asked, Context, Params, all_of, object_name};
use crate::body::{Cell, Payload, text_of};
use crate::error::Error;
use crate::names;
use crate::negotiate::Media;
use crate::preferences::{Count, Missing, Resolution, Return, Used};
use crate::request::Request;

/// A write, and what its answer is told about.
#[derive(Clone, Debug, PartialEq)]
pub struct WritePlan {
    /// What is run. None when there is nothing to do: no rows to insert, no columns to change. The answer is then that of zero rows.
    pub write: Option<Filled<Write>>,
    /// The form of the answer.
    pub media: Media,
    /// What is answered. For `HeadersOnly` the body holds the primary key's columns, for `Location`.
    pub returns: Return,
    /// Whether the number of rows is told as a total.
    pub count: Option<Count>,
    /// What happens to rows that exist; none for a plain insert.
    pub resolution: Option<Resolution>,
    /// The `Preference-Applied` header.
    pub applied: Option<String>,
}

/// Plans `POST` to a table or view: an insert, or an upsert where the preferences say what to do with duplicates.
pub fn insert(
    request: &Request,
    payload: &Payload,
    cx: &Context,
    asked: &Asked,
) -> Result<WritePlan, Error> {
    let relation = cx.relation(&request.name)?;
    let key = request
        .on_conflict
        .as_deref()
        .unwrap_or_else(|| relation.primary_key());
    // Without anything to conflict with, it is a plain insert.
    let resolution = asked.preferences.resolution.filter(|_| !key.is_empty());
    let upsert = resolution.map(|resolution| Upsert { key, resolution });
    insert_into(relation, upsert, request, payload, cx, asked)
}

/// What an insert does with rows that exist.
pub(super) struct Upsert<'a> {
    pub(super) key: &'a [String],
    pub(super) resolution: Resolution,
}

pub(super) fn insert_into(
    relation: &Arc<Relation>,
    upsert: Option<Upsert>,
    request: &Request,
    payload: &Payload,
    cx: &Context,
    asked: &Asked,
) -> Result<WritePlan, Error> {
    let mut params = Params::new(0);
    let columns = columns(cx, relation, payload)?;
    let resolution = upsert.as_ref().map(|upsert| upsert.resolution);
    let on_conflict = upsert
        .map(|upsert| conflict(cx, relation, &columns, &upsert))
        .transpose()?;
    let source = source(&columns, payload, asked, &mut params)?;
    let (returning, fields) = returning(cx, request, relation, asked)?;
    let table = object_name(&relation.name);
    let names = match (&source, columns.is_empty()) {
        // Several rows of nothing but defaults: some column has to be named.
        (InsertSource::Query(_), true) => relation
            .columns
            .first()
            .map(|column| column.name.clone())
            .into_iter()
            .collect(),
        _ => columns.iter().map(|column| column.name.clone()).collect(),
    };
    let statement = Statement::Insert(Box::new(Insert {
        with: None,
        table,
        alias: None,
        columns: names,
        overriding: None,
        source,
        on_conflict,
        returning,
    }));
    let fetch = Fetch {
        statement,
        params: params.values,
        fields,
        id: None,
    };
    let used = Used {
        resolution: resolution.is_some(),
        missing: true,
        returns: true,
        max_affected: false,
    };
    let mut plan = plan((!payload.rows.is_empty()).then_some(fetch), asked, used);
    plan.resolution = resolution;
    Ok(plan)
}

/// Plans `PATCH`: the rows that the root's filters choose take the values of the body's one object.
pub fn update(
    request: &Request,
    payload: &Payload,
    cx: &Context,
    asked: &Asked,
) -> Result<WritePlan, Error> {
    let relation = cx.relation(&request.name)?;
    let columns = columns(cx, relation, payload)?;
    let mut params = Params::new(0);
    let mut assignments = Vec::new();
    if let Some(row) = payload.rows.first() {
        for (column, cell) in columns.iter().zip(row) {
            let value = value(column, cell, asked, &mut params)?;
            assignments.push(Assignment::Column {
                column: column.name.clone(),
                value,
            });
        }
    }
    let selection = selection(cx, request, relation, &mut params)?;
    let (returning, fields) = returning(cx, request, relation, asked)?;
    let anything = !assignments.is_empty();
    let statement = Statement::Update(Box::new(Update {
        with: None,
        table: object_name(&relation.name),
        alias: None,
        assignments,
        from: Vec::new(),
        selection,
        returning,
    }));
    let fetch = Fetch {
        statement,
        params: params.values,
        fields,
        id: None,
    };
    let used = Used {
        missing: true,
        returns: true,
        max_affected: true,
        ..Used::default()
    };
    Ok(plan(anything.then_some(fetch), asked, used))
}

/// Plans `DELETE`: the rows that the root's filters choose.
pub fn delete(request: &Request, cx: &Context, asked: &Asked) -> Result<WritePlan, Error> {
    let relation = cx.relation(&request.name)?;
    let mut params = Params::new(0);
    let selection = selection(cx, request, relation, &mut params)?;
    let (returning, fields) = returning(cx, request, relation, asked)?;
    let statement = Statement::Delete(Box::new(Delete {
        with: None,
        table: object_name(&relation.name),
        alias: None,
        using: Vec::new(),
        selection,
        returning,
    }));
    let fetch = Fetch {
        statement,
        params: params.values,
        fields,
        id: None,
    };
    let used = Used {
        returns: true,
        max_affected: true,
        ..Used::default()
    };
    Ok(plan(Some(fetch), asked, used))
}

fn plan(fetch: Option<Fetch>, asked: &Asked, used: Used) -> WritePlan {
    let preferences = &asked.preferences;
    let returns = preferences.returns.unwrap_or(Return::Minimal);
    let format = match returns {
        Return::Minimal => BodyFormat::None,
        Return::HeadersOnly => BodyFormat::Json,
        Return::Representation => asked.media.body_format(),
    };
    let write = fetch.map(|fetch| {
        let write = Write {
            fetch,
            format,
            max_affected: preferences.most_affected().filter(|_| used.max_affected),
            exactly_one: asked.media.is_object(),
            rollback: false,
        };
        write.into()
    });
    WritePlan {
        write,
        media: asked.media,
        returns,
        count: preferences.count,
        resolution: None,
        applied: preferences.applied(used),
    }
}

/// The columns of the payload.
fn columns<'a>(
    cx: &Context,
    relation: &'a Relation,
    payload: &Payload,
) -> Result<Vec<&'a Column>, Error> {
    let find = |name: &str| {
        relation
            .column(name)
            .ok_or_else(|| Error::UnknownPayloadColumn {
                relation: relation.name.name.clone(),
                column: names::shortened(name),
                did_you_mean: cx.near_column(relation, name),
            })
    };
    payload.columns.iter().map(|name| find(name)).collect()
}

fn source(
    columns: &[&Column],
    payload: &Payload,
    asked: &Asked,
    params: &mut Params,
) -> Result<InsertSource, Error> {
    if columns.is_empty() && payload.rows.len() == 1 {
        return Ok(InsertSource::Default);
    }
    let mut rows = Vec::with_capacity(payload.rows.len());
    for cells in &payload.rows {
        let mut row = Vec::with_capacity(columns.len().max(1));
        for (column, cell) in columns.iter().zip(cells) {
            row.push(value(column, cell, asked, params)?);
        }
        if columns.is_empty() {
            row.push(Expr::Default);
        }
        rows.push(row);
    }
    Ok(InsertSource::Query(Box::new(Query {
        with: None,
        body: SetExpr::Values(rows),
        order_by: Vec::new(),
        limit: None,
        offset: None,
        locking: Vec::new(),
    })))
}

fn value(column: &Column, cell: &Cell, asked: &Asked, params: &mut Params) -> Result<Expr, Error> {
    if *cell == Cell::Missing && asked.preferences.missing == Some(Missing::Default) {
        return Ok(Expr::Default);
    }
    Ok(params.add(text_of(cell, &column.ty.ty)?))
}

fn conflict(
    cx: &Context,
    relation: &Arc<Relation>,
    columns: &[&Column],
    upsert: &Upsert,
) -> Result<OnConflict, Error> {
    let source = Source::relation(relation);
    let mut keys = Vec::new();
    for name in upsert.key {
        source.type_of(cx, name)?;
        keys.push(Expr::column(name));
    }
    let assignments: Vec<Assignment> = columns
        .iter()
        .map(|column| Assignment::Column {
            column: column.name.clone(),
            value: Expr::qualified("excluded", &column.name),
        })
        .collect();
    let action = match upsert.resolution {
        Resolution::MergeDuplicates if !assignments.is_empty() => ConflictAction::Update {
            assignments,
            selection: None,
        },
        _ => ConflictAction::Nothing,
    };
    Ok(OnConflict {
        target: Some(ConflictTarget::Columns {
            keys,
            predicate: None,
        }),
        action,
    })
}

/// The root's filters. Those on embeds only shape what is returned.
fn selection(
    cx: &Context,
    request: &Request,
    relation: &Arc<Relation>,
    params: &mut Params,
) -> Result<Option<Expr>, Error> {
    let mut aliases = Aliases::default();
    let alias = aliases.take(&relation.name.name);
    let mut place = Place {
        cx,
        params,
        aliases: &mut aliases,
    };
    let source = Source::relation(relation);
    let terms = condition::of_filters(&mut place, &source, None, &request.root.filters, &alias)?;
    Ok(all_of(terms))
}

fn returning(
    cx: &Context,
    request: &Request,
    relation: &Arc<Relation>,
    asked: &Asked,
) -> Result<(Vec<SelectItem>, Vec<Field>), Error> {
    let alias = relation.name.name.as_str();
    let mut projection = Projection::default();
    let fields = match asked.preferences.returns.unwrap_or(Return::Minimal) {
        Return::Minimal => return Ok((Vec::new(), Vec::new())),
        Return::HeadersOnly if relation.primary_key().is_empty() => {
            return Ok((Vec::new(), Vec::new()));
        }
        Return::HeadersOnly => {
            let field = |column: &String| Field {
                key: column.clone(),
                value: FieldValue::Column(projection.add(Expr::qualified(alias, column))),
            };
            relation.primary_key().iter().map(field).collect()
        }
        Return::Representation => {
            let node = Node::resolve(cx, &request.root, Source::relation(relation))?;
            fields::of_root(cx, &node, alias, &mut projection)?
        }
    };
    Ok((projection.items(), fields))
}
