//! `OPEN`, `FETCH`, `MOVE`, `CLOSE`, and the arguments of cursors.

use super::scope::Variable;
use super::{Reader, mistake};
use crate::SqlError;
use crate::ast::Expr;
use crate::ast::plpgsql::{Direction, StatementKind, Target};
use crate::parse::parser::PResult;

/// Arguments of a cursor, named ones with their names.
pub(super) type Args = Vec<(Option<String>, Expr)>;

impl Reader<'_> {
    /// `OPEN cursor [(args)]` and `OPEN cursor [[NO] SCROLL] FOR …`.
    pub(super) fn open_cursor(&mut self) -> PResult<StatementKind> {
        self.sql.expect("open")?;
        let cursor = self.cursor_variable()?;
        if let Some(declared) = self.bound_cursor(&cursor) {
            let name = cursor.parts.last().cloned().unwrap_or_default();
            let args = self.cursor_args(&name, &declared, ";")?;
            return Ok(StatementKind::Open {
                cursor,
                args,
                rows: None,
            });
        }
        self.sql.eat("no");
        self.sql.eat("scroll");
        if !self.sql.eat("for") {
            return Err(self.complaint("syntax error, expected \"FOR\""));
        }
        let rows = Some(self.rows(&[";"])?);
        Ok(StatementKind::Open {
            cursor,
            args: Vec::new(),
            rows,
        })
    }

    /// `FETCH [direction FROM] cursor INTO …`.
    pub(super) fn fetch(&mut self) -> PResult<StatementKind> {
        let start = self.sql.expect("fetch")?;
        let direction = self.direction()?;
        let cursor = self.cursor_variable()?;
        self.sql.expect("into")?;
        let into = Some(self.into(false)?);
        if !self.sql.is_sym(";") {
            return Err(self.sql.unexpected());
        }
        if matches!(direction, Direction::Forward(_) | Direction::Backward(_)) {
            let message = "FETCH statement cannot return multiple rows";
            let span = self.sql.since(start);
            return Err(Box::new(SqlError::new("0A000", message).at(span)));
        }
        Ok(StatementKind::Fetch {
            cursor,
            direction,
            into,
        })
    }

    /// `MOVE [direction FROM] cursor`.
    pub(super) fn move_cursor(&mut self) -> PResult<StatementKind> {
        self.sql.expect("move")?;
        let direction = self.direction()?;
        let cursor = self.cursor_variable()?;
        Ok(StatementKind::Fetch {
            cursor,
            direction,
            into: None,
        })
    }

    /// `CLOSE cursor`.
    pub(super) fn close_cursor(&mut self) -> PResult<StatementKind> {
        self.sql.expect("close")?;
        self.cursor_variable().map(StatementKind::Close)
    }

    /// The arguments of a bound cursor at a place of its name, in the order they are written.
    pub(super) fn cursor_args(
        &mut self,
        cursor: &str,
        declared: &[String],
        until: &str,
    ) -> PResult<Args> {
        let span = self.sql.here();
        let error = |message: String| Err(mistake(message, span));
        match (declared.is_empty(), self.sql.is_sym("(")) {
            (true, true) => return error(format!("cursor \"{cursor}\" has no arguments")),
            (false, false) => return error(format!("cursor \"{cursor}\" has arguments")),
            (true, false) => {}
            (false, true) => {
                self.sql.advance();
                let args = self.cursor_values(cursor, declared)?;
                self.expect_end(until)?;
                return Ok(args);
            }
        }
        self.expect_end(until)?;
        Ok(Vec::new())
    }

    fn expect_end(&self, until: &str) -> PResult<()> {
        if self.sql.is_sym(until) || self.sql.is(until) {
            Ok(())
        } else {
            Err(self.sql.unexpected())
        }
    }

    fn cursor_values(&mut self, cursor: &str, declared: &[String]) -> PResult<Args> {
        let mut given = vec![false; declared.len()];
        let mut args = Vec::new();
        loop {
            let span = self.sql.here();
            let mut place = args.len();
            let mut name = None;
            if self.is_ident_at(0) && self.sql.is_sym_at(1, ":=") {
                let written = self.ident()?;
                self.sql.expect_sym(":=")?;
                let found = declared.iter().position(|known| *known == written);
                place = found.ok_or_else(|| {
                    let message =
                        format!("cursor \"{cursor}\" has no argument named \"{written}\"");
                    mistake(message, span)
                })?;
                name = Some(written);
            }
            if std::mem::replace(&mut given[place], true) {
                let parameter = &declared[place];
                let message = format!(
                    "value for parameter \"{parameter}\" of cursor \"{cursor}\" specified more than once"
                );
                return Err(mistake(message, span));
            }
            args.push((name, self.expression(&[",", ")"], ",\" or \")")?));
            let last = args.len() == declared.len();
            let more = self.sql.is_sym(",");
            if more == last {
                let what = if more { "too many" } else { "not enough" };
                let message = format!("{what} arguments for cursor \"{cursor}\"");
                return Err(mistake(message, self.sql.here()));
            }
            self.sql.advance();
            if last {
                return Ok(args);
            }
        }
    }

    /// The names of the arguments of a cursor that a block declares with its query.
    pub(super) fn bound_cursor(&self, cursor: &Target) -> Option<Vec<String>> {
        let args = self.scopes.find(&cursor.parts)?.cursor_args()?;
        Some(args.to_vec())
    }

    fn cursor_variable(&mut self) -> PResult<Target> {
        let cursor = self.target_name()?;
        let error =
            |message: String| Err(Box::new(SqlError::new("42804", message).at(cursor.span)));
        let found = self.scopes.find(&cursor.parts);
        if self.sql.is_sym("[") || found.is_some_and(Variable::is_row) {
            return error("cursor variable must be a simple variable".to_owned());
        }
        if found.is_some_and(Variable::is_scalar) {
            let name = self.scopes.own_name(&cursor.parts);
            return error(format!(
                "variable \"{name}\" must be of type cursor or refcursor"
            ));
        }
        Ok(cursor)
    }

    /// Which row, with the `FROM` or `IN` behind it. Nothing but a cursor's name means the next row.
    fn direction(&mut self) -> PResult<Direction> {
        let plain = match self.sql.word() {
            "next" => Direction::Next,
            "prior" => Direction::Prior,
            "first" => Direction::First,
            "last" => Direction::Last,
            "all" => Direction::Forward(None),
            "absolute" => {
                self.sql.advance();
                return self.count().map(Direction::Absolute);
            }
            "relative" => {
                self.sql.advance();
                return self.count().map(Direction::Relative);
            }
            "forward" => {
                self.sql.advance();
                return self.counted(Direction::Next, Direction::Forward);
            }
            "backward" => {
                self.sql.advance();
                return self.counted(Direction::Prior, Direction::Backward);
            }
            "from" | "in" => Direction::Next,
            _ if self.is_lone_cursor() => return Ok(Direction::Next),
            _ => {
                let count = self.count()?;
                return Ok(Direction::Forward(Some(count)));
            }
        };
        if !self.sql.is_any(&["from", "in"]) {
            self.sql.advance();
        }
        self.from_or_in()?;
        Ok(plain)
    }

    /// Behind `FORWARD` and `BACKWARD`: one row, all, or so many.
    fn counted(
        &mut self,
        one: Direction,
        many: fn(Option<Expr>) -> Direction,
    ) -> PResult<Direction> {
        if self.sql.is_any(&["from", "in"]) {
            self.sql.advance();
            return Ok(one);
        }
        if self.sql.eat("all") {
            self.from_or_in()?;
            return Ok(many(None));
        }
        Ok(many(Some(self.count()?)))
    }

    fn count(&mut self) -> PResult<Expr> {
        let count = self.expression(&["from", "in"], "FROM or IN")?;
        self.from_or_in()?;
        Ok(count)
    }

    fn from_or_in(&mut self) -> PResult<()> {
        match self.sql.eat_any(&["from", "in"]) {
            Some(_) => Ok(()),
            None => Err(self.complaint("expected FROM or IN")),
        }
    }

    /// Whether a name and then the end of `MOVE`, or the `INTO` of `FETCH`, stand here.
    fn is_lone_cursor(&self) -> bool {
        let mut ahead = 1;
        while self.sql.is_sym_at(ahead, ".") {
            ahead += 2;
        }
        self.is_ident_at(0)
            && !self.sql.is_sym_at(ahead, "(")
            && !["from", "in"].contains(&self.sql.word_at(ahead))
    }
}
