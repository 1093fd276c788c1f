//! PL/pgSQL: an interpreter over the syntax tree. Its expressions and statements are run by the executor, with the
//! variables as parameters that have names.

mod cursor;
mod declare;
mod loops;
mod raise;
mod scope;
mod statement;
mod trigger;
mod value;

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::{Block, Body, Statement};
use plinth_sql::catalog::Function;
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::Executor;
use super::within::Pin;
use crate::EngineError;
use crate::error::Result;
use crate::functions::unpack;
use scope::{Content, Scopes, Shape, Slot};
use value::Evaluated;

pub(crate) use trigger::TriggerCall;

/// Most rows that a function may collect before it returns.
const MAX_ROWS: usize = 5_000_000;

/// A function, trigger or `DO` block that runs.
struct Run<'e> {
    pub(super) exec: &'e mut Executor,
    /// What runs, where it stays as it is: plans of its statements are kept.
    pub(super) body: Option<Pin>,
    pub(super) scopes: Scopes,
    pub(super) returns: Returning,
    /// Rows collected by `RETURN NEXT` and `RETURN QUERY`, or the one row of `RETURN`.
    pub(super) rows: Vec<Vec<Value>>,
    /// What `GET DIAGNOSTICS … ROW_COUNT` gives.
    pub(super) row_count: u64,
    /// The errors being handled, innermost last.
    pub(super) handling: Vec<SqlError>,
    pub(super) cursors: Vec<cursor::Cursor>,
}

/// What a function gives back.
#[derive(Clone, Debug)]
enum Returning {
    /// Nothing: `void`, `DO`.
    Nothing,
    /// One value or one row of these columns.
    Row(Shape),
    /// Rows of these columns.
    Set(Shape),
    /// A trigger's row.
    Trigger(Type),
}

/// How a statement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Flow {
    /// The next one follows.
    Next,
    /// `EXIT`, of the loop or block with this label.
    Exit(Option<String>),
    /// `CONTINUE`.
    Continue(Option<String>),
    /// `RETURN`.
    Return,
}

impl Executor {
    /// Calls a PL/pgSQL function; gives its rows.
    pub(super) fn call_plpgsql(
        &mut self,
        function: &Arc<Function>,
        args: Vec<Value>,
        columns: &[(String, ColumnType)],
    ) -> Result<Vec<Vec<Value>>> {
        let body = self.body_of(function)?;
        let returns = if function.returns.ty == Type::Void {
            Returning::Nothing
        } else if function.returns.set {
            Returning::Set(columns.to_vec())
        } else {
            Returning::Row(columns.to_vec())
        };
        let mut slots = self.argument_slots(function, args)?;
        // Columns of `returns table (…)` and of `OUT` arguments are variables.
        let outs: Vec<String> = function
            .returns
            .columns
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        for (name, ty) in &function.returns.columns {
            if !slots.iter().any(|slot| slot.name.as_deref() == Some(name)) {
                slots.push(self.typed_slot(name, ty)?);
            }
        }
        let mut run = self.start(&function.name.name, &body, slots, returns);
        run.body = Some(Pin::Body(Arc::clone(&body)));
        let flow = run.block(&body.block)?;
        run.finish(&flow, &outs)
    }

    /// Runs a `DO` block.
    pub(super) fn run_do(&mut self, body: &Body) -> Result<()> {
        let mut run = self.start("inline_code_block", body, Vec::new(), Returning::Nothing);
        run.block(&body.block)?;
        Ok(())
    }

