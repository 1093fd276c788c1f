//! Types by their oid.
//!
//! The dialect knows fewer types than the server. One that it does not know (`inet`, a range, `citext`, a type of an
//! extension) is told as an enum of that name, wherever it lives. This does the least harm: enums are the types that go
//! by a full name, so an argument of a function is cast to the very type that it was declared with; their values are
//! text in requests, in answers and in the description of the API; and nothing is done with an enum that takes its
//! labels, which are absent here. `text` instead would make the server look for a function that takes text.

use std::collections::BTreeMap;
use std::sync::Arc;

use plinth_sql::catalog::QName;
use plinth_sql::types::{ColumnType, Type};
use tokio_postgres::{Error, Row};

/// An array is what its element's type calls its array: `point` and `name` have elements and are none.
pub(super) const QUERY: &str = "
select t.oid, n.nspname::text as schema, t.typname::text as name, t.typtype::text as kind,
  coalesce(e.oid, 0::oid) as element, t.typbasetype as base, t.typtypmod as modifier, t.typrelid as relation
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
where n.nspname !~ '^pg_(toast|temp)'
";

/// A length is stored with the four bytes of a header.
const HEADER_BYTES: i32 = 4;
/// Where an interval keeps its digits, all bits set when none were written.
const INTERVAL_DIGITS: i32 = 0xFFFF;

/// Every type of the database.
pub(super) struct Types(BTreeMap<u32, Known>);

enum Known {
    Plain(Type),
    /// A row type, and its relation.
    Composite(Type, u32),
    /// Of this element.
    Array(u32),
    /// Over this base, with the modifier written there.
    Domain(u32, i32),
}

/// All that the query found.
pub(super) fn read(rows: &[Row]) -> Result<Types, Error> {
    let mut types = BTreeMap::new();
    for row in rows {
        let kind: String = row.try_get("kind")?;
        let element: u32 = row.try_get("element")?;
        let name = QName {
            schema: row.try_get("schema")?,
            name: row.try_get("name")?,
        };
        let known = match kind.as_str() {
            _ if element != 0 => Known::Array(element),
            "d" => Known::Domain(row.try_get("base")?, row.try_get("modifier")?),
            "c" => Known::Composite(Type::Row(Arc::new(name)), row.try_get("relation")?),
            "p" => Known::Plain(pseudo(&name.name)),
            _ => Known::Plain(named(name)),
        };
        types.insert(row.try_get("oid")?, known);
    }
    Ok(Types(types))
}

impl Types {
    /// A type without a modifier. Domains are their base types.
    pub(super) fn of(&self, oid: u32) -> Type {
        self.column_type(oid, -1).ty
    }

    /// A type with the modifier of a column, -1 for none.
    pub(super) fn column_type(&self, oid: u32, type_modifier: i32) -> ColumnType {
        match self.0.get(&oid) {
            None => Type::Unknown.into(),
            Some(Known::Plain(ty)) => ColumnType {
                modifier: modifier(ty, type_modifier),
                ty: ty.clone(),
            },
            Some(Known::Composite(ty, _)) => ty.clone().into(),
            Some(Known::Domain(base, own)) => self.column_type(*base, *own),
            Some(Known::Array(element)) => {
                let element = self.column_type(*element, type_modifier);
                let ty = match element.ty {
                    // Of a domain over an array.
                    ty @ Type::Array(_) => ty,
                    ty => ty.array(),
                };
                ColumnType { ty, ..element }
            }
        }
    }

    /// The relation whose rows a type holds, also when it is no table but the type alone.
    pub(super) fn relation(&self, oid: u32) -> Option<u32> {
        match self.0.get(&oid) {
            Some(Known::Composite(_, relation)) => Some(*relation),
            _ => None,
        }
    }
}

/// A type that has values.
fn named(name: QName) -> Type {
    let built_in = if name.schema == "pg_catalog" {
        Type::built_in(&name.name)
    } else {
        None
    };
    built_in.unwrap_or_else(|| Type::Enum(Arc::new(name)))
}

/// A type that only functions have. An event trigger's function is as little for callers as a trigger's.
fn pseudo(name: &str) -> Type {
    match name {
        "record" => Type::Record,
        "void" => Type::Void,
        "trigger" | "event_trigger" => Type::Trigger,
        _ => Type::Unknown,
    }
}

/// `typmod` as the type's own input function reads it.
fn modifier(ty: &Type, typmod: i32) -> Option<(i32, i32)> {
    if typmod < 0 {
        return None;
    }
    match ty {
        Type::Varchar | Type::Bpchar => Some((typmod - HEADER_BYTES, 0)),
        Type::Numeric => {
            let packed = typmod - HEADER_BYTES;
            // Eleven bits with a sign.
            let scale = ((packed & 0x7FF) ^ 0x400) - 0x400;
            Some(((packed >> 16) & 0xFFFF, scale))
        }
        Type::Time | Type::Timestamp | Type::Timestamptz => Some((typmod, 0)),
        Type::Interval => {
            let digits = typmod & INTERVAL_DIGITS;
            (digits != INTERVAL_DIGITS).then_some((digits, 0))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let inet = named(QName::new("pg_catalog", "inet"));
        Types(BTreeMap::from([
            (23, Known::Plain(Type::Int4)),
            (1043, Known::Plain(Type::Varchar)),
            (1015, Known::Array(1043)),
            (869, Known::Plain(inet)),
            (90_001, Known::Domain(1043, 84)),
            (90_002, Known::Domain(90_001, -1)),
            (90_003, Known::Array(90_002)),
            (90_004, Known::Domain(1015, -1)),
            (90_005, Known::Array(90_004)),
        ]))
    }

    #[test]
    fn modifiers_are_unpacked() {
        assert_eq!(modifier(&Type::Varchar, 44), Some((40, 0)));
        assert_eq!(modifier(&Type::Bpchar, 5), Some((1, 0)));
        assert_eq!(modifier(&Type::Numeric, 655_366), Some((10, 2)));
        assert_eq!(modifier(&Type::Numeric, 329_730), Some((5, -2)));
        assert_eq!(modifier(&Type::Timestamptz, 3), Some((3, 0)));
        assert_eq!(modifier(&Type::Interval, 2_147_418_115), Some((3, 0)));
        assert_eq!(modifier(&Type::Interval, 470_351_871), None);
        assert_eq!(modifier(&Type::Text, 9), None);
        assert_eq!(modifier(&Type::Varchar, -1), None);
    }

    #[test]
    fn a_domain_is_its_base_with_the_modifier_written_there() {
        let expected = ColumnType {
            ty: Type::Varchar,
            modifier: Some((80, 0)),
        };
        assert_eq!(types().column_type(90_001, -1), expected);
        // Over another domain, the modifier is the inner one's.
        assert_eq!(types().column_type(90_002, -1), expected);
    }

    #[test]
    fn arrays_have_one_level() {
        assert_eq!(types().of(1015), Type::Varchar.array());
        assert_eq!(types().of(90_003), Type::Varchar.array());
        assert_eq!(types().of(90_005), Type::Varchar.array());
        assert_eq!(
            types().column_type(1015, 11).modifier,
            Some((7, 0)),
            "the modifier is the element's"
        );
    }

    #[test]
    fn a_type_that_we_do_not_know_keeps_its_name() {
        assert_eq!(types().of(869).to_string(), "inet");
        assert_eq!(types().of(4711), Type::Unknown);
        let citext = named(QName::new("extensions", "citext"));
        assert_eq!(citext.to_string(), "extensions.citext");
    }
}
