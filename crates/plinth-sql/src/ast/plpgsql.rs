//! PL/pgSQL: the body of a function, of a trigger or of `DO`.
//!
//! SQL inside it is held as ordinary syntax trees in which variables look like columns; what a name means is decided
//! when the statement runs. Spans count from the start of the body.

use super::{Expr, ObjectName, Query, Span, Statement as Sql, TypeName};

/// All of a function's text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Body {
    /// `#variable_conflict`.
    pub variable_conflict: VariableConflict,
    /// What it does.
    pub block: Block,
}

/// What a name means that could be a variable or a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VariableConflict {
    /// It is an error (42702).
    #[default]
    Error,
    /// The variable.
    UseVariable,
    /// The column.
    UseColumn,
}

/// `[<<label>>] [DECLARE …] BEGIN … [EXCEPTION …] END`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    /// `<<label>>`.
    pub label: Option<String>,
    /// `DECLARE`, in order.
    pub declarations: Vec<Declaration>,
    /// Between `BEGIN` and `EXCEPTION` or `END`.
    pub body: Vec<Statement>,
    /// `EXCEPTION WHEN …`, in order; none means errors pass through without a savepoint.
    pub handlers: Vec<Handler>,
}

/// One name that a block declares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Declaration {
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: DeclarationKind,
    /// Where the name stood.
    pub span: Span,
}

/// What a declared name is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DeclarationKind {
    /// `name [CONSTANT] type [NOT NULL] [:= value]`.
    Variable {
        /// Its type.
        ty: VariableType,
        /// `CONSTANT`.
        constant: bool,
        /// `NOT NULL`.
        not_null: bool,
        /// `:=`, `=` or `DEFAULT`.
        default: Option<Expr>,
    },
    /// `name ALIAS FOR other`; `$1` is an argument by its place.
    Alias {
        /// The other name: `["$1"]`, `["new"]`, `["label", "x"]`.
        of: Vec<String>,
    },
    /// `name [NO SCROLL] CURSOR [(args)] FOR query`.
    Cursor {
        /// Names and types of its arguments.
        args: Vec<(String, TypeName)>,
        /// Its query.
        query: Box<Query>,
    },
}

/// The type of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VariableType {
    /// A type by name, a table's row type included.
    Named(TypeName),
    /// `record`: takes the shape of what is assigned.
    Record,
    /// `table%ROWTYPE`.
    RowOf(ObjectName),
    /// `variable%TYPE`, `table.column%TYPE` or `schema.table.column%TYPE`, with how many `[]` behind it.
    TypeOf {
        /// The parts of the name.
        parts: Vec<String>,
        /// An array of it.
        array: bool,
        /// Where it stood.
        span: Span,
    },
}

/// `WHEN condition OR … THEN …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handler {
    /// Which errors: names of conditions (`others` too, lower case) and `SQLSTATE '…'`.
    pub conditions: Vec<Condition>,
    /// What then.
    pub body: Vec<Statement>,
}

/// A kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `unique_violation`, `others`, …: known to exist.
    Named(String),
    /// `SQLSTATE '23505'`.
    State(String),
}

/// A statement and its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// What it does.
    pub kind: StatementKind,
    /// From its first to its last token.
    pub span: Span,
}

/// Where a value goes: `x`, `label.x`, `rec.field`, `arr[i]`, `rec.arr[i][j]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The parts of the name.
    pub parts: Vec<String>,
    /// Subscripts.
    pub subscripts: Vec<Expr>,
    /// Where it stood.
    pub span: Span,
}

/// `INTO [STRICT] a, b`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Into {
    /// Exactly one row.
    pub strict: bool,
    /// At least one.
    pub targets: Vec<Target>,
}

/// A statement of PL/pgSQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// `NULL;`
    Null,
    /// A block within.
    Block(Block),
    /// `target := value`.
    Assign {
        /// Where to.
        target: Target,
        /// What.
        value: Expr,
    },
    /// `IF … THEN … ELSIF … ELSE … END IF`.
    If {
        /// Conditions and what then, at least one.
        arms: Vec<(Expr, Vec<Statement>)>,
        /// `ELSE`; empty when not there.
        otherwise: Vec<Statement>,
    },
    /// `CASE [x] WHEN … THEN … ELSE … END CASE`.
    Case {
        /// What is compared; none when the arms are conditions.
        operand: Option<Expr>,
        /// Values (or conditions) and what then.
        arms: Vec<(Vec<Expr>, Vec<Statement>)>,
        /// `ELSE`; without one, no match is error 20000.
        otherwise: Option<Vec<Statement>>,
    },
    /// Any loop.
    Loop {
        /// `<<label>>`.
        label: Option<String>,
        /// What it goes over.
        over: LoopKind,
        /// What it does.
        body: Vec<Statement>,
    },
    /// `EXIT` and `CONTINUE`.
    Exit {
        /// `CONTINUE`.
        again: bool,
        /// Which loop or block; none means the innermost loop.
        label: Option<String>,
        /// `WHEN`.
        when: Option<Expr>,
    },
    /// `RETURN [value]`.
    Return(Option<Expr>),
    /// `RETURN NEXT [value]`.
    ReturnNext(Option<Expr>),
    /// `RETURN QUERY …`.
    ReturnQuery(Rows),
    /// `RAISE …`.
    Raise(Raise),
    /// `ASSERT condition [, message]`.
    Assert {
        /// Must be true.
        condition: Expr,
        /// What to say otherwise.
        message: Option<Expr>,
    },
    /// `EXECUTE text [INTO …] [USING …]`.
    Execute {
        /// The statement's text.
        text: Expr,
        /// `INTO`.
        into: Option<Into>,
        /// `USING`: `$1`, `$2`, ….
        using: Vec<Expr>,
    },
    /// An SQL statement.
    Sql {
        /// The statement, without its `INTO`.
        statement: Box<Sql>,
        /// `INTO`.
        into: Option<Into>,
    },
    /// `PERFORM …`: a query whose rows are not wanted.
    Perform(Box<Query>),
    /// `GET [STACKED] DIAGNOSTICS a = item, …`.
    Diagnostics {
        /// `STACKED`: of the error being handled.
        stacked: bool,
        /// Targets and items.
        items: Vec<(Target, Diagnostic)>,
    },
    /// `OPEN cursor [(args)]`, `OPEN cursor FOR query`.
    Open {
        /// The cursor variable.
        cursor: Target,
        /// Arguments of a bound cursor, named ones with their names.
        args: Vec<(Option<String>, Expr)>,
        /// What an unbound one reads.
        rows: Option<Rows>,
    },
    /// `FETCH [NEXT FROM] cursor INTO …` and `MOVE cursor`.
    Fetch {
        /// The cursor variable.
        cursor: Target,
        /// Which row.
        direction: Direction,
        /// Where to; none for `MOVE`.
        into: Option<Into>,
    },
    /// `CLOSE cursor`.
    Close(Target),
}

