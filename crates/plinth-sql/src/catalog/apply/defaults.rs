//! Privileges of objects to come: Postgres's own defaults, and `ALTER DEFAULT PRIVILEGES`.

use super::grant::{Change, grantees, known_schemas, parse_all};
use super::{Work, error};
use crate::SqlError;
use crate::ast::{AlterDefaultPrivileges, GrantObjects};
use crate::catalog::{Acl, DefaultPrivilege, Privilege};

/// What Postgres gives when nothing was said: everything to the owner, and to everyone the use of functions and types.
pub(super) fn defaults(kind: &str, owner: &str) -> Acl {
    let mut acl = Acl::default();
    match kind {
        "tables" => acl.grant(owner, Privilege::ALL_ON_TABLE),
        "sequences" => acl.grant(owner, Privilege::ALL_ON_SEQUENCE),
        "schemas" => acl.grant(owner, [Privilege::Usage, Privilege::Create]),
        _ => {
            let privilege = if kind == "functions" {
                Privilege::Execute
            } else {
                Privilege::Usage
            };
            acl.grant(owner, [privilege]);
            acl.grant("public", [privilege]);
        }
    }
    acl
}

/// The access list of a new object: empty unless `ALTER DEFAULT PRIVILEGES` said something about it.
pub(super) fn initial_acl(work: &Work<'_>, kind: &str, schema: &str) -> Acl {
    let entries = work.catalog.default_privileges.iter();
    let mine = entries.filter(|entry| entry.role == work.role() && entry.kind == kind);
    let (everywhere, here): (Vec<_>, Vec<_>) = mine.partition(|entry| entry.schema.is_none());
    let here = here
        .into_iter()
        .find(|entry| entry.schema.as_deref() == Some(schema));
    if everywhere.is_empty() && here.is_none() {
        return Acl::default();
    }
    let mut acl = everywhere
        .first()
        .map_or_else(|| defaults(kind, work.role()), |entry| entry.acl.clone());
    for (grantee, held) in here.into_iter().flat_map(|entry| &entry.acl.0) {
        acl.grant(grantee, held.iter().copied());
    }
    acl
}

/// `ALTER DEFAULT PRIVILEGES`.
pub(super) fn default_privileges(
    work: &mut Work<'_>,
    statement: &AlterDefaultPrivileges,
) -> Result<&'static str, SqlError> {
    let GrantObjects::Default(kind) = &statement.grant.objects else {
        return Err(error(
            "42601",
            "ALTER DEFAULT PRIVILEGES takes kinds of objects",
        ));
    };
    let (allowed, shown): (&[Privilege], _) = match kind.as_str() {
        "tables" => (&Privilege::ALL_ON_TABLE, "relation"),
        "sequences" => (&Privilege::ALL_ON_SEQUENCE, "sequence"),
        "functions" => (&[Privilege::Execute], "function"),
        "types" => (&[Privilege::Usage], "type"),
        _ => (&[Privilege::Usage, Privilege::Create], "schema"),
    };
    let privileges = parse_all(&statement.grant, allowed, shown)?;
    let change = Change {
        roles: grantees(work, &statement.grant)?,
        statement: &statement.grant,
    };
    if kind == "schemas" && !statement.schemas.is_empty() {
        return Err(error(
            "0LP01",
            "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS",
        ));
    }
    known_schemas(work, &statement.schemas)?;
    let owners = match statement.for_roles.as_slice() {
        [] => vec![work.role().to_owned()],
        written => written
            .iter()
            .map(|role| work.role_name(role))
            .collect::<Result<_, _>>()?,
    };
    for owner in owners {
        if !work.catalog.has_role(work.role(), &owner) {
            return Err(error(
                "42501",
                format!("must be member of role \"{owner}\""),
            ));
        }
        let schemas: Vec<Option<&String>> = match statement.schemas.as_slice() {
            [] => vec![None],
            schemas => schemas.iter().map(Some).collect(),
        };
        for schema in schemas {
            change_default(work, &change, &owner, schema, kind, &privileges);
        }
    }
    Ok("ALTER DEFAULT PRIVILEGES")
}

/// An entry for all schemas stands for the defaults, one for a schema is added to them. Entries that say nothing go.
fn change_default(
    work: &mut Work<'_>,
    change: &Change<'_>,
    owner: &str,
    schema: Option<&String>,
    kind: &str,
    privileges: &[Privilege],
) {
    let nothing = if schema.is_none() {
        defaults(kind, owner)
    } else {
        Acl::default()
    };
    let entries = &mut work.edit().default_privileges;
    let same = |entry: &DefaultPrivilege| {
        entry.role == owner && entry.kind == kind && entry.schema.as_ref() == schema
    };
    let at = entries.iter().position(same).unwrap_or_else(|| {
        let (role, kind) = (owner.to_owned(), kind.to_owned());
        entries.push(DefaultPrivilege {
            role,
            schema: schema.cloned(),
            kind,
            acl: nothing.clone(),
        });
        entries.len() - 1
    });
    change.apply_to_column(&mut entries[at].acl, privileges);
    if entries[at].acl == nothing {
        entries.remove(at);
    }
}
