//! Aggregates and window functions.

use plinth_sql::SqlError;
use plinth_sql::ast::{Call, Expr, Frame, FrameBound, FrameUnits, OrderBy, Window, WindowSpec};
use plinth_sql::types::Type;

use super::call::no_function;
use super::coerce::How;
use super::{Ex, ExKind, Translator};
use crate::names::collate;

impl Translator<'_> {
    /// The call as an aggregate or window function. None: it is neither.
    pub(super) fn aggregate_or_window(&mut self, call: &Call) -> Result<Option<Ex>, SqlError> {
        let name = call.name.name.as_str();
        if !is_aggregate(name) {
            if !is_window(name) {
                return Ok(None);
            }
            let Some(over) = &call.over else {
                return Err(SqlError::new(
                    "42P20",
                    format!("window function {name} requires an OVER clause"),
                ));
            };
            self.window_allowed()?;
            let (sql, ty) = self.window_function(name, call)?;
            let over = self.over(over)?;
            return Ok(Some(Ex::new(format!("{sql} OVER {over}"), ty)));
        }
        if !call.within_group.is_empty() {
            return Err(SqlError::unsupported(format!(
                "the ordered-set aggregate {name}"
            )));
        }
        if call.over.is_none() {
            self.enter_aggregate()?;
        } else {
            self.window_allowed()?;
        }
        let done = self.aggregate(name, call);
        if call.over.is_none() {
            self.leave_aggregate();
        }
        let (sql, ty) = done?;
        let mut sql = sql;
        if let Some(over) = &call.over {
            if call.distinct {
                return Err(SqlError::new(
                    "0A000",
                    "DISTINCT is not implemented for window functions",
                ));
            }
            let over = self.over(over)?;
            sql = sql.replace('\u{1}', &format!(" OVER {over}"));
        } else {
            sql = sql.replace('\u{1}', "");
        }
        Ok(Some(Ex::new(sql, ty)))
    }

    fn window_allowed(&self) -> Result<(), SqlError> {
        if self.clause.is_empty() {
            return Ok(());
        }
        Err(SqlError::new(
            "42P20",
            format!(
                "window functions are not allowed in {}",
                named_clause(self.clause)
            ),
        ))
    }

    fn enter_aggregate(&mut self) -> Result<(), SqlError> {
        if !matches!(self.clause, "" | "FILTER") {
            return Err(SqlError::new(
                "42803",
                format!(
                    "aggregate functions are not allowed in {}",
                    named_clause(self.clause)
                ),
            ));
        }
        self.aggregates_seen += 1;
        if let Some(grouping) = self
            .scopes
            .last_mut()
            .and_then(|scope| scope.grouping.as_mut())
        {
            if grouping.inside_aggregate > 0 {
                return Err(SqlError::new(
                    "42803",
                    "aggregate function calls cannot be nested",
                ));
            }
            grouping.inside_aggregate += 1;
        }
        Ok(())
    }

    fn leave_aggregate(&mut self) {
        if let Some(grouping) = self
            .scopes
            .last_mut()
            .and_then(|scope| scope.grouping.as_mut())
        {
            grouping.inside_aggregate = grouping.inside_aggregate.saturating_sub(1);
        }
    }

    /// The text of an aggregate; U+0001 marks where `OVER` goes.
    fn aggregate(&mut self, name: &str, call: &Call) -> Result<(String, Type), SqlError> {
        let filter = match &call.filter {
            Some(filter) => format!(
                " FILTER (WHERE {})",
                self.condition_expr(filter, "FILTER")?.sql
            ),
            None => String::new(),
        };
        if call.star {
            if name != "count" {
                return Err(no_function(name, &[]));
            }
            return Ok((format!("count(*){filter}\u{1}"), Type::Int8));
        }
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.expr(&arg.value)?);
        }
        let order = self.aggregate_order(&call.order_by)?;
        let distinct = if call.distinct { "DISTINCT " } else { "" };
        let tail = format!("{order}){filter}\u{1}");
        let collated = |this: &Self, ex: &Ex| {
            let needed = call.distinct || matches!(name, "min" | "max");
            if needed {
                collate(&ex.ty.ty, this.catalog)
            } else {
                String::new()
            }
        };
        let mut args = args.into_iter();
        let Some(first) = args.next() else {
            return Err(no_function(name, &[]));
        };
        if name == "count" {
            return Ok(match first.kind {
                ExKind::Row(_) => (format!("count(*){filter}\u{1}"), Type::Int8),
                _ => {
                    let first = self.settle(first)?;
                    let collation = collated(self, &first);
                    (
                        format!("count({distinct}{}{collation}{tail}", first.sql),
                        Type::Int8,
                    )
                }
            });
        }
        if matches!(name, "json_agg" | "jsonb_agg") {
            let row = i32::from(
                matches!(first.kind, ExKind::Row(_)) || matches!(first.ty.ty, Type::Array(_)),
            );
            let json = self.to_json(first)?;
            let jsonb = name == "jsonb_agg";
            let value = if call.distinct {
                format!("{distinct}{json}")
            } else {
                format!("{json},{row}")
            };
            let sql = format!("json_agg_({value}{tail}");
            return Ok(if jsonb {
                (wrapped("pg_in(", &sql, ",'jsonb')"), Type::Jsonb)
            } else {
                (sql, Type::Json)
            });
        }
        let first = match name {
            "string_agg" | "json_object_agg" | "jsonb_object_agg" if first.ty.ty != Type::Bytea => {
                self.coerce(first, &Type::Text.into(), How::Assignment)?
            }
            _ => self.settle(first)?,
        };
        let ty = first.ty.ty.clone();
        let collation = collated(self, &first);
        let value = format!("{distinct}{}{collation}", first.sql);
        Ok(match (name, &ty) {
            ("min" | "max", ty) if comparable(ty) => (format!("{name}({value}{tail}"), ty.clone()),
            ("sum", Type::Int2 | Type::Int4) => (format!("sum({value}{tail}"), Type::Int8),
            ("sum", Type::Int8) => (
                format!("sum_n({distinct}CAST({} AS TEXT){tail}", first.sql),
                Type::Numeric,
            ),
            ("sum", Type::Numeric) => (format!("sum_n({value}{tail}"), Type::Numeric),
            ("sum", Type::Float4 | Type::Float8) => (format!("sum({value}{tail}"), ty.clone()),
            ("sum", Type::Interval) => (format!("sum_iv({value}{tail}"), Type::Interval),
            ("avg", Type::Int2 | Type::Int4 | Type::Int8) => (
                format!("avg_n({distinct}CAST({} AS TEXT){tail}", first.sql),
                Type::Numeric,
            ),
            ("avg", Type::Numeric) => (format!("avg_n({value}{tail}"), Type::Numeric),
            ("avg", Type::Float4 | Type::Float8) => (format!("avg({value}{tail}"), Type::Float8),
            ("avg", Type::Interval) => (format!("avg_iv({value}{tail}"), Type::Interval),
            ("bool_and" | "every", Type::Bool) => (format!("min({value}{tail}"), Type::Bool),
            ("bool_or", Type::Bool) => (format!("max({value}{tail}"), Type::Bool),
            ("bit_and" | "bit_or", ty) if ty.is_integer() => {
                (format!("{name}_({value}{tail}"), ty.clone())
            }
            ("stddev" | "stddev_samp" | "stddev_pop" | "variance" | "var_samp" | "var_pop", ty)
                if ty.is_number() =>
            {
                let float = matches!(ty, Type::Float4 | Type::Float8);
                let first = self.coerce(
                    first,
                    &if float { Type::Float8 } else { Type::Numeric }.into(),
                    How::Implicit,
                )?;
                let kind = if float { "f" } else { "n" };
                let function = match name {
                    "stddev" => "stddev_samp",
                    "variance" => "var_samp",
                    other => other,
                };
                let ty = if float { Type::Float8 } else { Type::Numeric };
                (
                    format!("{function}_{kind}({distinct}{}{tail}", first.sql),
                    ty,
                )
            }
            ("array_agg", ty) => {
                let nested = matches!(ty, Type::Array(_));
                let element = self.element(first.clone())?;
                let result = if nested {
                    ty.clone()
                } else {
                    ty.clone().array()
                };
                let order = if call.distinct && call.order_by.is_empty() {
                    format!(" ORDER BY {element}")
                } else {
                    String::new()
                };
                (
                    format!("array_agg_({distinct}{element}{order}{tail}"),
                    result,
                )
            }
            ("string_agg", Type::Text) => {
                let Some(separator) = args.next() else {
                    return Err(no_function(name, &[first]));
                };
                let separator = self.coerce(separator, &Type::Text.into(), How::Implicit)?;
                if call.distinct {
                    let order = if call.order_by.is_empty() {
                        format!(" ORDER BY {}", first.sql)
                    } else {
                        String::new()
                    };
                    let sql = format!("array_agg_(DISTINCT {}{order}{tail}", first.sql);
                    (
                        wrapped("array_join_(", &sql, &format!(",{})", separator.sql)),
                        Type::Text,
                    )
                } else {
                    (
                        format!("string_agg_({},{}{tail}", first.sql, separator.sql),
                        Type::Text,
                    )
                }
            }
            ("json_object_agg" | "jsonb_object_agg", _) => {
                let Some(value) = args.next() else {
                    return Err(no_function(name, &[first]));
                };
                let value = self.to_json(value)?;
                let sql = format!("json_object_agg_({},{value}{tail}", first.sql);
                if name == "jsonb_object_agg" {
                    (wrapped("pg_in(", &sql, ",'jsonb')"), Type::Jsonb)
                } else {
                    (sql, Type::Json)
                }
            }
            _ => return Err(no_function(name, &[first])),
        })
    }

    fn aggregate_order(&mut self, order_by: &[OrderBy]) -> Result<String, SqlError> {
        let mut keys = Vec::with_capacity(order_by.len());
        for order in order_by {
            let ex = self.expr(&order.expr)?;
            let ex = self.settle(ex)?;
            keys.push(self.sort_key(&ex, order));
        }
        Ok(if keys.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", keys.join(", "))
        })
    }

    fn window_function(&mut self, name: &str, call: &Call) -> Result<(String, Type), SqlError> {
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.expr(&arg.value)?);
        }
        let mut texts = Vec::with_capacity(args.len());
        let ty = match (name, args.len()) {
            ("row_number" | "rank" | "dense_rank", 0) => Type::Int8,
            ("percent_rank" | "cume_dist", 0) => Type::Float8,
            ("ntile", 1) => {
                let count = self.coerce(args.remove(0), &Type::Int4.into(), How::Implicit)?;
                texts.push(count.sql);
                Type::Int4
            }
            ("lag" | "lead", 1..=3) | ("first_value" | "last_value", 1) | ("nth_value", 2) => {
                let mut args = args.into_iter();
                let first = args
                    .next()
                    .map_or_else(|| Err(no_function(name, &[])), Ok)?;
                let first = self.settle(first)?;
                let ty = first.ty.ty.clone();
                texts.push(first.sql);
                if let Some(offset) = args.next() {
                    texts.push(self.coerce(offset, &Type::Int4.into(), How::Implicit)?.sql);
                }
                if let Some(default) = args.next() {
                    texts.push(self.coerce(default, &ty.clone().into(), How::Implicit)?.sql);
                }
                ty
            }
            _ => return Err(no_function(name, &args)),
        };
        Ok((format!("{name}({})", texts.join(",")), ty))
    }

    fn over(&mut self, window: &Window) -> Result<String, SqlError> {
        match window {
            Window::Named(name) => {
                let spec = self.named_window(name)?;
                self.window_spec(&spec)
            }
            Window::Spec(spec) => self.window_spec(spec),
        }
    }

    fn named_window(&self, name: &str) -> Result<WindowSpec, SqlError> {
        self.windows
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, spec)| spec.clone())
            .ok_or_else(|| SqlError::new("42704", format!("window \"{name}\" does not exist")))
    }

    fn window_spec(&mut self, spec: &WindowSpec) -> Result<String, SqlError> {
        let mut spec = spec.clone();
        if let Some(base) = spec.base.take() {
            let base = self.named_window(&base)?;
            spec.partition_by = base.partition_by;
            if spec.order_by.is_empty() {
                spec.order_by = base.order_by;
            }
        }
        let mut parts = Vec::new();
        if !spec.partition_by.is_empty() {
            let mut keys = Vec::with_capacity(spec.partition_by.len());
            for key in &spec.partition_by {
                let ex = self.expr(key)?;
                keys.push(format!("{}{}", ex.sql, collate(&ex.ty.ty, self.catalog)));
            }
            parts.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        let order = self.aggregate_order(&spec.order_by)?;
        if !order.is_empty() {
            parts.push(order.trim_start().to_owned());
        }
        if let Some(frame) = &spec.frame {
            parts.push(self.frame(frame)?);
        }
        Ok(format!("({})", parts.join(" ")))
    }

    fn frame(&mut self, frame: &Frame) -> Result<String, SqlError> {
        let units = match frame.units {
            FrameUnits::Rows => "ROWS",
            FrameUnits::Range => "RANGE",
            FrameUnits::Groups => "GROUPS",
        };
        let start = self.bound(&frame.start)?;
        let mut text = match &frame.end {
            Some(end) => format!("{units} BETWEEN {start} AND {}", self.bound(end)?),
            None => format!("{units} {start}"),
        };
        if let Some(exclude) = &frame.exclude {
            text.push_str(&format!(" EXCLUDE {exclude}"));
        }
        Ok(text)
    }

    fn bound(&mut self, bound: &FrameBound) -> Result<String, SqlError> {
        Ok(match bound {
            FrameBound::UnboundedPreceding => "UNBOUNDED PRECEDING".into(),
            FrameBound::UnboundedFollowing => "UNBOUNDED FOLLOWING".into(),
            FrameBound::CurrentRow => "CURRENT ROW".into(),
            FrameBound::Preceding(expr) => format!("{} PRECEDING", self.distance(expr)?),
            FrameBound::Following(expr) => format!("{} FOLLOWING", self.distance(expr)?),
        })
    }

    fn distance(&mut self, expr: &Expr) -> Result<String, SqlError> {
        let ex = self.expr(expr)?;
        Ok(self.coerce(ex, &Type::Int8.into(), How::Assignment)?.sql)
    }
}

