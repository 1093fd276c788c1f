//! Functions whose bodies change rows or have several statements: they run by themselves, statement after
//! statement, and the query that called them reads what the last one returned.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{Call, Expr, FromItem, Query, Select, SelectItem, SetExpr, Statement};
use plinth_sql::catalog::Function;
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::{Executed, Tx};
use crate::connection::ParamValue;
use crate::error::Result;
use crate::names;
use crate::translate::{Materialized, function_search_path};

/// Deepest nesting of such functions.
const CALL_DEPTH: usize = 32;

impl Tx {
    /// Runs the functions in a query that must run by themselves, then the query over their results. None when
    /// there are none.
    pub(crate) fn materialize_calls(
        &mut self,
        query: &Query,
        params: &[ParamValue],
    ) -> Result<Option<Executed>> {
        let SetExpr::Select(select) = &query.body else {
            return Ok(None);
        };
        if let Some((place, call, alias)) = self.lone_call(select) {
            // `select f(…)`: read as `select f.f from f(…)`.
            let mut select = select.as_ref().clone();
            select.projection[place] = SelectItem::Expr {
                expr: Expr::column(call.name.name.clone()),
                alias: Some(alias.unwrap_or_else(|| call.name.name.clone())),
            };
            select.from = vec![FromItem::Function {
                lateral: false,
                call,
                ordinality: false,
                alias: None,
            }];
            let rewritten = Query {
                body: SetExpr::Select(Box::new(select)),
                ..query.clone()
            };
            return self.materialize_calls(&rewritten, params);
        }
        let mut calls = Vec::new();
        for item in &select.from {
            if let FromItem::Function { call, .. } = item
                && self.runs_by_itself(call)
            {
                calls.push(call.clone());
            }
        }
        if calls.is_empty() {
            return Ok(None);
        }
        if calls.len() > 1 || select.from.len() > 1 {
            return Err(
                SqlError::unsupported("a function that changes rows beside other tables")
                    .hint("Call it in a statement of its own.")
                    .into(),
            );
        }
        let held = self.materialized.len();
        let made = self.run_function(&calls[0], params)?;
        self.materialized.push(made);
        let result = self.query_again(query, params);
        if let Some(made) = self.materialized.get(held) {
            self.conn
                .sqlite
                .execute_batch(&format!("DROP TABLE temp.{}", names::quote(&made.sqlite)))?;
        }
        self.materialized.truncate(held);
        result.map(Some)
    }

    fn query_again(&mut self, query: &Query, params: &[ParamValue]) -> Result<Executed> {
        let role = self.role();
        let mut translator = self.translator(&role, params);
        let out = translator.query(query, None)?;
        let plan = translator.finish(out.sql, out.columns)?;
        let rows = self.conn.run(&plan, params, &[])?;
        Ok(super::selected(plan.columns, rows))
    }

    /// The one call of `select f(…)` when it must run by itself.
    fn lone_call(&self, select: &Select) -> Option<(usize, Call, Option<String>)> {
        if !select.from.is_empty() || select.projection.len() != 1 {
            return None;
        }
        match &select.projection[0] {
            SelectItem::Expr {
                expr: Expr::Call(call),
                alias,
            } if self.runs_by_itself(call) => Some((0, call.as_ref().clone(), alias.clone())),
            _ => None,
        }
    }

    fn runs_by_itself(&self, call: &Call) -> bool {
        if self.materialized.iter().any(|made| made.call == *call) {
            return false;
        }
        self.catalog
            .functions(&call.name, &self.search_path)
            .iter()
            .any(|function| {
                function.language == "sql"
                    && !matches!(function.body.as_slice(), [Statement::Query(_)])
            })
    }

