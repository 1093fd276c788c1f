//! Users' SQL functions, put into the statement where they are called.
//!
//! A body of one query becomes a subquery whose parameters are the translated arguments; it runs with the
//! owner's rights when the function is `SECURITY DEFINER`.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{ArgMode, Call, Query, Statement, Volatility};
use plinth_sql::catalog::{Catalog, Function};
use plinth_sql::types::{ColumnType, Type};

use super::call::no_function;
use super::coerce::{How, castable};
use super::from::{SetSource, positional};
use super::query::QueryOut;
use super::{Bind, Calls, EXPANSION_DEPTH, Ex, ExKind, Frame, Translator};
use crate::names::literal;
use crate::settings::search_path;

impl Translator<'_> {
    /// A user's function in an expression.
    pub(super) fn user_call(&mut self, call: &Call) -> Result<Ex, SqlError> {
        let (function, args) = self.resolve(call)?;
        if function.returns.set {
            return Err(SqlError::unsupported(format!(
                "the set-returning function {} outside FROM",
                function.name.display()
            ))
            .hint(format!(
                "Write it in FROM: from {}(…) as x.",
                function.name.display()
            )));
        }
        if !self.may_execute(&function) || !self.may_inline(&function) {
            return self.called_value(&function, args);
        }
        let (args, source) = self.hold_arguments(args);
        let nulls: Vec<String> = args
            .iter()
            .map(|(_, ex)| format!("{} IS NULL", ex.sql))
            .collect();
        let out = self.body(&function, args)?;
        let [(_, ty)] = out.columns.as_slice() else {
            return Err(row_as_value(&function));
        };
        let mut sql = format!("({})", out.sql);
        if function.strict && !nulls.is_empty() {
            sql = format!(
                "(CASE WHEN {} THEN NULL ELSE {sql} END)",
                nulls.join(" OR ")
            );
        }
        if let Some(source) = source {
            sql = format!("(SELECT {sql} FROM {source})");
        }
        let ty = ty.clone();
        if function.returns.ty == Type::Void {
            return Ok(Ex::new(sql, Type::Void));
        }
        self.note_leaky();
        let ex = Ex::new(sql, ty);
        self.coerce(ex, &function.returns.ty.clone().into(), How::Assignment)
    }

    /// A user's function in `FROM`.
    pub(super) fn user_set(&mut self, call: &Call, sqlite: &str) -> Result<SetSource, SqlError> {
        let (function, args) = self.resolve(call)?;
        let never = self.calls == Calls::Never && self.scopes.len() == 1;
        let may = if never && self.expanding.is_empty() {
            self.catalog.may_execute(&self.user, &function)
        } else {
            self.may_execute(&function)
        };
        if !may || !self.may_inline(&function) {
            return self.called_rows(&function, args, sqlite);
        }
        let given: Vec<String> = args
            .iter()
            .map(|(_, ex)| format!("{} IS NOT NULL", ex.sql))
            .collect();
        let of_siblings = self.has_siblings() && !args.iter().all(|(_, ex)| is_constant(ex));
        let mut out = self.body(&function, args)?;
        if function.strict && !given.is_empty() {
            out.sql = format!("SELECT * FROM ({}) WHERE {}", out.sql, given.join(" AND "));
        }
        let wanted = result_columns(self.catalog, &function);
        if wanted.len() != out.columns.len() {
            return Err(SqlError::new(
                "42P13",
                "return type mismatch in function declared to return record",
            )
            .detail("Final statement returns too few or too many columns."));
        }
        let targets: Vec<ColumnType> = wanted.iter().map(|(_, ty)| ty.clone()).collect();
        let columns = self.coerce_rows(&mut out.sql, out.columns, &targets)?;
        let names = wanted.into_iter().map(|(name, _)| name);
        let columns = names
            .zip(columns)
            .map(|(name, (_, ty))| (name, ty))
            .collect();
        let scalar = !matches!(function.returns.ty, Type::Record | Type::Row(_));
        if !function.returns.set {
            // One row always: of nulls where the body finds none.
            out.sql = format!(
                "SELECT r.* FROM (SELECT 1) LEFT JOIN (SELECT * FROM ({}) LIMIT 1) AS r ON 1",
                out.sql
            );
        }
        if of_siblings {
            let rows = self.beside(&out.sql, columns, sqlite);
            return Ok(SetSource { scalar, ..rows });
        }
        Ok(SetSource {
            sql: format!("({})", out.sql),
            columns: positional(sqlite, columns),
            ordinal: None,
            scalar,
        })
    }

    /// Whether a function may be called at this place. When not, the statement will be refused: once all of it has been read,
    /// because what is wrong with it otherwise is told first. What is wrong with the function's body is not told then.
    fn may_execute(&mut self, function: &Arc<Function>) -> bool {
        let may = self.catalog.may_execute(&self.user, function);
        if !may && !self.defining && self.closed_function.is_none() {
            self.closed_function = Some(function.clone());
        }
        may
    }

    /// Whether the body stands in place of the call; else the function runs by itself.
    fn may_inline(&self, function: &Function) -> bool {
        let recursive = self.expanding.contains(&function.name);
        let settings = function
            .settings
            .iter()
            .any(|(name, _)| name != "search_path");
        single_query(function).is_some() && !recursive && !settings
    }

    /// A value of a function that runs by itself.
    fn called_value(
        &mut self,
        function: &Function,
        args: Vec<(Option<String>, Ex)>,
    ) -> Result<Ex, SqlError> {
        let columns = result_columns(self.catalog, function);
        let [(_, ty)] = columns.as_slice() else {
            return Err(row_as_value(function));
        };
        self.note_leaky();
        self.calls_users = true;
        let constant = args.iter().all(|(_, ex)| is_constant(ex));
        let mut sql = self.call_text("plinth_call", function, args);
        if constant && function.volatility != Volatility::Volatile {
            // Once a statement, not once a row.
            sql = format!("(SELECT {sql})");
        }
        Ok(Ex::new(sql, ty.clone()))
    }

    /// Rows of a function that runs by itself.
    fn called_rows(
        &mut self,
        function: &Function,
        args: Vec<(Option<String>, Ex)>,
        sqlite: &str,
    ) -> Result<SetSource, SqlError> {
        let columns = result_columns(self.catalog, function);
        let constant = args.iter().all(|(_, ex)| is_constant(ex));
        let mut call = self.call_text("plinth_rows", function, args);
        let changes = function.volatility == Volatility::Volatile;
        let at_top = self.expanding.is_empty();
        match &mut self.calls {
            Calls::Ahead(ahead) if constant && changes && at_top => {
                ahead.push(call);
                let place = ahead.len() - 1;
                call = self.bind(Bind::Row(place));
            }
            Calls::Never if self.scopes.len() == 1 && at_top => "NULL".clone_into(&mut call),
            Calls::InPlace | Calls::Ahead(_) | Calls::Never => self.calls_users = true,
        }
        let fields = |from: &str| -> Vec<String> {
            (0..columns.len())
                .map(|place| format!("plinth_field({from}.value, {place})"))
                .collect()
        };
        let scalar = !matches!(function.returns.ty, Type::Record | Type::Row(_));
        let mut items = positional(sqlite, columns.clone());
        if constant {
            // The function runs once, however often its rows are looked at.
            let named: Vec<String> = fields("r")
                .iter()
                .enumerate()
                .map(|(place, field)| format!("{field} AS c{}", place + 1))
                .collect();
            return Ok(SetSource {
                sql: format!(
                    "(SELECT {}, r.key + 1 AS n FROM json_each({call}) AS r LIMIT -1 OFFSET 0)",
                    named.join(", ")
                ),
                columns: items,
                ordinal: Some(format!("{sqlite}.n")),
                scalar,
            });
        }
        for (item, field) in items.iter_mut().zip(fields(sqlite)) {
            item.sql = field;
        }
        Ok(SetSource {
            sql: format!("json_each({call})"),
            columns: items,
            ordinal: Some(format!("({sqlite}.key + 1)")),
            scalar,
        })
    }

    fn call_text(
        &self,
        with: &str,
        function: &Function,
        args: Vec<(Option<String>, Ex)>,
    ) -> String {
        let mut text = format!("{with}({}, {}", function.oid, literal(&self.user));
        for (_, ex) in args {
            text.push_str(", ");
            text.push_str(&packed(ex));
        }
        text.push(')');
        text
    }

    /// The function that a call means, and its arguments in order, coerced.
    pub(crate) fn resolve(
        &mut self,
        call: &Call,
    ) -> Result<(Arc<Function>, Vec<(Option<String>, Ex)>), SqlError> {
        let mut given = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            given.push((arg.name.clone(), self.expr(&arg.value)?));
        }
        let candidates = self
            .catalog
            .functions(&call.name, &self.search_path)
            .to_vec();
        let found = candidates
            .iter()
            .filter_map(|function| fit(function, &given).map(|score| (score, function)))
            .max_by_key(|(score, _)| *score);
        let Some((_, function)) = found else {
            let shown = match &call.name.schema {
                Some(schema) => format!("{schema}.{}", call.name.name),
                None => call.name.name.clone(),
            };
            let types: Vec<String> = given
                .iter()
                .map(|(name, ex)| match name {
                    Some(name) => format!("{name} => {}", ex.ty.ty),
                    None => ex.ty.ty.to_string(),
                })
                .collect();
            return Err(SqlError::new("42883", format!("function {shown}({}) does not exist", types.join(", ")))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."));
        };
        let function = function.clone();
        self.open_schema(&function.name.schema)?;
        let mut args = Vec::with_capacity(function.args.len());
        for (place, wanted) in function.args.iter().enumerate() {
            let by_name = given
                .iter()
                .position(|(name, _)| name.is_some() && *name == wanted.name);
            let by_place = given
                .get(place)
                .filter(|(name, _)| name.is_none())
                .map(|_| place);
            let value = match by_place.or(by_name) {
                Some(at) => given[at].1.clone(),
                None => match &wanted.default {
                    Some(default) => self.isolated(None, |this| this.expr(default))?,
                    None => return Err(no_function(&call.name.name, &[])),
                },
            };
            let value = self.coerce(value, &wanted.ty.clone().into(), How::Implicit)?;
            args.push((wanted.name.clone(), value));
        }
        Ok((function, args))
    }

    /// Arguments that are more than a name or a constant are computed once, in a `FROM` of their own.
    fn hold_arguments(
        &mut self,
        args: Vec<(Option<String>, Ex)>,
    ) -> (Vec<(Option<String>, Ex)>, Option<String>) {
        let simple =
            |ex: &Ex| matches!(ex.kind, ExKind::Row(_) | ExKind::Null) || !ex.sql.contains('(');
        if args.iter().all(|(_, ex)| simple(ex)) {
            return (args, None);
        }
        let alias = self.alias("g");
        let mut columns = Vec::new();
        let held = args
            .into_iter()
            .map(|(name, ex)| {
                if simple(&ex) {
                    return (name, ex);
                }
                let column = format!("a{}", columns.len() + 1);
                columns.push(format!("{} AS {column}", ex.sql));
                (
                    name,
                    Ex {
                        sql: format!("{alias}.{column}"),
                        kind: ExKind::Plain,
                        ..ex
                    },
                )
            })
            .collect();
        (
            held,
            Some(format!("(SELECT {}) AS {alias}", columns.join(", "))),
        )
    }

    /// The query of a body as it is checked when the function is made: arguments are values of their types.
    pub(crate) fn function_body(
        &mut self,
        function: &Function,
        query: &Query,
    ) -> Result<QueryOut, SqlError> {
        let args = function
            .args
            .iter()
            .map(|arg| match &arg.ty {
                Type::Row(name) => {
                    let fields = self.catalog.relations.get(name.as_ref()).map(|relation| {
                        relation
                            .columns
                            .iter()
                            .map(|column| (column.name.clone(), Ex::new("NULL", column.ty.clone())))
                            .collect()
                    });
                    (
                        arg.name.clone(),
                        super::column::row_value(fields.unwrap_or_default(), arg.ty.clone()),
                    )
                }
                ty => (arg.name.clone(), Ex::new("NULL", ty.clone())),
            })
            .collect();
        self.frames.push(Frame::Inlined {
            function: function.name.name.clone(),
            args,
        });
        self.expanding.push(function.name.clone());
        let out = self.query(query, None);
        self.expanding.pop();
        self.frames.pop();
        out
    }

    /// The query of a function's body over these arguments.
    fn body(
        &mut self,
        function: &Arc<Function>,
        args: Vec<(Option<String>, Ex)>,
    ) -> Result<QueryOut, SqlError> {
        let Some(query) = single_query(function) else {
            return Err(SqlError::unsupported(format!(
                "{} here",
                function.name.display()
            )));
        };
        if self.expanding.len() >= EXPANSION_DEPTH {
            return Err(SqlError::new("54001", "stack depth limit exceeded")
                .hint("SQL functions that call themselves are not supported."));
        }
        self.expanding.push(function.name.clone());
        self.frames.push(Frame::Inlined {
            function: function.name.name.clone(),
            args,
        });
        let path = function
            .settings
            .iter()
            .find(|(name, _)| name == "search_path")
            .map(|(_, value)| search_path(value));
        // An invoker's function runs as the current user, also inside a view of somebody else's.
        let user = if function.security_definer {
            function.owner.clone()
        } else {
            self.user.clone()
        };
        let outer_user = std::mem::replace(&mut self.user, user.clone());
        let path = path.unwrap_or_else(|| self.path_as_set.clone());
        let open = self.catalog.open_path(&user, &path);
        let outer_open = std::mem::replace(&mut self.search_path, open);
        let outer_path = std::mem::replace(&mut self.path_as_set, path);
        let windows = std::mem::take(&mut self.windows);
        let seen = std::mem::take(&mut self.aggregates_seen);
        let floor = std::mem::replace(&mut self.policies_floor, self.policies_of.len());
        let mut out = self.isolated(Some(&user), |this| this.query(query, None));
        self.user = outer_user;
        if function.security_definer
            && let Ok(out) = &mut out
        {
            // The caller's conditions must not run on rows that the body leaves out.
            out.sql = format!("SELECT * FROM ({}) LIMIT -1 OFFSET 0", out.sql);
        }
        self.policies_floor = floor;
        self.aggregates_seen = seen;
        self.windows = windows;
        self.search_path = outer_open;
        self.path_as_set = outer_path;
        self.frames.pop();
        self.expanding.pop();
        out
    }
}

