//! What works on objects of every kind: `DROP` and `COMMENT ON`.

use crate::ast::{ObjectName, TypeName};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as Postgres names it")]
pub enum ObjectKind {
    Table,
    View,
    MaterializedView,
    Index,
    Sequence,
    Schema,
    Type,
    Domain,
    Function,
    Procedure,
    Policy,
    Trigger,
    Role,
    Extension,
    Column,
    Constraint,
    Database,
    Publication,
}

/// `DROP kind [IF EXISTS] a, b [CASCADE]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Drop {
    /// What kind.
    pub object: ObjectKind,
    /// Which. For `ON table` kinds (policy, trigger) the name is the object's own.
    pub names: Vec<ObjectName>,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// `CASCADE`.
    pub cascade: bool,
    /// `ON table`, for policies and triggers.
    pub table: Option<ObjectName>,
    /// Argument types of each function, when written; parallel to `names`.
    pub arguments: Vec<Option<Vec<TypeName>>>,
}

/// `COMMENT ON kind name IS text`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comment {
    /// What kind.
    pub object: ObjectKind,
    /// Which; for a column, its table; for policies, triggers and constraints their own name.
    pub name: ObjectName,
    /// The column, for columns.
    pub column: Option<String>,
    /// `ON table`, for policies, triggers and constraints.
    pub table: Option<ObjectName>,
    /// None removes it.
    pub text: Option<String>,
}
