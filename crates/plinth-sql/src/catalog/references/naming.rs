//! Names that follow from other text: of result columns, and inside `regclass` constants.

use crate::ast::{Expr, ObjectName, SelectItem, SetExpr};
use crate::catalog::QName;

pub(super) fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::Expr {
            alias: Some(alias), ..
        } => Some(alias.clone()),
        SelectItem::Expr { expr, alias: None } => Some(output_name(expr)),
        SelectItem::Wildcard | SelectItem::QualifiedWildcard(_) => None,
    }
}

/// The name that Postgres gives a result column without an alias.
pub(crate) fn output_name(expr: &Expr) -> String {
    figure_name(expr).0.unwrap_or_else(|| "?column?".to_owned())
}

/// A name, and whether it is better than the name of a type around it.
fn figure_name(expr: &Expr) -> (Option<String>, bool) {
    let strong = |name: &str| (Some(name.to_owned()), true);
    match expr {
        Expr::Column(column) | Expr::Wildcard(column) => (column.parts.last().cloned(), true),
        Expr::Call(call) => strong(&call.name.name),
        Expr::Field { name, .. } => strong(name),
        Expr::Index { base, .. } | Expr::Slice { base, .. } | Expr::Collate { expr: base, .. } => {
            figure_name(base)
        }
        Expr::Cast { expr, ty } => match figure_name(expr) {
            (Some(name), true) => (Some(name), true),
            _ => (Some(ty.name.name.clone()), false),
        },
        Expr::Case { otherwise, .. } => match otherwise.as_deref().map(figure_name) {
            Some((Some(name), true)) => (Some(name), true),
            _ => (Some("case".to_owned()), false),
        },
        Expr::Bool(_) => (Some("bool".to_owned()), false),
        Expr::Exists(_) => strong("exists"),
        Expr::Array(_) | Expr::ArrayQuery(_) => strong("array"),
        Expr::Row(_) => strong("row"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Scalar(query) => {
            let mut body = &query.body;
            loop {
                match body {
                    SetExpr::Select(select) => {
                        return (select.projection.first().and_then(item_name), true);
                    }
                    SetExpr::Values(_) => return strong("column1"),
                    SetExpr::Query(inner) => body = &inner.body,
                    SetExpr::SetOp { left, .. } => body = left,
                }
            }
        }
        _ => (None, false),
    }
}

/// The name in the text of a `regclass` constant: `s`, `public.s`, `"Odd name"`.
pub(super) fn split_regclass(text: &str) -> Option<ObjectName> {
    let mut parts = vec![String::new()];
    let mut rest = text.trim().chars().peekable();
    let mut quoted = false;
    while let Some(next) = rest.next() {
        let last = parts.last_mut()?;
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other if quoted => last.push(other),
            other => last.extend(other.to_lowercase()),
        }
    }
    match parts.as_slice() {
        [name] => Some(ObjectName::bare(name)),
        [schema, name] => Some(ObjectName::qualified(schema, name)),
        _ => None,
    }
}

/// The text of a `regclass` constant for a full name.
pub(crate) fn regclass_text(name: &QName) -> String {
    let quote = |part: &str| {
        let plain = part.chars().enumerate().all(|(at, c)| {
            c.is_ascii_lowercase() || c == '_' || (at > 0 && (c.is_ascii_digit() || c == '$'))
        });
        if plain && !part.is_empty() {
            part.to_owned()
        } else {
            format!("\"{}\"", part.replace('"', "\"\""))
        }
    };
    format!("{}.{}", quote(&name.schema), quote(&name.name))
}
