//! What the entries of `FROM` bring into scope.

use crate::ast::{ArgMode, Call, Expr, SelectItem, TableAlias};
use crate::catalog::{Function, QName, Relation};

#[derive(Clone)]
pub(super) struct Source {
    pub(super) name: String,
    /// For a table without an alias, which `schema.table.column` may name.
    pub(super) schema: Option<String>,
    pub(super) relation: Option<QName>,
    /// None where only the engine knows them: built-in functions.
    pub(super) columns: Option<Vec<SourceColumn>>,
    pub(super) root: bool,
}

#[derive(Clone)]
pub(super) struct SourceColumn {
    pub(super) name: String,
    pub(super) of: Option<(QName, String)>,
}

/// What one entry of `FROM` brings into scope, and what `*` means there: a qualifier (none for merged columns) and a name.
#[derive(Default)]
pub(super) struct FromScope {
    pub(super) sources: Vec<Source>,
    pub(super) star: Option<Vec<(Option<String>, String)>>,
}

impl From<Source> for FromScope {
    fn from(source: Source) -> FromScope {
        let star = source.columns.as_ref().map(|columns| {
            columns
                .iter()
                .map(|column| (Some(source.name.clone()), column.name.clone()))
                .collect()
        });
        FromScope {
            sources: vec![source],
            star,
        }
    }
}

/// Whether a call with this many arguments can mean the function.
pub(super) fn accepts(function: &Function, count: usize) -> bool {
    let required = function
        .args
        .iter()
        .filter(|arg| arg.default.is_none())
        .count();
    let variadic = function
        .args
        .iter()
        .any(|arg| arg.mode == ArgMode::Variadic);
    if variadic {
        count + 1 >= required
    } else {
        (required..=function.args.len()).contains(&count)
    }
}

pub(super) fn matching<'s>(scope: &'s [Source], name: &str) -> Vec<(&'s Source, &'s SourceColumn)> {
    let columns = scope.iter().flat_map(|source| {
        source
            .columns
            .iter()
            .flatten()
            .map(move |column| (source, column))
    });
    columns.filter(|(_, column)| column.name == name).collect()
}

pub(super) fn computed(name: &str) -> SourceColumn {
    SourceColumn {
        name: name.to_owned(),
        of: None,
    }
}

pub(super) fn columns_of(relation: &Relation) -> Vec<SourceColumn> {
    let column = |name: &String| SourceColumn {
        name: name.clone(),
        of: Some((relation.name.clone(), name.clone())),
    };
    relation
        .columns
        .iter()
        .map(|found| column(&found.name))
        .collect()
}

pub(super) fn table_source(relation: &Relation, alias: Option<&TableAlias>, root: bool) -> Source {
    let mut columns = columns_of(relation);
    for (column, written) in columns
        .iter_mut()
        .zip(alias.into_iter().flat_map(|alias| &alias.columns))
    {
        column.name.clone_from(written);
    }
    Source {
        name: alias
            .map_or(&relation.name.name, |alias| &alias.name)
            .clone(),
        schema: alias.is_none().then(|| relation.name.schema.clone()),
        relation: Some(relation.name.clone()),
        columns: Some(columns),
        root,
    }
}

pub(super) fn named_source(name: &str, names: Option<Vec<String>>) -> Source {
    let columns = names.map(|names| names.iter().map(|name| computed(name)).collect());
    Source {
        name: name.to_owned(),
        schema: None,
        relation: None,
        columns,
        root: false,
    }
}

pub(super) fn function_source(
    call: &Call,
    returned: Option<Vec<SourceColumn>>,
    ordinality: bool,
    alias: Option<&TableAlias>,
) -> Source {
    let name = alias.map_or(&call.name.name, |alias| &alias.name);
    let written: Vec<&String> = alias.map_or_else(Vec::new, |alias| {
        alias
            .columns
            .iter()
            .chain(alias.column_types.iter().map(|(name, _)| name))
            .collect()
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
    Source {
        name: name.clone(),
        schema: None,
        relation: None,
        columns,
        root: false,
    }
}

pub(super) fn renamed(names: Option<Vec<String>>, written: &[String]) -> Option<Vec<String>> {
    names.map(|mut names| {
        for (name, written) in names.iter_mut().zip(written) {
            name.clone_from(written);
        }
        names
    })
}

pub(super) fn expand(items: Vec<SelectItem>, scope: &FromScope) -> Vec<SelectItem> {
    let mut expanded = Vec::with_capacity(items.len());
    for item in items {
        match (&item, &scope.star) {
            (SelectItem::Wildcard, Some(star)) if !star.is_empty() => {
                expanded.extend(
                    star.iter()
                        .map(|(table, name)| star_item(table.as_deref(), name)),
                );
            }
            (SelectItem::QualifiedWildcard(parts), _) => {
                let source = scope.sources.iter().find(|source| match parts.as_slice() {
                    [table] => source.name == *table,
                    [schema, table] => {
                        source.name == *table && source.schema.as_deref() == Some(schema)
                    }
                    _ => false,
                });
                match source.and_then(|source| Some((source, source.columns.as_ref()?))) {
                    Some((source, columns)) => {
                        expanded.extend(
                            columns
                                .iter()
                                .map(|column| star_item(Some(&source.name), &column.name)),
                        );
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
