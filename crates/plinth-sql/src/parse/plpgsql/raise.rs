//! `RAISE`.

use super::block::unrecognized;
use super::{Reader, conditions, mistake};
use crate::ast::Expr;
use crate::ast::plpgsql::{Condition, Raise, RaiseLevel, RaiseOption};
use crate::parse::parser::PResult;

impl Reader<'_> {
    /// `RAISE [level] 'format', args`, `RAISE [level] condition`, `RAISE [level] USING …`, or nothing behind it.
    pub(super) fn raise(&mut self) -> PResult<Raise> {
        let start = self.sql.expect("raise")?;
        let mut raise = Raise {
            level: RaiseLevel::Exception,
            condition: None,
            format: None,
            args: Vec::new(),
            using: Vec::new(),
        };
        if self.sql.is_sym(";") {
            return Ok(raise);
        }
        raise.level = self.raise_level();
        if self.sql.is_string() {
            raise.format = Some(self.sql.string()?);
            if !self.sql.is_sym(",") && !self.sql.is_sym(";") && !self.sql.is("using") {
                return Err(self.sql.unexpected());
            }
            if self.sql.eat_sym(",") {
                raise.args = self.list(&[",", ";", "using"], ", or ; or USING")?;
            }
        } else if !self.sql.is("using") {
            raise.condition = Some(self.raised_condition()?);
            if !self.sql.is_sym(";") && !self.sql.is("using") {
                return Err(self.sql.unexpected());
            }
        }
        if self.sql.eat("using") {
            raise.using = self.raise_options()?;
        }
        let places = places(raise.format.as_deref().unwrap_or_default());
        if places == raise.args.len() {
            return Ok(raise);
        }
        let what = if places < raise.args.len() {
            "many"
        } else {
            "few"
        };
        let message = format!("too {what} parameters specified for RAISE");
        Err(mistake(message, self.sql.since(start)))
    }

    fn raise_level(&mut self) -> RaiseLevel {
        let level = match self.sql.word() {
            "exception" => RaiseLevel::Exception,
            "warning" => RaiseLevel::Warning,
            "notice" => RaiseLevel::Notice,
            "info" => RaiseLevel::Info,
            "log" => RaiseLevel::Log,
            "debug" => RaiseLevel::Debug,
            _ => return RaiseLevel::Exception,
        };
        self.sql.advance();
        level
    }

    /// A condition by name, though not `others`, or `SQLSTATE '…'`.
    fn raised_condition(&mut self) -> PResult<Condition> {
        if self.sql.eat("sqlstate") {
            return self.state();
        }
        let span = self.sql.here();
        let name = self.ident()?;
        if conditions::states(&name).is_empty() {
            return Err(unrecognized(&name, span));
        }
        Ok(Condition::Named(name))
    }

    fn raise_options(&mut self) -> PResult<Vec<(RaiseOption, Expr)>> {
        let mut options = Vec::new();
        loop {
            let option = match self.sql.word() {
                "column" => RaiseOption::Column,
                "constraint" => RaiseOption::Constraint,
                "datatype" => RaiseOption::Datatype,
                "detail" => RaiseOption::Detail,
                "errcode" => RaiseOption::Errcode,
                "hint" => RaiseOption::Hint,
                "message" => RaiseOption::Message,
                "schema" => RaiseOption::Schema,
                "table" => RaiseOption::Table,
                _ => return Err(self.complaint("unrecognized RAISE statement option")),
            };
            self.sql.advance();
            if !self.eat_assign() {
                return Err(self.complaint("syntax error, expected \"=\""));
            }
            options.push((option, self.expression(&[",", ";"], ", or ;")?));
            if !self.sql.eat_sym(",") {
                return Ok(options);
            }
        }
    }
}

/// How many arguments a format takes: one for each `%`, none for `%%`.
fn places(format: &str) -> usize {
    let mut places = 0;
    let mut rest = format;
    while let Some(found) = rest.find('%') {
        rest = &rest[found + 1..];
        match rest.strip_prefix('%') {
            Some(after) => rest = after,
            None => places += 1,
        }
    }
    places
}
