//! The select tree with every embed resolved.

use std::sync::Arc;

use plinth_sql::catalog::Relation;
use plinth_sql::types::Type;

use super::Context;
use crate::error::Error;
use crate::relationships::{self, Relationship};
use crate::request::{Embed, Level};

/// One level: what is wanted, and of what.
pub(super) struct Node<'a> {
    pub(super) level: &'a Level,
    pub(super) source: Source<'a>,
    /// One for each embed of the level, in order.
    pub(super) children: Vec<Child<'a>>,
}

/// An embed and the way to it.
pub(super) struct Child<'a> {
    pub(super) embed: &'a Embed,
    pub(super) relationship: Relationship<'a>,
    pub(super) node: Node<'a>,
}

/// What a level reads from: a relation, or the result of a function.
#[derive(Clone)]
pub(super) struct Source<'a> {
    /// As messages name it.
    pub(super) name: &'a str,
    /// Whose relationships it has.
    pub(super) relation: Option<&'a Arc<Relation>>,
    /// Names and types.
    pub(super) columns: Vec<(&'a str, &'a Type)>,
    /// The order of rows when none is asked for.
    pub(super) key: &'a [String],
}

impl<'a> Node<'a> {
    /// Resolves the embeds of a level, and theirs.
    pub(super) fn resolve(
        cx: &Context<'a>,
        level: &'a Level,
        source: Source<'a>,
    ) -> Result<Node<'a>, Error> {
        let mut children = Vec::new();
        for embed in level.embeds() {
            let hint = embed.hint.as_deref();
            let origin = source.relation.ok_or_else(|| Error::NoRelationship {
                origin: source.name.to_owned(),
                target: embed.name.clone(),
                hint: hint.map(str::to_owned),
                schema: cx.schema.to_owned(),
                did_you_mean: None,
            })?;
            let relationship = relationships::find(cx.catalog, origin, &embed.name, hint, cx.role)?;
            let target = Source::relation(relationship.target);
            children.push(Child {
                embed,
                relationship,
                node: Node::resolve(cx, &embed.level, target)?,
            });
        }
        Ok(Node {
            level,
            source,
            children,
        })
    }

    /// The embed that filters and orders call so: by its key before by its name.
    pub(super) fn child(&self, name: &str) -> Option<&Child<'a>> {
        let by_key = self.children.iter().find(|child| child.embed.key() == name);
        by_key.or_else(|| self.children.iter().find(|child| child.embed.name == name))
    }
}

impl<'a> Source<'a> {
    pub(super) fn relation(relation: &'a Arc<Relation>) -> Source<'a> {
        Source {
            name: &relation.name.name,
            relation: Some(relation),
            columns: relation
                .columns
                .iter()
                .map(|column| (column.name.as_str(), &column.ty.ty))
                .collect(),
            key: relation.primary_key(),
        }
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| *name == column)
    }

    /// The type of a column, or the error that there is none.
    pub(super) fn type_of(&self, cx: &Context, column: &str) -> Result<&'a Type, Error> {
        let found = self.columns.iter().find(|(name, _)| *name == column);
        found
            .map(|(_, ty)| *ty)
            .ok_or_else(|| Error::UnknownColumn {
                relation: self.name.to_owned(),
                column: column.to_owned(),
                did_you_mean: self
                    .relation
                    .and_then(|relation| cx.near_column(relation, column)),
            })
    }
}
