//! Queries and the statements that change rows.

use super::Printer;
use crate::ast::{
    Assignment, ConflictAction, ConflictTarget, Delete, Distinct, Expr, FromItem, GroupBy, Insert,
    InsertSource, JoinKind, JoinOn, Locking, OnConflict, Overriding, Query, Select, SelectItem,
    SetExpr, SetOperator, TableAlias, Truncate, Update, With,
};

impl Printer {
    pub(super) fn query(&mut self, query: &Query) {
        self.with(query.with.as_ref());
        self.set_expr(&query.body);
        if !query.order_by.is_empty() {
            self.text(" ORDER BY ");
            self.order_by(&query.order_by);
        }
        self.clause(" LIMIT ", query.limit.as_ref());
        self.clause(" OFFSET ", query.offset.as_ref());
        for locking in &query.locking {
            self.locking(locking);
        }
    }

    fn locking(&mut self, locking: &Locking) {
        self.text(" FOR ");
        self.text(&locking.strength);
        if !locking.of.is_empty() {
            self.text(" of ");
            self.list(&locking.of, Printer::name);
        }
        if let Some(wait) = &locking.wait {
            self.text(" ");
            self.text(wait);
        }
    }

    /// A query in parentheses.
    pub(super) fn subquery(&mut self, query: &Query) {
        self.text("(");
        self.query(query);
        self.text(")");
    }

