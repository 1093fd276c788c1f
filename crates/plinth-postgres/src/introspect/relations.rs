//! Tables and views, put together from their parts.
//!
//! Tables are also partitioned ones, their partitions and foreign tables; views are also materialized ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use plinth_sql::catalog::{
    Acl, Column, Constraint, Index, Policy, Privilege, QName, Relation, RelationKind, Table,
    Trigger, View,
};
use tokio_postgres::{Error, Row};

use super::acls::Acls;
use super::{ByRelation, deparsed};

pub(super) const QUERY: &str = "
select c.oid, n.nspname::text as schema, c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner,
  c.relkind in ('v', 'm') as view, c.relrowsecurity as row_security,
  c.relforcerowsecurity as force_row_security,
  case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as definition,
  coalesce((
    select o.option_value::bool from pg_options_to_table(c.reloptions) o
    where o.option_name = 'security_invoker'), false) as security_invoker,
  obj_description(c.oid, 'pg_class') as comment
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f', 'v', 'm')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
";

/// What tables have beside their columns.
pub(super) struct Parts {
    pub(super) constraints: ByRelation<Constraint>,
    pub(super) indexes: ByRelation<Index>,
    pub(super) policies: ByRelation<Policy>,
    pub(super) triggers: ByRelation<Trigger>,
}

/// Relations by name. Takes their columns and leaves those of composite types.
pub(super) fn read(
    rows: &[Row],
    columns: &mut ByRelation<Column>,
    mut parts: Parts,
    acls: &mut Acls,
) -> Result<BTreeMap<QName, Arc<Relation>>, Error> {
    let mut relations = BTreeMap::new();
    for row in rows {
        let oid: u32 = row.try_get("oid")?;
        let name = QName {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
        };
        let owner: String = row.try_get("owner")?;
        let columns = columns.remove(&oid).unwrap_or_default();
        let kind = if row.try_get::<_, bool>("view")? {
            view(row)?
        } else {
            table(row, oid, &mut parts)?
        };
        let acl = acls.take("relation", oid, 0);
        let relation = Relation {
            oid,
            acl: acl.unwrap_or_else(|| untouched(&owner, &columns)),
            owner,
            columns,
            comment: row.try_get("comment")?,
            kind,
            name: name.clone(),
        };
        relations.insert(name, Arc::new(relation));
    }
    Ok(relations)
}

fn view(row: &Row) -> Result<RelationKind, Error> {
    // Absent when the view was dropped in this very moment.
    let definition: Option<String> = row.try_get("definition")?;
    Ok(RelationKind::View(View {
        query: deparsed::query(&definition.unwrap_or_default()),
        security_invoker: row.try_get("security_invoker")?,
    }))
}

fn table(row: &Row, oid: u32, parts: &mut Parts) -> Result<RelationKind, Error> {
    Ok(RelationKind::Table(Table {
        constraints: parts.constraints.remove(&oid).unwrap_or_default(),
        indexes: parts.indexes.remove(&oid).unwrap_or_default(),
        policies: parts.policies.remove(&oid).unwrap_or_default(),
        triggers: parts.triggers.remove(&oid).unwrap_or_default(),
        row_security: row.try_get("row_security")?,
        force_row_security: row.try_get("force_row_security")?,
    }))
}

/// A list that the server does not keep. A grant on columns alone is said about the table too: it ends what holds while
/// nobody says anything.
fn untouched(owner: &str, columns: &[Column]) -> Acl {
    let mut acl = Acl::default();
    if columns.iter().any(|column| !column.acl.0.is_empty()) {
        acl.grant(owner, Privilege::ALL_ON_TABLE);
    }
    acl
}
