//! Expressions.

use super::{ObjectName, OrderBy, Query, Span};

/// A value expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// `NULL`.
    Null,
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// A numeric constant as written, without a sign: `42`, `1.50`, `1e10`.
    Number(String),
    /// A string constant, unescaped. Its type is unknown until its context decides.
    String(String),
    /// `$1`, counted from 1.
    Param(u32),
    /// `a`, `t.a`, `s.t.a`.
    Column(ColumnRef),
    /// `t.*` where a row is wanted (`count(t.*)`, `row_to_json(t.*)`).
    Wildcard(ColumnRef),
    /// `x::t` and `CAST(x AS t)`.
    Cast {
        /// What is cast.
        expr: Box<Expr>,
        /// To what.
        ty: TypeName,
    },
    /// `AND` of two.
    And(Box<Expr>, Box<Expr>),
    /// `OR` of two.
    Or(Box<Expr>, Box<Expr>),
    /// `NOT`.
    Not(Box<Expr>),
    /// Prefix operator: `-`, `+`, `~`, `@`, `|/`.
    Unary {
        /// Operator text.
        op: String,
        /// Operand.
        expr: Box<Expr>,
        /// The operator's place.
        span: Span,
    },
    /// Infix operator, as written except that `!=` is `<>`. `OPERATOR(s.op)` keeps only the operator.
    Binary {
        /// Operator text: `+`, `=`, `->>`, `||`, `~*`, `@>`, …
        op: String,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
        /// The operator's place.
        span: Span,
    },
    /// `x IS [NOT] NULL` (also `ISNULL`, `NOTNULL`).
    IsNull {
        /// Tested.
        expr: Box<Expr>,
        /// `NOT` was there.
        negated: bool,
    },
    /// `x IS [NOT] TRUE | FALSE | UNKNOWN`.
    IsBool {
        /// Tested.
        expr: Box<Expr>,
        /// `Some(true)`, `Some(false)`, or none for `UNKNOWN`.
        value: Option<bool>,
        /// `NOT` was there.
        negated: bool,
    },
    /// `a IS [NOT] DISTINCT FROM b`; `negated` means `IS NOT DISTINCT FROM`.
    IsDistinct {
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
        /// `NOT` was there.
        negated: bool,
    },
    /// `LIKE`, `ILIKE`, `SIMILAR TO`.
    Like {
        /// Which of the three.
        kind: LikeKind,
        /// Tested.
        expr: Box<Expr>,
        /// Pattern.
        pattern: Box<Expr>,
        /// `ESCAPE`.
        escape: Option<Box<Expr>>,
        /// `NOT` was there.
        negated: bool,
    },
    /// `x BETWEEN [SYMMETRIC] a AND b`.
    Between {
        /// Tested.
        expr: Box<Expr>,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
        /// `SYMMETRIC` was there.
        symmetric: bool,
        /// `NOT` was there.
        negated: bool,
    },
    /// `x IN (a, b)`.
    InList {
        /// Tested.
        expr: Box<Expr>,
        /// At least one.
        list: Vec<Expr>,
        /// `NOT` was there.
        negated: bool,
    },
    /// `x IN (SELECT …)`.
    InQuery {
        /// Tested; a row for several columns.
        expr: Box<Expr>,
        /// The query.
        query: Box<Query>,
        /// `NOT` was there.
        negated: bool,
    },
    /// `x op ANY (array)` and `x op ALL (array)`. `op` may also be `LIKE`, `ILIKE`, `NOT LIKE`, `NOT ILIKE`.
    AnyArray {
        /// Left side.
        left: Box<Expr>,
        /// Operator text.
        op: String,
        /// The array.
        array: Box<Expr>,
        /// `ALL` rather than `ANY`/`SOME`.
        all: bool,
        /// The operator's place.
        span: Span,
    },
    /// `x op ANY (SELECT …)` and `x op ALL (SELECT …)`.
    AnyQuery {
        /// Left side.
        left: Box<Expr>,
        /// Operator text.
        op: String,
        /// The query.
        query: Box<Query>,
        /// `ALL` rather than `ANY`/`SOME`.
        all: bool,
        /// The operator's place.
        span: Span,
    },
    /// `EXISTS (SELECT …)`.
    Exists(Box<Query>),
    /// `(SELECT …)` as a value.
    Scalar(Box<Query>),
    /// `ARRAY(SELECT …)`.
    ArrayQuery(Box<Query>),
    /// `ARRAY[a, b]`; nested brackets are nested `Array`s.
    Array(Vec<Expr>),
    /// `ROW(a, b)` or `(a, b)`.
    Row(Vec<Expr>),
    /// `CASE`.
    Case {
        /// `CASE x WHEN …`.
        operand: Option<Box<Expr>>,
        /// `WHEN a THEN b`.
        whens: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// Function, aggregate and window calls. Keyword functions have their plain name and plain arguments:
    /// `coalesce`, `nullif`, `greatest`, `least`, `current_date`, `current_timestamp`, `localtime`, `current_user`, `session_user`;
    /// `extract(year from x)` is `extract('year', x)`; `position(a in b)` is `position(a, b)` with `a` first;
    /// `substring(x from a for b)` is `substring(x, a, b)`; `trim(leading y from x)` is `ltrim(x, y)` and siblings
    /// (`btrim` for `both`); `overlay(x placing y from a for b)` is `overlay(x, y, a, b)`.
    Call(Box<Call>),
    /// `a[1]`.
    Index {
        /// The array (or jsonb).
        base: Box<Expr>,
        /// The subscript.
        index: Box<Expr>,
    },
    /// `a[1:2]`, either bound may be missing.
    Slice {
        /// The array.
        base: Box<Expr>,
        /// Lower bound.
        low: Option<Box<Expr>>,
        /// Upper bound.
        high: Option<Box<Expr>>,
    },
    /// `(x).field`.
    Field {
        /// The row value.
        base: Box<Expr>,
        /// The field.
        name: String,
    },
    /// `x COLLATE "C"`.
    Collate {
        /// The text.
        expr: Box<Expr>,
        /// The collation.
        collation: ObjectName,
    },
    /// `x AT TIME ZONE z`.
    AtTimeZone {
        /// The time.
        expr: Box<Expr>,
        /// The zone.
        zone: Box<Expr>,
    },
    /// `DEFAULT` in `VALUES` of an `INSERT` and in `SET`.
    Default,
}

