//! Filters as expressions.

use plinth_sql::ast::{Expr, JoinOn, LikeKind, Query, Select, SelectItem};
use plinth_sql::types::Type;

use super::tree::{Child, Node, Source};
use super::{Aliases, Context, Params, all_of, any_of, embed, types};
use crate::array;
use crate::body;
use crate::error::Error;
use crate::request::{Comparison, FieldRef, Filter, Is, JsonKey, Test, Tree};

/// Longer lists become one array parameter, so that statements of one shape have one text.
const MAX_INLINE_LIST: usize = 50;

/// Where conditions are written: the relation goes by `alias`.
pub(super) struct Place<'a, 'p> {
    pub(super) cx: &'p Context<'a>,
    pub(super) params: &'p mut Params,
    pub(super) aliases: &'p mut Aliases,
}

/// The filters of a level, and that its `!inner` embeds have rows.
pub(super) fn of_node(place: &mut Place, node: &Node, alias: &str) -> Result<Vec<Expr>, Error> {
    let mut terms = of_filters(place, &node.source, Some(node), &node.level.filters, alias)?;
    for child in node.children.iter().filter(|child| child.embed.inner) {
        terms.push(exists(place, child, alias)?);
    }
    Ok(terms)
}

/// Filters on columns; those on embeds too when there is a node that has some.
pub(super) fn of_filters(
    place: &mut Place,
    source: &Source,
    node: Option<&Node>,
    filters: &[Tree],
    alias: &str,
) -> Result<Vec<Expr>, Error> {
    filters
        .iter()
        .map(|tree| of_tree(place, source, node, tree, alias))
        .collect()
}

fn of_tree(
    place: &mut Place,
    source: &Source,
    node: Option<&Node>,
    tree: &Tree,
    alias: &str,
) -> Result<Expr, Error> {
    match tree {
        Tree::Group {
            negated,
            any,
            terms,
        } => {
            let terms = of_filters(place, source, node, terms, alias)?;
            let joined = if *any { any_of(terms) } else { all_of(terms) };
            Ok(not_if(*negated, joined.unwrap_or(Expr::Bool(true))))
        }
        Tree::Filter(filter) => {
            let child = node.filter(|_| filter.field.path.is_empty());
            match child.and_then(|node| node.child(&filter.field.name)) {
                Some(child) => of_embed(place, source, child, filter, alias),
                None => of_filter(place, source, filter, alias),
            }
        }
    }
}

/// `embed=is.null` and `embed=not.is.null`. A column of the same name may be filtered in other ways.
fn of_embed(
    place: &mut Place,
    source: &Source,
    child: &Child,
    filter: &Filter,
    alias: &str,
) -> Result<Expr, Error> {
    let absent = match filter.test {
        Test::Is(Is::Null) => !filter.negated,
        Test::Is(Is::NotNull) => filter.negated,
        _ if source.has(&filter.field.name) => return of_filter(place, source, filter, alias),
        _ => {
            return Err(Error::EmbedOperator {
                name: filter.field.name.clone(),
            });
        }
    };
    Ok(not_if(absent, exists(place, child, alias)?))
}

/// That the embed has a row for the row called `parent`.
fn exists(place: &mut Place, child: &Child, parent: &str) -> Result<Expr, Error> {
    let alias = place.aliases.take(&child.relationship.target.name.name);
    let bound = |column: &str, _: usize| Expr::qualified(parent, column);
    let (from, mut terms) = embed::link(&child.relationship, &alias, place.aliases, bound);
    terms.extend(of_node(place, &child.node, &alias)?);
    Ok(Expr::Exists(Box::new(Query::select(Select {
        projection: vec![SelectItem::Expr {
            expr: Expr::Number("1".to_owned()),
            alias: None,
        }],
        from: vec![from],
        selection: all_of(terms),
        ..Select::default()
    }))))
}

