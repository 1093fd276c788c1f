//! The base system module: roles, schemas, bookkeeping, and the tables that migrations refer to whether or not
//! their service is built in. It runs before every other module.

use crate::migrations::SystemModule;

/// Roles, schemas, `plinth.*` and `supabase_migrations`, storage and realtime tables.
///
/// The first migration creates roles, which belong to a cluster rather than to a database: a cluster
/// that has them from another database must skip that file.
pub fn base_module() -> SystemModule {
    SystemModule {
        name: "base",
        migrations: &[
            (
                "0001",
                "roles",
                include_str!("../migrations/0001_roles.sql"),
            ),
            (
                "0002",
                "schemas",
                include_str!("../migrations/0002_schemas.sql"),
            ),
            (
                "0003",
                "storage",
                include_str!("../migrations/0003_storage.sql"),
            ),
            (
                "0004",
                "realtime",
                include_str!("../migrations/0004_realtime.sql"),
            ),
            (
                "0005",
                "key_rotation",
                include_str!("../migrations/0005_key_rotation.sql"),
            ),
        ],
    }
}
