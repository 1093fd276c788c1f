//! Queries.

use super::{Call, Expr, ObjectName, Statement, TypeName, WindowSpec};

/// A whole query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// `WITH`.
    pub with: Option<With>,
    /// What yields the rows.
    pub body: SetExpr,
    /// `ORDER BY`.
    pub order_by: Vec<OrderBy>,
    /// `LIMIT` / `FETCH FIRST`.
    pub limit: Option<Expr>,
    /// `OFFSET`.
    pub offset: Option<Expr>,
    /// `FOR UPDATE` and siblings.
    pub locking: Vec<Locking>,
}

/// `FOR UPDATE [OF a, b] [NOWAIT | SKIP LOCKED]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locking {
    /// `update`, `no key update`, `share` or `key share`.
    pub strength: String,
    /// The entries of `FROM` that it is about; empty means all.
    pub of: Vec<ObjectName>,
    /// `nowait` or `skip locked`, when written.
    pub wait: Option<String>,
}

impl Query {
    /// A query that is just this `SELECT`.
    pub fn select(select: Select) -> Query {
        Query {
            with: None,
            body: SetExpr::Select(Box::new(select)),
            order_by: Vec::new(),
            limit: None,
            offset: None,
            locking: Vec::new(),
        }
    }
}

/// `WITH [RECURSIVE] …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct With {
    /// `RECURSIVE` was written.
    pub recursive: bool,
    /// In order.
    pub ctes: Vec<Cte>,
}

/// `name (columns) AS [NOT] MATERIALIZED (…)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// Column names, when written.
    pub columns: Vec<String>,
    /// `MATERIALIZED` or `NOT MATERIALIZED`, when written.
    pub materialized: Option<bool>,
    /// A query, or `INSERT`/`UPDATE`/`DELETE … RETURNING`.
    pub body: Box<Statement>,
}

/// The body of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SetExpr {
    /// `SELECT …`.
    Select(Box<Select>),
    /// `VALUES (…), (…)`.
    Values(Vec<Vec<Expr>>),
    /// A query in parentheses with clauses of its own.
    Query(Box<Query>),
    /// `UNION`, `INTERSECT`, `EXCEPT`.
    SetOp {
        /// Which.
        op: SetOperator,
        /// `ALL`.
        all: bool,
        /// Left side.
        left: Box<SetExpr>,
        /// Right side.
        right: Box<SetExpr>,
    },
}

/// A set operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetOperator {
    /// `UNION`.
    Union,
    /// `INTERSECT`.
    Intersect,
    /// `EXCEPT`.
    Except,
}

/// One `SELECT` without its `ORDER BY`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Select {
    /// `DISTINCT`.
    pub distinct: Option<Distinct>,
    /// The select list; may be empty.
    pub projection: Vec<SelectItem>,
    /// `FROM`, comma-separated.
    pub from: Vec<FromItem>,
    /// `WHERE`.
    pub selection: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Vec<GroupBy>,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `WINDOW w AS (…)`.
    pub windows: Vec<(String, WindowSpec)>,
}

/// `DISTINCT` or `DISTINCT ON (…)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Distinct {
    /// `DISTINCT`.
    All,
    /// `DISTINCT ON (…)`.
    On(Vec<Expr>),
}

/// One entry of a select list or `RETURNING` list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SelectItem {
    /// `*`.
    Wildcard,
    /// `t.*` or `s.t.*`.
    QualifiedWildcard(Vec<String>),
    /// An expression with an optional name.
    Expr {
        /// The value.
        expr: Expr,
        /// `AS alias`.
        alias: Option<String>,
    },
}

/// One grouping element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// A plain expression.
    Expr(Expr),
    /// `()`.
    Empty,
    /// `ROLLUP (…)`.
    Rollup(Vec<Expr>),
    /// `CUBE (…)`.
    Cube(Vec<Expr>),
    /// `GROUPING SETS (…)`.
    Sets(Vec<GroupBy>),
}

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderBy {
    /// The key.
    pub expr: Expr,
    /// `DESC` (also `USING >`).
    pub descending: bool,
    /// `NULLS FIRST` (true) or `NULLS LAST` (false) when written.
    pub nulls_first: Option<bool>,
}

/// `AS alias (columns)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TableAlias {
    /// The name.
    pub name: String,
    /// Column names; may be fewer than the columns.
    pub columns: Vec<String>,
    /// `AS x(a int, b text)` for functions that return records.
    pub column_types: Vec<(String, TypeName)>,
}

/// One entry of `FROM`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FromItem {
    /// A table, view or CTE.
    Table {
        /// Which.
        name: ObjectName,
        /// `AS`.
        alias: Option<TableAlias>,
    },
    /// `(SELECT …) AS x`.
    Subquery {
        /// `LATERAL` was written.
        lateral: bool,
        /// The query.
        query: Box<Query>,
        /// `AS`.
        alias: Option<TableAlias>,
    },
    /// `f(x) [WITH ORDINALITY] AS y`.
    Function {
        /// `LATERAL` was written (functions may look left anyway).
        lateral: bool,
        /// The call.
        call: Call,
        /// `WITH ORDINALITY`.
        ordinality: bool,
        /// `AS`.
        alias: Option<TableAlias>,
    },
    /// A join.
    Join {
        /// Left side.
        left: Box<FromItem>,
        /// Right side.
        right: Box<FromItem>,
        /// How.
        kind: JoinKind,
        /// On what.
        on: JoinOn,
    },
}

/// How two sides are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// `[INNER] JOIN`.
    Inner,
    /// `LEFT [OUTER] JOIN`.
    Left,
    /// `RIGHT [OUTER] JOIN`.
    Right,
    /// `FULL [OUTER] JOIN`.
    Full,
    /// `CROSS JOIN`.
    Cross,
}

/// What joins two sides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JoinOn {
    /// `CROSS JOIN`.
    None,
    /// `ON`.
    On(Expr),
    /// `USING (a, b)`.
    Using(Vec<String>),
    /// `NATURAL`.
    Natural,
}
