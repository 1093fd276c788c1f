//! Bounds on everything a stranger can make grow.

use std::time::Duration;

/// How much of everything. Each is a setting; the defaults are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body of a REST request.
    pub rest_body_bytes: usize,
    /// Largest body of an auth request.
    pub auth_body_bytes: usize,
    /// Longest request target, path and query together.
    pub url_bytes: usize,
    /// All request headers together, names and values.
    pub header_bytes: usize,
    /// How deep `and=(or(…))` may nest.
    pub filter_depth: usize,
    /// Filters in one request.
    pub filters: usize,
    /// Rows in one answer to a read.
    pub page_rows: u64,
    /// Longest statement of signed-in callers and service keys.
    pub statement_timeout: Duration,
    /// Longest statement of anonymous callers, who cost nothing to multiply.
    pub anonymous_statement_timeout: Duration,
    /// Longest wait for a connection or for the writer's queue.
    pub connection_wait: Duration,
    /// Largest uploaded file.
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
            statement_timeout: Duration::from_secs(8),
            anonymous_statement_timeout: Duration::from_secs(3),
            connection_wait: Duration::from_secs(10),
            upload_bytes: 50 << 20,
        }
    }
}
