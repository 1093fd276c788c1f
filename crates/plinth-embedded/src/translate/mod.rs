//! A statement of the dialect, for one role and one catalog snapshot, as SQLite is given it.
//!
//! Types are resolved here, so that operators, collations and text forms keep Postgres's meaning; policies are
//! put around every table that a caller reaches ([`policy`]); privileges are checked once all names are known.
//! Nothing here touches the database.

mod aggregate;
mod builtin;
mod call;
mod coerce;
mod column;
mod constant;
mod empty;
mod expr;
mod from;
mod lock;
mod operator;
pub(crate) mod policy;
mod query;
mod select;
#[cfg(test)]
mod tests;
mod userfn;
mod variables;

use std::collections::BTreeSet;
use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, ObjectName, Query, Span};
use plinth_sql::catalog::{Catalog, Function, Privilege, QName, Relation};
use plinth_sql::types::{ColumnType, Type};

#[cfg(test)]
pub(crate) use builtin::BUILTINS;
pub(crate) use coerce::{How, castable};
pub(crate) use from::{row_columns, stored_columns};
pub(crate) use userfn::result_columns;
pub(crate) use variables::{Conflict, Held, Level, Variables};

/// Deepest nesting of views, policies and SQL functions inside one another.
const EXPANSION_DEPTH: usize = 48;

/// Where names without a schema are looked for when nothing else is said.
pub(crate) fn default_search_path() -> Vec<String> {
    ["pg_catalog", "public", "extensions"]
        .map(str::to_owned)
        .to_vec()
}

/// A translated statement.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What SQLite runs.
    pub(crate) sql: String,
    /// What `?1`, `?2`, … are.
    pub(crate) binds: Vec<Bind>,
    /// Types of `$1`, `$2`, … as their places decided.
    pub(crate) params: Vec<ColumnType>,
    /// Result columns.
    pub(crate) columns: Vec<(String, ColumnType)>,
    /// What SQLite may touch while it prepares this.
    pub(crate) fence: Arc<Fence>,
    /// It means the same at any time: no constant like `'now'` is in it.
    pub(crate) timeless: bool,
    /// With the same parameters it gives the same rows, as often as it runs in one transaction that only reads.
    pub(crate) repeatable: bool,
    /// It calls users' functions that run by themselves, and may look at anything.
    pub(crate) calls_users: bool,
    /// Calls that run ahead of it; what they give is bound as its row.
    pub(crate) ahead: Vec<String>,
}

impl Plan {
    /// Whether it looks at a relation, as far as its own text says.
    pub(crate) fn reads(&self, relation: &Relation) -> bool {
        self.calls_users
            || self
                .fence
                .tables
                .contains(&crate::names::table(&relation.name))
    }
}

/// Functions of SQLite's text whose result differs from one call to the next.
const CHANGING: [&str; 4] = ["pg_random", "pg_clock", "pg_nextval", "pg_set"];

/// The SQLite tables and columns that a statement may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fence {
    /// Pairs of table and column.
    pub(crate) columns: BTreeSet<(String, String)>,
    /// The tables of those pairs.
    pub(crate) tables: BTreeSet<String>,
}

/// What a numbered SQLite parameter stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bind {
    /// `$n`, counted from 1.
    Param(usize),
    /// The value at this place of the row that the executor works on.
    Row(usize),
    /// A value of the session.
    Context(Context),
}

/// How functions in the `FROM` of a statement are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Where they stand.
    InPlace,
    /// Those that may change something run ahead of the statement, each by itself: these texts. What they give is bound as its
    /// row.
    Ahead(Vec<String>),
    /// Not at all, and nobody is asked for privileges on them: the statement has no rows.
    Never,
}

/// A value of the session, bound rather than computed per row so that indexes serve policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Context {
    /// `now()`.
    Now,
    /// `current_date`.
    Today,
    /// `auth.uid()`.
    Uid,
    /// `auth.role()`.
    AuthRole,
    /// `auth.jwt()`.
    Jwt,
    /// `auth.email()`.
    Email,
    /// `current_user` where no function or view changed it.
    CurrentUser,
    /// `session_user`.
    SessionUser,
}

