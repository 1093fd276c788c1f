//! Embeds: the statement of a child, and how its rows find their parent.

use plinth_sql::ast::{Expr, FromItem, JoinKind, Query, Select, Statement};
use plinth_sql::shape::{Embed as Embedded, EmbedShape, Fetch};

use super::condition::{self, Place};
use super::fields::{self, Projection};
use super::tree::Child;
use super::{Aliases, Context, Params, all_of, equal, order, table};
use crate::error::Error;
use crate::range::Window;
use crate::relationships::{Join, Relationship};

/// What is fetched for each row of the parent, whose columns are added to its projection as needed.
pub(super) fn fetch(
    cx: &Context,
    child: &Child,
    parent: &mut Projection,
    parent_alias: &str,
) -> Result<Embedded, Error> {
    let bind: Vec<usize> = child
        .relationship
        .origin_columns()
        .map(|column| parent.add(Expr::qualified(parent_alias, column)))
        .collect();
    let to_one = child.relationship.cardinality.is_to_one();
    let shape = match (child.embed.spread, to_one) {
        (true, true) => EmbedShape::SpreadOne,
        (true, false) => EmbedShape::SpreadMany,
        (false, true) => EmbedShape::One,
        (false, false) => EmbedShape::Many,
    };

    let (mut params, mut aliases) = (Params::new(bind.len()), Aliases::default());
    let alias = aliases.take(&child.relationship.target.name.name);
    let parameter =
        |_: &str, place: usize| Expr::Param(u32::try_from(place + 1).unwrap_or(u32::MAX));
    let (from, mut terms) = link(&child.relationship, &alias, &mut aliases, parameter);
    let mut place = Place {
        cx,
        params: &mut params,
        aliases: &mut aliases,
    };
    terms.extend(condition::of_node(&mut place, &child.node, &alias)?);
    let mut projection = Projection::default();
    let fields = fields::of_node(cx, &child.node, &alias, &mut projection)?;
    let mut query = Query::select(Select {
        projection: projection.items(),
        from: vec![from],
        selection: all_of(terms),
        ..Select::default()
    });
    if !to_one {
        query.order_by = order::of_node(&mut place, &child.node, &alias)?;
        let level = child.node.level;
        let window = Window::new(level.limit, level.offset, None, cx.max_rows)?;
        order::page(&mut query, window);
    }
    let fetch = Fetch {
        statement: Statement::Query(Box::new(query)),
        params: params.values,
        fields,
        id: None,
    };
    Ok(Embedded { shape, bind, fetch })
}

/// `FROM` of a related relation, and the conditions that tie it to its parent. `bound` gives the parent's column, told its
/// name and its place among those that matter.
pub(super) fn link(
    relationship: &Relationship,
    alias: &str,
    aliases: &mut Aliases,
    bound: impl Fn(&str, usize) -> Expr,
) -> (FromItem, Vec<Expr>) {
    let target = table(relationship.target, alias);
    match &relationship.join {
        Join::Key { columns, .. } => {
            let ties = columns.iter().enumerate().map(|(place, (here, there))| {
                equal(Expr::qualified(alias, there), bound(here, place))
            });
            (target, ties.collect())
        }
        Join::Junction {
            relation,
            origin: (_, left),
            target: (_, right),
        } => {
            let junction = aliases.take(&relation.name.name);
            let on = right.iter().map(|(middle, there)| {
                equal(
                    Expr::qualified(&junction, middle),
                    Expr::qualified(alias, there),
                )
            });
            let from = FromItem::Join {
                left: Box::new(target),
                right: Box::new(table(relation, &junction)),
                kind: JoinKind::Inner,
                on: condition::on(on.collect()),
            };
            let ties = left.iter().enumerate().map(|(place, (here, middle))| {
                equal(Expr::qualified(&junction, middle), bound(here, place))
            });
            (from, ties.collect())
        }
    }
}
