//! One `SELECT`.

use plinth_sql::SqlError;
use plinth_sql::ast::{
    ColumnRef, Distinct, Expr, FromItem, GroupBy, OrderBy, Select, SelectItem, SetExpr, TableAlias,
};
use plinth_sql::types::{ColumnType, Type};

use super::column::{bare_name, column_ex, find_item};
use super::query::numbered;
use super::{Ex, ExKind, Grouping, Scope, Translator};
use crate::names::collate;

/// A translated `SELECT` whose columns may still be coerced.
#[derive(Clone, Debug)]
pub(super) struct SelectParts {
    /// Names and values.
    pub(super) columns: Vec<(String, Ex)>,
    distinct: bool,
    /// ` FROM … WHERE … GROUP BY … HAVING …`.
    tail: String,
    /// Keys of `ORDER BY`, with the place of the output each repeats, if any.
    order: Vec<(String, Option<(usize, String)>)>,
    /// Keys of `DISTINCT ON`.
    distinct_on: Vec<String>,
    /// Certainly no second row.
    pub(super) at_most_one: bool,
}

impl SelectParts {
    /// With these columns instead, unordered.
    pub(super) fn with_columns(&self, columns: &str) -> String {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{columns}{}", self.tail)
    }
}

impl Translator<'_> {
    /// Reads one `SELECT` with the `ORDER BY` that belongs to it.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order_by: &[OrderBy],
    ) -> Result<SelectParts, SqlError> {
        if self.scopes.len() - self.scope_floor > super::EXPANSION_DEPTH {
            return Err(SqlError::new("54001", "stack depth limit exceeded"));
        }
        let pushable = self.pushable(select);
        let pushdown = std::mem::replace(&mut self.pushdown, pushable);
        self.scopes.push(Scope::default());
        let rewritten = self.functions_to_from(select)?;
        let select = rewritten.as_ref().unwrap_or(select);
        let parts = self.in_clause("", |this| this.select_in_scope(select, order_by));
        self.scopes.pop();
        self.pushdown = pushdown;
        parts
    }

    fn select_in_scope(
        &mut self,
        select: &Select,
        order_by: &[OrderBy],
    ) -> Result<SelectParts, SqlError> {
        let mut tail = String::new();
        let mut from = Vec::with_capacity(select.from.len());
        let mut conditions = Vec::new();
        let lone = self.lone_table(&select.from)?;
        let others = match lone {
            Some((text, policies)) => {
                from.push(text);
                conditions.extend(policies);
                &[]
            }
            None => select.from.as_slice(),
        };
        for item in others {
            let text = self.from_item(item)?;
            // SQLite reads `a, b RIGHT JOIN c` from the left; Postgres joins first.
            let joined = select.from.len() > 1 && matches!(item, FromItem::Join { .. });
            from.push(if joined { format!("({text})") } else { text });
        }
        if !from.is_empty() {
            tail = format!(" FROM {}", from.join(", "));
        }
        if let Some(selection) = &select.selection {
            conditions.push(self.condition_expr(selection, "WHERE")?.sql);
        }
        if !conditions.is_empty() {
            tail.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        let windows = std::mem::replace(&mut self.windows, select.windows.clone());
        let result = self.select_list(select, order_by, tail);
        self.windows = windows;
        result
    }

    fn select_list(
        &mut self,
        select: &Select,
        order_by: &[OrderBy],
        mut tail: String,
    ) -> Result<SelectParts, SqlError> {
        let depth = self.scopes.len() - 1;
        let mut grouped = !select.group_by.is_empty() || select.having.is_some();
        let seen = std::mem::take(&mut self.aggregates_seen);
        if !grouped {
            let parts = self.outputs(select, order_by)?;
            grouped = std::mem::replace(&mut self.aggregates_seen, seen) > 0;
            if !grouped {
                return self.finish_select(select, parts, tail, false);
            }
            self.refuse_locked("aggregate functions")?;
        }
        let keys = self.group_keys(select)?;
        let mut grouping = Grouping::default();
        let mut texts = Vec::with_capacity(keys.len());
        for key in &keys {
            let ex = self.expr(key)?;
            let ex = self.settle(ex)?;
            let collation = collate(&ex.ty.ty, self.catalog);
            texts.push(format!("{}{collation}", not_a_place(&ex.sql)));
            grouping.columns.push(ex.sql);
            grouping.keys.push(key.clone());
        }
        grouping.free_items = self.functionally_free(depth, &grouping.columns);
        if !texts.is_empty() {
            tail.push_str(&format!(" GROUP BY {}", texts.join(", ")));
        }
        self.scopes[depth].grouping = Some(grouping);
        if let Some(having) = &select.having {
            let condition = self.condition_expr(having, "HAVING")?;
            if texts.is_empty() {
                // SQLite wants a GROUP BY (of nothing) or an aggregate beside HAVING.
                tail.push_str(&format!(" HAVING count(*) >= 0 AND {}", condition.sql));
            } else {
                tail.push_str(&format!(" HAVING {}", condition.sql));
            }
        }
        let parts = self.outputs(select, order_by)?;
        self.aggregates_seen = seen;
        self.finish_select(select, parts, tail, texts.is_empty())
    }

    fn finish_select(
        &mut self,
        select: &Select,
        outputs: Outputs,
        tail: String,
        one_group: bool,
    ) -> Result<SelectParts, SqlError> {
        let mut distinct_on = Vec::new();
        if let Some(Distinct::On(keys)) = &select.distinct {
            for order in outputs.sorted_by.iter().take(keys.len()) {
                if !keys.contains(order) {
                    return Err(SqlError::new(
                        "42P10",
                        "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    ));
                }
            }
            for key in keys {
                let ex = match self.output_reference(key, &outputs.columns) {
                    Some(place) => outputs.columns[place].1.clone(),
                    None => self.expr(key)?,
                };
                distinct_on.push(format!("{}{}", ex.sql, collate(&ex.ty.ty, self.catalog)));
            }
        }
        Ok(SelectParts {
            columns: outputs.columns,
            distinct: matches!(select.distinct, Some(Distinct::All)),
            at_most_one: one_group || (select.from.is_empty() && select.group_by.is_empty()),
            tail,
            order: outputs.order,
            distinct_on,
        })
    }

    /// Set-returning functions of the select list move to `FROM`, which is where SQLite has them. None: there are none.
    fn functions_to_from(&self, select: &Select) -> Result<Option<Select>, SqlError> {
        let mut rewritten: Option<Select> = None;
        for (place, item) in select.projection.iter().enumerate() {
            let SelectItem::Expr {
                expr: Expr::Call(call),
                alias,
            } = item
            else {
                continue;
            };
            if !self.returns_rows(call) {
                continue;
            }
            if rewritten.is_some() {
                return Err(SqlError::unsupported(
                    "more than one set-returning function in a select list",
                )
                .hint("Write them in FROM."));
            }
            let mut copy = select.clone();
            let hidden = format!("{} in the select list", call.name.name);
            copy.projection[place] = SelectItem::Expr {
                expr: Expr::qualified(&hidden, &hidden),
                alias: Some(alias.clone().unwrap_or_else(|| call.name.name.clone())),
            };
            copy.from.push(FromItem::Function {
                lateral: true,
                call: call.as_ref().clone(),
                ordinality: false,
                alias: Some(TableAlias {
                    name: hidden,
                    ..TableAlias::default()
                }),
            });
            rewritten = Some(copy);
        }
        Ok(rewritten)
    }

    /// Whether a call returns rows.
    fn returns_rows(&self, call: &plinth_sql::ast::Call) -> bool {
        let users = self.catalog.functions(&call.name, &self.search_path);
        users.iter().any(|function| function.returns.set)
            || (users.is_empty()
                && matches!(call.name.schema.as_deref(), None | Some("pg_catalog"))
                && super::builtin::set_returning(&call.name.name).is_some())
    }

    /// The select list and the sort keys.
    fn outputs(&mut self, select: &Select, order_by: &[OrderBy]) -> Result<Outputs, SqlError> {
        let columns = self.projection(&select.projection)?;
        let mut order = Vec::with_capacity(order_by.len());
        for key in order_by {
            if let Some(place) = self.output_reference(&key.expr, &columns) {
                let ex = &columns[place].1;
                orderable(&ex.ty.ty)?;
                let shown = Ex {
                    sql: format!("c{}", place + 1),
                    ..ex.clone()
                };
                order.push((
                    self.sort_key(&shown, key),
                    Some((place, self.sort_key(ex, key))),
                ));
                continue;
            }
            if let Expr::Number(text) = &key.expr {
                return Err(SqlError::new(
                    "42P10",
                    format!("ORDER BY position {text} is not in select list"),
                ));
            }
            let ex = self.expr(&key.expr)?;
            let ex = self.settle(ex)?;
            orderable(&ex.ty.ty)?;
            order.push((self.sort_key(&ex, key), None));
        }
        Ok(Outputs {
            columns,
            order,
            sorted_by: order_by.iter().map(|key| key.expr.clone()).collect(),
        })
    }

    /// The output that a sort key means: by place or by name.
    fn output_reference(&self, expr: &Expr, columns: &[(String, Ex)]) -> Option<usize> {
        match expr {
            Expr::Number(text) => text
                .parse::<usize>()
                .ok()?
                .checked_sub(1)
                .filter(|place| *place < columns.len()),
            expr => {
                let name = bare_name(expr)?;
                columns.iter().position(|(known, _)| known == name)
            }
        }
    }

    /// A select list or `RETURNING` list, stars spread out.
    pub(crate) fn projection(
        &mut self,
        items: &[SelectItem],
    ) -> Result<Vec<(String, Ex)>, SqlError> {
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::Wildcard => self.star(&mut columns)?,
                SelectItem::QualifiedWildcard(parts) => self.table_star(parts, &mut columns)?,
                SelectItem::Expr { expr, alias } => {
                    let name = alias.clone().unwrap_or_else(|| output_name(expr));
                    let ex = self.expr(expr)?;
                    let ex = match ex.kind {
                        ExKind::Row(_) => Ex::new(self.to_json(ex)?, Type::Json),
                        _ => ex,
                    };
                    columns.push((name, ex));
                }
            }
        }
        if columns.len() > 1_664 {
            return Err(SqlError::new(
                "54011",
                "target lists can have at most 1664 entries",
            ));
        }
        Ok(columns)
    }

    fn star(&mut self, columns: &mut Vec<(String, Ex)>) -> Result<(), SqlError> {
        let depth = self.scopes.len() - 1;
        let scope = self.scopes[depth].clone();
        if scope.items.is_empty() {
            return Err(SqlError::new(
                "42601",
                "SELECT * with no tables specified is not valid",
            ));
        }
        for column in &scope.merged {
            columns.push((column.name.clone(), column_ex(column)));
        }
        for (place, item) in scope.items.iter().enumerate() {
            for column in item.columns.iter().filter(|column| !column.hidden) {
                let reference = star_reference(&item.alias, &column.name);
                let ex = self.used(depth, place, &column.name, column_ex(column), &reference)?;
                columns.push((column.name.clone(), ex));
            }
        }
        Ok(())
    }

    fn table_star(
        &mut self,
        parts: &[String],
        columns: &mut Vec<(String, Ex)>,
    ) -> Result<(), SqlError> {
        let (schema, table) = match parts {
            [table] => (None, table),
            [schema, table, ..] => (Some(schema.as_str()), table),
            [] => return Ok(()),
        };
        for depth in (self.scope_floor..self.scopes.len()).rev() {
            let Some(place) = find_item(&self.scopes[depth].items, schema, table) else {
                continue;
            };
            let item = self.scopes[depth].items[place].clone();
            for column in &item.columns {
                let reference = star_reference(&item.alias, &column.name);
                let ex = self.used(depth, place, &column.name, column_ex(column), &reference)?;
                columns.push((column.name.clone(), ex));
            }
            return Ok(());
        }
        if schema.is_none()
            && let Some(fields) = self.fields_of(table)?
        {
            columns.extend(fields);
            return Ok(());
        }
        Err(SqlError::new(
            "42P01",
            format!("missing FROM-clause entry for table \"{table}\""),
        ))
    }

    /// The expressions grouped by; places and output names are replaced by what they stand for.
    fn group_keys(&mut self, select: &Select) -> Result<Vec<Expr>, SqlError> {
        let mut keys = Vec::with_capacity(select.group_by.len());
        for group in &select.group_by {
            let GroupBy::Expr(expr) = group else {
                if matches!(group, GroupBy::Empty) {
                    continue;
                }
                return Err(SqlError::unsupported("GROUPING SETS, ROLLUP and CUBE")
                    .hint("Write one SELECT a grouping and combine them with UNION ALL."));
            };
            keys.push(self.group_key(expr, select)?);
        }
        Ok(keys)
    }

    fn group_key(&mut self, expr: &Expr, select: &Select) -> Result<Expr, SqlError> {
        if let Expr::Number(text) = expr {
            let place = text
                .parse::<usize>()
                .ok()
                .and_then(|place| place.checked_sub(1));
            return match place.and_then(|place| select.projection.get(place)) {
                Some(SelectItem::Expr { expr, .. }) => Ok(expr.clone()),
                _ => Err(SqlError::new(
                    "42P10",
                    format!("GROUP BY position {text} is not in select list"),
                )),
            };
        }
        // An input column of this name wins over an output.
        if let Some(name) = bare_name(expr) {
            let input = self.scopes.last().is_some_and(|scope| {
                scope
                    .merged
                    .iter()
                    .chain(scope.items.iter().flat_map(|item| &item.columns))
                    .any(|column| column.name == name)
            });
            if !input {
                for item in &select.projection {
                    if let SelectItem::Expr {
                        expr,
                        alias: Some(alias),
                    } = item
                        && alias == name
                    {
                        return Ok(expr.clone());
                    }
                }
            }
        }
        Ok(expr.clone())
    }

    /// Items whose whole primary key is grouped by.
    fn functionally_free(&self, depth: usize, columns: &[String]) -> Vec<String> {
        let free = |item: &&super::Item| {
            item.relation.as_ref().is_some_and(|relation| {
                let key = relation.primary_key();
                !key.is_empty()
                    && key.iter().all(|name| {
                        item.columns.iter().any(|column| {
                            column.source.as_ref().unwrap_or(&column.name) == name
                                && columns.contains(&column.sql)
                        })
                    })
            })
        };
        self.scopes[depth]
            .items
            .iter()
            .filter(free)
            .map(|item| item.alias.clone())
            .collect()
    }

    /// The finished text of a `SELECT`.
    pub(super) fn render_select(
        &mut self,
        parts: SelectParts,
        targets: Option<&[ColumnType]>,
    ) -> Result<(String, Vec<(String, ColumnType)>), SqlError> {
        let mut texts = Vec::with_capacity(parts.columns.len());
        let mut columns = Vec::with_capacity(parts.columns.len());
        for (place, (name, ex)) in parts.columns.iter().enumerate() {
            let ex = match targets.and_then(|targets| targets.get(place)) {
                Some(target) => self.assign(ex.clone(), target, name)?,
                None => self.settle(ex.clone())?,
            };
            let collation = if parts.distinct {
                collate(&ex.ty.ty, self.catalog)
            } else {
                String::new()
            };
            if parts.distinct && ex.ty.ty == Type::Json {
                return Err(SqlError::new(
                    "42883",
                    "could not identify an equality operator for type json",
                ));
            }
            texts.push(format!("{}{collation} AS c{}", ex.sql, place + 1));
            columns.push((name.clone(), ex.ty));
        }
        if texts.is_empty() {
            texts.push("NULL AS c1".into());
        }
        let mut sql = parts.with_columns(&texts.join(", "));
        if !parts.distinct_on.is_empty() {
            sql = self.distinct_on(&parts, &texts);
        } else if !parts.order.is_empty() {
            let keys: Vec<&str> = parts.order.iter().map(|(key, _)| key.as_str()).collect();
            sql.push_str(&format!(" ORDER BY {}", keys.join(", ")));
        }
        Ok((sql, columns))
    }

    /// The first row of each group, in the order asked.
    fn distinct_on(&mut self, parts: &SelectParts, texts: &[String]) -> String {
        let inner: Vec<&str> = parts
            .order
            .iter()
            .map(|(key, output)| {
                output
                    .as_ref()
                    .map_or(key.as_str(), |(_, written_out)| written_out.as_str())
            })
            .collect();
        let order = if inner.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", inner.join(", "))
        };
        let over = format!("PARTITION BY {}{order}", parts.distinct_on.join(", "));
        let mut outer_order = order;
        if outer_order.is_empty() {
            outer_order = format!(" ORDER BY {}", parts.distinct_on.join(", "));
        }
        let alias = self.alias("d");
        format!(
            "SELECT {names} FROM (SELECT {columns}, row_number() OVER ({over}) AS rn, row_number() OVER ({order}) AS place{tail}) AS {alias} \
             WHERE rn = 1 ORDER BY place",
            names = numbered(texts.len()),
            columns = texts.join(", "),
            order = outer_order.trim_start(),
            tail = parts.tail,
        )
    }
}