/// A clause as messages name it.
fn named_clause(clause: &str) -> &str {
    match clause {
        "JOIN/ON" => "JOIN conditions",
        "CHECK" => "check constraints",
        "POLICY" => "policy expressions",
        other => other,
    }
}

/// Puts a call around an aggregate, `OVER` staying inside.
fn wrapped(before: &str, sql: &str, after: &str) -> String {
    format!("{before}{sql}{after}")
}

/// Types with an order that `min` and `max` know in Postgres.
fn comparable(ty: &Type) -> bool {
    !matches!(
        ty,
        Type::Bool
            | Type::Uuid
            | Type::Json
            | Type::Jsonb
            | Type::Bytea
            | Type::Record
            | Type::Row(_)
            | Type::Void
    )
}

/// Names of aggregates.
pub(super) fn is_aggregate(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "sum"
            | "avg"
            | "min"
            | "max"
            | "array_agg"
            | "string_agg"
            | "json_agg"
            | "jsonb_agg"
            | "json_object_agg"
            | "jsonb_object_agg"
            | "bool_and"
            | "bool_or"
            | "every"
            | "bit_and"
            | "bit_or"
            | "stddev"
            | "stddev_samp"
            | "stddev_pop"
            | "variance"
            | "var_samp"
            | "var_pop"
            | "mode"
            | "percentile_cont"
            | "percentile_disc"
    )
}

/// Names of window functions.
pub(super) fn is_window(name: &str) -> bool {
    matches!(
        name,
        "row_number"
            | "rank"
            | "dense_rank"
            | "percent_rank"
            | "cume_dist"
            | "ntile"
            | "lag"
            | "lead"
            | "first_value"
            | "last_value"
            | "nth_value"
    )
}
