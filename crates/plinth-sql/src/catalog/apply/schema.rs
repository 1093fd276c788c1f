//! `CREATE SCHEMA` and `ALTER SCHEMA`, and the schema that an empty database has.

use std::collections::BTreeMap;

use super::names::is_system_schema;
use super::rename::rename;
use super::{Effect, Work, error};
use crate::SqlError;
use crate::ast::{AlterAction, AlterTable, CreateSchema};
use crate::catalog::references::Renamed;
use crate::catalog::{Acl, Catalog, Privilege, QName, Role, Schema};

/// The first oid that is not the system's, as in Postgres.
const FIRST_OID: u32 = 16384;

impl Catalog {
    /// What an empty database holds: the role `postgres`, the system's schemas and `public`.
    pub fn bootstrap() -> Catalog {
        let owner = "postgres".to_owned();
        let mut public = Acl::default();
        public.grant(&owner, [Privilege::Usage, Privilege::Create]);
        public.grant("public", [Privilege::Usage]);
        let mut system = Acl::default();
        system.grant("public", [Privilege::Usage]);
        let schema = |acl: &Acl| Schema {
            owner: owner.clone(),
            acl: acl.clone(),
            comment: None,
        };
        Catalog {
            next_oid: FIRST_OID,
            schemas: BTreeMap::from([
                ("information_schema".to_owned(), schema(&system)),
                ("pg_catalog".to_owned(), schema(&system)),
                ("public".to_owned(), schema(&public)),
            ]),
            roles: BTreeMap::from([(
                owner.clone(),
                Role {
                    superuser: true,
                    bypass_rls: true,
                    login: true,
                    inherit: true,
                    create_role: true,
                    ..Role::default()
                },
            )]),
            ..Catalog::default()
        }
    }
}

/// `CREATE SCHEMA`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateSchema,
) -> Result<&'static str, SqlError> {
    if !work.catalog.is_superuser(work.role()) {
        return Err(error("42501", "permission denied for database postgres"));
    }
    let owner = match &statement.owner {
        Some(role) => work.role_name(role)?,
        None => work.role().to_owned(),
    };
    if statement.name.starts_with("pg_") {
        return Err(error(
            "42939",
            format!("unacceptable schema name \"{}\"", statement.name),
        )
        .detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    if work.catalog.schemas.contains_key(&statement.name) {
        let exists = error(
            "42P06",
            format!("schema \"{}\" already exists", statement.name),
        );
        work.skip_if(statement.if_not_exists, exists, "42P06")?;
        return Ok("CREATE SCHEMA");
    }
    let mut acl = Acl::default();
    acl.grant(&owner, [Privilege::Usage, Privilege::Create]);
    work.edit().schemas.insert(
        statement.name.clone(),
        Schema {
            owner,
            acl,
            comment: None,
        },
    );
    Ok("CREATE SCHEMA")
}

/// `ALTER SCHEMA`.
pub(super) fn alter(work: &mut Work<'_>, statement: &AlterTable) -> Result<&'static str, SqlError> {
    let name = &statement.name.name;
    let found = work.schema(name)?.clone();
    work.must_own(&found.owner, "schema", name)?;
    for action in &statement.actions {
        match action {
            AlterAction::OwnerTo(role) => {
                let role = work.role_name(role)?;
                if let Some(schema) = work.edit().schemas.get_mut(name) {
                    schema.acl.hand_over(&schema.owner, &role);
                    schema.owner = role;
                }
            }
            AlterAction::RenameTo(to) => move_schema(work, name, to)?,
            _ => {
                return Err(
                    SqlError::unsupported("this form of ALTER SCHEMA").at(statement.name.span)
                );
            }
        }
    }
    Ok("ALTER SCHEMA")
}

fn move_schema(work: &mut Work<'_>, from: &str, to: &str) -> Result<(), SqlError> {
    if work.catalog.schemas.contains_key(to) {
        return Err(error("42P06", format!("schema \"{to}\" already exists")));
    }
    if is_system_schema(to) || is_system_schema(from) {
        return Err(error("42939", format!("unacceptable schema name \"{to}\"")));
    }
    if let Some(schema) = work.edit().schemas.get(from).cloned() {
        work.edit().schemas.insert(to.to_owned(), schema);
    }
    let moved =
        |name: &QName| (name.schema == from).then(|| (name.clone(), QName::new(to, &name.name)));
    let relations: Vec<_> = work.catalog.relations.keys().filter_map(moved).collect();
    let sequences: Vec<_> = work.catalog.sequences.keys().filter_map(moved).collect();
    let enums: Vec<_> = work.catalog.enums.keys().filter_map(moved).collect();
    let functions = work.catalog.functions.values().flatten();
    let functions: Vec<_> = functions
        .filter_map(|f| Some((f.oid, moved(&f.name)?.1)))
        .collect();
    for (from, to) in relations {
        let table = work
            .catalog
            .relations
            .get(&from)
            .is_some_and(|relation| relation.table().is_some());
        rename(
            work,
            &Renamed::Relation {
                from: from.clone(),
                to: to.clone(),
            },
        );
        if table {
            work.effect(Effect::RenameTable { from, to });
        }
    }
    for (from, to) in sequences {
        rename(
            work,
            &Renamed::Sequence {
                from: from.clone(),
                to: to.clone(),
            },
        );
        work.effect(Effect::RenameSequence { from, to });
    }
    for (from, to) in enums {
        rename(work, &Renamed::Type { from, to });
    }
    for (oid, to) in functions {
        rename(work, &Renamed::Function { oid, to });
    }
    let catalog = work.edit();
    catalog.schemas.remove(from);
    for entry in &mut catalog.default_privileges {
        if entry.schema.as_deref() == Some(from) {
            entry.schema = Some(to.to_owned());
        }
    }
    Ok(())
}
