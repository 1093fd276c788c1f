//! `DECLARE`.

use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::{Declaration, DeclarationKind, VariableType};
use plinth_sql::ast::{ObjectName, Span};
use plinth_sql::types::{ColumnType, Type};
use rusqlite::types::Value;

use super::Run;
use super::cursor::Cursor;
use super::scope::{Content, Place, Slot};
use crate::connection::Params;
use crate::error::Result;

impl Run<'_> {
    /// Makes the variables of a block, each able to use those before it.
    pub(super) fn declare(&mut self, declarations: &[Declaration]) -> Result<()> {
        for declaration in declarations {
            self.declare_one(declaration)?;
        }
        Ok(())
    }

    fn declare_one(&mut self, declaration: &Declaration) -> Result<()> {
        let name = declaration.name.as_str();
        match &declaration.kind {
            DeclarationKind::Variable {
                ty,
                constant,
                not_null,
                default,
            } => {
                let content = self.content_of(ty)?;
                let value = match default {
                    Some(expr) => Some(self.evaluate(expr)?),
                    None => None,
                };
                self.scopes.declare(Slot {
                    not_null: *not_null,
                    ..Slot::new(name, content)
                });
                let place = self.scopes.newest();
                if let Some(value) = value {
                    self.assign_whole(place, value)?;
                } else if *not_null {
                    return Err(SqlError::new(
                        "22004",
                        format!("variable \"{name}\" must have a default value, since it's declared NOT NULL"),
                    )
                    .into());
                }
                self.scopes.slot_mut(place).constant = *constant;
            }
            DeclarationKind::Alias { of } => {
                let place = self.aliased(of, declaration.span)?;
                self.scopes.declare(Slot::new(name, Content::Alias(place)));
            }
            DeclarationKind::Cursor { args, query } => {
                let mut typed = Vec::with_capacity(args.len());
                for (name, ty) in args {
                    let ty = self
                        .exec
                        .translator("postgres", Params::NONE)
                        .type_named(ty)?;
                    typed.push((name.clone(), ty));
                }
                self.cursors
                    .push(Cursor::bound(typed, query.as_ref().clone()));
                let at = self.cursors.len() - 1;
                self.scopes.declare(Slot::new(name, Content::Cursor(at)));
            }
        }
        Ok(())
    }

    fn aliased(&self, of: &[String], span: Span) -> Result<Place> {
        self.scopes.named(of).ok_or_else(|| {
            let message = format!("variable \"{}\" does not exist", of.join("."));
            SqlError::new("42704", message).at(span).into()
        })
    }

    fn content_of(&mut self, ty: &VariableType) -> Result<Content> {
        match ty {
            VariableType::Record => Ok(Content::empty_record(Type::Record, None)),
            VariableType::Named(name) => {
                let text = name.name.name.as_str();
                if name.name.schema.is_none() && text == "refcursor" {
                    self.cursors.push(Cursor::default());
                    return Ok(Content::Cursor(self.cursors.len() - 1));
                }
                let ty = self
                    .exec
                    .translator("postgres", Params::NONE)
                    .type_named(name);
                match ty {
                    Ok(ty) => self.exec.typed_content(&ty),
                    Err(missing) if missing.code == "42704" => {
                        self.row_of(&name.name).map_err(|_| missing.into())
                    }
                    Err(other) => Err(other.into()),
                }
            }
            VariableType::RowOf(name) => self.row_of(name),
            VariableType::TypeOf { parts, array, span } => {
                let ty = self.type_of(parts, *span)?;
                let ty = if *array {
                    Type::Array(ty.ty.into()).into()
                } else {
                    ty
                };
                self.exec.typed_content(&ty)
            }
        }
    }

    fn row_of(&self, name: &ObjectName) -> Result<Content> {
        let relation = self
            .exec
            .translator("postgres", Params::NONE)
            .relation(name)?;
        self.exec.typed_content(&relation.row_type().into())
    }

    /// `variable%TYPE`, `record.field%TYPE`, `table.column%TYPE`.
    fn type_of(&self, parts: &[String], span: Span) -> Result<ColumnType> {
        if let [name] = parts
            && let Some(place) = self.scopes.find(None, name)
        {
            match &self.scopes.slot(place).content {
                Content::Scalar(ty, _) => return Ok(ty.clone()),
                Content::Record { ty, .. } => return Ok(ty.clone().into()),
                Content::Alias(_) | Content::Cursor(_) => {}
            }
        }
        let (table, column) = match parts {
            [table, column] => (ObjectName::bare(table.clone()), column),
            [schema, table, column] => {
                (ObjectName::qualified(schema.clone(), table.clone()), column)
            }
            _ => {
                let message = format!("variable \"{}\" does not exist", parts.join("."));
                return Err(SqlError::new("42704", message).at(span).into());
            }
        };
        let relation = self
            .exec
            .translator("postgres", Params::NONE)
            .relation(&table)?;
        let found = relation.column(column).ok_or_else(|| {
            SqlError::new(
                "42703",
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    table.name
                ),
            )
        })?;
        Ok(found.ty.clone())
    }

    /// A level with one variable that a loop declares.
    pub(super) fn loop_variable(&mut self, label: Option<&String>, slot: Slot) -> Place {
        self.scopes.push(label.cloned(), vec![slot]);
        self.scopes.newest()
    }

    pub(super) fn set_scalar(&mut self, place: Place, new: Value) {
        if let Content::Scalar(_, value) = &mut self.scopes.slot_mut(place).content {
            *value = new;
        }
    }
}