/// The value of a column or of a path in it, and what it is compared as.
pub(super) fn operand<'t>(
    cx: &Context,
    source: &Source<'t>,
    field: &FieldRef,
    alias: &str,
) -> Result<(Expr, Operand<'t>), Error> {
    let ty = source.type_of(cx, &field.name)?;
    let column = Expr::qualified(alias, &field.name);
    let Some(last) = field.path.last() else {
        return Ok((column, Operand::Column(ty)));
    };
    let base = match ty {
        // json has no comparisons of its own, arrays and rows no paths.
        Type::Json => Expr::cast(column, types::jsonb()),
        Type::Array(_) | Type::Row(_) => {
            Expr::call(plinth_sql::ast::ObjectName::bare("to_jsonb"), vec![column])
        }
        _ => column,
    };
    let value = json_path(base, field);
    Ok((
        value,
        if last.as_text {
            Operand::Text
        } else {
            Operand::Jsonb
        },
    ))
}

/// What a value is compared as.
#[derive(Clone, Copy)]
pub(super) enum Operand<'t> {
    /// A plain column.
    Column(&'t Type),
    /// After `->>`.
    Text,
    /// After `->`.
    Jsonb,
}

/// `base->'a'->>'b'`.
pub(super) fn json_path(base: Expr, field: &FieldRef) -> Expr {
    field.path.iter().fold(base, |base, step| {
        let key = match &step.key {
            JsonKey::Name(name) => Expr::String(name.clone()),
            JsonKey::Index(index) => {
                let number = Expr::Number(index.unsigned_abs().to_string());
                match index {
                    ..0 => Expr::Unary {
                        op: "-".to_owned(),
                        expr: Box::new(number),
                        span: plinth_sql::ast::Span::default(),
                    },
                    _ => number,
                }
            }
        };
        Expr::binary(if step.as_text { "->>" } else { "->" }, base, key)
    })
}

fn of_filter(
    place: &mut Place,
    source: &Source,
    filter: &Filter,
    alias: &str,
) -> Result<Expr, Error> {
    let (left, operand) = operand(place.cx, source, &filter.field, alias)?;
    let mut value = |text: Option<String>| match operand {
        Operand::Jsonb => Expr::cast(place.params.add(text), types::jsonb()),
        Operand::Column(_) | Operand::Text => place.params.add(text),
    };
    let positive = match &filter.test {
        Test::Compare(op, text) => {
            let (left, text) = prepared(*op, left, operand, text)?;
            compare(*op, operand, left, value(Some(text)))?
        }
        Test::Quantified { op, all, values } => {
            let mut terms = Vec::with_capacity(values.len());
            for element in values {
                let right = value(element.clone().map(|text| pattern(*op, &text)));
                terms.push(compare(*op, operand, left.clone(), right)?);
            }
            let joined = if *all { all_of(terms) } else { any_of(terms) };
            joined.unwrap_or(Expr::Bool(*all))
        }
        Test::In(list) if list.is_empty() => Expr::Bool(false),
        Test::In(list) => {
            let scalar = !matches!(operand, Operand::Jsonb | Operand::Column(Type::Array(_)));
            if scalar && list.len() > MAX_INLINE_LIST {
                let array = value(Some(array::literal(list.iter().map(Some))));
                Expr::AnyArray {
                    left: Box::new(left),
                    op: "=".to_owned(),
                    array: Box::new(array),
                    all: false,
                    span: plinth_sql::ast::Span::default(),
                }
            } else {
                let list = list.iter().map(|text| value(Some(text.clone()))).collect();
                Expr::InList {
                    expr: Box::new(left),
                    list,
                    negated: false,
                }
            }
        }
        Test::Is(is) => of_is(*is, left),
        Test::IsDistinct(text) => Expr::IsDistinct {
            left: Box::new(left),
            right: Box::new(value(Some(text.clone()))),
            negated: false,
        },
        Test::FullText(op) => {
            return Err(Error::Unsupported {
                what: format!("full-text search operator {op}"),
            });
        }
    };
    Ok(not_if(filter.negated, positive))
}

