//! How relations are connected: by foreign keys, seen from both ends, through views and over junction tables.
//!
//! Nothing is cached: for each embed the keys of the schema are walked once, which is cheap next to running it.

mod views;

use std::sync::Arc;

use plinth_sql::ast::Expr;
use plinth_sql::catalog::{Catalog, ConstraintKind, ForeignKey, QName, Relation};

use crate::error::{Error, RelationshipFacts};
use crate::names;
use views::Image;

/// How like a related name must be to be suggested.
const LIKENESS_OF_HINTS: f64 = 0.5;

/// How many rows stand on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as the error bodies name it")]
pub enum Cardinality {
    ManyToOne,
    OneToOne,
    OneToMany,
    ManyToMany,
}

/// One way from a relation to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Relationship<'a> {
    /// Where it starts.
    pub origin: &'a Arc<Relation>,
    /// Where it leads.
    pub target: &'a Arc<Relation>,
    /// How many rows stand on each side.
    pub cardinality: Cardinality,
    /// How the rows are matched.
    pub join: Join<'a>,
}

/// How rows are matched.
#[derive(Clone, Debug, PartialEq)]
pub enum Join<'a> {
    /// By one foreign key.
    Key {
        /// Its constraint.
        constraint: &'a str,
        /// Whether the origin holds the key, rather than the target.
        forward: bool,
        /// Pairs of columns that are equal: of the origin, of the target.
        columns: Vec<(String, String)>,
    },
    /// By two foreign keys of a junction table.
    Junction {
        /// The junction table.
        relation: &'a Arc<Relation>,
        /// The constraint towards the origin, and pairs: of the origin, of the junction.
        origin: (&'a str, Vec<(String, String)>),
        /// The constraint towards the target, and pairs: of the junction, of the target.
        target: (&'a str, Vec<(String, String)>),
    },
}

impl Cardinality {
    /// As error bodies name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Cardinality::ManyToOne => "many-to-one",
            Cardinality::OneToOne => "one-to-one",
            Cardinality::OneToMany => "one-to-many",
            Cardinality::ManyToMany => "many-to-many",
        }
    }

    /// Whether at most one row is related.
    pub fn is_to_one(self) -> bool {
        matches!(self, Cardinality::ManyToOne | Cardinality::OneToOne)
    }
}

impl Relationship<'_> {
    /// Columns of the origin that the related rows depend on.
    pub fn origin_columns(&self) -> impl Iterator<Item = &str> {
        let (Join::Key { columns, .. }
        | Join::Junction {
            origin: (_, columns),
            ..
        }) = &self.join;
        columns.iter().map(|(column, _)| column.as_str())
    }

    fn facts(&self) -> RelationshipFacts {
        let (origin, target) = (&self.origin.name.name, &self.target.name.name);
        let (relationship, hint) = match &self.join {
            Join::Key {
                constraint,
                columns,
                ..
            } => {
                let left: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
                let right: Vec<&str> = columns.iter().map(|(_, column)| column.as_str()).collect();
                let words = format!(
                    "{constraint} using {origin}({}) and {target}({})",
                    left.join(", "),
                    right.join(", ")
                );
                (words, (*constraint).to_owned())
            }
            Join::Junction {
                relation,
                origin: (first, left),
                target: (second, right),
            } => {
                let left: Vec<&str> = left.iter().map(|(_, column)| column.as_str()).collect();
                let right: Vec<&str> = right.iter().map(|(column, _)| column.as_str()).collect();
                let words = format!(
                    "{} using {first}({}) and {second}({})",
                    relation.name.name,
                    left.join(", "),
                    right.join(", ")
                );
                (words, relation.name.name.clone())
            }
        };
        RelationshipFacts {
            cardinality: self.cardinality,
            embedding: (origin.clone(), target.clone()),
            relationship,
            hint,
        }
    }
}

