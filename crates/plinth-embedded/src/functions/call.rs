//! How our functions see their arguments and give their results.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::types::interval::Interval;
use plinth_sql::types::io::{Stored, StoredRef};
use plinth_sql::types::numeric::Numeric;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::raise;
use crate::state::ConnState;

/// Any number of arguments.
pub(super) const MANY: i32 = -1;
/// What `json(…)` marks its result with: an array or row, not a text.
const JSON_SUBTYPE: u32 = b'J' as u32;

/// A function of its arguments alone.
pub(super) type Body = fn(&Args<'_>) -> Result<Out, SqlError>;
/// A function that also reads the connection's state.
pub(super) type StatefulBody = fn(&Args<'_>, &ConnState) -> Result<Out, SqlError>;

/// A function to register.
pub(super) struct Entry<B> {
    pub(super) name: &'static str,
    /// Number of arguments, or [`MANY`].
    pub(super) arity: i32,
    /// A NULL argument makes the result NULL, without a call.
    pub(super) strict: bool,
    pub(super) body: B,
}

/// A pure function.
pub(super) type Function = Entry<Body>;
/// A function that reads the state.
pub(super) type StatefulFunction = Entry<StatefulBody>;

/// One that is not called with NULL.
pub(super) const fn strict<B>(name: &'static str, arity: i32, body: B) -> Entry<B> {
    Entry {
        name,
        arity,
        strict: true,
        body,
    }
}

/// One that sees NULL.
pub(super) const fn lenient<B>(name: &'static str, arity: i32, body: B) -> Entry<B> {
    Entry {
        name,
        arity,
        strict: false,
        body,
    }
}

/// What a function of these arguments may be used for: indexes, constraints, moving out of loops.
pub(super) const PURE: FunctionFlags = FunctionFlags::SQLITE_UTF8
    .union(FunctionFlags::SQLITE_DETERMINISTIC)
    .union(FunctionFlags::SQLITE_INNOCUOUS)
    .union(FunctionFlags::SQLITE_SUBTYPE);

pub(super) fn register_pure(connection: &Connection, function: &Function) -> rusqlite::Result<()> {
    let (body, strict) = (function.body, function.strict);
    connection.create_scalar_function(function.name, function.arity, PURE, move |context| {
        let args = Args { context };
        if strict && args.any_null() {
            return Ok(Out::Null);
        }
        body(&args).map_err(raise)
    })
}

/// `fixed`: gives the same for the same arguments as long as catalog and transaction stay the same, so that an index may
/// hold it (as for a cast of text to an enum).
pub(super) fn register_stateful(
    connection: &Connection,
    function: &StatefulFunction,
    state: &Arc<ConnState>,
    fixed: bool,
) -> rusqlite::Result<()> {
    let (body, strict) = (function.body, function.strict);
    // The connection owns its functions and the state does not own the connection: no cycle.
    let state = state.clone();
    let flags = if fixed {
        PURE
    } else {
        FunctionFlags::SQLITE_UTF8
    };
    connection.create_scalar_function(function.name, function.arity, flags, move |context| {
        let args = Args { context };
        if strict && args.any_null() {
            return Ok(Out::Null);
        }
        body(&args, &state).map_err(raise)
    })
}

/// The arguments of a call. Reading one as another type than it has is an internal error, not a panic.
pub(super) struct Args<'a> {
    context: &'a Context<'a>,
}

impl<'a> Args<'a> {
    /// The arguments of an aggregate's step.
    pub(super) fn of(context: &'a Context<'a>) -> Args<'a> {
        Args { context }
    }

    pub(super) fn len(&self) -> usize {
        self.context.len()
    }

    fn any_null(&self) -> bool {
        (0..self.len()).any(|place| self.is_null(place))
    }

    /// NULL, or not there at all.
    pub(super) fn is_null(&self, place: usize) -> bool {
        matches!(self.value(place), ValueRef::Null)
    }

    pub(super) fn value(&self, place: usize) -> ValueRef<'a> {
        if place < self.len() {
            self.context.get_raw(place)
        } else {
            ValueRef::Null
        }
    }

    /// Whether the argument comes from `json(…)`.
    pub(super) fn is_json(&self, place: usize) -> bool {
        place < self.len() && self.context.get_subtype(place) == JSON_SUBTYPE
    }

    pub(super) fn int(&self, place: usize) -> Result<i64, SqlError> {
        match self.value(place) {
            ValueRef::Integer(value) => Ok(value),
            other => Err(unexpected("an integer", place, other)),
        }
    }

    pub(super) fn bool(&self, place: usize) -> Result<bool, SqlError> {
        Ok(self.int(place)? != 0)
    }

    pub(super) fn real(&self, place: usize) -> Result<f64, SqlError> {
        match self.value(place) {
            ValueRef::Real(value) => Ok(value),
            #[expect(
                clippy::cast_precision_loss,
                reason = "SQLite keeps whole reals as integers here and there"
            )]
            ValueRef::Integer(value) => Ok(value as f64),
            other => Err(unexpected("a real", place, other)),
        }
    }

    pub(super) fn text(&self, place: usize) -> Result<&'a str, SqlError> {
        match self.value(place) {
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map_err(|_| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\"")),
            other => Err(unexpected("text", place, other)),
        }
    }

    /// The text, or nothing for NULL and arguments that were left out.
    pub(super) fn maybe_text(&self, place: usize) -> Result<Option<&'a str>, SqlError> {
        if self.is_null(place) {
            Ok(None)
        } else {
            self.text(place).map(Some)
        }
    }

    pub(super) fn maybe_int(&self, place: usize) -> Result<Option<i64>, SqlError> {
        if self.is_null(place) {
            Ok(None)
        } else {
            self.int(place).map(Some)
        }
    }

    /// Bytes, of a blob or a text.
    pub(super) fn bytes(&self, place: usize) -> Result<&'a [u8], SqlError> {
        match self.value(place) {
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => Ok(bytes),
            other => Err(unexpected("bytes", place, other)),
        }
    }

    pub(super) fn numeric(&self, place: usize) -> Result<Numeric, SqlError> {
        match self.value(place) {
            ValueRef::Integer(value) => Ok(Numeric::from(value)),
            _ => self.text(place)?.parse(),
        }
    }

    pub(super) fn interval(&self, place: usize) -> Result<Interval, SqlError> {
        let text = self.text(place)?;
        Interval::from_storage(text)
            .ok_or_else(|| SqlError::new("XX001", "a stored interval is damaged"))
    }

    /// Days since 2000-01-01.
    pub(super) fn date(&self, place: usize) -> Result<i32, SqlError> {
        i32::try_from(self.int(place)?).map_err(|_| SqlError::new("22008", "date out of range"))
    }

    pub(super) fn stored(&self, place: usize) -> Result<StoredRef<'a>, SqlError> {
        Ok(match self.value(place) {
            ValueRef::Null => StoredRef::Null,
            ValueRef::Integer(value) => StoredRef::Int(value),
            ValueRef::Real(value) => StoredRef::Real(value),
            ValueRef::Text(_) => StoredRef::Text(self.text(place)?),
            ValueRef::Blob(bytes) => StoredRef::Blob(bytes),
        })
    }
}