fn row_as_value(function: &Function) -> SqlError {
    SqlError::unsupported(format!("a row of {} as a value", function.name.display())).hint(format!(
        "Write it in FROM: from {}(…) as x.",
        function.name.display()
    ))
}

/// Whether an expression is the same for every row: a constant or a parameter.
fn is_constant(ex: &Ex) -> bool {
    match &ex.kind {
        ExKind::Null | ExKind::Literal(_) | ExKind::Number(_) | ExKind::Param(_) => true,
        ExKind::Row(fields) => fields.iter().all(|(_, ex)| is_constant(ex)),
        ExKind::Plain => {
            let digits = ex.sql.strip_prefix('?').unwrap_or(&ex.sql);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
                || ex.sql.starts_with('\'') && ex.sql.matches('\'').count() == 2
        }
    }
}

/// One value for SQLite; a row is packed into one.
fn packed(ex: Ex) -> String {
    match ex.kind {
        ExKind::Row(fields) => {
            let fields: Vec<String> = fields.into_iter().map(|(_, ex)| packed(ex)).collect();
            format!("plinth_pack({})", fields.join(", "))
        }
        _ => ex.sql,
    }
}

/// Names and types of what a function returns as rows.
pub(crate) fn result_columns(catalog: &Catalog, function: &Function) -> Vec<(String, ColumnType)> {
    if !function.returns.columns.is_empty() {
        return function
            .returns
            .columns
            .iter()
            .map(|(name, ty)| (name.clone(), ty.clone().into()))
            .collect();
    }
    if let Type::Row(name) = &function.returns.ty
        && let Some(relation) = catalog.relations.get(name.as_ref())
    {
        return relation
            .columns
            .iter()
            .map(|column| (column.name.clone(), column.ty.clone()))
            .collect();
    }
    vec![(
        function.name.name.clone(),
        function.returns.ty.clone().into(),
    )]
}

