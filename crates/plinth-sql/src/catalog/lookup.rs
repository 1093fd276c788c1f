//! Finding objects by name.

use std::sync::Arc;

use super::{Catalog, EnumType, Function, QName, Relation, Sequence};
use crate::ast::{ObjectName, TypeName};
use crate::types::{ColumnType, Type};

impl Catalog {
    /// A relation by a written name, along the search path.
    pub fn relation(&self, name: &ObjectName, search_path: &[String]) -> Option<&Arc<Relation>> {
        resolve(name, search_path, |full| self.relations.get(full))
    }

    /// A sequence by a written name, along the search path.
    pub fn sequence(&self, name: &ObjectName, search_path: &[String]) -> Option<&Arc<Sequence>> {
        resolve(name, search_path, |full| self.sequences.get(full))
    }

    /// An enum by a written name, along the search path.
    pub fn enum_type(&self, name: &ObjectName, search_path: &[String]) -> Option<&Arc<EnumType>> {
        resolve(name, search_path, |full| self.enums.get(full))
    }

    /// Functions of a written name; the first schema of the search path that has any wins.
    pub fn functions(&self, name: &ObjectName, search_path: &[String]) -> &[Arc<Function>] {
        resolve(name, search_path, |full| self.functions.get(full))
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The relation of this full name.
    pub fn relation_named(&self, name: &QName) -> Option<&Arc<Relation>> {
        self.relations.get(name)
    }

    /// A written type; serial types give their integer. `None` when no such type exists.
    pub fn resolve_type(&self, name: &TypeName, search_path: &[String]) -> Option<ColumnType> {
        let base = match (name.name.schema.as_deref(), name.name.name.as_str()) {
            (None, "serial") => Type::Int4,
            (None, "bigserial") => Type::Int8,
            (None, "smallserial") => Type::Int2,
            (None, written) if Type::built_in(written).is_some() => Type::built_in(written)?,
            (Some("extensions"), "citext") => Type::Text,
            _ => match self.enum_type(&name.name, search_path) {
                Some(found) => Type::Enum(Arc::new(found.name.clone())),
                None => self.relation(&name.name, search_path)?.row_type(),
            },
        };
        let modifier = match name.modifiers.as_slice() {
            [] => None,
            [one] => Some((*one, 0)),
            [one, two, ..] => Some((*one, *two)),
        };
        let ty = if name.array_dimensions > 0 {
            base.array()
        } else {
            base
        };
        Some(ColumnType { ty, modifier })
    }
}

fn resolve<'a, T: ?Sized>(
    name: &ObjectName,
    search_path: &[String],
    find: impl Fn(&QName) -> Option<&'a T>,
) -> Option<&'a T> {
    match &name.schema {
        Some(schema) => find(&QName::new(schema, &name.name)),
        None => search_path
            .iter()
            .find_map(|schema| find(&QName::new(schema, &name.name))),
    }
}