struct Outputs {
    columns: Vec<(String, Ex)>,
    order: Vec<(String, Option<(usize, String)>)>,
    /// The sort keys as written.
    sorted_by: Vec<Expr>,
}

/// SQLite takes a whole number in `GROUP BY` or `ORDER BY` for a place in the select list, also inside parentheses.
pub(super) fn not_a_place(sql: &str) -> String {
    let number = sql
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'(' | b')' | b'-' | b' '));
    if number {
        format!("coalesce({sql},NULL)")
    } else {
        sql.to_owned()
    }
}

/// `42883` for types without an order.
fn orderable(ty: &Type) -> Result<(), SqlError> {
    if *ty == Type::Json {
        return Err(SqlError::new(
            "42883",
            "could not identify an ordering operator for type json",
        )
        .hint("Use an explicit ordering operator or modify the query."));
    }
    Ok(())
}

fn star_reference(table: &str, column: &str) -> ColumnRef {
    ColumnRef {
        parts: vec![table.to_owned(), column.to_owned()],
        span: plinth_sql::ast::Span::default(),
    }
}

/// The name Postgres gives an output without an alias.
pub(crate) fn output_name(expr: &Expr) -> String {
    inner_name(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn inner_name(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Column(ColumnRef { parts, .. }) | Expr::Wildcard(ColumnRef { parts, .. }) => {
            parts.last()?.clone()
        }
        Expr::Call(call) => match call.name.name.as_str() {
            "ltrim" | "rtrim" | "btrim" | "extract" | "position" | "substring" | "overlay" => {
                call.name.name.clone()
            }
            name => name.to_owned(),
        },
        Expr::Cast { expr, ty } => return strong_name(expr).or_else(|| Some(ty.name.name.clone())),
        Expr::Case { otherwise, .. } => {
            return otherwise
                .as_deref()
                .and_then(strong_name)
                .or_else(|| Some("case".to_owned()));
        }
        Expr::Exists(_) => "exists".into(),
        Expr::Array(_) | Expr::ArrayQuery(_) => "array".into(),
        Expr::Row(_) => "row".into(),
        Expr::Field { name, .. } => name.clone(),
        Expr::Index { base, .. } | Expr::Slice { base, .. } | Expr::Collate { expr: base, .. } => {
            return inner_name(base);
        }
        Expr::AtTimeZone { .. } => "timezone".into(),
        Expr::Scalar(query) => match &query.body {
            SetExpr::Select(select) => match select.projection.first()? {
                SelectItem::Expr { expr, alias } => {
                    return alias.clone().or_else(|| inner_name(expr));
                }
                SelectItem::Wildcard | SelectItem::QualifiedWildcard(_) => return None,
            },
            SetExpr::Values(_) => "column1".into(),
            SetExpr::Query(_) | SetExpr::SetOp { .. } => return None,
        },
        _ => return None,
    })
}

/// Names that win over those of a cast or a `case` around them.
fn strong_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Cast { expr, .. } => strong_name(expr),
        Expr::Case { otherwise, .. } => otherwise.as_deref().and_then(strong_name),
        other => inner_name(other),
    }
}
