//! Constraints of tables. `EXCLUDE` has no place in the catalog, and `NOT NULL` belongs to columns.

use plinth_sql::ast::{Deferrable, ForeignKeyAction};
use plinth_sql::catalog::{Constraint, ConstraintKind, ForeignKey, QName};
use tokio_postgres::{Error, Row};

use super::{ByRelation, deparsed};

/// A foreign key that a partitioned table hands down to its partitions, or that follows from one to such a table, is
/// left out: it would be a second way between the same rows.
pub(super) const QUERY: &str = "
select c.conrelid as relation, c.conname::text as name, c.contype::text as kind, c.condeferrable as deferrable,
  c.condeferred as deferred, c.convalidated as validated,
  array(
    select a.attname::text from unnest(c.conkey) with ordinality k (number, place)
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number order by k.place) as columns,
  coalesce(i.indnullsnotdistinct, false) as nulls_not_distinct,
  pg_get_expr(c.conbin, c.conrelid) as expression,
  fn.nspname::text as foreign_schema, f.relname::text as foreign_table,
  array(
    select a.attname::text from unnest(c.confkey) with ordinality k (number, place)
    join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.number order by k.place) as foreign_columns,
  c.confdeltype::text as on_delete, c.confupdtype::text as on_update, c.confmatchtype = 'f' as match_full,
  array(
    select a.attname::text from unnest(c.confdelsetcols) with ordinality k (number, place)
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number order by k.place) as on_delete_columns
from pg_constraint c
join pg_class r on r.oid = c.conrelid
join pg_namespace n on n.oid = r.relnamespace
left join pg_index i on c.contype in ('p', 'u') and i.indexrelid = c.conindid
left join pg_class f on c.contype = 'f' and f.oid = c.confrelid
left join pg_namespace fn on fn.oid = f.relnamespace
where c.contype in ('p', 'u', 'c', 'f') and (c.contype <> 'f' or c.conparentid = 0)
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by c.oid
";

/// Constraints in order of creation.
pub(super) fn read(rows: &[Row]) -> Result<ByRelation<Constraint>, Error> {
    let mut constraints = ByRelation::<Constraint>::new();
    for row in rows {
        let columns = row.try_get("columns")?;
        let kind: String = row.try_get("kind")?;
        let kind = match kind.as_str() {
            "p" => ConstraintKind::PrimaryKey { columns },
            "u" => ConstraintKind::Unique {
                columns,
                nulls_not_distinct: row.try_get("nulls_not_distinct")?,
            },
            "c" => {
                let text: Option<String> = row.try_get("expression")?;
                ConstraintKind::Check {
                    expr: deparsed::expr(&text.unwrap_or_default()),
                }
            }
            _ => ConstraintKind::ForeignKey(foreign_key(row, columns)?),
        };
        let relation = row.try_get("relation")?;
        constraints.entry(relation).or_default().push(Constraint {
            name: row.try_get("name")?,
            kind,
            deferrable: deferrable(row.try_get("deferrable")?, row.try_get("deferred")?),
            validated: row.try_get("validated")?,
        });
    }
    Ok(constraints)
}

fn foreign_key(row: &Row, columns: Vec<String>) -> Result<ForeignKey, Error> {
    let (on_delete, on_update): (String, String) =
        (row.try_get("on_delete")?, row.try_get("on_update")?);
    Ok(ForeignKey {
        columns,
        foreign_table: QName {
            schema: row.try_get("foreign_schema")?,
            name: row.try_get("foreign_table")?,
        },
        foreign_columns: row.try_get("foreign_columns")?,
        on_delete: action(&on_delete),
        on_delete_columns: row.try_get("on_delete_columns")?,
        on_update: action(&on_update),
        match_full: row.try_get("match_full")?,
    })
}

fn deferrable(deferrable: bool, deferred: bool) -> Deferrable {
    match (deferrable, deferred) {
        (false, _) => Deferrable::Not,
        (true, false) => Deferrable::InitiallyImmediate,
        (true, true) => Deferrable::InitiallyDeferred,
    }
}

/// `confdeltype` and `confupdtype`.
fn action(code: &str) -> ForeignKeyAction {
    match code {
        "r" => ForeignKeyAction::Restrict,
        "c" => ForeignKeyAction::Cascade,
        "n" => ForeignKeyAction::SetNull,
        "d" => ForeignKeyAction::SetDefault,
        _ => ForeignKeyAction::NoAction,
    }
}