/// Which row a cursor goes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The next one.
    Next,
    /// The one before.
    Prior,
    /// The first.
    First,
    /// The last.
    Last,
    /// The row of this number, from the end when negative.
    Absolute(Expr),
    /// So many rows on.
    Relative(Expr),
    /// Over so many rows, or all that are left; only `MOVE`.
    Forward(Option<Expr>),
    /// Back over so many rows, or all before; only `MOVE`.
    Backward(Option<Expr>),
}

/// What a loop goes over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LoopKind {
    /// `LOOP`.
    Forever,
    /// `WHILE condition LOOP`.
    While(Expr),
    /// `FOR i IN [REVERSE] a .. b [BY c] LOOP`.
    Range {
        /// Declared by the loop itself.
        variable: String,
        /// `REVERSE`.
        reverse: bool,
        /// First.
        from: Expr,
        /// Last.
        to: Expr,
        /// `BY`.
        step: Option<Expr>,
    },
    /// `FOR a, b IN query LOOP`.
    Rows {
        /// Variables that exist already.
        targets: Vec<Target>,
        /// What is read.
        rows: Rows,
    },
    /// `FOR rec IN cursor [(args)] LOOP`: the loop declares `rec`.
    Cursor {
        /// Declared by the loop itself.
        variable: String,
        /// The bound cursor.
        cursor: String,
        /// Its arguments.
        args: Vec<(Option<String>, Expr)>,
    },
    /// `FOREACH x [SLICE n] IN ARRAY array LOOP`.
    Array {
        /// Variables that exist already.
        targets: Vec<Target>,
        /// `SLICE`; 0 means elements.
        slice: u32,
        /// The array.
        array: Expr,
    },
}

/// Rows of a statement that is known, or of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rows {
    /// A query, or a writing statement with `RETURNING`.
    Static(Box<Sql>),
    /// `EXECUTE text USING …`.
    Dynamic {
        /// The statement's text.
        text: Expr,
        /// `USING`.
        using: Vec<Expr>,
    },
}

/// `RAISE [level] 'format', args USING …`; everything empty is the bare `RAISE;` that raises again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raise {
    /// `EXCEPTION` unless said.
    pub level: RaiseLevel,
    /// The error's kind, instead of a format.
    pub condition: Option<Condition>,
    /// The format; each `%` takes an argument.
    pub format: Option<String>,
    /// As many as the format has places.
    pub args: Vec<Expr>,
    /// `USING option = value`.
    pub using: Vec<(RaiseOption, Expr)>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RaiseLevel {
    /// `DEBUG`.
    Debug,
    /// `LOG`.
    Log,
    /// `INFO`.
    Info,
    /// `NOTICE`.
    Notice,
    /// `WARNING`.
    Warning,
    /// `EXCEPTION`.
    Exception,
}

/// What `USING` may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RaiseOption {
    /// `MESSAGE`.
    Message,
    /// `DETAIL`.
    Detail,
    /// `HINT`.
    Hint,
    /// `ERRCODE`: an SQLSTATE or a condition's name.
    Errcode,
    /// `COLUMN`.
    Column,
    /// `CONSTRAINT`.
    Constraint,
    /// `DATATYPE`.
    Datatype,
    /// `TABLE`.
    Table,
    /// `SCHEMA`.
    Schema,
}

/// What `GET DIAGNOSTICS` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Diagnostic {
    /// `ROW_COUNT`.
    RowCount,
    /// `PG_CONTEXT`.
    Context,
    /// `RETURNED_SQLSTATE`, stacked.
    ReturnedState,
    /// `MESSAGE_TEXT`, stacked.
    Message,
    /// `PG_EXCEPTION_DETAIL`, stacked.
    Detail,
    /// `PG_EXCEPTION_HINT`, stacked.
    Hint,
    /// `PG_EXCEPTION_CONTEXT`, stacked.
    ExceptionContext,
    /// `COLUMN_NAME`, stacked.
    Column,
    /// `CONSTRAINT_NAME`, stacked.
    Constraint,
    /// `PG_DATATYPE_NAME`, stacked.
    Datatype,
    /// `TABLE_NAME`, stacked.
    Table,
    /// `SCHEMA_NAME`, stacked.
    Schema,
}
