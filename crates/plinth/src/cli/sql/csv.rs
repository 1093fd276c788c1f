//! Byte for byte what `psql --csv` writes: a header line and a line a row, quoted only where needed, null as nothing.

use crate::control::ColumnReply;

/// One result.
pub(super) fn render(columns: &[ColumnReply], rows: &[Vec<Option<String>>]) -> String {
    let mut text = String::new();
    line(&mut text, columns.iter().map(|column| column.name.as_str()));
    // Rows without columns leave no line behind, in psql either.
    for row in rows.iter().filter(|row| !row.is_empty()) {
        line(
            &mut text,
            row.iter().map(|value| value.as_deref().unwrap_or_default()),
        );
    }
    text
}

fn line<'a>(text: &mut String, fields: impl Iterator<Item = &'a str>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            text.push(',');
        }
        // `\.` alone would end the data of a COPY that reads this.
        if field.contains([',', '"', '\n', '\r']) || field == "\\." {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ColumnKind;

    fn columns(names: &[&str]) -> Vec<ColumnReply> {
        names
            .iter()
            .map(|name| ColumnReply {
                name: (*name).to_owned(),
                kind: ColumnKind::Text,
            })
            .collect()
    }

    /// The expected text is what psql 15 wrote for the same values.
    #[test]
    fn quotes_what_psql_quotes() {
        let row = ["1", "x,y", "", "", "l1\nl2", "\"q\"", "\\.", " sp "];
        let mut row: Vec<_> = row.iter().map(|value| Some((*value).to_owned())).collect();
        row[2] = None;
        assert_eq!(
            render(
                &columns(&["a", "b c", "n", "e", "nl", "q", "dot", "sp"]),
                &[row]
            ),
            "a,b c,n,e,nl,q,dot,sp\n1,\"x,y\",,,\"l1\nl2\",\"\"\"q\"\"\",\"\\.\", sp \n"
        );
    }

    #[test]
    fn an_empty_result_has_its_header() {
        assert_eq!(render(&columns(&["a", "b"]), &[]), "a,b\n");
        assert_eq!(render(&[], &[Vec::new()]), "\n");
    }
}
