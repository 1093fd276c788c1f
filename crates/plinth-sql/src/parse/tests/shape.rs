//! Expressions with every operand in parentheses, so that a line shows the tree.

use crate::ast::{Call, Expr, LikeKind, OrderBy, TypeName, Window};

pub(super) fn shape(expr: &Expr) -> String {
    match expr {
        Expr::Null => "null".to_owned(),
        Expr::Bool(value) => value.to_string(),
        Expr::Number(text) => text.clone(),
        Expr::String(text) => format!("'{text}'"),
        Expr::Param(number) => format!("${number}"),
        Expr::Column(column) => column.parts.join("."),
        Expr::Wildcard(column) => format!("{}.*", column.parts.join(".")),
        Expr::Cast { expr, ty } => format!("({}::{})", shape(expr), type_shape(ty)),
        Expr::And(a, b) => format!("({} and {})", shape(a), shape(b)),
        Expr::Or(a, b) => format!("({} or {})", shape(a), shape(b)),
        Expr::Not(a) => format!("(not {})", shape(a)),
        Expr::Unary { op, expr, .. } => format!("({op}{})", shape(expr)),
        Expr::Binary {
            op, left, right, ..
        } => format!("({} {op} {})", shape(left), shape(right)),
        Expr::IsNull { expr, negated } => format!("({} is {}null)", shape(expr), not(*negated)),
        Expr::IsBool {
            expr,
            value,
            negated,
        } => format!("({} is {}{value:?})", shape(expr), not(*negated)),
        Expr::IsDistinct {
            left,
            right,
            negated,
        } => {
            format!(
                "({} is {}distinct from {})",
                shape(left),
                not(*negated),
                shape(right)
            )
        }
        Expr::Like {
            kind,
            expr,
            pattern,
            escape,
            negated,
        } => {
            let word = match kind {
                LikeKind::Like => "like",
                LikeKind::Ilike => "ilike",
                LikeKind::Similar => "similar to",
            };
            let escape = escape
                .as_ref()
                .map(|escape| format!(" escape {}", shape(escape)));
            let (expr, pattern) = (shape(expr), shape(pattern));
            format!(
                "({expr} {}{word} {pattern}{})",
                not(*negated),
                escape.unwrap_or_default()
            )
        }
        Expr::Between {
            expr,
            low,
            high,
            symmetric,
            negated,
        } => {
            let symmetric = if *symmetric { "symmetric " } else { "" };
            let (expr, low, high) = (shape(expr), shape(low), shape(high));
            format!(
                "({expr} {}between {symmetric}{low} and {high})",
                not(*negated)
            )
        }
        Expr::InList {
            expr,
            list,
            negated,
        } => format!("({} {}in ({}))", shape(expr), not(*negated), shapes(list)),
        Expr::InQuery { expr, negated, .. } => {
            format!("({} {}in (query))", shape(expr), not(*negated))
        }
        Expr::AnyArray {
            left,
            op,
            array,
            all,
            ..
        } => format!("({} {op} {} {})", shape(left), any(*all), shape(array)),
        Expr::AnyQuery { left, op, all, .. } => {
            format!("({} {op} {} (query))", shape(left), any(*all))
        }
        Expr::Exists(_) => "exists (query)".to_owned(),
        Expr::Scalar(_) => "(query)".to_owned(),
        Expr::ArrayQuery(_) => "array(query)".to_owned(),
        Expr::Array(list) => format!("array[{}]", shapes(list)),
        Expr::Row(list) => format!("row({})", shapes(list)),
        Expr::Case {
            operand,
            whens,
            otherwise,
        } => {
            let mut text = "case".to_owned();
            if let Some(operand) = operand {
                text = format!("{text} {}", shape(operand));
            }
            for (when, then) in whens {
                text = format!("{text} when {} then {}", shape(when), shape(then));
            }
            if let Some(otherwise) = otherwise {
                text = format!("{text} else {}", shape(otherwise));
            }
            format!("{text} end")
        }
        Expr::Call(call) => call_shape(call),
        Expr::Index { base, index } => format!("{}[{}]", shape(base), shape(index)),
        Expr::Slice { base, low, high } => {
            let bound = |bound: &Option<Box<Expr>>| {
                bound.as_ref().map(|bound| shape(bound)).unwrap_or_default()
            };
            format!("{}[{}:{}]", shape(base), bound(low), bound(high))
        }
        Expr::Field { base, name } => format!("{}.{name}", shape(base)),
        Expr::Collate { expr, collation } => {
            format!("({} collate {})", shape(expr), collation.name)
        }
        Expr::AtTimeZone { expr, zone } => {
            format!("({} at time zone {})", shape(expr), shape(zone))
        }
        Expr::Default => "default".to_owned(),
    }
}

pub(super) fn type_shape(ty: &TypeName) -> String {
    let mut text = match &ty.name.schema {
        Some(schema) => format!("{schema}.{}", ty.name.name),
        None => ty.name.name.clone(),
    };
    if let Some(column) = &ty.percent_column {
        text = format!("{text}.{column}%type");
    }
    if !ty.modifiers.is_empty() {
        text = format!("{text}{:?}", ty.modifiers);
    }
    text + &"[]".repeat(ty.array_dimensions.into())
}

fn call_shape(call: &Call) -> String {
    let args = call.args.iter().map(|arg| {
        let name = arg
            .name
            .as_ref()
            .map(|name| format!("{name} => "))
            .unwrap_or_default();
        let variadic = if arg.variadic { "variadic " } else { "" };
        format!("{variadic}{name}{}", shape(&arg.value))
    });
    let mut inner = if call.star {
        "*".to_owned()
    } else {
        args.collect::<Vec<_>>().join(", ")
    };
    if call.distinct {
        inner = format!("distinct {inner}");
    }
    inner += &order_shape(&call.order_by);
    let schema = call
        .name
        .schema
        .as_ref()
        .map(|schema| format!("{schema}."))
        .unwrap_or_default();
    let mut text = format!("{schema}{}({inner})", call.name.name);
    if !call.within_group.is_empty() {
        text = format!(
            "{text} within group ({})",
            order_shape(&call.within_group).trim_start()
        );
    }
    if let Some(filter) = &call.filter {
        text = format!("{text} filter {}", shape(filter));
    }
    match &call.over {
        None => text,
        Some(Window::Named(name)) => format!("{text} over {name}"),
        Some(Window::Spec(spec)) => {
            let base = spec.base.clone().unwrap_or_default();
            let (partition, order) = (shapes(&spec.partition_by), order_shape(&spec.order_by));
            format!(
                "{text} over ({base} partition {partition}{order} {:?})",
                spec.frame
            )
        }
    }
}

fn order_shape(keys: &[OrderBy]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let key = |key: &OrderBy| {
        let direction = if key.descending { " desc" } else { "" };
        let nulls = key
            .nulls_first
            .map(|first| if first { " nulls first" } else { " nulls last" });
        format!(
            "{}{direction}{}",
            shape(&key.expr),
            nulls.unwrap_or_default()
        )
    };
    format!(
        " order by {}",
        keys.iter().map(key).collect::<Vec<_>>().join(", ")
    )
}

fn shapes(list: &[Expr]) -> String {
    list.iter().map(shape).collect::<Vec<_>>().join(", ")
}

fn not(negated: bool) -> &'static str {
    if negated { "not " } else { "" }
}

fn any(all: bool) -> &'static str {
    if all { "all" } else { "any" }
}
