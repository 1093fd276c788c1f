//! Triggers, those apart that foreign keys are made of.

use plinth_sql::ast::{TriggerEvent, TriggerTiming};
use plinth_sql::catalog::Trigger;
use tokio_postgres::{Error, Row};

use super::{ByRelation, deparsed};

/// A trigger for replicas alone does not fire here.
pub(super) const QUERY: &str = "
select t.tgrelid as relation, t.tgname::text as name, t.tgtype::int4 as kind,
  array(
    select a.attname::text from unnest(t.tgattr::int2[]) with ordinality k (number, place)
    join pg_attribute a on a.attrelid = t.tgrelid and a.attnum = k.number order by k.place) as columns,
  case when t.tgqual is not null then pg_get_triggerdef(t.oid) end as definition,
  t.tgfoid as function, t.tgargs as args, t.tgenabled in ('O', 'A') as enabled,
  obj_description(t.oid, 'pg_trigger') as comment
from pg_trigger t
where not t.tgisinternal
order by t.tgname
";

/// The bits of `tgtype`.
mod bits {
    pub(super) const ROW: i32 = 1;
    pub(super) const BEFORE: i32 = 1 << 1;
    pub(super) const INSERT: i32 = 1 << 2;
    pub(super) const DELETE: i32 = 1 << 3;
    pub(super) const UPDATE: i32 = 1 << 4;
    pub(super) const TRUNCATE: i32 = 1 << 5;
    pub(super) const INSTEAD: i32 = 1 << 6;
}

/// Triggers in the order in which they fire.
pub(super) fn read(rows: &[Row]) -> Result<ByRelation<Trigger>, Error> {
    let mut triggers = ByRelation::<Trigger>::new();
    for row in rows {
        let relation = row.try_get("relation")?;
        let kind: i32 = row.try_get("kind")?;
        let definition: Option<String> = row.try_get("definition")?;
        triggers.entry(relation).or_default().push(Trigger {
            name: row.try_get("name")?,
            timing: timing(kind),
            events: events(kind, row.try_get("columns")?),
            for_each_row: kind & bits::ROW != 0,
            when: definition.map(|text| deparsed::trigger_condition(&text)),
            function: row.try_get("function")?,
            args: args(row.try_get("args")?),
            enabled: row.try_get("enabled")?,
            comment: row.try_get("comment")?,
        });
    }
    Ok(triggers)
}

fn timing(kind: i32) -> TriggerTiming {
    if kind & bits::BEFORE != 0 {
        TriggerTiming::Before
    } else if kind & bits::INSTEAD != 0 {
        TriggerTiming::InsteadOf
    } else {
        TriggerTiming::After
    }
}

fn events(kind: i32, columns: Vec<String>) -> Vec<TriggerEvent> {
    let all = [
        (bits::INSERT, TriggerEvent::Insert),
        (bits::DELETE, TriggerEvent::Delete),
        (bits::UPDATE, TriggerEvent::Update(columns)),
        (bits::TRUNCATE, TriggerEvent::Truncate),
    ];
    all.into_iter()
        .filter(|(bit, _)| kind & bit != 0)
        .map(|(_, event)| event)
        .collect()
}

/// Each argument ends with a zero byte.
fn args(bytes: &[u8]) -> Vec<String> {
    let mut args: Vec<String> = bytes
        .split(|byte| *byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect();
    // What is behind the last zero.
    args.pop();
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_end_with_a_zero() {
        assert!(args(b"").is_empty());
        assert_eq!(args(b"a\0b'c\0\0"), ["a", "b'c", ""]);
    }

    #[test]
    fn a_kind_says_when_and_what_for() {
        let kind = bits::ROW | bits::BEFORE | bits::INSERT | bits::UPDATE;
        let columns = vec!["title".to_owned()];
        assert_eq!(timing(kind), TriggerTiming::Before);
        assert_eq!(
            events(kind, columns.clone()),
            [TriggerEvent::Insert, TriggerEvent::Update(columns)]
        );
        assert_eq!(timing(bits::INSTEAD), TriggerTiming::InsteadOf);
        assert_eq!(timing(bits::DELETE), TriggerTiming::After);
    }
}
