//! Scopes: what each name of an expression or a query stands for.

use crate::ast::{
    Call, ColumnRef, Expr, FromItem, JoinOn, ObjectName, OrderBy, Query, Select, SelectItem, SetExpr, Statement,
    TableAlias, TypeName, VisitMut, walk_alias_types, walk_call, walk_expr, walk_group, walk_window,
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
    fn table(&mut self, _relation: &QName, _name: &mut ObjectName, _alias: &mut Option<TableAlias>) {}
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

#[derive(Clone)]
struct Source {
    name: String,
    /// For a table without an alias, which `schema.table.column` may name.
    schema: Option<String>,
    relation: Option<QName>,
    /// None where only the engine knows them: built-in functions.
    columns: Option<Vec<SourceColumn>>,
    root: bool,
}

#[derive(Clone)]
struct SourceColumn {
    name: String,
    of: Option<(QName, String)>,
}

/// What one entry of `FROM` brings into scope, and what `*` means there: a qualifier (none for merged columns) and a name.
#[derive(Default)]
struct FromScope {
    sources: Vec<Source>,
    star: Option<Vec<(Option<String>, String)>>,
}

/// Resolves the names of `stored` and hands each to the handler. `*` is written out where its columns are known, and
/// `NATURAL` becomes `USING`, since later columns must not join in.
pub(super) fn resolve<H: Handler>(catalog: &Catalog, search_path: &[String], stored: Stored<'_>, handler: &mut H) {
    let mut resolver = Resolver { catalog, search_path, handler, scopes: Vec::new(), ctes: Vec::new() };
    match stored {
        Stored::Expr(expr, relation) => {
            resolver.scopes.push(relation.map(|relation| table_source(relation, None, true)).into_iter().collect());
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
        let found: Vec<_> = self.catalog.functions(&call.name, self.search_path).to_vec();
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
            None => self.catalog.relation(&name.name, self.search_path).map(|relation| relation.name.clone()),
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
                self.ctes.push((cte.name.clone(), renamed(names, &cte.columns).or(declared)));
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
                Some((1..=rows.first().map_or(0, Vec::len)).map(|n| format!("column{n}")).collect())
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
        let mut scope = FromScope { sources: Vec::new(), star: Some(Vec::new()) };
        for item in &mut select.from {
            let new = self.run_from(item, &scope.sources);
            scope.sources.extend(new.sources);
            scope.star = scope.star.zip(new.star).map(|(all, more)| all.into_iter().chain(more).collect());
        }
        select.projection = expand(std::mem::take(&mut select.projection), &scope);
        self.scopes.push(scope.sources);
        for item in &mut select.projection {
            self.run_item(item);
        }
        let names: Option<Vec<String>> = select.projection.iter().map(item_name).collect();
        let known = names.as_deref().unwrap_or_default();
        if let Some(crate::ast::Distinct::On(keys)) = &mut select.distinct {
            keys.iter_mut().for_each(|key| self.run_key(key, known, true));
        }
        select.selection.iter_mut().for_each(|expr| self.expr(expr));
        for group in &mut select.group_by {
            match group {
                crate::ast::GroupBy::Expr(key) => self.run_key(key, known, false),
                other => walk_group(self, other),
            }
        }
        select.having.iter_mut().for_each(|expr| self.expr(expr));
        select.windows.iter_mut().for_each(|(_, window)| walk_window(self, window));
        order_by.iter_mut().for_each(|key| self.run_key(&mut key.expr, known, true));
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
            && (result_first || self.scopes.last().is_none_or(|scope| matches(scope, name).is_empty()))
        {
            return;
        }
        self.expr(key);
    }

    fn run_from(&mut self, item: &mut FromItem, siblings: &[Source]) -> FromScope {
        match item {
            FromItem::Table { name, alias } => self.run_table(name, alias),
            FromItem::Subquery { lateral, query, alias } => {
                self.scopes.push(if *lateral { siblings.to_vec() } else { Vec::new() });
                let names = self.run_query(query);
                self.scopes.pop();
                let (name, columns) = alias.as_ref().map_or(("", &[][..]), |alias| (&alias.name, &alias.columns));
                named_source(name, renamed(names, columns)).into()
            }
            FromItem::Function { call, ordinality, alias, .. } => {
                let returned = self.function_columns(call);
                self.scopes.push(siblings.to_vec());
                self.call(call);
                walk_alias_types(self, alias.as_mut());
                self.scopes.pop();
                function_source(call, returned, *ordinality, alias.as_ref()).into()
            }
            FromItem::Join { left, right, on, .. } => {
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
            return named_source(alias.as_ref().map_or(&name.name, |alias| &alias.name), None).into();
        };
        let source = table_source(relation, alias.as_ref(), false);
        self.handler.table(&relation.name, name, alias);
        source.into()
    }

    fn run_join(&mut self, left: FromScope, right: FromScope, on: &mut JoinOn) -> FromScope {
        if matches!(on, JoinOn::Natural)
            && let (Some(left), Some(right)) = (&left.star, &right.star)
        {
            let common = left.iter().filter(|(_, name)| right.iter().any(|(_, other)| other == name));
            let common: Vec<String> = common.map(|(_, name)| name.clone()).collect();
            *on = if common.is_empty() { JoinOn::On(Expr::Bool(true)) } else { JoinOn::Using(common) };
        }
        let star = left.star.zip(right.star).and_then(|(left, right)| match &*on {
            JoinOn::Using(merged) => {
                let rest = left.into_iter().chain(right).filter(|(_, name)| !merged.contains(name));
                Some(merged.iter().map(|name| (None, name.clone())).chain(rest).collect())
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
                    let of = matches(&sources, name).into_iter().filter_map(|(_, column)| column.of.clone()).collect();
                    let mut column = ColumnRef { parts: vec![name.clone()], span: crate::ast::Span::default() };
                    self.handler.column(&mut column, &Found { of, root: false, stable: None });
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
            return Some(function.returns.columns.iter().map(|(name, _)| computed(name)).collect());
        }
        match &function.returns.ty {
            Type::Row(name) => self.catalog.relations.get(name.as_ref()).map(|relation| columns_of(relation)),
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
            let found = matches(scope, name);
            if found.is_empty() {
                if scope.iter().any(|source| source.columns.is_none()) {
                    return None;
                }
                continue;
            }
            let of = found.iter().filter_map(|(_, column)| column.of.clone()).collect();
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
        let column = source.columns.as_ref()?.iter().find(|column| column.name == name)?;
        let stable = self.stable(depth, source, name);
        Some(Found { of: column.of.clone().into_iter().collect(), root: source.root, stable })
    }

    fn find_source(&self, table: &str, schema: Option<&str>) -> Option<(usize, &Source)> {
        self.scopes.iter().enumerate().rev().find_map(|(depth, scope)| {
            let mut named = scope.iter().filter(|source| source.name == table);
            Some((depth, named.find(|source| schema.is_none() || source.schema.as_deref() == schema)?))
        })
    }

    /// Bare where only the relation itself is in scope, else qualified, unless a nearer source has the same name.
    fn stable(&self, depth: usize, source: &Source, name: &str) -> Option<Vec<String>> {
        if source.root && self.scopes.len() == 1 {
            return Some(vec![name.to_owned()]);
        }
        let (reached, first) = self.find_source(&source.name, None)?;
        let same = reached == depth && first.relation == source.relation && !source.name.is_empty();
        let alone = self.scopes[depth].iter().filter(|other| other.name == source.name).count() == 1;
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
        let Some(name) = split_regclass(text) else { return };
        let found = match self.catalog.sequence(&name, self.search_path) {
            Some(sequence) => Some(sequence.name.clone()),
            None => self.catalog.relation(&name, self.search_path).map(|relation| relation.name.clone()),
        };
        if let Some(found) = found {
            self.handler.regclass(text, &found);
        }
    }
}

impl From<Source> for FromScope {
    fn from(source: Source) -> FromScope {
        let star = source
            .columns
            .as_ref()
            .map(|columns| columns.iter().map(|column| (Some(source.name.clone()), column.name.clone())).collect());
        FromScope { sources: vec![source], star }
    }
}

/// Whether a call with this many arguments can mean the function.
fn accepts(function: &Function, count: usize) -> bool {
    let required = function.args.iter().filter(|arg| arg.default.is_none()).count();
    let variadic = function.args.iter().any(|arg| arg.mode == crate::ast::ArgMode::Variadic);
    if variadic { count + 1 >= required } else { (required..=function.args.len()).contains(&count) }
}

fn matches<'s>(scope: &'s [Source], name: &str) -> Vec<(&'s Source, &'s SourceColumn)> {
    let columns = scope.iter().flat_map(|source| source.columns.iter().flatten().map(move |column| (source, column)));
    columns.filter(|(_, column)| column.name == name).collect()
}

fn computed(name: &str) -> SourceColumn {
    SourceColumn { name: name.to_owned(), of: None }
}

fn columns_of(relation: &Relation) -> Vec<SourceColumn> {
    let column = |name: &String| SourceColumn { name: name.clone(), of: Some((relation.name.clone(), name.clone())) };
    relation.columns.iter().map(|found| column(&found.name)).collect()
}

fn table_source(relation: &Relation, alias: Option<&TableAlias>, root: bool) -> Source {
    let mut columns = columns_of(relation);
    for (column, written) in columns.iter_mut().zip(alias.into_iter().flat_map(|alias| &alias.columns)) {
        column.name.clone_from(written);
    }
    Source {
        name: alias.map_or(&relation.name.name, |alias| &alias.name).clone(),
        schema: alias.is_none().then(|| relation.name.schema.clone()),
        relation: Some(relation.name.clone()),
        columns: Some(columns),
        root,
    }
}

fn named_source(name: &str, names: Option<Vec<String>>) -> Source {
    let columns = names.map(|names| names.iter().map(|name| computed(name)).collect());
    Source { name: name.to_owned(), schema: None, relation: None, columns, root: false }
}

fn function_source(
    call: &Call,
    returned: Option<Vec<SourceColumn>>,
    ordinality: bool,
    alias: Option<&TableAlias>,
) -> Source {
    let name = alias.map_or(&call.name.name, |alias| &alias.name);
    let written: Vec<&String> = alias.map_or_else(Vec::new, |alias| {
        alias.columns.iter().chain(alias.column_types.iter().map(|(name, _)| name)).collect()
    });
    let columns = match returned {
        Some(mut columns) => {
            // A function that returns one plain value names its column as it is called here.
            if let [only] = columns.as_mut_slice()
                && only.of.is_none()
                && only.name == call.name.name
            {
                only.name.clone_from(name);
            }
            if ordinality {
                columns.push(computed("ordinality"));
            }
            for (column, written) in columns.iter_mut().zip(&written) {
                column.name.clone_from(written);
            }
            Some(columns)
        }
        None if alias.is_some_and(|alias| !alias.column_types.is_empty()) => {
            Some(written.iter().map(|name| computed(name)).collect())
        }
        None => None,
    };
    Source { name: name.clone(), schema: None, relation: None, columns, root: false }
}

fn renamed(names: Option<Vec<String>>, written: &[String]) -> Option<Vec<String>> {
    names.map(|mut names| {
        for (name, written) in names.iter_mut().zip(written) {
            name.clone_from(written);
        }
        names
    })
}

fn expand(items: Vec<SelectItem>, scope: &FromScope) -> Vec<SelectItem> {
    let mut expanded = Vec::with_capacity(items.len());
    for item in items {
        match (&item, &scope.star) {
            (SelectItem::Wildcard, Some(star)) if !star.is_empty() => {
                expanded.extend(star.iter().map(|(table, name)| star_item(table.as_deref(), name)));
            }
            (SelectItem::QualifiedWildcard(parts), _) => {
                let source = scope.sources.iter().find(|source| match parts.as_slice() {
                    [table] => source.name == *table,
                    [schema, table] => source.name == *table && source.schema.as_deref() == Some(schema),
                    _ => false,
                });
                match source.and_then(|source| Some((source, source.columns.as_ref()?))) {
                    Some((source, columns)) => {
                        expanded.extend(columns.iter().map(|column| star_item(Some(&source.name), &column.name)));
                    }
                    None => expanded.push(item),
                }
            }
            _ => expanded.push(item),
        }
    }
    expanded
}

fn star_item(table: Option<&str>, name: &str) -> SelectItem {
    let expr = table.map_or_else(|| Expr::column(name), |table| Expr::qualified(table, name));
    SelectItem::Expr { expr, alias: None }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::Expr { alias: Some(alias), .. } => Some(alias.clone()),
        SelectItem::Expr { expr, alias: None } => Some(output_name(expr)),
        SelectItem::Wildcard | SelectItem::QualifiedWildcard(_) => None,
    }
}

/// The name that Postgres gives a result column without an alias.
pub(crate) fn output_name(expr: &Expr) -> String {
    figure_name(expr).0.unwrap_or_else(|| "?column?".to_owned())
}

/// A name, and whether it is better than the name of a type around it.
fn figure_name(expr: &Expr) -> (Option<String>, bool) {
    let strong = |name: &str| (Some(name.to_owned()), true);
    match expr {
        Expr::Column(column) | Expr::Wildcard(column) => (column.parts.last().cloned(), true),
        Expr::Call(call) => strong(&call.name.name),
        Expr::Field { name, .. } => strong(name),
        Expr::Index { base, .. } | Expr::Slice { base, .. } | Expr::Collate { expr: base, .. } => figure_name(base),
        Expr::Cast { expr, ty } => match figure_name(expr) {
            (Some(name), true) => (Some(name), true),
            _ => (Some(ty.name.name.clone()), false),
        },
        Expr::Case { otherwise, .. } => match otherwise.as_deref().map(figure_name) {
            Some((Some(name), true)) => (Some(name), true),
            _ => (Some("case".to_owned()), false),
        },
        Expr::Bool(_) => (Some("bool".to_owned()), false),
        Expr::Exists(_) => strong("exists"),
        Expr::Array(_) | Expr::ArrayQuery(_) => strong("array"),
        Expr::Row(_) => strong("row"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Scalar(query) => {
            let mut body = &query.body;
            loop {
                match body {
                    SetExpr::Select(select) => return (select.projection.first().and_then(item_name), true),
                    SetExpr::Values(_) => return strong("column1"),
                    SetExpr::Query(inner) => body = &inner.body,
                    SetExpr::SetOp { left, .. } => body = left,
                }
            }
        }
        _ => (None, false),
    }
}

/// The name in the text of a `regclass` constant: `s`, `public.s`, `"Odd name"`.
fn split_regclass(text: &str) -> Option<ObjectName> {
    let mut parts = vec![String::new()];
    let mut rest = text.trim().chars().peekable();
    let mut quoted = false;
    while let Some(next) = rest.next() {
        let last = parts.last_mut()?;
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other if quoted => last.push(other),
            other => last.extend(other.to_lowercase()),
        }
    }
    match parts.as_slice() {
        [name] => Some(ObjectName::bare(name)),
        [schema, name] => Some(ObjectName::qualified(schema, name)),
        _ => None,
    }
}

/// The text of a `regclass` constant for a full name.
pub(crate) fn regclass_text(name: &QName) -> String {
    let quote = |part: &str| {
        let plain = part.chars().enumerate().all(|(at, c)| {
            c.is_ascii_lowercase() || c == '_' || (at > 0 && (c.is_ascii_digit() || c == '$'))
        });
        if plain && !part.is_empty() { part.to_owned() } else { format!("\"{}\"", part.replace('"', "\"\"")) }
    };
    format!("{}.{}", quote(&name.schema), quote(&name.name))
}