    fn start(
        &mut self,
        name: &str,
        body: &Body,
        mut slots: Vec<Slot>,
        returns: Returning,
    ) -> Run<'_> {
        let found = Content::Scalar(Type::Bool.into(), Value::Integer(0));
        slots.push(Slot::new("found", found));
        let mut scopes = Scopes {
            conflict: body.variable_conflict,
            ..Scopes::default()
        };
        scopes.push(Some(name.to_owned()), slots);
        Run::new(self, scopes, returns)
    }

    /// The syntax tree of a function's body, read once.
    fn body_of(&self, function: &Function) -> Result<Arc<Body>> {
        let mut bodies = self.state().bodies.lock();
        if let Some((source, body)) = bodies.get(&function.oid)
            && *source == function.source
        {
            return Ok(body.clone());
        }
        let body = Arc::new(plinth_sql::parse::plpgsql(&function.source).map_err(placeless)?);
        bodies.insert(function.oid, (function.source.clone(), body.clone()));
        Ok(body)
    }

    fn argument_slots(&self, function: &Function, args: Vec<Value>) -> Result<Vec<Slot>> {
        let mut slots = Vec::with_capacity(args.len() + 1);
        for (arg, value) in function.args.iter().zip(args) {
            let mut slot = self.typed_slot(arg.name.as_deref().unwrap_or_default(), &arg.ty)?;
            slot.name.clone_from(&arg.name);
            match &mut slot.content {
                Content::Scalar(_, held) => *held = value,
                Content::Record { values, .. } => {
                    if let Value::Text(packed) = &value {
                        let given = unpack(packed)?;
                        for (held, value) in values.iter_mut().zip(given) {
                            *held = value;
                        }
                    }
                }
                Content::Alias(_) | Content::Cursor(_) => {}
            }
            slots.push(slot);
        }
        Ok(slots)
    }

    /// A variable of a type, without a value.
    fn typed_slot(&self, name: &str, ty: &Type) -> Result<Slot> {
        Ok(Slot::new(name, self.typed_content(&ty.clone().into())?))
    }

    fn typed_content(&self, ty: &ColumnType) -> Result<Content> {
        Ok(match &ty.ty {
            Type::Record => Content::empty_record(Type::Record, None),
            Type::Row(name) => {
                let relation = self.catalog.relations.get(name.as_ref()).ok_or_else(|| {
                    let message = format!("relation \"{}\" does not exist", name.display());
                    SqlError::new("42P01", message)
                })?;
                let shape = relation
                    .columns
                    .iter()
                    .map(|column| (column.name.clone(), column.ty.clone()))
                    .collect();
                Content::empty_record(ty.ty.clone(), Some(shape))
            }
            _ => Content::Scalar(ty.clone(), Value::Null),
        })
    }
}

impl<'e> Run<'e> {
    fn new(exec: &'e mut Executor, scopes: Scopes, returns: Returning) -> Run<'e> {
        Run {
            exec,
            body: None,
            scopes,
            returns,
            rows: Vec::new(),
            row_count: 0,
            handling: Vec::new(),
            cursors: Vec::new(),
        }
    }
}

impl Run<'_> {
    /// A block: its declarations, its statements, and what it does about errors.
    pub(super) fn block(&mut self, block: &Block) -> Result<Flow> {
        let depth = self.scopes.depth();
        self.scopes.push(block.label.clone(), Vec::new());
        let done = self.open_block(block);
        self.scopes.close(depth);
        match done? {
            Flow::Exit(Some(label)) if block.label.as_ref() == Some(&label) => Ok(Flow::Next),
            flow => Ok(flow),
        }
    }

    fn open_block(&mut self, block: &Block) -> Result<Flow> {
        if block.handlers.is_empty() {
            self.declare(&block.declarations)?;
            return self.statements(&block.body);
        }
        // Errors in the declarations are not this block's to handle.
        self.declare(&block.declarations)?;
        let inner = self.scopes.depth();
        let mark = self.exec.mark()?;
        let error = match self.statements(&block.body) {
            Ok(flow) => {
                self.exec.keep(mark)?;
                return Ok(flow);
            }
            Err(error) => error,
        };
        if self.exec.lost() || matches!(error, EngineError::Timeout) {
            return Err(error);
        }
        let error = error.into_sql();
        let handler = block.handlers.iter().find(|handler| {
            handler
                .conditions
                .iter()
                .any(|condition| plinth_sql::parse::conditions::catches(condition, &error.code))
        });
        let Some(handler) = handler else {
            return Err(error.into());
        };
        self.exec.undo(mark)?;
        self.scopes.close(inner);
        let names = vec![
            Slot::fixed("sqlstate", Type::Text, Value::Text(error.code.clone())),
            Slot::fixed("sqlerrm", Type::Text, Value::Text(error.message.clone())),
        ];
        self.scopes.push(None, names);
        self.handling.push(error);
        let done = self.statements(&handler.body);
        self.handling.pop();
        self.scopes.close(inner);
        done
    }

