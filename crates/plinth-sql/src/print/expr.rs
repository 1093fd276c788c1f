//! Expressions.

mod call;
mod window;

use super::Printer;
use crate::ast::{ColumnRef, Expr, LikeKind};

impl Printer {
    /// An expression where any may stand: in lists, clauses and parentheses.
    pub(super) fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Null => self.text("NULL"),
            Expr::Bool(true) => self.text("TRUE"),
            Expr::Bool(false) => self.text("FALSE"),
            Expr::Number(digits) => self.text(digits),
            Expr::String(text) => self.literal(text),
            Expr::Param(number) => self.text(&format!("${number}")),
            Expr::Column(ColumnRef { parts, span: _ }) => self.path(parts),
            Expr::Wildcard(ColumnRef { parts, span: _ }) => {
                self.path(parts);
                self.text(".*");
            }
            Expr::Cast { expr, ty } => {
                // `a::int::text` reads as it nests, so a cast of a cast needs no parentheses.
                if matches!(**expr, Expr::Cast { .. }) {
                    self.expr(expr);
                } else {
                    self.operand(expr);
                }
                self.text("::");
                self.type_name(ty);
            }
            Expr::And(left, right) => self.chain(" AND ", left, right, |e| match e {
                Expr::And(left, right) => Some((left, right)),
                _ => None,
            }),
            Expr::Or(left, right) => self.chain(" OR ", left, right, |e| match e {
                Expr::Or(left, right) => Some((left, right)),
                _ => None,
            }),
            Expr::Not(inner) => {
                self.text("NOT ");
                self.operand(inner);
            }
            Expr::Unary { op, expr, span: _ } => {
                self.text(op);
                self.text(" ");
                self.operand(expr);
            }
            Expr::Binary {
                op,
                left,
                right,
                span: _,
            } => {
                let chains = matches!(op.as_str(), "+" | "-" | "*" | "/" | "%" | "||");
                self.chain(&format!(" {op} "), left, right, |e| match e {
                    Expr::Binary {
                        op: inner,
                        left,
                        right,
                        span: _,
                    } if chains && inner == op => Some((left, right)),
                    _ => None,
                });
            }
            Expr::IsNull { expr, negated } => {
                self.operand(expr);
                self.text(if *negated { " IS NOT NULL" } else { " IS NULL" });
            }
            Expr::IsBool {
                expr,
                value,
                negated,
            } => {
                self.operand(expr);
                self.text(if *negated { " IS NOT " } else { " IS " });
                self.text(match value {
                    Some(true) => "TRUE",
                    Some(false) => "FALSE",
                    None => "UNKNOWN",
                });
            }
            Expr::IsDistinct {
                left,
                right,
                negated,
            } => {
                self.infix(
                    left,
                    if *negated {
                        " IS NOT DISTINCT FROM "
                    } else {
                        " IS DISTINCT FROM "
                    },
                    right,
                );
            }
            Expr::Like {
                kind,
                expr,
                pattern,
                escape,
                negated,
            } => {
                self.operand(expr);
                self.flag(*negated, " NOT");
                let word = match kind {
                    LikeKind::Like => " LIKE ",
                    LikeKind::Ilike => " ILIKE ",
                    LikeKind::Similar => " SIMILAR TO ",
                };
                self.text(word);
                self.operand(pattern);
                if let Some(escape) = escape {
                    self.text(" ESCAPE ");
                    self.operand(escape);
                }
            }
            Expr::Between {
                expr,
                low,
                high,
                symmetric,
                negated,
            } => {
                self.operand(expr);
                self.flag(*negated, " NOT");
                self.text(" BETWEEN ");
                self.flag(*symmetric, "SYMMETRIC ");
                self.infix(low, " AND ", high);
            }
            Expr::InList {
                expr,
                list,
                negated,
            } => {
                if let [only @ Expr::Scalar(_)] = list.as_slice() {
                    // `x IN ((SELECT …))` would read as membership in the query's rows.
                    return self.infix(expr, if *negated { " <> " } else { " = " }, only);
                }
                self.operand(expr);
                self.text(if *negated { " NOT IN " } else { " IN " });
                self.parens(list, Printer::expr);
            }
            Expr::InQuery {
                expr,
                query,
                negated,
            } => {
                self.operand(expr);
                self.text(if *negated { " NOT IN " } else { " IN " });
                self.subquery(query);
            }
            Expr::AnyArray {
                left,
                op,
                array,
                all,
                span: _,
            } => {
                self.quantified(left, op, *all);
                // `ANY ((SELECT …))` would read as any of the query's rows, not of its one array.
                let hidden = matches!(**array, Expr::Scalar(_));
                self.text(if hidden { "(COALESCE(" } else { "(" });
                self.expr(array);
                self.text(if hidden { "))" } else { ")" });
            }
            Expr::AnyQuery {
                left,
                op,
                query,
                all,
                span: _,
            } => {
                self.quantified(left, op, *all);
                self.subquery(query);
            }
            Expr::Exists(query) => {
                self.text("EXISTS ");
                self.subquery(query);
            }
            Expr::Scalar(query) => self.subquery(query),
            Expr::ArrayQuery(query) => {
                self.text("ARRAY");
                self.subquery(query);
            }
            Expr::Array(items) => {
                self.text("ARRAY[");
                self.list(items, Printer::expr);
                self.text("]");
            }
            Expr::Row(items) => {
                self.text("ROW");
                self.parens(items, Printer::expr);
            }
            Expr::Case {
                operand,
                whens,
                otherwise,
            } => {
                self.text("CASE");
                if let Some(operand) = operand {
                    self.text(" ");
                    self.operand(operand);
                }
                for (when, then) in whens {
                    self.text(" WHEN ");
                    self.operand(when);
                    self.text(" THEN ");
                    self.operand(then);
                }
                if let Some(otherwise) = otherwise {
                    self.text(" ELSE ");
                    self.operand(otherwise);
                }
                self.text(" END");
            }
            Expr::Call(call) => self.call(call),
            Expr::Index { base, index } => {
                self.subscripted(base);
                self.text("[");
                self.expr(index);
                self.text("]");
            }
            Expr::Slice { base, low, high } => {
                self.subscripted(base);
                self.text("[");
                if let Some(low) = low {
                    self.operand(low);
                }
                self.text(":");
                if let Some(high) = high {
                    self.operand(high);
                }
                self.text("]");
            }
            Expr::Field { base, name } => {
                self.text("(");
                self.expr(base);
                self.text(").");
                self.ident(name);
            }
            Expr::Collate { expr, collation } => {
                self.operand(expr);
                self.text(" COLLATE ");
                self.name(collation);
            }
            Expr::AtTimeZone { expr, zone } => self.infix(expr, " AT TIME ZONE ", zone),
            Expr::Default => self.text("DEFAULT"),
        }
    }

    /// An expression beside an operator: in parentheses unless it is a single thing.
    pub(super) fn operand(&mut self, expr: &Expr) {
        if is_single(expr) {
            return self.expr(expr);
        }
        self.text("(");
        self.expr(expr);
        self.text(")");
    }

    fn infix(&mut self, left: &Expr, op: &str, right: &Expr) {
        self.operand(left);
        self.text(op);
        self.operand(right);
    }

    /// `a op b op c` for a tree that leans left, however long it is.
    fn chain<'a>(
        &mut self,
        op: &str,
        left: &'a Expr,
        right: &'a Expr,
        split: impl Fn(&'a Expr) -> Option<(&'a Expr, &'a Expr)>,
    ) {
        let mut rest = vec![right];
        let mut first = left;
        while let Some((left, right)) = split(first) {
            rest.push(right);
            first = left;
        }
        self.operand(first);
        for term in rest.into_iter().rev() {
            self.text(op);
            self.operand(term);
        }
    }

    fn quantified(&mut self, left: &Expr, op: &str, all: bool) {
        self.operand(left);
        self.text(" ");
        self.text(op);
        self.text(if all { " ALL " } else { " ANY " });
    }

    /// What a subscript follows. Subscripts of subscripts stay flat: `a[1][2]` is one access to a matrix.
    fn subscripted(&mut self, base: &Expr) {
        match base {
            Expr::Column(_) | Expr::Index { .. } | Expr::Slice { .. } => self.expr(base),
            _ => {
                self.text("(");
                self.expr(base);
                self.text(")");
            }
        }
    }
}

