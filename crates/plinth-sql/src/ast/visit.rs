//! Walking the syntax tree.
//!
//! A [`VisitMut`] says what it wants to see; the `walk_*` functions go down into the rest. Only statements that read or
//! change rows are walked: those that change the schema are leaves.

use super::{
    Assignment, Call, ColumnRef, ConflictAction, ConflictTarget, Distinct, Expr, FrameBound,
    FromItem, GroupBy, InsertSource, JoinOn, ObjectName, OrderBy, Query, Select, SelectItem,
    SetExpr, Statement, TableAlias, TypeName, Window, WindowSpec, With,
};

/// What to do at each node. Every method goes on downwards unless it is replaced.
pub trait VisitMut {
    /// A statement.
    fn statement(&mut self, statement: &mut Statement) {
        walk_statement(self, statement);
    }

    /// A query, at the top or inside an expression.
    fn query(&mut self, query: &mut Query) {
        walk_query(self, query);
    }

    /// One `SELECT`.
    fn select(&mut self, select: &mut Select) {
        walk_select(self, select);
    }

    /// One entry of `FROM`, or one side of a join.
    fn from_item(&mut self, item: &mut FromItem) {
        walk_from_item(self, item);
    }

    /// An expression.
    fn expr(&mut self, expr: &mut Expr) {
        walk_expr(self, expr);
    }

    /// A call, in an expression or in `FROM`.
    fn call(&mut self, call: &mut Call) {
        walk_call(self, call);
    }

    /// The name of a table, view or `WITH` query.
    fn relation(&mut self, _: &mut ObjectName) {}

    /// A type.
    fn type_name(&mut self, _: &mut TypeName) {}

    /// A column, or the table before `.*`.
    fn column(&mut self, _: &mut ColumnRef) {}
}

/// Every name in a piece of syntax, in the order met and with repetitions; nothing is resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names {
    /// Tables and views; names of `WITH` queries too.
    pub relations: Vec<ObjectName>,
    /// Functions.
    pub functions: Vec<ObjectName>,
    /// Types.
    pub types: Vec<TypeName>,
    /// Columns.
    pub columns: Vec<ColumnRef>,
    /// Whether there is a query inside an expression.
    pub subqueries: bool,
}

impl Names {
    /// Those of an expression.
    pub fn of_expr(expr: &Expr) -> Names {
        let mut names = Names::default();
        names.expr(&mut expr.clone());
        names
    }

    /// Those of a query.
    pub fn of_query(query: &Query) -> Names {
        let mut names = Names::default();
        walk_query(&mut names, &mut query.clone());
        names
    }

    /// Those of a statement.
    pub fn of_statement(statement: &Statement) -> Names {
        let mut names = Names::default();
        names.statement(&mut statement.clone());
        names
    }
}

impl VisitMut for Names {
    fn expr(&mut self, expr: &mut Expr) {
        self.subqueries |= matches!(
            expr,
            Expr::InQuery { .. }
                | Expr::AnyQuery { .. }
                | Expr::Exists(_)
                | Expr::Scalar(_)
                | Expr::ArrayQuery(_)
        );
        walk_expr(self, expr);
    }

    fn call(&mut self, call: &mut Call) {
        self.functions.push(call.name.clone());
        walk_call(self, call);
    }

    fn relation(&mut self, name: &mut ObjectName) {
        self.relations.push(name.clone());
    }

    fn type_name(&mut self, name: &mut TypeName) {
        self.types.push(name.clone());
    }

    fn column(&mut self, column: &mut ColumnRef) {
        self.columns.push(column.clone());
    }
}

