//! The three uses of resolved names: to write them out in full, to collect them, to change them.

use std::collections::BTreeSet;

use super::naming::regclass_text;
use super::scope::{Found, Handler, Stored, resolve};
use crate::ast::{
    ColumnRef, Expr, FromItem, JoinOn, ObjectName, Query, TableAlias, TypeName, VisitMut,
    walk_from_item,
};
use crate::catalog::{Catalog, Function, QName, Relation};

/// Writes every name of an expression out in full, so that a later search path does not matter.
pub(crate) fn store_expr(
    catalog: &Catalog,
    search_path: &[String],
    relation: Option<&Relation>,
    expr: &Expr,
) -> Expr {
    let mut stored = expr.clone();
    resolve(
        catalog,
        search_path,
        Stored::Expr(&mut stored, relation),
        &mut Store,
    );
    stored
}

/// Writes every name of a query out in full, and `*` as the columns of today.
pub(crate) fn store_query(catalog: &Catalog, search_path: &[String], query: &Query) -> Query {
    let mut stored = query.clone();
    resolve(catalog, search_path, Stored::Query(&mut stored), &mut Store);
    stored
}

struct Store;

impl Handler for Store {
    fn table(&mut self, relation: &QName, name: &mut ObjectName, _: &mut Option<TableAlias>) {
        name.schema = Some(relation.schema.clone());
    }

    fn column(&mut self, column: &mut ColumnRef, found: &Found) {
        if let Some(stable) = &found.stable {
            column.parts.clone_from(stable);
        }
    }

    fn function(&mut self, name: &mut ObjectName, function: &Function) {
        name.schema = Some(function.name.schema.clone());
    }

    fn user_type(&mut self, name: &mut TypeName, ty: &QName) {
        name.name.schema = Some(ty.schema.clone());
    }

    fn regclass(&mut self, text: &mut String, object: &QName) {
        *text = regclass_text(object);
    }
}

/// Something that stored syntax refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A table or view as such: in `FROM`, or its whole row.
    Relation(QName),
    /// A column.
    Column(QName, String),
    /// A function, by its oid.
    Function(u32),
    /// An enum, or the row type of a relation.
    Type(QName),
    /// A sequence, or another relation as `regclass`.
    Sequence(QName),
}

/// What a stored expression or query refers to.
pub(crate) fn collect(catalog: &Catalog, stored: Stored<'_>) -> BTreeSet<Target> {
    let mut collect = Collect::default();
    resolve(catalog, &[], stored, &mut collect);
    collect.0
}

#[derive(Default)]
struct Collect(BTreeSet<Target>);

impl Handler for Collect {
    fn table(&mut self, relation: &QName, _: &mut ObjectName, _: &mut Option<TableAlias>) {
        self.0.insert(Target::Relation(relation.clone()));
    }

    fn column(&mut self, _: &mut ColumnRef, found: &Found) {
        self.0.extend(
            found
                .of
                .iter()
                .map(|(relation, column)| Target::Column(relation.clone(), column.clone())),
        );
    }

    fn whole_row(&mut self, relation: &QName, _: bool, _: &mut ColumnRef) {
        self.0.insert(Target::Relation(relation.clone()));
    }

    fn function(&mut self, _: &mut ObjectName, function: &Function) {
        self.0.insert(Target::Function(function.oid));
    }

    fn user_type(&mut self, _: &mut TypeName, ty: &QName) {
        self.0.insert(Target::Type(ty.clone()));
    }

    fn regclass(&mut self, _: &mut String, object: &QName) {
        self.0.insert(Target::Sequence(object.clone()));
    }
}

/// What was renamed, moved or taken away.
#[derive(Clone, Debug)]
pub(crate) enum Renamed {
    /// A table or view, and its row type.
    Relation { from: QName, to: QName },
    /// A column; `columns` are the relation's before the change.
    Column {
        relation: QName,
        columns: Vec<String>,
        from: String,
        to: String,
    },
    /// A column that is gone; nothing refers to it any more, but places behind it move.
    Dropped { relation: QName, position: usize },
    /// An enum.
    Type { from: QName, to: QName },
    /// A function, by its oid.
    Function { oid: u32, to: QName },
    /// A sequence.
    Sequence { from: QName, to: QName },
}

