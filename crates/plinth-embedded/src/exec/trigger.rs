//! When triggers fire. The order is Postgres's: before the statement, before each row, the change itself with its
//! foreign keys, after all rows, after the statement; triggers of one moment by name.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{TriggerEvent, TriggerTiming};
use plinth_sql::catalog::{Function, Relation, Trigger};
use rusqlite::types::Value;

use super::Executor;
use super::plpgsql::TriggerCall;
use super::row::same;
use crate::error::Result;

/// What happens to a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening<'a> {
    Insert,
    /// With the columns that the statement sets.
    Update(&'a [usize]),
    Delete,
    Truncate,
}

impl Happening<'_> {
    fn operation(self) -> &'static str {
        match self {
            Happening::Insert => "INSERT",
            Happening::Update(_) => "UPDATE",
            Happening::Delete => "DELETE",
            Happening::Truncate => "TRUNCATE",
        }
    }

    fn fires(self, trigger: &Trigger, relation: &Relation) -> bool {
        trigger.events.iter().any(|event| match (self, event) {
            (Happening::Insert, TriggerEvent::Insert)
            | (Happening::Delete, TriggerEvent::Delete)
            | (Happening::Truncate, TriggerEvent::Truncate) => true,
            (Happening::Update(set), TriggerEvent::Update(columns)) => {
                columns.is_empty()
                    || set
                        .iter()
                        .filter_map(|place| relation.columns.get(*place))
                        .any(|column| columns.contains(&column.name))
            }
            _ => false,
        })
    }
}

/// A row before and after a change.
type Change<'r> = (Option<&'r [Value]>, Option<&'r [Value]>);

impl Executor {
    /// Whether anything of a user's runs when this happens to a row.
    pub(crate) fn has_row_triggers(&self, relation: &Relation, what: Happening<'_>) -> bool {
        relation.table().is_some_and(|table| {
            table
                .triggers
                .iter()
                .any(|trigger| trigger.for_each_row && what.fires(trigger, relation))
        })
    }

    fn firing(
        &self,
        relation: &Relation,
        what: Happening<'_>,
        timing: TriggerTiming,
        for_each_row: bool,
    ) -> Vec<(Trigger, Arc<Function>)> {
        let Some(table) = relation.table().filter(|table| !table.triggers.is_empty()) else {
            return Vec::new();
        };
        let wanted = table.triggers.iter().filter(|trigger| {
            trigger.enabled
                && trigger.timing == timing
                && trigger.for_each_row == for_each_row
                && what.fires(trigger, relation)
        });
        wanted
            .filter_map(|trigger| {
                let mut functions = self.catalog.functions.values().flatten();
                let function = functions.find(|function| function.oid == trigger.function)?;
                Some((trigger.clone(), function.clone()))
            })
            .collect()
    }

    /// Triggers before the statement.
    pub(crate) fn before_statement(
        &mut self,
        relation: &Arc<Relation>,
        what: Happening<'_>,
    ) -> Result<()> {
        self.fire_statement(relation, what, TriggerTiming::Before)
    }

    /// Triggers after the statement.
    pub(crate) fn after_statement(
        &mut self,
        relation: &Arc<Relation>,
        what: Happening<'_>,
    ) -> Result<()> {
        self.fire_statement(relation, what, TriggerTiming::After)
    }

    fn fire_statement(
        &mut self,
        relation: &Arc<Relation>,
        what: Happening<'_>,
        timing: TriggerTiming,
    ) -> Result<()> {
        for (trigger, function) in self.firing(relation, what, timing, false) {
            self.fire(relation, what, &trigger, &function, (None, None))?;
        }
        Ok(())
    }

    /// Triggers before a row changes: the row as they leave it, or none when one of them gives the change up.
    pub(crate) fn before_row(
        &mut self,
        relation: &Arc<Relation>,
        what: Happening<'_>,
        old: Option<&[Value]>,
        new: Option<Vec<Value>>,
    ) -> Result<Option<Vec<Value>>> {
        let firing = self.firing(relation, what, TriggerTiming::Before, true);
        let mut row = new;
        if let Some(row) = &mut row
            && !firing.is_empty()
        {
            // They are computed from what the triggers leave.
            for (value, column) in row.iter_mut().zip(&relation.columns) {
                if column.generated.is_some() {
                    *value = Value::Null;
                }
            }
        }
        for (trigger, function) in firing {
            let Some(given) =
                self.fire(relation, what, &trigger, &function, (old, row.as_deref()))?
            else {
                return Ok(None);
            };
            if row.is_some() {
                row = Some(given);
            }
        }
        Ok(Some(row.unwrap_or_default()))
    }

    /// Triggers after a row has changed, once all rows of the statement have.
    pub(crate) fn after_row(
        &mut self,
        relation: &Arc<Relation>,
        what: Happening<'_>,
        old: Option<&[Value]>,
        new: Option<&[Value]>,
    ) -> Result<()> {
        for (trigger, function) in self.firing(relation, what, TriggerTiming::After, true) {
            self.fire(relation, what, &trigger, &function, (old, new))?;
        }
        Ok(())
    }

    /// Fires one trigger when its condition holds; gives its row, or the row as it was when it does not fire.
    fn fire(
        &mut self,
        relation: &Arc<Relation>,
        what: Happening<'_>,
        trigger: &Trigger,
        function: &Arc<Function>,
        (old, new): Change<'_>,
    ) -> Result<Option<Vec<Value>>> {
        let call = TriggerCall {
            name: &trigger.name,
            relation,
            when: if trigger.timing == TriggerTiming::Before {
                "BEFORE"
            } else {
                "AFTER"
            },
            level: if trigger.for_each_row {
                "ROW"
            } else {
                "STATEMENT"
            },
            operation: what.operation(),
            args: &trigger.args,
            old,
            new,
        };
        if let Some(condition) = &trigger.when
            && !self.trigger_condition(condition, &call)?
        {
            return Ok(new.or(old).map(<[Value]>::to_vec));
        }
        self.work().triggers += 1;
        let done = self.call_trigger(function, &call);
        let mut work = self.work();
        work.triggers = work.triggers.saturating_sub(1);
        drop(work);
        done
    }

    /// A row that a trigger changed or deleted meanwhile: gone means skip it, changed is Postgres's `27000`.
    pub(crate) fn still_there(
        &self,
        relation: &Arc<Relation>,
        key: i64,
        old: &[Value],
        verb: &str,
    ) -> Result<bool> {
        let Some(stored) = self.stored_row(relation, key)? else {
            return Ok(false);
        };
        if stored.iter().zip(old).all(|(a, b)| same(a, b)) {
            return Ok(true);
        }
        Err(SqlError::new(
            "27000",
            format!("tuple to be {verb} was already modified by an operation triggered by the current command"),
        )
        .hint("Consider using an AFTER trigger instead of a BEFORE trigger to propagate changes to other rows.")
        .into())
    }
}
