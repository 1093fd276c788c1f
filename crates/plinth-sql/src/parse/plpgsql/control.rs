//! `IF` and `CASE`.

use super::Reader;
use crate::ast::plpgsql::StatementKind;
use crate::parse::parser::PResult;

impl Reader<'_> {
    /// `IF … THEN … ELSIF … ELSE … END IF`.
    pub(super) fn if_statement(&mut self) -> PResult<StatementKind> {
        let level = self.sql.enter()?;
        self.sql.expect("if")?;
        let mut arms = Vec::new();
        loop {
            let condition = self.expression(&["then"], "THEN")?;
            self.sql.expect("then")?;
            arms.push((condition, self.statements()?));
            if self.sql.eat_any(&["elsif", "elseif"]).is_none() {
                break;
            }
        }
        let otherwise = if self.sql.eat("else") {
            self.statements()?
        } else {
            Vec::new()
        };
        self.sql.expect_all(&["end", "if"])?;
        self.sql.leave(level)?;
        Ok(StatementKind::If { arms, otherwise })
    }

    /// `CASE [x] WHEN … THEN … ELSE … END CASE`.
    pub(super) fn case(&mut self) -> PResult<StatementKind> {
        let level = self.sql.enter()?;
        self.sql.expect("case")?;
        let operand = if self.sql.is("when") {
            None
        } else {
            Some(self.expression(&["when"], "WHEN")?)
        };
        let mut arms = Vec::new();
        while arms.is_empty() || self.sql.is("when") {
            self.sql.expect("when")?;
            let values = if operand.is_some() {
                self.expressions(&["then"], "THEN")?
            } else {
                vec![self.expression(&["then"], "THEN")?]
            };
            self.sql.expect("then")?;
            arms.push((values, self.statements()?));
        }
        let otherwise = if self.sql.eat("else") {
            Some(self.statements()?)
        } else {
            None
        };
        self.sql.expect_all(&["end", "case"])?;
        self.sql.leave(level)?;
        Ok(StatementKind::Case {
            operand,
            arms,
            otherwise,
        })
    }
}
