//! `CREATE TABLE`, with `LIKE` and `AS`.

use super::column::{Draft, add, check_type, kept_type, plain, settle_values};
use super::constraints::{Def, add_check, add_foreign, add_keys, define};
use super::defaults::initial_acl;
use super::names::{named, relation_exists};
use super::{Effect, Work, error, like};
use crate::SqlError;
use crate::ast::{CreateTable, Query};
use crate::catalog::references::store_query;
use crate::catalog::{QName, Relation, RelationKind, Table};

/// `CREATE TABLE`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateTable,
) -> Result<&'static str, SqlError> {
    let made = if statement.query.is_some() {
        "SELECT"
    } else {
        "CREATE TABLE"
    };
    if let Some((what, span)) = statement.unsupported.first() {
        return Err(SqlError::unsupported(what).at(*span));
    }
    if statement.temporary {
        return Err(SqlError::unsupported("CREATE TEMPORARY TABLE")
            .hint("Use a WITH query, or a table that is dropped at the end.")
            .at(statement.name.span));
    }
    let name = work.new_name(&statement.name)?;
    if named(&work.catalog, &name).is_some() {
        let exists = relation_exists(&name.name).at(statement.name.span);
        work.skip_if(statement.if_not_exists, exists, "42P07")?;
        return Ok(if statement.query.is_some() {
            "CREATE TABLE AS"
        } else {
            made
        });
    }
    type_name_free(work, &name)?;
    let relation = Relation {
        oid: work.next_oid(),
        owner: work.role().to_owned(),
        columns: Vec::new(),
        acl: initial_acl(work, "tables", &name.schema),
        comment: None,
        kind: RelationKind::Table(Table::default()),
        name,
    };
    match &statement.query {
        Some(query) => create_as(work, relation, statement, query)?,
        None => create_plain(work, relation, statement)?,
    }
    Ok(made)
}

fn create_plain(
    work: &mut Work<'_>,
    relation: Relation,
    statement: &CreateTable,
) -> Result<(), SqlError> {
    let name = relation.name.clone();
    let mut draft = Draft::new(relation);
    let mut copied = Vec::new();
    for (source, options) in &statement.like {
        copied.push(like::copy(work, &mut draft, source, options)?);
    }
    for column in &statement.columns {
        add(work, &mut draft, column)?;
    }
    for constraint in &statement.constraints {
        match define(constraint)? {
            Def::Check(def) => draft.checks.push(def),
            Def::Key(def) => draft.keys.push(def),
            Def::Foreign(def) => draft.foreign.push(def),
            Def::Index(..) => {
                return Err(
                    error("42601", "cannot use an existing index in CREATE TABLE")
                        .at(constraint.span),
                );
            }
        }
    }
    settle_values(work, &mut draft)?;
    for mut def in std::mem::take(&mut draft.checks) {
        // There are no rows yet that it could be wrong for.
        def.not_valid = false;
        add_check(work, &mut draft.relation, &def)?;
    }
    add_keys(work, &mut draft.relation, &draft.keys)?;
    work.put(draft.relation);
    for mut def in draft.foreign {
        def.not_valid = false;
        add_foreign(work, &name, &def)?;
    }
    for source in copied {
        like::copy_indexes(work, &name, source);
    }
    work.effect(Effect::CreateTable(name));
    Ok(())
}

fn create_as(
    work: &mut Work<'_>,
    mut relation: Relation,
    statement: &CreateTable,
    query: &Query,
) -> Result<(), SqlError> {
    let found = work
        .cx
        .infer
        .query_columns(&work.catalog, query, work.path())?;
    if statement.columns.len() > found.len() {
        return Err(error("42601", "too many column names were specified"));
    }
    let written = statement
        .columns
        .iter()
        .map(|column| Some(column.name.clone()))
        .chain(std::iter::repeat(None));
    for ((name, ty), written) in found.into_iter().zip(written) {
        let name = written.unwrap_or(name);
        if relation.column(&name).is_some() {
            return Err(error(
                "42701",
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let ty = kept_type(ty);
        check_type(&name, &ty.ty)?;
        relation.columns.push(plain(&name, ty));
    }
    let table = relation.name.clone();
    let query = Box::new(store_query(&work.catalog, work.path(), query));
    work.put(relation);
    work.effect(Effect::CreateTable(table.clone()));
    work.effect(Effect::FillTable { table, query });
    Ok(())
}

/// A relation brings a row type of its name, so no enum may have it.
pub(super) fn type_name_free(work: &Work<'_>, name: &QName) -> Result<(), SqlError> {
    if !work.catalog.enums.contains_key(name) {
        return Ok(());
    }
    Err(error("42710", format!("type \"{}\" already exists", name.name)).hint(
        "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.",
    ))
}
