//! Users' functions that run by themselves, statement after statement: SQL functions that change rows or have several
//! statements, and PL/pgSQL. SQLite calls them in the middle of a statement, on the same connection.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::catalog::Function;
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::{Executed, Executor};
use crate::connection::{Conn, ParamValue, Params};
use crate::error::{EngineError, Result};
use crate::functions::unpack;
use crate::settings::{Lasting, search_path};
use crate::state::ConnState;
use crate::translate::{Conflict, Held, Level, Variables, result_columns};

/// Deepest nesting of functions, each in a statement of the one around it.
const CALL_DEPTH: usize = 200;

/// Calls the function of this oid as this user; gives its rows.
pub(crate) fn call(
    state: &Arc<ConnState>,
    oid: u32,
    user: &str,
    args: Vec<Value>,
) -> Result<Vec<Vec<Value>>> {
    let conn = Conn::of(state).ok_or(EngineError::Closed)?;
    let mut exec = Executor::within(conn);
    let function = exec
        .catalog
        .functions
        .values()
        .flatten()
        .find(|function| function.oid == oid)
        .cloned()
        .ok_or_else(|| SqlError::new("42883", "the function does not exist any more"))?;
    exec.call(&function, user, args)
}

impl Executor {
    /// Calls a function with these arguments; gives its rows.
    pub(crate) fn call(
        &mut self,
        function: &Arc<Function>,
        user: &str,
        args: Vec<Value>,
    ) -> Result<Vec<Vec<Value>>> {
        if function.returns.ty == Type::Trigger {
            return Err(
                SqlError::new("0A000", "trigger functions can only be called as triggers").into(),
            );
        }
        let columns = result_columns(&self.catalog, function);
        if function.strict && args.contains(&Value::Null) {
            return Ok(if function.returns.set {
                Vec::new()
            } else {
                vec![vec![Value::Null; columns.len()]]
            });
        }
        let mut rows =
            self.as_function(function, user, |exec| match function.language.as_str() {
                "sql" => exec.run_body(function, args, &columns),
                "plpgsql" => exec.call_plpgsql(function, args, &columns),
                other => Err(SqlError::unsupported(format!(
                    "calling the {other} function {}",
                    function.name.display()
                ))
                .into()),
            })?;
        if !function.returns.set {
            rows.truncate(1);
            if rows.is_empty() {
                rows.push(vec![Value::Null; columns.len()]);
            }
        }
        Ok(rows)
    }

    /// Runs what a function does: with its owner's rights when it says so, under its settings, in bounded depth.
    pub(crate) fn as_function<T>(
        &mut self,
        function: &Function,
        user: &str,
        run: impl FnOnce(&mut Executor) -> Result<T>,
    ) -> Result<T> {
        {
            let mut work = self.work();
            if work.calls >= CALL_DEPTH {
                return Err(SqlError::new("54001", "stack depth limit exceeded")
                    .hint("Functions may call each other some 200 levels deep; a function that calls itself needs a way out.")
                    .into());
            }
            work.calls += 1;
        }
        let mark = self.enter(function, user);
        let result = run(self);
        let own: Vec<&str> = function
            .settings
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        self.state()
            .session
            .lock()
            .settings
            .leave_function(&mark, &own);
        let mut work = self.work();
        work.calls = work.calls.saturating_sub(1);
        drop(work);
        result
    }

    fn enter(&self, function: &Function, user: &str) -> crate::settings::SettingsMark {
        let settings = &mut self.state().session.lock().settings;
        let mark = settings.mark();
        let user = if function.security_definer {
            &function.owner
        } else {
            user
        };
        if settings.role() != user {
            settings.set_role(user, Lasting::Transaction);
        }
        for (name, value) in &function.settings {
            if name == "search_path" {
                settings.set_search_path(&search_path(value), Lasting::Transaction);
            } else {
                settings.set(name, &value.join(", "), Lasting::Transaction);
            }
        }
        mark
    }

    /// The arguments of an SQL function as parameters with names.
    fn arguments(&self, function: &Function, args: Vec<Value>) -> Result<Params> {
        let mut values = Vec::with_capacity(args.len());
        let mut names = Vec::with_capacity(args.len());
        for (arg, value) in function.args.iter().zip(args) {
            let held = match &arg.ty {
                Type::Row(name) => {
                    let Some(relation) = self.catalog.relations.get(name.as_ref()).cloned() else {
                        return Err(
                            SqlError::new("42P01", "a row type does not exist any more").into()
                        );
                    };
                    let mut fields = match &value {
                        Value::Text(packed) => unpack(packed)?.into_iter(),
                        _ => Vec::new().into_iter(),
                    };
                    let mut places = Vec::with_capacity(relation.columns.len());
                    for column in &relation.columns {
                        let value = fields.next().unwrap_or(Value::Null);
                        values.push(ParamValue::Typed(column.ty.clone(), value));
                        places.push((column.name.clone(), values.len()));
                    }
                    Held::Row(arg.ty.clone(), places)
                }
                ty => {
                    values.push(ParamValue::Typed(ty.clone().into(), value));
                    Held::Value(values.len())
                }
            };
            names.push((arg.name.clone(), held));
        }
        let level = Level {
            label: Some(function.name.name.clone()),
            names,
        };
        Ok(Params {
            values,
            names: Some(Arc::new(Variables {
                levels: vec![level],
                conflict: Conflict::UseColumn,
            })),
        })
    }

    /// Runs the statements of an SQL function; the rows of the last are its result.
    fn run_body(
        &mut self,
        function: &Arc<Function>,
        args: Vec<Value>,
        columns: &[(String, ColumnType)],
    ) -> Result<Vec<Vec<Value>>> {
        let params = self.arguments(function, args)?;
        let mut done = Executed::default();
        for statement in &function.body {
            done = self.statement(statement, &params)?;
        }
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
        Ok(done.rows)
    }
}