/// A translated expression.
#[derive(Clone, Debug)]
pub(crate) struct Ex {
    /// SQLite text, parenthesised where it is not atomic.
    pub(crate) sql: String,
    /// Its type.
    pub(crate) ty: ColumnType,
    /// What it is beyond its text.
    pub(crate) kind: ExKind,
    /// It can be null (false only when that is certain).
    pub(crate) nullable: bool,
}

/// What an expression is beyond its text.
#[derive(Clone, Debug)]
pub(crate) enum ExKind {
    /// Nothing special.
    Plain,
    /// `NULL`.
    Null,
    /// A string constant whose type its context decides.
    Literal(String),
    /// A numeric constant, as written.
    Number(String),
    /// `$n` whose type its context decides.
    Param(usize),
    /// A whole row: names and values.
    Row(Vec<(String, Ex)>),
}

impl Ex {
    /// A plain expression of a type.
    pub(crate) fn new(sql: impl Into<String>, ty: impl Into<ColumnType>) -> Ex {
        Ex {
            sql: sql.into(),
            ty: ty.into(),
            kind: ExKind::Plain,
            nullable: true,
        }
    }

    /// One that is never null.
    pub(crate) fn not_null(mut self) -> Ex {
        self.nullable = false;
        self
    }

    /// Whether the context still has to decide the type.
    pub(crate) fn is_unknown(&self) -> bool {
        self.ty.ty == Type::Unknown
    }
}

/// One name space of columns: the `FROM` of one query level.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// What `FROM` lists.
    pub(crate) items: Vec<Item>,
    /// Columns merged by `USING`, in order.
    pub(crate) merged: Vec<ItemColumn>,
    /// What stands beside the place being read and cannot be named there: before the comma of a join's condition, around a
    /// subquery that is not `LATERAL`.
    pub(crate) out_of_reach: Vec<Item>,
    /// Set while the select list of a grouped query is read.
    pub(crate) grouping: Option<Grouping>,
}

/// What may appear outside aggregates in a grouped query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grouping {
    /// The grouped expressions, as written and as translated.
    pub(crate) keys: Vec<Expr>,
    /// Columns that are grouped by, as SQLite text.
    pub(crate) columns: Vec<String>,
    /// Aliases of items whose primary key is grouped by: all their columns are free.
    pub(crate) free_items: Vec<String>,
    /// Depth of aggregate calls around the current place.
    pub(crate) inside_aggregate: usize,
}

/// One entry of `FROM`.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The name it goes by.
    pub(crate) alias: String,
    /// The relation, for tables and views.
    pub(crate) relation: Option<Arc<Relation>>,
    /// The role whose privileges count for it.
    pub(crate) role: String,
    /// Its columns.
    pub(crate) columns: Vec<ItemColumn>,
    /// A function or subquery of one scalar column: its alias alone means that column.
    pub(crate) scalar: bool,
}

/// A column of an item.
#[derive(Clone, Debug)]
pub(crate) struct ItemColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: ColumnType,
    /// SQLite text.
    pub(crate) sql: String,
    /// Merged by `USING`: neither in `*` nor found without a qualifier.
    pub(crate) hidden: bool,
    /// It can be null.
    pub(crate) nullable: bool,
    /// Its name in its relation, where an alias renamed it: what privileges are asked for.
    pub(crate) source: Option<String>,
}

/// A common table expression in sight.
#[derive(Clone, Debug)]
struct CteName {
    name: String,
    sqlite: String,
    columns: Vec<(String, ColumnType)>,
}

/// What names mean inside a function whose statement is being read.
#[derive(Clone, Debug)]
enum Frame {
    /// An SQL function put in place: its arguments are expressions of the caller's.
    Inlined {
        function: String,
        args: Vec<(Option<String>, Ex)>,
    },
    /// A statement of a function that runs by itself.
    Variables(Arc<Variables>),
}

