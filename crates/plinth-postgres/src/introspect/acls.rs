//! Access lists of everything that has one.
//!
//! In one query of their own, so that the way from Postgres's form to ours is written once. Ours: the list of a table or
//! sequence that nobody has touched is absent, which stands for its defaults and for the exposure rule; schemas and
//! functions always have theirs written out; the owner is an entry like any other.

use std::collections::{BTreeMap, BTreeSet};

use plinth_sql::catalog::{Acl, Privilege};
use tokio_postgres::{Error, Row};

/// `grants` holds `role=privilege`; everyone is `public`.
pub(super) const QUERY: &str = "
select o.kind, o.oid, o.number, pg_get_userbyid(o.owner)::text as owner,
  array(
    select case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee)::text end
      || '=' || lower(a.privilege_type)
    from aclexplode(o.acl) a) as grants
from (
  select 'schema' as kind, oid, 0 as number, nspowner as owner,
    coalesce(nspacl, acldefault('n', nspowner)) as acl
  from pg_namespace
  union all
  select 'relation', oid, 0, relowner, relacl
  from pg_class where relacl is not null and relnamespace <> 'pg_catalog'::regnamespace
  union all
  select 'column', a.attrelid, a.attnum::int4, c.relowner, a.attacl
  from pg_attribute a join pg_class c on c.oid = a.attrelid where a.attacl is not null
  union all
  select 'function', oid, 0, proowner, coalesce(proacl, acldefault('f', proowner))
  from pg_proc where prokind = 'f' and pronamespace <> 'pg_catalog'::regnamespace
  union all
  select 'default', oid, 0, defaclrole, defaclacl
  from pg_default_acl
) o
";

/// Access lists that wait for their objects.
pub(super) struct Acls(BTreeMap<String, BTreeMap<(u32, i32), Acl>>);

impl Acls {
    /// The list of an object: `schema`, `relation` (sequences too), `column` (with its number), `function` or `default`.
    pub(super) fn take(&mut self, kind: &str, oid: u32, number: i32) -> Option<Acl> {
        self.0.get_mut(kind)?.remove(&(oid, number))
    }
}

/// All that the query found.
pub(super) fn read(rows: &[Row]) -> Result<Acls, Error> {
    let mut acls = Acls(BTreeMap::new());
    for row in rows {
        let kind: String = row.try_get("kind")?;
        let place = (row.try_get("oid")?, row.try_get("number")?);
        let grants: Vec<String> = row.try_get("grants")?;
        let mut acl = acl(&grants);
        if acl.0.is_empty() && kind != "column" && kind != "default" {
            // Touched, with nothing left: not the same as never touched.
            acl.0.insert(row.try_get("owner")?, BTreeSet::new());
        }
        acls.0.entry(kind).or_default().insert(place, acl);
    }
    Ok(acls)
}

/// Privileges that we do not know (`maintain`) are nobody's.
fn acl(grants: &[String]) -> Acl {
    let mut acl = Acl::default();
    for grant in grants {
        // A role's name may have any character in it, a privilege's has none but letters.
        if let Some((role, privilege)) = grant.rsplit_once('=') {
            acl.grant(role, Privilege::parse(privilege));
        }
    }
    acl
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(written: &[&str]) -> Acl {
        let written: Vec<String> = written.iter().map(|&grant| grant.to_owned()).collect();
        acl(&written)
    }

    #[test]
    fn privileges_are_gathered_by_role() {
        let found = grants(&["anon=select", "public=execute", "anon=insert"]);
        assert!(found.holds("anon", Privilege::Select));
        assert!(found.holds("anon", Privilege::Insert));
        assert!(found.holds("public", Privilege::Execute));
        assert_eq!(found.0.len(), 2);
    }

    #[test]
    fn a_role_may_have_an_equals_sign_in_its_name() {
        assert!(grants(&["a=b=select"]).holds("a=b", Privilege::Select));
    }

    #[test]
    fn an_unknown_privilege_makes_no_entry() {
        assert!(grants(&["anon=maintain"]).0.is_empty());
    }
}