/// Goes down into a statement.
pub fn walk_statement<V: VisitMut + ?Sized>(v: &mut V, statement: &mut Statement) {
    match statement {
        Statement::Query(query) => v.query(query),
        Statement::Insert(insert) => {
            walk_with(v, insert.with.as_mut());
            v.relation(&mut insert.table);
            if let InsertSource::Query(query) = &mut insert.source {
                v.query(query);
            }
            if let Some(conflict) = &mut insert.on_conflict {
                if let Some(ConflictTarget::Columns { keys, predicate }) = &mut conflict.target {
                    walk_exprs(v, keys);
                    walk_exprs(v, predicate);
                }
                if let ConflictAction::Update {
                    assignments,
                    selection,
                } = &mut conflict.action
                {
                    walk_assignments(v, assignments);
                    walk_exprs(v, selection);
                }
            }
            walk_items(v, &mut insert.returning);
        }
        Statement::Update(update) => {
            walk_with(v, update.with.as_mut());
            v.relation(&mut update.table);
            walk_assignments(v, &mut update.assignments);
            update.from.iter_mut().for_each(|item| v.from_item(item));
            walk_exprs(v, &mut update.selection);
            walk_items(v, &mut update.returning);
        }
        Statement::Delete(delete) => {
            walk_with(v, delete.with.as_mut());
            v.relation(&mut delete.table);
            delete.using.iter_mut().for_each(|item| v.from_item(item));
            walk_exprs(v, &mut delete.selection);
            walk_items(v, &mut delete.returning);
        }
        Statement::Truncate(truncate) => truncate
            .tables
            .iter_mut()
            .for_each(|table| v.relation(table)),
        _ => {}
    }
}

/// Goes down into a query.
pub fn walk_query<V: VisitMut + ?Sized>(v: &mut V, query: &mut Query) {
    walk_with(v, query.with.as_mut());
    walk_set_expr(v, &mut query.body);
    walk_order(v, &mut query.order_by);
    walk_exprs(v, &mut query.limit);
    walk_exprs(v, &mut query.offset);
}

/// Goes down into the body of a query.
pub fn walk_set_expr<V: VisitMut + ?Sized>(v: &mut V, body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => v.select(select),
        SetExpr::Values(rows) => rows.iter_mut().for_each(|row| walk_exprs(v, row)),
        SetExpr::Query(query) => v.query(query),
        SetExpr::SetOp { left, right, .. } => {
            walk_set_expr(v, left);
            walk_set_expr(v, right);
        }
    }
}

/// Goes down into a `SELECT`, `FROM` first.
pub fn walk_select<V: VisitMut + ?Sized>(v: &mut V, select: &mut Select) {
    select.from.iter_mut().for_each(|item| v.from_item(item));
    if let Some(Distinct::On(keys)) = &mut select.distinct {
        walk_exprs(v, keys);
    }
    walk_items(v, &mut select.projection);
    walk_exprs(v, &mut select.selection);
    select
        .group_by
        .iter_mut()
        .for_each(|group| walk_group(v, group));
    walk_exprs(v, &mut select.having);
    select
        .windows
        .iter_mut()
        .for_each(|(_, window)| walk_window(v, window));
}

/// Goes down into an entry of `FROM`.
pub fn walk_from_item<V: VisitMut + ?Sized>(v: &mut V, item: &mut FromItem) {
    match item {
        FromItem::Table { name, .. } => v.relation(name),
        FromItem::Subquery { query, .. } => v.query(query),
        FromItem::Function { call, alias, .. } => {
            v.call(call);
            walk_alias_types(v, alias.as_mut());
        }
        FromItem::Join {
            left, right, on, ..
        } => {
            v.from_item(left);
            v.from_item(right);
            if let JoinOn::On(condition) = on {
                v.expr(condition);
            }
        }
    }
}

/// The types of `AS x(a int, b text)`.
pub fn walk_alias_types<V: VisitMut + ?Sized>(v: &mut V, alias: Option<&mut TableAlias>) {
    alias
        .into_iter()
        .flat_map(|alias| &mut alias.column_types)
        .for_each(|(_, ty)| v.type_name(ty));
}

/// Goes down into a call: its arguments and its clauses, not its name.
pub fn walk_call<V: VisitMut + ?Sized>(v: &mut V, call: &mut Call) {
    call.args.iter_mut().for_each(|arg| v.expr(&mut arg.value));
    walk_order(v, &mut call.order_by);
    walk_order(v, &mut call.within_group);
    walk_exprs(v, &mut call.filter);
    if let Some(Window::Spec(window)) = &mut call.over {
        walk_window(v, window);
    }
}

