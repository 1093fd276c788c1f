//! Names: what a column reference, a whole row or a `regclass` text stands for in the scopes around it.

use super::{Found, Handler, Resolver};
use crate::ast::ColumnRef;
use crate::catalog::references::naming::split_regclass;
use crate::catalog::references::source::{Source, matching};

impl<H: Handler> Resolver<'_, H> {
    pub(super) fn resolve_column(&mut self, column: &mut ColumnRef) {
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

    pub(super) fn resolve_whole_row(&mut self, column: &mut ColumnRef) {
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

    pub(super) fn resolve_regclass(&mut self, text: &mut String) {
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
