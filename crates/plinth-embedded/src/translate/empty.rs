//! Queries of which Postgres's planner sees at once that they have no rows: their functions are not called then, and nobody is
//! asked for privileges on them.
//!
//! It joins the tables of a query with those that its condition asks for a row of. One of them is known to be empty where its
//! policies come to `false`, and nothing else is asked of that table alone, be it by what follows from equalities.

use std::collections::BTreeSet;

use plinth_sql::ast::{
    ColumnRef, Expr, FromItem, JoinKind, JoinOn, Names, ObjectName, Query, SetExpr, TableAlias,
};
use plinth_sql::catalog::Relation;
use plinth_sql::types::Type;

use super::Translator;
use super::constant::Folded;

impl Translator<'_> {
    /// Whether Postgres's planner sees at once that a query has no rows.
    pub(crate) fn finds_nothing(&self, query: &Query) -> bool {
        let mut joined = Joined::default();
        joined.query(query);
        joined.never
            || joined.tables.iter().any(|(name, alias)| {
                let relation = self.catalog.relation(name, &self.search_path);
                relation.is_some_and(|relation| {
                    self.is_closed(relation) && !joined.narrows(relation, alias)
                })
            })
    }
}

/// What a query joins, and the conditions on all of its rows.
#[derive(Default)]
struct Joined<'q> {
    /// Tables, and what they go by.
    tables: Vec<(&'q ObjectName, &'q str)>,
    /// What they and everything else in `FROM` go by.
    aliases: BTreeSet<&'q str>,
    terms: Vec<&'q Expr>,
    /// A condition is false whatever the row.
    never: bool,
}

impl<'q> Joined<'q> {
    fn query(&mut self, query: &'q Query) {
        let SetExpr::Select(select) = &query.body else {
            return;
        };
        let grouped = !select.group_by.is_empty() || select.having.is_some();
        if grouped || query.with.is_some() || select.from.is_empty() {
            return;
        }
        for item in &select.from {
            self.item(item, true);
        }
        if let Some(condition) = &select.selection {
            self.condition(condition);
        }
    }

    /// An entry of `FROM`; one that is not `inner` may stay without a row.
    fn item(&mut self, item: &'q FromItem, inner: bool) {
        match item {
            FromItem::Table { name, alias } => {
                let known_as = called(alias.as_ref(), &name.name);
                self.aliases.insert(known_as);
                if inner {
                    self.tables.push((name, known_as));
                }
            }
            FromItem::Subquery { alias, .. } => {
                self.aliases.insert(called(alias.as_ref(), ""));
            }
            FromItem::Function { call, alias, .. } => {
                self.aliases.insert(called(alias.as_ref(), &call.name.name));
            }
            FromItem::Join {
                left,
                right,
                kind,
                on,
            } => {
                let inner = inner && matches!(kind, JoinKind::Inner | JoinKind::Cross);
                self.item(left, inner);
                self.item(right, inner);
                if inner && let JoinOn::On(condition) = on {
                    self.condition(condition);
                }
            }
        }
    }

    fn condition(&mut self, condition: &'q Expr) {
        match condition {
            Expr::And(left, right) => {
                self.condition(left);
                self.condition(right);
            }
            Expr::Exists(query) => self.query(query),
            // A join, too: of the rows without another.
            Expr::Not(inner) if matches!(**inner, Expr::Exists(_)) => {}
            _ => {
                let folded = Folded::of(condition);
                self.never |= folded.is_false();
                if !folded.is_true() {
                    self.terms.push(condition);
                }
            }
        }
    }

    /// Whether a condition is about this table alone.
    fn narrows(&self, relation: &Relation, alias: &str) -> bool {
        let mut terms = self.terms.iter();
        let mut equalities = self.equalities().into_iter();
        terms.any(|term| self.is_about(term, relation, alias))
            || equalities.any(|equal| equal.narrows(relation, alias))
    }

    fn is_about(&self, term: &Expr, relation: &Relation, alias: &str) -> bool {
        let columns = Names::of_expr(term).columns;
        let is_own = |column: &ColumnRef| match column.parts.as_slice() {
            [name] => Some(relation.column(name).is_some()),
            [.., table, _] if table == alias => Some(true),
            [.., table, _] if self.aliases.contains(table.as_str()) => Some(false),
            // Of a query within the term.
            _ => None,
        };
        let mut own = columns.iter().filter_map(is_own).peekable();
        own.peek().is_some() && own.all(|own| own)
    }

    fn equalities(&self) -> Vec<Equal<'q>> {
        let mut all: Vec<Equal<'q>> = Vec::new();
        for equal in self.terms.iter().copied().filter_map(Equal::of) {
            let (met, mut apart): (Vec<_>, Vec<_>) = all
                .into_iter()
                .partition(|known| !known.columns.is_disjoint(&equal.columns));
            apart.push(met.into_iter().fold(equal, Equal::and));
            all = apart;
        }
        all
    }
}

/// Columns, each with what its table goes by, that are equal to one another.
struct Equal<'q> {
    columns: BTreeSet<(&'q str, &'q str)>,
    /// And to a constant.
    fixed: bool,
}

impl<'q> Equal<'q> {
    fn of(term: &'q Expr) -> Option<Equal<'q>> {
        let sides: [&'q Expr; 2] = match term {
            Expr::Binary {
                op, left, right, ..
            } if op == "=" => [left, right],
            Expr::InList {
                expr,
                list,
                negated: false,
            } => match list.as_slice() {
                [only] => [expr, only],
                _ => return None,
            },
            _ => return None,
        };
        let mut equal = Equal {
            columns: BTreeSet::new(),
            fixed: false,
        };
        for side in sides {
            if let Expr::Column(column) = side {
                let [.., table, name] = column.parts.as_slice() else {
                    return None;
                };
                equal.columns.insert((table.as_str(), name.as_str()));
            } else if is_constant(side) {
                equal.fixed = true;
            } else {
                return None;
            }
        }
        Some(equal)
    }

    fn and(mut self, other: Equal<'q>) -> Equal<'q> {
        self.columns.extend(other.columns);
        self.fixed |= other.fixed;
        self
    }

    /// Whether a condition on this table alone follows. Beside policies nothing follows from operators that may tell what
    /// they are given.
    fn narrows(&self, relation: &Relation, alias: &str) -> bool {
        let own = self.columns.iter().filter(|(table, _)| *table == alias);
        let discreet = own
            .filter_map(|(_, name)| relation.column(name))
            .filter(|column| is_leakproof(&column.ty.ty))
            .count();
        discreet > usize::from(!self.fixed)
    }
}

fn called<'q>(alias: Option<&'q TableAlias>, name: &'q str) -> &'q str {
    alias.map_or(name, |alias| alias.name.as_str())
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Param(_) | Expr::Number(_) | Expr::String(_) | Expr::Bool(_) => true,
        Expr::Cast { expr, .. } => is_constant(expr),
        _ => false,
    }
}

/// Whether Postgres calls the equality of this type's values leakproof.
fn is_leakproof(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Bool
            | Type::Int2
            | Type::Int4
            | Type::Int8
            | Type::Float4
            | Type::Float8
            | Type::Text
            | Type::Varchar
            | Type::Bpchar
            | Type::Name
            | Type::Uuid
            | Type::Date
            | Type::Time
            | Type::Timestamp
            | Type::Timestamptz
            | Type::Interval
            | Type::Bytea
    )
}
