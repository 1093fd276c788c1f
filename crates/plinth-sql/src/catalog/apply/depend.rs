//! What depends on what: found by reading stored expressions, queries, keys and types.
//!
//! Bodies of functions are text, as in Postgres, and hold nothing.

use std::collections::BTreeSet;

use super::Work;
use super::constraints::referenced_key;
use super::names::is_key;
use crate::ast::{Expr, Names, TriggerEvent};
use crate::catalog::references::{Stored, Target, collect};
use crate::catalog::{Catalog, ConstraintKind, Function, QName, Relation, RelationKind, Table};
use crate::types::Type;

/// Something that can be dropped. Parts of tables carry the table's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    Schema(String),
    Relation(QName),
    Column(QName, String),
    Default(QName, String),
    Constraint(QName, String),
    Index(QName, String),
    Policy(QName, String),
    Trigger(QName, String),
    Sequence(QName),
    Enum(QName),
    Function(QName, u32),
}

/// One dependency. An automatic one goes silently with what it depends on.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) dependent: Object,
    pub(super) on: Object,
    pub(super) auto: bool,
}

impl Object {
    /// The table that this is a part of.
    pub(super) fn host(&self) -> Option<&QName> {
        match self {
            Object::Column(table, _)
            | Object::Default(table, _)
            | Object::Constraint(table, _)
            | Object::Index(table, _)
            | Object::Policy(table, _)
            | Object::Trigger(table, _) => Some(table),
            Object::Schema(_)
            | Object::Relation(_)
            | Object::Sequence(_)
            | Object::Enum(_)
            | Object::Function(..) => None,
        }
    }
}

/// All dependencies of a catalog.
pub(super) fn edges(catalog: &Catalog) -> Vec<Edge> {
    let mut edges = Edges {
        catalog,
        list: Vec::new(),
    };
    for relation in catalog.relations.values() {
        let object = Object::Relation(relation.name.clone());
        edges.normal(&object, Object::Schema(relation.name.schema.clone()));
        match &relation.kind {
            RelationKind::View(view) => {
                let targets = collect(catalog, Stored::Query(&mut view.query.clone()));
                edges.targets(&object, targets, None);
            }
            RelationKind::Table(table) => {
                edges.columns(relation);
                edges.constraints(relation, table);
                edges.indexes_and_policies(relation, table);
                edges.triggers(relation, table);
            }
        }
    }
    for sequence in catalog.sequences.values() {
        let object = Object::Sequence(sequence.name.clone());
        edges.normal(&object, Object::Schema(sequence.name.schema.clone()));
        if let Some((table, column)) = &sequence.owned_by {
            edges.auto(&object, Object::Column(table.clone(), column.clone()));
        }
    }
    for name in catalog.enums.keys() {
        edges.normal(
            &Object::Enum(name.clone()),
            Object::Schema(name.schema.clone()),
        );
    }
    for function in catalog.functions.values().flatten() {
        edges.function(function);
    }
    edges.list
}

struct Edges<'a> {
    catalog: &'a Catalog,
    list: Vec<Edge>,
}

