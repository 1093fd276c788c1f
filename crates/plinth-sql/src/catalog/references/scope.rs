//! Scopes: what each name of an expression or a query stands for.

mod from;
mod names;
mod queries;

use super::source::{Source, accepts, table_source};
use crate::ast::{
    Call, ColumnRef, Expr, ObjectName, Query, TableAlias, TypeName, VisitMut, walk_call, walk_expr,
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
