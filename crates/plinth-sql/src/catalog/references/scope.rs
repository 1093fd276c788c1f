//! Scopes: what each name of an expression or a query stands for.

use super::naming::{item_name, output_name, split_regclass};
use super::source::{
    FromScope, Source, SourceColumn, accepts, columns_of, computed, expand, function_source,
    matching, named_source, renamed, table_source,
};
use crate::ast::{
    Call, ColumnRef, Expr, FromItem, JoinOn, ObjectName, OrderBy, Query, Select, SelectItem,
    SetExpr, Statement, TableAlias, TypeName, VisitMut, walk_alias_types, walk_call, walk_expr,
    walk_group, walk_window,
};
use crate::catalog::{Catalog, Function, QName, Relation};
use crate::types::Type;

/// A piece of syntax that a catalog keeps.
pub(crate) enum Stored<'e> {
    /// An expression over one relation's columns, or over none.
    Expr(&'e mut Expr, Option<&'e Relation>),
    /// A view's query.
    Query(&'e mut Query),
}

/// What to do with each name once it is known what it means.
pub(super) trait Handler {
    fn table(
        &mut self,
        _relation: &QName,
        _name: &mut ObjectName,
        _alias: &mut Option<TableAlias>,
    ) {
    }
    fn column(&mut self, _column: &mut ColumnRef, _found: &Found) {}
    fn whole_row(&mut self, _relation: &QName, _root: bool, _column: &mut ColumnRef) {}
    fn function(&mut self, _name: &mut ObjectName, _function: &Function) {}
    fn user_type(&mut self, _name: &mut TypeName, _ty: &QName) {}
    fn regclass(&mut self, _text: &mut String, _object: &QName) {}
}

/// What a column reference means.
pub(super) struct Found {
    /// The stored columns it reads; several for a column that `USING` merged, none for a computed one.
    pub(super) of: Vec<(QName, String)>,
    /// It belongs to the relation that the expression is stored with, not to a query inside it.
    pub(super) root: bool,
    /// The same reference in the form that means the same whatever columns are added later.
    pub(super) stable: Option<Vec<String>>,
}

/// Resolves the names of `stored` and hands each to the handler. `*` is written out where its columns are known, and
/// `NATURAL` becomes `USING`, since later columns must not join in.
pub(super) fn resolve<H: Handler>(
    catalog: &Catalog,
    search_path: &[String],
    stored: Stored<'_>,
    handler: &mut H,
) {
    let mut resolver = Resolver {
        catalog,
        search_path,
        handler,
        scopes: Vec::new(),
        ctes: Vec::new(),
    };
    match stored {
        Stored::Expr(expr, relation) => {
            resolver.scopes.push(
                relation
                    .map(|relation| table_source(relation, None, true))
                    .into_iter()
                    .collect(),
            );
            resolver.expr(expr);
        }
        Stored::Query(query) => {
            resolver.run_query(query);
        }
    }
}

struct Resolver<'a, H> {
    catalog: &'a Catalog,
    search_path: &'a [String],
    handler: &'a mut H,
    /// Outermost first.
    scopes: Vec<Vec<Source>>,
    /// Names of `WITH` queries in reach, with their columns when known.
    ctes: Vec<(String, Option<Vec<String>>)>,
}

impl<H: Handler> VisitMut for Resolver<'_, H> {
    fn query(&mut self, query: &mut Query) {
        self.run_query(query);
    }

    fn expr(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Column(column) => self.resolve_column(column),
            Expr::Wildcard(column) => self.resolve_whole_row(column),
            Expr::Cast { expr: inner, ty } if ty.name.name == "regclass" => match inner.as_mut() {
                Expr::String(text) => self.resolve_regclass(text),
                other => self.expr(other),
            },
            other => walk_expr(self, other),
        }
    }

    fn call(&mut self, call: &mut Call) {
        if matches!(call.name.name.as_str(), "nextval" | "currval" | "setval")
            && let Some(first) = call.args.first_mut()
            && let Expr::String(text) = &first.value
        {
            first.value = Expr::cast(Expr::String(text.clone()), TypeName::simple("regclass"));
        }
        let count = call.args.len();
        let found: Vec<_> = self
            .catalog
            .functions(&call.name, self.search_path)
            .to_vec();
        for function in found.iter().filter(|function| accepts(function, count)) {
            self.handler.function(&mut call.name, function);
        }
        walk_call(self, call);
    }

    fn type_name(&mut self, name: &mut TypeName) {
        if name.name.schema.is_none() && Type::built_in(&name.name.name).is_some() {
            return;
        }
        let found = match self.catalog.enum_type(&name.name, self.search_path) {
            Some(found) => Some(found.name.clone()),
            None => self
                .catalog
                .relation(&name.name, self.search_path)
                .map(|relation| relation.name.clone()),
        };
        if let Some(found) = found {
            self.handler.user_type(name, &found);
        }
    }
}

