//! Names of columns, looked up from the innermost query outwards.

use plinth_sql::SqlError;
use plinth_sql::ast::{ColumnRef, Expr, ObjectName};
use plinth_sql::catalog::Privilege;
use plinth_sql::types::Type;

use super::variables::Conflict;
use super::{Ex, ExKind, Item, ItemColumn, Translator, unknown_column};

impl Translator<'_> {
    /// A column reference.
    pub(super) fn column(&mut self, reference: &ColumnRef) -> Result<Ex, SqlError> {
        match reference.parts.as_slice() {
            [name] => self.bare_column(name, reference),
            [table, name] => self.table_column(None, table, name, reference),
            [schema, table, name] => self.table_column(Some(schema), table, name, reference),
            _ => Err(SqlError::syntax(
                "improper qualified name (too many dotted names)",
                reference.span,
            )),
        }
    }

    fn bare_column(&mut self, name: &str, reference: &ColumnRef) -> Result<Ex, SqlError> {
        if self.conflict() == Conflict::UseVariable
            && let Some(value) = self.argument(None, name)?
        {
            return Ok(value);
        }
        for depth in (self.scope_floor..self.scopes.len()).rev() {
            let scope = &self.scopes[depth];
            let mut merged = scope.merged.iter().filter(|column| column.name == name);
            let first_merged = merged.next();
            let mut found = scope.items.iter().enumerate().flat_map(|(place, item)| {
                item.columns
                    .iter()
                    .filter(|column| column.name == name && !column.hidden)
                    .map(move |column| (place, column))
            });
            let first = found.next();
            let several = match first_merged {
                Some(_) => merged.next().is_some() || first.is_some(),
                None => found.next().is_some(),
            };
            if several {
                let message = format!("column reference \"{name}\" is ambiguous");
                return Err(SqlError::new("42702", message).at(reference.span));
            }
            if let Some(column) = first_merged {
                let ex = column_ex(column);
                return self.grouped(depth, ex, reference, None);
            }
            if let Some((place, column)) = first {
                self.refuse_ambiguous(reference)?;
                let ex = column_ex(column);
                return self.used(depth, place, name, ex, reference);
            }
            if let Some(place) = scope.items.iter().position(|item| item.alias == name) {
                return self.whole_row(depth, place, reference);
            }
        }
        if let Some(value) = self.argument(None, name)? {
            return Ok(value);
        }
        Err(self.no_column(name).at(reference.span))
    }

    fn table_column(
        &mut self,
        schema: Option<&str>,
        table: &str,
        name: &str,
        reference: &ColumnRef,
    ) -> Result<Ex, SqlError> {
        for depth in (self.scope_floor..self.scopes.len()).rev() {
            let Some(place) = find_item(&self.scopes[depth].items, schema, table) else {
                continue;
            };
            let item = &self.scopes[depth].items[place];
            if let Some(column) = item.columns.iter().find(|column| column.name == name) {
                self.refuse_ambiguous(reference)?;
                let ex = column_ex(column);
                return self.used(depth, place, name, ex, reference);
            }
            if let Some(value) = self.computed_column(table, name)? {
                return Ok(value);
            }
            return Err(
                SqlError::new("42703", format!("column {table}.{name} does not exist"))
                    .at(reference.span),
            );
        }
        if schema.is_none()
            && let Some(value) = self.field_or_variable(table, name, reference)?
        {
            return Ok(value);
        }
        Err(self.missing_table(table).at(reference.span))
    }

    /// `label.variable`, or `row.field` where `row` is a variable or an argument of a row type.
    fn field_or_variable(
        &mut self,
        table: &str,
        name: &str,
        reference: &ColumnRef,
    ) -> Result<Option<Ex>, SqlError> {
        if let Some(value) = self.argument(Some(table), name)? {
            return Ok(Some(value));
        }
        let Some(Ex {
            kind: ExKind::Row(fields),
            ..
        }) = self.argument(None, table)?
        else {
            return Ok(None);
        };
        match fields.into_iter().find(|(field, _)| field == name) {
            Some((_, field)) => Ok(Some(field)),
            None => Err(SqlError::new(
                "42703",
                format!("record \"{table}\" has no field \"{name}\""),
            )
            .at(reference.span)),
        }
    }

    /// `t.f` where `f` is a function of one row of `t`.
    fn computed_column(&mut self, table: &str, name: &str) -> Result<Option<Ex>, SqlError> {
        let function = ObjectName::bare(name);
        let takes_row = self
            .catalog
            .functions(&function, &self.search_path)
            .iter()
            .any(
                |known| matches!(known.args.as_slice(), [only] if matches!(only.ty, Type::Row(_))),
            );
        if !takes_row {
            return Ok(None);
        }
        let row = Expr::Wildcard(ColumnRef {
            parts: vec![table.to_owned()],
            span: plinth_sql::ast::Span::default(),
        });
        self.expr(&Expr::call(function, vec![row])).map(Some)
    }

    /// `42P01`, with the alias that hides the table when there is one.
    fn missing_table(&self, table: &str) -> SqlError {
        let known = self.out_of_reach().any(|item| item.alias == table);
        if known {
            return SqlError::new(
                "42P01",
                format!("invalid reference to FROM-clause entry for table \"{table}\""),
            )
            .hint(format!(
                "There is an entry for table \"{table}\", but it cannot be referenced from this part of the query."
            ));
        }
        let hidden = self.scopes[self.scope_floor..]
            .iter()
            .flat_map(|scope| &scope.items)
            .find(|item| {
                item.relation
                    .as_ref()
                    .is_some_and(|relation| relation.name.name == table)
            });
        match hidden {
            Some(item) => SqlError::new(
                "42P01",
                format!("invalid reference to FROM-clause entry for table \"{table}\""),
            )
            .hint(format!(
                "Perhaps you meant to reference the table alias \"{}\".",
                item.alias
            )),
            None => SqlError::new(
                "42P01",
                format!("missing FROM-clause entry for table \"{table}\""),
            ),
        }
    }

    /// Entries of `FROM` that exist and that the place being read may not name.
    fn out_of_reach(&self) -> impl Iterator<Item = &Item> {
        let scopes = self.scopes[self.scope_floor..].iter().rev();
        scopes.flat_map(|scope| &scope.out_of_reach)
    }

    /// `42703`, with the nearest column that the role may see.
    fn no_column(&self, name: &str) -> SqlError {
        let error = unknown_column(name, plinth_sql::ast::Span::default());
        let mut beside = self.out_of_reach();
        let holder = beside.find(|item| item.columns.iter().any(|column| column.name == name));
        if let Some(item) = holder {
            return error.hint(format!(
                "There is a column named \"{name}\" in table \"{}\", but it cannot be referenced from this part of the query.",
                item.alias
            ));
        }
        let mut best: Option<(usize, String)> = None;
        for item in self.scopes[self.scope_floor..]
            .iter()
            .flat_map(|scope| &scope.items)
        {
            for column in &item.columns {
                let seen = item.relation.as_ref().is_none_or(|relation| {
                    let source = column.source.as_deref().unwrap_or(&column.name);
                    self.catalog
                        .may_column(&item.role, relation, source, Privilege::Select)
                });
                let distance = distance(name, &column.name);
                let near = distance <= MOST_EDITS && distance <= name.chars().count() / 2;
                if seen && near && best.as_ref().is_none_or(|(known, _)| distance < *known) {
                    best = Some((distance, format!("{}.{}", item.alias, column.name)));
                }
            }
        }
        match best {
            Some((_, found)) => error.hint(format!(
                "Perhaps you meant to reference the column \"{found}\"."
            )),
            None => error,
        }
    }

    /// The row of an item as one value, or its only column when it is a function's scalar.
    fn whole_row(
        &mut self,
        depth: usize,
        place: usize,
        reference: &ColumnRef,
    ) -> Result<Ex, SqlError> {
        let item = self.scopes[depth].items[place].clone();
        if item.scalar {
            return self.grouped(
                depth,
                column_ex(&item.columns[0]),
                reference,
                Some(&item.alias),
            );
        }
        let mut fields = Vec::with_capacity(item.columns.len());
        for column in &item.columns {
            let ex = self.used(depth, place, &column.name, column_ex(column), reference)?;
            fields.push((column.name.clone(), ex));
        }
        let ty = item
            .relation
            .as_ref()
            .map_or(Type::Record, |relation| relation.row_type());
        Ok(row_value(fields, ty))
    }

    /// `t.*` as one value.
    pub(super) fn row_of(&mut self, reference: &ColumnRef) -> Result<Ex, SqlError> {
        let (schema, table) = match reference.parts.as_slice() {
            [table] => (None, table),
            [schema, table, ..] => (Some(schema.as_str()), table),
            [] => return Err(SqlError::syntax("a table name is missing", reference.span)),
        };
        for depth in (self.scope_floor..self.scopes.len()).rev() {
            if let Some(place) = find_item(&self.scopes[depth].items, schema, table) {
                let scalar = std::mem::replace(&mut self.scopes[depth].items[place].scalar, false);
                let row = self.whole_row(depth, place, reference);
                self.scopes[depth].items[place].scalar = scalar;
                return row;
            }
        }
        Err(self.missing_table(table).at(reference.span))
    }

    /// Notes the use of a column and checks the grouping.
    pub(super) fn used(
        &mut self,
        depth: usize,
        place: usize,
        name: &str,
        ex: Ex,
        reference: &ColumnRef,
    ) -> Result<Ex, SqlError> {
        let item = &self.scopes[depth].items[place];
        let alias = item.alias.clone();
        if let Some(relation) = item.relation.clone() {
            let role = item.role.clone();
            let known = item.columns.iter().find(|column| column.name == name);
            let source = known
                .and_then(|column| column.source.clone())
                .unwrap_or_else(|| name.to_owned());
            self.use_column(&role, &relation, Some(&source), Privilege::Select);
        }
        self.grouped(depth, ex, reference, Some(&alias))
    }

    fn grouped(
        &self,
        depth: usize,
        ex: Ex,
        reference: &ColumnRef,
        alias: Option<&str>,
    ) -> Result<Ex, SqlError> {
        let Some(grouping) = &self.scopes[depth].grouping else {
            return Ok(ex);
        };
        let free = grouping.inside_aggregate > 0
            || grouping.columns.contains(&ex.sql)
            || alias.is_some_and(|alias| grouping.free_items.iter().any(|free| free == alias));
        if free {
            return Ok(ex);
        }
        let shown = match (alias, reference.parts.last()) {
            (Some(alias), Some(column)) => format!("{alias}.{column}"),
            _ => reference.parts.join("."),
        };
        Err(SqlError::new(
            "42803",
            format!("column \"{shown}\" must appear in the GROUP BY clause or be used in an aggregate function"),
        )
        .at(reference.span))
    }

    /// `$n`: an argument of the function being read, or a parameter of the statement.
    pub(super) fn parameter(&mut self, number: u32) -> Result<Ex, SqlError> {
        let place = number as usize;
        if !self.frames.is_empty() {
            let found = self.positional_argument(place)?;
            return found.ok_or_else(|| no_parameter(number));
        }
        if place == 0 || place > self.params.len() {
            return Err(no_parameter(number));
        }
        let ty = self.params[place - 1].clone();
        if ty.ty == Type::Unknown {
            return Ok(Ex {
                sql: String::new(),
                ty,
                kind: ExKind::Param(place),
                nullable: true,
            });
        }
        let sql = self.bind(super::Bind::Param(place));
        Ok(Ex::new(sql, ty))
    }
}