fn of_is(is: Is, tested: Expr) -> Expr {
    let expr = Box::new(tested);
    match is {
        Is::Null => Expr::IsNull {
            expr,
            negated: false,
        },
        Is::NotNull => Expr::IsNull {
            expr,
            negated: true,
        },
        Is::True => Expr::IsBool {
            expr,
            value: Some(true),
            negated: false,
        },
        Is::False => Expr::IsBool {
            expr,
            value: Some(false),
            negated: false,
        },
        Is::Unknown => Expr::IsBool {
            expr,
            value: None,
            negated: false,
        },
    }
}

/// Both sides as the operator wants them: containment takes JSON arrays for array columns, patterns take `*` for `%`.
fn prepared(
    op: Comparison,
    left: Expr,
    operand: Operand,
    text: &str,
) -> Result<(Expr, String), Error> {
    let contains = matches!(
        op,
        Comparison::Contains | Comparison::ContainedBy | Comparison::Overlaps
    );
    match operand {
        Operand::Column(Type::Array(element)) if contains && text.starts_with('[') => {
            body::check_depth(text)?;
            Ok((left, body::array_of_json(text, element)?))
        }
        Operand::Column(Type::Json) if contains => {
            Ok((Expr::cast(left, types::jsonb()), text.to_owned()))
        }
        _ => Ok((left, pattern(op, text))),
    }
}

fn pattern(op: Comparison, text: &str) -> String {
    match op {
        Comparison::Like | Comparison::Ilike => text.replace('*', "%"),
        _ => text.to_owned(),
    }
}

fn compare(op: Comparison, operand: Operand, left: Expr, right: Expr) -> Result<Expr, Error> {
    let like = |kind, left, right| Expr::Like {
        kind,
        expr: Box::new(left),
        pattern: Box::new(right),
        escape: None,
        negated: false,
    };
    let undefined = |operator| {
        let left = match operand {
            Operand::Column(ty) => ty.to_string(),
            Operand::Text => "text".to_owned(),
            Operand::Jsonb => "jsonb".to_owned(),
        };
        Err(Error::UndefinedOperator { left, operator })
    };
    Ok(match op {
        Comparison::Eq => Expr::binary("=", left, right),
        Comparison::Neq => Expr::binary("<>", left, right),
        Comparison::Gt => Expr::binary(">", left, right),
        Comparison::Gte => Expr::binary(">=", left, right),
        Comparison::Lt => Expr::binary("<", left, right),
        Comparison::Lte => Expr::binary("<=", left, right),
        Comparison::Like => like(LikeKind::Like, left, right),
        Comparison::Ilike => like(LikeKind::Ilike, left, right),
        Comparison::Match => Expr::binary("~", left, right),
        Comparison::Imatch => Expr::binary("~*", left, right),
        Comparison::Contains => Expr::binary("@>", left, right),
        Comparison::ContainedBy => Expr::binary("<@", left, right),
        Comparison::Overlaps => Expr::binary("&&", left, right),
        Comparison::StrictlyLeft => return undefined("<<"),
        Comparison::StrictlyRight => return undefined(">>"),
        Comparison::NotRight => return undefined("&<"),
        Comparison::NotLeft => return undefined("&>"),
        Comparison::Adjacent => return undefined("-|-"),
    })
}

/// `NOT`, in the predicate's own form where it has one.
fn not_if(negated: bool, mut expr: Expr) -> Expr {
    if !negated {
        return expr;
    }
    match &mut expr {
        Expr::Bool(value) => *value = !*value,
        Expr::IsNull { negated, .. }
        | Expr::IsBool { negated, .. }
        | Expr::IsDistinct { negated, .. }
        | Expr::Like { negated, .. }
        | Expr::InList { negated, .. } => *negated = !*negated,
        _ => return Expr::Not(Box::new(expr)),
    }
    expr
}

/// The `ON` of a junction.
pub(super) fn on(terms: Vec<Expr>) -> JoinOn {
    all_of(terms).map_or(JoinOn::None, JoinOn::On)
}
