//! `GET DIAGNOSTICS`.

use super::scope::Variable;
use super::{Reader, mistake};
use crate::ast::plpgsql::{Diagnostic, StatementKind, Target};
use crate::parse::parser::PResult;

impl Reader<'_> {
    /// `GET [CURRENT | STACKED] DIAGNOSTICS target = item, …`.
    pub(super) fn get_diagnostics(&mut self) -> PResult<StatementKind> {
        let start = self.sql.expect("get")?;
        let stacked = self.sql.eat_any(&["current", "stacked"]) == Some("stacked");
        self.sql.expect("diagnostics")?;
        let mut items = Vec::new();
        let mut names = Vec::new();
        loop {
            let target = self.diagnostics_target()?;
            if !self.eat_assign() {
                return Err(self.sql.unexpected());
            }
            names.push(self.sql.word().to_ascii_uppercase());
            items.push((target, self.diagnostics_item()?));
            if !self.sql.eat_sym(",") {
                break;
            }
        }
        if !self.sql.is_sym(";") {
            return Err(self.sql.unexpected());
        }
        let misplaced = items
            .iter()
            .zip(&names)
            .find(|((_, item), _)| is_of_errors(*item).is_some_and(|of| of != stacked));
        if let Some((_, name)) = misplaced {
            let area = if stacked { "STACKED" } else { "CURRENT" };
            let message =
                format!("diagnostics item {name} is not allowed in GET {area} DIAGNOSTICS");
            return Err(mistake(message, self.sql.since(start)));
        }
        Ok(StatementKind::Diagnostics { stacked, items })
    }

    fn diagnostics_target(&mut self) -> PResult<Target> {
        let target = self.target_name()?;
        self.check_constant(&target)?;
        let row = self
            .scopes
            .find(&target.parts)
            .is_some_and(Variable::is_row);
        if row || self.sql.is_sym("[") {
            let name = target.parts.join(".");
            let message = format!("\"{name}\" is not a scalar variable");
            return Err(mistake(message, target.span));
        }
        Ok(target)
    }

    fn diagnostics_item(&mut self) -> PResult<Diagnostic> {
        let item = match self.sql.word() {
            "row_count" => Diagnostic::RowCount,
            "pg_context" => Diagnostic::Context,
            "returned_sqlstate" => Diagnostic::ReturnedState,
            "message_text" => Diagnostic::Message,
            "pg_exception_detail" => Diagnostic::Detail,
            "pg_exception_hint" => Diagnostic::Hint,
            "pg_exception_context" => Diagnostic::ExceptionContext,
            "column_name" => Diagnostic::Column,
            "constraint_name" => Diagnostic::Constraint,
            "pg_datatype_name" => Diagnostic::Datatype,
            "table_name" => Diagnostic::Table,
            "schema_name" => Diagnostic::Schema,
            _ => return Err(self.complaint("unrecognized GET DIAGNOSTICS item")),
        };
        self.sql.advance();
        Ok(item)
    }
}

/// Whether only an error has it, or only a statement; none for what both have.
fn is_of_errors(item: Diagnostic) -> Option<bool> {
    match item {
        Diagnostic::Context => None,
        Diagnostic::RowCount => Some(false),
        Diagnostic::ReturnedState
        | Diagnostic::Message
        | Diagnostic::Detail
        | Diagnostic::Hint
        | Diagnostic::ExceptionContext
        | Diagnostic::Column
        | Diagnostic::Constraint
        | Diagnostic::Datatype
        | Diagnostic::Table
        | Diagnostic::Schema => Some(true),
    }
}
