//! Roles: `CREATE ROLE`, `ALTER ROLE`, `DROP ROLE`, and membership.

use super::depend::Object;
use super::{Work, error};
use crate::SqlError;
use crate::ast::{CreateRole, Grant, ObjectName};
use crate::catalog::{Acl, Catalog, Role};

/// `CREATE ROLE`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateRole,
) -> Result<&'static str, SqlError> {
    let name = &statement.name;
    may_manage(work, None, statement)?;
    if matches!(name.as_str(), "public" | "none") || name.starts_with("pg_") {
        let reserved = error("42939", format!("role name \"{name}\" is reserved"));
        return Err(match name.starts_with("pg_") {
            true => reserved.detail("Role names starting with \"pg_\" are reserved."),
            false => reserved,
        });
    }
    if work.catalog.roles.contains_key(name) {
        return Err(error("42710", format!("role \"{name}\" already exists")));
    }
    let member_of = statement
        .member_of
        .iter()
        .map(|role| work.role_name(role))
        .collect::<Result<_, _>>()?;
    let mut role = Role {
        inherit: true,
        member_of,
        ..Role::default()
    };
    set(&mut role, statement);
    work.edit().roles.insert(name.clone(), role);
    Ok("CREATE ROLE")
}

/// `ALTER ROLE` with options.
pub(super) fn alter(work: &mut Work<'_>, statement: &CreateRole) -> Result<&'static str, SqlError> {
    let name = work.role_name(&statement.name)?;
    let mut role = work.catalog.roles.get(&name).cloned().unwrap_or_default();
    may_manage(work, Some(&role), statement)?;
    set(&mut role, statement);
    work.edit().roles.insert(name, role);
    Ok("ALTER ROLE")
}

fn set(role: &mut Role, statement: &CreateRole) {
    let options = [
        (&mut role.superuser, statement.superuser),
        (&mut role.bypass_rls, statement.bypass_rls),
        (&mut role.login, statement.login),
        (&mut role.inherit, statement.inherit),
        (&mut role.create_role, statement.create_role),
    ];
    for (option, written) in options {
        *option = written.unwrap_or(*option);
    }
}

/// What the role at work may do.
fn current(work: &Work<'_>) -> Role {
    let roles = &work.catalog.roles;
    roles.get(work.role()).cloned().unwrap_or_default()
}

/// Attributes that are above one's own are nobody's to give.
fn may_manage(work: &Work<'_>, old: Option<&Role>, statement: &CreateRole) -> Result<(), SqlError> {
    let current = current(work);
    if current.superuser {
        return Ok(());
    }
    let denied = |message: &str| Err(error("42501", message));
    match old {
        Some(old) if old.superuser || statement.superuser.is_some() => {
            denied("must be superuser to alter superuser roles or change superuser attribute")
        }
        Some(_) if statement.bypass_rls.is_some() => {
            denied("must be superuser to change bypassrls attribute")
        }
        None if statement.superuser == Some(true) => {
            denied("must be superuser to create superusers")
        }
        None if statement.bypass_rls == Some(true) => {
            denied("must be superuser to create bypassrls users")
        }
        Some(_) if !current.create_role => denied("permission denied"),
        None if !current.create_role => denied("permission denied to create role"),
        _ => Ok(()),
    }
}

/// One name of `DROP ROLE`.
pub(super) fn drop(
    work: &mut Work<'_>,
    name: &ObjectName,
    if_exists: bool,
) -> Result<(), SqlError> {
    let name = name.name.as_str();
    let current = current(work);
    if !current.superuser && !current.create_role {
        return Err(error("42501", "permission denied to drop role"));
    }
    let Some(role) = work.catalog.roles.get(name) else {
        let missing = error("42704", format!("role \"{name}\" does not exist"));
        work.skip_if(if_exists, missing, "00000")?;
        return Ok(());
    };
    if name == work.role() {
        return Err(error("55006", "current user cannot be dropped"));
    }
    if role.superuser && !current.superuser {
        return Err(error("42501", "must be superuser to drop superusers"));
    }
    let uses = uses(work, name);
    if !uses.is_empty() {
        let message =
            format!("role \"{name}\" cannot be dropped because some objects depend on it");
        return Err(error("2BP01", message).detail(uses.join("\n")));
    }
    let catalog = work.edit();
    catalog.roles.remove(name);
    for role in catalog.roles.values_mut() {
        role.member_of.retain(|other| other != name);
    }
    Ok(())
}

/// What the role owns, may use or is the target of.
fn uses(work: &Work<'_>, role: &str) -> Vec<String> {
    let catalog = &work.catalog;
    let mut uses = Vec::new();
    let mut note = |object: Object, owner: &str, acls: &[&Acl]| {
        let object = work.describe(&object);
        if owner == role {
            uses.push(format!("owner of {object}"));
        } else if acls.iter().any(|acl| acl.0.contains_key(role)) {
            uses.push(format!("privileges for {object}"));
        }
    };
    for (name, schema) in &catalog.schemas {
        note(Object::Schema(name.clone()), &schema.owner, &[&schema.acl]);
    }
    for relation in catalog.relations.values() {
        let mut acls = vec![&relation.acl];
        acls.extend(relation.columns.iter().map(|column| &column.acl));
        note(
            Object::Relation(relation.name.clone()),
            &relation.owner,
            &acls,
        );
    }
    for sequence in catalog.sequences.values() {
        note(
            Object::Sequence(sequence.name.clone()),
            &sequence.owner,
            &[&sequence.acl],
        );
    }
    for function in catalog.functions.values().flatten() {
        note(
            Object::Function(function.name.clone(), function.oid),
            &function.owner,
            &[&function.acl],
        );
    }
    for ty in catalog.enums.values() {
        note(Object::Enum(ty.name.clone()), &ty.owner, &[]);
    }
    for relation in catalog.relations.values() {
        for policy in relation
            .table()
            .into_iter()
            .flat_map(|table| &table.policies)
        {
            if policy.roles.iter().any(|other| other == role) {
                let policy = Object::Policy(relation.name.clone(), policy.name.clone());
                uses.push(format!("target of {}", work.describe(&policy)));
            }
        }
    }
    for entry in &catalog.default_privileges {
        if entry.role == role || entry.acl.0.contains_key(role) {
            let kind = if entry.kind == "tables" {
                "relations"
            } else {
                &entry.kind
            };
            let schema = entry
                .schema
                .as_ref()
                .map(|schema| format!(" in schema {schema}"))
                .unwrap_or_default();
            uses.push(format!(
                "privileges for default privileges on new {kind} belonging to role {}{schema}",
                entry.role
            ));
        }
    }
    uses
}

/// `GRANT role TO role` and `REVOKE role FROM role`.
pub(super) fn membership(
    work: &mut Work<'_>,
    statement: &Grant,
    granted: &[String],
) -> Result<(), SqlError> {
    let granted = granted
        .iter()
        .map(|role| work.role_name(role))
        .collect::<Result<Vec<_>, _>>()?;
    let members = statement
        .roles
        .iter()
        .map(|role| work.role_name(role))
        .collect::<Result<Vec<_>, _>>()?;
    for role in &granted {
        let current = current(work);
        let above = work.catalog.is_superuser(role);
        if !current.superuser && (above || !current.create_role) {
            return Err(error(
                "42501",
                format!("must have admin option on role \"{role}\""),
            ));
        }
        for member in &members {
            let known = work
                .catalog
                .roles
                .get(member)
                .is_some_and(|known| known.member_of.contains(role));
            if statement.revoke {
                if !known {
                    work.notice(error(
                        "01000",
                        format!("role \"{member}\" is not a member of role \"{role}\""),
                    ));
                } else if !statement.grant_option {
                    edit_members(work, member, |roles| roles.retain(|other| other != role));
                }
            } else if known {
                work.notice(error(
                    "00000",
                    format!("role \"{member}\" is already a member of role \"{role}\""),
                ));
            } else if member == role || reaches(&work.catalog, role, member) {
                return Err(error(
                    "0LP01",
                    format!("role \"{role}\" is a member of role \"{member}\""),
                ));
            } else {
                edit_members(work, member, |roles| roles.push(role.clone()));
            }
        }
    }
    Ok(())
}

fn edit_members(work: &mut Work<'_>, member: &str, change: impl FnOnce(&mut Vec<String>)) {
    if let Some(member) = work.edit().roles.get_mut(member) {
        change(&mut member.member_of);
    }
}

/// Whether `role` is a member of `other`, directly or through others; being a superuser does not count.
fn reaches(catalog: &Catalog, role: &str, other: &str) -> bool {
    let parents = catalog
        .roles
        .get(role)
        .into_iter()
        .flat_map(|known| &known.member_of);
    parents
        .into_iter()
        .any(|parent| parent == other || reaches(catalog, parent, other))
}