/// One privilege that the statement needs.
#[derive(Clone, Debug)]
struct Use {
    role: String,
    relation: Arc<Relation>,
    privilege: Privilege,
    /// None: the relation as a whole (any column will do for `select`).
    columns: BTreeSet<String>,
    /// The caller's own text names it, so its schema must be open to the caller; names in stored text were resolved
    /// when it was stored.
    by_name: bool,
}

/// Reads statements. One translator serves one statement.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts about the statement"
)]
pub(crate) struct Translator<'a> {
    /// The snapshot.
    pub(crate) catalog: &'a Catalog,
    /// Where names without a schema are looked for: what is open to the current user of the path as it was set.
    pub(crate) search_path: Vec<String>,
    /// The path as it was set.
    path_as_set: Vec<String>,
    /// The role whose privileges and policies count for relations at the current place: a view's owner inside it.
    pub(crate) role: String,
    /// The current user at the current place: only `SECURITY DEFINER` functions change it.
    user: String,
    /// The current user of the statement.
    first_user: String,
    /// Types of `$n`.
    pub(crate) params: Vec<ColumnType>,
    /// What `?n` are.
    pub(crate) binds: Vec<Bind>,
    /// Name spaces, outermost first.
    pub(crate) scopes: Vec<Scope>,
    /// Scopes below this place are out of sight (inside views, policies, functions).
    scope_floor: usize,
    ctes: Vec<CteName>,
    cte_floor: usize,
    frames: Vec<Frame>,
    expanding: Vec<QName>,
    policies_of: Vec<QName>,
    /// Those before this place were met outside of the function being read.
    policies_floor: usize,
    next_alias: usize,
    /// Conditions of the select being read that may move behind a policy's barrier: alias (none: the only item) and condition.
    pushdown: Vec<(Option<String>, Expr)>,
    /// Windows that the select being read names.
    windows: Vec<(String, plinth_sql::ast::WindowSpec)>,
    /// Aggregates met since this was last reset.
    aggregates_seen: usize,
    fence: Fence,
    uses: Vec<Use>,
    /// The first function that may not be called here.
    closed_function: Option<Arc<Function>>,
    /// Something was seen in a condition that can raise or calls a function.
    leaky: bool,
    /// Depth of our own text (policies), which is not the caller's.
    trusted: usize,
    /// Inside a condition that decides which rows are seen.
    in_condition: usize,
    /// Inside a common table expression.
    in_cte: usize,
    /// The clause being read, where aggregates or window functions are not allowed in it: `WHERE`, `UPDATE`, ….
    clause: &'static str,
    /// What the query being read locks (`FOR UPDATE`), for which Postgres asks for the right to update it.
    locks: lock::Locks,
    /// Policies are put behind a barrier.
    barrier: bool,
    /// A policy applied somewhere.
    policed: bool,
    /// Start of the transaction, microseconds since 2000: what `'now'` in a constant means.
    pub(crate) now: i64,
    /// A constant may depend on that moment.
    timed: std::cell::Cell<bool>,
    /// Something writes (`nextval`, `setval`).
    pub(crate) writes: bool,
    /// A user's function is called that may do anything.
    pub(crate) calls_users: bool,
    /// The text is not read in order to be run but to be stored, or judged: what it needs privileges for is asked when it runs.
    pub(crate) defining: bool,
    /// How functions in `FROM` are called.
    pub(crate) calls: Calls,
    /// `SET row_security = off`: an error rather than a policy.
    pub(crate) row_security_off: bool,
}

