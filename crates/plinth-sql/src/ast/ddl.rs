//! Statements that change the schema, its policies and its privileges.

use super::{Expr, ObjectName, OrderBy, Query, Span, Statement, TypeName};

/// `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Columns, in order.
    pub columns: Vec<ColumnDef>,
    /// Table constraints, in order.
    pub constraints: Vec<TableConstraint>,
    /// `LIKE other INCLUDING …`: the table and the upper-case options.
    pub like: Vec<(ObjectName, Vec<String>)>,
    /// `AS query`.
    pub query: Option<Box<Query>>,
    /// Clauses we know by name only: `PARTITION BY`, `INHERITS`, `OF`; refused when not empty.
    pub unsupported: Vec<(String, Span)>,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: TypeName,
    /// `COLLATE`.
    pub collation: Option<ObjectName>,
    /// Constraints, in order.
    pub constraints: Vec<ColumnConstraint>,
    /// Where it stood.
    pub span: Span,
}

/// A constraint written with a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<String>,
    /// What it says.
    pub kind: ColumnConstraintKind,
    /// `DEFERRABLE` and `INITIALLY DEFERRED`.
    pub deferrable: Deferrable,
}

/// What a column constraint says.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnConstraintKind {
    /// `NOT NULL`.
    NotNull,
    /// `NULL`.
    Null,
    /// `DEFAULT x`.
    Default(Expr),
    /// `GENERATED ALWAYS AS (x) STORED`.
    Generated(Expr),
    /// `GENERATED ALWAYS | BY DEFAULT AS IDENTITY (…)`.
    Identity {
        /// `ALWAYS`.
        always: bool,
        /// Sequence options.
        options: SequenceOptions,
    },
    /// `CHECK (x)`.
    Check(Expr),
    /// `UNIQUE`.
    Unique {
        /// `NULLS NOT DISTINCT`.
        nulls_not_distinct: bool,
    },
    /// `PRIMARY KEY`.
    PrimaryKey,
    /// `REFERENCES …`.
    References(References),
}

/// When a constraint is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Deferrable {
    /// At the end of each statement.
    #[default]
    Not,
    /// `DEFERRABLE INITIALLY IMMEDIATE`.
    InitiallyImmediate,
    /// `DEFERRABLE INITIALLY DEFERRED`.
    InitiallyDeferred,
}

/// `REFERENCES table (columns) MATCH … ON DELETE … ON UPDATE …`.
#[derive(Clone, Debug, PartialEq)]
pub struct References {
    /// The other table.
    pub table: ObjectName,
    /// Its columns; empty means its primary key.
    pub columns: Vec<String>,
    /// `ON DELETE`.
    pub on_delete: ForeignKeyAction,
    /// Columns of `ON DELETE SET NULL (a, b)`.
    pub on_delete_columns: Vec<String>,
    /// `ON UPDATE`.
    pub on_update: ForeignKeyAction,
    /// `MATCH FULL`.
    pub match_full: bool,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum ForeignKeyAction {
    /// `NO ACTION`.
    #[default]
    NoAction,
    /// `RESTRICT`.
    Restrict,
    /// `CASCADE`.
    Cascade,
    /// `SET NULL`.
    SetNull,
    /// `SET DEFAULT`.
    SetDefault,
}

/// A constraint of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableConstraint {
    /// `CONSTRAINT name`.
    pub name: Option<String>,
    /// What it says.
    pub kind: TableConstraintKind,
    /// When it is checked.
    pub deferrable: Deferrable,
    /// `NOT VALID`.
    pub not_valid: bool,
    /// Where it stood.
    pub span: Span,
}

/// What a table constraint says.
#[derive(Clone, Debug, PartialEq)]
pub enum TableConstraintKind {
    /// `CHECK (x)`.
    Check(Expr),
    /// `UNIQUE (…)`.
    Unique {
        /// Columns.
        columns: Vec<String>,
        /// `NULLS NOT DISTINCT`.
        nulls_not_distinct: bool,
    },
    /// `PRIMARY KEY (…)`.
    PrimaryKey(Vec<String>),
    /// `FOREIGN KEY (…) REFERENCES …`.
    ForeignKey {
        /// Columns of this table.
        columns: Vec<String>,
        /// The other side.
        references: References,
    },
    /// `UNIQUE | PRIMARY KEY USING INDEX name`.
    UsingIndex {
        /// The index.
        index: String,
        /// As a primary key.
        primary: bool,
    },
    /// `EXCLUDE …`, known by name only.
    Exclude,
}

