//! Roles.

/// `CREATE ROLE` and `ALTER ROLE`; none where not written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// `LOGIN`.
    pub login: Option<bool>,
    /// `SUPERUSER`.
    pub superuser: Option<bool>,
    /// `BYPASSRLS`.
    pub bypass_rls: Option<bool>,
    /// `INHERIT`.
    pub inherit: Option<bool>,
    /// `CREATEROLE`.
    pub create_role: Option<bool>,
    /// `CREATEDB`.
    pub create_db: Option<bool>,
    /// `REPLICATION`.
    pub replication: Option<bool>,
    /// `IN ROLE`.
    pub member_of: Vec<String>,
    /// `PASSWORD` was written (its value is never kept).
    pub password: bool,
}
