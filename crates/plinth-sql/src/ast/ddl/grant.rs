//! Privileges: `GRANT`, `REVOKE` and the default ones.

use crate::ast::{ObjectName, TypeName};

/// `GRANT …` or `REVOKE …`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// `REVOKE` rather than `GRANT`.
    pub revoke: bool,
    /// What; empty means `ALL [PRIVILEGES]`.
    pub privileges: Vec<Privilege>,
    /// Columns of `ALL (a, b)`.
    pub all_columns: Vec<String>,
    /// On what.
    pub objects: GrantObjects,
    /// To or from whom; `public` is a name here.
    pub roles: Vec<String>,
    /// `WITH GRANT OPTION`, `WITH ADMIN OPTION` or `GRANT OPTION FOR`.
    pub grant_option: bool,
    /// `CASCADE`.
    pub cascade: bool,
}

/// One privilege.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Privilege {
    /// Lower case: `select`, `insert`, `update`, `delete`, `truncate`, `references`, `trigger`, `usage`, `execute`, `create`, …
    pub name: String,
    /// `(a, b)`.
    pub columns: Vec<String>,
}

/// What is granted on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GrantObjects {
    /// `ON [TABLE] a, b`.
    Tables(Vec<ObjectName>),
    /// `ON ALL TABLES IN SCHEMA a, b`.
    AllTables(Vec<String>),
    /// `ON SEQUENCE a, b`.
    Sequences(Vec<ObjectName>),
    /// `ON ALL SEQUENCES IN SCHEMA a, b`.
    AllSequences(Vec<String>),
    /// `ON FUNCTION | PROCEDURE | ROUTINE f(int), g`.
    Functions(Vec<(ObjectName, Option<Vec<TypeName>>)>),
    /// `ON ALL FUNCTIONS | ROUTINES | PROCEDURES IN SCHEMA a, b`.
    AllFunctions(Vec<String>),
    /// `ON SCHEMA a, b`.
    Schemas(Vec<String>),
    /// `ON TYPE | DOMAIN a, b`.
    Types(Vec<ObjectName>),
    /// `ON DATABASE | LANGUAGE | …`: no meaning here; the text names the kind.
    Other(String),
    /// `GRANT role TO role`: the privileges' place is empty.
    Roles(Vec<String>),
    /// In `ALTER DEFAULT PRIVILEGES`: `tables`, `sequences`, `functions`, `types`, `schemas`.
    Default(String),
}

/// `ALTER DEFAULT PRIVILEGES`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AlterDefaultPrivileges {
    /// `FOR ROLE a, b`; empty means the current one.
    pub for_roles: Vec<String>,
    /// `IN SCHEMA a, b`; empty means all.
    pub schemas: Vec<String>,
    /// Its objects are [`GrantObjects::Default`].
    pub grant: Grant,
}