/// `ALTER TABLE [IF EXISTS] [ONLY] name action, …`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    /// What kind of object the statement names.
    pub object: ObjectKind,
    /// Which.
    pub name: ObjectName,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// In order.
    pub actions: Vec<AlterAction>,
}

/// One action of `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterAction {
    /// `ADD COLUMN`.
    AddColumn {
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// The column.
        column: ColumnDef,
    },
    /// `DROP COLUMN`.
    DropColumn {
        /// Which.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `RENAME COLUMN a TO b`.
    RenameColumn {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `RENAME TO`.
    RenameTo(String),
    /// `RENAME CONSTRAINT a TO b`.
    RenameConstraint {
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// `SET SCHEMA`.
    SetSchema(String),
    /// `ADD CONSTRAINT`.
    AddConstraint(TableConstraint),
    /// `DROP CONSTRAINT`.
    DropConstraint {
        /// Which.
        name: String,
        /// `IF EXISTS`.
        if_exists: bool,
        /// `CASCADE`.
        cascade: bool,
    },
    /// `VALIDATE CONSTRAINT`.
    ValidateConstraint(String),
    /// `ALTER COLUMN … SET DEFAULT x` / `DROP DEFAULT`.
    SetDefault {
        /// The column.
        column: String,
        /// None drops it.
        default: Option<Expr>,
    },
    /// `ALTER COLUMN … SET NOT NULL` / `DROP NOT NULL`.
    SetNotNull {
        /// The column.
        column: String,
        /// Set or drop.
        not_null: bool,
    },
    /// `ALTER COLUMN … TYPE t USING x`.
    SetType {
        /// The column.
        column: String,
        /// The new type.
        ty: TypeName,
        /// `USING`.
        using: Option<Expr>,
    },
    /// `ALTER COLUMN … ADD GENERATED … AS IDENTITY`.
    AddIdentity {
        /// The column.
        column: String,
        /// `ALWAYS`.
        always: bool,
        /// Sequence options.
        options: SequenceOptions,
    },
    /// `ALTER COLUMN … DROP IDENTITY`.
    DropIdentity {
        /// The column.
        column: String,
        /// `IF EXISTS`.
        if_exists: bool,
    },
    /// `ENABLE` / `DISABLE ROW LEVEL SECURITY`.
    RowSecurity(bool),
    /// `FORCE` / `NO FORCE ROW LEVEL SECURITY`.
    ForceRowSecurity(bool),
    /// `OWNER TO role`.
    OwnerTo(String),
    /// `SET (name = value, …)` and `RESET (…)`, as for `security_invoker` of views. A reset option has no value.
    SetOptions(Vec<(String, Option<String>)>),
    /// `REPLICA IDENTITY`, `SET STATISTICS`, `CLUSTER ON`, `SET STORAGE` …: no meaning here; the text names it.
    NoOp(String),
    /// Known by name only.
    Unsupported(String, Span),
}

/// `CREATE INDEX`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    /// Its name; Postgres makes one up when none is written.
    pub name: Option<String>,
    /// The table.
    pub table: ObjectName,
    /// `UNIQUE`.
    pub unique: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `USING method`: `btree` when none is written.
    pub method: String,
    /// Keys.
    pub keys: Vec<IndexKey>,
    /// `INCLUDE (…)`.
    pub include: Vec<String>,
    /// `NULLS NOT DISTINCT`.
    pub nulls_not_distinct: bool,
    /// `WHERE`.
    pub predicate: Option<Expr>,
}

/// One key of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexKey {
    /// Column or expression, with its direction.
    pub order: OrderBy,
    /// The operator class: `text_pattern_ops`.
    pub operator_class: Option<String>,
}