fn unexpected(wanted: &str, place: usize, value: ValueRef<'_>) -> SqlError {
    SqlError::new(
        "XX000",
        format!(
            "argument {} is {} instead of {wanted}",
            place + 1,
            value.data_type()
        ),
    )
}

/// A function's result.
#[derive(Debug)]
pub(super) enum Out {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Static(&'static str),
    Blob(Vec<u8>),
    /// The argument at this place, unchanged.
    Arg(usize),
}

impl ToSql for Out {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Out::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Out::Int(value) => ToSqlOutput::Borrowed(ValueRef::Integer(*value)),
            // SQLite has no such value and would store NULL.
            Out::Real(value) if value.is_nan() => {
                return Err(raise(SqlError::unsupported(
                    "NaN in a value of type real or double precision",
                )));
            }
            Out::Real(value) => ToSqlOutput::Borrowed(ValueRef::Real(*value)),
            Out::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Out::Static(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Out::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Out::Arg(place) => ToSqlOutput::Arg(*place),
        })
    }
}

impl From<i64> for Out {
    fn from(value: i64) -> Out {
        Out::Int(value)
    }
}

impl From<i32> for Out {
    fn from(value: i32) -> Out {
        Out::Int(value.into())
    }
}

impl From<usize> for Out {
    fn from(value: usize) -> Out {
        Out::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Out {
    fn from(value: bool) -> Out {
        Out::Int(value.into())
    }
}

impl From<f64> for Out {
    fn from(value: f64) -> Out {
        Out::Real(value)
    }
}

impl From<String> for Out {
    fn from(value: String) -> Out {
        Out::Text(value)
    }
}

impl From<&str> for Out {
    fn from(value: &str) -> Out {
        Out::Text(value.to_owned())
    }
}

impl From<Vec<u8>> for Out {
    fn from(value: Vec<u8>) -> Out {
        Out::Blob(value)
    }
}

impl From<Numeric> for Out {
    fn from(value: Numeric) -> Out {
        Out::Text(value.to_string())
    }
}

impl From<Interval> for Out {
    fn from(value: Interval) -> Out {
        Out::Text(value.to_storage())
    }
}

impl From<Stored> for Out {
    fn from(value: Stored) -> Out {
        match value {
            Stored::Null => Out::Null,
            Stored::Int(value) => Out::Int(value),
            Stored::Real(value) => Out::Real(value),
            Stored::Text(value) => Out::Text(value),
            Stored::Blob(value) => Out::Blob(value),
        }
    }
}

impl<T: Into<Out>> From<Option<T>> for Out {
    fn from(value: Option<T>) -> Out {
        value.map_or(Out::Null, Into::into)
    }
}

/// UTF-8 text that our own writers made.
pub(super) fn utf8(bytes: Vec<u8>) -> Out {
    Out::Text(
        String::from_utf8(bytes)
            .unwrap_or_else(|fault| String::from_utf8_lossy(fault.as_bytes()).into_owned()),
    )
}

/// SQLite's bound on one text or blob is a gigabyte; ours is what a server can bear.
pub(super) const MAX_BYTES: usize = 256 * 1024 * 1024;

/// `54000` for a result that would be larger than [`MAX_BYTES`].
pub(super) fn bounded(bytes: usize) -> Result<(), SqlError> {
    if bytes > MAX_BYTES {
        Err(SqlError::new("54000", "requested length too large"))
    } else {
        Ok(())
    }
}
