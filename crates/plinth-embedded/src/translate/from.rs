//! `FROM`: tables behind their policies, views with their owner's rights, functions, joins.

use std::sync::Arc;

use plinth_sql::SqlError;
use plinth_sql::ast::{
    Call, ColumnRef, Expr, FromItem, GroupBy, JoinKind, JoinOn, ObjectName, PolicyCommand, Select,
    SetExpr, TableAlias,
};
use plinth_sql::catalog::{Privilege, Relation, RelationKind};
use plinth_sql::types::{ColumnType, Type};

use super::lock::Locks;
use super::query::{QueryOut, named};
use super::{CteName, EXPANSION_DEPTH, Item, ItemColumn, Translator};
use crate::names;

impl Translator<'_> {
    /// One entry of `FROM`; its columns come into sight.
    pub(crate) fn from_item(&mut self, item: &FromItem) -> Result<String, SqlError> {
        match item {
            FromItem::Table { name, alias } => self.table(name, alias.as_ref()),
            FromItem::Subquery {
                lateral,
                query,
                alias,
            } => {
                if *lateral {
                    return self.lateral(query, alias.as_ref());
                }
                // A subquery does not see its siblings.
                let siblings = self
                    .scopes
                    .last_mut()
                    .map(std::mem::take)
                    .unwrap_or_default();
                if let Some(scope) = self.scopes.last_mut() {
                    scope.out_of_reach.clone_from(&siblings.items);
                }
                let out = self.from_query(query, alias.as_ref());
                if let Some(scope) = self.scopes.last_mut() {
                    *scope = siblings;
                }
                let out = out?;
                let sqlite = self.alias("s");
                let alias = alias.clone().unwrap_or_else(|| TableAlias {
                    name: sqlite.clone(),
                    ..TableAlias::default()
                });
                let columns = named(out.columns, &alias.columns, &alias.name)?;
                self.add_item(&alias.name, None, positional(&sqlite, columns), false)?;
                Ok(format!("({}) AS {sqlite}", out.sql))
            }
            FromItem::Function {
                call,
                ordinality,
                alias,
                ..
            } => self.function(call, *ordinality, alias.as_ref()),
            FromItem::Join {
                left,
                right,
                kind,
                on,
            } => self.join(left, right, *kind, on),
        }
    }

    /// A query in `FROM`, locked when its entry is.
    fn from_query(
        &mut self,
        query: &plinth_sql::ast::Query,
        alias: Option<&TableAlias>,
    ) -> Result<QueryOut, SqlError> {
        let locks = self.locks.inside(alias.map(|alias| alias.name.as_str()));
        self.query_locked(query, None, locks)
    }

    fn add_item(
        &mut self,
        alias: &str,
        relation: Option<Arc<Relation>>,
        columns: Vec<ItemColumn>,
        scalar: bool,
    ) -> Result<(), SqlError> {
        let role = self.role.clone();
        let Some(scope) = self.scopes.last_mut() else {
            return Err(SqlError::new("XX000", "FROM outside a query"));
        };
        if scope.items.iter().any(|item| item.alias == alias) {
            return Err(SqlError::new(
                "42712",
                format!("table name \"{alias}\" specified more than once"),
            ));
        }
        scope.items.push(Item {
            alias: alias.to_owned(),
            relation,
            role,
            columns,
            scalar,
        });
        Ok(())
    }

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<String, SqlError> {
        if let Some(cte) = self.named_query(name).cloned() {
            let sqlite = self.alias("t");
            let shown = alias.map_or(name.name.as_str(), |alias| alias.name.as_str());
            let columns = named(
                cte.columns,
                alias
                    .map(|alias| alias.columns.as_slice())
                    .unwrap_or_default(),
                shown,
            )?;
            self.add_item(shown, None, positional(&sqlite, columns), false)?;
            return Ok(format!("{} AS {sqlite}", cte.sqlite));
        }
        let relation = self.relation(name)?;
        let shown = alias
            .map_or(name.name.as_str(), |alias| alias.name.as_str())
            .to_owned();
        let commands = self.use_table(&relation, &shown);
        match &relation.kind {
            RelationKind::Table(_) => {
                let sqlite = self.alias("t");
                let mut columns = stored_columns(&relation, &sqlite);
                rename(&mut columns, alias)?;
                let source = self.policed_table(&relation, &shown, &commands, alias)?;
                self.add_item(&shown, Some(relation), columns, false)?;
                Ok(format!("{source} AS {sqlite}"))
            }
            RelationKind::View(view) => {
                if self.expanding.len() >= EXPANSION_DEPTH {
                    return Err(SqlError::new("54001", "views are nested too deeply"));
                }
                self.expanding.push(relation.name.clone());
                let role = if view.security_invoker {
                    self.user.clone()
                } else {
                    relation.owner.clone()
                };
                let scopes = std::mem::take(&mut self.scopes);
                let floor = std::mem::replace(&mut self.scope_floor, 0);
                let frames = std::mem::take(&mut self.frames);
                let locks = match view.query.body {
                    SetExpr::Select(_) => self.locks.inside(Some(&shown)),
                    _ => Locks::None,
                };
                let out = self.isolated(Some(&role), |this| {
                    this.query_locked(&view.query, None, locks)
                });
                self.frames = frames;
                self.scopes = scopes;
                self.scope_floor = floor;
                self.expanding.pop();
                let out = out?;
                let sqlite = self.alias("v");
                let named: Vec<(String, ColumnType)> = relation
                    .columns
                    .iter()
                    .map(|column| (column.name.clone(), column.ty.clone()))
                    .collect();
                let mut columns = positional(&sqlite, named);
                rename(&mut columns, alias)?;
                self.add_item(&shown, Some(relation), columns, false)?;
                Ok(format!("({}) AS {sqlite}", out.sql))
            }
        }
    }

    /// The common table expression that a name means.
    pub(super) fn named_query(&self, name: &ObjectName) -> Option<&CteName> {
        let mut known = self.ctes[self.cte_floor..].iter().rev();
        known.find(|cte| name.schema.is_none() && cte.name == name.name)
    }

    /// A relation by its written name, or `42P01`.
    pub(crate) fn relation(&self, name: &ObjectName) -> Result<Arc<Relation>, SqlError> {
        if let Some(found) = self.catalog.relation(name, &self.search_path) {
            return Ok(found.clone());
        }
        let shown = match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        if matches!(
            name.schema.as_deref(),
            Some("information_schema" | "pg_catalog")
        ) || name.name.starts_with("pg_")
        {
            return Err(
                SqlError::unsupported(format!("the system catalog \"{shown}\""))
                    .hint(
                        "Ask `plinth status` or the OpenAPI document of /rest/v1/ for the schema.",
                    )
                    .at(name.span),
            );
        }
        Err(SqlError::new("42P01", format!("relation \"{shown}\" does not exist")).at(name.span))
    }

    /// The target of an `UPDATE` or `DELETE`, behind the policies of these commands, as the first item of a new scope.
    pub(crate) fn target_table(
        &mut self,
        relation: &Arc<Relation>,
        shown: &str,
        commands: &[PolicyCommand],
    ) -> Result<String, SqlError> {
        self.scopes.push(super::Scope::default());
        let sqlite = self.alias("t");
        let columns = stored_columns(relation, &sqlite);
        let source = self.policed_table(relation, shown, commands, None)?;
        self.add_item(shown, Some(relation.clone()), columns, false)?;
        Ok(format!("{source} AS {sqlite}"))
    }

    /// What the innermost `FROM` lists.
    pub(crate) fn current_items(&self) -> Vec<Item> {
        self.scopes
            .last()
            .map(|scope| scope.items.clone())
            .unwrap_or_default()
    }

    /// Runs `read` where these rows of values are in sight: alias, relation, columns.
    pub(crate) fn in_rows<T>(
        &mut self,
        rows: Vec<(String, Option<Arc<Relation>>, Vec<ItemColumn>)>,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let role = self.role.clone();
        let items = rows
            .into_iter()
            .map(|(alias, relation, columns)| Item {
                alias,
                relation,
                role: role.clone(),
                columns,
                scalar: false,
            })
            .collect();
        self.scopes.push(super::Scope {
            items,
            ..super::Scope::default()
        });
        let result = read(self);
        self.scopes.pop();
        result
    }

    /// An expression that the schema stores and that sees no columns: a default.
    pub(crate) fn stored_expr(&mut self, expr: &Expr) -> Result<super::Ex, SqlError> {
        let frames = std::mem::take(&mut self.frames);
        self.trusted += 1;
        let result = self.isolated(None, |this| this.expr(expr));
        self.trusted -= 1;
        self.frames = frames;
        result
    }

    /// The one table of a `FROM`, with its policies as a condition beside those of the query: SQLite then looks for rows of
    /// an `EXISTS` as it does in a join. None where they must stand in a subquery, behind a barrier; or for what is no table.
    pub(super) fn lone_table(
        &mut self,
        from: &[FromItem],
    ) -> Result<Option<(String, Option<String>)>, SqlError> {
        let [FromItem::Table { name, alias }] = from else {
            return Ok(None);
        };
        if self.barrier || self.named_query(name).is_some() {
            return Ok(None);
        }
        let relation = self.relation(name)?;
        if !matches!(relation.kind, RelationKind::Table(_)) {
            return Ok(None);
        }
        let alias = alias.as_ref();
        let shown = alias.map_or(name.name.as_str(), |alias| alias.name.as_str());
        let commands = self.use_table(&relation, shown);
        let sqlite = self.alias("t");
        let mut columns = stored_columns(&relation, &sqlite);
        rename(&mut columns, alias)?;
        self.allow(&relation);
        let condition = self.visible(&relation, &sqlite, &commands)?;
        self.policed |= condition.is_some();
        let text = format!(
            "{} AS {sqlite}",
            names::quote(&names::table(&relation.name))
        );
        self.add_item(shown, Some(relation), columns, false)?;
        Ok(Some((text, condition)))
    }

    /// Notes that a relation is read, and locked where the query locks it; gives the commands whose policies count.
    fn use_table(&mut self, relation: &Arc<Relation>, shown: &str) -> Vec<PolicyCommand> {
        let role = self.role.clone();
        self.use_column(&role, relation, None, Privilege::Select);
        let mut commands = vec![PolicyCommand::Select];
        if self.locks.covers(Some(shown)) {
            self.use_column(&role, relation, None, Privilege::Update);
            commands.push(PolicyCommand::Update);
        }
        commands
    }

    /// A table as this role may see it for these commands: itself, or a subquery with its policies.
    pub(super) fn policed_table(
        &mut self,
        relation: &Arc<Relation>,
        shown: &str,
        commands: &[PolicyCommand],
        alias: Option<&TableAlias>,
    ) -> Result<String, SqlError> {
        let table = names::table(&relation.name);
        self.allow(relation);
        let inner = self.alias("p");
        let Some(mut condition) = self.visible(relation, &inner, commands)? else {
            return Ok(names::quote(&table));
        };
        self.policed = true;
        let mut barrier = "";
        if self.barrier {
            for moved in self.moved_behind(relation, shown, &inner, alias)? {
                condition = format!("{condition} AND {moved}");
            }
            barrier = " LIMIT -1 OFFSET 0";
        }
        let columns: Vec<String> = relation
            .columns
            .iter()
            .map(|column| format!("{inner}.{}", names::quoted_column(&column.name)))
            .collect();
        Ok(format!(
            "(SELECT {inner}.rowid AS \"rowid\", {} FROM {} AS {inner} WHERE {condition}{barrier})",
            columns.join(", "),
            names::quote(&table),
        ))
    }

    /// Conditions of the select being read that cannot raise and concern this table alone: they may stand beside
    /// the policy, so that indexes still serve.
    fn moved_behind(
        &mut self,
        relation: &Arc<Relation>,
        shown: &str,
        inner: &str,
        alias: Option<&TableAlias>,
    ) -> Result<Vec<String>, SqlError> {
        let own: Vec<Expr> = self
            .pushdown
            .iter()
            .filter(|(alias, _)| alias.as_deref().is_none_or(|alias| alias == shown))
            .map(|(_, condition)| condition.clone())
            .collect();
        let mut texts = Vec::with_capacity(own.len());
        for condition in own {
            let mut columns = stored_columns(relation, inner);
            rename(&mut columns, alias)?;
            let row = vec![(shown.to_owned(), None, columns)];
            if let Ok(ex) = self.in_rows(row, |this| this.condition_expr(&condition, "WHERE")) {
                texts.push(ex.sql);
            }
        }
        Ok(texts)
    }

    /// Runs `read` where one table's columns are in sight and nothing else.
    pub(crate) fn in_table_scope<T>(
        &mut self,
        alias: &str,
        columns: Vec<ItemColumn>,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let frames = std::mem::take(&mut self.frames);
        let result = self.isolated(None, |this| {
            let item = Item {
                alias: alias.to_owned(),
                relation: None,
                role: this.role.clone(),
                columns,
                scalar: false,
            };
            this.scopes.push(super::Scope {
                items: vec![item],
                ..super::Scope::default()
            });
            let result = read(this);
            this.scopes.pop();
            result
        });
        self.frames = frames;
        result
    }

    /// Parts of a `WHERE` that may move behind a barrier: comparisons of one column with constants.
    pub(super) fn pushable(&self, select: &Select) -> Vec<(Option<String>, Expr)> {
        let mut found = Vec::new();
        if !self.barrier || matches!(select.group_by.first(), Some(GroupBy::Sets(_))) {
            return found;
        }
        let single = matches!(select.from.as_slice(), [FromItem::Table { .. }]);
        let mut left: Vec<&Expr> = select.selection.iter().collect();
        while let Some(expr) = left.pop() {
            match expr {
                Expr::And(a, b) => left.extend([a.as_ref(), b.as_ref()]),
                Expr::Binary {
                    op,
                    left: a,
                    right: b,
                    ..
                } if super::operator::is_comparison(op) => {
                    let column = match (a.as_ref(), b.as_ref()) {
                        (Expr::Column(column), value) | (value, Expr::Column(column))
                            if is_constant(value) =>
                        {
                            column
                        }
                        _ => continue,
                    };
                    push(&mut found, column, expr, single);
                }
                // `IS NULL` may ask for rows that an outer join made up.
                Expr::IsNull {
                    expr: inner,
                    negated,
                } if *negated || single => {
                    if let Expr::Column(column) = inner.as_ref() {
                        push(&mut found, column, expr, single);
                    }
                }
                Expr::InList {
                    expr: inner, list, ..
                } if list.iter().all(is_constant) => {
                    if let Expr::Column(column) = inner.as_ref() {
                        push(&mut found, column, expr, single);
                    }
                }
                _ => {}
            }
        }
        found
    }

    fn join(
        &mut self,
        left: &FromItem,
        right: &FromItem,
        kind: JoinKind,
        on: &JoinOn,
    ) -> Result<String, SqlError> {
        let before = self.place_in_scope();
        let left_sql = self.from_item(left)?;
        let middle = self.place_in_scope();
        let right_sql = self.from_item(right)?;
        // What an outer join may leave out can be null.
        if let Some(scope) = self.scopes.last_mut() {
            let end = scope.items.len();
            let (left_null, right_null) = match kind {
                JoinKind::Inner | JoinKind::Cross => (false, false),
                JoinKind::Left => (false, true),
                JoinKind::Right => (true, false),
                JoinKind::Full => (true, true),
            };
            for (range, null) in [
                (before.items..middle.items, left_null),
                (middle.items..end, right_null),
            ] {
                for column in scope.items[range]
                    .iter_mut()
                    .flat_map(|item| &mut item.columns)
                {
                    column.nullable |= null;
                }
            }
        }
        let word = match kind {
            JoinKind::Inner => "JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::Full => "FULL JOIN",
            JoinKind::Cross => "CROSS JOIN",
        };
        // A join on the right side needs parentheses to stay there.
        let right_sql = if matches!(right, FromItem::Join { .. }) {
            format!("({right_sql})")
        } else {
            right_sql
        };
        let condition = match on {
            JoinOn::None => String::new(),
            JoinOn::On(expr) => format!(" ON {}", self.join_condition(expr, before)?),
            JoinOn::Using(columns) => self.using(columns, before, middle, kind)?,
            JoinOn::Natural => {
                let shared = self.shared_columns(before.items, middle.items);
                self.using(&shared, before, middle, kind)?
            }
        };
        let word = if condition.is_empty() && kind == JoinKind::Inner {
            "CROSS JOIN"
        } else {
            word
        };
        Ok(format!("{left_sql} {word} {right_sql}{condition}"))
    }

    fn place_in_scope(&self) -> Place {
        self.scopes
            .last()
            .map_or_else(Place::default, |scope| Place {
                items: scope.items.len(),
                merged: scope.merged.len(),
            })
    }

    /// The condition of a join sees what is joined, and not what stands before the comma to its left.
    fn join_condition(&mut self, expr: &Expr, from: Place) -> Result<String, SqlError> {
        let mut beside = super::Scope::default();
        if let Some(scope) = self.scopes.last_mut() {
            let joined = super::Scope {
                items: scope.items.split_off(from.items),
                merged: scope.merged.split_off(from.merged),
                out_of_reach: scope.items.clone(),
                grouping: None,
            };
            beside = std::mem::replace(scope, joined);
        }
        let condition = self.condition_expr(expr, "JOIN/ON");
        if let Some(scope) = self.scopes.last_mut() {
            let joined = std::mem::replace(scope, beside);
            scope.items.extend(joined.items);
            scope.merged.extend(joined.merged);
        }
        Ok(condition?.sql)
    }

    fn shared_columns(&self, before: usize, middle: usize) -> Vec<String> {
        let Some(scope) = self.scopes.last() else {
            return Vec::new();
        };
        let names = |items: &[Item]| -> Vec<String> {
            items
                .iter()
                .flat_map(|item| &item.columns)
                .filter(|column| !column.hidden)
                .map(|column| column.name.clone())
                .collect()
        };
        let right = names(&scope.items[middle..]);
        names(&scope.items[before..middle])
            .into_iter()
            .filter(|name| right.contains(name))
            .collect()
    }

    /// `USING (…)`: an equality a column, and one merged column for both.
    fn using(
        &mut self,
        columns: &[String],
        before: Place,
        middle: Place,
        kind: JoinKind,
    ) -> Result<String, SqlError> {
        let mut terms = Vec::with_capacity(columns.len());
        let (mut left_merged, mut right_merged) = (Vec::new(), Vec::new());
        if let Some(scope) = self.scopes.last_mut() {
            right_merged = scope.merged.split_off(middle.merged);
            left_merged = scope.merged.split_off(before.merged);
        }
        let mut both = Vec::with_capacity(columns.len());
        for name in columns {
            let left = take_merged(&mut left_merged, name)
                .or_else(|| self.take_side(name, before.items, Some(middle.items)));
            let right = take_merged(&mut right_merged, name)
                .or_else(|| self.take_side(name, middle.items, None));
            let (Some(left), Some(right)) = (left, right) else {
                let side = "left";
                return Err(SqlError::new(
                    "42703",
                    format!(
                        "column \"{name}\" specified in USING clause does not exist in {side} table"
                    ),
                ));
            };
            let left_ex = super::column::column_ex(&left);
            let right_ex = super::column::column_ex(&right);
            terms.push(
                self.condition(|this| this.compare("=", left_ex.clone(), right_ex.clone()))?
                    .sql,
            );
            let ty = self.common_type(&[&left_ex, &right_ex], "JOIN/USING")?;
            let sql = match kind {
                JoinKind::Right => right.sql,
                JoinKind::Full => format!("coalesce({},{})", left.sql, right.sql),
                JoinKind::Inner | JoinKind::Left | JoinKind::Cross => left.sql,
            };
            let column = ItemColumn {
                name: name.clone(),
                ty: ty.into(),
                sql,
                hidden: false,
                nullable: true,
                source: None,
            };
            both.push(column);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.merged.extend(both);
            scope.merged.extend(left_merged);
            scope.merged.extend(right_merged);
        }
        Ok(if terms.is_empty() {
            String::new()
        } else {
            format!(" ON {}", terms.join(" AND "))
        })
    }

    /// Finds a column among some items and hides it there.
    fn take_side(&mut self, name: &str, from: usize, to: Option<usize>) -> Option<ItemColumn> {
        let role = self.role.clone();
        let scope = self.scopes.last_mut()?;
        let end = to.unwrap_or(scope.items.len());
        let mut used = None;
        let mut found: Option<ItemColumn> = None;
        for item in &mut scope.items[from..end] {
            if let Some(column) = item
                .columns
                .iter_mut()
                .find(|column| column.name == name && !column.hidden)
            {
                column.hidden = true;
                found = Some(column.clone());
                used.clone_from(&item.relation);
                break;
            }
        }
        if let Some(relation) = used {
            let source = found
                .as_ref()
                .and_then(|column| column.source.as_deref())
                .unwrap_or(name)
                .to_owned();
            self.use_column(&role, &relation, Some(&source), Privilege::Select);
        }
        found
    }

    /// A `LATERAL` subquery: SQLite's subqueries do not see their siblings, but the arguments of its table
    /// functions do, so the rows travel as one JSON text.
    fn lateral(
        &mut self,
        query: &plinth_sql::ast::Query,
        alias: Option<&TableAlias>,
    ) -> Result<String, SqlError> {
        let out = self.from_query(query, alias)?;
        let sqlite = self.alias("s");
        let alias = alias.cloned().unwrap_or_else(|| TableAlias {
            name: sqlite.clone(),
            ..TableAlias::default()
        });
        let columns = named(out.columns, &alias.columns, &alias.name)?;
        let source = self.beside(&out.sql, columns, &sqlite);
        self.add_item(&alias.name, None, source.columns, false)?;
        Ok(format!("{} AS {sqlite}", source.sql))
    }

    /// Whether something stands to the left in the `FROM` being read.
    pub(super) fn has_siblings(&self) -> bool {
        let scope = self.scopes.last();
        scope.is_some_and(|scope| !scope.items.is_empty())
    }

    /// A query in `FROM` that may name what stands to its left.
    pub(super) fn beside(
        &mut self,
        sql: &str,
        columns: Vec<(String, ColumnType)>,
        sqlite: &str,
    ) -> SetSource {
        let inner = self.alias("l");
        let parts: Vec<String> = (1..=columns.len())
            .map(|place| format!("pg_pack({inner}.c{place})"))
            .collect();
        let mut items = positional(sqlite, columns);
        for (place, item) in items.iter_mut().enumerate() {
            item.sql = format!("pg_unpack({sqlite}.value,{place})");
        }
        SetSource {
            sql: format!(
                "json_each((SELECT json_group_array(json_array({})) FROM ({sql}) AS {inner}))",
                parts.join(","),
            ),
            columns: items,
            ordinal: Some(format!("({sqlite}.key + 1)")),
            scalar: false,
        }
    }

    fn function(
        &mut self,
        call: &Call,
        ordinality: bool,
        alias: Option<&TableAlias>,
    ) -> Result<String, SqlError> {
        let sqlite = self.alias("f");
        let source = self.set_source(call, &sqlite, alias)?;
        let default_name = alias
            .map_or(call.name.name.as_str(), |alias| alias.name.as_str())
            .to_owned();
        let single = source.columns.len() == 1 && source.scalar;
        let mut columns = source.columns;
        if single {
            // `from unnest(x) as tag`: the alias names the column too.
            if let Some(alias) = alias
                && alias.columns.is_empty()
            {
                columns[0].name.clone_from(&alias.name);
            }
        }
        if ordinality {
            let Some(sql) = source.ordinal else {
                return Err(SqlError::unsupported(format!(
                    "WITH ORDINALITY for {}",
                    call.name.name
                )));
            };
            columns.push(ItemColumn {
                name: "ordinality".into(),
                ty: Type::Int8.into(),
                sql,
                hidden: false,
                nullable: false,
                source: None,
            });
        }
        rename(&mut columns, alias)?;
        self.add_item(&default_name, None, columns, single && !ordinality)?;
        Ok(format!("{} AS {sqlite}", source.sql))
    }
}

