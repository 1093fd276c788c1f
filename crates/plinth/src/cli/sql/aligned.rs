//! A table as psql draws it.

use unicode_width::UnicodeWidthStr;

use crate::control::{ColumnKind, ColumnReply};

/// One result with its row count and an empty line after it.
pub(super) fn render(columns: &[ColumnReply], rows: &[Vec<Option<String>>]) -> String {
    let names: Vec<Vec<String>> = columns.iter().map(|column| lines(&column.name)).collect();
    let cells: Vec<Vec<Vec<String>>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|value| lines(value.as_deref().unwrap_or_default()))
                .collect()
        })
        .collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|place| {
            let all = names
                .get(place)
                .into_iter()
                .chain(cells.iter().filter_map(|row| row.get(place)));
            all.flatten()
                .map(|line| line.width())
                .max()
                .unwrap_or_default()
        })
        .collect();
    let mut text = String::new();
    draw(&mut text, &names, &widths, |_| Edge::Centre);
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    // psql draws two dashes for a result without columns.
    text.push_str(
        if rule.is_empty() {
            "--".to_owned()
        } else {
            rule.join("+")
        }
        .as_str(),
    );
    text.push('\n');
    for row in cells.iter().filter(|row| !row.is_empty()) {
        draw(&mut text, row, &widths, |place| {
            match columns.get(place).map(|column| column.kind) {
                Some(ColumnKind::Number) => Edge::Right,
                _ => Edge::Left,
            }
        });
    }
    let count = rows.len();
    text + &format!("({count} row{})\n\n", if count == 1 { "" } else { "s" })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Left,
    Right,
    Centre,
}

/// One row, which is as high as its highest cell. A `+` says that a cell goes on below.
fn draw(text: &mut String, row: &[Vec<String>], widths: &[usize], edge: impl Fn(usize) -> Edge) {
    let height = row.iter().map(Vec::len).max().unwrap_or_default();
    for at in 0..height {
        for (place, (cell, width)) in row.iter().zip(widths).enumerate() {
            let line = cell.get(at).map_or("", String::as_str);
            let goes_on = at + 1 < cell.len();
            let last = place + 1 == row.len();
            let space = width.saturating_sub(line.width());
            let (before, after) = match edge(place) {
                Edge::Left => (0, space),
                Edge::Right => (space, 0),
                Edge::Centre => (space / 2, space - space / 2),
            };
            text.push_str(if place == 0 { " " } else { "| " });
            text.push_str(&" ".repeat(before));
            text.push_str(line);
            // The last cell of a data row is not filled up.
            if !last || goes_on || edge(place) == Edge::Centre {
                text.push_str(&" ".repeat(after));
            }
            if goes_on {
                text.push('+');
            } else if !last || edge(place) == Edge::Centre {
                text.push(' ');
            }
        }
        text.push('\n');
    }
}

/// The lines of a value, with tabs set at every eighth column and other control characters made visible.
fn lines(value: &str) -> Vec<String> {
    value.split('\n').map(visible).collect()
}

fn visible(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => text.push_str(&" ".repeat(8 - text.width() % 8)),
            '\r' => text.push_str("\\r"),
            c if c.is_ascii_control() => {
                let shown = format!("\\x{:02X}", u32::from(c));
                text.push_str(&shown);
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: ColumnKind) -> ColumnReply {
        ColumnReply {
            name: name.to_owned(),
            kind,
        }
    }

    fn row(values: &[&str]) -> Vec<Option<String>> {
        values
            .iter()
            .map(|value| Some((*value).to_owned()))
            .collect()
    }

    /// The expected texts are what psql 15 drew.
    #[test]
    fn numbers_stand_right_and_lines_go_on_below() {
        let columns = [
            column("num", ColumnKind::Number),
            column("b", ColumnKind::Boolean),
            column("txt", ColumnKind::Text),
            column("tb", ColumnKind::Text),
            column("w", ColumnKind::Text),
        ];
        let rows = [row(&["1.5", "t", "multi\nline", "tab\there", "wïde日本"])];
        let expected = " num | b |  txt  |      tb      |    w     \n\
                        -----+---+-------+--------------+----------\n \
                        1.5 | t | multi+| tab     here | wïde日本\n     \
                        |   | line  |              | \n\
                        (1 row)\n\n";
        assert_eq!(render(&columns, &rows), expected);
    }

    #[test]
    fn narrow_values_stand_under_wide_names() {
        assert_eq!(
            render(&[column("a'b", ColumnKind::Number)], &[row(&["1"])]),
            " a'b \n-----\n   1\n(1 row)\n\n"
        );
        assert_eq!(
            render(&[column("a", ColumnKind::Text)], &[]),
            " a \n---\n(0 rows)\n\n"
        );
        assert_eq!(render(&[], &[Vec::new()]), "--\n(1 row)\n\n");
    }
}