    fn run_function(&mut self, call: &Call, params: &[ParamValue]) -> Result<Materialized> {
        if self.calls >= CALL_DEPTH {
            return Err(SqlError::new("54001", "stack depth limit exceeded").into());
        }
        let role = self.role();
        let mut translator = self.translator(&role, params);
        let (function, args) = translator.resolve(call)?;
        let texts: Vec<String> = args.iter().map(|(_, ex)| ex.sql.clone()).collect();
        let types: Vec<(String, ColumnType)> = args
            .iter()
            .map(|(name, ex)| (name.clone().unwrap_or_default(), ex.ty.clone()))
            .collect();
        let columns = translator.result_columns(&function);
        let mut values = Vec::new();
        if texts.is_empty() {
            translator.check_now()?;
        } else {
            let plan = translator.finish(format!("SELECT {}", texts.join(", ")), types.clone())?;
            values = self.project(&plan, params, &[])?;
        }
        let given: Vec<ParamValue> = types
            .into_iter()
            .zip(values)
            .map(|((_, ty), value)| ParamValue::Typed(ty, value))
            .collect();
        let null = given
            .iter()
            .any(|arg| matches!(arg, ParamValue::Typed(_, Value::Null)));
        let rows = if function.strict && null {
            let row = vec![Value::Null; columns.len()];
            if function.returns.set {
                Vec::new()
            } else {
                vec![row]
            }
        } else {
            self.run_body(&function, &given, &columns)?
        };
        self.hold(&function, call, columns, rows)
    }

    /// Runs the body with the arguments as `$1`, `$2`, …, as its owner when it says so.
    fn run_body(
        &mut self,
        function: &Arc<Function>,
        args: &[ParamValue],
        columns: &[(String, ColumnType)],
    ) -> Result<Vec<Vec<Value>>> {
        let outer_path = self.search_path.clone();
        if let Some((_, path)) = function
            .settings
            .iter()
            .find(|(name, _)| name == "search_path")
        {
            self.search_path = function_search_path(path);
        }
        let outer_role = self.role();
        if function.security_definer {
            self.state().session.lock().role.clone_from(&function.owner);
        }
        self.calls += 1;
        let mut last = Ok(Executed::default());
        let names = function.args.iter().map(|arg| arg.name.clone()).collect();
        self.arguments.push((function.name.name.clone(), names));
        for statement in &function.body {
            last = self.statement(statement, args);
            if last.is_err() {
                break;
            }
        }
        self.arguments.pop();
        self.calls -= 1;
        self.state().session.lock().role = outer_role;
        self.search_path = outer_path;
        let done = last?;
        if function.returns.ty == Type::Void {
            return Ok(vec![vec![Value::Null]]);
        }
        if done.columns.len() != columns.len() {
            return Err(SqlError::new(
                "42P13",
                format!(
                    "return type mismatch in function declared to return {}",
                    function.returns.ty
                ),
            )
            .detail("Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.")
            .into());
        }
        let mut rows = done.rows;
        if !function.returns.set {
            rows.truncate(1);
            if rows.is_empty() {
                rows.push(vec![Value::Null; columns.len()]);
            }
        }
        Ok(rows)
    }

    /// Puts rows where the calling query can read them.
    fn hold(
        &mut self,
        function: &Function,
        call: &Call,
        columns: Vec<(String, ColumnType)>,
        rows: Vec<Vec<Value>>,
    ) -> Result<Materialized> {
        let sqlite = format!("result_{}", self.materialized.len() + self.calls * 100 + 1);
        let names: Vec<String> = (1..=columns.len())
            .map(|place| format!("c{place}"))
            .collect();
        self.conn.sqlite.execute_batch(&format!(
            "DROP TABLE IF EXISTS temp.{name}; CREATE TEMP TABLE {name}({columns})",
            name = names::quote(&sqlite),
            columns = names.join(", ")
        ))?;
        let places: Vec<String> = (1..=columns.len())
            .map(|place| format!("?{place}"))
            .collect();
        let insert = format!(
            "INSERT INTO temp.{} VALUES ({})",
            names::quote(&sqlite),
            places.join(", ")
        );
        for row in rows {
            self.conn
                .sqlite
                .prepare(&insert)?
                .execute(rusqlite::params_from_iter(row))?;
        }
        let scalar = !matches!(function.returns.ty, Type::Record | Type::Row(_));
        Ok(Materialized {
            call: call.clone(),
            sqlite,
            columns,
            scalar,
        })
    }
}
