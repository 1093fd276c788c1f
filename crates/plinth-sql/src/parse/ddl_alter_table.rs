//! The actions of `ALTER TABLE`, which views, indexes and materialized views share in part.

use super::ddl_alter::alter;
use super::parser::{PResult, Parser};
use crate::ast::{AlterAction, AlterTable, ObjectKind, Span, Statement};

impl Parser<'_> {
    /// From the word of the kind on.
    pub(super) fn alter_relation(&mut self, object: ObjectKind, start: Span) -> PResult<Statement> {
        self.expect_any(&["table", "view", "index"])?;
        if self.is_all(&["all", "in", "tablespace"]) {
            return Ok(self.without_effect("ALTER … ALL IN TABLESPACE"));
        }
        let if_exists = self.if_exists();
        let name = self.only_name()?;
        if let Some(action) = self.lone_action()? {
            return Ok(alter(object, name, if_exists, action));
        }
        if self.is_any(&["attach", "detach", "depends"]) || self.is_all(&["no", "depends"]) {
            let what = match self.word() {
                "attach" => "ATTACH PARTITION",
                "detach" => "DETACH PARTITION",
                _ => "DEPENDS ON EXTENSION",
            };
            return Ok(self.unsupported(what, None, start));
        }
        let actions = self.comma_list(Parser::table_action)?;
        Ok(Statement::AlterTable(Box::new(AlterTable {
            object,
            name,
            if_exists,
            actions,
        })))
    }

    /// `RENAME …` and `SET SCHEMA`, which stand alone.
    fn lone_action(&mut self) -> PResult<Option<AlterAction>> {
        if self.is_all(&["rename", "to"]) || self.is_all(&["set", "schema"]) {
            return self.common_action();
        }
        if !self.eat("rename") {
            return Ok(None);
        }
        let constraint = self.eat("constraint");
        if !constraint {
            self.eat("column");
        }
        let from = self.name()?;
        self.expect("to")?;
        let to = self.name()?;
        Ok(Some(if constraint {
            AlterAction::RenameConstraint { from, to }
        } else {
            AlterAction::RenameColumn { from, to }
        }))
    }

    fn table_action(&mut self) -> PResult<AlterAction> {
        match self.word() {
            "add" => self.add_action(),
            "drop" => self.drop_action(),
            "alter" => self.alter_action(),
            "validate" => {
                self.expect_all(&["validate", "constraint"])?;
                Ok(AlterAction::ValidateConstraint(self.name()?))
            }
            "enable" | "disable" => self.enable_action(),
            "force" => {
                self.expect_all(&["force", "row", "level", "security"])?;
                Ok(AlterAction::ForceRowSecurity(true))
            }
            "no" if self.word_at(1) == "force" => {
                self.expect_all(&["no", "force", "row", "level", "security"])?;
                Ok(AlterAction::ForceRowSecurity(false))
            }
            "owner" => self.common_action()?.ok_or_else(|| self.unexpected()),
            "set" => self.set_action(),
            "reset" => {
                self.advance();
                let options = self.options()?;
                Ok(AlterAction::SetOptions(
                    options.into_iter().map(|(name, _)| (name, None)).collect(),
                ))
            }
            "cluster" => {
                self.expect_all(&["cluster", "on"])?;
                self.name()?;
                Ok(AlterAction::NoOp("CLUSTER ON".to_owned()))
            }
            "replica" => {
                self.expect_all(&["replica", "identity"])?;
                if self.expect_any(&["nothing", "full", "default", "using"])? == "using" {
                    self.expect("index")?;
                    self.name()?;
                }
                Ok(AlterAction::NoOp("REPLICA IDENTITY".to_owned()))
            }
            "inherit" | "of" => self.inheritance(1),
            "no" | "not" if ["inherit", "of"].contains(&self.word_at(1)) => self.inheritance(2),
            "options" => {
                let start = self.advance();
                self.skip_parens()?;
                Ok(AlterAction::Unsupported(
                    "OPTIONS".to_owned(),
                    self.since(start),
                ))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn inheritance(&mut self, words: usize) -> PResult<AlterAction> {
        let start = self.here();
        let mut what = Vec::new();
        for _ in 0..words {
            what.push(self.word().to_ascii_uppercase());
            self.advance();
        }
        if what != ["NOT", "OF"] {
            self.object_name()?;
        }
        Ok(AlterAction::Unsupported(what.join(" "), self.since(start)))
    }

    fn add_action(&mut self) -> PResult<AlterAction> {
        self.expect("add")?;
        if self.begins_table_constraint() {
            return Ok(AlterAction::AddConstraint(self.table_constraint()?));
        }
        self.eat("column");
        let if_not_exists = self.if_not_exists()?;
        Ok(AlterAction::AddColumn {
            if_not_exists,
            column: self.column()?,
        })
    }

    fn drop_action(&mut self) -> PResult<AlterAction> {
        self.expect("drop")?;
        let constraint = self.eat("constraint");
        if !constraint {
            self.eat("column");
        }
        let if_exists = self.if_exists();
        let name = self.name()?;
        let cascade = self.cascade();
        Ok(if constraint {
            AlterAction::DropConstraint {
                name,
                if_exists,
                cascade,
            }
        } else {
            AlterAction::DropColumn {
                name,
                if_exists,
                cascade,
            }
        })
    }

    /// `ENABLE` and `DISABLE` of row security, triggers and rules.
    fn enable_action(&mut self) -> PResult<AlterAction> {
        let start = self.here();
        let verb = self.expect_any(&["enable", "disable"])?;
        if self.is("row") {
            self.expect_all(&["row", "level", "security"])?;
            return Ok(AlterAction::RowSecurity(verb == "enable"));
        }
        // A trigger for replication alone never fires on its own server.
        let replica = verb == "enable" && self.eat_any(&["always", "replica"]) == Some("replica");
        let object = self.expect_any(&["trigger", "rule"])?;
        if object == "trigger" {
            let name = match self.eat_any(&["all", "user"]) {
                Some(_) => None,
                None => Some(self.name()?),
            };
            return Ok(AlterAction::EnableTrigger {
                name,
                enabled: verb == "enable" && !replica,
            });
        }
        self.name()?;
        let what = format!("{verb} {object}").to_ascii_uppercase();
        Ok(AlterAction::Unsupported(what, self.since(start)))
    }

    fn set_action(&mut self) -> PResult<AlterAction> {
        self.expect("set")?;
        if self.is_sym("(") {
            return Ok(AlterAction::SetOptions(self.options()?));
        }
        let what = self.expect_any(&["tablespace", "logged", "unlogged", "without", "access"])?;
        match what {
            "tablespace" => drop(self.name()?),
            "without" => drop(self.expect_any(&["cluster", "oids"])?),
            "access" => {
                self.expect("method")?;
                self.name()?;
            }
            _ => {}
        }
        Ok(AlterAction::NoOp(format!(
            "SET {}",
            what.to_ascii_uppercase()
        )))
    }

    /// `ALTER COLUMN …`.
    fn alter_action(&mut self) -> PResult<AlterAction> {
        let start = self.expect("alter")?;
        if self.eat("constraint") {
            self.name()?;
            if self.begins_deferrable() {
                self.deferrable()?;
            }
            return Ok(AlterAction::Unsupported(
                "ALTER CONSTRAINT".to_owned(),
                self.since(start),
            ));
        }
        self.eat("column");
        if matches!(self.token().tok, super::lexer::Tok::Number(_)) {
            self.advance();
            self.expect_all(&["set", "statistics"])?;
            self.numeric()?;
            return Ok(AlterAction::NoOp("SET STATISTICS".to_owned()));
        }
        let column = self.name()?;
        match self.word() {
            "type" => self.set_type(column),
            "set" => self.set_column(column, start),
            "drop" => self.drop_from_column(column, start),
            "add" => {
                self.advance();
                let always = self.generated_when()?;
                self.expect("identity")?;
                let options = self.identity_options()?;
                Ok(AlterAction::AddIdentity {
                    column,
                    always,
                    options,
                })
            }
            "restart" => self.alter_identity(start),
            "reset" => {
                self.advance();
                self.options()?;
                Ok(AlterAction::NoOp("RESET of a column's options".to_owned()))
            }
            "options" => {
                self.advance();
                self.skip_parens()?;
                Ok(AlterAction::Unsupported(
                    "OPTIONS".to_owned(),
                    self.since(start),
                ))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn set_column(&mut self, column: String, start: Span) -> PResult<AlterAction> {
        if self.is_all(&["set", "data"]) {
            self.advance();
            self.expect("data")?;
            return self.set_type(column);
        }
        if self.is_sym_at(1, "(") {
            self.advance();
            self.options()?;
            return Ok(AlterAction::NoOp("SET of a column's options".to_owned()));
        }
        Ok(match self.word_at(1) {
            "default" => {
                self.expect_all(&["set", "default"])?;
                AlterAction::SetDefault {
                    column,
                    default: Some(self.expr()?),
                }
            }
            "not" => {
                self.expect_all(&["set", "not", "null"])?;
                AlterAction::SetNotNull {
                    column,
                    not_null: true,
                }
            }
            "statistics" => {
                self.expect_all(&["set", "statistics"])?;
                self.numeric()?;
                AlterAction::NoOp("SET STATISTICS".to_owned())
            }
            "storage" | "compression" => {
                self.advance();
                let what = format!("SET {}", self.word().to_ascii_uppercase());
                self.advance();
                if !self.eat("default") {
                    self.name()?;
                }
                AlterAction::NoOp(what)
            }
            _ => return self.alter_identity(start),
        })
    }

    fn set_type(&mut self, column: String) -> PResult<AlterAction> {
        self.expect("type")?;
        let ty = self.type_name()?;
        if self.eat("collate") {
            self.object_name()?;
        }
        let using = if self.eat("using") {
            Some(self.expr()?)
        } else {
            None
        };
        Ok(AlterAction::SetType { column, ty, using })
    }

    fn drop_from_column(&mut self, column: String, start: Span) -> PResult<AlterAction> {
        self.expect("drop")?;
        Ok(
            match self.expect_any(&["default", "not", "identity", "expression"])? {
                "default" => AlterAction::SetDefault {
                    column,
                    default: None,
                },
                "not" => {
                    self.expect("null")?;
                    AlterAction::SetNotNull {
                        column,
                        not_null: false,
                    }
                }
                "identity" => AlterAction::DropIdentity {
                    column,
                    if_exists: self.if_exists(),
                },
                _ => {
                    self.if_exists();
                    AlterAction::Unsupported("DROP EXPRESSION".to_owned(), self.since(start))
                }
            },
        )
    }

    /// `SET GENERATED ALWAYS SET INCREMENT 2 RESTART`: an identity column's options.
    fn alter_identity(&mut self, start: Span) -> PResult<AlterAction> {
        while self.is_any(&["set", "restart"]) {
            if self.is("restart") {
                self.sequence_options()?;
                continue;
            }
            self.expect("set")?;
            if self.eat("generated") {
                if !self.eat("always") {
                    self.expect_all(&["by", "default"])?;
                }
            } else if !self.begins_sequence_option() {
                return Err(self.unexpected());
            } else {
                self.sequence_options()?;
            }
        }
        Ok(AlterAction::Unsupported(
            "ALTER of an identity column".to_owned(),
            self.since(start),
        ))
    }
}