/// `CREATE [OR REPLACE] VIEW`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `MATERIALIZED`.
    pub materialized: bool,
    /// Column names, when written.
    pub columns: Vec<String>,
    /// `WITH (name = value)`.
    pub options: Vec<(String, Option<String>)>,
    /// The query.
    pub query: Query,
    /// `WITH [LOCAL | CASCADED] CHECK OPTION`.
    pub check_option: bool,
}

/// Options of a sequence; none where not written.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct SequenceOptions {
    /// `AS type`.
    pub data_type: Option<String>,
    /// `INCREMENT BY`.
    pub increment: Option<i64>,
    /// `MINVALUE`; `Some(None)` is `NO MINVALUE`.
    pub min_value: Option<Option<i64>>,
    /// `MAXVALUE`; `Some(None)` is `NO MAXVALUE`.
    pub max_value: Option<Option<i64>>,
    /// `START WITH`.
    pub start: Option<i64>,
    /// `RESTART [WITH n]`.
    pub restart: Option<Option<i64>>,
    /// `CACHE`.
    pub cache: Option<i64>,
    /// `CYCLE` / `NO CYCLE`.
    pub cycle: Option<bool>,
    /// `OWNED BY table.column`; `Some(None)` is `OWNED BY NONE`.
    pub owned_by: Option<Option<(Option<String>, String, String)>>,
    /// `SEQUENCE NAME [schema.]name` of an identity column, as dumps write it.
    #[serde(default)]
    pub sequence_name: Option<(Option<String>, String)>,
}

/// `CREATE SEQUENCE`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSequence {
    /// Its name.
    pub name: ObjectName,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// Options.
    pub options: SequenceOptions,
}

/// `ALTER SEQUENCE` with options.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSequence {
    /// Which.
    pub name: ObjectName,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Options.
    pub options: SequenceOptions,
}

/// `CREATE SCHEMA`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSchema {
    /// Its name.
    pub name: String,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `AUTHORIZATION role`.
    pub owner: Option<String>,
}

/// `CREATE TYPE … AS ENUM`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateEnum {
    /// Its name.
    pub name: ObjectName,
    /// In order.
    pub labels: Vec<String>,
}

/// `ALTER TYPE` of an enum.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterEnum {
    /// Which.
    pub name: ObjectName,
    /// What changes.
    pub action: AlterEnumAction,
}

/// What changes about an enum.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterEnumAction {
    /// `ADD VALUE [IF NOT EXISTS] x [BEFORE | AFTER y]`.
    AddValue {
        /// The label.
        label: String,
        /// `IF NOT EXISTS`.
        if_not_exists: bool,
        /// `(true, y)` before, `(false, y)` after.
        neighbour: Option<(bool, String)>,
    },
    /// `RENAME VALUE a TO b`.
    RenameValue {
        /// Old label.
        from: String,
        /// New label.
        to: String,
    },
    /// `RENAME TO`.
    RenameTo(String),
    /// `OWNER TO`.
    OwnerTo(String),
    /// `SET SCHEMA`.
    SetSchema(String),
}

/// `CREATE FUNCTION` / `CREATE PROCEDURE`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    /// Its name.
    pub name: ObjectName,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `CREATE PROCEDURE`.
    pub procedure: bool,
    /// Arguments, in order; `OUT` ones included.
    pub args: Vec<FunctionArg>,
    /// `RETURNS`; none for procedures and functions with `OUT` arguments alone.
    pub returns: Option<FunctionReturns>,
    /// Lower case.
    pub language: String,
    /// The body.
    pub body: FunctionBody,
    /// `IMMUTABLE`, `STABLE`, `VOLATILE`.
    pub volatility: Volatility,
    /// `STRICT` / `RETURNS NULL ON NULL INPUT`.
    pub strict: bool,
    /// `SECURITY DEFINER`.
    pub security_definer: bool,
    /// `SET name = value, …`.
    pub settings: Vec<(String, Vec<String>)>,
}

/// One argument of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionArg {
    /// `IN`, `OUT`, `INOUT`, `VARIADIC`.
    pub mode: ArgMode,
    /// Its name.
    pub name: Option<String>,
    /// Its type.
    pub ty: TypeName,
    /// `DEFAULT x`.
    pub default: Option<Expr>,
}

