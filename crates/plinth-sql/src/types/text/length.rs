//! `varchar(n)` and `char(n)`.

use std::cmp::Ordering;

use crate::SqlError;
use crate::types::{ColumnType, Type};

/// How a text is brought to its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Storing: only blanks may be cut off, else `22001`.
    Assign,
    /// An explicit cast cuts silently.
    Cast,
}

/// What a `varchar(n)` or `char(n)` makes of a text. A `char(n)` is padded with blanks to its length, and is compared with
/// [`compare_bpchar`].
pub fn apply_length(text: &str, ty: &ColumnType, fit: Fit) -> Result<String, SqlError> {
    let Some((length, _)) = ty.modifier else {
        return Ok(text.to_owned());
    };
    let length = usize::try_from(length).unwrap_or(0);
    let cut = text.char_indices().nth(length).map(|(at, _)| at);
    if let Some(at) = cut {
        if fit == Fit::Assign && !text[at..].bytes().all(|b| b == b' ') {
            return Err(SqlError::new(
                "22001",
                format!("value too long for type {ty}"),
            ));
        }
        return Ok(text[..at].to_owned());
    }
    if ty.ty == Type::Bpchar {
        return Ok(format!("{text:length$}"));
    }
    Ok(text.to_owned())
}

/// The order of `char(n)`: blanks at the end do not count.
pub fn compare_bpchar(a: &str, b: &str) -> Ordering {
    a.trim_end_matches(' ').cmp(b.trim_end_matches(' '))
}
