//! Policies that read whole tables, which makes requests slow once those have many rows.
//!
//! What is read to decide about one row the file's engine tells from SQLite's programs, which stay as they are while tables grow. Which
//! index lists are in want of follows from the catalog alone, on both engines.

use std::sync::Arc;

use plinth_embedded::RowScan;
use plinth_sql::ast::{ColumnRef, Expr, Names, ObjectName, PolicyCommand, Volatility};
use plinth_sql::catalog::{
    Catalog, ConstraintKind, Function, Index, Policy, Privilege, QName, Relation, Table,
};
use plinth_sql::print::ident;

/// A table that is read from end to end because of policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyScan {
    /// It is read to decide about one row, of another table mostly.
    ForARow(RowScan),
    /// It is read for every list of it, for want of an index.
    ForAList(MissingIndex),
}

/// An index by which lists would find their rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingIndex {
    /// The table.
    pub table: QName,
    /// The policy that decides which rows are listed.
    pub policy: String,
    /// What the policy compares with something that is the same for the whole request.
    pub column: String,
}

impl MissingIndex {
    /// The statement that makes it.
    pub fn statement(&self) -> String {
        let QName { schema, name } = &self.table;
        let schema = match schema.as_str() {
            "public" => String::new(),
            schema => format!("{}.", ident(schema)),
        };
        let (table, column) = (ident(name), ident(&self.column));
        format!("create index on {schema}{table} ({column})")
    }
}

/// Every index that is missing, each column of a table once.
///
/// All policies of a role together say which rows it is shown. One that has to look at every row (`published`, `exists (…)`,
/// `is_staff()`) makes lists read them all whatever the others compare, so that nothing is missing beside it.
/// `keys_are_indexed` says that the engine makes an index for every foreign key by itself.
pub(crate) fn missing_indexes(catalog: &Catalog, keys_are_indexed: bool) -> Vec<MissingIndex> {
    let mut found: Vec<MissingIndex> = Vec::new();
    for relation in catalog.relations.values() {
        let Some(table) = relation.table() else {
            continue;
        };
        let search = Search {
            catalog,
            relation,
            table,
            keys_are_indexed,
        };
        for role in catalog.held_by_policies(relation) {
            if !may_list(catalog, role, relation) {
                continue;
            }
            for (policy, column) in search.by_role(role).unwrap_or_default() {
                let known = found
                    .iter()
                    .any(|known| known.table == relation.name && known.column == column);
                if !known {
                    found.push(MissingIndex {
                        table: relation.name.clone(),
                        policy: policy.to_owned(),
                        column: column.to_owned(),
                    });
                }
            }
        }
    }
    found
}

fn may_list(catalog: &Catalog, role: &str, relation: &Relation) -> bool {
    let schema = catalog.schemas.get(&relation.name.schema);
    schema.is_some_and(|schema| catalog.may_schema(role, schema, Privilege::Usage))
        && catalog.may_any_column(role, relation, Privilege::Select)
}

/// A table whose rows are looked for.
struct Search<'a> {
    catalog: &'a Catalog,
    relation: &'a Relation,
    table: &'a Table,
    keys_are_indexed: bool,
}

/// What is missing for rows to be found by indexes: columns, each with the policy that compares it. Nothing when indexes are there.
type Wanted<'a> = Vec<(&'a str, &'a str)>;

