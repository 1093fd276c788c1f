//! Rows, put together as the body of an answer.

use plinth_sql::SqlError;
use plinth_sql::shape::BodyFormat;

use crate::batch::Ran;
use crate::error::Result;
use crate::render::Rendered;

/// Largest body that is put together, in bytes.
const BODY_BYTES: usize = 256 * 1024 * 1024;

/// The body that rows are the entries of, and how many were inserted.
pub(crate) fn document(
    rendered: &Rendered,
    format: BodyFormat,
    ran: &Ran,
) -> Result<(Vec<u8>, u64)> {
    let mut inserted = 0;
    if rendered.tells_inserted {
        for row in &ran.rows {
            inserted += u64::from(row.get(1) == Some("t"));
        }
    } else if rendered.inserts {
        inserted = ran.affected;
    }
    let mut body = Vec::new();
    if !rendered.returns_rows {
        return Ok((body, inserted));
    }
    let is_csv = format == BodyFormat::Csv;
    body.extend_from_slice(match &rendered.header {
        Some(header) => header.as_bytes(),
        None => b"[",
    });
    let mut first = true;
    for row in &ran.rows {
        let Some(entry) = row.get(0) else {
            continue;
        };
        match (is_csv, std::mem::replace(&mut first, false)) {
            (true, _) => body.push(b'\n'),
            (false, false) => body.push(b','),
            (false, true) => {}
        }
        if body.len() + entry.len() > BODY_BYTES {
            return Err(SqlError::new("54000", "the answer is too large")
                .hint("Ask for fewer rows at once.")
                .into());
        }
        body.extend_from_slice(entry.as_bytes());
    }
    if !is_csv {
        body.push(b']');
    }
    Ok((body, inserted))
}