/// A place in the `FROM` that is being read.
#[derive(Clone, Copy, Default)]
struct Place {
    items: usize,
    merged: usize,
}

/// Takes a column of this name out of those that an earlier `USING` merged.
fn take_merged(merged: &mut Vec<ItemColumn>, name: &str) -> Option<ItemColumn> {
    let place = merged.iter().position(|column| column.name == name)?;
    Some(merged.remove(place))
}

/// A function in `FROM`.
pub(super) struct SetSource {
    /// SQLite text without its alias.
    pub(super) sql: String,
    /// Its columns.
    pub(super) columns: Vec<ItemColumn>,
    /// The row's number from 1, where there is one.
    pub(super) ordinal: Option<String>,
    /// It returns values rather than rows.
    pub(super) scalar: bool,
}

fn push(
    found: &mut Vec<(Option<String>, Expr)>,
    column: &ColumnRef,
    condition: &Expr,
    single: bool,
) {
    match column.parts.as_slice() {
        [_] if single => found.push((None, condition.clone())),
        [table, _] => found.push((Some(table.clone()), condition.clone())),
        _ => {}
    }
}

fn is_constant(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Param(_) | Expr::String(_) | Expr::Number(_) | Expr::Bool(_) | Expr::Null
    )
}

/// Columns `c1`…`cn` of a subquery under their names.
pub(super) fn positional(sqlite: &str, columns: Vec<(String, ColumnType)>) -> Vec<ItemColumn> {
    columns
        .into_iter()
        .enumerate()
        .map(|(place, (name, ty))| ItemColumn {
            name,
            ty,
            sql: format!("{sqlite}.c{}", place + 1),
            hidden: false,
            nullable: true,
            source: None,
        })
        .collect()
}

