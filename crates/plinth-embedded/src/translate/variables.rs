//! Names by which a statement inside a function knows its parameters: arguments, and variables of PL/pgSQL's blocks.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::ColumnRef;
use plinth_sql::types::Type;

use super::column::row_value;
use super::{Bind, Ex, ExKind, Frame, Translator};

/// Every name in sight, outermost first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Variables {
    /// Levels; the first holds the arguments in order, which are `$1`, `$2`, … too.
    pub(crate) levels: Vec<Level>,
    /// What a name means that is a column as well.
    pub(crate) conflict: Conflict,
}

/// The names of one function or block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Level {
    /// The function's name or the block's label.
    pub(crate) label: Option<String>,
    /// Names and what they stand for; an argument may have no name.
    pub(crate) names: Vec<(Option<String>, Held)>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Held {
    /// The parameter at this place, from 1.
    Value(usize),
    /// A row of this type: its fields with the places of their values.
    Row(Type, Vec<(String, usize)>),
    /// A record that nothing was assigned to yet.
    Unassigned,
}

/// What a name means that is both a variable and a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// The column, as in SQL functions.
    #[default]
    UseColumn,
    /// The variable.
    UseVariable,
    /// An error.
    Refuse,
}

impl Variables {
    /// The fields of a record variable.
    pub(crate) fn fields(&self, name: &str) -> Option<Vec<String>> {
        match self.find(None, name)? {
            Held::Row(_, fields) => Some(fields.iter().map(|(name, _)| name.clone()).collect()),
            Held::Value(_) | Held::Unassigned => None,
        }
    }

    /// What a name means; the innermost level wins.
    fn find(&self, label: Option<&str>, name: &str) -> Option<&Held> {
        self.levels
            .iter()
            .rev()
            .filter(|level| label.is_none() || level.label.as_deref() == label)
            .find_map(|level| {
                let mut names = level.names.iter();
                names
                    .find(|(known, _)| known.as_deref() == Some(name))
                    .map(|(_, held)| held)
            })
    }
}

impl Translator<'_> {
    /// Names the statement's parameters.
    pub(crate) fn name_variables(&mut self, names: &Arc<Variables>) {
        self.frames.push(Frame::Variables(names.clone()));
    }

    /// The conflict rule, where variables are in sight.
    pub(super) fn conflict(&self) -> Conflict {
        match self.frames.last() {
            Some(Frame::Variables(names)) => names.conflict,
            _ => Conflict::UseColumn,
        }
    }

    /// Whether a name of one or two parts is a variable as well as a column.
    pub(super) fn refuse_ambiguous(&self, reference: &ColumnRef) -> Result<(), SqlError> {
        let Some(Frame::Variables(names)) = self.frames.last() else {
            return Ok(());
        };
        if names.conflict != Conflict::Refuse {
            return Ok(());
        }
        let clash = match reference.parts.as_slice() {
            [name] => names.find(None, name).is_some(),
            [label, name] => {
                names.find(Some(label), name).is_some()
                    || matches!(names.find(None, label), Some(Held::Row(..)))
            }
            _ => false,
        };
        if clash {
            return Err(SqlError::new(
                "42702",
                format!(
                    "column reference \"{}\" is ambiguous",
                    reference.parts.join(".")
                ),
            )
            .detail("It could refer to either a PL/pgSQL variable or a table column.")
            .at(reference.span));
        }
        Ok(())
    }

    /// An argument or a variable: by name, by `function.name` or `label.name`.
    pub(super) fn argument(
        &mut self,
        label: Option<&str>,
        name: &str,
    ) -> Result<Option<Ex>, SqlError> {
        match self.frames.last() {
            None => Ok(None),
            Some(Frame::Inlined { function, args }) => {
                if label.is_some_and(|label| label != function) {
                    return Ok(None);
                }
                let found = args
                    .iter()
                    .find(|(known, _)| known.as_deref() == Some(name));
                Ok(found.map(|(_, value)| value.clone()))
            }
            Some(Frame::Variables(names)) => {
                let held = names.find(label, name).cloned();
                held.map(|held| self.held(&held)).transpose()
            }
        }
    }

    /// `$n` inside a function.
    pub(super) fn positional_argument(&mut self, place: usize) -> Result<Option<Ex>, SqlError> {
        match self.frames.last() {
            None => Ok(None),
            Some(Frame::Inlined { args, .. }) => {
                let found = args.get(place.wrapping_sub(1));
                Ok(found.map(|(_, value)| value.clone()))
            }
            Some(Frame::Variables(names)) => {
                let found = names.levels.first().and_then(|level| {
                    let held = level.names.get(place.wrapping_sub(1));
                    held.map(|(_, held)| held.clone())
                });
                found.map(|held| self.held(&held)).transpose()
            }
        }
    }

    /// Whether a name is `tg_argv` of the trigger function that the statement stands in.
    pub(super) fn is_trigger_arguments(&self, reference: &ColumnRef) -> bool {
        matches!(reference.parts.as_slice(), [name] if name == "tg_argv")
            && matches!(self.frames.last(), Some(Frame::Variables(names)) if names.find(None, "tg_argv").is_some())
    }

    /// `55000` for a field of a record that nothing was assigned to.
    pub(super) fn refuse_unassigned(&self, name: &str) -> Result<(), SqlError> {
        match self.frames.last() {
            Some(Frame::Variables(names))
                if matches!(names.find(None, name), Some(Held::Unassigned)) =>
            {
                Err(
                    SqlError::new("55000", format!("record \"{name}\" is not assigned yet"))
                        .detail(
                            "The tuple structure of a not-yet-assigned record is indeterminate.",
                        ),
                )
            }
            _ => Ok(()),
        }
    }

    /// The fields of `name.*` where `name` is a variable or an argument of a row type.
    pub(super) fn fields_of(&mut self, name: &str) -> Result<Option<Vec<(String, Ex)>>, SqlError> {
        self.refuse_unassigned(name)?;
        Ok(match self.argument(None, name)? {
            Some(Ex {
                kind: ExKind::Row(fields),
                ..
            }) => Some(fields),
            _ => None,
        })
    }

    fn held(&mut self, held: &Held) -> Result<Ex, SqlError> {
        match held {
            Held::Value(place) => Ok(self.held_value(*place)),
            Held::Row(ty, fields) => {
                let mut values = Vec::with_capacity(fields.len());
                for (field, place) in fields {
                    values.push((field.clone(), self.held_value(*place)));
                }
                Ok(row_value(values, ty.clone()))
            }
            // As a whole it is null; its fields are not known.
            Held::Unassigned => Ok(Ex {
                kind: ExKind::Null,
                ..Ex::new("NULL", Type::Unknown)
            }),
        }
    }

    fn held_value(&mut self, place: usize) -> Ex {
        let ty = self.params.get(place.wrapping_sub(1)).cloned();
        let sql = self.bind(Bind::Param(place));
        Ex::new(sql, ty.unwrap_or_else(|| Type::Text.into()))
    }
}
