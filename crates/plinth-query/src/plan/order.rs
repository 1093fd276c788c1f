//! Sort keys and pages.

use plinth_sql::ast::{Expr, OrderBy, Query, Select, SelectItem};

use super::condition::{self, Place};
use super::tree::{Child, Node};
use super::{all_of, embed};
use crate::error::Error;
use crate::range::Window;
use crate::request::FieldRef;

/// The order asked for; without one that of the primary key, since clients page through what they did not order.
pub(super) fn of_node(place: &mut Place, node: &Node, alias: &str) -> Result<Vec<OrderBy>, Error> {
    if node.level.order.is_empty() {
        let by = |column: &String| OrderBy {
            expr: Expr::qualified(alias, column),
            descending: false,
            nulls_first: Some(false),
        };
        return Ok(node.source.key.iter().map(by).collect());
    }
    let mut keys = Vec::new();
    for term in &node.level.order {
        let expr = match &term.embed {
            None => condition::operand(place.cx, &node.source, &term.field, alias)?.0,
            Some(name) => {
                let child = node
                    .child(name)
                    .ok_or_else(|| Error::NotEmbedded { name: name.clone() })?;
                if !child.relationship.cardinality.is_to_one() {
                    return Err(Error::RelatedOrder {
                        origin: node.source.name.to_owned(),
                        target: name.clone(),
                    });
                }
                related(place, child, &term.field, alias)?
            }
        };
        keys.push(OrderBy {
            expr,
            descending: term.descending,
            // Written out always, so that no engine's own default matters.
            nulls_first: Some(term.nulls_first.unwrap_or(term.descending)),
        });
    }
    Ok(keys)
}

/// The value of a related row's column.
fn related(
    place: &mut Place,
    child: &Child,
    field: &FieldRef,
    parent: &str,
) -> Result<Expr, Error> {
    let alias = place.aliases.take(&child.relationship.target.name.name);
    let bound = |column: &str, _: usize| Expr::qualified(parent, column);
    let (from, mut terms) = embed::link(&child.relationship, &alias, place.aliases, bound);
    terms.extend(condition::of_node(place, &child.node, &alias)?);
    let (value, _) = condition::operand(place.cx, &child.node.source, field, &alias)?;
    Ok(Expr::Scalar(Box::new(Query::select(Select {
        projection: vec![SelectItem::Expr {
            expr: value,
            alias: None,
        }],
        from: vec![from],
        selection: all_of(terms),
        ..Select::default()
    }))))
}

/// `LIMIT` and `OFFSET`.
pub(super) fn page(query: &mut Query, window: Window) {
    query.limit = window.limit.map(|limit| Expr::Number(limit.to_string()));
    query.offset = (window.offset > 0).then(|| Expr::Number(window.offset.to_string()));
}