/// The one relationship that an embed means.
///
/// `name` is the related relation, the foreign key's constraint, or the origin's single foreign-key column; `hint` a constraint, a
/// single foreign-key column of either side, or a junction table. Of a self-reference the relation's name means the
/// many side and the column the one side.
pub fn find<'a>(
    catalog: &'a Catalog,
    origin: &'a Arc<Relation>,
    name: &str,
    hint: Option<&str>,
    role: &str,
) -> Result<Relationship<'a>, Error> {
    let all = from(catalog, origin);
    let mut fitting: Vec<&Relationship> = all.iter().filter(|one| one.fits(name, hint)).collect();
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let related = all
                .iter()
                .filter(|one| names::sees_relation(catalog, role, one.target))
                .map(|one| one.target.name.name.as_str());
            Err(Error::NoRelationship {
                origin: origin.name.name.clone(),
                target: name.to_owned(),
                hint: hint.map(str::to_owned),
                schema: origin.name.schema.clone(),
                did_you_mean: names::nearest(
                    name,
                    related.filter(|near| *near != name),
                    LIKENESS_OF_HINTS,
                )
                .map(str::to_owned),
            })
        }
        _ => {
            // What a role may not see is not told, even in a list of choices.
            fitting.retain(|one| match &one.join {
                Join::Junction { relation, .. } => names::sees_relation(catalog, role, relation),
                Join::Key { .. } => true,
            });
            Err(Error::AmbiguousRelationship {
                origin: origin.name.name.clone(),
                target: name.to_owned(),
                candidates: fitting.into_iter().map(Relationship::facts).collect(),
            })
        }
    }
}

impl Relationship<'_> {
    fn fits(&self, name: &str, hint: Option<&str>) -> bool {
        let is_target = self.target.name.name == name;
        let is_self = self.origin.name == self.target.name;
        match &self.join {
            Join::Key {
                constraint,
                columns,
                forward,
            } => {
                let single = match columns.as_slice() {
                    [(origin, target)] => Some((origin.as_str(), target.as_str())),
                    _ => None,
                };
                let to_one = self.cardinality.is_to_one();
                let forward = *forward;
                match (hint, is_self) {
                    (None, false) => {
                        is_target
                            || *constraint == name
                            || (forward
                                && self.origin.table().is_some()
                                && single.is_some_and(|(column, _)| column == name))
                    }
                    (Some(hint), false) => {
                        is_target
                            && (*constraint == hint
                                || single
                                    .is_some_and(|(left, right)| left == hint || right == hint))
                    }
                    (None, true) => {
                        (is_target && !forward)
                            || (forward && *constraint == name)
                            || (forward
                                && to_one
                                && single.is_some_and(|(column, _)| column == name))
                    }
                    (Some(hint), true) => {
                        is_target
                            && !forward
                            && (*constraint == hint
                                || single.is_some_and(|(_, column)| column == hint))
                    }
                }
            }
            Join::Junction { relation, .. } => {
                is_target && hint.is_none_or(|hint| relation.name.name == hint)
            }
        }
    }
}

/// Every relationship that starts at this relation and stays in its schema.
fn from<'a>(catalog: &'a Catalog, origin: &'a Arc<Relation>) -> Vec<Relationship<'a>> {
    let schema = origin.name.schema.as_str();
    let first = QName::new(schema, "");
    let exposed: Vec<Image<'a>> = catalog
        .relations
        .range(first..)
        .take_while(|(name, _)| name.schema == schema)
        .map(|(_, relation)| Image::of(catalog, relation))
        .collect();
    let Some(start) = exposed
        .iter()
        .find(|image| image.relation.name == origin.name)
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for edge in edges(catalog) {
        if let Some(left) = start.columns_of(edge.child, &edge.key.columns) {
            for target in &exposed {
                if let Some(right) = target.columns_of(edge.parent, &edge.key.foreign_columns) {
                    found.push(edge.direct(origin, target.relation, &left, &right, true));
                }
            }
        }
        if let Some(left) = start.columns_of(edge.parent, &edge.key.foreign_columns) {
            for target in &exposed {
                if let Some(right) = target.columns_of(edge.child, &edge.key.columns) {
                    found.push(edge.direct(origin, target.relation, &left, &right, false));
                }
            }
            if edge.child.name.schema == schema {
                edge.over_junction(start, &left, &exposed, catalog, &mut found);
            }
        }
    }
    found
}

