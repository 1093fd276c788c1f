//! Sequences, and the columns that they belong to.

use std::collections::BTreeMap;
use std::sync::Arc;

use plinth_sql::ast::SequenceOptions;
use plinth_sql::catalog::{QName, Sequence};
use tokio_postgres::{Error, Row};

use super::acls::Acls;
use super::columns::Identities;

/// A sequence hangs on its column: as a part of it when that is an identity column, else by `OWNED BY`.
pub(super) const QUERY: &str = "
select c.oid, n.nspname::text as schema, c.relname::text as name, pg_get_userbyid(c.relowner)::text as owner,
  t.typname::text as type, s.seqstart as start, s.seqincrement as increment, s.seqmin as min_value,
  s.seqmax as max_value, s.seqcache as cache, s.seqcycle as cycle,
  coalesce(d.deptype = 'i', false) as identity, r.oid as relation, a.attnum::int4 as number,
  rn.nspname::text as relation_schema, r.relname::text as relation_name, a.attname::text as column_name,
  obj_description(c.oid, 'pg_class') as comment
from pg_sequence s
join pg_class c on c.oid = s.seqrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = s.seqtypid
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
  and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
left join pg_class r on r.oid = a.attrelid
left join pg_namespace rn on rn.oid = r.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
";

/// What the query found.
pub(super) struct Sequences {
    /// By name.
    pub(super) all: BTreeMap<QName, Arc<Sequence>>,
    /// By the column whose numbers they make.
    pub(super) identities: Identities,
}

/// Sequences, two ways.
pub(super) fn read(rows: &[Row], acls: &mut Acls) -> Result<Sequences, Error> {
    let mut sequences = Sequences {
        all: BTreeMap::new(),
        identities: Identities::new(),
    };
    for row in rows {
        let oid: u32 = row.try_get("oid")?;
        let name = QName {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
        };
        let relation: Option<u32> = row.try_get("relation")?;
        let owned_by = relation.map(|_| owner_column(row)).transpose()?;
        if let Some(relation) = relation
            && row.try_get::<_, bool>("identity")?
        {
            let column = (relation, row.try_get("number")?);
            sequences.identities.insert(column, name.clone());
        }
        let sequence = Sequence {
            oid,
            name: name.clone(),
            owner: row.try_get("owner")?,
            options: options(row)?,
            owned_by,
            acl: acls.take("relation", oid, 0).unwrap_or_default(),
            comment: row.try_get("comment")?,
        };
        sequences.all.insert(name, Arc::new(sequence));
    }
    Ok(sequences)
}

fn owner_column(row: &Row) -> Result<(QName, String), Error> {
    let relation = QName {
        schema: row.try_get("relation_schema")?,
        name: row.try_get("relation_name")?,
    };
    Ok((relation, row.try_get("column_name")?))
}

/// All of them, as the catalog has them: none is left to a default.
fn options(row: &Row) -> Result<SequenceOptions, Error> {
    Ok(SequenceOptions {
        data_type: Some(row.try_get("type")?),
        increment: Some(row.try_get("increment")?),
        min_value: Some(Some(row.try_get("min_value")?)),
        max_value: Some(Some(row.try_get("max_value")?)),
        start: Some(row.try_get("start")?),
        restart: None,
        cache: Some(row.try_get("cache")?),
        cycle: Some(row.try_get("cycle")?),
        owned_by: None,
        sequence_name: None,
    })
}