/// Which pattern language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LikeKind {
    /// `LIKE`.
    Like,
    /// `ILIKE`.
    Ilike,
    /// `SIMILAR TO`.
    Similar,
}

/// A column reference of one to three parts, or a qualifier before `.*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnRef {
    /// `[column]`, `[table, column]`, `[schema, table, column]`.
    pub parts: Vec<String>,
    /// Where it stood.
    pub span: Span,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// The function.
    pub name: ObjectName,
    /// Its arguments.
    pub args: Vec<CallArg>,
    /// `count(*)`.
    pub star: bool,
    /// `count(distinct x)`.
    pub distinct: bool,
    /// `array_agg(x order by y)`.
    pub order_by: Vec<OrderBy>,
    /// `within group (order by y)`.
    pub within_group: Vec<OrderBy>,
    /// `filter (where …)`.
    pub filter: Option<Expr>,
    /// `over (…)` or `over w`.
    pub over: Option<Window>,
}

/// One argument of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallArg {
    /// `name => value`.
    pub name: Option<String>,
    /// The value.
    pub value: Expr,
    /// `VARIADIC` was written.
    pub variadic: bool,
}

/// A window: named, or written out (a written-out one may extend a named one through `base`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// `over w`.
    Named(String),
    /// `over (…)`.
    Spec(WindowSpec),
}

/// `(base partition by … order by … frame)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct WindowSpec {
    /// An existing window's name.
    pub base: Option<String>,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderBy>,
    /// The frame clause.
    pub frame: Option<Frame>,
}

