//! Schemas.
//!
//! The system's own two are listed like the others, because names in them are looked up by privilege too; what they hold
//! is not read.

use std::collections::BTreeMap;

use plinth_sql::catalog::Schema;
use tokio_postgres::{Error, Row};

use super::acls::Acls;

pub(super) const QUERY: &str = "
select n.oid, n.nspname::text as name, pg_get_userbyid(n.nspowner)::text as owner,
  obj_description(n.oid, 'pg_namespace') as comment
from pg_namespace n
where n.nspname !~ '^pg_(toast|temp)'
";

/// Schemas by name.
pub(super) fn read(rows: &[Row], acls: &mut Acls) -> Result<BTreeMap<String, Schema>, Error> {
    rows.iter()
        .map(|row| {
            let schema = Schema {
                owner: row.try_get("owner")?,
                acl: acls
                    .take("schema", row.try_get("oid")?, 0)
                    .unwrap_or_default(),
                comment: row.try_get("comment")?,
            };
            Ok((row.try_get("name")?, schema))
        })
        .collect()
}
