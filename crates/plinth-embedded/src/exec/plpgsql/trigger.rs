//! Trigger functions: what they know, and the row they give back.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::Expr;
use plinth_sql::catalog::{Function, Relation};
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::scope::{Content, Scopes, Slot};
use super::value::Evaluated;
use super::{Executor, Flow, Returning, Run};
use crate::error::Result;
use crate::exec::within::Pin;

/// One call of a trigger's function.
pub(crate) struct TriggerCall<'t> {
    pub(crate) name: &'t str,
    pub(crate) relation: &'t Arc<Relation>,
    /// `BEFORE` or `AFTER`.
    pub(crate) when: &'static str,
    /// `ROW` or `STATEMENT`.
    pub(crate) level: &'static str,
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub(crate) operation: &'static str,
    pub(crate) args: &'t [String],
    pub(crate) old: Option<&'t [Value]>,
    pub(crate) new: Option<&'t [Value]>,
}

impl Executor {
    /// Whether a trigger's `WHEN` holds.
    pub(crate) fn trigger_condition(
        &mut self,
        condition: &Expr,
        call: &TriggerCall<'_>,
    ) -> Result<bool> {
        let slots = self.row_slots(call)?;
        let mut scopes = Scopes::default();
        scopes.push(None, slots);
        let mut run = Run::new(self, scopes, Returning::Nothing);
        run.holds(condition)
    }

    /// `new` and `old`.
    fn row_slots(&self, call: &TriggerCall<'_>) -> Result<Vec<Slot>> {
        let ty = ColumnType::from(call.relation.row_type());
        let mut slots = Vec::with_capacity(2);
        for (name, row) in [("new", call.new), ("old", call.old)] {
            let mut content = self.typed_content(&ty)?;
            // What there is not, is all nulls.
            if let (Content::Record { values, .. }, Some(row)) = (&mut content, row) {
                *values = row.to_vec();
            }
            slots.push(Slot::new(name, content));
        }
        Ok(slots)
    }

    /// Calls a trigger's function; gives the row it returned, none for NULL.
    pub(crate) fn call_trigger(
        &mut self,
        function: &Arc<Function>,
        call: &TriggerCall<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let body = self.body_of(function)?;
        let user = self.role();
        let ty = call.relation.row_type();
        self.as_function(function, &user, |exec| {
            let mut slots = trigger_slots(call);
            slots.extend(exec.row_slots(call)?);
            let mut run = exec.start(
                &function.name.name,
                &body,
                slots,
                Returning::Trigger(ty.clone()),
            );
            run.body = Some(Pin::Body(Arc::clone(&body)));
            let flow = run.block(&body.block)?;
            if flow != Flow::Return {
                return Err(SqlError::new(
                    "2F005",
                    "control reached end of trigger procedure without RETURN",
                )
                .into());
            }
            Ok(run.rows.pop())
        })
    }
}

impl Run<'_> {
    /// `RETURN` in a trigger function.
    pub(super) fn return_trigger_row(&mut self, value: Evaluated, ty: &Type) -> Result<()> {
        self.rows.clear();
        match value {
            Evaluated::Scalar(_, Value::Null) => Ok(()),
            Evaluated::Scalar(..) => Err(SqlError::new(
                "42804",
                "cannot return non-composite value from function returning composite type",
            )
            .into()),
            Evaluated::Row(from, values) => {
                let Content::Record {
                    shape: Some(shape), ..
                } = self.exec.typed_content(&ty.clone().into())?
                else {
                    return Ok(());
                };
                if from.len() != shape.len() {
                    return Err(SqlError::new(
                        "42804",
                        "returned row structure does not match the structure of the triggering table",
                    )
                    .into());
                }
                let wrong = from
                    .iter()
                    .zip(&shape)
                    .enumerate()
                    .find(|(_, ((_, from), (_, to)))| from.ty != to.ty);
                if let Some((at, ((_, from), (_, to)))) = wrong {
                    return Err(SqlError::new(
                        "42804",
                        "returned row structure does not match the structure of the triggering table",
                    )
                    .detail(format!(
                        "Returned type {} does not match expected type {} in column {}.",
                        from.ty,
                        to.ty,
                        at + 1
                    ))
                    .into());
                }
                let row = self.fit_row(&from, values, &shape)?;
                self.rows.push(row);
                Ok(())
            }
        }
    }
}

/// `tg_op` and its siblings.
fn trigger_slots(call: &TriggerCall<'_>) -> Vec<Slot> {
    let text = |name: &str, value: &str| {
        Slot::new(
            name,
            Content::Scalar(Type::Text.into(), Value::Text(value.to_owned())),
        )
    };
    let args = call
        .args
        .iter()
        .map(|arg| ArrayValue::Element(arg.clone()))
        .collect();
    let number = |name: &str, value: i64| {
        Slot::new(
            name,
            Content::Scalar(Type::Int4.into(), Value::Integer(value)),
        )
    };
    let count = i64::try_from(call.args.len()).unwrap_or(i64::MAX);
    let table = &call.relation.name;
    vec![
        text("tg_name", call.name),
        text("tg_when", call.when),
        text("tg_level", call.level),
        text("tg_op", call.operation),
        number("tg_relid", call.relation.oid.into()),
        text("tg_relname", &table.name),
        text("tg_table_name", &table.name),
        text("tg_table_schema", &table.schema),
        number("tg_nargs", count),
        Slot::new(
            "tg_argv",
            Content::Scalar(
                Type::Array(Type::Text.into()).into(),
                Value::Text(array::to_storage(&ArrayValue::Array(args))),
            ),
        ),
    ]
}
