//! Renames: Postgres tracks objects by oid, we by name, so whatever is stored must be told.

use std::sync::Arc;

use super::Work;
use super::constraints::table_mut;
use crate::ast::{ColumnRef, Expr, TriggerEvent, VisitMut};
use crate::catalog::references::{Rename, Renamed, Stored};
use crate::catalog::{Catalog, ConstraintKind, Function, QName, Relation, RelationKind};
use crate::types::Type;

/// Renames the object itself and every place that mentions it.
pub(super) fn rename(work: &mut Work<'_>, change: &Renamed) {
    let before = work.catalog.clone();
    let catalog = work.edit();
    for relation in catalog.relations.values_mut() {
        let changed = rewritten(&before, change, relation);
        if changed != **relation {
            *relation = Arc::new(changed);
        }
    }
    for overloads in catalog.functions.values_mut() {
        for function in overloads {
            let changed = rewritten_function(&before, change, function);
            if changed != **function {
                *function = Arc::new(changed);
            }
        }
    }
    rename_owned(catalog, change);
    rename_itself(catalog, change);
}

fn rewritten(before: &Catalog, change: &Renamed, relation: &Relation) -> Relation {
    let mut changed = relation.clone();
    let fix = |expr: &mut Expr, over: Option<&Relation>| {
        Rename::apply(before, change, Stored::Expr(expr, over));
    };
    for column in &mut changed.columns {
        fix_type(&mut column.ty.ty, change);
        column.default.iter_mut().for_each(|expr| fix(expr, None));
        column
            .generated
            .iter_mut()
            .for_each(|expr| fix(expr, Some(relation)));
        if let (Some(identity), Renamed::Sequence { from, to }) = (&mut column.identity, change)
            && identity.sequence == *from
        {
            identity.sequence.clone_from(to);
        }
    }
    match &mut changed.kind {
        RelationKind::View(view) => Rename::apply(before, change, Stored::Query(&mut view.query)),
        RelationKind::Table(table) => {
            for index in &mut table.indexes {
                index
                    .keys
                    .iter_mut()
                    .for_each(|key| fix(&mut key.expr, Some(relation)));
                index
                    .predicate
                    .iter_mut()
                    .for_each(|expr| fix(expr, Some(relation)));
            }
            for policy in &mut table.policies {
                policy
                    .using
                    .iter_mut()
                    .chain(&mut policy.check)
                    .for_each(|expr| fix(expr, Some(relation)));
            }
            for constraint in &mut table.constraints {
                if let ConstraintKind::Check { expr } = &mut constraint.kind {
                    fix(expr, Some(relation));
                }
            }
        }
    }
    fix_constraints(&mut changed, change);
    changed
}

/// Renames a column of `old` and `new` in a trigger's condition.
struct RowColumn<'a> {
    from: &'a str,
    to: &'a str,
}

impl VisitMut for RowColumn<'_> {
    fn column(&mut self, column: &mut ColumnRef) {
        if let [row, name] = column.parts.as_mut_slice()
            && matches!(row.as_str(), "old" | "new")
            && name == self.from
        {
            self.to.clone_into(name);
        }
    }
}

fn fix_constraints(relation: &mut Relation, change: &Renamed) {
    let name = relation.name.clone();
    let Some(table) = table_mut(relation) else {
        return;
    };
    if let Renamed::Column {
        relation, from, to, ..
    } = change
        && name == *relation
    {
        for trigger in &mut table.triggers {
            for event in &mut trigger.events {
                if let TriggerEvent::Update(columns) = event {
                    fix_columns(columns, from, to);
                }
            }
            if let Some(when) = &mut trigger.when {
                RowColumn { from, to }.expr(when);
            }
        }
    }
    for constraint in &mut table.constraints {
        match (&mut constraint.kind, change) {
            (ConstraintKind::ForeignKey(key), Renamed::Relation { from, to })
                if key.foreign_table == *from =>
            {
                key.foreign_table.clone_from(to);
            }
            (
                ConstraintKind::ForeignKey(key),
                Renamed::Column {
                    relation, from, to, ..
                },
            ) => {
                if key.foreign_table == *relation {
                    fix_columns(&mut key.foreign_columns, from, to);
                }
                if name == *relation {
                    fix_columns(&mut key.columns, from, to);
                    fix_columns(&mut key.on_delete_columns, from, to);
                }
            }
            (
                ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. },
                Renamed::Column {
                    relation, from, to, ..
                },
            ) if name == *relation => fix_columns(columns, from, to),
            _ => {}
        }
    }
}

