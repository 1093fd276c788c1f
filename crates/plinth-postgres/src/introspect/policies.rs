//! Policies. They are the server's to apply; here they are what a person asks to see.

use plinth_sql::ast::PolicyCommand;
use plinth_sql::catalog::Policy;
use tokio_postgres::{Error, Row};

use super::{ByRelation, deparsed};

pub(super) const QUERY: &str = "
select p.polrelid as relation, p.polname::text as name, p.polpermissive as permissive, p.polcmd::text as command,
  array(
    select case r.oid when 0 then 'public' else pg_get_userbyid(r.oid)::text end
    from unnest(p.polroles) with ordinality r (oid, place) order by r.place) as roles,
  pg_get_expr(p.polqual, p.polrelid) as visible, pg_get_expr(p.polwithcheck, p.polrelid) as allowed
from pg_policy p
order by p.oid
";

/// Policies in order of creation.
pub(super) fn read(rows: &[Row]) -> Result<ByRelation<Policy>, Error> {
    let mut policies = ByRelation::<Policy>::new();
    for row in rows {
        let relation = row.try_get("relation")?;
        let code: String = row.try_get("command")?;
        policies.entry(relation).or_default().push(Policy {
            name: row.try_get("name")?,
            permissive: row.try_get("permissive")?,
            command: command(&code),
            roles: row.try_get("roles")?,
            using: deparsed::optional_expr(row.try_get("visible")?),
            check: deparsed::optional_expr(row.try_get("allowed")?),
        });
    }
    Ok(policies)
}

/// `polcmd`.
fn command(code: &str) -> PolicyCommand {
    match code {
        "r" => PolicyCommand::Select,
        "a" => PolicyCommand::Insert,
        "w" => PolicyCommand::Update,
        "d" => PolicyCommand::Delete,
        _ => PolicyCommand::All,
    }
}
