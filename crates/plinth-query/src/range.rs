//! Pages: the `Range` header going in, `Content-Range` coming out.

use crate::error::{Error, RangeProblem};

/// `Range: 0-9` or `Range: 10-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeHeader {
    /// The first row, from 0.
    pub first: u64,
    /// The last row.
    pub last: Option<u64>,
}

/// Which rows of all that match are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Rows skipped.
    pub offset: u64,
    /// At most so many.
    pub limit: Option<u64>,
}

/// How a page is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Counted, and not everything: 206 rather than 200.
    pub partial: bool,
    /// The `Content-Range` header.
    pub content_range: String,
}

impl RangeHeader {
    /// Reads the header. `None` for what cannot be read, which is ignored; an upside-down range is an error.
    pub fn parse(header: &str) -> Result<Option<RangeHeader>, Error> {
        let text = header.trim();
        let text = text.strip_prefix("items=").unwrap_or(text);
        let Some((first, last)) = text.split_once('-') else {
            return Ok(None);
        };
        let Ok(first) = first.trim().parse::<u64>() else {
            return Ok(None);
        };
        let last = match last.trim() {
            "" => None,
            last => match last.parse::<u64>() {
                Ok(last) => Some(last),
                Err(_) => return Ok(None),
            },
        };
        if last.is_some_and(|last| last < first) {
            return Err(Error::Range(RangeProblem::Empty));
        }
        Ok(Some(RangeHeader { first, last }))
    }
}

impl Window {
    /// `limit` and `offset` as written, within the header's range and the server's maximum.
    pub fn new(
        limit: Option<i64>,
        offset: Option<i64>,
        header: Option<RangeHeader>,
        max_rows: Option<u64>,
    ) -> Result<Window, Error> {
        let negative = |which| Error::Range(RangeProblem::Negative(which));
        let mut limit = limit
            .map(u64::try_from)
            .transpose()
            .map_err(|_| negative("Limit"))?;
        let mut offset = offset
            .map(u64::try_from)
            .transpose()
            .map_err(|_| negative("Offset"))?
            .unwrap_or(0);
        if let Some(range) = header {
            let end = limit.map(|limit| offset.saturating_add(limit));
            let header_end = range.last.map(|last| last.saturating_add(1));
            let first = offset.max(range.first);
            let end = match (end, header_end) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (one, other) => one.or(other),
            };
            if end.is_some_and(|end| end < first || (end == first && limit != Some(0))) {
                return Err(Error::Range(RangeProblem::Empty));
            }
            offset = first;
            limit = end.map(|end| end - first);
        }
        let limit = match (limit, max_rows) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Ok(Window {
            offset: offset.min(i64::MAX as u64),
            limit,
        })
    }

    /// What to say about `rows` rows of this window, when `total` match in all (if that was counted).
    pub fn page(self, rows: u64, total: Option<u64>) -> Result<Page, Error> {
        let Window { offset, .. } = self;
        if let Some(total) = total.filter(|total| offset > *total) {
            return Err(Error::Range(RangeProblem::Beyond { offset, total }));
        }
        Ok(Page {
            partial: total.is_some_and(|total| rows < total),
            content_range: content_range(offset, rows, total),
        })
    }
}

/// `0-9/57`, `*/*`, …: `rows` rows after `offset` of `total`.
pub fn content_range(offset: u64, rows: u64, total: Option<u64>) -> String {
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    match rows.checked_sub(1) {
        None => format!("*/{total}"),
        Some(more) => format!("{offset}-{}/{total}", offset.saturating_add(more)),
    }
}
