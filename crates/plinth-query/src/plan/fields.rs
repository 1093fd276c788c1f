//! Select lists: which columns a statement yields and which entries they become.

use plinth_sql::ast::{Expr, SelectItem};
use plinth_sql::shape::{Field, FieldValue};
use plinth_sql::types::Type;

use super::tree::{Node, Source};
use super::{Context, condition, embed, types};
use crate::error::Error;
use crate::request::{ColumnItem, Item};

/// The columns a statement yields, each once.
#[derive(Default)]
pub(super) struct Projection {
    columns: Vec<Expr>,
}

impl Projection {
    /// The place of this column, which is added unless it is there.
    pub(super) fn add(&mut self, expr: Expr) -> usize {
        let known = self.columns.iter().position(|column| *column == expr);
        known.unwrap_or_else(|| {
            self.columns.push(expr);
            self.columns.len() - 1
        })
    }

    /// As a select list. A statement must yield something for its rows to be counted.
    pub(super) fn items(self) -> Vec<SelectItem> {
        let columns = if self.columns.is_empty() {
            vec![Expr::Null]
        } else {
            self.columns
        };
        columns
            .into_iter()
            .map(|expr| SelectItem::Expr { expr, alias: None })
            .collect()
    }
}

/// The entries of a level's objects. The statement's relation goes by `alias`.
pub(super) fn of_node(
    cx: &Context,
    node: &Node,
    alias: &str,
    projection: &mut Projection,
) -> Result<Vec<Field>, Error> {
    let mut fields = Vec::new();
    let mut children = node.children.iter();
    for item in &node.level.items {
        match item {
            Item::All => every(&node.source, alias, projection, &mut fields),
            Item::Column(item) => fields.push(column(cx, &node.source, item, alias, projection)?),
            Item::Aggregate { .. } => return Err(Error::Aggregates),
            Item::Embed(_) => {
                // The children are the embeds, in the same order.
                let Some(child) = children.next() else {
                    continue;
                };
                let embedded = embed::fetch(cx, child, projection, alias)?;
                // An embed without columns only joins.
                if !child.embed.level.items.is_empty() {
                    fields.push(Field {
                        key: child.embed.key().to_owned(),
                        value: FieldValue::Embed(Box::new(embedded)),
                    });
                }
            }
        }
    }
    Ok(fields)
}

/// The same where an empty select list means every column.
pub(super) fn of_root(
    cx: &Context,
    node: &Node,
    alias: &str,
    projection: &mut Projection,
) -> Result<Vec<Field>, Error> {
    if !node.level.items.is_empty() {
        return of_node(cx, node, alias, projection);
    }
    let mut fields = Vec::new();
    every(&node.source, alias, projection, &mut fields);
    Ok(fields)
}

fn every(source: &Source, alias: &str, projection: &mut Projection, fields: &mut Vec<Field>) {
    fields.extend(source.columns.iter().map(|(name, _)| Field {
        key: (*name).to_owned(),
        value: FieldValue::Column(projection.add(Expr::qualified(alias, *name))),
    }));
}

fn column(
    cx: &Context,
    source: &Source,
    item: &ColumnItem,
    alias: &str,
    projection: &mut Projection,
) -> Result<Field, Error> {
    let ty = source.type_of(cx, &item.field.name)?;
    let mut base = Expr::qualified(alias, &item.field.name);
    if !item.field.path.is_empty() && matches!(ty, Type::Array(_) | Type::Row(_)) {
        base = Expr::call(plinth_sql::ast::ObjectName::bare("to_jsonb"), vec![base]);
    }
    let mut value = condition::json_path(base, &item.field);
    if let Some(cast) = &item.cast {
        value = Expr::cast(value, types::cast(cast)?);
    }
    Ok(Field {
        key: item
            .alias
            .clone()
            .unwrap_or_else(|| item.field.key().to_owned()),
        value: FieldValue::Column(projection.add(value)),
    })
}