/// Whether an expression cannot come apart beside an operator.
fn is_single(expr: &Expr) -> bool {
    match expr {
        Expr::Null
        | Expr::Bool(_)
        | Expr::String(_)
        | Expr::Param(_)
        | Expr::Column(_)
        | Expr::Wildcard(_)
        | Expr::Exists(_)
        | Expr::Scalar(_)
        | Expr::ArrayQuery(_)
        | Expr::Array(_)
        | Expr::Row(_)
        | Expr::Case { .. }
        | Expr::Index { .. }
        | Expr::Slice { .. }
        | Expr::Field { .. }
        | Expr::Default => true,
        // A sign may have been put in by a tree made by us.
        Expr::Number(digits) => digits.starts_with(|c: char| c.is_ascii_digit() || c == '.'),
        Expr::Call(call) => {
            call.within_group.is_empty() && call.filter.is_none() && call.over.is_none()
        }
        Expr::Cast { .. }
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::Not(_)
        | Expr::Unary { .. }
        | Expr::Binary { .. }
        | Expr::IsNull { .. }
        | Expr::IsBool { .. }
        | Expr::IsDistinct { .. }
        | Expr::Like { .. }
        | Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::InQuery { .. }
        | Expr::AnyArray { .. }
        | Expr::AnyQuery { .. }
        | Expr::Collate { .. }
        | Expr::AtTimeZone { .. } => false,
    }
}
