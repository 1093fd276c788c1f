//! Enum types.

use std::collections::BTreeMap;
use std::sync::Arc;

use plinth_sql::catalog::{EnumType, QName};
use tokio_postgres::{Error, Row};

pub(super) const QUERY: &str = "
select t.oid, n.nspname::text as schema, t.typname::text as name, pg_get_userbyid(t.typowner)::text as owner,
  array(
    select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder) as labels,
  obj_description(t.oid, 'pg_type') as comment
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where t.typtype = 'e' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
";

/// Enums by name.
pub(super) fn read(rows: &[Row]) -> Result<BTreeMap<QName, Arc<EnumType>>, Error> {
    rows.iter()
        .map(|row| {
            let name = QName {
                schema: row.try_get("schema")?,
                name: row.try_get("name")?,
            };
            let found = EnumType {
                oid: row.try_get("oid")?,
                name: name.clone(),
                owner: row.try_get("owner")?,
                labels: row.try_get("labels")?,
                comment: row.try_get("comment")?,
            };
            Ok((name, Arc::new(found)))
        })
        .collect()
}
