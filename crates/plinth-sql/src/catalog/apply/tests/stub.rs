//! A translator that knows just enough types for these scripts.

use super::super::Infer;
use crate::SqlError;
use crate::ast::{Expr, FromItem, Query, SelectItem, SetExpr};
use crate::catalog::references::{output_name, store_query};
use crate::catalog::{Catalog, Function, Relation};
use crate::types::{ColumnType, Type};

pub(super) struct Stub;

impl Infer for Stub {
    fn query_columns(
        &self,
        catalog: &Catalog,
        query: &Query,
        search_path: &[String],
    ) -> Result<Vec<(String, ColumnType)>, SqlError> {
        let query = store_query(catalog, search_path, query);
        let mut body = &query.body;
        loop {
            match body {
                SetExpr::Query(inner) => body = &inner.body,
                SetExpr::SetOp { left, .. } => body = left,
                SetExpr::Values(rows) => {
                    return Ok((1..=rows[0].len())
                        .map(|n| (format!("column{n}"), Type::Int4.into()))
                        .collect());
                }
                SetExpr::Select(select) => {
                    let mut relations = Vec::new();
                    for item in &select.from {
                        sources(catalog, item, &mut relations)?;
                    }
                    return select
                        .projection
                        .iter()
                        .map(|item| column(catalog, item, &relations))
                        .collect();
                }
            }
        }
    }

    fn expr_type(
        &self,
        catalog: &Catalog,
        expr: &Expr,
        relation: Option<&Relation>,
        _: bool,
        search_path: &[String],
    ) -> Result<ColumnType, SqlError> {
        ty(catalog, expr, relation.as_slice(), search_path)
    }

    fn function_body(&self, _: &Catalog, _: &Function, _: &[String]) -> Result<(), SqlError> {
        Ok(())
    }
}

fn sources<'c>(
    catalog: &'c Catalog,
    item: &FromItem,
    found: &mut Vec<&'c Relation>,
) -> Result<(), SqlError> {
    match item {
        FromItem::Table { name, alias } => match catalog.relation(name, &["public".to_owned()]) {
            Some(_)
                if alias
                    .as_ref()
                    .is_some_and(|alias| !alias.columns.is_empty()) => {}
            Some(relation) => found.push(relation),
            None if name.name == "cte" => {}
            None => {
                return Err(SqlError::new(
                    "42P01",
                    format!("relation \"{}\" does not exist", name.name),
                ));
            }
        },
        FromItem::Join { left, right, .. } => {
            sources(catalog, left, found)?;
            sources(catalog, right, found)?;
        }
        FromItem::Subquery { .. } | FromItem::Function { .. } => {}
    }
    Ok(())
}

fn column(
    catalog: &Catalog,
    item: &SelectItem,
    relations: &[&Relation],
) -> Result<(String, ColumnType), SqlError> {
    let SelectItem::Expr { expr, alias } = item else {
        return Ok(("star".to_owned(), Type::Text.into()));
    };
    let name = alias.clone().unwrap_or_else(|| output_name(expr));
    Ok((name, ty(catalog, expr, relations, &["public".to_owned()])?))
}

fn ty(
    catalog: &Catalog,
    expr: &Expr,
    over: &[&Relation],
    path: &[String],
) -> Result<ColumnType, SqlError> {
    Ok(match expr {
        Expr::Null | Expr::String(_) => Type::Unknown.into(),
        Expr::Number(_) => Type::Int4.into(),
        Expr::Column(column) => {
            let name = column.parts.last().unwrap();
            let found = over.iter().find_map(|relation| relation.column(name));
            match found {
                Some(found) => found.ty.clone(),
                None if over.is_empty() => Type::Text.into(),
                None => {
                    return Err(SqlError::new(
                        "42703",
                        format!("column \"{name}\" does not exist"),
                    ));
                }
            }
        }
        Expr::Cast { ty, .. } => catalog
            .resolve_type(ty, path)
            .unwrap_or_else(|| Type::Text.into()),
        Expr::Binary {
            op, left, right, ..
        } => {
            let (left, right) = (
                ty(catalog, left, over, path)?,
                ty(catalog, right, over, path)?,
            );
            match op.as_str() {
                "+" | "-" | "*" | "||" => left,
                _ if left.ty.is_string() && right.ty.is_number() => {
                    let message = format!("operator does not exist: {} {op} {}", left.ty, right.ty);
                    return Err(SqlError::new("42883", message).hint(
                        "No operator matches the given name and argument types. You might need to add explicit type casts.",
                    ));
                }
                _ => Type::Bool.into(),
            }
        }
        Expr::Call(call) => {
            for arg in &call.args {
                ty(catalog, &arg.value, over, path)?;
            }
            match call.name.name.as_str() {
                "lower" | "upper" => Type::Text.into(),
                "gen_random_uuid" | "uid" => Type::Uuid.into(),
                "now" => Type::Timestamptz.into(),
                "nextval" | "count" => Type::Int8.into(),
                "coalesce" => ty(catalog, &call.args[0].value, over, path)?,
                _ => match catalog.functions(&call.name, path) {
                    [] => Type::Unknown.into(),
                    [first, ..] => first.returns.ty.clone().into(),
                },
            }
        }
        Expr::And(left, right) | Expr::Or(left, right) => {
            ty(catalog, left, over, path)?;
            ty(catalog, right, over, path)?;
            Type::Bool.into()
        }
        Expr::Bool(_)
        | Expr::Not(_)
        | Expr::IsNull { .. }
        | Expr::Exists(_)
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::AnyArray { .. }
        | Expr::AnyQuery { .. }
        | Expr::InList { .. }
        | Expr::InQuery { .. } => Type::Bool.into(),
        _ => Type::Text.into(),
    })
}
