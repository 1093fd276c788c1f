//! Results read by name and type.

use jiff::Timestamp;
use plinth_sql::session::{RowColumn, RowSet};
use uuid::Uuid;

use crate::Error;

/// The result of one statement, values in Postgres's text form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Result columns.
    pub columns: Vec<RowColumn>,
    /// One entry a column.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows read or changed.
    pub affected: u64,
    /// The command tag: `INSERT 0 1`.
    pub tag: String,
    /// Whether the statement returns rows at all.
    pub returns_rows: bool,
}

/// One row of [`Rows`].
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [RowColumn],
    values: &'a [Option<String>],
}

impl From<RowSet> for Rows {
    fn from(set: RowSet) -> Rows {
        let RowSet {
            columns,
            rows,
            affected,
            tag,
            returns_rows,
        } = set;
        Rows {
            columns,
            rows,
            affected,
            tag,
            returns_rows,
        }
    }
}

impl Rows {
    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row {
            columns: &self.columns,
            values,
        })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The typed readers fail when the column is missing, null (where that is not asked for) or not of the wanted form:
/// faults of our own SQL, so an internal error.
impl<'a> Row<'a> {
    /// The text of a column; `None` for null and for unknown columns.
    pub fn get(&self, column: &str) -> Option<&'a str> {
        let place = self.columns.iter().position(|known| known.name == column)?;
        self.values.get(place)?.as_deref()
    }

    /// A text.
    pub fn text(&self, column: &str) -> Result<String, Error> {
        self.required(column).map(str::to_owned)
    }

    /// A boolean.
    pub fn bool(&self, column: &str) -> Result<bool, Error> {
        Ok(self.required(column)? == "t")
    }

    /// An integer.
    pub fn int(&self, column: &str) -> Result<i64, Error> {
        self.required(column)?
            .parse()
            .map_err(|_| unreadable(column, "an integer"))
    }

    /// A uuid.
    pub fn uuid(&self, column: &str) -> Result<Uuid, Error> {
        self.required(column)?
            .parse()
            .map_err(|_| unreadable(column, "a uuid"))
    }

    /// A json or jsonb document.
    pub fn json(&self, column: &str) -> Result<serde_json::Value, Error> {
        serde_json::from_str(self.required(column)?).map_err(|_| unreadable(column, "json"))
    }

    /// A timestamptz.
    pub fn timestamp(&self, column: &str) -> Result<Timestamp, Error> {
        parse_timestamp(self.required(column)?).ok_or_else(|| unreadable(column, "a timestamptz"))
    }

    /// A timestamptz that may be null.
    pub fn maybe_timestamp(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        match self.get(column) {
            None => Ok(None),
            Some(text) => parse_timestamp(text)
                .map(Some)
                .ok_or_else(|| unreadable(column, "a timestamptz")),
        }
    }

    fn required(&self, column: &str) -> Result<&'a str, Error> {
        self.get(column)
            .ok_or_else(|| unreadable(column, "a value"))
    }
}

/// `2024-01-02 03:04:05.123+00`: the offset may be hours alone, which the general parser wants spelt out.
fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once(' ')?;
    let hours_only = time
        .len()
        .checked_sub(3)
        .is_some_and(|at| matches!(time.as_bytes().get(at), Some(b'+' | b'-')));
    let suffix = if hours_only { ":00" } else { "" };
    format!("{date}T{time}{suffix}").parse().ok()
}

fn unreadable(column: &str, wanted: &str) -> Error {
    Error::Internal(format!("column {column} does not hold {wanted}"))
}
