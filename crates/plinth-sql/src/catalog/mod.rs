//! What the schema holds: one immutable snapshot, swapped whole when DDL commits.
//!
//! A request takes one snapshot at its start and keeps it to its end. The snapshot is made by an engine; this
//! module only knows its shape and how names are looked up in it.

pub mod apply;
mod lookup;
mod objects;
mod privileges;
mod references;

pub use objects::*;
pub use privileges::*;

use std::collections::BTreeMap;
use std::sync::Arc;

/// One snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// Grows with every change of schema, policies or privileges.
    pub version: u64,
    /// The oid the next new object gets. Oids give objects a stable order of creation.
    pub next_oid: u32,
    /// Schemas by name.
    pub schemas: BTreeMap<String, Schema>,
    /// Tables and views by name.
    pub relations: BTreeMap<QName, Arc<Relation>>,
    /// Enum types by name.
    pub enums: BTreeMap<QName, Arc<EnumType>>,
    /// Sequences by name.
    pub sequences: BTreeMap<QName, Arc<Sequence>>,
    /// Functions by name; overloads in order of creation.
    pub functions: BTreeMap<QName, Vec<Arc<Function>>>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// `ALTER DEFAULT PRIVILEGES`.
    pub default_privileges: Vec<DefaultPrivilege>,
    /// Which tables the API's roles reach without a `GRANT`. A setting of the engine, not part of the schema.
    pub auto_expose: AutoExpose,
}