/// Most edits between a name and one that is offered instead, as in Postgres.
const MOST_EDITS: usize = 3;

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (place, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, to) in b.iter().enumerate() {
            let above = row[column + 1];
            let step = (diagonal + usize::from(from != *to))
                .min(above + 1)
                .min(row[column] + 1);
            diagonal = std::mem::replace(&mut row[column + 1], step);
        }
    }
    row[b.len()]
}

fn no_parameter(number: u32) -> SqlError {
    SqlError::new("42P02", format!("there is no parameter ${number}"))
}

pub(super) fn find_item(items: &[Item], schema: Option<&str>, table: &str) -> Option<usize> {
    items.iter().position(|item| match schema {
        None => item.alias == table,
        Some(schema) => {
            item.alias == table
                && item
                    .relation
                    .as_ref()
                    .is_some_and(|relation| relation.name.schema == schema)
        }
    })
}

pub(super) fn column_ex(column: &ItemColumn) -> Ex {
    Ex {
        sql: column.sql.clone(),
        ty: column.ty.clone(),
        kind: ExKind::Plain,
        nullable: column.nullable,
    }
}

/// A row value; its own text is its JSON object, which is what most functions of rows want.
pub(super) fn row_value(fields: Vec<(String, Ex)>, ty: Type) -> Ex {
    Ex {
        sql: String::new(),
        ty: ty.into(),
        kind: ExKind::Row(fields),
        nullable: true,
    }
}

/// A bare column name, when the expression is one.
pub(super) fn bare_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(ColumnRef { parts, .. }) if parts.len() == 1 => Some(&parts[0]),
        _ => None,
    }
}
