//! Aggregates that collect: arrays, strings, JSON, bits, and the value of a scalar subquery.
//!
//! All but the last also work as window functions, where rows leave the frame in the order they came.

use std::collections::VecDeque;

use plinth_sql::SqlError;
use plinth_sql::types::array::{self, ArrayValue};
use plinth_sql::types::json::write_json_string;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::Value;

use super::call::{Args, Out, PURE, bounded, utf8};
use super::json_sets::write_key;
use super::raise;

pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    connection.create_window_function("array_agg_", 1, PURE, Collect(Kind::Array))?;
    connection.create_window_function("string_agg_", 2, PURE, Collect(Kind::Text))?;
    connection.create_window_function("json_agg_", 1, PURE, Collect(Kind::Json))?;
    connection.create_window_function("json_agg_", 2, PURE, Collect(Kind::Json))?;
    connection.create_window_function("json_object_agg_", 2, PURE, Collect(Kind::JsonObject))?;
    connection.create_window_function("bit_and_", 1, PURE, Bits { all: true })?;
    connection.create_window_function("bit_or_", 1, PURE, Bits { all: false })?;
    connection.create_aggregate_function("pg_single", 1, PURE, Single)
}

/// What rows are collected into.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Text,
    Json,
    JsonObject,
}

struct Collect(Kind);

/// The pieces of the result, one a row.
#[derive(Default)]
struct Collected {
    pieces: VecDeque<Piece>,
    /// Of all pieces together.
    bytes: usize,
    /// Rows whose element is an array.
    nested: usize,
}

struct Piece {
    /// What stands before it when it is not the first.
    separator: String,
    text: String,
    nested: bool,
}

impl Collect {
    /// What a row adds; nothing for rows that are passed over.
    fn piece(&self, args: &Args<'_>) -> Result<Option<Piece>, SqlError> {
        let value = args.maybe_text(0)?;
        let mut nested = false;
        let (separator, text) = match self.0 {
            Kind::Array => {
                nested = args.is_json(0);
                let mut out = Vec::new();
                match value {
                    None => out.extend_from_slice(b"null"),
                    Some(text) if nested => out.extend_from_slice(text.as_bytes()),
                    Some(text) => write_json_string(&mut out, text),
                }
                (",".to_owned(), String::from_utf8_lossy(&out).into_owned())
            }
            Kind::Text => match value {
                Some(text) => (
                    args.maybe_text(1)?.unwrap_or_default().to_owned(),
                    text.to_owned(),
                ),
                None => return Ok(None),
            },
            Kind::Json => {
                // Rows and arrays stand on lines of their own.
                let separator = if args.maybe_int(1)?.unwrap_or(0) != 0 {
                    ", \n "
                } else {
                    ", "
                };
                (separator.to_owned(), value.unwrap_or("null").to_owned())
            }
            Kind::JsonObject => {
                let Some(key) = value else {
                    return Err(SqlError::new("22023", "field name must not be null"));
                };
                let mut out = Vec::new();
                let mut quoted = Vec::new();
                write_json_string(&mut quoted, key);
                write_key(&mut out, &String::from_utf8_lossy(&quoted))?;
                out.extend_from_slice(b" : ");
                out.extend_from_slice(args.maybe_text(1)?.unwrap_or("null").as_bytes());
                (", ".to_owned(), String::from_utf8_lossy(&out).into_owned())
            }
        };
        Ok(Some(Piece {
            separator,
            text,
            nested,
        }))
    }

    fn add(&self, args: &Args<'_>, state: &mut Collected) -> Result<(), SqlError> {
        let Some(piece) = self.piece(args)? else {
            return Ok(());
        };
        state.bytes += piece.text.len() + piece.separator.len();
        bounded(state.bytes)?;
        state.nested += usize::from(piece.nested);
        state.pieces.push_back(piece);
        Ok(())
    }

    fn result(&self, state: &Collected) -> Result<Out, SqlError> {
        if state.pieces.is_empty() {
            return Ok(Out::Null);
        }
        let (open, close) = match self.0 {
            Kind::Array | Kind::Json => ("[", "]"),
            Kind::Text => ("", ""),
            Kind::JsonObject => ("{ ", " }"),
        };
        let mut out = Vec::with_capacity(state.bytes + 4);
        out.extend_from_slice(open.as_bytes());
        for (place, piece) in state.pieces.iter().enumerate() {
            if place > 0 {
                out.extend_from_slice(piece.separator.as_bytes());
            }
            out.extend_from_slice(piece.text.as_bytes());
        }
        out.extend_from_slice(close.as_bytes());
        let result = utf8(out);
        if let (Kind::Array, Out::Text(text), 1..) = (self.0, &result, state.nested) {
            rectangular(text)?;
        }
        Ok(result)
    }
}