/// In each of these, none means that no index would do.
impl<'a> Search<'a> {
    /// For the rows that a role is shown.
    fn by_role(&self, role: &str) -> Option<Wanted<'a>> {
        let (mut shown, mut held) = (Some(Wanted::new()), Vec::new());
        for policy in &self.table.policies {
            let Some(condition) = self.applying(policy, role) else {
                continue;
            };
            let wanted = self.by_condition(condition, &policy.name);
            match policy.permissive {
                true => shown = all_of(shown, wanted),
                false => held.push(wanted),
            }
        }
        held.into_iter().fold(shown, one_of)
    }

    /// The condition of a policy for lists of this role.
    fn applying(&self, policy: &'a Policy, role: &str) -> Option<&'a Expr> {
        let for_lists = matches!(policy.command, PolicyCommand::All | PolicyCommand::Select);
        let mut roles = policy.roles.iter();
        let for_role = roles.any(|of| of == "public" || self.catalog.has_role(role, of));
        policy.using.as_ref().filter(|_| for_lists && for_role)
    }

    fn by_condition(&self, condition: &'a Expr, policy: &'a str) -> Option<Wanted<'a>> {
        match condition {
            // There are no rows.
            Expr::Bool(false) => Some(Wanted::new()),
            Expr::Or(left, right) => all_of(
                self.by_condition(left, policy),
                self.by_condition(right, policy),
            ),
            Expr::And(left, right) => one_of(
                self.by_condition(left, policy),
                self.by_condition(right, policy),
            ),
            Expr::Binary {
                op, left, right, ..
            } if op == "=" => self
                .by_column(left, &Names::of_expr(right), policy)
                .or_else(|| self.by_column(right, &Names::of_expr(left), policy)),
            Expr::InQuery {
                expr,
                query,
                negated: false,
            } => self.by_column(expr, &Names::of_query(query), policy),
            _ => None,
        }
    }

    /// For the rows in which a column equals something, which has these names in it.
    fn by_column(&self, column: &'a Expr, value: &Names, policy: &'a str) -> Option<Wanted<'a>> {
        let Expr::Column(reference) = column else {
            return None;
        };
        let column = self.relation.column(reference.parts.last()?)?;
        if !self.is_constant(value) {
            return None;
        }
        if self.begins_an_index(&column.name) {
            return Some(Wanted::new());
        }
        // What is the same for all callers, as a state is, may be in most rows; then an index finds nothing faster.
        let wanted = || vec![(policy, column.name.as_str())];
        self.tells_of_the_caller(value).then(wanted)
    }

    /// Whether the value is the same for every row: its columns are those of queries inside it, which the catalog writes with their table.
    fn is_constant(&self, value: &Names) -> bool {
        let of_a_query = |column: &ColumnRef| match column.parts.as_slice() {
            [.., table, _] => *table != self.relation.name.name,
            _ => false,
        };
        let mut functions = value.functions.iter().flat_map(|name| self.functions(name));
        value.columns.iter().all(of_a_query)
            && functions.all(|function| function.volatility != Volatility::Volatile)
    }

    /// Whether it calls `auth.uid()`, another function that is no built-in, or what tells of the session.
    fn tells_of_the_caller(&self, value: &Names) -> bool {
        value.functions.iter().any(|name| {
            let built_in = name.name.as_str();
            !self.functions(name).is_empty()
                || matches!(
                    built_in,
                    "current_setting" | "current_user" | "current_role" | "session_user" | "user"
                )
        })
    }

    /// Functions of a name, which has its schema in everything that is stored. Those of `pg_catalog` are not in the catalog.
    fn functions(&self, name: &ObjectName) -> &'a [Arc<Function>] {
        self.catalog.functions(name, &[])
    }

    fn begins_an_index(&self, column: &str) -> bool {
        let constraints = self.table.constraints.iter();
        let mut keys = constraints.filter_map(|constraint| match &constraint.kind {
            ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } => {
                columns.first()
            }
            ConstraintKind::ForeignKey(key) if self.keys_are_indexed => key.columns.first(),
            ConstraintKind::ForeignKey(_) | ConstraintKind::Check { .. } => None,
        });
        // An index with a condition is taken to fit: whoever made it knew which rows are asked for.
        let begins = |index: &Index| {
            let first = index.keys.first().map(|key| &key.expr);
            let named = matches!(first, Some(Expr::Column(first)) if first.parts.last().is_some_and(|name| name == column));
            named && matches!(index.method.as_str(), "btree" | "hash")
        };
        keys.any(|key| key == column) || self.table.indexes.iter().any(begins)
    }
}

/// Every one of them has to find its rows.
fn all_of<'a>(left: Option<Wanted<'a>>, right: Option<Wanted<'a>>) -> Option<Wanted<'a>> {
    let mut all = left?;
    all.extend(right?);
    Some(all)
}

/// One of them is enough: the one that wants less.
fn one_of<'a>(left: Option<Wanted<'a>>, right: Option<Wanted<'a>>) -> Option<Wanted<'a>> {
    match (left, right) {
        (Some(left), Some(right)) if right.len() < left.len() => Some(right),
        (Some(left), _) => Some(left),
        (None, right) => right,
    }
}