impl<'a> Translator<'a> {
    /// A translator for one statement. `params` holds the types of `$n` that are known already.
    pub(crate) fn new(
        catalog: &'a Catalog,
        role: &str,
        search_path: &[String],
        params: Vec<ColumnType>,
    ) -> Self {
        Translator {
            catalog,
            search_path: catalog.open_path(role, search_path),
            path_as_set: search_path.to_vec(),
            role: role.to_owned(),
            user: role.to_owned(),
            first_user: role.to_owned(),
            params,
            binds: Vec::new(),
            scopes: Vec::new(),
            scope_floor: 0,
            ctes: Vec::new(),
            cte_floor: 0,
            frames: Vec::new(),
            expanding: Vec::new(),
            policies_of: Vec::new(),
            policies_floor: 0,
            next_alias: 0,
            pushdown: Vec::new(),
            windows: Vec::new(),
            aggregates_seen: 0,
            fence: Fence::default(),
            uses: Vec::new(),
            closed_function: None,
            leaky: false,
            trusted: 0,
            in_condition: 0,
            in_cte: 0,
            clause: "",
            locks: lock::Locks::default(),
            barrier: false,
            policed: false,
            now: 0,
            timed: std::cell::Cell::new(false),
            writes: false,
            calls_users: false,
            defining: false,
            calls: Calls::InPlace,
            row_security_off: false,
        }
    }

    /// Whether the statement has to be read again with policies behind a barrier.
    pub(crate) fn needs_barrier(&self) -> bool {
        self.policed && self.leaky && !self.barrier
    }

    /// Puts policies behind a barrier: for a second reading of a statement that [needs](Self::needs_barrier) it, and
    /// for everything that is not read twice.
    pub(crate) fn raise_barrier(&mut self) {
        self.barrier = true;
    }

    /// Takes the barrier away, for a first reading whose result is asked whether it [needs](Self::needs_barrier) one.
    pub(crate) fn lower_barrier(&mut self) {
        self.barrier = false;
    }

    /// The finished plan. Checks privileges.
    pub(crate) fn finish(
        self,
        sql: String,
        columns: Vec<(String, ColumnType)>,
    ) -> Result<Plan, SqlError> {
        self.check_privileges()?;
        let timeless = !self.timed.get();
        let repeatable = !self.writes
            && !self.calls_users
            && !CHANGING.iter().any(|function| sql.contains(function));
        let params = self.params.into_iter().map(decided).collect();
        let columns = columns
            .into_iter()
            .map(|(name, ty)| (name, decided(ty)))
            .collect();
        Ok(Plan {
            sql,
            binds: self.binds,
            params,
            columns,
            fence: Arc::new(self.fence),
            timeless,
            repeatable,
            calls_users: self.calls_users,
            ahead: match self.calls {
                Calls::Ahead(calls) => calls,
                Calls::InPlace | Calls::Never => Vec::new(),
            },
        })
    }

    /// `?n` for this bind; equal binds share a number.
    pub(crate) fn bind(&mut self, bind: Bind) -> String {
        let place = self
            .binds
            .iter()
            .position(|known| *known == bind)
            .unwrap_or_else(|| {
                self.binds.push(bind);
                self.binds.len() - 1
            });
        format!("?{}", place + 1)
    }

    /// A new SQLite alias.
    fn alias(&mut self, prefix: &str) -> String {
        self.next_alias += 1;
        format!("{prefix}{}", self.next_alias)
    }

    /// Notes something of the caller's that can raise or calls a function. The select list of the statement itself is
    /// computed after its conditions; everywhere else SQLite may move the expression into one.
    fn note_leaky(&mut self) {
        let outermost = self.scopes.len() <= 1 && self.expanding.is_empty() && self.in_cte == 0;
        if self.trusted == 0 && (self.in_condition > 0 || !outermost) {
            self.leaky = true;
        }
    }

