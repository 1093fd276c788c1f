//! Indexes that are not constraints.

use plinth_sql::catalog::{Index, IndexPart};
use tokio_postgres::{Error, Row};

use super::{ByRelation, deparsed};

/// An index that is still being built, or whose building failed, promises nothing yet. Places count from 1 except within
/// `indoption`.
pub(super) const QUERY: &str = "
select x.indrelid as relation, c.relname::text as name, x.indisunique as is_unique,
  x.indnullsnotdistinct as nulls_not_distinct, m.amname::text as method,
  array(
    select pg_get_indexdef(x.indexrelid, k, false)
    from generate_series(1, x.indnkeyatts::int4) k order by k) as keys,
  array(
    select x.indoption[k - 1] & 1 <> 0
    from generate_series(1, x.indnkeyatts::int4) k order by k) as descending,
  array(
    select x.indoption[k - 1] & 2 <> 0
    from generate_series(1, x.indnkeyatts::int4) k order by k) as nulls_first,
  pg_get_expr(x.indpred, x.indrelid) as predicate
from pg_index x
join pg_class c on c.oid = x.indexrelid
join pg_am m on m.oid = c.relam
join pg_class t on t.oid = x.indrelid
join pg_namespace n on n.oid = t.relnamespace
where x.indisvalid and t.relkind in ('r', 'p')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (
    select from pg_constraint k where k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x'))
order by x.indexrelid
";

/// Indexes in order of creation.
pub(super) fn read(rows: &[Row]) -> Result<ByRelation<Index>, Error> {
    let mut indexes = ByRelation::<Index>::new();
    for row in rows {
        let texts: Vec<Option<String>> = row.try_get("keys")?;
        let descending: Vec<bool> = row.try_get("descending")?;
        let nulls_first: Vec<bool> = row.try_get("nulls_first")?;
        let directions = descending.into_iter().zip(nulls_first);
        let keys = texts.into_iter().zip(directions);
        let index = Index {
            name: row.try_get("name")?,
            unique: row.try_get("is_unique")?,
            nulls_not_distinct: row.try_get("nulls_not_distinct")?,
            keys: keys
                .map(|(text, (descending, nulls_first))| IndexPart {
                    expr: deparsed::expr(&text.unwrap_or_default()),
                    descending,
                    // Descending keys have them first unless it is written otherwise.
                    nulls_first: (nulls_first != descending).then_some(nulls_first),
                })
                .collect(),
            predicate: deparsed::optional_expr(row.try_get("predicate")?),
            method: row.try_get("method")?,
        };
        indexes
            .entry(row.try_get("relation")?)
            .or_default()
            .push(index);
    }
    Ok(indexes)
}