impl Edges<'_> {
    fn normal(&mut self, dependent: &Object, on: Object) {
        self.list.push(Edge {
            dependent: dependent.clone(),
            on,
            auto: false,
        });
    }

    fn auto(&mut self, dependent: &Object, on: Object) {
        self.list.push(Edge {
            dependent: dependent.clone(),
            on,
            auto: true,
        });
    }

    fn expr(
        &mut self,
        dependent: &Object,
        expr: &Expr,
        over: Option<&Relation>,
        own_columns_auto: bool,
    ) {
        let targets = collect(self.catalog, Stored::Expr(&mut expr.clone(), over));
        let own = over
            .filter(|_| own_columns_auto)
            .map(|relation| &relation.name);
        self.targets(dependent, targets, own);
    }

    fn targets(&mut self, dependent: &Object, targets: BTreeSet<Target>, auto_on: Option<&QName>) {
        for target in targets {
            let auto = matches!(&target, Target::Column(table, _) if Some(table) == auto_on);
            if let Some(on) = self.object(target) {
                self.list.push(Edge {
                    dependent: dependent.clone(),
                    on,
                    auto,
                });
            }
        }
    }

    fn object(&self, target: Target) -> Option<Object> {
        Some(match target {
            Target::Relation(name) => Object::Relation(name),
            Target::Column(table, column) => Object::Column(table, column),
            Target::Function(oid) => {
                let found = self
                    .catalog
                    .functions
                    .values()
                    .flatten()
                    .find(|function| function.oid == oid)?;
                Object::Function(found.name.clone(), oid)
            }
            Target::Type(name) if self.catalog.enums.contains_key(&name) => Object::Enum(name),
            Target::Sequence(name) if self.catalog.sequences.contains_key(&name) => {
                Object::Sequence(name)
            }
            Target::Type(name) | Target::Sequence(name) => Object::Relation(name),
        })
    }

    fn columns(&mut self, relation: &Relation) {
        let table = &relation.name;
        for column in &relation.columns {
            let object = Object::Column(table.clone(), column.name.clone());
            self.ty(&object, &column.ty.ty);
            if let Some(default) = &column.default {
                let default_object = Object::Default(table.clone(), column.name.clone());
                self.auto(&default_object, object.clone());
                self.expr(&default_object, default, None, false);
            }
            if let Some(generated) = &column.generated {
                self.expr(&object, generated, Some(relation), false);
            }
        }
    }

    fn constraints(&mut self, relation: &Relation, table: &Table) {
        let column = |name: &String| Object::Column(relation.name.clone(), name.clone());
        for constraint in &table.constraints {
            let object = Object::Constraint(relation.name.clone(), constraint.name.clone());
            match &constraint.kind {
                ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } => {
                    columns
                        .iter()
                        .for_each(|name| self.auto(&object, column(name)));
                }
                ConstraintKind::Check { expr } => {
                    self.auto(&object, Object::Relation(relation.name.clone()));
                    self.expr(&object, expr, Some(relation), true);
                }
                ConstraintKind::ForeignKey(key) => {
                    key.columns
                        .iter()
                        .for_each(|name| self.auto(&object, column(name)));
                    for name in &key.foreign_columns {
                        self.normal(
                            &object,
                            Object::Column(key.foreign_table.clone(), name.clone()),
                        );
                    }
                    let Some(foreign) = self.catalog.relations.get(&key.foreign_table) else {
                        continue;
                    };
                    if let Ok(name) = referenced_key(foreign, &key.foreign_columns) {
                        let host = foreign.name.clone();
                        let constraint = super::constraints::has_constraint(foreign, &name);
                        let on = if constraint {
                            Object::Constraint(host, name)
                        } else {
                            Object::Index(host, name)
                        };
                        self.normal(&object, on);
                    }
                }
            }
        }
    }

    fn indexes_and_policies(&mut self, relation: &Relation, table: &Table) {
        let host = Object::Relation(relation.name.clone());
        for index in &table.indexes {
            let object = Object::Index(relation.name.clone(), index.name.clone());
            self.auto(&object, host.clone());
            for expr in index
                .keys
                .iter()
                .map(|key| &key.expr)
                .chain(&index.predicate)
            {
                self.expr(&object, expr, Some(relation), true);
            }
        }
        for policy in &table.policies {
            let object = Object::Policy(relation.name.clone(), policy.name.clone());
            self.auto(&object, host.clone());
            for expr in policy.using.iter().chain(&policy.check) {
                self.expr(&object, expr, Some(relation), false);
            }
        }
    }

    fn triggers(&mut self, relation: &Relation, table: &Table) {
        for trigger in &table.triggers {
            let object = Object::Trigger(relation.name.clone(), trigger.name.clone());
            self.auto(&object, Object::Relation(relation.name.clone()));
            let functions = self.catalog.functions.values().flatten();
            let found = functions
                .clone()
                .find(|known| known.oid == trigger.function);
            if let Some(function) = found {
                let on = Object::Function(function.name.clone(), function.oid);
                self.normal(&object, on);
            }
            let named = trigger
                .when
                .iter()
                .flat_map(|when| Names::of_expr(when).columns);
            for column in named {
                if let [row, name] = column.parts.as_slice()
                    && matches!(row.as_str(), "old" | "new")
                {
                    self.normal(&object, Object::Column(relation.name.clone(), name.clone()));
                }
            }
            for event in &trigger.events {
                let TriggerEvent::Update(columns) = event else {
                    continue;
                };
                for column in columns {
                    self.normal(
                        &object,
                        Object::Column(relation.name.clone(), column.clone()),
                    );
                }
            }
        }
    }

    fn function(&mut self, function: &Function) {
        let object = Object::Function(function.name.clone(), function.oid);
        self.normal(&object, Object::Schema(function.name.schema.clone()));
        for arg in &function.args {
            self.ty(&object, &arg.ty);
            if let Some(default) = &arg.default {
                self.expr(&object, default, None, false);
            }
        }
        self.ty(&object, &function.returns.ty);
        function
            .returns
            .columns
            .iter()
            .for_each(|(_, ty)| self.ty(&object, ty));
    }

    fn ty(&mut self, dependent: &Object, ty: &Type) {
        match ty {
            Type::Array(element) => self.ty(dependent, element),
            Type::Enum(name) => self.normal(dependent, Object::Enum(name.as_ref().clone())),
            Type::Row(name) => self.normal(dependent, Object::Relation(name.as_ref().clone())),
            _ => {}
        }
    }
}

