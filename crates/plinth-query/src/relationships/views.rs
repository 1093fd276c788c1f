//! Which columns of which tables a view shows unchanged, so that foreign keys can be seen through it.

use std::sync::Arc;

use plinth_sql::ast::{ColumnRef, Expr, FromItem, Select, SelectItem, SetExpr};
use plinth_sql::catalog::{Catalog, QName, Relation};

/// Views on views are followed so deep.
const MAX_VIEW_DEPTH: usize = 8;

/// What a relation shows: of a table its own columns, of a view those it takes from tables.
pub(super) struct Image<'a> {
    pub(super) relation: &'a Arc<Relation>,
    /// Name here, table, column there. Empty for a table, which shows itself.
    columns: Vec<(String, QName, String)>,
}

impl<'a> Image<'a> {
    pub(super) fn of(catalog: &'a Catalog, relation: &'a Arc<Relation>) -> Image<'a> {
        Image {
            relation,
            columns: sources(catalog, relation, MAX_VIEW_DEPTH),
        }
    }

    /// The names here of a table's columns; none unless all of them are shown.
    pub(super) fn columns_of(&self, table: &Relation, columns: &[String]) -> Option<Vec<String>> {
        if self.relation.name == table.name {
            return Some(columns.to_vec());
        }
        let shown = |column: &String| {
            let found = self
                .columns
                .iter()
                .find(|(_, from, name)| *from == table.name && name == column);
            found.map(|(shown, _, _)| shown.clone())
        };
        columns.iter().map(shown).collect()
    }
}

fn sources(catalog: &Catalog, relation: &Relation, depth: usize) -> Vec<(String, QName, String)> {
    let Some(view) = relation.view().filter(|_| depth > 0) else {
        return Vec::new();
    };
    let SetExpr::Select(select) = &view.query.body else {
        return Vec::new();
    };
    if view.query.with.is_some() {
        return Vec::new();
    }
    let mut tables = Vec::new();
    for item in &select.from {
        collect(catalog, item, &relation.name.schema, &mut tables);
    }
    let outputs = outputs(select, &tables);
    let mut columns = Vec::new();
    for (column, source) in relation.columns.iter().zip(outputs) {
        let Some((table, name)) = source else {
            continue;
        };
        if table.table().is_some() {
            columns.push((column.name.clone(), table.name.clone(), name));
        } else {
            let below = sources(catalog, table, depth - 1);
            let found = below.into_iter().find(|(shown, _, _)| *shown == name);
            columns.extend(found.map(|(_, from, name)| (column.name.clone(), from, name)));
        }
    }
    columns
}

/// The relations of a `FROM` entry with the names they go by. Those that are no relations are left out.
fn collect<'a>(
    catalog: &'a Catalog,
    item: &FromItem,
    schema: &str,
    tables: &mut Vec<(String, &'a Arc<Relation>)>,
) {
    match item {
        FromItem::Table { name, alias } => {
            let path = [schema.to_owned(), "public".to_owned()];
            if let Some(relation) = catalog.relation(name, &path) {
                let known_as = alias.as_ref().map_or(&name.name, |alias| &alias.name);
                tables.push((known_as.clone(), relation));
            }
        }
        FromItem::Join { left, right, .. } => {
            collect(catalog, left, schema, tables);
            collect(catalog, right, schema, tables);
        }
        FromItem::Subquery { .. } | FromItem::Function { .. } => {}
    }
}

/// For each output column the table column it is, if it is one.
fn outputs<'a>(
    select: &Select,
    tables: &[(String, &'a Arc<Relation>)],
) -> Vec<Option<(&'a Arc<Relation>, String)>> {
    let whole = |relation: &'a Arc<Relation>| {
        relation
            .columns
            .iter()
            .map(move |column| Some((relation, column.name.clone())))
    };
    let mut outputs = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard => {
                for (_, relation) in tables {
                    outputs.extend(whole(relation));
                }
            }
            SelectItem::QualifiedWildcard(parts) => {
                let named = tables.iter().find(|(name, _)| Some(name) == parts.last());
                outputs.extend(named.into_iter().flat_map(|(_, relation)| whole(relation)));
            }
            SelectItem::Expr {
                expr: Expr::Column(column),
                ..
            } => outputs.push(source(column, tables)),
            SelectItem::Expr { .. } => outputs.push(None),
        }
    }
    outputs
}

fn source<'a>(
    column: &ColumnRef,
    tables: &[(String, &'a Arc<Relation>)],
) -> Option<(&'a Arc<Relation>, String)> {
    let (name, qualifier) = column.parts.split_last()?;
    let (_, relation) = match qualifier.last() {
        Some(table) => tables.iter().find(|(known_as, _)| known_as == table)?,
        None => tables
            .iter()
            .find(|(_, relation)| relation.column(name).is_some())?,
    };
    relation.column(name).map(|_| (*relation, name.clone()))
}
