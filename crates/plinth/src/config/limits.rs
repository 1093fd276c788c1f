//! Bounds on what a stranger can make grow.

use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;

/// `[limits]`. Sizes in bytes, times in milliseconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// Body of a REST request.
    pub rest_body_bytes: usize,
    /// Body of an auth request.
    pub auth_body_bytes: usize,
    /// Path and query string.
    pub url_bytes: usize,
    /// All headers together.
    pub header_bytes: usize,
    /// `and(or(and(…)))`.
    pub filter_depth: usize,
    /// Filters in one request.
    pub filters: usize,
    /// Rows in one answer.
    pub page_rows: u64,
    /// A statement of a signed-in caller or a service key.
    pub statement_timeout_ms: u64,
    /// A statement of an anonymous caller.
    pub anonymous_statement_timeout_ms: u64,
    /// Waiting for a connection or the writer's queue.
    pub connection_wait_ms: u64,
    /// An uploaded file.
    pub upload_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            rest_body_bytes: 8 << 20,
            auth_body_bytes: 1 << 20,
            url_bytes: 64 << 10,
            header_bytes: 32 << 10,
            filter_depth: 10,
            filters: 1000,
            page_rows: 1000,
            statement_timeout_ms: 8000,
            anonymous_statement_timeout_ms: 3000,
            connection_wait_ms: 10_000,
            upload_bytes: 50 << 20,
        }
    }
}

impl From<&Limits> for plinth_http::Limits {
    fn from(limits: &Limits) -> plinth_http::Limits {
        plinth_http::Limits {
            rest_body_bytes: limits.rest_body_bytes,
            auth_body_bytes: limits.auth_body_bytes,
            url_bytes: limits.url_bytes,
            header_bytes: limits.header_bytes,
            filter_depth: limits.filter_depth,
            filters: limits.filters,
            page_rows: limits.page_rows,
            statement_timeout: Duration::from_millis(limits.statement_timeout_ms),
            anonymous_statement_timeout: Duration::from_millis(
                limits.anonymous_statement_timeout_ms,
            ),
            connection_wait: Duration::from_millis(limits.connection_wait_ms),
            upload_bytes: limits.upload_bytes,
        }
    }
}

impl Limits {
    /// A limit of nothing would refuse everything; that is a slip, not a wish.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        let all = [
            ("rest_body_bytes", self.rest_body_bytes as u64),
            ("auth_body_bytes", self.auth_body_bytes as u64),
            ("url_bytes", self.url_bytes as u64),
            ("header_bytes", self.header_bytes as u64),
            ("filter_depth", self.filter_depth as u64),
            ("filters", self.filters as u64),
            ("page_rows", self.page_rows),
            ("statement_timeout_ms", self.statement_timeout_ms),
            (
                "anonymous_statement_timeout_ms",
                self.anonymous_statement_timeout_ms,
            ),
            ("connection_wait_ms", self.connection_wait_ms),
            ("upload_bytes", self.upload_bytes),
        ];
        match all.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => bail!("limits.{key} must be at least 1"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_routes() {
        assert_eq!(
            plinth_http::Limits::from(&Limits::default()),
            plinth_http::Limits::default()
        );
    }
}
