//! `LOOP`, `WHILE`, `FOR` and `FOREACH`.

use super::scope::Variable;
use super::{Reader, mistake};
use crate::ast::Span;
use crate::ast::plpgsql::{LoopKind, StatementKind, Target};
use crate::parse::lexer::Tok;
use crate::parse::parser::PResult;

impl Reader<'_> {
    /// Any loop behind its label.
    pub(super) fn any_loop(&mut self, label: Option<String>) -> PResult<StatementKind> {
        let level = self.sql.enter()?;
        self.scopes.open_loop(label.clone());
        let over = match self.sql.expect_any(&["loop", "while", "for", "foreach"])? {
            "while" => LoopKind::While(self.expression(&["loop"], "LOOP")?),
            "for" => self.for_what()?,
            "foreach" => self.foreach_what()?,
            _ => LoopKind::Forever,
        };
        if over != LoopKind::Forever {
            self.sql.expect("loop")?;
        }
        let body = self.statements()?;
        self.sql.expect_all(&["end", "loop"])?;
        self.end_label(label.as_deref())?;
        self.scopes.close();
        self.sql.leave(level)?;
        Ok(StatementKind::Loop { label, over, body })
    }

    /// From behind `FOR` up to `LOOP`.
    fn for_what(&mut self) -> PResult<LoopKind> {
        let start = self.sql.here();
        let targets = self.target_names()?;
        self.sql.expect("in")?;
        if self.sql.is("execute") {
            self.check_assignable(&targets)?;
            let rows = self.rows(&["loop"])?;
            return Ok(LoopKind::Rows { targets, rows });
        }
        let place = self.sql.mark();
        if let Some(cursor) = self.cursor_ahead() {
            return self.for_cursor(&targets, &cursor, start);
        }
        self.sql.seek(place);
        let reverse = self.sql.is("reverse");
        let reverse_span = self.sql.here();
        if reverse {
            self.sql.advance();
        }
        let from = self.sql.mark();
        let end = self.end_of_first_bound()?;
        if self.sql.is_sym("..") {
            self.sql.seek(from);
            let [Target { parts, .. }] = targets.as_slice() else {
                return Err(mistake(
                    "integer FOR loop must have only one target variable",
                    start,
                ));
            };
            let [variable] = parts.as_slice() else {
                return Err(unknown_variable(parts, targets[0].span));
            };
            let variable = variable.clone();
            return self.for_range(variable, reverse, end);
        }
        if reverse {
            return Err(mistake(
                "cannot specify REVERSE in query FOR loop",
                reverse_span,
            ));
        }
        self.check_assignable(&targets)?;
        self.sql.seek(from);
        let rows = self.static_rows_up_to(end)?;
        Ok(LoopKind::Rows { targets, rows })
    }

    /// `a .. b [BY c]`, `a` ending at this token.
    fn for_range(&mut self, variable: String, reverse: bool, end: usize) -> PResult<LoopKind> {
        let from = self.expression_up_to(end)?;
        self.sql.expect_sym("..")?;
        let to = self.expression(&["loop", "by"], "LOOP")?;
        let step = if self.sql.eat("by") {
            Some(self.expression(&["loop"], "LOOP")?)
        } else {
            None
        };
        self.scopes.declare(&variable, Variable::scalar());
        Ok(LoopKind::Range {
            variable,
            reverse,
            from,
            to,
            step,
        })
    }

    /// The name of a cursor variable that a body declares, when it stands here.
    fn cursor_ahead(&mut self) -> Option<Target> {
        let name = self.target_name().ok()?;
        self.scopes
            .find(&name.parts)
            .is_some_and(Variable::is_cursor)
            .then_some(name)
    }

    /// `cursor [(args)]`, behind the name.
    fn for_cursor(
        &mut self,
        targets: &[Target],
        cursor: &Target,
        start: Span,
    ) -> PResult<LoopKind> {
        let [target] = targets else {
            return Err(mistake(
                "cursor FOR loop must have only one target variable",
                start,
            ));
        };
        let Some(declared) = self.bound_cursor(cursor) else {
            let message = "cursor FOR loop must use a bound cursor variable";
            return Err(mistake(message, cursor.span));
        };
        let name = cursor.parts.last().cloned().unwrap_or_default();
        let args = self.cursor_args(&name, &declared, "loop")?;
        let [variable] = target.parts.as_slice() else {
            return Err(unknown_variable(&target.parts, target.span));
        };
        self.scopes.declare(variable, Variable::row());
        Ok(LoopKind::Cursor {
            variable: variable.clone(),
            cursor: name,
            args,
        })
    }

    /// `x [SLICE n] IN ARRAY array`.
    fn foreach_what(&mut self) -> PResult<LoopKind> {
        let targets = self.target_names()?;
        self.check_assignable(&targets)?;
        let slice = if self.sql.eat("slice") {
            self.slice()?
        } else {
            0
        };
        self.sql.expect_all(&["in", "array"])?;
        let array = self.expression(&["loop"], "LOOP")?;
        Ok(LoopKind::Array {
            targets,
            slice,
            array,
        })
    }

    fn slice(&mut self) -> PResult<u32> {
        let found = match self.sql.tok_at(0) {
            Tok::Number(text) => text.parse().ok(),
            _ => None,
        };
        let slice = found.ok_or_else(|| self.sql.unexpected())?;
        self.sql.advance();
        Ok(slice)
    }
}

/// A loop's own variable has a plain name; a dotted one would have to exist.
fn unknown_variable(parts: &[String], span: Span) -> Box<crate::SqlError> {
    let name = parts.join(".");
    mistake(format!("\"{name}\" is not a known variable"), span)
}
