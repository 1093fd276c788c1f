//! Parameters: those of all statements of one document, in one list.

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Statement, VisitMut, walk_expr};
use plinth_sql::shape::Argument;

/// Most parameters of one statement. The protocol counts them in 16 bits, which some drivers take as signed. What is given
/// beyond that (a bulk insert has one for each cell) is written out as constants, whose types are found in the same way.
const MOST_PARAMS: usize = 32_767;

/// What `$1`, `$2`, … of the whole text stand for.
pub(super) struct Params<'a> {
    /// In order.
    pub(super) list: Vec<Argument>,
    /// Written out, where there shall be no parameters.
    inline: Option<&'a [Option<String>]>,
}

impl<'a> Params<'a> {
    pub(super) fn new(inline: Option<&'a [Option<String>]>) -> Params<'a> {
        Params {
            list: Vec::new(),
            inline,
        }
    }

    /// Replaces each `$n` of a statement: the first ones by the `bound` columns of its parent's row, the others by `$m`,
    /// where `m` is the place of their argument in the list.
    ///
    /// Arguments join the list when they are first met. One that is never met must stay away: the server could not tell its type.
    pub(super) fn place(
        &mut self,
        statement: &mut Statement,
        own: &[Argument],
        bound: &[Expr],
    ) -> Result<(), SqlError> {
        let mut placing = Placing {
            bound,
            own,
            numbers: vec![None; own.len()],
            list: &mut self.list,
            inline: self.inline,
            fault: None,
        };
        placing.statement(statement);
        placing.fault.map_or(Ok(()), Err)
    }
}

struct Placing<'a> {
    bound: &'a [Expr],
    own: &'a [Argument],
    /// The new number of each of `own` that was met.
    numbers: Vec<Option<u32>>,
    list: &'a mut Vec<Argument>,
    inline: Option<&'a [Option<String>]>,
    /// The first, which a visitor cannot return.
    fault: Option<SqlError>,
}

impl VisitMut for Placing<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        if let Expr::Param(number) = *expr {
            match self.meaning(number) {
                Ok(meaning) => *expr = meaning,
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                }
            }
        } else {
            walk_expr(self, expr);
        }
    }
}

impl Placing<'_> {
    fn meaning(&mut self, number: u32) -> Result<Expr, SqlError> {
        let unknown = || SqlError::new("42P02", format!("there is no parameter ${number}"));
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let place = place.ok_or_else(unknown)?;
        if let Some(column) = self.bound.get(place) {
            return Ok(column.clone());
        }
        let place = place - self.bound.len();
        let (Some(argument), Some(known)) = (self.own.get(place), self.numbers.get_mut(place))
        else {
            return Err(unknown());
        };
        if let Some(number) = *known {
            return Ok(Expr::Param(number));
        }
        if let Some(values) = self.inline {
            return constant(argument.text(values));
        }
        match argument {
            Argument::Given(text) if self.list.len() >= MOST_PARAMS => constant(text.as_deref()),
            Argument::Given(_) | Argument::Slot(_) => {
                self.list.push(argument.clone());
                let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                *known = Some(number);
                Ok(Expr::Param(number))
            }
        }
    }
}

fn constant(text: Option<&str>) -> Result<Expr, SqlError> {
    match text {
        None => Ok(Expr::Null),
        Some(text) if text.contains('\0') => Err(SqlError::new(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )),
        Some(text) => Ok(Expr::String(text.to_owned())),
    }
}
