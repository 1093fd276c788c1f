//! Queries; each returns its column names, or none where only the engine knows them.

use super::{Handler, Resolver};
use crate::ast::{
    ColumnRef, Distinct, Expr, GroupBy, OrderBy, Query, Select, SelectItem, SetExpr, Statement,
    VisitMut, walk_group, walk_window,
};
use crate::catalog::references::naming::{item_name, output_name};
use crate::catalog::references::source::{FromScope, expand, matching, renamed};

impl<H: Handler> Resolver<'_, H> {
    pub(super) fn run_query(&mut self, query: &mut Query) -> Option<Vec<String>> {
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
        if let Some(Distinct::On(keys)) = &mut select.distinct {
            keys.iter_mut()
                .for_each(|key| self.run_key(key, known, true));
        }
        select.selection.iter_mut().for_each(|expr| self.expr(expr));
        for group in &mut select.group_by {
            match group {
                GroupBy::Expr(key) => self.run_key(key, known, false),
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
}
