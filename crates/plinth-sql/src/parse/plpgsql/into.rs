//! Where values go: targets of assignments, of `INTO` and of loops.

use super::scope::Variable;
use super::{Reader, mistake};
use crate::SqlError;
use crate::ast::Expr;
use crate::ast::plpgsql::{Into, Target};
use crate::parse::lexer::Tok;
use crate::parse::parser::{PResult, Parser, refused};

impl Reader<'_> {
    /// `[STRICT] a, b.c` behind `INTO`. One record or any number of single values.
    pub(super) fn into(&mut self, strict_allowed: bool) -> PResult<Into> {
        let strict = strict_allowed && self.sql.eat("strict");
        let first = self.target_name()?;
        self.check_constant(&first)?;
        let is_row = |reader: &Self, target: &Target| {
            reader
                .scopes
                .find(&target.parts)
                .is_some_and(Variable::is_row)
        };
        if is_row(self, &first) && self.sql.is_sym(",") {
            let message = "record variable cannot be part of multiple-item INTO list";
            return Err(mistake(message, self.sql.here()));
        }
        let mut targets = vec![first];
        while self.sql.eat_sym(",") {
            let target = self.target_name()?;
            if is_row(self, &target) {
                let name = target.parts.join(".");
                let message = format!("\"{name}\" is not a scalar variable");
                return Err(mistake(message, target.span));
            }
            self.check_constant(&target)?;
            targets.push(target);
        }
        Ok(Into { strict, targets })
    }

    /// A target of an assignment, with its subscripts. A constant is not one.
    pub(super) fn assigned(&mut self) -> PResult<Target> {
        let mut target = self.target_name()?;
        self.check_constant(&target)?;
        let level = self.sql.enter()?;
        while self.sql.is_sym("[") {
            target.subscripts.push(self.subscript()?);
        }
        self.sql.leave(level)?;
        if self.sql.is_sym(".") {
            let span = self.sql.since(target.span);
            return Err(refused("assigning to a field of an array's element", span));
        }
        target.span = self.sql.since(target.span);
        Ok(target)
    }

    /// `[i]`.
    fn subscript(&mut self) -> PResult<Expr> {
        let start = self.sql.expect_sym("[")?;
        let slice =
            |parser: &Parser<'_>| refused("assigning to a slice of an array", parser.since(start));
        if self.sql.is_sym(":") {
            return Err(slice(&self.sql));
        }
        let index = self.sql.expr()?;
        if self.sql.is_sym(":") {
            return Err(slice(&self.sql));
        }
        self.sql.expect_sym("]")?;
        Ok(index)
    }

    /// `a, b.c` of a loop.
    pub(super) fn target_names(&mut self) -> PResult<Vec<Target>> {
        let mut targets = vec![self.target_name()?];
        while self.sql.eat_sym(",") {
            targets.push(self.target_name()?);
        }
        Ok(targets)
    }

    /// `x`, `rec.field`, `label.x`, `$1`.
    pub(super) fn target_name(&mut self) -> PResult<Target> {
        let start = self.sql.here();
        let first = if let Tok::Param(number) = self.sql.tok_at(0) {
            let name = format!("${number}");
            self.sql.advance();
            name
        } else {
            self.ident()?
        };
        let mut parts = vec![first];
        while self.sql.eat_sym(".") {
            parts.push(self.sql.label()?);
        }
        Ok(Target {
            parts,
            subscripts: Vec::new(),
            span: self.sql.since(start),
        })
    }

    pub(super) fn check_assignable(&self, targets: &[Target]) -> PResult<()> {
        targets
            .iter()
            .try_for_each(|target| self.check_constant(target))
    }

    pub(super) fn check_constant(&self, target: &Target) -> PResult<()> {
        match self.scopes.find(&target.parts) {
            Some(variable) if variable.constant => {
                let name = self.scopes.own_name(&target.parts);
                let message = format!("variable \"{name}\" is declared CONSTANT");
                Err(Box::new(SqlError::new("22005", message).at(target.span)))
            }
            _ => Ok(()),
        }
    }
}
