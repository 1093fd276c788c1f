//! Statements whose values go and come as text, by the simple protocol: the product's own work, and scripts.
//!
//! The server prints every type as `psql` shows it, whatever it is. Values are written into the statement as constants of
//! unknown type, which the server types by where they stand, as it does with parameters.

use plinth_sql::SqlError;
use plinth_sql::ast::{Expr, Statement, VisitMut, walk_expr};
use plinth_sql::print;
use plinth_sql::session::{RowColumn, RowSet};
use plinth_sql::types::Type;
use tokio_postgres::SimpleQueryMessage;

use crate::error::Result;

/// A statement's text with its parameters' values in it.
pub(crate) fn filled(statement: &Statement, values: &[Option<String>]) -> Result<String> {
    let mut statement = statement.clone();
    let mut filling = Filling {
        values,
        fault: None,
    };
    filling.statement(&mut statement);
    match filling.fault {
        Some(fault) => Err(fault.into()),
        None => Ok(print::statement(&statement)),
    }
}

/// A value as a constant.
pub(crate) fn constant(text: &str) -> Result<String> {
    Ok(print::literal(without_zero(text)?))
}

/// A message ends at its first zero byte.
fn without_zero(text: &str) -> Result<&str, SqlError> {
    match text.contains('\0') {
        false => Ok(text),
        true => Err(SqlError::new(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )),
    }
}

struct Filling<'a> {
    values: &'a [Option<String>],
    fault: Option<SqlError>,
}

impl VisitMut for Filling<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        let Expr::Param(number) = *expr else {
            walk_expr(self, expr);
            return;
        };
        let place = usize::try_from(number).unwrap_or_default().wrapping_sub(1);
        *expr = match self.values.get(place) {
            Some(Some(text)) => match without_zero(text) {
                Ok(text) => Expr::String(text.to_owned()),
                Err(fault) => {
                    self.fault.get_or_insert(fault);
                    Expr::Null
                }
            },
            Some(None) => Expr::Null,
            None => {
                let unknown = format!("there is no parameter ${number}");
                self.fault.get_or_insert(SqlError::new("42P02", unknown));
                Expr::Null
            }
        };
    }
}

/// The results of the statements of one message, in order.
pub(crate) fn results(messages: Vec<SimpleQueryMessage>) -> Vec<RowSet> {
    let mut sets = Vec::new();
    let mut set = RowSet::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                set.returns_rows = true;
                set.columns = columns
                    .iter()
                    .map(|column| RowColumn {
                        name: column.name().to_owned(),
                        ty: Type::Text,
                    })
                    .collect();
            }
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|place| row.get(place).map(str::to_owned));
                set.rows.push(values.collect());
            }
            SimpleQueryMessage::CommandComplete(affected) => {
                set.affected = affected;
                sets.push(std::mem::take(&mut set));
            }
            _ => {}
        }
    }
    sets
}

/// The command tag of a statement that did this to so many rows, which the client library keeps to itself.
pub(crate) fn tag(sql: &str, affected: u64) -> String {
    let words = plinth_sql::parse::leading_words(sql, 4);
    let mut words = words.iter().map(|word| word.to_ascii_uppercase());
    let verb = words.next().unwrap_or_default();
    match verb.as_str() {
        "INSERT" => format!("INSERT 0 {affected}"),
        "SELECT" | "UPDATE" | "DELETE" | "MERGE" => format!("{verb} {affected}"),
        "VALUES" | "TABLE" | "WITH" => format!("SELECT {affected}"),
        "CREATE" | "ALTER" | "DROP" => {
            let adjectives = [
                "OR",
                "REPLACE",
                "UNIQUE",
                "TEMP",
                "TEMPORARY",
                "RECURSIVE",
                "UNLOGGED",
            ];
            let kind = words.find(|word| !adjectives.contains(&word.as_str()));
            format!("{verb} {}", kind.unwrap_or_default())
        }
        "TRUNCATE" => "TRUNCATE TABLE".to_owned(),
        "START" => "START TRANSACTION".to_owned(),
        "END" => "COMMIT".to_owned(),
        "ABORT" => "ROLLBACK".to_owned(),
        _ => verb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_constants_of_no_type() {
        let statement = plinth_sql::parse::statement("select $1 || $2, $1").unwrap();
        let values = [Some("it's \\".to_owned()), None];
        let text = filled(&statement, &values).unwrap();
        assert_eq!(text, r"SELECT E'it''s \\' || NULL, E'it''s \\'");
        assert!(filled(&statement, &values[..1]).is_err());
    }

    #[test]
    fn constants_end_where_they_should() {
        let quoted = |text| constant(text).unwrap();
        assert_eq!(quoted("a"), "'a'");
        assert_eq!(quoted("it's"), "'it''s'");
        assert_eq!(
            quoted("\\'; drop table t; --"),
            "E'\\\\''; drop table t; --'"
        );
        assert!(constant("\0").is_err());
    }

    #[test]
    fn tags_are_those_of_the_server() {
        assert_eq!(tag("insert into t values (1)", 1), "INSERT 0 1");
        assert_eq!(
            tag("-- a\ncreate or replace view v as select 1", 0),
            "CREATE VIEW"
        );
        assert_eq!(tag("/* b */ with a as (select 1) table a", 3), "SELECT 3");
        assert_eq!(tag("drop table t", 0), "DROP TABLE");
    }
}
