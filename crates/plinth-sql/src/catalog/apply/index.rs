//! `CREATE INDEX`.

use super::constraints::{index_name_taken, must_be_boolean, plain_column, table_mut};
use super::names::{Named, choose, joined, missing_relation, named, relation_exists, wrong_kind};
use super::types::sortable;
use super::{Effect, Work, error};
use crate::SqlError;
use crate::ast::{CreateIndex, Expr, Names};
use crate::catalog::references::{output_name, store_expr};
use crate::catalog::{Index, IndexPart, QName, Relation};
use crate::types::Type;

/// `CREATE INDEX`.
pub(super) fn create(
    work: &mut Work<'_>,
    statement: &CreateIndex,
) -> Result<&'static str, SqlError> {
    let relation = match work.find_named(&statement.table) {
        Some(Named::Relation(relation)) => relation,
        Some(_) => {
            return Err(wrong_kind(&statement.table.name, "a table").at(statement.table.span));
        }
        None => return Err(missing_relation(&statement.table)),
    };
    work.must_own_relation(&relation)?;
    if relation.table().is_none() {
        return Err(error(
            "42809",
            format!("cannot create index on relation \"{}\"", relation.name.name),
        )
        .detail("This operation is not supported for views."));
    }
    if let Some(name) = &statement.name
        && named(&work.catalog, &QName::new(&relation.name.schema, name)).is_some()
    {
        let exists = relation_exists(name);
        work.skip_if(statement.if_not_exists, exists, "42P07")?;
        return Ok("CREATE INDEX");
    }
    check_method(work, statement, &relation)?;
    if let Some(column) = statement
        .include
        .iter()
        .find(|column| relation.column(column).is_none())
    {
        return Err(error(
            "42703",
            format!("column \"{column}\" does not exist"),
        ));
    }
    let mut keys = Vec::new();
    for key in &statement.keys {
        let expr = checked(work, &relation, &key.order.expr, "index expressions")?;
        if statement.method == "btree" {
            sortable(&work.expr_type(&key.order.expr, Some(&relation))?.ty)?;
        }
        let (descending, nulls_first) = (key.order.descending, key.order.nulls_first);
        keys.push(IndexPart {
            expr,
            descending,
            nulls_first,
        });
    }
    let predicate = match &statement.predicate {
        Some(predicate) => {
            let stored = checked(work, &relation, predicate, "index predicates")?;
            must_be_boolean(&work.expr_type(predicate, Some(&relation))?.ty, "WHERE")?;
            Some(stored)
        }
        None => None,
    };
    let name = statement
        .name
        .clone()
        .unwrap_or_else(|| default_name(work, &relation, &keys));
    let index = Index {
        name: name.clone(),
        unique: statement.unique,
        nulls_not_distinct: statement.nulls_not_distinct,
        keys,
        predicate,
        method: statement.method.clone(),
    };
    let table = relation.name.clone();
    put(work, &table, index);
    work.effect(Effect::CreateIndex { table, name });
    Ok("CREATE INDEX")
}

/// An index like another one, on another table, under a name of its own.
pub(super) fn add_copy(work: &mut Work<'_>, table: &QName, index: &Index) {
    if let Some(relation) = work.catalog.relations.get(table).cloned() {
        let name = default_name(work, &relation, &index.keys);
        put(
            work,
            table,
            Index {
                name,
                ..index.clone()
            },
        );
    }
}

fn put(work: &mut Work<'_>, table: &QName, index: Index) {
    work.edit_relation(table, |relation| {
        if let Some(table) = table_mut(relation) {
            table.indexes.push(index);
        }
    });
}

fn checked(
    work: &Work<'_>,
    relation: &Relation,
    expr: &Expr,
    place: &str,
) -> Result<Expr, SqlError> {
    if Names::of_expr(expr).subqueries {
        let place = place.trim_end_matches('s');
        return Err(error("0A000", format!("cannot use subquery in {place}")));
    }
    if let Expr::Column(column) = expr
        && let [name] = column.parts.as_slice()
        && relation.column(name).is_none()
    {
        return Err(error("42703", format!("column \"{name}\" does not exist")).at(column.span));
    }
    work.expr_type(expr, Some(relation))?;
    Ok(store_expr(&work.catalog, work.path(), Some(relation), expr))
}

/// Methods other than btree speed up operators that we run without them; unique ones would promise something.
fn check_method(
    work: &mut Work<'_>,
    statement: &CreateIndex,
    relation: &Relation,
) -> Result<(), SqlError> {
    let method = statement.method.as_str();
    match method {
        "btree" => return Ok(()),
        "hash" | "gin" | "gist" | "brin" | "spgist" => {}
        other => {
            return Err(error(
                "42704",
                format!("access method \"{other}\" does not exist"),
            ));
        }
    }
    if statement.unique {
        return Err(error(
            "0A000",
            format!("access method \"{method}\" does not support unique indexes"),
        ));
    }
    for key in &statement.keys {
        let Some(name) = plain_column(&key.order.expr) else {
            return Err(SqlError::unsupported(format!(
                "an expression index of access method \"{method}\""
            ))
            .hint("Use a btree index."));
        };
        let Some(column) = relation.column(&name) else {
            continue;
        };
        if method == "gin"
            && key.operator_class.is_none()
            && !matches!(column.ty.ty, Type::Array(_) | Type::Jsonb)
        {
            return Err(no_operator_class(&column.ty.ty, method));
        }
    }
    work.notice(error(
        "00000",
        format!("access method \"{method}\" is kept by name only; the index is a plain one"),
    ));
    Ok(())
}

/// 42704.
pub(super) fn no_operator_class(ty: &Type, method: &str) -> SqlError {
    error("42704", format!("data type {ty} has no default operator class for access method \"{method}\"")).hint(
        "You must specify an operator class for the index or define a default operator class for the data type.",
    )
}

fn default_name(work: &Work<'_>, relation: &Relation, keys: &[IndexPart]) -> String {
    let mut names: Vec<String> = Vec::new();
    for key in keys {
        let mut name = output_name(&key.expr);
        if name == "?column?" {
            "expr".clone_into(&mut name);
        }
        let free = |name: &str| !names.iter().any(|other| other == name);
        if !free(&name) {
            let mut numbered = (1_u32..).map(|n| format!("{name}{n}"));
            name = numbered.find(|numbered| free(numbered)).unwrap_or(name);
        }
        names.push(name);
    }
    let middle = joined(names.iter().map(String::as_str));
    choose(&relation.name.name, Some(&middle), "idx", |name| {
        index_name_taken(work, relation, name)
    })
}