/// Goes down into an expression.
pub fn walk_expr<V: VisitMut + ?Sized>(v: &mut V, expr: &mut Expr) {
    match expr {
        Expr::Null
        | Expr::Bool(_)
        | Expr::Number(_)
        | Expr::String(_)
        | Expr::Param(_)
        | Expr::Default => {}
        Expr::Column(column) | Expr::Wildcard(column) => v.column(column),
        Expr::Cast { expr, ty } => {
            v.expr(expr);
            v.type_name(ty);
        }
        Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Binary { left, right, .. }
        | Expr::IsDistinct { left, right, .. }
        | Expr::AnyArray {
            left, array: right, ..
        }
        | Expr::Index {
            base: left,
            index: right,
        }
        | Expr::AtTimeZone {
            expr: left,
            zone: right,
        } => {
            v.expr(left);
            v.expr(right);
        }
        Expr::Not(inner)
        | Expr::Unary { expr: inner, .. }
        | Expr::IsNull { expr: inner, .. }
        | Expr::IsBool { expr: inner, .. }
        | Expr::Field { base: inner, .. }
        | Expr::Collate { expr: inner, .. } => v.expr(inner),
        Expr::Like {
            expr,
            pattern,
            escape,
            ..
        } => {
            v.expr(expr);
            v.expr(pattern);
            walk_boxed(v, escape);
        }
        Expr::Between {
            expr, low, high, ..
        } => {
            v.expr(expr);
            v.expr(low);
            v.expr(high);
        }
        Expr::InList { expr, list, .. } => {
            v.expr(expr);
            walk_exprs(v, list);
        }
        Expr::InQuery { expr, query, .. }
        | Expr::AnyQuery {
            left: expr, query, ..
        } => {
            v.expr(expr);
            v.query(query);
        }
        Expr::Exists(query) | Expr::Scalar(query) | Expr::ArrayQuery(query) => v.query(query),
        Expr::Array(items) | Expr::Row(items) => walk_exprs(v, items),
        Expr::Case {
            operand,
            whens,
            otherwise,
        } => {
            walk_boxed(v, operand);
            for (when, then) in whens {
                v.expr(when);
                v.expr(then);
            }
            walk_boxed(v, otherwise);
        }
        Expr::Call(call) => v.call(call),
        Expr::Slice { base, low, high } => {
            v.expr(base);
            walk_boxed(v, low);
            walk_boxed(v, high);
        }
    }
}

/// Goes down into a `WITH`.
pub fn walk_with<V: VisitMut + ?Sized>(v: &mut V, with: Option<&mut With>) {
    with.into_iter()
        .flat_map(|with| &mut with.ctes)
        .for_each(|cte| v.statement(&mut cte.body));
}

/// The expressions of a select list.
pub fn walk_items<V: VisitMut + ?Sized>(v: &mut V, items: &mut [SelectItem]) {
    for item in items {
        if let SelectItem::Expr { expr, .. } = item {
            v.expr(expr);
        }
    }
}

/// The expressions of an `ORDER BY`.
pub fn walk_order<V: VisitMut + ?Sized>(v: &mut V, order: &mut [OrderBy]) {
    order.iter_mut().for_each(|key| v.expr(&mut key.expr));
}

/// The expressions of a grouping element.
pub fn walk_group<V: VisitMut + ?Sized>(v: &mut V, group: &mut GroupBy) {
    match group {
        GroupBy::Expr(expr) => v.expr(expr),
        GroupBy::Empty => {}
        GroupBy::Rollup(list) | GroupBy::Cube(list) => walk_exprs(v, list),
        GroupBy::Sets(sets) => sets.iter_mut().for_each(|set| walk_group(v, set)),
    }
}

/// The expressions of a window.
pub fn walk_window<V: VisitMut + ?Sized>(v: &mut V, window: &mut WindowSpec) {
    walk_exprs(v, &mut window.partition_by);
    walk_order(v, &mut window.order_by);
    if let Some(frame) = &mut window.frame {
        for bound in std::iter::once(&mut frame.start).chain(&mut frame.end) {
            if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                v.expr(offset);
            }
        }
    }
}

fn walk_assignments<V: VisitMut + ?Sized>(v: &mut V, assignments: &mut [Assignment]) {
    for assignment in assignments {
        match assignment {
            Assignment::Column { value, .. } => v.expr(value),
            Assignment::Row { values, .. } => walk_exprs(v, values),
            Assignment::Query { query, .. } => v.query(query),
        }
    }
}

fn walk_exprs<'a, V: VisitMut + ?Sized>(v: &mut V, exprs: impl IntoIterator<Item = &'a mut Expr>) {
    exprs.into_iter().for_each(|expr| v.expr(expr));
}

fn walk_boxed<V: VisitMut + ?Sized>(v: &mut V, expr: &mut Option<Box<Expr>>) {
    if let Some(expr) = expr {
        v.expr(expr);
    }
}
