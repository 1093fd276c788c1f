//! `DROP` and `COMMENT ON`.

use super::parser::{PResult, Parser, object_name, refused};
use crate::ast::{Comment, Drop, ObjectKind, ObjectName, Statement};

impl Parser<'_> {
    pub(super) fn drop(&mut self) -> PResult<Statement> {
        let start = self.expect("drop")?;
        if self.is("database") {
            return self.drop_named(ObjectKind::Database);
        }
        if let Some(refused) = self.unsupported_kind("DROP", start) {
            return Ok(refused);
        }
        match self.object_kind() {
            Some(kind @ (ObjectKind::Policy | ObjectKind::Trigger)) => self.drop_from_table(kind),
            Some(kind @ (ObjectKind::Function | ObjectKind::Procedure)) => {
                self.drop_functions(kind)
            }
            Some(ObjectKind::Column | ObjectKind::Constraint) | None => Err(self.unexpected()),
            Some(kind) => self.drop_named(kind),
        }
    }

    /// `DROP TABLE a, b` and all kinds that have just names.
    fn drop_named(&mut self, object: ObjectKind) -> PResult<Statement> {
        self.advance();
        if object == ObjectKind::MaterializedView {
            self.expect("view")?;
        }
        if object == ObjectKind::Index {
            self.eat("concurrently");
        }
        let if_exists = self.if_exists();
        let names = match object {
            ObjectKind::Role => self.comma_list(|parser| parser.one_part(Parser::role))?,
            ObjectKind::Schema
            | ObjectKind::Extension
            | ObjectKind::Publication
            | ObjectKind::Database => self.comma_list(|parser| parser.one_part(Parser::name))?,
            ObjectKind::Type | ObjectKind::Domain => self.comma_list(Parser::existing_type)?,
            _ => self.object_names()?,
        };
        if object == ObjectKind::Database {
            self.eat("with");
            if self.is_sym("(") {
                self.skip_parens()?;
            }
        }
        let cascade = self.cascade();
        let arguments = vec![None; names.len()];
        Ok(Statement::Drop(Drop {
            object,
            names,
            if_exists,
            cascade,
            table: None,
            arguments,
        }))
    }

    /// The name of a type. The grammar has any type here, but only those with a plain name can be somebody's own.
    fn existing_type(&mut self) -> PResult<ObjectName> {
        let start = self.mark();
        if let Ok(name) = self.object_name()
            && (self.at_end() || self.is_sym(",") || self.is_any(&["cascade", "restrict", "is"]))
        {
            return Ok(name);
        }
        self.seek(start);
        let place = self.here();
        let ty = self.function_type()?;
        if ty.array_dimensions == 0 && ty.modifiers.is_empty() && ty.percent_column.is_none() {
            return Ok(ty.name);
        }
        Err(refused(
            "a type with more than a name here",
            self.since(place),
        ))
    }

    fn one_part(&mut self, read: impl FnOnce(&mut Self) -> PResult<String>) -> PResult<ObjectName> {
        let span = self.here();
        Ok(ObjectName {
            span,
            ..ObjectName::bare(read(self)?)
        })
    }

    /// `DROP POLICY name ON table`.
    fn drop_from_table(&mut self, object: ObjectKind) -> PResult<Statement> {
        self.advance();
        let if_exists = self.if_exists();
        let name = self.one_part(Parser::name)?;
        self.expect("on")?;
        let table = Some(self.object_name()?);
        let cascade = self.cascade();
        let (names, arguments) = (vec![name], vec![None]);
        Ok(Statement::Drop(Drop {
            object,
            names,
            if_exists,
            cascade,
            table,
            arguments,
        }))
    }

    fn drop_functions(&mut self, object: ObjectKind) -> PResult<Statement> {
        self.advance();
        let if_exists = self.if_exists();
        let (names, arguments) = self
            .comma_list(Parser::function_signature)?
            .into_iter()
            .unzip();
        let cascade = self.cascade();
        Ok(Statement::Drop(Drop {
            object,
            names,
            if_exists,
            cascade,
            table: None,
            arguments,
        }))
    }

    /// The kind of object that the word here stands for.
    fn object_kind(&self) -> Option<ObjectKind> {
        Some(match self.word() {
            "table" => ObjectKind::Table,
            "view" => ObjectKind::View,
            "materialized" => ObjectKind::MaterializedView,
            "index" => ObjectKind::Index,
            "sequence" => ObjectKind::Sequence,
            "schema" => ObjectKind::Schema,
            "type" => ObjectKind::Type,
            "domain" => ObjectKind::Domain,
            "function" | "routine" => ObjectKind::Function,
            "procedure" => ObjectKind::Procedure,
            "policy" => ObjectKind::Policy,
            "trigger" => ObjectKind::Trigger,
            "role" | "user" | "group" => ObjectKind::Role,
            "extension" => ObjectKind::Extension,
            "column" => ObjectKind::Column,
            "constraint" => ObjectKind::Constraint,
            "database" => ObjectKind::Database,
            "publication" => ObjectKind::Publication,
            _ => return None,
        })
    }

    pub(super) fn comment(&mut self) -> PResult<Statement> {
        self.expect_all(&["comment", "on"])?;
        let Some(object) = self.object_kind() else {
            let start = self.here();
            // Kinds known by name only have no objects to comment on.
            return match self.unsupported_kind("COMMENT ON", start) {
                Some(Statement::Unsupported { what, .. }) => Ok(Statement::NoOp(what)),
                _ => Err(self.unexpected()),
            };
        };
        self.advance();
        if object == ObjectKind::MaterializedView {
            self.expect("view")?;
        }
        let mut column = None;
        let mut table = None;
        let name = match object {
            ObjectKind::Column => {
                let (name, last) = self.column_of_table()?;
                column = Some(last);
                name
            }
            ObjectKind::Policy | ObjectKind::Trigger | ObjectKind::Constraint => {
                let name = self.one_part(Parser::name)?;
                self.expect("on")?;
                if object == ObjectKind::Constraint && self.is("domain") && self.is_name_at(1) {
                    return Ok(self.without_effect("COMMENT ON CONSTRAINT of a domain"));
                }
                table = Some(self.object_name()?);
                name
            }
            ObjectKind::Function | ObjectKind::Procedure => self.function_signature()?.0,
            ObjectKind::Type | ObjectKind::Domain => self.existing_type()?,
            _ => self.object_name()?,
        };
        self.expect("is")?;
        let text = if self.eat("null") {
            None
        } else {
            Some(self.string()?)
        };
        Ok(Statement::Comment(Comment {
            object,
            name,
            column,
            table,
            text,
        }))
    }

    /// `[schema.]table.column`.
    fn column_of_table(&mut self) -> PResult<(ObjectName, String)> {
        let start = self.here();
        let mut parts = vec![self.name()?];
        while self.eat_sym(".") {
            parts.push(self.label()?);
        }
        let column = parts.pop().unwrap_or_default();
        if parts.is_empty() {
            let message = "column name must be qualified";
            return Err(Box::new(crate::SqlError::syntax(
                message,
                self.since(start),
            )));
        }
        let span = self.since(start);
        Ok((object_name(parts, span)?, column))
    }
}
