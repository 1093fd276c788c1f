//! `text/csv` bodies: a header line, then rows; the word `NULL` outside of quotes is null.

use std::borrow::Cow;

use super::{Cell, MAX_ROWS, Payload};
use crate::error::Error;

/// The rows below the header.
pub(super) fn rows(text: &str) -> Result<Payload<'static>, Error> {
    let mut records = records(text)?.into_iter();
    let header = records.next().ok_or(Error::RaggedCsv)?;
    let columns: Vec<Cow<'static, str>> = header
        .into_iter()
        .map(|field| Cow::Owned(field.text))
        .collect();
    let mut rows = Vec::new();
    for record in records {
        if record.len() != columns.len() {
            return Err(Error::RaggedCsv);
        }
        if rows.len() == MAX_ROWS {
            return Err(Error::TooMany {
                what: "rows in the body",
                limit: MAX_ROWS,
            });
        }
        rows.push(record.into_iter().map(Field::into_cell).collect());
    }
    Ok(Payload { columns, rows })
}

#[derive(Default)]
struct Field {
    text: String,
    quoted: bool,
}

impl Field {
    fn into_cell(self) -> Cell<'static> {
        if !self.quoted && self.text == "NULL" {
            return Cell::Null;
        }
        Cell::Text(Cow::Owned(self.text))
    }
}

fn records(text: &str) -> Result<Vec<Vec<Field>>, Error> {
    let mut records = Vec::new();
    let (mut record, mut field) = (Vec::new(), Field::default());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if field.text.is_empty() && !field.quoted => {
                field.quoted = true;
                loop {
                    match chars.next().ok_or(Error::RaggedCsv)? {
                        '"' if chars.next_if_eq(&'"').is_none() => break,
                        c => field.text.push(c),
                    }
                }
            }
            ',' => record.push(std::mem::take(&mut field)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            '\0' => return Err(Error::NulCharacter),
            c => field.text.push(c),
        }
    }
    if !field.text.is_empty() || field.quoted || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    Ok(records)
}