    /// Runs `read` on a condition.
    fn condition<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.in_condition += 1;
        let result = read(self);
        self.in_condition -= 1;
        result
    }

    /// Runs `read` where neither the caller's columns nor its CTEs are in sight, with another role for relations.
    fn isolated<T>(
        &mut self,
        role: Option<&str>,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let scope_floor = std::mem::replace(&mut self.scope_floor, self.scopes.len());
        let cte_floor = std::mem::replace(&mut self.cte_floor, self.ctes.len());
        let outer_role = role.map(|role| std::mem::replace(&mut self.role, role.to_owned()));
        let result = read(self);
        self.scope_floor = scope_floor;
        self.cte_floor = cte_floor;
        if let Some(role) = outer_role {
            self.role = role;
        }
        result
    }

    /// Reads what will not be part of the statement, because a constant beside it decides. As in Postgres it may not be wrong,
    /// but nobody is asked for privileges on what it reads.
    fn dropped<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<(), SqlError> {
        let known = (self.uses.clone(), self.fence.clone(), self.binds.len());
        let calls = self.calls.clone();
        let seen = (self.leaky, self.policed, self.writes, self.calls_users);
        let defining = std::mem::replace(&mut self.defining, true);
        let result = read(self);
        self.defining = defining;
        (self.leaky, self.policed, self.writes, self.calls_users) = seen;
        let binds;
        (self.uses, self.fence, binds) = known;
        self.binds.truncate(binds);
        self.calls = calls;
        result.map(drop)
    }

    /// Notes that a column of a relation is used.
    pub(crate) fn use_column(
        &mut self,
        role: &str,
        relation: &Arc<Relation>,
        column: Option<&str>,
        privilege: Privilege,
    ) {
        let known = self.uses.iter().position(|known| {
            known.role == role && known.privilege == privilege && known.relation.oid == relation.oid
        });
        let place = known.unwrap_or_else(|| {
            self.uses.push(Use {
                role: role.to_owned(),
                relation: relation.clone(),
                privilege,
                columns: BTreeSet::new(),
                by_name: false,
            });
            self.uses.len() - 1
        });
        self.uses[place].by_name |=
            self.trusted == 0 && self.policies_of.is_empty() && self.expanding.is_empty();
        if let Some(column) = column {
            self.uses[place].columns.insert(column.to_owned());
        }
    }

    /// Notes that the role in effect needs a privilege on these columns, or on the table when there are none.
    pub(crate) fn require<'c>(
        &mut self,
        relation: &Arc<Relation>,
        privilege: Privilege,
        columns: impl Iterator<Item = &'c str>,
    ) {
        let role = self.role.clone();
        self.use_column(&role, relation, None, privilege);
        for column in columns {
            self.use_column(&role, relation, Some(column), privilege);
        }
    }

    /// Lets SQLite read a table, for the executor's own statements.
    pub(crate) fn allow(&mut self, relation: &Relation) {
        let table = crate::names::table(&relation.name);
        self.fence.tables.insert(table.clone());
        for column in &relation.columns {
            self.fence
                .columns
                .insert((table.clone(), crate::names::column(&column.name)));
        }
    }

    /// Checks the privileges noted so far.
    pub(crate) fn check_now(&self) -> Result<(), SqlError> {
        self.check_privileges()
    }

    /// `42501` where the caller's own text names something in a schema that is closed to it.
    fn open_schema(&self, name: &str) -> Result<(), SqlError> {
        let own_text =
            self.policies_of.is_empty() && self.expanding.is_empty() && self.trusted == 0;
        let schema = self.catalog.schemas.get(name);
        let open = schema.is_none_or(|schema| {
            self.catalog
                .may_schema(&self.user, schema, Privilege::Usage)
        });
        if open || !own_text {
            return Ok(());
        }
        Err(SqlError::new(
            "42501",
            format!("permission denied for schema {name}"),
        ))
    }

    fn check_privileges(&self) -> Result<(), SqlError> {
        if let Some(function) = &self.closed_function {
            return Err(SqlError::new(
                "42501",
                format!("permission denied for function {}", function.name.name),
            ));
        }
        for used in &self.uses {
            let catalog = self.catalog;
            let schema = &used.relation.name.schema;
            let open = catalog.schemas.get(schema).is_some_and(|known| {
                catalog.allows(&used.role, &known.owner, &known.acl, Privilege::Usage)
            });
            if used.by_name && !open {
                return Err(SqlError::new(
                    "42501",
                    format!("permission denied for schema {schema}"),
                ));
            }
            if self.defining {
                continue;
            }
            let by_column = matches!(
                used.privilege,
                Privilege::Select | Privilege::Insert | Privilege::Update
            );
            let allowed = if used.columns.is_empty() {
                let any =
                    by_column && catalog.may_any_column(&used.role, &used.relation, used.privilege);
                any || catalog.may(&used.role, &used.relation, used.privilege)
            } else {
                used.columns.iter().all(|column| {
                    catalog.may_column(&used.role, &used.relation, column, used.privilege)
                })
            };
            if !allowed {
                return Err(denied(&used.relation));
            }
        }
        Ok(())
    }

    /// Whether a column of this relation is read by the caller itself (which makes `SELECT` policies count for writes).
    pub(crate) fn reads(&self, relation: &Relation) -> bool {
        self.uses.iter().any(|used| {
            used.privilege == Privilege::Select
                && used.relation.oid == relation.oid
                && !used.columns.is_empty()
        })
    }
}