    /// A keyword and an expression, when there is one.
    pub(super) fn clause(&mut self, keyword: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.text(keyword);
            self.expr(expr);
        }
    }

    fn with(&mut self, with: Option<&With>) {
        let Some(with) = with else { return };
        self.text(if with.recursive {
            "WITH RECURSIVE "
        } else {
            "WITH "
        });
        self.list(&with.ctes, |p, cte| {
            p.ident(&cte.name);
            p.column_list(&cte.columns);
            p.text(match cte.materialized {
                None => " AS (",
                Some(true) => " AS MATERIALIZED (",
                Some(false) => " AS NOT MATERIALIZED (",
            });
            p.statement(&cte.body);
            p.text(")");
        });
        self.text(" ");
    }

    fn set_expr(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values(rows) => {
                self.text("VALUES ");
                self.list(rows, |p, row| p.parens(row, Printer::expr));
            }
            SetExpr::Query(query) => self.subquery(query),
            SetExpr::SetOp {
                op,
                all,
                left,
                right,
            } => {
                self.set_operand(left, |inner| binding(inner) < binding(*op));
                self.text(match op {
                    SetOperator::Union => " UNION ",
                    SetOperator::Intersect => " INTERSECT ",
                    SetOperator::Except => " EXCEPT ",
                });
                self.flag(*all, "ALL ");
                self.set_operand(right, |inner| binding(inner) <= binding(*op));
            }
        }
    }

    fn set_operand(&mut self, side: &SetExpr, needs_parens: impl Fn(SetOperator) -> bool) {
        match side {
            SetExpr::SetOp { op, .. } if needs_parens(*op) => {
                self.text("(");
                self.set_expr(side);
                self.text(")");
            }
            SetExpr::SetOp { .. } | SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Query(_) => {
                self.set_expr(side);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.text("SELECT");
        match &select.distinct {
            None => {}
            Some(Distinct::All) => self.text(" DISTINCT"),
            Some(Distinct::On(keys)) => {
                self.text(" DISTINCT ON ");
                self.parens(keys, Printer::expr);
            }
        }
        if !select.projection.is_empty() {
            self.text(" ");
            self.select_items(&select.projection);
        }
        self.from(" FROM ", &select.from);
        self.clause(" WHERE ", select.selection.as_ref());
        if !select.group_by.is_empty() {
            self.text(" GROUP BY ");
            self.list(&select.group_by, Printer::group_by);
        }
        self.clause(" HAVING ", select.having.as_ref());
        if !select.windows.is_empty() {
            self.text(" WINDOW ");
            self.list(&select.windows, |p, (name, spec)| {
                p.ident(name);
                p.text(" AS ");
                p.window_spec(spec);
            });
        }
    }

    fn select_items(&mut self, items: &[SelectItem]) {
        self.list(items, |p, item| match item {
            SelectItem::Wildcard => p.text("*"),
            SelectItem::QualifiedWildcard(parts) => {
                p.path(parts);
                p.text(".*");
            }
            SelectItem::Expr { expr, alias } => {
                p.expr(expr);
                if let Some(alias) = alias {
                    p.named(" AS ", alias);
                }
            }
        });
    }

    fn group_by(&mut self, group: &GroupBy) {
        match group {
            GroupBy::Expr(expr) => self.expr(expr),
            GroupBy::Empty => self.text("()"),
            GroupBy::Rollup(keys) => {
                self.text("ROLLUP ");
                self.parens(keys, Printer::expr);
            }
            GroupBy::Cube(keys) => {
                self.text("CUBE ");
                self.parens(keys, Printer::expr);
            }
            GroupBy::Sets(sets) => {
                self.text("GROUPING SETS ");
                self.parens(sets, Printer::group_by);
            }
        }
    }

    fn from(&mut self, keyword: &str, items: &[FromItem]) {
        if !items.is_empty() {
            self.text(keyword);
            self.list(items, Printer::from_item);
        }
    }

    fn from_item(&mut self, item: &FromItem) {
        match item {
            FromItem::Table { name, alias } => {
                self.name(name);
                self.table_alias(alias.as_ref());
            }
            FromItem::Subquery {
                lateral,
                query,
                alias,
            } => {
                self.flag(*lateral, "LATERAL ");
                self.subquery(query);
                self.table_alias(alias.as_ref());
            }
            FromItem::Function {
                lateral,
                call,
                ordinality,
                alias,
            } => {
                self.flag(*lateral, "LATERAL ");
                self.call(call);
                self.flag(*ordinality, " WITH ORDINALITY");
                self.table_alias(alias.as_ref());
            }
            FromItem::Join {
                left,
                right,
                kind,
                on,
            } => self.join(left, right, *kind, on),
        }
    }

    fn join(&mut self, left: &FromItem, right: &FromItem, kind: JoinKind, on: &JoinOn) {
        self.from_item(left);
        self.flag(matches!(on, JoinOn::Natural), " NATURAL");
        self.text(match kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
        });
        if matches!(right, FromItem::Join { .. }) {
            self.text("(");
            self.from_item(right);
            self.text(")");
        } else {
            self.from_item(right);
        }
        match on {
            JoinOn::None | JoinOn::Natural => {}
            JoinOn::On(condition) => self.clause(" ON ", Some(condition)),
            JoinOn::Using(columns) => {
                self.text(" USING");
                self.column_list(columns);
            }
        }
    }

    fn table_alias(&mut self, alias: Option<&TableAlias>) {
        let Some(alias) = alias else { return };
        self.text(" AS");
        if !alias.name.is_empty() {
            self.text(" ");
            self.ident(&alias.name);
        }
        self.column_list(&alias.columns);
        if !alias.column_types.is_empty() {
            self.text(" ");
            self.parens(&alias.column_types, |p, (name, ty)| {
                p.ident(name);
                p.text(" ");
                p.type_name(ty);
            });
        }
    }

    pub(super) fn insert(&mut self, insert: &Insert) {
        self.with(insert.with.as_ref());
        self.text("INSERT INTO ");
        self.name(&insert.table);
        if let Some(alias) = &insert.alias {
            self.named(" AS ", alias);
        }
        self.column_list(&insert.columns);
        match insert.overriding {
            None => {}
            Some(Overriding::System) => self.text(" OVERRIDING SYSTEM VALUE"),
            Some(Overriding::User) => self.text(" OVERRIDING USER VALUE"),
        }
        match &insert.source {
            InsertSource::Default => self.text(" DEFAULT VALUES"),
            InsertSource::Query(query) => {
                self.text(" ");
                self.query(query);
            }
        }
        if let Some(on_conflict) = &insert.on_conflict {
            self.on_conflict(on_conflict);
        }
        self.returning(&insert.returning);
    }

    fn on_conflict(&mut self, on_conflict: &OnConflict) {
        self.text(" ON CONFLICT");
        match &on_conflict.target {
            None => {}
            Some(ConflictTarget::Columns { keys, predicate }) => {
                self.text(" ");
                self.parens(keys, Printer::index_expr);
                self.clause(" WHERE ", predicate.as_ref());
            }
            Some(ConflictTarget::Constraint(name)) => self.named(" ON CONSTRAINT ", name),
        }
        match &on_conflict.action {
            ConflictAction::Nothing => self.text(" DO NOTHING"),
            ConflictAction::Update {
                assignments,
                selection,
            } => {
                self.text(" DO UPDATE SET ");
                self.assignments(assignments);
                self.clause(" WHERE ", selection.as_ref());
            }
        }
    }

    fn assignments(&mut self, assignments: &[Assignment]) {
        self.list(assignments, |p, assignment| match assignment {
            Assignment::Column { column, value } => {
                p.ident(column);
                p.clause(" = ", Some(value));
            }
            Assignment::Row { columns, values } => {
                p.parens(columns, |p, column| p.ident(column));
                p.text(" = ROW");
                p.parens(values, Printer::expr);
            }
            Assignment::Query { columns, query } => {
                p.parens(columns, |p, column| p.ident(column));
                p.text(" = ");
                p.subquery(query);
            }
        });
    }

    pub(super) fn update(&mut self, update: &Update) {
        self.with(update.with.as_ref());
        self.text("UPDATE ");
        self.name(&update.table);
        if let Some(alias) = &update.alias {
            self.named(" AS ", alias);
        }
        self.text(" SET ");
        self.assignments(&update.assignments);
        self.from(" FROM ", &update.from);
        self.clause(" WHERE ", update.selection.as_ref());
        self.returning(&update.returning);
    }

    pub(super) fn delete(&mut self, delete: &Delete) {
        self.with(delete.with.as_ref());
        self.text("DELETE FROM ");
        self.name(&delete.table);
        if let Some(alias) = &delete.alias {
            self.named(" AS ", alias);
        }
        self.from(" USING ", &delete.using);
        self.clause(" WHERE ", delete.selection.as_ref());
        self.returning(&delete.returning);
    }

    fn returning(&mut self, items: &[SelectItem]) {
        if !items.is_empty() {
            self.text(" RETURNING ");
            self.select_items(items);
        }
    }

    pub(super) fn truncate(&mut self, truncate: &Truncate) {
        self.text("TRUNCATE TABLE ");
        self.list(&truncate.tables, Printer::name);
        self.flag(truncate.restart_identity, " RESTART IDENTITY");
        self.flag(truncate.cascade, " CASCADE");
    }
}

/// How tightly a set operation binds.
fn binding(op: SetOperator) -> u8 {
    match op {
        SetOperator::Union | SetOperator::Except => 0,
        SetOperator::Intersect => 1,
    }
}
