//! The variables of a running function: names in levels, values, and how an SQL statement sees them.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::VariableConflict;
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use crate::connection::{ParamValue, Params};
use crate::translate::{Conflict, Held, Level, Variables};

/// Names and types of a record's fields.
pub(super) type Shape = Vec<(String, ColumnType)>;

/// All levels in sight, outermost first. The first holds the arguments.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    pub(super) levels: Vec<Names>,
    pub(super) conflict: VariableConflict,
}

/// The names of one function, block or loop.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The function's name or the block's label.
    pub(super) label: Option<String>,
    pub(super) slots: Vec<Slot>,
}

/// One name.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Arguments may have none.
    pub(super) name: Option<String>,
    pub(super) content: Content,
    pub(super) constant: bool,
    pub(super) not_null: bool,
}

/// Where a slot is: level and place in it.
pub(super) type Place = (usize, usize);

/// What a name holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// A value of a type.
    Scalar(ColumnType, Value),
    /// A row. `ty` is its row type, or `record`, which takes any shape.
    Record {
        ty: Type,
        shape: Option<Shape>,
        values: Vec<Value>,
    },
    /// Another name's.
    Alias(Place),
    /// A cursor, by its place among the function's cursors.
    Cursor(usize),
}

impl Slot {
    /// A slot that may be written.
    pub(super) fn new(name: impl Into<String>, content: Content) -> Slot {
        Slot {
            name: Some(name.into()),
            content,
            constant: false,
            not_null: false,
        }
    }

    /// One that may not be.
    pub(super) fn fixed(name: &str, ty: Type, value: Value) -> Slot {
        Slot {
            constant: true,
            ..Slot::new(name, Content::Scalar(ty.into(), value))
        }
    }
}

impl Content {
    /// A record without a value.
    pub(super) fn empty_record(ty: Type, shape: Option<Shape>) -> Content {
        let values = vec![Value::Null; shape.as_ref().map_or(0, Vec::len)];
        Content::Record { ty, shape, values }
    }
}

impl Scopes {
    /// Opens a level.
    pub(super) fn push(&mut self, label: Option<String>, slots: Vec<Slot>) {
        self.levels.push(Names { label, slots });
    }

    /// Adds a name to the innermost level.
    pub(super) fn declare(&mut self, slot: Slot) {
        if let Some(level) = self.levels.last_mut() {
            level.slots.push(slot);
        }
    }

    /// How many levels are open.
    pub(super) fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Closes levels until this many are left.
    pub(super) fn close(&mut self, depth: usize) {
        self.levels.truncate(depth);
    }

    /// The place of a variable as it is written: `name`, `label.name` or `$1`.
    pub(super) fn named(&self, parts: &[String]) -> Option<Place> {
        match parts {
            [name] => match name
                .strip_prefix('$')
                .and_then(|number| number.parse().ok())
            {
                Some(number) => self.argument(number),
                None => self.find(None, name),
            },
            [label, name] => self.find(Some(label), name),
            _ => None,
        }
    }

    /// The place of a name, the innermost first; aliases are followed.
    pub(super) fn find(&self, label: Option<&str>, name: &str) -> Option<Place> {
        for (depth, level) in self.levels.iter().enumerate().rev() {
            if label.is_some() && level.label.as_deref() != label {
                continue;
            }
            let found = level
                .slots
                .iter()
                .position(|slot| slot.name.as_deref() == Some(name));
            if let Some(at) = found {
                return Some(match &level.slots[at].content {
                    Content::Alias(place) => *place,
                    _ => (depth, at),
                });
            }
        }
        None
    }

    /// `$n`: an argument by its place.
    fn argument(&self, number: usize) -> Option<Place> {
        let at = number.checked_sub(1)?;
        self.levels.first()?.slots.get(at).map(|_| (0, at))
    }

    /// A name of the outermost level: an argument, a column of the result, `found`.
    pub(super) fn argument_named(&self, name: &str) -> Option<Place> {
        let level = self.levels.first()?;
        let mut slots = level.slots.iter();
        let at = slots.position(|slot| slot.name.as_deref() == Some(name))?;
        Some((0, at))
    }

    /// The name declared last.
    pub(super) fn newest(&self) -> Place {
        let level = self.levels.len().saturating_sub(1);
        let slots = self.levels.last().map_or(0, |level| level.slots.len());
        (level, slots.saturating_sub(1))
    }

    pub(super) fn slot(&self, (level, at): Place) -> &Slot {
        &self.levels[level].slots[at]
    }

    pub(super) fn slot_mut(&mut self, (level, at): Place) -> &mut Slot {
        &mut self.levels[level].slots[at]
    }

    /// Every variable as a parameter, with its name.
    pub(super) fn params(&self) -> Params {
        let mut values = Vec::new();
        let mut levels = Vec::with_capacity(self.levels.len());
        let mut places: Vec<Vec<Held>> = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let mut names = Vec::with_capacity(level.slots.len());
            let mut helds = Vec::with_capacity(level.slots.len());
            for slot in &level.slots {
                let held = match &slot.content {
                    Content::Alias((level, at)) => places
                        .get(*level)
                        .unwrap_or(&helds)
                        .get(*at)
                        .cloned()
                        .unwrap_or(Held::Unassigned),
                    content => hold(content, &mut values),
                };
                helds.push(held.clone());
                names.push((slot.name.clone(), held));
            }
            places.push(helds);
            levels.push(Level {
                label: level.label.clone(),
                names,
            });
        }
        let conflict = match self.conflict {
            VariableConflict::Error => Conflict::Refuse,
            VariableConflict::UseVariable => Conflict::UseVariable,
            VariableConflict::UseColumn => Conflict::UseColumn,
        };
        Params {
            values,
            names: Some(Arc::new(Variables { levels, conflict })),
        }
    }
}

fn hold(content: &Content, values: &mut Vec<ParamValue>) -> Held {
    match content {
        Content::Scalar(ty, value) => {
            values.push(ParamValue::Typed(ty.clone(), value.clone()));
            Held::Value(values.len())
        }
        Content::Record {
            ty,
            shape: Some(shape),
            values: fields,
        } => {
            let mut places = Vec::with_capacity(shape.len());
            for ((name, ty), value) in shape.iter().zip(fields) {
                values.push(ParamValue::Typed(ty.clone(), value.clone()));
                places.push((name.clone(), values.len()));
            }
            Held::Row(ty.clone(), places)
        }
        Content::Record { .. } | Content::Alias(_) | Content::Cursor(_) => Held::Unassigned,
    }
}

/// `42601` for a name that is no variable.
pub(super) fn unknown_variable(parts: &[String]) -> SqlError {
    SqlError::new(
        "42601",
        format!("\"{}\" is not a known variable", parts.join(".")),
    )
}