/// The one query that a body consists of: what can be put in place of a call.
fn single_query(function: &Function) -> Option<&Query> {
    match function.body.as_slice() {
        [Statement::Query(query)] if function.language == "sql" => Some(query),
        _ => None,
    }
}

/// How well the arguments fit; none when they do not.
fn fit(function: &Function, given: &[(Option<String>, Ex)]) -> Option<usize> {
    if given.len() > function.args.len() {
        return None;
    }
    let mut score = 0;
    let mut used = vec![false; function.args.len()];
    for (place, (name, ex)) in given.iter().enumerate() {
        let at = match name {
            None => place,
            Some(_) => function.args.iter().position(|arg| arg.name == *name)?,
        };
        let wanted = function.args.get(at)?;
        if wanted.mode == ArgMode::Variadic || std::mem::replace(&mut used[at], true) {
            return None;
        }
        score += match &ex.ty.ty {
            ty if *ty == wanted.ty => 4,
            Type::Unknown => 2 + usize::from(wanted.ty == Type::Text),
            Type::Record if matches!(wanted.ty, Type::Row(_)) => 1,
            ty if castable(ty, &wanted.ty, How::Implicit) => 1,
            _ => return None,
        };
    }
    let complete = function
        .args
        .iter()
        .zip(&used)
        .all(|(arg, used)| *used || arg.default.is_some());
    complete.then_some(score)
}
