//! `FROM`: what each item brings into scope.

use super::{Found, Handler, Resolver};
use crate::ast::{
    Call, ColumnRef, Expr, FromItem, JoinOn, ObjectName, Span, TableAlias, VisitMut,
    walk_alias_types,
};
use crate::catalog::references::source::{
    FromScope, Source, SourceColumn, accepts, columns_of, computed, function_source, matching,
    named_source, renamed, table_source,
};
use crate::types::Type;

impl<H: Handler> Resolver<'_, H> {
    pub(super) fn run_from(&mut self, item: &mut FromItem, siblings: &[Source]) -> FromScope {
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
                        span: Span::default(),
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
