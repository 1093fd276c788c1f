//! Whole queries: `WITH`, set operations, `VALUES`, and the page.
//!
//! Every translated query names its columns `c1`, `c2`, …, so that duplicate and odd names never reach SQLite.

use plinth_sql::SqlError;
use plinth_sql::ast::{Cte, Expr, OrderBy, Query, SetExpr, SetOperator, Statement, With};
use plinth_sql::types::{ColumnType, Type};

use super::coerce::How;
use super::lock::Locks;
use super::{CteName, Ex, Translator};
use crate::names::collate;

/// A translated query.
#[derive(Clone, Debug)]
pub(crate) struct QueryOut {
    /// SQLite text, columns `c1`…`cn`.
    pub(crate) sql: String,
    /// Names and types as Postgres shows them.
    pub(crate) columns: Vec<(String, ColumnType)>,
    /// Certainly no second row.
    pub(crate) at_most_one: bool,
}

impl Translator<'_> {
    /// A query that sees the columns around it.
    pub(super) fn subquery(&mut self, query: &Query) -> Result<QueryOut, SqlError> {
        self.query(query, None)
    }

    /// A query. With `targets` its columns are coerced as for an assignment to columns of these types.
    pub(crate) fn query(
        &mut self,
        query: &Query,
        targets: Option<&[ColumnType]>,
    ) -> Result<QueryOut, SqlError> {
        self.query_locked(query, targets, Locks::default())
    }

    /// A query whose rows the query around it locks as well.
    pub(super) fn query_locked(
        &mut self,
        query: &Query,
        targets: Option<&[ColumnType]>,
        around: Locks,
    ) -> Result<QueryOut, SqlError> {
        let visible = self.ctes.len();
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let result = self.query_body(query, targets, around);
        self.ctes.truncate(visible);
        let mut out = result?;
        if !with.is_empty() {
            out.sql = format!("{with} {}", out.sql);
        }
        Ok(out)
    }

    fn query_body(
        &mut self,
        query: &Query,
        targets: Option<&[ColumnType]>,
        around: Locks,
    ) -> Result<QueryOut, SqlError> {
        let page = self.page(query)?;
        let own = self.locks_of(query, around)?;
        let locks = std::mem::replace(&mut self.locks, own);
        let done = self.query_rows(query, targets, &page);
        self.locks = locks;
        done
    }

    fn query_rows(
        &mut self,
        query: &Query,
        targets: Option<&[ColumnType]>,
        page: &Page,
    ) -> Result<QueryOut, SqlError> {
        match &query.body {
            SetExpr::Select(select) => {
                let parts = self.select(select, &query.order_by)?;
                let at_most_one = parts.at_most_one;
                let (mut sql, columns) = self.render_select(parts, targets)?;
                sql.push_str(&page.sql);
                Ok(QueryOut {
                    sql,
                    columns,
                    at_most_one: at_most_one || page.one,
                })
            }
            SetExpr::Values(rows) if query.order_by.is_empty() => {
                let (mut sql, columns) = self.values(rows, targets)?;
                sql.push_str(&page.sql);
                Ok(QueryOut {
                    sql,
                    columns,
                    at_most_one: rows.len() == 1 || page.one,
                })
            }
            body @ (SetExpr::Values(_) | SetExpr::Query(_) | SetExpr::SetOp { .. }) => {
                let (sql, columns) = self.set_body(body)?;
                let order = self.order_of_outputs(&query.order_by, &columns)?;
                let names = numbered(columns.len());
                let mut sql = format!("SELECT {names} FROM ({sql}){order}{}", page.sql);
                let columns = match targets {
                    Some(targets) => self.coerce_rows(&mut sql, columns, targets)?,
                    None => columns,
                };
                Ok(QueryOut {
                    sql,
                    columns,
                    at_most_one: page.one,
                })
            }
        }
    }

    /// ` LIMIT … OFFSET …`.
    fn page(&mut self, query: &Query) -> Result<Page, SqlError> {
        let mut sql = String::new();
        let mut one = false;
        if query.limit.is_some() || query.offset.is_some() {
            sql = match &query.limit {
                None => " LIMIT -1".to_owned(),
                Some(Expr::Number(text)) if text.parse::<u32>().is_ok() => {
                    one = text.parse::<u32>().is_ok_and(|limit| limit <= 1);
                    format!(" LIMIT {text}")
                }
                Some(limit) => {
                    self.note_leaky();
                    let limit = self.expr(limit)?;
                    let limit = self.coerce(limit, &Type::Int8.into(), How::Assignment)?;
                    format!(" LIMIT pg_limit({},'LIMIT')", limit.sql)
                }
            };
            match &query.offset {
                None => {}
                Some(Expr::Number(text)) if text.parse::<u32>().is_ok() => {
                    sql.push_str(&format!(" OFFSET {text}"));
                }
                Some(offset) => {
                    let offset = self.expr(offset)?;
                    let offset = self.coerce(offset, &Type::Int8.into(), How::Assignment)?;
                    sql.push_str(&format!(" OFFSET max(0,pg_limit({},'OFFSET'))", offset.sql));
                }
            }
        }
        Ok(Page { sql, one })
    }

    /// A body that is not a plain `SELECT`.
    fn set_body(
        &mut self,
        body: &SetExpr,
    ) -> Result<(String, Vec<(String, ColumnType)>), SqlError> {
        match body {
            SetExpr::Select(select) => {
                let parts = self.select(select, &[])?;
                self.render_select(parts, None)
            }
            SetExpr::Values(rows) => self.values(rows, None),
            SetExpr::Query(query) => {
                let out = self.query(query, None)?;
                Ok((
                    format!("SELECT {} FROM ({})", numbered(out.columns.len()), out.sql),
                    out.columns,
                ))
            }
            SetExpr::SetOp {
                op,
                all,
                left,
                right,
            } => self.set_operation(*op, *all, left, right),
        }
    }

    fn set_operation(
        &mut self,
        op: SetOperator,
        all: bool,
        left: &SetExpr,
        right: &SetExpr,
    ) -> Result<(String, Vec<(String, ColumnType)>), SqlError> {
        let word = match op {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        let left = self.side(left)?;
        let right = self.side(right)?;
        if left.columns.len() != right.columns.len() {
            return Err(SqlError::new(
                "42601",
                format!("each {word} query must have the same number of columns"),
            ));
        }
        let mut types = Vec::with_capacity(left.columns.len());
        for ((_, a), (_, b)) in left.columns.iter().zip(&right.columns) {
            let ty = self.common_type(&[a, b], word)?;
            let modifier = if a.ty == b.ty { a.ty.modifier } else { None };
            types.push(ColumnType { ty, modifier });
        }
        let left_sql = self.render_side(&left, &types, !all)?;
        let right_sql = self.render_side(&right, &types, !all)?;
        let columns = left
            .columns
            .iter()
            .zip(&types)
            .map(|((name, _), ty)| (name.clone(), ty.clone()))
            .collect();
        let sql = match (op, all) {
            (SetOperator::Union, true) => {
                format!("SELECT * FROM ({left_sql}) UNION ALL SELECT * FROM ({right_sql})")
            }
            (_, false) => format!("SELECT * FROM ({left_sql}) {word} SELECT * FROM ({right_sql})"),
            // Rows that occur n and m times: numbered, equal rows pair up.
            (_, true) => {
                let names = numbered(types.len());
                let number = |sql: &str| {
                    format!(
                        "SELECT {names}, row_number() OVER (PARTITION BY {names}) AS rn FROM ({sql})"
                    )
                };
                format!(
                    "SELECT {names} FROM ({} {word} {})",
                    number(&left_sql),
                    number(&right_sql)
                )
            }
        };
        let sql = format!("SELECT {} FROM ({sql})", numbered(types.len()));
        Ok((sql, columns))
    }

    /// One side of a set operation, its undecided columns kept undecided.
    fn side(&mut self, body: &SetExpr) -> Result<Side, SqlError> {
        if let SetExpr::Select(select) = body {
            let parts = self.select(select, &[])?;
            let columns = parts.columns.clone();
            return Ok(Side {
                parts: Some(parts),
                sql: String::new(),
                columns,
            });
        }
        let (sql, columns) = self.set_body(body)?;
        let alias = self.alias("q");
        let columns = columns
            .into_iter()
            .enumerate()
            .map(|(place, (name, ty))| (name, Ex::new(format!("{alias}.c{}", place + 1), ty)))
            .collect();
        Ok(Side {
            parts: None,
            sql: format!("({sql}) AS {alias}"),
            columns,
        })
    }

    fn render_side(
        &mut self,
        side: &Side,
        types: &[ColumnType],
        distinct: bool,
    ) -> Result<String, SqlError> {
        let mut columns = Vec::with_capacity(types.len());
        for (place, ((_, ex), ty)) in side.columns.iter().zip(types).enumerate() {
            let ex = self.coerce(ex.clone(), &ty.ty.clone().into(), How::Implicit)?;
            let collation = if distinct {
                collate(&ty.ty, self.catalog)
            } else {
                String::new()
            };
            columns.push(format!("{}{collation} AS c{}", ex.sql, place + 1));
        }
        let columns = if columns.is_empty() {
            "NULL AS c1".to_owned()
        } else {
            columns.join(", ")
        };
        Ok(match &side.parts {
            Some(parts) => parts.with_columns(&columns),
            None => format!("SELECT {columns} FROM {}", side.sql),
        })
    }

    /// `VALUES`, each column of one type.
    fn values(
        &mut self,
        rows: &[Vec<Expr>],
        targets: Option<&[ColumnType]>,
    ) -> Result<(String, Vec<(String, ColumnType)>), SqlError> {
        let width = rows.first().map_or(0, Vec::len);
        let mut translated = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != width {
                return Err(SqlError::new(
                    "42601",
                    "VALUES lists must all be the same length",
                ));
            }
            let mut values = Vec::with_capacity(width);
            for value in row {
                values.push(self.expr(value)?);
            }
            translated.push(values);
        }
        let mut types = Vec::with_capacity(width);
        for place in 0..width {
            types.push(match targets.and_then(|targets| targets.get(place)) {
                Some(target) => target.clone(),
                None => {
                    let column: Vec<&Ex> = translated.iter().map(|row| &row[place]).collect();
                    self.common_type(&column, "VALUES")?.into()
                }
            });
        }
        let how = if targets.is_some() {
            How::Assignment
        } else {
            How::Implicit
        };
        let mut lines = Vec::with_capacity(rows.len());
        for row in translated {
            let mut texts = Vec::with_capacity(width);
            for (value, ty) in row.into_iter().zip(&types) {
                texts.push(self.coerce(value, ty, how)?.sql);
            }
            lines.push(format!("({})", texts.join(",")));
        }
        let names = numbered(width);
        let sql = format!(
            "SELECT {names} FROM (WITH r({names}) AS (VALUES {}) SELECT * FROM r)",
            lines.join(",")
        );
        let columns = types
            .into_iter()
            .enumerate()
            .map(|(place, ty)| (format!("column{}", place + 1), ty))
            .collect();
        Ok((sql, columns))
    }

    /// Wraps a query so that its columns fit the columns they are assigned to.
    pub(super) fn coerce_rows(
        &mut self,
        sql: &mut String,
        columns: Vec<(String, ColumnType)>,
        targets: &[ColumnType],
    ) -> Result<Vec<(String, ColumnType)>, SqlError> {
        let alias = self.alias("q");
        let mut texts = Vec::with_capacity(columns.len());
        let mut coerced = Vec::with_capacity(columns.len());
        for (place, (name, ty)) in columns.into_iter().enumerate() {
            let ex = Ex::new(format!("{alias}.c{}", place + 1), ty.clone());
            let (ex, ty) = match targets.get(place) {
                Some(target) => (self.assign(ex, target, &name)?, target.clone()),
                None => (ex, ty),
            };
            texts.push(format!("{} AS c{}", ex.sql, place + 1));
            coerced.push((name, ty));
        }
        *sql = format!("SELECT {} FROM ({sql}) AS {alias}", texts.join(", "));
        Ok(coerced)
    }

    /// Coerces for an assignment; the error names the column.
    pub(crate) fn assign(
        &mut self,
        ex: Ex,
        target: &ColumnType,
        column: &str,
    ) -> Result<Ex, SqlError> {
        let from = ex.ty.ty.clone();
        self.coerce(ex, target, How::Assignment).map_err(|error| {
            if error.code != "42846" {
                return error;
            }
            SqlError::new(
                "42804",
                format!(
                    "column \"{column}\" is of type {} but expression is of type {from}",
                    target.ty
                ),
            )
            .hint("You will need to rewrite or cast the expression.")
        })
    }

    /// ` ORDER BY` over outputs alone: names and places.
    fn order_of_outputs(
        &mut self,
        order_by: &[OrderBy],
        columns: &[(String, ColumnType)],
    ) -> Result<String, SqlError> {
        let mut keys = Vec::with_capacity(order_by.len());
        for order in order_by {
            let place = match &order.expr {
                Expr::Number(text) => text
                    .parse::<usize>()
                    .ok()
                    .filter(|place| (1..=columns.len()).contains(place)),
                expr => super::column::bare_name(expr)
                    .and_then(|name| columns.iter().position(|(known, _)| known == name))
                    .map(|place| place + 1),
            };
            let Some(place) = place else {
                return Err(SqlError::new("0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .detail("Only result column names can be used, not expressions or functions.")
                    .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause."));
            };
            let ex = Ex::new(format!("c{place}"), columns[place - 1].1.clone());
            keys.push(self.sort_key(&ex, order));
        }
        Ok(if keys.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", keys.join(", "))
        })
    }

    /// One key of `ORDER BY`, with Postgres's place for nulls.
    pub(super) fn sort_key(&self, ex: &Ex, order: &OrderBy) -> String {
        let collation = collate(&ex.ty.ty, self.catalog);
        let direction = if order.descending { " DESC" } else { "" };
        // Without nulls both engines agree, and SQLite may use an index.
        let nulls = if ex.nullable {
            let first = order.nulls_first.unwrap_or(order.descending);
            if first { " NULLS FIRST" } else { " NULLS LAST" }
        } else {
            ""
        };
        format!(
            "{}{collation}{direction}{nulls}",
            super::select::not_a_place(&ex.sql)
        )
    }

    /// `WITH …`; the names stay in sight until the caller cuts them off.
    pub(crate) fn with(&mut self, with: &With) -> Result<String, SqlError> {
        let mut parts = Vec::with_capacity(with.ctes.len());
        for cte in &with.ctes {
            parts.push(self.cte(cte, with.recursive)?);
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{}", parts.join(", ")))
    }

    fn cte(&mut self, cte: &Cte, recursive: bool) -> Result<String, SqlError> {
        let Statement::Query(query) = cte.body.as_ref() else {
            return Err(SqlError::unsupported("a data-modifying statement in WITH")
                .hint("Run it as a statement of its own, in the same transaction."));
        };
        let sqlite = self.alias("w");
        if recursive && let Some(sql) = self.recursive_cte(cte, query, &sqlite)? {
            return Ok(sql);
        }
        self.in_cte += 1;
        let out = self.query(query, None);
        self.in_cte -= 1;
        let out = out?;
        let columns = named(out.columns, &cte.columns, &cte.name)?;
        let hint = match cte.materialized {
            Some(true) => "MATERIALIZED ",
            Some(false) => "NOT MATERIALIZED ",
            None => "",
        };
        let sql = format!(
            "{sqlite}({}) AS {hint}({})",
            numbered(columns.len()),
            out.sql
        );
        self.ctes.push(CteName {
            name: cte.name.clone(),
            sqlite,
            columns,
        });
        Ok(sql)
    }

    /// A self-referencing CTE: the first arm decides the types.
    fn recursive_cte(
        &mut self,
        cte: &Cte,
        query: &Query,
        sqlite: &str,
    ) -> Result<Option<String>, SqlError> {
        let SetExpr::SetOp {
            op: SetOperator::Union,
            all,
            left,
            right,
        } = &query.body
        else {
            return Ok(None);
        };
        // Its arms may be moved into the conditions around it, like any other query's.
        self.in_cte += 1;
        let read = self.recursive_arms(cte, left, right, *all, sqlite);
        self.in_cte -= 1;
        read.map(Some)
    }

    fn recursive_arms(
        &mut self,
        cte: &Cte,
        left: &SetExpr,
        right: &SetExpr,
        all: bool,
        sqlite: &str,
    ) -> Result<String, SqlError> {
        let (left_sql, columns) = self.set_body(left)?;
        let columns = named(columns, &cte.columns, &cte.name)?;
        let types: Vec<ColumnType> = columns.iter().map(|(_, ty)| ty.clone()).collect();
        self.ctes.push(CteName {
            name: cte.name.clone(),
            sqlite: sqlite.to_owned(),
            columns: columns.clone(),
        });
        let right = self.side(right)?;
        if right.columns.len() != types.len() {
            return Err(SqlError::new(
                "42601",
                "each UNION query must have the same number of columns",
            ));
        }
        for (place, ((_, ex), (name, ty))) in right.columns.iter().zip(&columns).enumerate() {
            if !ex.is_unknown()
                && ex.ty.ty != ty.ty
                && self.common_type(&[&Ex::new("", ty.clone()), ex], "UNION")? != ty.ty
            {
                return Err(SqlError::new(
                    "42804",
                    format!(
                        "recursive query \"{}\" column {} has type {} in non-recursive term but type {} overall",
                        cte.name,
                        place + 1,
                        ty.ty,
                        ex.ty.ty
                    ),
                )
                .detail(name.clone()));
            }
        }
        let right_sql = self.render_side(&right, &types, false)?;
        let word = if all { "UNION ALL" } else { "UNION" };
        Ok(format!(
            "{sqlite}({}) AS ({left_sql} {word} {right_sql})",
            numbered(types.len())
        ))
    }
}

struct Page {
    sql: String,
    one: bool,
}

struct Side {
    parts: Option<super::select::SelectParts>,
    sql: String,
    columns: Vec<(String, Ex)>,
}

/// `c1, c2, …`; a query without columns still has one for SQLite.
pub(super) fn numbered(count: usize) -> String {
    (1..=count.max(1))
        .map(|place| format!("c{place}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Columns under the names an alias gives them.
pub(super) fn named(
    columns: Vec<(String, ColumnType)>,
    names: &[String],
    alias: &str,
) -> Result<Vec<(String, ColumnType)>, SqlError> {
    if names.len() > columns.len() {
        return Err(SqlError::new(
            "42P10",
            format!(
                "table \"{alias}\" has {} columns available but {} columns specified",
                columns.len(),
                names.len()
            ),
        ));
    }
    let mut columns = columns;
    for (column, name) in columns.iter_mut().zip(names) {
        column.0.clone_from(name);
    }
    for column in &mut columns {
        if column.1.ty == Type::Unknown {
            column.1 = Type::Text.into();
        }
    }
    Ok(columns)
}
