//! Migrations: a folder of Postgres SQL, each file run once, in name order, in a transaction of its own.
//!
//! What has run is kept where Supabase's own tools keep it (`supabase_migrations.schema_migrations`), with checksums
//! beside it (`plinth.migration_files`), so that an edited file is noticed. Our own modules (`auth`, `storage`, …) are
//! ordinary migrations too, compiled into the binary and kept in `plinth.migrations`.

mod apply;
mod check;
mod error;
mod find;
mod position;
mod seed;
mod status;
mod system;

pub use apply::{Applied, Event, apply};
pub use check::{CheckedFile, Refusal, check};
pub use error::MigrationError;
pub use find::{MigrationFile, find, folder};
pub use position::{Position, position};
pub use seed::{Seed, apply_seed, find_seed};
pub use status::{FileState, FileStatus, status};
pub use system::{SystemMigration, SystemModule, apply_system, system_is_behind};

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::Session;

/// Longest one migration may run. Filling a column of a large table takes its time, a file that never ends must not.
const MIGRATION_TIMEOUT: Duration = Duration::from_hours(1);

fn session() -> Session {
    Session {
        timeout: MIGRATION_TIMEOUT,
        ..Session::system()
    }
}

/// SHA-256 in hex.
fn checksum(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.as_bytes()))
}

/// A `text[]` in Postgres's text form.
fn text_array<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut array = String::from("{");
    for (place, item) in items.enumerate() {
        if place > 0 {
            array.push(',');
        }
        array.push('"');
        for c in item.chars() {
            if matches!(c, '"' | '\\') {
                array.push('\\');
            }
            array.push(c);
        }
        array.push('"');
    }
    array.push('}');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_hex_of_sha256() {
        assert_eq!(
            checksum("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn text_array_escapes_quotes_and_backslashes() {
        assert_eq!(
            text_array(["a", "b\"c\\", ""].into_iter()),
            r#"{"a","b\"c\\",""}"#
        );
    }
}