impl Work<'_> {
    /// As messages name it: `column a of table t`.
    pub(super) fn describe(&self, object: &Object) -> String {
        let host = |table: &QName| {
            let view = self
                .catalog
                .relations
                .get(table)
                .is_some_and(|relation| relation.view().is_some());
            format!(
                "{} {}",
                if view { "view" } else { "table" },
                self.show(table)
            )
        };
        match object {
            Object::Schema(name) => format!("schema {name}"),
            Object::Relation(name) => host(name),
            Object::Column(table, column) => format!("column {column} of {}", host(table)),
            Object::Default(table, column) => {
                format!("default value for column {column} of {}", host(table))
            }
            Object::Constraint(table, name) => format!("constraint {name} on {}", host(table)),
            Object::Index(table, name) => {
                format!("index {}", self.show(&QName::new(&table.schema, name)))
            }
            Object::Policy(table, name) => format!("policy {name} on {}", host(table)),
            Object::Trigger(table, name) => format!("trigger {name} on {}", host(table)),
            Object::Sequence(name) => format!("sequence {}", self.show(name)),
            Object::Enum(name) => format!("type {}", self.show(name)),
            Object::Function(name, oid) => {
                let overloads = self.catalog.functions.get(name).into_iter().flatten();
                let function = overloads.clone().find(|function| function.oid == *oid);
                let args = function
                    .map(|function| super::function::signature(function))
                    .unwrap_or_default();
                format!("function {}({args})", self.show(name))
            }
        }
    }

    /// The same where something depends on it: the index behind a key, the array type of a column.
    pub(super) fn describe_cause(&self, object: &Object, dependent: &Object) -> String {
        match (object, dependent) {
            (Object::Constraint(table, name), _) => {
                let found = self
                    .catalog
                    .relations
                    .get(table)
                    .and_then(|relation| relation.table());
                let mut constraints = found.into_iter().flat_map(|table| &table.constraints);
                if constraints
                    .any(|constraint| constraint.name == *name && is_key(&constraint.kind))
                {
                    return self.describe(&Object::Index(table.clone(), name.clone()));
                }
            }
            (Object::Enum(_), Object::Column(table, column)) => {
                let column = self
                    .catalog
                    .relations
                    .get(table)
                    .and_then(|relation| relation.column(column));
                if column.is_some_and(|column| matches!(column.ty.ty, Type::Array(_))) {
                    return format!("{}[]", self.describe(object));
                }
            }
            (Object::Relation(name), Object::Column(..) | Object::Function(..)) => {
                return format!("type {}", self.show(name));
            }
            _ => {}
        }
        self.describe(object)
    }

    /// Orders objects as they were made.
    pub(super) fn age(&self, object: &Object) -> (u32, u8, usize) {
        let at = |table: &QName, rank: u8, find: &dyn Fn(&Relation) -> Option<usize>| {
            let relation = self.catalog.relations.get(table);
            let oid = relation.map_or(0, |relation| relation.oid);
            (
                oid,
                rank,
                relation.and_then(|relation| find(relation)).unwrap_or(0),
            )
        };
        match object {
            Object::Schema(_) => (0, 0, 0),
            Object::Relation(name) => at(name, 0, &|_| None),
            Object::Column(table, name) => at(table, 1, &|r| {
                r.columns.iter().position(|c| c.name == *name)
            }),
            Object::Default(table, name) => at(table, 2, &|r| {
                r.columns.iter().position(|c| c.name == *name)
            }),
            Object::Constraint(table, name) => at(table, 3, &|r| {
                r.table()?.constraints.iter().position(|c| c.name == *name)
            }),
            Object::Index(table, name) => at(table, 4, &|r| {
                r.table()?.indexes.iter().position(|i| i.name == *name)
            }),
            Object::Policy(table, name) => at(table, 5, &|r| {
                r.table()?.policies.iter().position(|p| p.name == *name)
            }),
            Object::Trigger(table, name) => at(table, 6, &|r| {
                r.table()?.triggers.iter().position(|t| t.name == *name)
            }),
            Object::Sequence(name) => (self.catalog.sequences.get(name).map_or(0, |s| s.oid), 0, 0),
            Object::Enum(name) => (self.catalog.enums.get(name).map_or(0, |e| e.oid), 0, 0),
            Object::Function(_, oid) => (*oid, 0, 0),
        }
    }
}