fn rewritten_function(before: &Catalog, change: &Renamed, function: &Function) -> Function {
    let mut changed = function.clone();
    for arg in &mut changed.args {
        fix_type(&mut arg.ty, change);
        if let Some(default) = &mut arg.default {
            Rename::apply(before, change, Stored::Expr(default, None));
        }
    }
    fix_type(&mut changed.returns.ty, change);
    changed
        .returns
        .columns
        .iter_mut()
        .for_each(|(_, ty)| fix_type(ty, change));
    changed
}

fn rename_owned(catalog: &mut Catalog, change: &Renamed) {
    for sequence in catalog.sequences.values_mut() {
        let Some((table, column)) = &sequence.owned_by else {
            continue;
        };
        let owner = match change {
            Renamed::Relation { from, to } if table == from => (to.clone(), column.clone()),
            Renamed::Column {
                relation, from, to, ..
            } if table == relation && column == from => (table.clone(), to.clone()),
            _ => continue,
        };
        Arc::make_mut(sequence).owned_by = Some(owner);
    }
}

fn rename_itself(catalog: &mut Catalog, change: &Renamed) {
    match change {
        Renamed::Relation { from, to } => {
            if let Some(mut relation) = catalog.relations.remove(from) {
                Arc::make_mut(&mut relation).name.clone_from(to);
                catalog.relations.insert(to.clone(), relation);
            }
        }
        Renamed::Column {
            relation, from, to, ..
        } => {
            if let Some(relation) = catalog.relations.get_mut(relation) {
                let columns = &mut Arc::make_mut(relation).columns;
                columns
                    .iter_mut()
                    .filter(|column| column.name == *from)
                    .for_each(|column| column.name.clone_from(to));
            }
        }
        Renamed::Dropped { .. } => {}
        Renamed::Type { from, to } => {
            if let Some(mut ty) = catalog.enums.remove(from) {
                Arc::make_mut(&mut ty).name.clone_from(to);
                catalog.enums.insert(to.clone(), ty);
            }
        }
        Renamed::Sequence { from, to } => {
            if let Some(mut sequence) = catalog.sequences.remove(from) {
                Arc::make_mut(&mut sequence).name.clone_from(to);
                catalog.sequences.insert(to.clone(), sequence);
            }
        }
        Renamed::Function { oid, to } => rename_function(catalog, *oid, to),
    }
}

fn rename_function(catalog: &mut Catalog, oid: u32, to: &QName) {
    let mut moved = Vec::new();
    for overloads in catalog.functions.values_mut() {
        overloads.retain(|function| {
            if function.oid == oid {
                moved.push(function.clone());
            }
            function.oid != oid
        });
    }
    catalog
        .functions
        .retain(|_, overloads| !overloads.is_empty());
    for mut function in moved {
        Arc::make_mut(&mut function).name.clone_from(to);
        catalog
            .functions
            .entry(to.clone())
            .or_default()
            .push(function);
    }
}

fn fix_columns(columns: &mut [String], from: &str, to: &str) {
    columns
        .iter_mut()
        .filter(|column| *column == from)
        .for_each(|column| to.clone_into(column));
}

fn fix_type(ty: &mut Type, change: &Renamed) {
    match (ty, change) {
        (Type::Array(element), _) => fix_type(element, change),
        (Type::Enum(name), Renamed::Type { from, to })
        | (Type::Row(name), Renamed::Relation { from, to })
            if **name == *from =>
        {
            *name = Arc::new(to.clone());
        }
        _ => {}
    }
}