/// Queries; each returns its column names, or none where only the engine knows them.
impl<H: Handler> Resolver<'_, H> {
    fn run_query(&mut self, query: &mut Query) -> Option<Vec<String>> {
        let outer = self.ctes.len();
        if let Some(with) = &mut query.with {
            for cte in &mut with.ctes {
                let declared = (!cte.columns.is_empty()).then(|| cte.columns.clone());
                if with.recursive {
                    self.ctes.push((cte.name.clone(), declared.clone()));
                }
                let names = match cte.body.as_mut() {
                    Statement::Query(body) => self.run_query(body),
                    other => {
                        self.statement(other);
                        None
                    }
                };
                if with.recursive {
                    self.ctes.pop();
                }
                self.ctes
                    .push((cte.name.clone(), renamed(names, &cte.columns).or(declared)));
            }
        }
        let names = self.run_body(&mut query.body, &mut query.order_by);
        for expr in query.limit.iter_mut().chain(&mut query.offset) {
            self.expr(expr);
        }
        self.ctes.truncate(outer);
        names
    }

    fn run_body(&mut self, body: &mut SetExpr, order_by: &mut [OrderBy]) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(select) => self.run_select(select, order_by),
            SetExpr::Values(rows) => {
                rows.iter_mut().flatten().for_each(|expr| self.expr(expr));
                Some(
                    (1..=rows.first().map_or(0, Vec::len))
                        .map(|n| format!("column{n}"))
                        .collect(),
                )
            }
            SetExpr::Query(query) => self.run_query(query),
            // Its ORDER BY may only name result columns, which no rename touches.
            SetExpr::SetOp { left, right, .. } => {
                let names = self.run_body(left, &mut []);
                self.run_body(right, &mut []);
                names
            }
        }
    }

    fn run_select(&mut self, select: &mut Select, order_by: &mut [OrderBy]) -> Option<Vec<String>> {
        let mut scope = FromScope {
            sources: Vec::new(),
            star: Some(Vec::new()),
        };
        for item in &mut select.from {
            let new = self.run_from(item, &scope.sources);
            scope.sources.extend(new.sources);
            scope.star = scope
                .star
                .zip(new.star)
                .map(|(all, more)| all.into_iter().chain(more).collect());
        }
        select.projection = expand(std::mem::take(&mut select.projection), &scope);
        self.scopes.push(scope.sources);
        for item in &mut select.projection {
            self.run_item(item);
        }
        let names: Option<Vec<String>> = select.projection.iter().map(item_name).collect();
        let known = names.as_deref().unwrap_or_default();
        if let Some(crate::ast::Distinct::On(keys)) = &mut select.distinct {
            keys.iter_mut()
                .for_each(|key| self.run_key(key, known, true));
        }
        select.selection.iter_mut().for_each(|expr| self.expr(expr));
        for group in &mut select.group_by {
            match group {
                crate::ast::GroupBy::Expr(key) => self.run_key(key, known, false),
                other => walk_group(self, other),
            }
        }
        select.having.iter_mut().for_each(|expr| self.expr(expr));
        select
            .windows
            .iter_mut()
            .for_each(|(_, window)| walk_window(self, window));
        order_by
            .iter_mut()
            .for_each(|key| self.run_key(&mut key.expr, known, true));
        self.scopes.pop();
        names
    }

    /// A result column keeps its name when what it reads is renamed.
    fn run_item(&mut self, item: &mut SelectItem) {
        if let SelectItem::Expr { expr, alias } = item {
            let before = output_name(expr);
            self.expr(expr);
            if alias.is_none() && output_name(expr) != before {
                *alias = Some(before);
            }
        }
    }

    /// A key of `ORDER BY`, `DISTINCT ON` (where a bare name is first a result column) or `GROUP BY` (where it is one last).
    fn run_key(&mut self, key: &mut Expr, names: &[String], result_first: bool) {
        if let Expr::Column(ColumnRef { parts, .. }) = &*key
            && let [name] = parts.as_slice()
            && names.contains(name)
            && (result_first
                || self
                    .scopes
                    .last()
                    .is_none_or(|scope| matching(scope, name).is_empty()))
        {
            return;
        }
        self.expr(key);
    }

    fn run_from(&mut self, item: &mut FromItem, siblings: &[Source]) -> FromScope {
        match item {
            FromItem::Table { name, alias } => self.run_table(name, alias),
            FromItem::Subquery {
                lateral,
                query,
                alias,
            } => {
                self.scopes.push(if *lateral {
                    siblings.to_vec()
                } else {
                    Vec::new()
                });
                let names = self.run_query(query);
                self.scopes.pop();
                let (name, columns) = alias
                    .as_ref()
                    .map_or(("", &[][..]), |alias| (&alias.name, &alias.columns));
                named_source(name, renamed(names, columns)).into()
            }
            FromItem::Function {
                call,
                ordinality,
                alias,
                ..
            } => {
                let returned = self.function_columns(call);
                self.scopes.push(siblings.to_vec());
                self.call(call);
                walk_alias_types(self, alias.as_mut());
                self.scopes.pop();
                function_source(call, returned, *ordinality, alias.as_ref()).into()
            }
            FromItem::Join {
                left, right, on, ..
            } => {
                let left = self.run_from(left, siblings);
                let seen: Vec<Source> = siblings.iter().chain(&left.sources).cloned().collect();
                let right = self.run_from(right, &seen);
                self.run_join(left, right, on)
            }
        }
    }

    fn run_table(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>) -> FromScope {
        if name.schema.is_none()
            && let Some((_, columns)) = self.ctes.iter().rev().find(|(cte, _)| *cte == name.name)
        {
            let written = alias.as_ref().map_or(&[][..], |alias| &alias.columns);
            let shown = alias.as_ref().map_or(&name.name, |alias| &alias.name);
            return named_source(shown, renamed(columns.clone(), written)).into();
        }
        let Some(relation) = self.catalog.relation(name, self.search_path) else {
            return named_source(alias.as_ref().map_or(&name.name, |alias| &alias.name), None)
                .into();
        };
        let source = table_source(relation, alias.as_ref(), false);
        self.handler.table(&relation.name, name, alias);
        source.into()
    }

    fn run_join(&mut self, left: FromScope, right: FromScope, on: &mut JoinOn) -> FromScope {
        if matches!(on, JoinOn::Natural)
            && let (Some(left), Some(right)) = (&left.star, &right.star)
        {
            let common = left
                .iter()
                .filter(|(_, name)| right.iter().any(|(_, other)| other == name));
            let common: Vec<String> = common.map(|(_, name)| name.clone()).collect();
            *on = if common.is_empty() {
                JoinOn::On(Expr::Bool(true))
            } else {
                JoinOn::Using(common)
            };
        }
        let star = left
            .star
            .zip(right.star)
            .and_then(|(left, right)| match &*on {
                JoinOn::Using(merged) => {
                    let rest = left
                        .into_iter()
                        .chain(right)
                        .filter(|(_, name)| !merged.contains(name));
                    Some(
                        merged
                            .iter()
                            .map(|name| (None, name.clone()))
                            .chain(rest)
                            .collect(),
                    )
                }
                JoinOn::Natural => None,
                JoinOn::None | JoinOn::On(_) => Some(left.into_iter().chain(right).collect()),
            });
        let sources: Vec<Source> = left.sources.into_iter().chain(right.sources).collect();
        match on {
            JoinOn::On(condition) => {
                self.scopes.push(sources.clone());
                self.expr(condition);
                self.scopes.pop();
            }
            JoinOn::Using(merged) => {
                for name in merged {
                    let of = matching(&sources, name)
                        .into_iter()
                        .filter_map(|(_, column)| column.of.clone())
                        .collect();
                    let mut column = ColumnRef {
                        parts: vec![name.clone()],
                        span: crate::ast::Span::default(),
                    };
                    self.handler.column(
                        &mut column,
                        &Found {
                            of,
                            root: false,
                            stable: None,
                        },
                    );
                }
            }
            JoinOn::None | JoinOn::Natural => {}
        }
        FromScope { sources, star }
    }

    /// The columns that a user's function brings when it stands in `FROM`; none for built-in ones.
    fn function_columns(&self, call: &Call) -> Option<Vec<SourceColumn>> {
        let mut found = self.catalog.functions(&call.name, self.search_path).iter();
        let function = found.find(|function| accepts(function, call.args.len()))?;
        if !function.returns.columns.is_empty() {
            return Some(
                function
                    .returns
                    .columns
                    .iter()
                    .map(|(name, _)| computed(name))
                    .collect(),
            );
        }
        match &function.returns.ty {
            Type::Row(name) => self
                .catalog
                .relations
                .get(name.as_ref())
                .map(|relation| columns_of(relation)),
            Type::Record => None,
            _ => Some(vec![computed(&function.name.name)]),
        }
    }
}