/// A foreign key with both of its tables.
struct Edge<'a> {
    constraint: &'a str,
    key: &'a ForeignKey,
    child: &'a Arc<Relation>,
    parent: &'a Arc<Relation>,
}

fn edges(catalog: &Catalog) -> impl Iterator<Item = Edge<'_>> {
    catalog
        .relations
        .values()
        .flat_map(|child| edges_of(catalog, child))
}

fn edges_of<'a>(catalog: &'a Catalog, child: &'a Arc<Relation>) -> impl Iterator<Item = Edge<'a>> {
    child.foreign_keys().filter_map(|(constraint, key)| {
        let parent = catalog.relation_named(&key.foreign_table)?;
        Some(Edge {
            constraint,
            key,
            child,
            parent,
        })
    })
}

impl<'a> Edge<'a> {
    fn direct(
        &self,
        origin: &'a Arc<Relation>,
        target: &'a Arc<Relation>,
        left: &[String],
        right: &[String],
        forward: bool,
    ) -> Relationship<'a> {
        let cardinality = match (is_unique(self.child, &self.key.columns), forward) {
            (true, _) => Cardinality::OneToOne,
            (false, true) => Cardinality::ManyToOne,
            (false, false) => Cardinality::OneToMany,
        };
        let join = Join::Key {
            constraint: self.constraint,
            forward,
            columns: pairs(left, right),
        };
        Relationship {
            origin,
            target,
            cardinality,
            join,
        }
    }

    /// With this key's table as the junction, if its primary key holds this key and another.
    fn over_junction(
        &self,
        start: &Image<'a>,
        left: &[String],
        exposed: &[Image<'a>],
        catalog: &'a Catalog,
        found: &mut Vec<Relationship<'a>>,
    ) {
        let primary = self.child.primary_key();
        let is_part = |key: &ForeignKey| key.columns.iter().all(|column| primary.contains(column));
        if !is_part(self.key) {
            return;
        }
        for other in edges_of(catalog, self.child) {
            if other.constraint == self.constraint || !is_part(other.key) {
                continue;
            }
            for target in exposed {
                let Some(right) = target.columns_of(other.parent, &other.key.foreign_columns)
                else {
                    continue;
                };
                found.push(Relationship {
                    origin: start.relation,
                    target: target.relation,
                    cardinality: Cardinality::ManyToMany,
                    join: Join::Junction {
                        relation: self.child,
                        origin: (self.constraint, pairs(left, &self.key.columns)),
                        target: (other.constraint, pairs(&other.key.columns, &right)),
                    },
                });
            }
        }
    }
}

/// Whether at most one row has the same values in these columns.
fn is_unique(relation: &Relation, columns: &[String]) -> bool {
    let Some(table) = relation.table() else {
        return false;
    };
    let same = |key: &[String]| {
        key.len() == columns.len() && key.iter().all(|column| columns.contains(column))
    };
    let by_constraint = table
        .constraints
        .iter()
        .any(|constraint| match &constraint.kind {
            ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } => {
                same(columns)
            }
            _ => false,
        });
    by_constraint
        || table
            .indexes
            .iter()
            .filter(|index| index.unique && index.predicate.is_none())
            .any(|index| {
                let key: Option<Vec<String>> = index
                    .keys
                    .iter()
                    .map(|part| column_name(&part.expr))
                    .collect();
                key.is_some_and(|key| same(&key))
            })
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => column.parts.last().cloned(),
        _ => None,
    }
}

fn pairs(left: &[String], right: &[String]) -> Vec<(String, String)> {
    left.iter().cloned().zip(right.iter().cloned()).collect()
}
