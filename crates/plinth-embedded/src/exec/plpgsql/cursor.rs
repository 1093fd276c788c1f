//! Cursors: the rows of a query, read when the cursor is opened, and a place among them.

use plinth_sql::SqlError;
use plinth_sql::ast::plpgsql::{Direction, Into, Rows, Target};
use plinth_sql::ast::{Expr, Query, Statement as Sql};
use plinth_sql::types::ColumnType;
use rusqlite::types::Value;

use super::Run;
use super::scope::{Content, Shape, Slot};
use crate::error::Result;
use crate::exec::Executed;

/// A cursor variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// Arguments and query of a bound cursor.
    bound: Option<(Vec<(String, ColumnType)>, Query)>,
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    columns: Shape,
    rows: Vec<Vec<Value>>,
    /// 0 before the first row, n on the nth.
    at: i64,
}

impl Cursor {
    pub(super) fn bound(args: Vec<(String, ColumnType)>, query: Query) -> Cursor {
        Cursor {
            bound: Some((args, query)),
            open: None,
        }
    }
}

impl Run<'_> {
    fn cursor(&self, target: &Target) -> Result<usize> {
        let (place, _) = self.place(target)?;
        match self.scopes.slot(place).content {
            Content::Cursor(at) => Ok(at),
            _ => Err(SqlError::new(
                "42804",
                format!(
                    "variable \"{}\" must be of type cursor or refcursor",
                    target.parts.join(".")
                ),
            )
            .into()),
        }
    }

    /// The rows of a bound cursor, for a loop.
    pub(super) fn cursor_rows(
        &mut self,
        name: &str,
        args: &[(Option<String>, Expr)],
    ) -> Result<Executed> {
        let target = Target {
            parts: vec![name.to_owned()],
            subscripts: Vec::new(),
            span: plinth_sql::ast::Span::default(),
        };
        let at = self.cursor(&target)?;
        self.bound_rows(at, args)
    }

    fn bound_rows(&mut self, at: usize, args: &[(Option<String>, Expr)]) -> Result<Executed> {
        let Some((wanted, query)) = self.cursors[at].bound.clone() else {
            return Err(SqlError::new("42601", "the cursor has no query of its own").into());
        };
        if args.len() != wanted.len() {
            return Err(SqlError::new("42601", "the cursor wants other arguments").into());
        }
        let mut slots = Vec::with_capacity(wanted.len());
        for (place, (name, ty)) in wanted.iter().enumerate() {
            let named = args.iter().find(|(given, _)| given.as_ref() == Some(name));
            let (_, expr) = named.unwrap_or(&args[place]);
            let value = match self.evaluate(expr)? {
                super::value::Evaluated::Scalar(from, value) => {
                    self.exec.convert(value, &from, ty)?
                }
                super::value::Evaluated::Row(..) => Value::Null,
            };
            slots.push(Slot::new(name, Content::Scalar(ty.clone(), value)));
        }
        let depth = self.scopes.depth();
        self.scopes.push(None, slots);
        let params = self.scopes.params();
        let done = self.exec.statement(&Sql::Query(Box::new(query)), &params);
        self.scopes.close(depth);
        done
    }

    pub(super) fn open_cursor(
        &mut self,
        cursor: &Target,
        args: &[(Option<String>, Expr)],
        rows: Option<&Rows>,
    ) -> Result<()> {
        let at = self.cursor(cursor)?;
        if self.cursors[at].open.is_some() {
            return Err(SqlError::new(
                "42P03",
                format!("cursor \"{}\" already in use", cursor.parts.join(".")),
            )
            .into());
        }
        let done = match rows {
            Some(rows) => self.rows_of(rows)?,
            None => self.bound_rows(at, args)?,
        };
        self.cursors[at].open = Some(Open {
            columns: done.columns,
            rows: done.rows,
            at: 0,
        });
        Ok(())
    }

    pub(super) fn fetch(
        &mut self,
        cursor: &Target,
        direction: &Direction,
        into: Option<&Into>,
    ) -> Result<()> {
        let index = self.cursor(cursor)?;
        let number = match direction {
            Direction::Absolute(expr) | Direction::Relative(expr) => {
                self.integer(expr)?.unwrap_or(0)
            }
            Direction::Forward(Some(expr)) | Direction::Backward(Some(expr)) => {
                self.integer(expr)?.unwrap_or(0)
            }
            Direction::Forward(None) | Direction::Backward(None) => i64::MAX,
            Direction::Next | Direction::Prior | Direction::First | Direction::Last => 0,
        };
        let open = self.cursors[index]
            .open
            .as_mut()
            .ok_or_else(|| not_open(cursor))?;
        let count = i64::try_from(open.rows.len()).unwrap_or(i64::MAX);
        let wanted = match direction {
            Direction::Next => open.at + 1,
            Direction::Prior => open.at - 1,
            Direction::First => 1,
            Direction::Last => count,
            Direction::Absolute(_) if number < 0 => count + 1 + number,
            Direction::Absolute(_) => number,
            Direction::Relative(_) | Direction::Forward(_) => open.at.saturating_add(number),
            Direction::Backward(_) => open.at.saturating_sub(number),
        };
        open.at = wanted.clamp(0, count.saturating_add(1));
        let row = usize::try_from(open.at - 1)
            .ok()
            .and_then(|place| open.rows.get(place).cloned());
        let columns = open.columns.clone();
        let found = row.is_some();
        self.row_count = u64::from(found);
        if let Some(into) = into {
            self.store_row(&into.targets, &columns, row)?;
        }
        self.set_found(found);
        Ok(())
    }

    pub(super) fn close_cursor(&mut self, cursor: &Target) -> Result<()> {
        let at = self.cursor(cursor)?;
        if self.cursors[at].open.take().is_none() {
            return Err(not_open(cursor).into());
        }
        Ok(())
    }
}

fn not_open(cursor: &Target) -> SqlError {
    SqlError::new(
        "34000",
        format!("cursor \"{}\" does not exist", cursor.parts.join(".")),
    )
}