/// Columns of a stored table under its SQLite alias.
pub(crate) fn stored_columns(relation: &Relation, sqlite: &str) -> Vec<ItemColumn> {
    relation
        .columns
        .iter()
        .map(|column| ItemColumn {
            name: column.name.clone(),
            ty: column.ty.clone(),
            sql: format!("{sqlite}.{}", names::quoted_column(&column.name)),
            hidden: false,
            nullable: !column.not_null,
            source: None,
        })
        .collect()
}

fn rename(columns: &mut [ItemColumn], alias: Option<&TableAlias>) -> Result<(), SqlError> {
    let Some(alias) = alias else { return Ok(()) };
    if alias.columns.len() > columns.len() {
        return Err(SqlError::new(
            "42P10",
            format!(
                "table \"{}\" has {} columns available but {} columns specified",
                alias.name,
                columns.len(),
                alias.columns.len()
            ),
        ));
    }
    for (column, name) in columns.iter_mut().zip(&alias.columns) {
        let before = std::mem::replace(&mut column.name, name.clone());
        column.source.get_or_insert(before);
    }
    Ok(())
}

/// One row of values as the columns of an item, for expressions that the executor evaluates row by row.
pub(crate) fn row_columns(relation: &Relation, sql: impl Fn(usize) -> String) -> Vec<ItemColumn> {
    relation
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| ItemColumn {
            name: column.name.clone(),
            ty: column.ty.clone(),
            sql: sql(place),
            hidden: false,
            nullable: true,
            source: None,
        })
        .collect()
}
