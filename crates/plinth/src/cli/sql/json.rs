//! An array of objects on one line. Numbers, booleans and documents are themselves, everything else is text.

use serde_json::{Map, Value};

use crate::control::{ColumnKind, ColumnReply};

/// One result.
pub(super) fn render(columns: &[ColumnReply], rows: &[Vec<Option<String>>]) -> String {
    let objects = rows.iter().map(|row| {
        let entries = columns
            .iter()
            .zip(row)
            .map(|(column, value)| (column.name.clone(), entry(column.kind, value.as_deref())));
        Value::Object(entries.collect::<Map<_, _>>())
    });
    format!("{}\n", Value::Array(objects.collect()))
}

fn entry(kind: ColumnKind, value: Option<&str>) -> Value {
    let Some(text) = value else {
        return Value::Null;
    };
    match kind {
        ColumnKind::Boolean => Value::Bool(text == "t"),
        // NaN and the infinities are no JSON numbers, and stay text. Numbers keep every digit.
        ColumnKind::Number | ColumnKind::Json => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
        ColumnKind::Text => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_kind_and_their_digits() {
        let column = |name: &str, kind| ColumnReply {
            name: name.to_owned(),
            kind,
        };
        let columns = [
            column("n", ColumnKind::Number),
            column("b", ColumnKind::Boolean),
            column("j", ColumnKind::Json),
            column("t", ColumnKind::Text),
            column("x", ColumnKind::Number),
            column("z", ColumnKind::Text),
        ];
        let text = |value: &str| Some(value.to_owned());
        let row = vec![
            text("1.50"),
            text("t"),
            text("{\"a\": [1]}"),
            text("é\""),
            text("NaN"),
            None,
        ];
        assert_eq!(
            render(&columns, &[row]),
            "[{\"n\":1.50,\"b\":true,\"j\":{\"a\":[1]},\"t\":\"é\\\"\",\"x\":\"NaN\",\"z\":null}]\n"
        );
    }
}