/// Arrays are collected only when they have the same dimensions.
fn rectangular(stored: &str) -> Result<(), SqlError> {
    let value = array::from_storage(stored)?;
    let ArrayValue::Array(items) = &value else {
        return Ok(());
    };
    if items.contains(&ArrayValue::Null) {
        return Err(SqlError::new("22004", "cannot accumulate null arrays"));
    }
    if array::flatten(&value).is_empty() {
        return Err(SqlError::new("2202E", "cannot accumulate empty arrays"));
    }
    if !array::is_rectangular(&value) {
        return Err(SqlError::new(
            "2202E",
            "cannot accumulate arrays of different dimensionality",
        ));
    }
    Ok(())
}

impl Aggregate<Collected, Out> for Collect {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Collected> {
        Ok(Collected::default())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Collected) -> rusqlite::Result<()> {
        self.add(&Args::of(context), state).map_err(raise)
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<Collected>) -> rusqlite::Result<Out> {
        state
            .map_or(Ok(Out::Null), |state| self.result(&state))
            .map_err(raise)
    }
}

impl WindowAggregate<Collected, Out> for Collect {
    fn value(&self, state: Option<&mut Collected>) -> rusqlite::Result<Out> {
        state
            .map_or(Ok(Out::Null), |state| self.result(state))
            .map_err(raise)
    }

    fn inverse(&self, context: &mut Context<'_>, state: &mut Collected) -> rusqlite::Result<()> {
        if self.0 == Kind::Text && Args::of(context).is_null(0) {
            return Ok(());
        }
        if let Some(piece) = state.pieces.pop_front() {
            state.bytes -= piece.text.len() + piece.separator.len();
            state.nested -= usize::from(piece.nested);
        }
        Ok(())
    }
}

/// `bit_and` and `bit_or`: how many values have each bit, so that values can leave again.
struct Bits {
    all: bool,
}

struct BitCounts {
    values: u64,
    set: [u64; 64],
}

impl Bits {
    fn count(
        context: &Context<'_>,
        state: &mut BitCounts,
        change: impl Fn(&mut u64),
    ) -> rusqlite::Result<()> {
        let args = Args::of(context);
        if args.is_null(0) {
            return Ok(());
        }
        let value = args.int(0).map_err(raise)?;
        change(&mut state.values);
        for (bit, count) in state.set.iter_mut().enumerate() {
            if value >> bit & 1 == 1 {
                change(count);
            }
        }
        Ok(())
    }

    fn result(&self, state: Option<&BitCounts>) -> Out {
        let Some(state) = state.filter(|state| state.values > 0) else {
            return Out::Null;
        };
        let wanted = if self.all { state.values } else { 1 };
        let bits = state
            .set
            .iter()
            .enumerate()
            .filter(|(_, count)| **count >= wanted);
        Out::Int(bits.fold(0, |value, (bit, _)| value | 1i64 << bit))
    }
}

impl Aggregate<BitCounts, Out> for Bits {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<BitCounts> {
        Ok(BitCounts {
            values: 0,
            set: [0; 64],
        })
    }

    fn step(&self, context: &mut Context<'_>, state: &mut BitCounts) -> rusqlite::Result<()> {
        Bits::count(context, state, |count| *count += 1)
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<BitCounts>) -> rusqlite::Result<Out> {
        Ok(self.result(state.as_ref()))
    }
}

impl WindowAggregate<BitCounts, Out> for Bits {
    fn value(&self, state: Option<&mut BitCounts>) -> rusqlite::Result<Out> {
        Ok(self.result(state.as_deref()))
    }

    fn inverse(&self, context: &mut Context<'_>, state: &mut BitCounts) -> rusqlite::Result<()> {
        Bits::count(context, state, |count| *count = count.saturating_sub(1))
    }
}

/// The one value of a scalar subquery.
struct Single;

impl Aggregate<Option<Value>, Value> for Single {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Value>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, state: &mut Option<Value>) -> rusqlite::Result<()> {
        if state.is_some() {
            return Err(raise(SqlError::new(
                "21000",
                "more than one row returned by a subquery used as an expression",
            )));
        }
        *state = Some(context.get_raw(0).try_into()?);
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        state: Option<Option<Value>>,
    ) -> rusqlite::Result<Value> {
        Ok(state.flatten().unwrap_or(Value::Null))
    }
}
