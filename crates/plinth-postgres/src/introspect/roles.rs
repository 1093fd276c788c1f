//! Roles and who is a member of which.

use std::collections::BTreeMap;

use plinth_sql::catalog::Role;
use tokio_postgres::{Error, Row};

/// The owner of the database is a member of `pg_database_owner`, who owns schema `public`, without being written down.
///
/// Since version 16 each membership says whether it inherits and whether one may become the other role. Here the member
/// says so for all: it inherits when any of its memberships does. That is only ever too generous, and the server has
/// the last word. The two columns are read by way of JSON, because version 15 has neither.
pub(super) const QUERY: &str = "
with members as (
  select m.member, m.roleid, (to_jsonb(m) ->> 'inherit_option')::bool as inherits,
    (to_jsonb(m) ->> 'set_option')::bool as becomes
  from pg_auth_members m
)
select r.rolname::text as name, r.rolsuper as superuser, r.rolbypassrls as bypass_rls, r.rolcanlogin as login,
  coalesce((select bool_or(m.inherits) from members m where m.member = r.oid), r.rolinherit) as inherit,
  r.rolcreaterole as create_role,
  array(
    select pg_get_userbyid(g.roleid)::text
    from (
      select m.roleid from members m where m.member = r.oid and coalesce(m.inherits or m.becomes, true)
      union
      select 'pg_database_owner'::regrole::oid from pg_database d
      where d.datname = current_database() and d.datdba = r.oid
    ) g
    order by g.roleid) as member_of,
  shobj_description(r.oid, 'pg_authid') as comment
from pg_roles r
";

/// Roles by name.
pub(super) fn read(rows: &[Row]) -> Result<BTreeMap<String, Role>, Error> {
    rows.iter()
        .map(|row| {
            let role = Role {
                superuser: row.try_get("superuser")?,
                bypass_rls: row.try_get("bypass_rls")?,
                login: row.try_get("login")?,
                inherit: row.try_get("inherit")?,
                create_role: row.try_get("create_role")?,
                member_of: row.try_get("member_of")?,
                comment: row.try_get("comment")?,
            };
            Ok((row.try_get("name")?, role))
        })
        .collect()
}
