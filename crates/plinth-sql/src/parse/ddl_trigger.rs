//! `CREATE TRIGGER`.

use super::lexer::Tok;
use super::parser::{PResult, Parser};
use crate::SqlError;
use crate::ast::{CreateTrigger, Deferrable, Statement, TriggerEvent, TriggerTiming};

impl Parser<'_> {
    /// From `[CONSTRAINT] TRIGGER` on.
    pub(super) fn create_trigger(&mut self, or_replace: bool) -> PResult<Statement> {
        let constraint = self.eat("constraint");
        self.expect("trigger")?;
        let name = self.name()?;
        let timing = self.trigger_timing()?;
        let mut events = vec![self.trigger_event()?];
        while self.eat("or") {
            let start = self.here();
            let event = self.trigger_event()?;
            let kind = std::mem::discriminant(&event);
            if events
                .iter()
                .any(|known| std::mem::discriminant(known) == kind)
            {
                let word = match event {
                    TriggerEvent::Insert => "insert",
                    TriggerEvent::Update(_) => "update",
                    TriggerEvent::Delete => "delete",
                    TriggerEvent::Truncate => "truncate",
                };
                let message = format!("duplicate trigger events specified at or near \"{word}\"");
                return Err(Box::new(SqlError::syntax(message, start)));
            }
            events.push(event);
        }
        self.expect("on")?;
        let mut trigger = CreateTrigger {
            name,
            or_replace,
            constraint,
            timing,
            events,
            table: self.object_name()?,
            for_each_row: false,
            old_table: None,
            new_table: None,
            when: None,
            function: crate::ast::ObjectName::bare(""),
            args: Vec::new(),
            deferrable: Deferrable::Not,
        };
        if constraint && self.eat("from") {
            self.object_name()?;
        }
        if constraint && self.begins_deferrable() {
            trigger.deferrable = self.deferrable()?;
        }
        if self.eat("referencing") {
            while self.is_any(&["old", "new"]) {
                self.transition_table(&mut trigger)?;
            }
        }
        if self.eat("for") {
            self.eat("each");
            trigger.for_each_row = self.expect_any(&["row", "statement"])? == "row";
        }
        if self.eat("when") {
            trigger.when = Some(self.expr_in_parens()?);
        }
        self.expect("execute")?;
        self.expect_any(&["function", "procedure"])?;
        trigger.function = self.routine_name()?;
        self.expect_sym("(")?;
        // The list may begin with nothing: `f(, 1)`.
        if self.eat_sym(",") || !self.is_sym(")") {
            trigger.args = self.comma_list(Parser::trigger_argument)?;
        }
        self.expect_sym(")")?;
        Ok(Statement::CreateTrigger(Box::new(trigger)))
    }

    fn trigger_timing(&mut self) -> PResult<TriggerTiming> {
        Ok(match self.expect_any(&["before", "after", "instead"])? {
            "before" => TriggerTiming::Before,
            "after" => TriggerTiming::After,
            _ => {
                self.expect("of")?;
                TriggerTiming::InsteadOf
            }
        })
    }

    fn trigger_event(&mut self) -> PResult<TriggerEvent> {
        Ok(
            match self.expect_any(&["insert", "update", "delete", "truncate"])? {
                "insert" => TriggerEvent::Insert,
                "delete" => TriggerEvent::Delete,
                "truncate" => TriggerEvent::Truncate,
                _ if self.eat("of") => TriggerEvent::Update(self.comma_list(Parser::name)?),
                _ => TriggerEvent::Update(Vec::new()),
            },
        )
    }

    /// `OLD TABLE AS name`.
    fn transition_table(&mut self, trigger: &mut CreateTrigger) -> PResult<()> {
        let start = self.here();
        let old = self.expect_any(&["old", "new"])? == "old";
        if self.expect_any(&["table", "row"])? == "row" {
            let error = SqlError::new(
                "0A000",
                "ROW variable naming in the REFERENCING clause is not supported",
            );
            return Err(Box::new(
                error
                    .at(self.since(start))
                    .hint("Use OLD TABLE or NEW TABLE for naming transition tables."),
            ));
        }
        self.eat("as");
        let place = if old {
            &mut trigger.old_table
        } else {
            &mut trigger.new_table
        };
        let name = self.name()?;
        if place.replace(name).is_some() {
            let message = format!(
                "{} TABLE cannot be specified multiple times",
                if old { "OLD" } else { "NEW" }
            );
            return Err(Box::new(SqlError::new("42P17", message).at(start)));
        }
        Ok(())
    }

    /// A constant or a word, as text.
    fn trigger_argument(&mut self) -> PResult<String> {
        match &self.token().tok {
            Tok::String(text) | Tok::Number(text) => {
                let text = text.clone();
                self.advance();
                Ok(text)
            }
            _ => self.label(),
        }
    }
}
