//! Schemas.

/// `CREATE SCHEMA`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreateSchema {
    /// Its name.
    pub name: String,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `AUTHORIZATION role`.
    pub owner: Option<String>,
}
