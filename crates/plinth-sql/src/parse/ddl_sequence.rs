//! Sequences, schemas and types.

use super::lexer::Tok;
use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{CreateEnum, CreateSchema, CreateSequence, SequenceOptions, Span, Statement};

impl Parser<'_> {
    /// From `SEQUENCE` on.
    pub(super) fn create_sequence(&mut self, temporary: bool) -> PResult<Statement> {
        self.expect("sequence")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name()?;
        let options = self.sequence_options()?;
        Ok(Statement::CreateSequence(CreateSequence {
            name,
            if_not_exists,
            temporary,
            options,
        }))
    }

    pub(super) fn begins_sequence_option(&self) -> bool {
        match self.word() {
            "no" => ["minvalue", "maxvalue", "cycle"].contains(&self.word_at(1)),
            "owned" => self.word_at(1) == "by",
            "sequence" => self.word_at(1) == "name",
            word => [
                "as",
                "cache",
                "cycle",
                "increment",
                "maxvalue",
                "minvalue",
                "start",
                "restart",
            ]
            .contains(&word),
        }
    }

    /// `(…)` behind `AS IDENTITY`.
    pub(super) fn identity_options(&mut self) -> PResult<SequenceOptions> {
        if !self.eat_sym("(") {
            return Ok(SequenceOptions::default());
        }
        let options = self.sequence_options()?;
        self.expect_sym(")")?;
        Ok(options)
    }

    /// Any number of options, each at most once.
    pub(super) fn sequence_options(&mut self) -> PResult<SequenceOptions> {
        let mut options = SequenceOptions::default();
        while self.begins_sequence_option() {
            let start = self.here();
            if self.sequence_option(&mut options)? {
                let message = "conflicting or redundant options";
                return Err(Box::new(SqlError::syntax(message, self.since(start))));
            }
        }
        Ok(options)
    }

    /// Reads one option; true when it had been given before.
    fn sequence_option(&mut self, options: &mut SequenceOptions) -> PResult<bool> {
        let word = self.word().to_owned();
        self.advance();
        Ok(match word.as_str() {
            "as" => options
                .data_type
                .replace(self.simple_type()?.name.name)
                .is_some(),
            "cache" => options.cache.replace(self.integer()?).is_some(),
            "cycle" => options.cycle.replace(true).is_some(),
            "increment" => {
                self.eat("by");
                options.increment.replace(self.integer()?).is_some()
            }
            "minvalue" => options.min_value.replace(Some(self.integer()?)).is_some(),
            "maxvalue" => options.max_value.replace(Some(self.integer()?)).is_some(),
            "start" => {
                self.eat("with");
                options.start.replace(self.integer()?).is_some()
            }
            "restart" => {
                let with = self.eat("with");
                let number = matches!(self.token().tok, Tok::Number(_))
                    || self.is_sym("-")
                    || self.is_sym("+");
                let value = if with || number {
                    Some(self.integer()?)
                } else {
                    None
                };
                options.restart.replace(value).is_some()
            }
            "no" => match self.expect_any(&["minvalue", "maxvalue", "cycle"])? {
                "minvalue" => options.min_value.replace(None).is_some(),
                "maxvalue" => options.max_value.replace(None).is_some(),
                _ => options.cycle.replace(false).is_some(),
            },
            "owned" => {
                self.expect("by")?;
                options.owned_by.replace(self.owning_column()?).is_some()
            }
            "sequence" => {
                self.expect("name")?;
                let name = self.object_name()?;
                options
                    .sequence_name
                    .replace((name.schema, name.name))
                    .is_some()
            }
            _ => return Err(self.unexpected()),
        })
    }

    /// `NONE` or `[schema.]table.column`.
    fn owning_column(&mut self) -> PResult<Option<(Option<String>, String, String)>> {
        if self.is("none") && !self.is_sym_at(1, ".") {
            self.advance();
            return Ok(None);
        }
        let start = self.here();
        let mut parts = vec![self.name()?];
        while self.eat_sym(".") {
            parts.push(self.label()?);
        }
        let (column, table, schema) = (parts.pop(), parts.pop(), parts.pop());
        match (schema, table, column) {
            (schema, Some(table), Some(column)) if parts.is_empty() => {
                Ok(Some((schema, table, column)))
            }
            _ => {
                let error = SqlError::syntax("invalid OWNED BY option", self.since(start));
                let hint = "Specify OWNED BY table.column or OWNED BY NONE.";
                Err(Box::new(error.hint(hint)))
            }
        }
    }

    /// From `SCHEMA` on.
    pub(super) fn create_schema(&mut self, start: Span) -> PResult<Statement> {
        self.expect("schema")?;
        let if_not_exists = self.if_not_exists()?;
        let name = if self.is("authorization") {
            None
        } else {
            Some(self.name()?)
        };
        let owner = if self.eat("authorization") {
            Some(self.role()?)
        } else {
            None
        };
        if self.is_any(&["create", "grant"]) {
            let hint = "Create the schema first, and each object in a statement of its own.";
            return Ok(self.unsupported("CREATE SCHEMA with objects in it", Some(hint), start));
        }
        let Some(name) = name.or_else(|| owner.clone()) else {
            return Err(self.unexpected());
        };
        Ok(Statement::CreateSchema(CreateSchema {
            name,
            if_not_exists,
            owner,
        }))
    }

    /// From `TYPE` on: enums; other types by name only.
    pub(super) fn create_type(&mut self, start: Span) -> PResult<Statement> {
        self.expect("type")?;
        let name = self.object_name()?;
        if self.at_end() || self.is_sym("(") {
            return Ok(self.unsupported("CREATE TYPE of a base type", None, start));
        }
        self.expect("as")?;
        if self.is_sym("(") {
            let hint = "Use a table, or jsonb.";
            return Ok(self.unsupported("CREATE TYPE of a composite type", Some(hint), start));
        }
        if self.is("range") {
            let hint = "Use two columns with a CHECK constraint.";
            return Ok(self.unsupported("CREATE TYPE AS RANGE", Some(hint), start));
        }
        self.expect("enum")?;
        self.expect_sym("(")?;
        let labels = if self.is_sym(")") {
            Vec::new()
        } else {
            self.comma_list(Parser::string)?
        };
        self.expect_sym(")")?;
        if let Some(label) = labels.iter().find(|label| label.len() > 63) {
            let error = SqlError::new("42602", format!("invalid enum label \"{label}\""))
                .at(self.since(start));
            return Err(Box::new(error.detail("Labels must be 63 bytes or less.")));
        }
        Ok(Statement::CreateEnum(CreateEnum { name, labels }))
    }

    /// A role's name, or one of the words for the current one.
    pub(super) fn role(&mut self) -> PResult<String> {
        match self.eat_any(&["current_user", "current_role", "session_user"]) {
            Some("session_user") => Ok("session_user".to_owned()),
            Some(_) => Ok("current_user".to_owned()),
            None if self.is("none") => Err(Box::new(
                SqlError::new("42939", "role name \"none\" is reserved").at(self.here()),
            )),
            None => self.unreserved(),
        }
    }
}