/// Names.
impl<H: Handler> Resolver<'_, H> {
    fn resolve_column(&mut self, column: &mut ColumnRef) {
        let found = match column.parts.as_slice() {
            [name] => self.find_bare(name),
            [table, name] => self.find_in(table, None, name),
            [schema, table, name] => self.find_in(table, Some(schema), name),
            _ => None,
        };
        match found {
            Some(found) => self.handler.column(column, &found),
            None if column.parts.len() == 1 => self.resolve_whole_row(column),
            None => {}
        }
    }

    fn find_bare(&self, name: &str) -> Option<Found> {
        for (depth, scope) in self.scopes.iter().enumerate().rev() {
            let found = matching(scope, name);
            if found.is_empty() {
                if scope.iter().any(|source| source.columns.is_none()) {
                    return None;
                }
                continue;
            }
            let of = found
                .iter()
                .filter_map(|(_, column)| column.of.clone())
                .collect();
            let root = found.iter().any(|(source, _)| source.root);
            let stable = match found.as_slice() {
                [(source, _)] => self.stable(depth, source, name),
                _ => None,
            };
            return Some(Found { of, root, stable });
        }
        None
    }

    fn find_in(&self, table: &str, schema: Option<&str>, name: &str) -> Option<Found> {
        let (depth, source) = self.find_source(table, schema)?;
        let column = source
            .columns
            .as_ref()?
            .iter()
            .find(|column| column.name == name)?;
        let stable = self.stable(depth, source, name);
        Some(Found {
            of: column.of.clone().into_iter().collect(),
            root: source.root,
            stable,
        })
    }

    fn find_source(&self, table: &str, schema: Option<&str>) -> Option<(usize, &Source)> {
        self.scopes
            .iter()
            .enumerate()
            .rev()
            .find_map(|(depth, scope)| {
                let mut named = scope.iter().filter(|source| source.name == table);
                Some((
                    depth,
                    named.find(|source| schema.is_none() || source.schema.as_deref() == schema)?,
                ))
            })
    }

    /// Bare where only the relation itself is in scope, else qualified, unless a nearer source has the same name.
    fn stable(&self, depth: usize, source: &Source, name: &str) -> Option<Vec<String>> {
        if source.root && self.scopes.len() == 1 {
            return Some(vec![name.to_owned()]);
        }
        let (reached, first) = self.find_source(&source.name, None)?;
        let same = reached == depth && first.relation == source.relation && !source.name.is_empty();
        let alone = self.scopes[depth]
            .iter()
            .filter(|other| other.name == source.name)
            .count()
            == 1;
        (same && alone).then(|| vec![source.name.clone(), name.to_owned()])
    }

    fn resolve_whole_row(&mut self, column: &mut ColumnRef) {
        let found = match column.parts.as_slice() {
            [table] => self.find_source(table, None),
            [schema, table] => self.find_source(table, Some(schema)),
            _ => None,
        };
        if let Some((_, source)) = found
            && let (Some(relation), root) = (source.relation.clone(), source.root)
        {
            self.handler.whole_row(&relation, root, column);
        }
    }

    fn resolve_regclass(&mut self, text: &mut String) {
        let Some(name) = split_regclass(text) else {
            return;
        };
        let found = match self.catalog.sequence(&name, self.search_path) {
            Some(sequence) => Some(sequence.name.clone()),
            None => self
                .catalog
                .relation(&name, self.search_path)
                .map(|relation| relation.name.clone()),
        };
        if let Some(found) = found {
            self.handler.regclass(text, &found);
        }
    }
}