    pub(super) fn statements(&mut self, statements: &[Statement]) -> Result<Flow> {
        for statement in statements {
            if self.exec.conn.out_of_time() {
                return Err(EngineError::Timeout);
            }
            let flow = self.statement(statement).map_err(without_place)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// What the function gives back when it has ended.
    fn finish(mut self, flow: &Flow, outs: &[String]) -> Result<Vec<Vec<Value>>> {
        match self.returns.clone() {
            Returning::Nothing => Ok(vec![vec![Value::Null]]),
            Returning::Set(_) => Ok(self.rows),
            Returning::Row(shape) if !outs.is_empty() => {
                let row = self.out_row(&shape)?;
                Ok(vec![row])
            }
            Returning::Row(_) if *flow == Flow::Return => Ok(self.rows),
            Returning::Row(_) => {
                Err(SqlError::new("2F005", "control reached end of function without RETURN").into())
            }
            Returning::Trigger(_) => Err(EngineError::Internal("a trigger is no function".into())),
        }
    }

    /// The values of the variables that the result's columns are.
    pub(super) fn out_row(&mut self, shape: &Shape) -> Result<Vec<Value>> {
        let mut row = Vec::with_capacity(shape.len());
        for (name, ty) in shape {
            let content = self
                .scopes
                .argument_named(name)
                .map(|place| self.scopes.slot(place).content.clone());
            row.push(match content {
                Some(Content::Scalar(from, value)) => self.exec.convert(value, &from, ty)?,
                _ => Value::Null,
            });
        }
        Ok(row)
    }

    /// `RETURN value` and one row of `RETURN NEXT value`.
    pub(super) fn returned_row(&mut self, value: Evaluated, shape: &Shape) -> Result<Vec<Value>> {
        match value {
            Evaluated::Scalar(_, Value::Null) => Ok(vec![Value::Null; shape.len()]),
            Evaluated::Scalar(from, value) => match shape.as_slice() {
                [(_, ty)] => Ok(vec![self.exec.convert(value, &from, ty)?]),
                _ => Err(SqlError::new(
                    "42804",
                    "cannot return non-composite value from function returning composite type",
                )
                .into()),
            },
            Evaluated::Row(from, values) => {
                if from.len() != shape.len() {
                    return Err(SqlError::new(
                        "42804",
                        "returned record type does not match expected record type",
                    )
                    .detail(format!(
                        "Number of returned columns ({}) does not match expected column count ({}).",
                        from.len(),
                        shape.len()
                    ))
                    .into());
                }
                self.fit_row(&from, values, shape)
            }
        }
    }

    /// Keeps a row of the result.
    pub(super) fn keep_row(&mut self, row: Vec<Value>) -> Result<()> {
        if self.rows.len() >= MAX_ROWS {
            return Err(SqlError::new(
                "54000",
                format!("a function cannot return more than {MAX_ROWS} rows"),
            )
            .into());
        }
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn set_found(&mut self, found: bool) {
        if let Some(place) = self.scopes.argument_named("found")
            && let Content::Scalar(_, value) = &mut self.scopes.slot_mut(place).content
        {
            *value = Value::Integer(found.into());
        }
    }
}

/// Places in the body mean nothing in the statement that called the function.
fn placeless(mut error: SqlError) -> SqlError {
    error.span = None;
    error
}

fn without_place(error: EngineError) -> EngineError {
    match error {
        EngineError::Sql(error) => placeless(*error).into(),
        other => other,
    }
}