/// `42501` for a relation.
pub(crate) fn denied(relation: &Relation) -> SqlError {
    let what = if relation.view().is_some() {
        "view"
    } else {
        "table"
    };
    SqlError::new(
        "42501",
        format!("permission denied for {what} {}", relation.name.name),
    )
}

/// What nobody decided is text, as in Postgres.
fn decided(ty: ColumnType) -> ColumnType {
    if ty.ty == Type::Unknown {
        Type::Text.into()
    } else {
        ty
    }
}

/// Translates a whole query that begins `now`, in microseconds since 2000.
pub(crate) fn query(
    catalog: &Catalog,
    role: &str,
    search_path: &[String],
    params: Vec<ColumnType>,
    query: &Query,
    now: i64,
) -> Result<Plan, SqlError> {
    translated((catalog, role, search_path), params, query, now, false)
}

/// The same without asking for privileges. What comes of it is never run: it tells what else is wrong with a query.
pub(crate) fn judged(
    catalog: &Catalog,
    role: &str,
    search_path: &[String],
    params: Vec<ColumnType>,
    query: &Query,
    now: i64,
) -> Result<Plan, SqlError> {
    translated((catalog, role, search_path), params, query, now, true)
}

fn translated(
    (catalog, role, search_path): (&Catalog, &str, &[String]),
    params: Vec<ColumnType>,
    query: &Query,
    now: i64,
    judged: bool,
) -> Result<Plan, SqlError> {
    let begin = || {
        let mut translator = Translator::new(catalog, role, search_path, params.clone());
        translator.now = now;
        translator.defining = judged;
        translator.calls = calls_of(&translator, query);
        translator
    };
    let mut translator = begin();
    let mut out = translator.query(query, None)?;
    if translator.needs_barrier() {
        translator = begin();
        translator.raise_barrier();
        out = translator.query(query, None)?;
    }
    translator.finish(out.sql, out.columns)
}

/// How a server calls functions in the `FROM` of a document's query that may change something: whether or not what they give
/// can be shown, but neither for a page of no rows nor where its planner sees that there are none.
pub(crate) fn calls_of(translator: &Translator<'_>, query: &Query) -> Calls {
    if translator.finds_nothing(query) {
        Calls::Never
    } else if query.limit == Some(Expr::Number("0".to_owned())) {
        Calls::InPlace
    } else {
        Calls::Ahead(Vec::new())
    }
}

/// Whether a function is built in and changes nothing.
pub(crate) fn is_harmless(name: &ObjectName) -> bool {
    let ours = matches!(
        name.schema.as_deref(),
        None | Some("pg_catalog" | "auth" | "extensions")
    );
    let writes = matches!(
        name.name.as_str(),
        "nextval" | "setval" | "set_config" | "currval"
    );
    ours && !writes
        && (builtin::exists(&name.name)
            || builtin::set_returning(&name.name).is_some()
            || aggregate::is_aggregate(&name.name)
            || aggregate::is_window(&name.name)
            || call::is_special(name))
}

/// `42703`.
fn unknown_column(name: &str, span: Span) -> SqlError {
    SqlError::new("42703", format!("column \"{name}\" does not exist")).at(span)
}
