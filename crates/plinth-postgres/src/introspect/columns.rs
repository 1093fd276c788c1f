//! Columns of tables, of views and of composite types.

use std::collections::BTreeMap;

use plinth_sql::catalog::{Column, Identity, QName};
use tokio_postgres::{Error, Row};

use super::acls::Acls;
use super::types::Types;
use super::{ByRelation, deparsed};

/// What a domain says about nulls and defaults is true of a table's columns.
pub(super) const QUERY: &str = "
select a.attrelid as relation, a.attnum::int4 as number, a.attname::text as name, a.atttypid as type,
  a.atttypmod as modifier, a.attnotnull or (r.stored and t.typtype = 'd' and t.typnotnull) as not_null,
  coalesce(
    pg_get_expr(d.adbin, d.adrelid),
    case when r.stored and t.typtype = 'd' and a.attidentity = '' then pg_get_expr(t.typdefaultbin, 0) end
  ) as value,
  a.attgenerated <> '' as generated, nullif(a.attidentity::text, '') as identity, x.description as comment
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
cross join lateral (select c.relkind in ('r', 'p', 'f') as stored) r
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_description x on x.classoid = 'pg_class'::regclass and x.objoid = a.attrelid and x.objsubid = a.attnum
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by a.attrelid, a.attnum
";

/// Where the numbers of identity columns come from: a relation's oid, a column's number, a sequence.
pub(super) type Identities = BTreeMap<(u32, i32), QName>;

/// Columns in order.
pub(super) fn read(
    rows: &[Row],
    types: &Types,
    identities: &Identities,
    acls: &mut Acls,
) -> Result<ByRelation<Column>, Error> {
    let mut columns = ByRelation::<Column>::new();
    for row in rows {
        let relation: u32 = row.try_get("relation")?;
        let number: i32 = row.try_get("number")?;
        let value = deparsed::optional_expr(row.try_get("value")?);
        let (default, generated) = if row.try_get::<_, bool>("generated")? {
            (None, value)
        } else {
            (value, None)
        };
        let identity: Option<String> = row.try_get("identity")?;
        let sequence = identities.get(&(relation, number));
        columns.entry(relation).or_default().push(Column {
            name: row.try_get("name")?,
            ty: types.column_type(row.try_get("type")?, row.try_get("modifier")?),
            not_null: row.try_get("not_null")?,
            default,
            generated,
            identity: identity.zip(sequence).map(|(kind, sequence)| Identity {
                always: kind == "a",
                sequence: sequence.clone(),
            }),
            acl: acls.take("column", relation, number).unwrap_or_default(),
            comment: row.try_get("comment")?,
        });
    }
    Ok(columns)
}
