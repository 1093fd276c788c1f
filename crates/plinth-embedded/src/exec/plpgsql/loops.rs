//! Loops.

use plinth_sql::SqlError;
use plinth_sql::ast::Expr;
use plinth_sql::ast::plpgsql::{LoopKind, Statement, Target};
use plinth_sql::types::Type;
use plinth_sql::types::array::{self, ArrayValue};
use rusqlite::types::Value;

use super::scope::{Content, Shape, Slot};
use super::value::Evaluated;
use super::{Flow, Run};
use crate::EngineError;
use crate::error::Result;

/// What a loop does after one round.
enum Round {
    Again,
    Leave(Flow),
}

impl Run<'_> {
    pub(super) fn looped(
        &mut self,
        label: Option<&String>,
        over: &LoopKind,
        body: &[Statement],
    ) -> Result<Flow> {
        let depth = self.scopes.depth();
        // The label names the loop's own variable too.
        self.scopes.push(label.cloned(), Vec::new());
        let flow = match over {
            LoopKind::Forever => self.forever(label, None, body),
            LoopKind::While(condition) => self.forever(label, Some(condition), body),
            LoopKind::Range {
                variable,
                reverse,
                from,
                to,
                step,
            } => {
                let bounds = self.bounds(from, to, step.as_ref());
                bounds.and_then(|bounds| self.range(label, variable, *reverse, bounds, body))
            }
            LoopKind::Rows { targets, rows } => self.rows_of(rows).and_then(|done| {
                self.over_rows(label, Some(targets), &done.columns, done.rows, body)
            }),
            LoopKind::Cursor {
                variable,
                cursor,
                args,
            } => self.cursor_rows(cursor, args).and_then(|done| {
                let record = Content::empty_record(Type::Record, None);
                self.loop_variable(label, Slot::new(variable, record));
                let target = Target {
                    parts: vec![variable.clone()],
                    subscripts: Vec::new(),
                    span: plinth_sql::ast::Span::default(),
                };
                self.over_rows(label, Some(&[target]), &done.columns, done.rows, body)
            }),
            LoopKind::Array {
                targets,
                slice,
                array,
            } => self.over_array(label, targets, *slice, array, body),
        };
        self.scopes.close(depth);
        flow
    }

    fn round(&mut self, label: Option<&String>, body: &[Statement]) -> Result<Round> {
        if self.exec.conn.out_of_time() {
            return Err(EngineError::Timeout);
        }
        let depth = self.scopes.depth();
        let flow = self.statements(body)?;
        self.scopes.close(depth);
        Ok(match flow {
            Flow::Next | Flow::Continue(None) => Round::Again,
            Flow::Continue(Some(name)) if label == Some(&name) => Round::Again,
            Flow::Exit(None) => Round::Leave(Flow::Next),
            Flow::Exit(Some(name)) if label == Some(&name) => Round::Leave(Flow::Next),
            flow => Round::Leave(flow),
        })
    }

    fn forever(
        &mut self,
        label: Option<&String>,
        condition: Option<&Expr>,
        body: &[Statement],
    ) -> Result<Flow> {
        loop {
            if let Some(condition) = condition
                && !self.holds(condition)?
            {
                return Ok(Flow::Next);
            }
            if let Round::Leave(flow) = self.round(label, body)? {
                return Ok(flow);
            }
        }
    }

    fn bounds(&mut self, from: &Expr, to: &Expr, step: Option<&Expr>) -> Result<(i64, i64, i64)> {
        let missing =
            |what: &str| SqlError::new("22004", format!("{what} of FOR loop cannot be null"));
        let from = self.integer(from)?.ok_or_else(|| missing("lower bound"))?;
        let to = self.integer(to)?.ok_or_else(|| missing("upper bound"))?;
        let step = match step {
            Some(step) => self.integer(step)?.ok_or_else(|| missing("BY value"))?,
            None => 1,
        };
        if step <= 0 {
            return Err(
                SqlError::new("22023", "BY value of FOR loop must be greater than zero").into(),
            );
        }
        Ok((from, to, step))
    }

    fn range(
        &mut self,
        label: Option<&String>,
        variable: &str,
        reverse: bool,
        (from, to, step): (i64, i64, i64),
        body: &[Statement],
    ) -> Result<Flow> {
        let content = Content::Scalar(Type::Int4.into(), Value::Integer(from));
        let place = self.loop_variable(label, Slot::new(variable, content));
        let mut at = from;
        let mut flow = Flow::Next;
        let mut found = false;
        while if reverse { at >= to } else { at <= to } {
            found = true;
            self.set_scalar(place, Value::Integer(at));
            if let Round::Leave(left) = self.round(label, body)? {
                flow = left;
                break;
            }
            at = if reverse { at - step } else { at + step };
            if i32::try_from(at).is_err() {
                break;
            }
        }
        self.set_found(found);
        Ok(flow)
    }

    fn over_rows(
        &mut self,
        label: Option<&String>,
        targets: Option<&[Target]>,
        columns: &Shape,
        rows: Vec<Vec<Value>>,
        body: &[Statement],
    ) -> Result<Flow> {
        let targets = targets.unwrap_or_default();
        let mut flow = Flow::Next;
        let found = !rows.is_empty();
        if !found {
            self.store_row(targets, columns, None)?;
        }
        for row in rows {
            self.store_row(targets, columns, Some(row))?;
            if let Round::Leave(left) = self.round(label, body)? {
                flow = left;
                break;
            }
        }
        self.set_found(found);
        Ok(flow)
    }

    fn over_array(
        &mut self,
        label: Option<&String>,
        targets: &[Target],
        slice: u32,
        expr: &Expr,
        body: &[Statement],
    ) -> Result<Flow> {
        let (ty, stored) = match self.evaluate(expr)? {
            Evaluated::Scalar(_, Value::Null) => {
                return Err(SqlError::new("22004", "FOREACH expression must not be null").into());
            }
            Evaluated::Scalar(ty, Value::Text(stored)) => (ty, stored),
            other => return Err(not_an_array(&other)),
        };
        let Type::Array(element) = &ty.ty else {
            return Err(not_an_array(&Evaluated::Scalar(ty, Value::Null)));
        };
        let value = array::from_storage(&stored)?;
        let mut items: Vec<(plinth_sql::types::ColumnType, Value)> = Vec::new();
        match slice {
            0 => {
                let element = plinth_sql::types::ColumnType::from(element.as_ref().clone());
                for text in array::flatten(&value) {
                    let value = match text {
                        Some(text) => self.exec.conn.input(&element, text)?,
                        None => Value::Null,
                    };
                    items.push((element.clone(), value));
                }
            }
            1 => {
                let ArrayValue::Array(rows) = &value else {
                    return Ok(Flow::Next);
                };
                let nested = rows.iter().any(|row| matches!(row, ArrayValue::Array(_)));
                if nested {
                    for row in rows {
                        items.push((ty.clone(), Value::Text(array::to_storage(row))));
                    }
                } else {
                    items.push((ty.clone(), Value::Text(stored.clone())));
                }
            }
            _ => return Err(SqlError::unsupported("FOREACH with a SLICE above 1").into()),
        }
        let mut flow = Flow::Next;
        let found = !items.is_empty();
        for (ty, value) in items {
            self.store_row(targets, &vec![(String::new(), ty)], Some(vec![value]))?;
            if let Round::Leave(left) = self.round(label, body)? {
                flow = left;
                break;
            }
        }
        self.set_found(found);
        Ok(flow)
    }
}

fn not_an_array(found: &Evaluated) -> EngineError {
    let ty = match found {
        Evaluated::Scalar(ty, _) => ty.ty.to_string(),
        Evaluated::Row(..) => "record".to_owned(),
    };
    SqlError::new(
        "42804",
        format!("FOREACH expression must yield an array, not type {ty}"),
    )
    .into()
}
