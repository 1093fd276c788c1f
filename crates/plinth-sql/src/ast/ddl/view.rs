//! Views.

use crate::ast::{ObjectName, Query};

/// `CREATE [OR REPLACE] VIEW`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `MATERIALIZED`.
    pub materialized: bool,
    /// Column names, when written.
    pub columns: Vec<String>,
    /// `WITH (name = value)`.
    pub options: Vec<(String, Option<String>)>,
    /// The query.
    pub query: Query,
    /// `WITH [LOCAL | CASCADED] CHECK OPTION`.
    pub check_option: bool,
}
