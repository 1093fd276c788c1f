//! Reads of tables and views.

use plinth_sql::ast::{Call, Expr, FromItem, ObjectName, Query, Select, SelectItem, Statement};
use plinth_sql::shape::{Count, Fetch, Filled, Read};

use super::condition::{self, Place};
use super::fields::{self, Projection};
use super::tree::{Node, Source};
use super::{Aliases, Asked, Context, Params, all_of, order, table};
use crate::error::Error;
use crate::negotiate::Media;
use crate::preferences::Used;
use crate::range::Window;
use crate::request::Request;

/// A read, and what its answer is told about.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPlan<R = Filled<Read>> {
    /// What is run.
    pub read: R,
    /// Which rows: [`Window::page`] makes `Content-Range` and the status of it.
    pub window: Window,
    /// The form of the answer.
    pub media: Media,
    /// The `Preference-Applied` header.
    pub applied: Option<String>,
}

/// Plans `GET` and `HEAD` of a table or view.
pub fn read(request: &Request, cx: &Context, asked: &Asked) -> Result<ReadPlan, Error> {
    let plan = unfilled(request, cx, asked)?;
    Ok(ReadPlan {
        read: plan.read.into(),
        window: plan.window,
        media: plan.media,
        applied: plan.applied,
    })
}

/// The same before anything shares it.
pub(super) fn unfilled(
    request: &Request,
    cx: &Context,
    asked: &Asked,
) -> Result<ReadPlan<Read>, Error> {
    let relation = cx.relation(&request.name)?;
    let node = Node::resolve(cx, &request.root, Source::relation(relation))?;
    let mut aliases = Aliases::default();
    let alias = aliases.take(&relation.name.name);
    let window = Window::new(
        request.root.limit,
        request.root.offset,
        asked.range,
        cx.max_rows,
    )?;
    let rows = rows(
        cx,
        &node,
        &alias,
        table(relation, &alias),
        (Params::new(0), aliases),
        window,
    )?;
    Ok(ReadPlan {
        read: Read {
            fetch: rows.fetch,
            count: asked.preferences.count.map(|_| rows.count),
            format: asked.media.body_format(),
            read_only: true,
        },
        window,
        media: asked.media,
        applied: asked.preferences.applied(Used::default()),
    })
}

/// The rows of a window, and the query that counts all.
pub(super) struct Rows {
    pub(super) fetch: Fetch,
    pub(super) count: Count,
}

/// The rows of a node read `from` something, with what its statement holds already.
pub(super) fn rows(
    cx: &Context,
    node: &Node,
    alias: &str,
    from: FromItem,
    (mut params, mut aliases): (Params, Aliases),
    window: Window,
) -> Result<Rows, Error> {
    let mut place = Place {
        cx,
        params: &mut params,
        aliases: &mut aliases,
    };
    let selection = all_of(condition::of_node(&mut place, node, alias)?);
    // The count shares the condition, hence the parameters up to here; only the order may add more.
    let counted = place.params.values.clone();
    let order_by = order::of_node(&mut place, node, alias)?;
    let mut projection = Projection::default();
    let fields = fields::of_root(cx, node, alias, &mut projection)?;
    let mut query = Query::select(Select {
        projection: projection.items(),
        from: vec![from.clone()],
        selection: selection.clone(),
        ..Select::default()
    });
    query.order_by = order_by;
    order::page(&mut query, window);
    let count = Query::select(Select {
        projection: vec![SelectItem::Expr {
            expr: count_of_rows(),
            alias: None,
        }],
        from: vec![from],
        selection,
        ..Select::default()
    });
    Ok(Rows {
        fetch: Fetch {
            statement: Statement::Query(Box::new(query)),
            params: params.values,
            fields,
            id: None,
        },
        count: Count {
            query: count,
            params: counted,
            id: None,
        },
    })
}

fn count_of_rows() -> Expr {
    Expr::Call(Box::new(Call {
        name: ObjectName::bare("count"),
        args: Vec::new(),
        star: true,
        distinct: false,
        order_by: Vec::new(),
        within_group: Vec::new(),
        filter: None,
        over: None,
    }))
}
