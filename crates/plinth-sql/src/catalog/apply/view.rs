//! `CREATE VIEW`.

use super::defaults::initial_acl;
use super::names::{Named, named, relation_exists, wrong_kind};
use super::{Work, column, error, table};
use crate::SqlError;
use crate::ast::{CreateView, Query, SelectItem, SetExpr};
use crate::catalog::references::{Stored, Target, collect, output_name, store_query};
use crate::catalog::{Catalog, Column, QName, Relation, RelationKind, View};

/// `CREATE [OR REPLACE] VIEW`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateView,
) -> Result<&'static str, SqlError> {
    let span = statement.name.span;
    if statement.materialized {
        return Err(SqlError::unsupported("CREATE MATERIALIZED VIEW")
            .hint("Use a view, or a table filled by a query.")
            .at(span));
    }
    if statement.temporary {
        return Err(SqlError::unsupported("CREATE TEMPORARY VIEW")
            .hint("Use a WITH query.")
            .at(span));
    }
    if statement.check_option {
        return Err(SqlError::unsupported("WITH CHECK OPTION")
            .hint("Use a policy or a CHECK constraint.")
            .at(span));
    }
    let security_invoker = options(&statement.options)?.unwrap_or(false);
    let name = work.new_name(&statement.name)?;
    let known = match named(&work.catalog, &name) {
        None => None,
        Some(_) if !statement.or_replace => return Err(relation_exists(&name.name).at(span)),
        Some(Named::Relation(relation)) if relation.view().is_some() => Some(relation),
        Some(_) => return Err(wrong_kind(&name.name, "a view").at(span)),
    };
    let columns = columns(work, statement)?;
    let mut query = store_query(&work.catalog, work.path(), &statement.query);
    label(
        &mut query,
        &columns
            .iter()
            .map(|column| column.name.as_str())
            .collect::<Vec<_>>(),
    );
    let kind = RelationKind::View(View {
        query,
        security_invoker,
    });
    let relation = match known {
        Some(old) => {
            work.must_own_relation(&old)?;
            let columns = replaced(&old, columns)?;
            Relation {
                columns,
                kind,
                ..old.as_ref().clone()
            }
        }
        None => {
            table::type_name_free(work, &name)?;
            Relation {
                oid: work.next_oid(),
                owner: work.role().to_owned(),
                columns,
                acl: initial_acl(work, "tables", &name.schema),
                comment: None,
                kind,
                name,
            }
        }
    };
    let name = relation.name.clone();
    work.put(relation);
    if reads_itself(&work.catalog, &name) {
        return Err(error(
            "42P17",
            format!(
                "infinite recursion detected in rules for relation \"{}\"",
                name.name
            ),
        ));
    }
    Ok("CREATE VIEW")
}

/// `security_invoker`, when it is among the options of a view.
pub(super) fn options(options: &[(String, Option<String>)]) -> Result<Option<bool>, SqlError> {
    let mut security_invoker = None;
    for (name, value) in options {
        match name.as_str() {
            "security_invoker" => security_invoker = Some(flag(name, value.as_deref())?),
            // Policies are a barrier in every view.
            "security_barrier" => {
                flag(name, value.as_deref())?;
            }
            "check_option" => {
                return Err(SqlError::unsupported("WITH CHECK OPTION")
                    .hint("Use a policy or a CHECK constraint."));
            }
            other => {
                return Err(error(
                    "22023",
                    format!("unrecognized parameter \"{other}\""),
                ));
            }
        }
    }
    Ok(security_invoker)
}

fn flag(name: &str, value: Option<&str>) -> Result<bool, SqlError> {
    let Some(value) = value else { return Ok(true) };
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" | "t" | "y" => Ok(true),
        "false" | "off" | "no" | "0" | "f" | "n" => Ok(false),
        _ => Err(error(
            "22023",
            format!("invalid value for boolean option \"{name}\": {value}"),
        )),
    }
}

fn columns(work: &Work<'_>, statement: &CreateView) -> Result<Vec<Column>, SqlError> {
    let found = work
        .cx
        .infer
        .query_columns(&work.catalog, &statement.query, work.path())?;
    if statement.columns.len() > found.len() {
        return Err(error(
            "42601",
            "CREATE VIEW specifies more column names than columns",
        ));
    }
    let mut columns: Vec<Column> = Vec::new();
    for (at, (name, ty)) in found.into_iter().enumerate() {
        let name = statement.columns.get(at).cloned().unwrap_or(name);
        if columns.iter().any(|column| column.name == name) {
            return Err(error(
                "42701",
                format!("column \"{name}\" specified more than once"),
            ));
        }
        let ty = column::kept_type(ty);
        columns.push(column::plain(&name, ty));
    }
    Ok(columns)
}

/// A replacement may only add columns at the end.
fn replaced(old: &Relation, new: Vec<Column>) -> Result<Vec<Column>, SqlError> {
    let refuse = |message: String| Err(error("42P16", message));
    if new.len() < old.columns.len() {
        return refuse("cannot drop columns from view".to_owned());
    }
    let mut merged = new;
    for (new, old) in merged.iter_mut().zip(&old.columns) {
        if new.name != old.name {
            let message = format!(
                "cannot change name of view column \"{}\" to \"{}\"",
                old.name, new.name
            );
            return Err(error("42P16", message).hint(
                "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead.",
            ));
        }
        if new.ty != old.ty {
            let (from, to) = (&old.ty, &new.ty);
            return refuse(format!(
                "cannot change data type of view column \"{}\" from {from} to {to}",
                old.name
            ));
        }
        *new = old.clone();
    }
    Ok(merged)
}

/// Writes the columns' names into the select list, where there is one, so that the query alone tells them.
pub(super) fn label(query: &mut Query, names: &[&str]) {
    let mut body = &mut query.body;
    loop {
        match body {
            SetExpr::Query(inner) => body = &mut inner.body,
            SetExpr::SetOp { left, .. } => body = left,
            SetExpr::Values(_) => return,
            SetExpr::Select(select) => {
                if select.projection.len() == names.len() {
                    for (item, name) in select.projection.iter_mut().zip(names) {
                        if let SelectItem::Expr { expr, alias } = item {
                            let plain = alias.is_none() && output_name(expr) == *name;
                            if !plain {
                                *alias = Some((*name).to_owned());
                            }
                        }
                    }
                }
                return;
            }
        }
    }
}

/// Whether a view reads itself, directly or through others.
fn reads_itself(catalog: &Catalog, name: &QName) -> bool {
    let mut seen: Vec<QName> = Vec::new();
    let mut waiting = vec![name.clone()];
    while let Some(next) = waiting.pop() {
        let Some(view) = catalog
            .relations
            .get(&next)
            .and_then(|relation| relation.view())
        else {
            continue;
        };
        for target in collect(catalog, Stored::Query(&mut view.query.clone())) {
            if let Target::Relation(read) = target {
                if read == *name {
                    return true;
                }
                if !seen.contains(&read) {
                    seen.push(read.clone());
                    waiting.push(read);
                }
            }
        }
    }
    false
}
