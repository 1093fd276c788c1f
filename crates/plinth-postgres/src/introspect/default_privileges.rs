//! What `ALTER DEFAULT PRIVILEGES` has said. An entry for every schema stands for the defaults; one for a schema is
//! added to them.

use plinth_sql::catalog::DefaultPrivilege;
use tokio_postgres::{Error, Row};

use super::acls::Acls;

pub(super) const QUERY: &str = "
select d.oid, pg_get_userbyid(d.defaclrole)::text as role, n.nspname::text as schema,
  case d.defaclobjtype
    when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types'
    when 'n' then 'schemas'
  end as kind
from pg_default_acl d
left join pg_namespace n on n.oid = d.defaclnamespace
where d.defaclobjtype in ('r', 'S', 'f', 'T', 'n')
order by d.oid
";

/// Entries in order of creation.
pub(super) fn read(rows: &[Row], acls: &mut Acls) -> Result<Vec<DefaultPrivilege>, Error> {
    rows.iter()
        .map(|row| {
            Ok(DefaultPrivilege {
                role: row.try_get("role")?,
                schema: row.try_get("schema")?,
                kind: row.try_get("kind")?,
                acl: acls
                    .take("default", row.try_get("oid")?, 0)
                    .unwrap_or_default(),
            })
        })
        .collect()
}