/// The direction of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ArgMode {
    /// `IN`.
    In,
    /// `OUT`.
    Out,
    /// `INOUT`.
    InOut,
    /// `VARIADIC`.
    Variadic,
}

/// What a function returns.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionReturns {
    /// `RETURNS t` (`void` and `trigger` are types here).
    Type(TypeName),
    /// `RETURNS SETOF t`.
    SetOf(TypeName),
    /// `RETURNS TABLE (…)`.
    Table(Vec<(String, TypeName)>),
}

/// The body of a function.
#[derive(Clone, Debug, PartialEq)]
pub enum FunctionBody {
    /// `AS '…'`.
    Text(String),
    /// `RETURN x`.
    Return(Expr),
    /// `BEGIN ATOMIC … END`.
    Atomic(Vec<Statement>),
}

/// How a function may vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Volatility {
    /// Same arguments, same result, for ever.
    Immutable,
    /// Same within a statement.
    Stable,
    /// Anything.
    #[default]
    Volatile,
}

/// `CREATE TRIGGER`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTrigger {
    /// Its name.
    pub name: String,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `CONSTRAINT`.
    pub constraint: bool,
    /// When.
    pub timing: TriggerTiming,
    /// `INSERT`, `UPDATE [OF …]`, `DELETE`, `TRUNCATE`.
    pub events: Vec<TriggerEvent>,
    /// The table.
    pub table: ObjectName,
    /// `FOR EACH ROW`.
    pub for_each_row: bool,
    /// `REFERENCING OLD TABLE AS x`.
    pub old_table: Option<String>,
    /// `REFERENCING NEW TABLE AS x`.
    pub new_table: Option<String>,
    /// `WHEN (x)`.
    pub when: Option<Expr>,
    /// The function.
    pub function: ObjectName,
    /// Its constant arguments.
    pub args: Vec<String>,
    /// When a constraint trigger runs.
    pub deferrable: Deferrable,
}

/// When a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TriggerTiming {
    /// `BEFORE`.
    Before,
    /// `AFTER`.
    After,
    /// `INSTEAD OF`.
    InsteadOf,
}

/// What fires a trigger.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TriggerEvent {
    /// `INSERT`.
    Insert,
    /// `UPDATE [OF columns]`.
    Update(Vec<String>),
    /// `DELETE`.
    Delete,
    /// `TRUNCATE`.
    Truncate,
}

/// `CREATE POLICY`.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatePolicy {
    /// Its name.
    pub name: String,
    /// The table.
    pub table: ObjectName,
    /// `AS PERMISSIVE` (the default) or `AS RESTRICTIVE`.
    pub permissive: bool,
    /// `FOR`.
    pub command: PolicyCommand,
    /// `TO`; `public` alone when not written.
    pub roles: Vec<String>,
    /// `USING`.
    pub using: Option<Expr>,
    /// `WITH CHECK`.
    pub check: Option<Expr>,
}

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PolicyCommand {
    /// `ALL`.
    All,
    /// `SELECT`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

/// `ALTER POLICY`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterPolicy {
    /// Its name.
    pub name: String,
    /// The table.
    pub table: ObjectName,
    /// `RENAME TO`.
    pub rename_to: Option<String>,
    /// `TO`.
    pub roles: Option<Vec<String>>,
    /// `USING`.
    pub using: Option<Expr>,
    /// `WITH CHECK`.
    pub check: Option<Expr>,
}

/// `CREATE ROLE` and `ALTER ROLE`; none where not written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// `LOGIN`.
    pub login: Option<bool>,
    /// `SUPERUSER`.
    pub superuser: Option<bool>,
    /// `BYPASSRLS`.
    pub bypass_rls: Option<bool>,
    /// `INHERIT`.
    pub inherit: Option<bool>,
    /// `CREATEROLE`.
    pub create_role: Option<bool>,
    /// `CREATEDB`.
    pub create_db: Option<bool>,
    /// `REPLICATION`.
    pub replication: Option<bool>,
    /// `IN ROLE`.
    pub member_of: Vec<String>,
    /// `PASSWORD` was written (its value is never kept).
    pub password: bool,
}

