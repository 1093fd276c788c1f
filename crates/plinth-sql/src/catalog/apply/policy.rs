//! `CREATE POLICY` and `ALTER POLICY`.

use super::constraints::{must_be_boolean, table_mut};
use super::depend::Object;
use super::drop::{Dropped, Missing, missing};
use super::names::missing_relation;
use super::{Work, error};
use crate::SqlError;
use crate::ast::{AlterPolicy, CreatePolicy, Expr, ObjectName, PolicyCommand};
use crate::catalog::references::store_expr;
use crate::catalog::{Policy, Relation};

/// `CREATE POLICY`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreatePolicy,
) -> Result<&'static str, SqlError> {
    let command = statement.command;
    if statement.check.is_some() && matches!(command, PolicyCommand::Select | PolicyCommand::Delete)
    {
        return Err(error(
            "42601",
            "WITH CHECK cannot be applied to SELECT or DELETE",
        ));
    }
    if statement.using.is_some() && command == PolicyCommand::Insert {
        return Err(error(
            "42601",
            "only WITH CHECK expression allowed for INSERT",
        ));
    }
    let relation = work.table(&statement.table)?;
    work.must_own_relation(&relation)?;
    let roles = roles(work, &statement.roles)?;
    let using = condition(work, &relation, statement.using.as_ref())?;
    let check = condition(work, &relation, statement.check.as_ref())?;
    if find(&relation, &statement.name).is_some() {
        return Err(exists(&statement.name, &relation));
    }
    let name = statement.name.clone();
    let policy = Policy {
        name,
        permissive: statement.permissive,
        command,
        roles,
        using,
        check,
    };
    work.edit_relation(&relation.name, |relation| {
        table_mut(relation).map(|table| table.policies.push(policy))
    });
    Ok("CREATE POLICY")
}

/// `ALTER POLICY`.
pub(super) fn alter(
    work: &mut Work<'_>,
    statement: &AlterPolicy,
) -> Result<&'static str, SqlError> {
    let relation = work.table(&statement.table)?;
    work.must_own_relation(&relation)?;
    if let Some(to) = &statement.rename_to
        && find(&relation, to).is_some()
    {
        return Err(exists(to, &relation));
    }
    let mut policy = find(&relation, &statement.name)
        .ok_or_else(|| absent(&statement.name, &relation, "table"))?
        .clone();
    if statement.check.is_some()
        && matches!(
            policy.command,
            PolicyCommand::Select | PolicyCommand::Delete
        )
    {
        return Err(error(
            "42601",
            "only USING expression allowed for SELECT, DELETE",
        ));
    }
    if statement.using.is_some() && policy.command == PolicyCommand::Insert {
        return Err(error(
            "42601",
            "only WITH CHECK expression allowed for INSERT",
        ));
    }
    if let Some(to) = &statement.rename_to {
        policy.name.clone_from(to);
    }
    if let Some(written) = &statement.roles {
        policy.roles = roles(work, written)?;
    }
    policy.using = condition(work, &relation, statement.using.as_ref())?.or(policy.using);
    policy.check = condition(work, &relation, statement.check.as_ref())?.or(policy.check);
    work.edit_relation(&relation.name, |relation| {
        let policies = table_mut(relation)
            .into_iter()
            .flat_map(|table| &mut table.policies);
        if let Some(found) = policies
            .into_iter()
            .find(|found| found.name == statement.name)
        {
            *found = policy;
        }
    });
    Ok("ALTER POLICY")
}

/// What `DROP POLICY` names.
pub(super) fn dropped(
    work: &Work<'_>,
    name: &ObjectName,
    table: Option<&ObjectName>,
    if_exists: bool,
) -> Dropped {
    let Some(table) = table else { return Ok(None) };
    if work.find_named(table).is_none() {
        return Err(missing(work, table, missing_relation(table)));
    }
    let relation = work.table(table)?;
    if find(&relation, &name.name).is_none() {
        let kind = if if_exists { "relation" } else { "table" };
        return Err(Missing::Skippable(absent(&name.name, &relation, kind)));
    }
    work.must_own(&relation.owner, "relation", &relation.name.name)?;
    Ok(Some(Object::Policy(
        relation.name.clone(),
        name.name.clone(),
    )))
}

fn condition(
    work: &Work<'_>,
    relation: &Relation,
    expr: Option<&Expr>,
) -> Result<Option<Expr>, SqlError> {
    let Some(expr) = expr else { return Ok(None) };
    let infer = work.cx.infer;
    must_be_boolean(
        &infer
            .expr_type(&work.catalog, expr, Some(relation), true, work.path())?
            .ty,
        "POLICY",
    )?;
    Ok(Some(store_expr(
        &work.catalog,
        work.path(),
        Some(relation),
        expr,
    )))
}

fn roles(work: &mut Work<'_>, written: &[String]) -> Result<Vec<String>, SqlError> {
    if written.iter().any(|role| role == "public") {
        if written.len() > 1 {
            let warning = error("01000", "ignoring specified roles other than PUBLIC");
            work.notice(warning.hint("All roles are members of the PUBLIC role."));
        }
        return Ok(vec!["public".to_owned()]);
    }
    written.iter().map(|role| work.role_name(role)).collect()
}

fn find<'r>(relation: &'r Relation, name: &str) -> Option<&'r Policy> {
    relation
        .table()?
        .policies
        .iter()
        .find(|policy| policy.name == name)
}

/// 42704, for comments too.
pub(super) fn absent(name: &str, relation: &Relation, kind: &str) -> SqlError {
    error(
        "42704",
        format!(
            "policy \"{name}\" for {kind} \"{}\" does not exist",
            relation.name.name
        ),
    )
}

fn exists(name: &str, relation: &Relation) -> SqlError {
    error(
        "42710",
        format!(
            "policy \"{name}\" for table \"{}\" already exists",
            relation.name.name
        ),
    )
}