/// `ROWS BETWEEN … AND … EXCLUDE …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// `rows`, `range` or `groups`.
    pub units: FrameUnits,
    /// Where it starts.
    pub start: FrameBound,
    /// Where it ends, when `BETWEEN` was written.
    pub end: Option<FrameBound>,
    /// The text after `EXCLUDE`: `current row`, `group`, `ties`, `no others`.
    pub exclude: Option<String>,
}

/// What a frame counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameUnits {
    /// `ROWS`.
    Rows,
    /// `RANGE`.
    Range,
    /// `GROUPS`.
    Groups,
}

/// One end of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FrameBound {
    /// `UNBOUNDED PRECEDING`.
    UnboundedPreceding,
    /// `x PRECEDING`.
    Preceding(Box<Expr>),
    /// `CURRENT ROW`.
    CurrentRow,
    /// `x FOLLOWING`.
    Following(Box<Expr>),
    /// `UNBOUNDED FOLLOWING`.
    UnboundedFollowing,
}

/// A type as written. Multi-word names are one canonical name: `timestamp with time zone` is `timestamptz`,
/// `double precision` `float8`, `character varying` `varchar`, `character` `bpchar` (with modifier 1 when none), `integer` and `int`
/// `int4`, `bigint` `int8`, `smallint` `int2`, `real` `float4`, `decimal` `numeric`, `boolean` `bool`, `time without time zone` `time`,
/// `float(n)` `float4`/`float8`; `serial` and siblings keep their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeName {
    /// The name, schema-qualified if so written (`pg_catalog.` is dropped).
    pub name: ObjectName,
    /// `(10, 2)`; for intervals only the precision.
    pub modifiers: Vec<i32>,
    /// Number of `[]`.
    pub array_dimensions: u8,
    /// `table.column%TYPE`: then `name` is the table and this the column.
    pub percent_column: Option<String>,
}

impl TypeName {
    /// A plain type name made by us.
    pub fn simple(name: &str) -> TypeName {
        TypeName {
            name: ObjectName::bare(name),
            modifiers: Vec::new(),
            array_dimensions: 0,
            percent_column: None,
        }
    }
}

impl Expr {
    /// A column by its unqualified name.
    pub fn column(name: impl Into<String>) -> Expr {
        Expr::Column(ColumnRef {
            parts: vec![name.into()],
            span: Span::default(),
        })
    }

    /// A column of a named table or alias.
    pub fn qualified(table: impl Into<String>, name: impl Into<String>) -> Expr {
        Expr::Column(ColumnRef {
            parts: vec![table.into(), name.into()],
            span: Span::default(),
        })
    }

    /// `left op right`.
    pub fn binary(op: &str, left: Expr, right: Expr) -> Expr {
        Expr::Binary {
            op: op.to_owned(),
            left: Box::new(left),
            right: Box::new(right),
            span: Span::default(),
        }
    }

    /// `expr::ty`.
    pub fn cast(expr: Expr, ty: TypeName) -> Expr {
        Expr::Cast {
            expr: Box::new(expr),
            ty,
        }
    }

    /// A plain function call.
    pub fn call(name: ObjectName, args: Vec<Expr>) -> Expr {
        Expr::Call(Box::new(Call {
            name,
            args: args
                .into_iter()
                .map(|value| CallArg {
                    name: None,
                    value,
                    variadic: false,
                })
                .collect(),
            star: false,
            distinct: false,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        }))
    }

    /// All of them, or none when there are none.
    pub fn all(terms: impl IntoIterator<Item = Expr>) -> Option<Expr> {
        terms
            .into_iter()
            .reduce(|a, b| Expr::And(Box::new(a), Box::new(b)))
    }

    /// Any of them, or none when there are none.
    pub fn any(terms: impl IntoIterator<Item = Expr>) -> Option<Expr> {
        terms
            .into_iter()
            .reduce(|a, b| Expr::Or(Box::new(a), Box::new(b)))
    }
}