/// Rewrites stored syntax after a change.
pub(crate) struct Rename<'a> {
    change: &'a Renamed,
    /// The column is merged by `USING`, so it keeps its old name within the query by a column alias.
    pinned: bool,
}

impl<'a> Rename<'a> {
    /// Rewrites `stored`. `before` is the catalog before the change, in which the names of `stored` still mean something.
    pub(crate) fn apply(before: &Catalog, change: &'a Renamed, stored: Stored<'_>) {
        let mut stored = stored;
        let pinned = match change {
            Renamed::Column { from, .. } => merges(&mut stored, from),
            _ => false,
        };
        resolve(before, &[], stored, &mut Rename { change, pinned });
    }
}

impl Handler for Rename<'_> {
    fn table(&mut self, relation: &QName, name: &mut ObjectName, alias: &mut Option<TableAlias>) {
        match self.change {
            Renamed::Relation { from, to } if from == relation => {
                set_name(name, to);
                if alias.is_none() && from.name != to.name {
                    *alias = Some(TableAlias {
                        name: from.name.clone(),
                        ..TableAlias::default()
                    });
                }
            }
            Renamed::Column {
                relation: of,
                columns,
                ..
            } if of == relation && self.pinned => {
                let alias = alias.get_or_insert_with(|| TableAlias {
                    name: relation.name.clone(),
                    ..TableAlias::default()
                });
                let written = alias.columns.len();
                alias.columns.extend(columns.iter().skip(written).cloned());
            }
            Renamed::Dropped {
                relation: of,
                position,
            } if of == relation => {
                if let Some(alias) = alias
                    && alias.columns.len() > *position
                {
                    alias.columns.remove(*position);
                }
            }
            _ => {}
        }
    }

    fn column(&mut self, column: &mut ColumnRef, found: &Found) {
        match self.change {
            Renamed::Column {
                relation, from, to, ..
            } if !self.pinned => {
                if found
                    .of
                    .iter()
                    .any(|(of, name)| of == relation && name == from)
                    && let Some(last) = column.parts.last_mut()
                    && last == from
                {
                    last.clone_from(to);
                }
            }
            Renamed::Relation { from, to }
                if found.root && found.of.iter().any(|(of, _)| of == from) =>
            {
                if column.parts.len() > 1
                    && let Some(last) = column.parts.pop()
                {
                    column.parts = vec![to.name.clone(), last];
                }
            }
            _ => {}
        }
    }

    fn whole_row(&mut self, relation: &QName, root: bool, column: &mut ColumnRef) {
        if let Renamed::Relation { from, to } = self.change
            && from == relation
            && root
        {
            column.parts = vec![to.name.clone()];
        }
    }

    fn function(&mut self, name: &mut ObjectName, function: &Function) {
        if let Renamed::Function { oid, to } = self.change
            && function.oid == *oid
        {
            set_name(name, to);
        }
    }

    fn user_type(&mut self, name: &mut TypeName, ty: &QName) {
        if let Renamed::Type { from, to } | Renamed::Relation { from, to } = self.change
            && from == ty
        {
            set_name(&mut name.name, to);
        }
    }

    fn regclass(&mut self, text: &mut String, object: &QName) {
        if let Renamed::Sequence { from, to } | Renamed::Relation { from, to } = self.change
            && from == object
        {
            *text = regclass_text(to);
        }
    }
}

fn set_name(name: &mut ObjectName, to: &QName) {
    name.schema = Some(to.schema.clone());
    name.name.clone_from(&to.name);
}

/// Whether any `USING` merges a column of this name.
fn merges(stored: &mut Stored<'_>, column: &str) -> bool {
    struct Merges<'a>(&'a str, bool);
    impl VisitMut for Merges<'_> {
        fn from_item(&mut self, item: &mut FromItem) {
            if let FromItem::Join {
                on: JoinOn::Using(names),
                ..
            } = item
            {
                self.1 |= names.iter().any(|name| name == self.0);
            }
            walk_from_item(self, item);
        }
    }
    let mut found = Merges(column, false);
    match stored {
        Stored::Expr(expr, _) => found.expr(expr),
        Stored::Query(query) => found.query(query),
    }
    found.1
}
