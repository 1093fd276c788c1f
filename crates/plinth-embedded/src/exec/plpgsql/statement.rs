//! Statements one by one.

use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::{Diagnostic, Into, Rows, Statement, StatementKind, Target};
use plinth_sql::ast::{Expr, Query, Statement as Sql};
use plinth_sql::types::Type;
use rusqlite::types::Value;

use super::scope::{Content, Shape};
use super::value::Evaluated;
use super::{Flow, Returning, Run};
use crate::connection::{ParamValue, Params};
use crate::error::Result;
use crate::exec::Executed;

impl Run<'_> {
    pub(super) fn statement(&mut self, statement: &Statement) -> Result<Flow> {
        match &statement.kind {
            StatementKind::Null => {}
            StatementKind::Block(block) => return self.block(block),
            StatementKind::Assign { target, value } => {
                let value = self.evaluate(value)?;
                self.assign(target, value)?;
            }
            StatementKind::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.holds(condition)? {
                        return self.statements(body);
                    }
                }
                return self.statements(otherwise);
            }
            StatementKind::Case {
                operand,
                arms,
                otherwise,
            } => return self.case(operand.as_ref(), arms, otherwise.as_deref()),
            StatementKind::Loop { label, over, body } => {
                return self.looped(label.as_ref(), over, body);
            }
            StatementKind::Exit { again, label, when } => {
                if let Some(when) = when
                    && !self.holds(when)?
                {
                    return Ok(Flow::Next);
                }
                return Ok(if *again {
                    Flow::Continue(label.clone())
                } else {
                    Flow::Exit(label.clone())
                });
            }
            StatementKind::Return(value) => {
                self.return_value(value.as_ref())?;
                return Ok(Flow::Return);
            }
            StatementKind::ReturnNext(value) => self.return_next(value.as_ref())?,
            StatementKind::ReturnQuery(rows) => self.return_query(rows)?,
            StatementKind::Raise(raise) => self.raise(raise)?,
            StatementKind::Assert { condition, message } => {
                if !self.holds(condition)? {
                    let message = match message {
                        Some(message) => self.text(message)?,
                        None => None,
                    };
                    let message = message.unwrap_or_else(|| "assertion failed".to_owned());
                    return Err(SqlError::new("P0004", message).into());
                }
            }
            StatementKind::Execute { text, into, using } => {
                let done = self.execute_text(text, using)?;
                self.row_count = done.affected;
                if let Some(into) = into {
                    self.store_first(into, done, false)?;
                }
            }
            StatementKind::Sql { statement, into } => self.sql(statement, into.as_ref())?,
            StatementKind::Perform(query) => {
                let done = self.query(query)?;
                self.row_count = done.affected;
                self.set_found(!done.rows.is_empty());
            }
            StatementKind::Diagnostics { stacked, items } => self.diagnostics(*stacked, items)?,
            StatementKind::Open { cursor, args, rows } => {
                self.open_cursor(cursor, args, rows.as_ref())?;
            }
            StatementKind::Fetch {
                cursor,
                direction,
                into,
            } => self.fetch(cursor, direction, into.as_ref())?,
            StatementKind::Close(cursor) => self.close_cursor(cursor)?,
        }
        Ok(Flow::Next)
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        arms: &[(Vec<Expr>, Vec<Statement>)],
        otherwise: Option<&[Statement]>,
    ) -> Result<Flow> {
        // The operand is computed once.
        let held = match operand {
            Some(operand) => Some(self.evaluate(operand)?),
            None => None,
        };
        for (values, body) in arms {
            for value in values {
                let matches = match &held {
                    None => self.holds(value)?,
                    Some(Evaluated::Scalar(ty, held)) => {
                        let depth = self.scopes.depth();
                        let ty = if ty.ty == Type::Unknown {
                            Type::Text.into()
                        } else {
                            ty.clone()
                        };
                        let slot =
                            super::Slot::new(CASE_OPERAND, Content::Scalar(ty, held.clone()));
                        self.scopes.push(None, vec![slot]);
                        let equal = Expr::Binary {
                            op: "=".to_owned(),
                            left: Box::new(Expr::column(CASE_OPERAND)),
                            right: Box::new(value.clone()),
                            span: plinth_sql::ast::Span::default(),
                        };
                        let holds = self.holds(&equal);
                        self.scopes.close(depth);
                        holds?
                    }
                    Some(Evaluated::Row(..)) => {
                        return Err(SqlError::unsupported("CASE over a row").into());
                    }
                };
                if matches {
                    return self.statements(body);
                }
            }
        }
        match otherwise {
            Some(body) => self.statements(body),
            None => Err(SqlError::new("20000", "case not found")
                .hint("CASE statement is missing ELSE part.")
                .into()),
        }
    }

    // Returning.

    fn return_value(&mut self, value: Option<&Expr>) -> Result<()> {
        match self.returns.clone() {
            Returning::Row(shape) => {
                if let Some(value) = value {
                    let value = self.evaluate_row(value)?;
                    let row = self.returned_row(value, &shape)?;
                    self.rows = vec![row];
                }
            }
            Returning::Trigger(ty) => {
                let value = match value {
                    Some(value) => self.evaluate_row(value)?,
                    None => Evaluated::null(),
                };
                self.return_trigger_row(value, &ty)?;
            }
            Returning::Nothing => {
                if let Some(value) = value {
                    self.evaluate(value)?;
                }
            }
            Returning::Set(_) => {}
        }
        Ok(())
    }

    /// A value where a record variable means its row; `coalesce(new, old)` is the first of them that there is.
    fn evaluate_row(&mut self, value: &Expr) -> Result<Evaluated> {
        if let Expr::Call(call) = value
            && call.name.name == "coalesce"
            && call.name.schema.is_none()
            && let Some(records) = call
                .args
                .iter()
                .map(|arg| self.record(&arg.value))
                .collect::<Option<Vec<_>>>()
        {
            let found = records.into_iter().find(
                |record| matches!(record, Evaluated::Row(_, values) if values.iter().any(|value| *value != Value::Null)),
            );
            return Ok(found.unwrap_or_else(Evaluated::null));
        }
        match self.record(value) {
            Some(record) => Ok(record),
            None => self.evaluate(value),
        }
    }

    /// The row of a bare record variable.
    fn record(&self, value: &Expr) -> Option<Evaluated> {
        let Expr::Column(reference) = value else {
            return None;
        };
        let [name] = reference.parts.as_slice() else {
            return None;
        };
        let place = self.scopes.find(None, name)?;
        let Content::Record { shape, values, .. } = &self.scopes.slot(place).content else {
            return None;
        };
        Some(match shape {
            Some(shape) => Evaluated::Row(shape.clone(), values.clone()),
            None => Evaluated::null(),
        })
    }

    fn return_next(&mut self, value: Option<&Expr>) -> Result<()> {
        let Returning::Set(shape) = self.returns.clone() else {
            return Err(
                SqlError::new("42804", "cannot use RETURN NEXT in a non-SETOF function").into(),
            );
        };
        let row = match value {
            Some(value) => {
                let value = self.evaluate_row(value)?;
                self.returned_row(value, &shape)?
            }
            None => self.out_row(&shape)?,
        };
        self.keep_row(row)
    }

    fn return_query(&mut self, rows: &Rows) -> Result<()> {
        let Returning::Set(shape) = self.returns.clone() else {
            return Err(
                SqlError::new("42804", "cannot use RETURN QUERY in a non-SETOF function").into(),
            );
        };
        let done = self.rows_of(rows)?;
        if done.columns.len() != shape.len() {
            return Err(SqlError::new(
                "42804",
                "structure of query does not match function result type",
            )
            .detail(format!(
                "Number of returned columns ({}) does not match expected column count ({}).",
                done.columns.len(),
                shape.len()
            ))
            .into());
        }
        for (at, ((_, from), (_, to))) in done.columns.iter().zip(&shape).enumerate() {
            if from.ty != to.ty && from.ty != Type::Unknown {
                return Err(SqlError::new(
                    "42804",
                    "structure of query does not match function result type",
                )
                .detail(format!(
                    "Returned type {} does not match expected type {} in column {}.",
                    from.ty,
                    to.ty,
                    at + 1
                ))
                .into());
            }
        }
        self.row_count = done.rows.len() as u64;
        self.set_found(!done.rows.is_empty());
        for row in done.rows {
            self.keep_row(row)?;
        }
        Ok(())
    }

    // SQL.

    /// Rows of a statement or of a text.
    pub(super) fn rows_of(&mut self, rows: &Rows) -> Result<Executed> {
        match rows {
            Rows::Static(statement) => self.run_sql(statement),
            Rows::Dynamic { text, using } => self.execute_text(text, using),
        }
    }

    /// Runs a statement of the body.
    fn run_sql(&mut self, statement: &Sql) -> Result<Executed> {
        let params = self.scopes.params();
        match &self.body {
            Some(body) => self.exec.statement_within(body, statement, &params),
            None => self.exec.statement(statement, &params),
        }
    }

    fn query(&mut self, query: &Query) -> Result<Executed> {
        let params = self.scopes.params();
        if let Some(body) = &self.body {
            return self.exec.query_within(body, query, &params);
        }
        let statement = Sql::Query(Box::new(query.clone()));
        self.exec.statement(&statement, &params)
    }

    fn sql(&mut self, statement: &Sql, into: Option<&Into>) -> Result<()> {
        let done = self.run_sql(statement)?;
        // `SELECT … INTO` takes one row, whatever there is.
        self.row_count = match (statement, into) {
            (Sql::Query(_), Some(_)) => done.affected.min(1),
            _ => done.affected,
        };
        let changes = matches!(statement, Sql::Insert(_) | Sql::Update(_) | Sql::Delete(_));
        match into {
            Some(into) => {
                self.set_found(if changes {
                    done.affected > 0
                } else {
                    !done.rows.is_empty()
                });
                self.store_first(into, done, changes)?;
            }
            None if done.returns_rows && !done.columns.is_empty() => {
                let error = SqlError::new("42601", "query has no destination for result data");
                return Err(match statement {
                    Sql::Query(_) => error.hint(
                        "If you want to discard the results of a SELECT, use PERFORM instead.",
                    ),
                    _ => error,
                }
                .into());
            }
            None if changes => self.set_found(done.affected > 0),
            None => {}
        }
        Ok(())
    }

    /// `EXECUTE text USING …`.
    fn execute_text(&mut self, text: &Expr, using: &[Expr]) -> Result<Executed> {
        let Some(text) = self.text(text)? else {
            return Err(SqlError::new("22004", "query string argument of EXECUTE is null").into());
        };
        let mut values = Vec::with_capacity(using.len());
        for expr in using {
            values.push(match self.evaluate(expr)? {
                Evaluated::Scalar(ty, value) if ty.ty == Type::Unknown => {
                    ParamValue::Typed(Type::Text.into(), value)
                }
                Evaluated::Scalar(ty, value) => ParamValue::Typed(ty, value),
                Evaluated::Row(..) => {
                    return Err(SqlError::unsupported("a row in USING")
                        .hint("Give its fields one by one.")
                        .into());
                }
            });
        }
        let params = Params {
            values,
            names: None,
        };
        let mut done = Executed::default();
        for range in plinth_sql::parse::split(&text) {
            let statement = plinth_sql::parse::statement(&text[range])?;
            if matches!(statement, Sql::Transaction(_)) {
                return Err(SqlError::new(
                    "0A000",
                    "EXECUTE of transaction commands is not implemented",
                )
                .into());
            }
            done = self.exec.statement(&statement, &params)?;
        }
        Ok(done)
    }

    /// `INTO`: the first row.
    fn store_first(&mut self, into: &Into, done: Executed, changes: bool) -> Result<()> {
        if into.strict && done.rows.is_empty() {
            return Err(SqlError::new("P0002", "query returned no rows").into());
        }
        if done.rows.len() > 1 && (into.strict || changes) {
            return Err(SqlError::new("P0003", "query returned more than one row")
                .hint("Make sure the query returns a single row, or use LIMIT 1.")
                .into());
        }
        let row = done.rows.into_iter().next();
        self.store_row(&into.targets, &done.columns, row)
    }

    /// Puts a row into variables: into one record, or value by value. No row means nulls.
    pub(super) fn store_row(
        &mut self,
        targets: &[Target],
        columns: &Shape,
        row: Option<Vec<Value>>,
    ) -> Result<()> {
        if let [only] = targets {
            let (place, field) = self.place(only)?;
            let record = matches!(self.scopes.slot(place).content, Content::Record { .. });
            if record && field.is_none() {
                let values = row.unwrap_or_else(|| vec![Value::Null; columns.len()]);
                return self.assign_whole(place, Evaluated::Row(columns.clone(), values));
            }
        }
        let mut values = row.into_iter().flatten();
        for (at, target) in targets.iter().enumerate() {
            let value = match (columns.get(at), values.next()) {
                (Some((_, ty)), Some(value)) => Evaluated::Scalar(ty.clone(), value),
                _ => Evaluated::null(),
            };
            self.assign(target, value)?;
        }
        Ok(())
    }

    fn diagnostics(&mut self, stacked: bool, items: &[(Target, Diagnostic)]) -> Result<()> {
        let error = self.handling.last().cloned();
        if stacked && error.is_none() {
            return Err(SqlError::new(
                "0Z002",
                "GET STACKED DIAGNOSTICS cannot be used outside an exception handler",
            )
            .into());
        }
        let error = error.unwrap_or_default();
        for (target, item) in items {
            let text = match item {
                Diagnostic::RowCount => {
                    let count = i64::try_from(self.row_count).unwrap_or(i64::MAX);
                    let count = Evaluated::Scalar(Type::Int8.into(), Value::Integer(count));
                    self.assign(target, count)?;
                    continue;
                }
                Diagnostic::ReturnedState => error.code.clone(),
                Diagnostic::Message => error.message.clone(),
                Diagnostic::Detail => error.detail.clone().unwrap_or_default(),
                Diagnostic::Hint => error.hint.clone().unwrap_or_default(),
                Diagnostic::Column => error.column.clone().unwrap_or_default(),
                Diagnostic::Constraint => error.constraint.clone().unwrap_or_default(),
                Diagnostic::Table => error.table.clone().unwrap_or_default(),
                Diagnostic::Context
                | Diagnostic::ExceptionContext
                | Diagnostic::Datatype
                | Diagnostic::Schema => String::new(),
            };
            self.assign(
                target,
                Evaluated::Scalar(Type::Text.into(), Value::Text(text)),
            )?;
        }
        Ok(())
    }
}

/// The name under which the operand of `CASE` is compared; no user's name holds a blank in front.
const CASE_OPERAND: &str = " case operand";