/// `DROP kind [IF EXISTS] a, b [CASCADE]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// What kind.
    pub object: ObjectKind,
    /// Which. For `ON table` kinds (policy, trigger) the name is the object's own.
    pub names: Vec<ObjectName>,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `CASCADE`.
    pub cascade: bool,
    /// `ON table`, for policies and triggers.
    pub table: Option<ObjectName>,
    /// Argument types of each function, when written; parallel to `names`.
    pub arguments: Vec<Option<Vec<TypeName>>>,
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as Postgres names it")]
pub enum ObjectKind {
    Table,
    View,
    MaterializedView,
    Index,
    Sequence,
    Schema,
    Type,
    Domain,
    Function,
    Procedure,
    Policy,
    Trigger,
    Role,
    Extension,
    Column,
    Constraint,
    Database,
    Publication,
}

/// `COMMENT ON kind name IS text`.
#[derive(Clone, Debug, PartialEq)]
pub struct Comment {
    /// What kind.
    pub object: ObjectKind,
    /// Which; for a column, its table; for policies, triggers and constraints their own name.
    pub name: ObjectName,
    /// The column, for columns.
    pub column: Option<String>,
    /// `ON table`, for policies, triggers and constraints.
    pub table: Option<ObjectName>,
    /// None removes it.
    pub text: Option<String>,
}

/// `GRANT …` or `REVOKE …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// `REVOKE` rather than `GRANT`.
    pub revoke: bool,
    /// What; empty means `ALL [PRIVILEGES]`.
    pub privileges: Vec<Privilege>,
    /// Columns of `ALL (a, b)`.
    pub all_columns: Vec<String>,
    /// On what.
    pub objects: GrantObjects,
    /// To or from whom; `public` is a name here.
    pub roles: Vec<String>,
    /// `WITH GRANT OPTION`, `WITH ADMIN OPTION` or `GRANT OPTION FOR`.
    pub grant_option: bool,
    /// `CASCADE`.
    pub cascade: bool,
}

/// One privilege.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// Lower case: `select`, `insert`, `update`, `delete`, `truncate`, `references`, `trigger`, `usage`, `execute`, `create`, …
    pub name: String,
    /// `(a, b)`.
    pub columns: Vec<String>,
}

/// What is granted on.
#[derive(Clone, Debug, PartialEq)]
pub enum GrantObjects {
    /// `ON [TABLE] a, b`.
    Tables(Vec<ObjectName>),
    /// `ON ALL TABLES IN SCHEMA a, b`.
    AllTables(Vec<String>),
    /// `ON SEQUENCE a, b`.
    Sequences(Vec<ObjectName>),
    /// `ON ALL SEQUENCES IN SCHEMA a, b`.
    AllSequences(Vec<String>),
    /// `ON FUNCTION | PROCEDURE | ROUTINE f(int), g`.
    Functions(Vec<(ObjectName, Option<Vec<TypeName>>)>),
    /// `ON ALL FUNCTIONS | ROUTINES | PROCEDURES IN SCHEMA a, b`.
    AllFunctions(Vec<String>),
    /// `ON SCHEMA a, b`.
    Schemas(Vec<String>),
    /// `ON TYPE | DOMAIN a, b`.
    Types(Vec<ObjectName>),
    /// `ON DATABASE | LANGUAGE | …`: no meaning here; the text names the kind.
    Other(String),
    /// `GRANT role TO role`: the privileges' place is empty.
    Roles(Vec<String>),
    /// In `ALTER DEFAULT PRIVILEGES`: `tables`, `sequences`, `functions`, `types`, `schemas`.
    Default(String),
}

/// `ALTER DEFAULT PRIVILEGES`.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterDefaultPrivileges {
    /// `FOR ROLE a, b`; empty means the current one.
    pub for_roles: Vec<String>,
    /// `IN SCHEMA a, b`; empty means all.
    pub schemas: Vec<String>,
    /// Its objects are [`GrantObjects::Default`].
    pub grant: Grant,
}
