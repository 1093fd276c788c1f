//! The whole body, blocks, their labels and their handlers.

use super::scope::Variable;
use super::{Reader, conditions, mistake};
use crate::SqlError;
use crate::ast::plpgsql::{Block, Body, Condition, Handler, VariableConflict};
use crate::parse::parser::{PResult, refused};

impl Reader<'_> {
    /// The whole text: options, a block, at most one semicolon.
    pub(in crate::parse) fn body(&mut self) -> PResult<Body> {
        let variable_conflict = self.options()?;
        let label = self.label()?;
        let block = self.block(label)?;
        self.sql.finish()?;
        Ok(Body {
            variable_conflict,
            block,
        })
    }

    /// `[DECLARE …] BEGIN … [EXCEPTION …] END [label]`.
    pub(super) fn block(&mut self, label: Option<String>) -> PResult<Block> {
        let level = self.sql.enter()?;
        self.scopes.open_block(label.clone());
        let declarations = if self.sql.eat("declare") {
            self.declarations()?
        } else {
            Vec::new()
        };
        self.sql.expect("begin")?;
        let body = self.statements()?;
        let handlers = if self.sql.eat("exception") {
            self.handlers()?
        } else {
            Vec::new()
        };
        self.sql.expect("end")?;
        self.end_label(label.as_deref())?;
        self.scopes.close();
        self.sql.leave(level)?;
        Ok(Block {
            label,
            declarations,
            body,
            handlers,
        })
    }

    /// `#variable_conflict use_column` before the block.
    fn options(&mut self) -> PResult<VariableConflict> {
        let mut conflict = VariableConflict::default();
        while self.sql.is_sym("#") {
            let start = self.sql.advance();
            match self.sql.word() {
                "variable_conflict" => {
                    self.sql.advance();
                    let words = &["error", "use_variable", "use_column"];
                    conflict = match self.sql.expect_any(words)? {
                        "use_variable" => VariableConflict::UseVariable,
                        "use_column" => VariableConflict::UseColumn,
                        _ => VariableConflict::Error,
                    };
                }
                option @ ("option" | "print_strict_params") => {
                    let what = format!("#{option} in PL/pgSQL");
                    self.sql.advance();
                    return Err(refused(&what, self.sql.since(start)));
                }
                _ => return Err(self.sql.unexpected()),
            }
        }
        Ok(conflict)
    }

    /// `<<label>>`, when it stands here.
    pub(super) fn label(&mut self) -> PResult<Option<String>> {
        if !self.sql.eat_sym("<<") {
            return Ok(None);
        }
        let label = self.ident()?;
        self.sql.expect_sym(">>")?;
        Ok(Some(label))
    }

    /// The label behind `END`, when it stands here, is that of the beginning.
    pub(super) fn end_label(&mut self, begun: Option<&str>) -> PResult<()> {
        if !self.is_ident_at(0) {
            return Ok(());
        }
        let span = self.sql.here();
        let label = self.ident()?;
        match begun {
            None => {
                let message = format!("end label \"{label}\" specified for unlabeled block");
                Err(mistake(message, span))
            }
            Some(begun) if begun != label => {
                let message =
                    format!("end label \"{label}\" differs from block's label \"{begun}\"");
                Err(mistake(message, span))
            }
            Some(_) => Ok(()),
        }
    }

    /// `WHEN condition OR … THEN …`, at least once.
    fn handlers(&mut self) -> PResult<Vec<Handler>> {
        for name in ["sqlstate", "sqlerrm"] {
            self.scopes.declare(name, Variable::constant());
        }
        let mut handlers = vec![self.handler()?];
        while self.sql.is("when") {
            handlers.push(self.handler()?);
        }
        Ok(handlers)
    }

    fn handler(&mut self) -> PResult<Handler> {
        self.sql.expect("when")?;
        let mut conditions = vec![self.condition()?];
        while self.sql.eat("or") {
            conditions.push(self.condition()?);
        }
        self.sql.expect("then")?;
        let body = self.statements()?;
        Ok(Handler { conditions, body })
    }

    /// What a handler waits for.
    fn condition(&mut self) -> PResult<Condition> {
        let span = self.sql.here();
        let name = self.ident()?;
        if name == "sqlstate" {
            return self.state();
        }
        if name != "others" && conditions::states(&name).is_empty() {
            return Err(unrecognized(&name, span));
        }
        Ok(Condition::Named(name))
    }

    /// The constant behind `SQLSTATE`.
    pub(super) fn state(&mut self) -> PResult<Condition> {
        let complaint = self.complaint("invalid SQLSTATE code");
        let state = self.sql.string()?;
        if conditions::is_state(&state) {
            Ok(Condition::State(state))
        } else {
            Err(complaint)
        }
    }
}

pub(super) fn unrecognized(name: &str, span: crate::ast::Span) -> Box<SqlError> {
    let message = format!("unrecognized exception condition \"{name}\"");
    Box::new(SqlError::new("42704", message).at(span))
}
